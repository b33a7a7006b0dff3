//! The main job: real order flow from one process to another, timed and accounted for.
//!
//! `cargo run --release --bin market_data -- --help` tells what it takes. One executable plays
//! every part: the launcher starts copies of itself as **feed**, which replays order events,
//! **book**, which keeps a limit order book per symbol with a risk check beside it, and **strategy**,
//! which follows the book and asks it for its best prices.
//!
//! Read [`launcher`] for the processes, [`roles`] for what they send each other, [`book`] for what
//! it is about.

mod actors;
mod asker;
mod book;
mod checksum;
mod child;
mod children;
mod clock;
mod event;
mod failure;
mod feed;
mod generator;
mod interrupt;
mod latency;
mod launcher;
mod ledger;
mod lobster;
mod messages;
mod notice;
mod options;
mod pace;
mod progress;
mod report;
mod risk;
mod roles;
mod socket_folder;
mod stage;
mod strategy;

use std::process::ExitCode;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::from_command_line();
    match options.role.role {
        None => launcher::run(&options),
        Some(role) => child::run(role, options),
    }
}
