//! [`Netns`]: two network namespaces with a wire between them, for rows that need a network.
//!
//! Made with `ip`, which needs root. The names carry our process id: a run that was killed leaves
//! namespaces behind that the next one sweeps away.

use std::{
    io,
    path::Path,
    process::{self, Command},
};

use crate::rows::Skip;

/// The beginning of the names of all our namespaces.
const PREFIX: &str = "mycelium-";

/// Two namespaces, `a` at 10.77.0.1 and `b` at 10.77.0.2; removed when this is dropped.
pub(crate) struct Netns {
    a: String,
    b: String,
}

/// Whether the wire is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Plugged,
    Pulled,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    A,
    B,
}

impl Netns {
    /// Whether this process may make namespaces: where not, a row is skipped.
    pub(crate) fn is_possible() -> bool {
        rustix::process::geteuid().is_root() && ip(&["netns", "list"]).is_ok()
    }

    /// Skips a row where this process may not make namespaces.
    pub(crate) fn needed() -> Result<(), Skip> {
        if Self::is_possible() {
            Ok(())
        } else {
            Err(Skip("needs root and ip"))
        }
    }

    /// The address of one of the two.
    pub(crate) fn host(side: Side) -> &'static str {
        match side {
            Side::A => "10.77.0.1",
            Side::B => "10.77.0.2",
        }
    }

    /// Makes both, and the wire.
    pub(crate) fn wired() -> io::Result<Self> {
        let name = |side| format!("{PREFIX}{}-{side}", process::id());
        // From here on, what was made is removed also where the rest fails.
        let pair = Self {
            a: name('a'),
            b: name('b'),
        };
        let (a, b) = (pair.a.as_str(), pair.b.as_str());
        for side in [a, b] {
            ip(&["netns", "add", side])?;
        }
        ip(&[
            "-n", a, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", b,
        ])?;
        for (side, address) in [(a, "10.77.0.1/24"), (b, "10.77.0.2/24")] {
            ip(&["-n", side, "addr", "add", address, "dev", "wire"])?;
            ip(&["-n", side, "link", "set", "wire", "up"])?;
            ip(&["-n", side, "link", "set", "lo", "up"])?;
        }
        Ok(pair)
    }

    /// Pulls the wire out, or plugs it in: nothing comes through, and nobody is told.
    pub(crate) fn set_wire(&self, wire: Wire) -> io::Result<()> {
        let state = match wire {
            Wire::Plugged => "up",
            Wire::Pulled => "down",
        };
        ip(&["-n", &self.a, "link", "set", "wire", state])
    }

    /// Starts a program in one of the namespaces.
    pub(crate) fn command(&self, side: Side, program: impl AsRef<Path>) -> Command {
        let name = match side {
            Side::A => &self.a,
            Side::B => &self.b,
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]).arg(program.as_ref());
        command
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        for name in [&self.a, &self.b] {
            // One that is left is swept by the next run.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// Removes the namespaces of runs that are dead.
pub(crate) fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'));
        if let Some((pid, _)) = owner
            && pid.bytes().all(|digit| digit.is_ascii_digit())
            && !Path::new("/proc").join(pid).exists()
        {
            // Without root it is the next run's.
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}

fn ip(words: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {}: {said}", words.join(" "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_reach_each_other_by_their_wire_and_are_gone_with_the_guard() {
        sweep();
        if !Netns::is_possible() {
            println!("skipped: needs root and ip");
            return;
        }
        let pair = Netns::wired().unwrap();
        let routes = |side| {
            let output = pair
                .command(side, "ip")
                .args(["addr", "show", "wire"])
                .output();
            String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
        };
        assert!(routes(Side::A).contains("10.77.0.1"));
        assert!(routes(Side::B).contains("10.77.0.2"));
        pair.set_wire(Wire::Pulled).unwrap();
        assert!(routes(Side::A).contains("state DOWN"));
        pair.set_wire(Wire::Plugged).unwrap();
        assert!(!routes(Side::A).contains("state DOWN"));
        let place = Path::new("/run/netns").join(&pair.a);
        assert!(place.exists());
        drop(pair);
        assert!(!place.exists());
    }
}
