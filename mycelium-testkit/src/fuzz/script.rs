//! [`Script`]: choices that were written down as bytes.

use crate::Choices;

/// Choices that were written down as bytes. Where the bytes end, all further choices are 0.
pub(crate) struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next bytes, as many as there are, with zeros behind them.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.bytes(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// The next bytes, fewer where the script ends.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

impl Choices for Script<'_> {
    /// Takes one byte for small bounds and four for large ones.
    fn below(&mut self, bound: usize) -> usize {
        let number = if bound <= 256 {
            usize::from(self.byte())
        } else {
            u32::from_le_bytes(self.array()) as usize
        };
        number % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Script;
    use crate::Choices;

    #[test]
    fn a_script_that_is_over_chooses_nothing_but_zero() {
        let mut script = Script::new(&[7]);
        assert_eq!(
            (script.below(5), script.below(5), script.below(0)),
            (2, 0, 0)
        );
        assert_eq!(script.array(), [0; 4]);
        assert!(script.is_over());
    }
}
