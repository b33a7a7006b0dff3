//! `Self` in an array length is the type as written, wherever the derives copy the length to.

use mycelium_macros::message;
use mycelium_wire::Wire;

#[message(crate = mycelium_wire)]
pub struct Symbol {
    letters: [u8; Self::LETTERS],
    padding: [[u8; 16 - Self::LETTERS]; Self::rows(1)],
}

impl Symbol {
    const LETTERS: usize = 8;

    const fn rows(count: usize) -> usize {
        count
    }
}

#[message(crate = mycelium_wire)]
enum Ladder {
    Prices([i64; Ladder::LEVELS]),
    Sizes { sizes: [u32; <Self as Levels>::LEVELS] },
}

trait Levels {
    const LEVELS: usize;
}

impl Levels for Ladder {
    const LEVELS: usize = 5;
}

fn main() {
    let symbol = Symbol { letters: *b"AAPL    ", padding: [[0; 8]] };
    assert_eq!(symbol.letters.len() + symbol.padding[0].len(), 16);
    let ladders = [Ladder::Prices([0; 5]), Ladder::Sizes { sizes: [0; 5] }];
    for ladder in ladders {
        match ladder {
            Ladder::Prices(prices) => assert_eq!(prices.len(), 5),
            Ladder::Sizes { sizes } => assert_eq!(sizes.len(), 5),
        }
    }
    assert_ne!(Symbol::FINGERPRINT, Ladder::FINGERPRINT);
}
