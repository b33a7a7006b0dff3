//! The small hand-laid payloads, and the one bounds-checked [`Reader`] they are read with.
//!
//! They are not rkyv archives: a peer whose rkyv writes other bytes must still be understood far
//! enough to be refused with a reason.

use rkyv::util::AlignedVec;

use crate::{ActorId, CloseReason, Credit, ExportKey, FrameKind, Window, Wire};

/// The longest frame of any kind but `Message` and `Reply`, header included.
pub(crate) const CONTROL_FRAME_BYTES: u32 = 4096;

/// The longest text in a control frame: a name, a type's name, a reason.
pub const TEXT_LIMIT_BYTES: usize = 1024;

/// The most types besides its own that an actor may take messages of.
pub const ACCEPTED_LIMIT: usize = 64;

/// What a binder shows to reach an actor of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// The actor.
    pub actor: ActorId,
    /// The key that came with the ref.
    pub key: ExportKey,
    /// The fingerprint of the messages that the binder will send.
    pub fingerprint: u64,
    /// The stable name of their type, for the error when the fingerprints differ.
    pub type_name: Box<str>,
}

impl Bind {
    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        out.extend_from_slice(&self.actor.as_u64().to_le_bytes());
        out.extend_from_slice(&self.key.as_u64().to_le_bytes());
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        out.extend_from_slice(limited_text(&self.type_name).as_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::Bind, payload);
        Ok(Self {
            actor: ActorId::from_u64(reader.u64()?),
            key: ExportKey::from_u64(reader.u64()?),
            fingerprint: reader.u64()?,
            type_name: reader.limited_text()?.into(),
        })
    }
}

/// What a name stands for: all that is needed to bind to the actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The actor.
    pub actor: ActorId,
    /// The key that opens it.
    pub key: ExportKey,
    /// The fingerprint of the messages it takes.
    pub fingerprint: u64,
    /// The capacity of its mailbox.
    pub capacity_messages: u32,
    /// The fingerprints of other messages that it takes; at most [`ACCEPTED_LIMIT`].
    pub also_takes: Box<[u64]>,
    /// The stable name of the messages' type.
    pub type_name: Box<str>,
}

impl Resolved {
    /// Whether the actor takes messages of this schema.
    pub fn takes(&self, fingerprint: u64) -> bool {
        self.fingerprint == fingerprint || self.also_takes.contains(&fingerprint)
    }

    /// The same actor as a sender of `M` shows it: the schema of `M` comes first.
    ///
    /// # Errors
    ///
    /// The description as it was, where the actor takes no `M`.
    pub fn for_sender<M: Wire>(mut self) -> Result<Self, Self> {
        if self.fingerprint == M::FINGERPRINT {
            return Ok(self);
        }
        let mut others = self.also_takes.iter_mut();
        match others.find(|other| **other == M::FINGERPRINT) {
            Some(other) => {
                *other = self.fingerprint;
                self.fingerprint = M::FINGERPRINT;
                self.type_name = M::NAME.into();
                Ok(self)
            }
            None => Err(self),
        }
    }

    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        out.extend_from_slice(&self.actor.as_u64().to_le_bytes());
        out.extend_from_slice(&self.key.as_u64().to_le_bytes());
        out.extend_from_slice(&self.fingerprint.to_le_bytes());
        out.extend_from_slice(&self.capacity_messages.to_le_bytes());
        let others = &self.also_takes[..self.also_takes.len().min(ACCEPTED_LIMIT)];
        let count = u32::try_from(others.len()).expect("there are few");
        out.extend_from_slice(&count.to_le_bytes());
        for other in others {
            out.extend_from_slice(&other.to_le_bytes());
        }
        out.extend_from_slice(limited_text(&self.type_name).as_bytes());
    }

    /// An empty payload says that there is no such name.
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, CloseReason> {
        if payload.is_empty() {
            return Ok(None);
        }
        let mut reader = Reader::new(FrameKind::Resolved, payload);
        Ok(Some(Self {
            actor: ActorId::from_u64(reader.u64()?),
            key: ExportKey::from_u64(reader.u64()?),
            fingerprint: reader.u64()?,
            capacity_messages: reader.u32()?,
            also_takes: reader.fingerprints()?,
            type_name: reader.limited_text()?.into(),
        }))
    }
}

