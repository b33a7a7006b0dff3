//! [`Processors`]: what other programs took of the processors, for rows that judge times.

use std::{fs, io};

/// The time that processors had so far, in the system's clock ticks, by proc(5).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors {
    all: u64,
    /// What programs used of it, and other guests of the host.
    busy: u64,
    /// What this process used of it.
    own: u64,
}

impl Processors {
    pub(crate) fn now() -> io::Result<Self> {
        Self::read(
            &fs::read_to_string("/proc/stat")?,
            &fs::read_to_string("/proc/self/stat")?,
        )
        .ok_or_else(|| io::Error::other("/proc/stat or /proc/self/stat has another form"))
    }

    fn read(host: &str, own: &str) -> Option<Self> {
        // User, nice, system, idle, iowait, irq, softirq, steal. What guests had is in the first, and
        // interrupts belong to whoever moves bytes.
        let host = host.lines().next()?.strip_prefix("cpu ")?;
        let host = numbers(host.split_whitespace().take(8))?;
        let &[user, nice, system, _, _, _, _, steal] = host.as_slice() else {
            return None;
        };
        // The name in brackets may hold anything; user and system are the 12th and 13th after it.
        let (_, own) = own.rsplit_once(')')?;
        let own = numbers(own.split_whitespace().skip(11).take(2))?;
        let &[own_user, own_system] = own.as_slice() else {
            return None;
        };
        Some(Self {
            all: host.iter().sum(),
            busy: user + nice + system + steal,
            own: own_user + own_system,
        })
    }

    /// The share of all processors that others used since.
    pub(crate) fn others_share_since(&self, before: &Self) -> f64 {
        let busy = self.busy.saturating_sub(before.busy);
        let others = busy.saturating_sub(self.own.saturating_sub(before.own));
        // What waited for disks may be told to be less than before.
        let all = self.all.saturating_sub(before.all).max(1);
        #[expect(clippy::cast_precision_loss, reason = "these are seconds, not years")]
        let share = others as f64 / all as f64;
        share
    }
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Option<Vec<u64>> {
    words.map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "cpu  100 10 50 800 5 1 4 30 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";

    #[test]
    fn what_others_used_is_what_was_used_but_by_this_process() {
        let own = "7 (a (b) c) S 1 7 7 0 -1 4194304 10 0 0 0 20 5 0 0 20 0 3 0 99";
        let before = Processors::read(HOST, own).unwrap();
        let host = "cpu  150 10 70 820 5 1 14 40 7 0\n";
        let own = "7 (a (b) c) S 1 7 7 0 -1 4194304 10 0 0 0 50 15 0 0 20 0 3 0 99";
        let after = Processors::read(host, own).unwrap();
        // 80 of 110 ticks were used, 40 by this process.
        let share = after.others_share_since(&before);
        assert!((share - 40.0 / 110.0).abs() < 1e-9, "{share}");
    }

    #[test]
    fn another_form_is_not_taken_for_numbers() {
        assert!(Processors::read("cpu  1 2 3", "7 (a) S").is_none());
        assert!(Processors::read(HOST, "7 (a) S 1 7").is_none());
    }

    #[test]
    fn this_host_says_what_its_processors_did() {
        let before = Processors::now().unwrap();
        let share = Processors::now().unwrap().others_share_since(&before);
        assert!((0.0..=1.0).contains(&share), "{share}");
    }
}
