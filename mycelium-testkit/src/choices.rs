//! [`Choices`]: who decides what happens next, a seed or a fuzzer.

use fastrand::Rng;

/// Decides what a test does next.
///
/// A seeded generator and a fuzzer's bytes decide alike, so that one model of a node serves both.
pub trait Choices {
    /// A number below `bound`; 0 where the bound is 0.
    fn below(&mut self, bound: usize) -> usize;

    /// Whether the one case in so many has come.
    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

impl Choices for Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.usize(..bound.max(1))
    }
}
