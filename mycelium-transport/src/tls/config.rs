//! [`TlsConfig`]: a node's certificate and key, and the CA that it trusts.

use std::{
    error::Error,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use mycelium_wire::NodeName;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use webpki::EndEntityCert;
use zeroize::Zeroize;

use super::{TlsConfigError, key_file, verifier::Chain};

/// Who this node is, proved by a certificate, and whom it believes: for
/// [`BuildTransport::tls`](crate::BuildTransport::tls).
///
/// TLS 1.3 only, both sides show certificates, nothing is sent before both were checked. Cheap to
/// clone. The key is wiped from what was read once it is loaded, and never shown.
///
/// A node's certificate must have the node's name among its DNS names (subjectAltName), and be fit
/// for servers and clients where it limits its use (extendedKeyUsage). The file may hold the
/// intermediate certificates after it.
#[derive(Clone)]
pub struct TlsConfig {
    names: Arc<[NodeName]>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl TlsConfig {
    /// Reads three PEM files: the CAs that are trusted, the node's certificate, its private key.
    ///
    /// Blocks while it reads. The key's file must belong to this user and be closed to all others
    /// (mode 0600 or less).
    ///
    /// # Errors
    ///
    /// [`TlsConfigError`] names the file and what to do about it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mycelium_transport::TlsConfig;
    ///
    /// let tls = TlsConfig::from_files("ca.pem", "book-1.pem", "book-1.key")?;
    /// # let _ = tls;
    /// # Ok::<(), mycelium_transport::TlsConfigError>(())
    /// ```
    pub fn from_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let (ca, certificate, key) = (ca.as_ref(), certificate.as_ref(), key.as_ref());
        let secret = key_file::read_secret(key)?;
        Self::new(
            Pem::new(&key_file::read_public(ca)?, ca.display()),
            Pem::new(&key_file::read_public(certificate)?, certificate.display()),
            Pem::new(&secret, key.display()),
        )
    }

    /// Takes the same three from memory. Whoever holds the key's text sees to it that nobody else
    /// does.
    ///
    /// # Errors
    ///
    /// As [`from_files`](Self::from_files), without those about files.
    pub fn from_pem(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsConfigError> {
        Self::new(
            Pem::new(ca, "the CA's text"),
            Pem::new(certificate, "the certificate's text"),
            Pem::new(key, "the key's text"),
        )
    }

    fn new(ca: Pem<'_>, certificate: Pem<'_>, key: Pem<'_>) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(ca.roots()?);
        let names = certificate.node_names()?;
        let identity = Arc::new(identity(&certificate, &key)?);
        let bad_ca = |error| ca.bad_certificate(error);
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let clients = clients.build().map_err(bad_ca)?;
        let servers = Chain {
            roots,
            algorithms: provider.signature_verification_algorithms,
        };
        Ok(Self {
            names: names.into(),
            client: Arc::new(client(&provider, servers, Arc::clone(&identity))),
            server: Arc::new(server(&provider, clients, identity)),
        })
    }

    /// Whether the certificate is that of the node of this name.
    pub(crate) fn names(&self, node: &NodeName) -> bool {
        self.names.contains(node)
    }

    pub(crate) fn certified(&self) -> String {
        let names: Vec<_> = self.names.iter().map(NodeName::as_str).collect();
        names.join(", ")
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The configuration for connections that are made from now on.
#[derive(Debug)]
pub(crate) struct TlsSlot(Mutex<TlsConfig>);

impl TlsSlot {
    pub(crate) fn new(config: TlsConfig) -> Self {
        Self(Mutex::new(config))
    }

    pub(crate) fn current(&self) -> TlsConfig {
        let config = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        config.clone()
    }

    pub(crate) fn replace(&self, config: TlsConfig) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// The DNS names in a certificate.
pub(super) fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    certificate.valid_dns_names().map(str::to_owned).collect()
}

/// A PEM text, and where it comes from.
struct Pem<'a> {
    text: &'a [u8],
    place: String,
}

impl<'a> Pem<'a> {
    fn new(text: &'a [u8], place: impl fmt::Display) -> Self {
        let place = place.to_string();
        Self { text, place }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.text).collect();
        let found = found.map_err(|error| self.bad_certificate(error))?;
        if found.is_empty() {
            let place = self.place.clone();
            return Err(TlsConfigError::NoCertificate { place });
        }
        Ok(found)
    }

    fn roots(&self) -> Result<RootCertStore, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.bad_certificate(error))?;
        }
        Ok(roots)
    }

    fn node_names(&self) -> Result<Vec<NodeName>, TlsConfigError> {
        let certificates = self.certificates()?;
        let leaf = certificates.first().expect("there is one at least");
        EndEntityCert::try_from(leaf).map_err(|error| self.bad_certificate(error))?;
        let found = dns_names(leaf);
        let names: Vec<_> = found.iter().filter_map(|name| name.parse().ok()).collect();
        if names.is_empty() {
            let (place, found) = (self.place.clone(), found.join(", "));
            return Err(TlsConfigError::NoNodeName { place, found });
        }
        Ok(names)
    }

    fn bad_certificate(&self, error: impl Error + Send + Sync + 'static) -> TlsConfigError {
        TlsConfigError::BadCertificate {
            place: self.place.clone(),
            source: error.into(),
        }
    }
}

/// Certificate and key, which belong together.
fn identity(certificate: &Pem<'_>, key: &Pem<'_>) -> Result<CertifiedKey, TlsConfigError> {
    let place = || key.place.clone();
    let mut der = PrivateKeyDer::from_pem_slice(key.text)
        .map_err(|_| TlsConfigError::NoKey { place: place() })?;
    let signing = ring::sign::any_supported_type(&der);
    der.zeroize();
    let signing = signing.map_err(|_| TlsConfigError::BadKey { place: place() })?;
    let identity = CertifiedKey::new(certificate.certificates()?, signing);
    match identity.keys_match() {
        Ok(()) => Ok(identity),
        Err(_) => Err(TlsConfigError::KeyMismatch {
            certificate: certificate.place.clone(),
            key: place(),
        }),
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    servers: Chain,
    identity: Arc<CertifiedKey>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("ring has ciphers for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(servers));
    let mut config = builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.enable_sni = false;
    // Every connection shows its certificate: one that was resumed would outlive it.
    config.resumption = Resumption::disabled();
    config
}

fn server(
    provider: &Arc<CryptoProvider>,
    clients: Arc<dyn rustls::server::danger::ClientCertVerifier>,
    identity: Arc<CertifiedKey>,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .expect("ring has ciphers for TLS 1.3")
        .with_client_cert_verifier(clients);
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}
