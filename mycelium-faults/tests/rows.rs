//! Rows whose outcomes and counts no other test holds, played once each without their time limits.
//!
//! Those of the other rows are held by the tests that the rows' files name.

use std::process::Command;

/// Plays rows; fails with what they said where one has failed.
fn play(rows: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faults"));
    let output = command.args(rows).arg("--untimed").output();
    let output = output.expect("the program was built");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn nodes_that_are_killed_stopped_or_cut_off_leave_ledgers_that_add_up() {
    play(&["F-5", "F-17"]);
}

#[test]
fn refs_of_an_earlier_life_reach_nobody() {
    play(&["F-7"]);
}

#[test]
fn a_name_has_one_node() {
    play(&["F-8"]);
}

#[test]
fn a_node_lives_on_with_few_descriptors() {
    play(&["F-11"]);
}

#[test]
fn a_program_that_aborts_on_panics_is_refused_at_its_start() {
    play(&["F-40"]);
}

#[test]
fn captured_handshakes_and_flipped_bits_are_refused() {
    play(&["F-32", "F-33", "F-34", "F-36"]);
}
