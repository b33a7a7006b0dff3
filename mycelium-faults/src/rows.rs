//! [`ROWS`]: the table of what is played. A row is a file here and a line below.

mod f01;
mod f02;
mod f03;
mod f05;
mod f06;
mod f07;
mod f08;
mod f09;
mod f10;
mod f11;
mod f12;
mod f13;
mod f14;
mod f15;
mod f17;
mod f19;
mod f20;
mod f21;
mod f22;
mod f23;
mod f24;
mod f26;
mod f27;
mod f29;
mod f30;
mod f32;
mod f33;
mod f34;
mod f35;
mod f36;
mod f39;
mod f40;
mod f41;
mod f43;
mod f44;

use std::{error::Error, pin::Pin};

use crate::stage::Stage;

/// Something that goes wrong, and how the nodes have to take it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What is done, and when it passes.
    pub(crate) about: &'static str,
    pub(crate) play: for<'a> fn(&'a Stage) -> Play<'a>,
}

/// Says what was measured, or why the row did not pass.
pub(crate) type Play<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + 'a>>;

/// Why a row did not pass.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A row that cannot be played here, or not at this scale; not a failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Skip(pub(crate) &'static str);

pub(crate) const ROWS: &[Row] = &[
    f01::ROW,
    f02::ROW,
    f03::ROW,
    f05::ROW,
    f06::ROW,
    f07::ROW,
    f08::ROW,
    f09::ROW,
    f10::ROW,
    f11::ROW,
    f12::ROW,
    f13::ROW,
    f14::ROW,
    f15::ROW,
    f17::ROW,
    f19::ROW,
    f20::ROW,
    f21::ROW,
    f22::ROW,
    f23::ROW,
    f24::ROW,
    f26::ROW,
    f27::ROW,
    f29::ROW,
    f30::ROW,
    f32::ROW,
    f33::ROW,
    f34::ROW,
    f35::ROW,
    f36::ROW,
    f39::ROW,
    f40::ROW,
    f41::ROW,
    f43::ROW,
    f44::ROW,
];

/// What went wrong, in words.
pub(crate) fn fail(what: impl Into<String>) -> Failure {
    what.into().into()
}

/// Fails with these words unless it holds.
pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(fail(what())) }
}
