//! [`TlsRefusal`]: why a connection under TLS is none, in the words of somebody who has to mend it.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error};

/// Why TLS came to nothing; travels inside an [`io::Error`] where it comes out of a read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsRefusal {
    #[error(
        "the peer does not speak TLS: start it with `tls(..)`, or this node without, if it is one \
         of yours"
    )]
    NotTls,
    #[error("the peer hung up during the TLS handshake")]
    HungUp,
    #[error("the connection was cut: the peer's end of TLS was not announced")]
    Truncated,
    #[error("the peer showed no certificate: start it with `tls(..)`")]
    NoCertificate,
    #[error("the peer's certificate is not of a CA that this node trusts")]
    UnknownCa,
    #[error("the peer's certificate has expired")]
    Expired,
    #[error("the peer's certificate is not valid yet: see to the clocks of both hosts")]
    NotYetValid,
    #[error("the peer's certificate is not accepted: {0}")]
    BadCertificate(Box<str>),
    #[error("the peer refused this node: {0}")]
    ByPeer(Box<str>),
    #[error("TLS failed: {0}")]
    Protocol(Box<str>),
}

impl TlsRefusal {
    pub(super) fn new(error: &Error, is_handshaking: bool) -> Self {
        match error {
            Error::InvalidMessage(_) if is_handshaking => Self::NotTls,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(alert) => Self::ByPeer(said_by_alert(*alert)),
            error => Self::Protocol(error.to_string().into()),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // A CA of the same name with another key shows as a wrong signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownCa,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            error => Self::BadCertificate(error.to_string().into()),
        }
    }

    /// The refusal inside an error of a read.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<TlsRefusal> for io::Error {
    fn from(refusal: TlsRefusal) -> Self {
        let kind = match refusal {
            TlsRefusal::Truncated | TlsRefusal::HungUp => ErrorKind::UnexpectedEof,
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, refusal)
    }
}

/// A stream that ends while hands are shaken says nothing of a cut.
pub(super) fn during_handshake(error: io::Error) -> io::Error {
    match TlsRefusal::within(&error) {
        Some(TlsRefusal::Truncated) => TlsRefusal::HungUp.into(),
        _ => error,
    }
}

/// What the peer means by an alert, as far as its number tells.
fn said_by_alert(alert: AlertDescription) -> Box<str> {
    let meant = match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "our certificate is not of a CA that it trusts"
        }
        AlertDescription::CertificateExpired => {
            "our certificate has expired, or is not valid yet by its clock"
        }
        AlertDescription::CertificateRequired => "we showed no certificate",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => "it does not accept our certificate",
        AlertDescription::CertificateRevoked => "our certificate was revoked",
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.3",
        AlertDescription::HandshakeFailure => "it shares no cipher with us",
        AlertDescription::DecodeError => "our bytes are no TLS to it",
        alert => return format!("TLS alert {alert:?}").into(),
    };
    meant.into()
}
