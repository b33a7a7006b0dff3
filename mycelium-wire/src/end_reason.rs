//! [`EndReason`]: why a binding's actor is gone.

use rkyv::util::AlignedVec;

use crate::{
    CloseReason, FrameKind,
    control::{Reader, limited_text},
};

/// Why a binding's actor is gone, or why there never was one.
///
/// On the wire it is a code and a text, cut to 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// The actor was asked to stop, or stopped by itself.
    #[error("the actor stopped")]
    Stopped,
    /// A handler returned an error.
    #[error("the actor failed: {0}")]
    Failed(Box<str>),
    /// A handler panicked.
    #[error("the actor panicked: {0}")]
    Panicked(Box<str>),
    /// The actor was killed.
    #[error("the actor was killed")]
    Killed,
    /// An actor that it was linked to ended, for this reason.
    #[error("an actor it was linked to ended: {0}")]
    Linked(Box<str>),
    /// The node has no such actor, or the key does not open it.
    #[error("there is no such actor")]
    NoSuchActor,
    /// The actor takes another type of message than the binder sends.
    #[error("the actor takes messages of type {found}")]
    WrongType {
        /// The stable name of what the actor takes.
        found: Box<str>,
    },
}

impl EndReason {
    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        let (code, text) = match self {
            Self::Stopped => (1, ""),
            Self::Failed(text) => (2, &**text),
            Self::Panicked(text) => (3, &**text),
            Self::Killed => (4, ""),
            Self::NoSuchActor => (5, ""),
            Self::WrongType { found } => (6, &**found),
            Self::Linked(text) => (7, &**text),
        };
        out.extend_from_slice(&[code]);
        out.extend_from_slice(limited_text(text).as_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::Ended, payload);
        let code = reader.u8()?;
        let text = reader.limited_text()?;
        match (code, text.is_empty()) {
            (1, true) => Ok(Self::Stopped),
            (2, _) => Ok(Self::Failed(text.into())),
            (3, _) => Ok(Self::Panicked(text.into())),
            (4, true) => Ok(Self::Killed),
            (5, true) => Ok(Self::NoSuchActor),
            (6, _) => Ok(Self::WrongType { found: text.into() }),
            (7, _) => Ok(Self::Linked(text.into())),
            (1 | 4 | 5, false) => Err(reader.fault("this end has no text")),
            _ => Err(reader.fault("unknown end reason")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rkyv::util::AlignedVec;

    use super::EndReason;
    use crate::TEXT_LIMIT_BYTES;

    fn travelled(reason: &EndReason) -> EndReason {
        let mut payload = AlignedVec::new();
        reason.write(&mut payload);
        EndReason::read(&payload).expect("what we write is legal")
    }

    #[test]
    fn every_reason_arrives_as_it_left() {
        let reasons = [
            EndReason::Stopped,
            EndReason::Failed("no price".into()),
            EndReason::Failed("".into()),
            EndReason::Panicked("index out of bounds".into()),
            EndReason::Killed,
            EndReason::NoSuchActor,
            EndReason::WrongType {
                found: "Book".into(),
            },
        ];
        for reason in reasons {
            assert_eq!(travelled(&reason), reason);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let euros = "€".repeat(TEXT_LIMIT_BYTES);
        let whole = TEXT_LIMIT_BYTES / "€".len();
        let cut = EndReason::Failed("€".repeat(whole).into());
        assert_eq!(travelled(&EndReason::Failed(euros.into())), cut);
    }

    #[test]
    fn what_no_sender_writes_is_refused() {
        let too_long = [&[2][..], &[b'a'; TEXT_LIMIT_BYTES + 1]].concat();
        let refused: [&[u8]; 6] = [&[], &[0], &[8], b"\x01because", b"\x02\xff", &too_long];
        for payload in refused {
            assert!(EndReason::read(payload).is_err(), "{payload:?}");
        }
    }
}
