//! [`Restart`], [`Shutdown`], [`AutoShutdown`]: what becomes of a child that has ended, and how one is
//! ended.

use std::time::Duration;

use mycelium_core::StopReason;

/// Whether a child that has ended is restarted.
///
/// As OTP defines them
/// ([Supervisor Behaviour, Child Specification](https://www.erlang.org/doc/system/sup_princ.html#child-specification)).
/// An orderly stop, by whomever, is the normal end; a failure, a panic, a kill and the end of a linked
/// actor are abnormal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Where it ended abnormally.
    Transient,
    /// Never, even where a sibling's end has ended it.
    Temporary,
}

impl Restart {
    /// Whether a child that ended for this reason is restarted.
    pub fn applies_to(self, reason: &StopReason) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => *reason != StopReason::Stopped,
            Self::Temporary => false,
        }
    }
}

/// How a supervisor ends a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// At its next await, without `stopped`.
    Kill,
    /// In good order, and killed when that takes longer. A child that is to be restarted finishes the
    /// message at hand; one that is removed, or ends with its supervisor, handles all it has accepted.
    Within(Duration),
    /// In good order, however long it takes: for supervisors, whose children have limits of their own.
    Infinity,
}

impl Default for Shutdown {
    /// Within 5 s, as OTP's workers.
    fn default() -> Self {
        Self::Within(Duration::from_secs(5))
    }
}

/// Whether a supervisor ends when [significant](crate::ChildSpec::significant) children have ended by
/// themselves, and are not restarted.
///
/// As OTP defines it
/// ([Supervisor Behaviour, Automatic Shutdown](https://www.erlang.org/doc/system/sup_princ.html#automatic-shutdown)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one has.
    AnySignificant,
    /// When the last of them has.
    AllSignificant,
}
