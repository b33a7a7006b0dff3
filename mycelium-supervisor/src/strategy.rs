//! [`Strategy`]: which children are restarted when one ends.

use std::fmt;

/// Which children are restarted when one of them has ended and is to be restarted.
///
/// As OTP defines them
/// ([Supervisor Behaviour, Restart Strategy](https://www.erlang.org/doc/system/sup_princ.html#restart-strategy)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// Only that child.
    #[default]
    OneForOne,
    /// All children: the others are stopped first, in reverse order of their start.
    OneForAll,
    /// That child, and those that were started after it, which are stopped first in reverse order.
    RestForOne,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneForOne => "one for one",
            Self::OneForAll => "one for all",
            Self::RestForOne => "rest for one",
        })
    }
}
