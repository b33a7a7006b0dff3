//! The wishes of the user to stop, as signals tell them.

use std::{future::poll_fn, io, task::Poll};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A wish to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// SIGINT.
    CtrlC,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGQUIT, Ctrl-\.
    Quit,
}

impl Interrupt {
    const ALL: [Self; 4] = [Self::CtrlC, Self::Terminate, Self::HangUp, Self::Quit];

    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CtrlC => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
            Self::Quit => "SIGQUIT",
        }
    }

    /// 128 and the number of the signal, as shells have it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::HangUp => 129,
            Self::CtrlC => 130,
            Self::Quit => 131,
            Self::Terminate => 143,
        }
    }

    fn kind(self) -> SignalKind {
        match self {
            Self::CtrlC => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
            Self::Quit => SignalKind::quit(),
        }
    }

    /// `nohup` starts a program with SIGHUP ignored: it should stay so.
    fn is_wanted(self) -> bool {
        let status = || std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        self != Self::HangUp || !ignores(&status(), self.kind())
    }
}

/// All wishes, from the moment of [`listen`](Self::listen) on.
pub(crate) struct Interrupts(Vec<(Interrupt, Signal)>);

impl Interrupts {
    /// From now on these signals no longer end the process.
    ///
    /// # Errors
    /// When the system does not let one be handled.
    pub(crate) fn listen() -> io::Result<Self> {
        let wanted = Interrupt::ALL.into_iter().filter(|it| it.is_wanted());
        let streams: io::Result<_> = wanted.map(|it| Ok((it, signal(it.kind())?))).collect();
        Ok(Self(streams?))
    }

    /// The next wish.
    ///
    /// # Cancel safety
    /// A call that is dropped loses none.
    pub(crate) async fn next(&mut self) -> Interrupt {
        poll_fn(|cx| {
            let mut streams = self.0.iter_mut();
            let come = streams.find_map(|(interrupt, stream)| {
                stream.poll_recv(cx).is_ready().then_some(*interrupt)
            });
            come.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Whether the process whose `/proc` status this is ignores a signal: a hexadecimal mask tells,
/// with the lowest bit for signal 1.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_128_and_the_signal() {
        for interrupt in Interrupt::ALL {
            let signal = interrupt.kind().as_raw_value();
            assert_eq!(i32::from(interrupt.exit_code()), 128 + signal);
        }
    }

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        let status = "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\n";
        assert!(ignores(status, SignalKind::hangup()));
        assert!(!ignores(status, SignalKind::interrupt()));
        assert!(!ignores("", SignalKind::hangup()));
    }
}
