//! The small examples do what they say: each is run, and what it prints is compared.

use std::process::Command;

/// What the example prints when it ends well.
#[track_caller]
fn printed(example: &str) -> String {
    let output = Command::new(example).output();
    let output = output.expect("the example was built with this test");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("examples print text")
}

#[test]
fn hello() {
    assert_eq!(
        printed(env!("CARGO_BIN_EXE_hello")),
        "hello, actor\nhello, world\n"
    );
}

#[test]
fn ask() {
    let expected = "\
balance: 100
withdrew 30, 70 left
cannot withdraw 500: only 70 left
not closed: no answer came in time
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_ask")), expected);
}

#[test]
fn pipeline() {
    let expected = "\
sum of 200 prices: 20100
never more than 11 lines under way: true
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_pipeline")), expected);
}

#[test]
fn inbox() {
    let expected = "\
position: 2
position at the end: 1
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_inbox")), expected);
}

#[test]
fn two_processes() {
    let expected = "\
linked by Unix: true
total: 500500, from another process: true
the other process ended: exit status: 0
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_two_processes")), expected);
}

#[test]
fn two_nodes() {
    let expected = "\
strategy: the book by TCP: true
book: a follower by TCP: true
strategy: bid 5853300
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_two_nodes")), expected);
}

#[test]
fn object() {
    let expected = "strategy: 5000000 bytes in 77 parts, which sum up to 637493856\n";
    assert_eq!(printed(env!("CARGO_BIN_EXE_object")), expected);
}

#[test]
fn zero_copy() {
    let expected = "\
this process: best bid 5853300, the very levels that were sent: true
this process: best bid 5853300, the very levels that were sent: true
another node: best bid 5853300, 65536 raw bytes
";
    assert_eq!(printed(env!("CARGO_BIN_EXE_zero_copy")), expected);
}