impl Window {
    pub(crate) fn write(self, out: &mut AlignedVec<16>) {
        out.extend_from_slice(&self.messages.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::Bound, payload);
        let window = Self {
            messages: reader.u32()?,
            bytes: reader.u32()?,
        };
        reader.finish()?;
        Ok(window)
    }
}

impl Credit {
    pub(crate) fn write(self, out: &mut AlignedVec<16>) {
        out.extend_from_slice(&self.confirmed.to_le_bytes());
        out.extend_from_slice(&self.refused.to_le_bytes());
        out.extend_from_slice(&self.returned_bytes.to_le_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::Credit, payload);
        let credit = Self {
            confirmed: reader.u64()?,
            refused: reader.u64()?,
            returned_bytes: reader.u64()?,
        };
        reader.finish()?;
        Ok(credit)
    }
}

impl CloseReason {
    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        out.extend_from_slice(&[self.code()]);
        out.extend_from_slice(limited_text(&self.to_string()).as_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, Self> {
        let mut reader = Reader::new(FrameKind::Close, payload);
        Ok(Self::ByPeer {
            code: reader.u8()?,
            text: reader.limited_text()?.into(),
        })
    }
}

/// The text, cut at a character so that it fits into a control frame.
pub(crate) fn limited_text(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_LIMIT_BYTES)]
}

/// Reads a payload from front to back; every read beyond the end is `Malformed`.
pub(crate) struct Reader<'a> {
    kind: FrameKind,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(kind: FrameKind, payload: &'a [u8]) -> Self {
        Self {
            kind,
            rest: payload,
        }
    }

    pub(crate) fn fault(&self, what: &'static str) -> CloseReason {
        CloseReason::Malformed {
            kind: self.kind,
            what,
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], CloseReason> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.fault("the payload is too short"))?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CloseReason> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, CloseReason> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CloseReason> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CloseReason> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, CloseReason> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], CloseReason> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.fault("the payload is too short"))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self, count: usize) -> Result<&'a str, CloseReason> {
        let bytes = self.bytes(count)?;
        str::from_utf8(bytes).map_err(|_| self.fault("a text is not UTF-8"))
    }

    /// A count, and so many fingerprints.
    fn fingerprints(&mut self) -> Result<Box<[u64]>, CloseReason> {
        let count = self.u32()? as usize;
        if count > ACCEPTED_LIMIT {
            return Err(self.fault("an actor takes too many types"));
        }
        (0..count).map(|_| self.u64()).collect()
    }

    /// The text that fills the rest of the payload.
    pub(crate) fn limited_text(&mut self) -> Result<&'a str, CloseReason> {
        if self.rest.len() > TEXT_LIMIT_BYTES {
            return Err(self.fault("a text is too long"));
        }
        self.text(self.rest.len())
    }

    pub(crate) fn finish(self) -> Result<(), CloseReason> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.fault("the payload is too long"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An actor that takes so many types beside its own.
    fn taking(others: u64) -> Resolved {
        Resolved {
            actor: ActorId::from_u64(1),
            key: ExportKey::from_u64(2),
            fingerprint: 3,
            capacity_messages: 4,
            also_takes: (10..10 + others).collect(),
            type_name: "Order".into(),
        }
    }

    fn written(resolved: &Resolved) -> AlignedVec<16> {
        let mut payload = AlignedVec::new();
        resolved.write(&mut payload);
        payload
    }

    #[test]
    fn a_peer_is_told_of_no_more_types_than_it_reads() {
        let most = taking(ACCEPTED_LIMIT as u64);
        assert_eq!(Resolved::read(&written(&most)), Ok(Some(most.clone())));
        let beyond = taking(ACCEPTED_LIMIT as u64 + 1);
        assert_eq!(Resolved::read(&written(&beyond)), Ok(Some(most)));
    }

    #[test]
    fn an_actor_that_takes_more_types_than_the_limit_is_refused_before_they_are_read() {
        let mut payload = written(&taking(ACCEPTED_LIMIT as u64));
        let most = u32::try_from(ACCEPTED_LIMIT).expect("it is small");
        for claim in [most + 1, u32::MAX] {
            payload[28..32].copy_from_slice(&claim.to_le_bytes());
            let refused = Resolved::read(&payload);
            let Err(CloseReason::Malformed { kind, what }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!(kind, FrameKind::Resolved);
            assert_eq!(what, "an actor takes too many types");
        }
    }
}
