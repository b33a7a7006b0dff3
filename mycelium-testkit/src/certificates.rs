//! [`Authority`]: makes the certificates of nodes, good ones and bad.

use mycelium::TlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// A CA of our own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// A certificate and its key, as PEM texts.
pub struct NodeCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes one; two of the same name are two.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("the system has randomness");
        let own = params.self_signed(&key).expect("nothing is missing");
        Self {
            pem: own.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// The certificate of the node of this name.
    ///
    /// # Panics
    ///
    /// When `name` is no DNS name.
    pub fn node(&self, name: &str) -> NodeCertificate {
        self.sign(node_params(name))
    }

    /// One that has expired.
    ///
    /// # Panics
    ///
    /// When `name` is no DNS name.
    pub fn expired(&self, name: &str) -> NodeCertificate {
        let mut params = node_params(name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    /// One that is not valid yet.
    ///
    /// # Panics
    ///
    /// When `name` is no DNS name.
    pub fn not_yet_valid(&self, name: &str) -> NodeCertificate {
        let mut params = node_params(name);
        params.not_before = date_time_ymd(4000, 1, 1);
        params.not_after = date_time_ymd(4001, 1, 1);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> NodeCertificate {
        let key = KeyPair::generate().expect("the system has randomness");
        let signed = params.signed_by(&key, &self.issuer);
        NodeCertificate {
            certificate: signed.expect("nothing is missing").pem(),
            key: key.serialize_pem(),
        }
    }
}

impl NodeCertificate {
    /// The configuration of a node that shows this certificate and trusts one CA.
    ///
    /// # Panics
    ///
    /// When the certificate is for no node.
    pub fn config(&self, trusted: &Authority) -> TlsConfig {
        let (certificate, key) = (self.certificate.as_bytes(), self.key.as_bytes());
        let config = TlsConfig::from_pem(trusted.pem.as_bytes(), certificate, key);
        config.expect("the three go together")
    }
}

fn node_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).expect("a DNS name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}
