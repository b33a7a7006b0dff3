//! Two nodes over a network that delays, cuts and changes what they say: many seeds of it.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use mycelium_testkit::simulated::{Account, Network, Outcome};

const FIXED_SEEDS: u64 = 150;
const FRESH_SEEDS: usize = 50;

/// Runs one seed, and says how to repeat it where it fails.
fn run(seed: u64) -> Outcome {
    let run = AssertUnwindSafe(|| Network::new(seed).run());
    catch_unwind(run).unwrap_or_else(|panic| {
        eprintln!("seed {seed} failed; to repeat it alone:");
        eprintln!("MYCELIUM_SEED={seed} cargo test -p mycelium-testkit --test simulated_network");
        resume_unwind(panic)
    })
}

/// The seed that the environment names, where it does.
fn chosen_seed() -> Option<u64> {
    let seed = env::var("MYCELIUM_SEED").ok()?;
    Some(seed.parse().expect("MYCELIUM_SEED is a number"))
}

#[test]
fn every_message_is_accounted_for_at_most_once_and_in_order_whatever_the_network_does() {
    if let Some(seed) = chosen_seed() {
        println!("seed {seed}: {:?}", run(seed));
        return;
    }
    let fresh = [(); FRESH_SEEDS].map(|()| fastrand::u64(..));
    println!("seeds 0..{FIXED_SEEDS} and {fresh:?}");
    for seed in fresh {
        run(seed);
    }
    let mut cuts = 0;
    let mut flips = 0;
    let mut account = Account::default();
    for outcome in (0..FIXED_SEEDS).map(run) {
        cuts += outcome.cuts;
        flips += outcome.flips;
        account += outcome.account;
    }
    println!("{cuts} cuts, {flips} changed bits, {account:?}");
    // Seeds that met nothing would prove nothing.
    let met = [
        cuts,
        flips,
        account.confirmed,
        account.refused,
        account.unknown,
    ];
    assert!(met.iter().all(|count| *count > 0), "{met:?}");
}

#[test]
fn a_seed_decides_on_everything() {
    for seed in 0..4 {
        assert_eq!(format!("{:?}", run(seed)), format!("{:?}", run(seed)));
    }
}
