//! [`Fingerprint`]: a schema folded into 64 bits while the program is compiled.

/// A fold over the parts of a schema, evaluated at compile time.
///
/// FNV-1a over length-prefixed parts, finished with the `SplitMix64` mixer (Steele, Lea and Flood,
/// OOPSLA 2014) so that short schemas spread over all 64 bits. It tells schemas apart that differ
/// by accident; it is no defence against somebody who wants a collision, and needs none: every
/// archive is validated whatever its fingerprint.
///
/// # Examples
///
/// ```
/// use mycelium_wire::{Fingerprint, Wire};
///
/// const POINT: u64 = Fingerprint::of("struct", "Point")
///     .field("x", <i64 as Wire>::FINGERPRINT)
///     .field("y", <i64 as Wire>::FINGERPRINT)
///     .finish();
/// assert_ne!(POINT, Fingerprint::of("struct", "Point").finish());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Fingerprint {
    /// Starts the schema of a type of this kind (`"struct"`, `"enum"`, `"builtin"`) and name.
    pub const fn of(kind: &str, name: &str) -> Self {
        Self(FNV_OFFSET).text(kind).text(name)
    }

    /// Adds a field with its name (or its position) and the fingerprint of its type.
    #[must_use]
    pub const fn field(self, name: &str, fingerprint: u64) -> Self {
        self.text("field").text(name).number(fingerprint)
    }

    /// Opens a variant of an enum; the fields that follow belong to it.
    #[must_use]
    pub const fn variant(self, name: &str) -> Self {
        self.text("variant").text(name)
    }

    /// Adds a type parameter or the parameter of a built-in container.
    #[must_use]
    pub const fn parameter(self, fingerprint: u64) -> Self {
        self.text("parameter").number(fingerprint)
    }

    /// Adds the value of a const parameter or the length of an array.
    #[must_use]
    pub const fn constant(self, value: u128) -> Self {
        self.text("constant").bytes(&value.to_le_bytes())
    }

    /// Mixes the fold into the final 64 bits.
    pub const fn finish(self) -> u64 {
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    const fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
            at += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn every_part_of_a_schema_counts() {
        let base = Fingerprint::of("struct", "Tick")
            .field("a", 1)
            .field("b", 2);
        let others = [
            Fingerprint::of("enum", "Tick").field("a", 1).field("b", 2),
            Fingerprint::of("struct", "Tock")
                .field("a", 1)
                .field("b", 2),
            Fingerprint::of("struct", "Tick")
                .field("b", 2)
                .field("a", 1),
            Fingerprint::of("struct", "Tick")
                .field("a", 1)
                .field("c", 2),
            Fingerprint::of("struct", "Tick")
                .field("a", 1)
                .field("b", 3),
            Fingerprint::of("struct", "Tick").field("a", 1),
            Fingerprint::of("struct", "Tick")
                .field("a", 1)
                .variant("b")
                .constant(2),
            Fingerprint::of("struct", "Tick")
                .field("a", 1)
                .variant("b")
                .constant(2 + (1 << 64)),
        ];
        let mut fingerprints: Vec<_> = others.iter().map(|other| other.finish()).collect();
        fingerprints.push(base.finish());
        let counted = fingerprints.len();
        fingerprints.sort_unstable();
        fingerprints.dedup();
        assert_eq!(fingerprints.len(), counted);
    }

    #[test]
    fn lengths_keep_names_apart() {
        let one = Fingerprint::of("struct", "A")
            .variant("bc")
            .variant("d")
            .finish();
        let two = Fingerprint::of("struct", "A")
            .variant("b")
            .variant("cd")
            .finish();
        assert_ne!(one, two);
    }
}
