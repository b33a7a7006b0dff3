//! [`TlsConfigError`]: why certificates and key are of no use to a node.

use std::{error::Error, io, path::PathBuf};

/// Why a [`TlsConfig`](crate::TlsConfig) cannot be made; no variant holds a byte of the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file is missing, or cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the key, or put another in its place.
    #[error("{path} is open to others (mode {mode:03o}): run `chmod 600 {path}`, and replace a key that others may have read", path = path.display())]
    KeyTooWide {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key belongs to another user.
    #[error("{path} belongs to user {owner}, this process runs as {uid}; run `chown {uid} {path}`, or give this process a key of its own", path = path.display())]
    ForeignKey {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user of this process.
        uid: u32,
    },
    /// There is no certificate where one should be.
    #[error(
        "there is no certificate in {place}: it needs a block that begins with -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate {
        /// Where it was looked for: a file, or whose text.
        place: String,
    },
    /// There is no private key where one should be.
    #[error(
        "there is no private key in {place}: it needs one block that begins with -----BEGIN PRIVATE KEY-----"
    )]
    NoKey {
        /// Where it was looked for.
        place: String,
    },
    /// What should be a certificate is none.
    #[error("{place} holds a certificate that cannot be read")]
    BadCertificate {
        /// Where it was found.
        place: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The key is of a kind that is not supported, or damaged.
    #[error(
        "the private key in {place} is of no use: make one of ECDSA P-256 or P-384, Ed25519 or RSA, without a password"
    )]
    BadKey {
        /// Where it was found.
        place: String,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the private key in {key} is not that of the certificate in {certificate}: name the two files that were made together"
    )]
    KeyMismatch {
        /// Where the certificate was found.
        certificate: String,
        /// Where the key was found.
        key: String,
    },
    /// The certificate names no node.
    #[error(
        "the certificate in {place} names no node, but [{found}]: one of its DNS names (subjectAltName) must be the node's name, 1 to 63 of a-z, 0-9 and -"
    )]
    NoNodeName {
        /// Where it was found.
        place: String,
        /// Its DNS names.
        found: String,
    },
}
