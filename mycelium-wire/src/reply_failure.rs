//! [`ReplyFailure`]: why a request gets no reply.

use rkyv::util::AlignedVec;

use crate::{
    CloseReason, FrameKind,
    control::{Reader, limited_text},
};

/// Why a request that reached its answerer gets no reply.
///
/// On the wire it is a code and a text, cut to 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFailure {
    /// The reply port was dropped without a reply: the actor would not answer, or ended.
    #[error("the reply port was dropped without a reply")]
    NoReply,
    /// The answerer replies with another type than the asker waits for.
    #[error("the answerer replies with type {found}")]
    WrongType {
        /// The stable name of what the answerer replies with.
        found: Box<str>,
    },
    /// The reply passes the message limit of the link.
    #[error("the reply passes the message limit")]
    TooLarge,
    /// The answerer's node would not take the request or could not send the reply.
    #[error("the answerer's node refused: {0}")]
    Refused(Box<str>),
}

impl ReplyFailure {
    pub(crate) fn write(&self, out: &mut AlignedVec<16>) {
        let (code, text) = match self {
            Self::NoReply => (1, ""),
            Self::WrongType { found } => (2, &**found),
            Self::TooLarge => (3, ""),
            Self::Refused(text) => (4, &**text),
        };
        out.extend_from_slice(&[code]);
        out.extend_from_slice(limited_text(text).as_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Result<Self, CloseReason> {
        let mut reader = Reader::new(FrameKind::ReplyFailed, payload);
        let code = reader.u8()?;
        let text = reader.limited_text()?;
        match (code, text.is_empty()) {
            (1, true) => Ok(Self::NoReply),
            (2, _) => Ok(Self::WrongType { found: text.into() }),
            (3, true) => Ok(Self::TooLarge),
            (4, _) => Ok(Self::Refused(text.into())),
            (1 | 3, false) => Err(reader.fault("this failure has no text")),
            _ => Err(reader.fault("unknown reply failure")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rkyv::util::AlignedVec;

    use super::ReplyFailure;
    use crate::TEXT_LIMIT_BYTES;

    fn travelled(failure: &ReplyFailure) -> ReplyFailure {
        let mut payload = AlignedVec::new();
        failure.write(&mut payload);
        ReplyFailure::read(&payload).expect("what we write is legal")
    }

    #[test]
    fn every_failure_arrives_as_it_left() {
        let failures = [
            ReplyFailure::NoReply,
            ReplyFailure::WrongType {
                found: "TopOfBook".into(),
            },
            ReplyFailure::TooLarge,
            ReplyFailure::Refused("65,536 actors are exported".into()),
            ReplyFailure::Refused("".into()),
        ];
        for failure in failures {
            assert_eq!(travelled(&failure), failure);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let euros = "€".repeat(TEXT_LIMIT_BYTES);
        let whole = TEXT_LIMIT_BYTES / "€".len();
        let cut = ReplyFailure::Refused("€".repeat(whole).into());
        assert_eq!(travelled(&ReplyFailure::Refused(euros.into())), cut);
    }

    #[test]
    fn what_no_sender_writes_is_refused() {
        let too_long = [&[4][..], &[b'a'; TEXT_LIMIT_BYTES + 1]].concat();
        let refused: [&[u8]; 7] = [
            &[],
            &[0],
            &[5],
            b"\x01because",
            b"\x03because",
            b"\x04\xff",
            &too_long,
        ];
        for payload in refused {
            assert!(ReplyFailure::read(payload).is_err(), "{payload:?}");
        }
    }
}
