//! [`PacketLoss`]: packets that get lost at random on a wire, both ways, by nftables.
//!
//! A machine without nftables gets it from its distribution, where that is apt-get's and we are
//! root; elsewhere a row that wants it is skipped.

use std::{
    io,
    process::{Command, Stdio},
};

use crate::{
    netns::{Netns, Side},
    rows::Skip,
};

/// The table that holds our one chain in each namespace.
const TABLE: &str = "loss";

/// What the chain is called there.
const CHAIN: &str = "arriving";

/// Packets get lost for as long as this lives.
pub(crate) struct PacketLoss<'a>(&'a Netns);

impl<'a> PacketLoss<'a> {
    /// Skips a row where nftables is missing and cannot be had.
    pub(crate) fn needed() -> Result<(), Skip> {
        Netns::needed()?;
        if is_installed() || (install().is_ok() && is_installed()) {
            Ok(())
        } else {
            Err(Skip("install nftables"))
        }
    }

    /// Drops so many of a hundred packets that arrive at either end, each by a throw of its own.
    pub(crate) fn begin(net: &'a Netns, percent: u32) -> io::Result<Self> {
        // From here on, what was made is removed also where the rest fails.
        let loss = Self(net);
        let hook = "{ type filter hook input priority 0 ; }";
        let drop = format!("numgen random mod 100 < {percent} counter drop");
        for side in [Side::A, Side::B] {
            nft(net, side, &format!("add table ip {TABLE}"))?;
            nft(net, side, &format!("add chain ip {TABLE} {CHAIN} {hook}"))?;
            nft(net, side, &format!("add rule ip {TABLE} {CHAIN} {drop}"))?;
        }
        Ok(loss)
    }

    /// How many packets were lost so far.
    pub(crate) fn packets(&self) -> io::Result<u64> {
        let mut lost = 0;
        for side in [Side::A, Side::B] {
            let said = nft(self.0, side, &format!("list chain ip {TABLE} {CHAIN}"))?;
            let mut words = said.split_whitespace();
            let counted = words.find(|word| *word == "packets").and(words.next());
            let counted = counted.and_then(|number| number.parse::<u64>().ok());
            lost += counted.ok_or_else(|| io::Error::other(format!("no count in {said}")))?;
        }
        Ok(lost)
    }
}

impl Drop for PacketLoss<'_> {
    fn drop(&mut self) {
        for side in [Side::A, Side::B] {
            // What is left goes with the namespace.
            let _ = nft(self.0, side, &format!("delete table ip {TABLE}"));
        }
    }
}

fn is_installed() -> bool {
    let mut nft = Command::new("nft");
    succeeds(nft.arg("--version"))
}

/// From the distribution, as root; `Netns::needed` has seen to that.
fn install() -> io::Result<()> {
    eprintln!("installing nftables");
    for words in [
        &["update", "-qq"][..],
        &[
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "nftables",
        ],
    ] {
        let mut apt = Command::new("apt-get");
        let apt = apt.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        if !succeeds(apt) {
            return Err(io::Error::other(format!("{apt:?} failed")));
        }
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs one command of nftables in a namespace, and gives what it said.
fn nft(net: &Netns, side: Side, command: &str) -> io::Result<String> {
    let output = net.command(side, "nft").arg(command).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft {command}: {said}")))
}
