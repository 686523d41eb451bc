//! The settings of either end.
//!
//! Job: turn what a program says into rustls' configurations. Owns: the defaults: TLS 1.2 and 1.3, the suites and groups
//! of rustls (nothing without forward secrecy, nothing weak), two session tickets, no client certificates.
//! Does not know: connections.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion, version,
};
use thiserror::Error;

use crate::groups::Group;
use crate::names::Names;
use crate::{Identity, KeySink};

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A server without a certificate.
    #[error("a TLS server needs a certificate")]
    NoIdentity,
    /// What should be an authority's certificate is none.
    #[error("not an authority's certificate: {0}")]
    BadAuthority(String),
    /// rustls' objection.
    #[error("{0}")]
    Refused(String),
}

/// Oldest first.
static BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&version::TLS13];
static ONLY_12: &[&SupportedProtocolVersion] = &[&version::TLS12];

fn versions(least: u8, most: u8) -> &'static [&'static SupportedProtocolVersion] {
    match (least, most) {
        (3.., _) => ONLY_13,
        (_, ..=2) => ONLY_12,
        _ => BOTH,
    }
}

/// The cryptography, always named: no global default is set or asked for. `None`: all of its groups.
fn provider(groups: Option<&[Group]>) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(groups) = groups {
        provider.kx_groups = groups.iter().map(|group| group.rustls()).collect();
    }
    Arc::new(provider)
}

/// A server's settings, finished; cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerTls(pub(crate) Arc<ServerConfig>, Arc<Names>);

impl ServerTls {
    /// Other certificates from the next handshake on: for files that were renewed. An empty list changes nothing.
    pub fn replace(&self, identities: Vec<Identity>) {
        if !identities.is_empty() {
            self.1.replace(identities);
        }
    }
}

/// A server's settings.
#[derive(Debug)]
pub struct Server {
    identities: Vec<Identity>,
    alpn: Vec<Vec<u8>>,
    clients: Option<Vec<Vec<u8>>>,
    keys: Option<KeySink>,
    versions: (u8, u8),
    groups: Option<Vec<Group>>,
}

impl Server {
    /// With these certificates; the first is for clients that ask for no name, or for one nobody has.
    #[must_use]
    pub const fn new(identities: Vec<Identity>) -> Self {
        Self {
            identities,
            alpn: Vec::new(),
            clients: None,
            keys: None,
            versions: (2, 3),
            groups: None,
        }
    }

    /// Protocols offered for what is inside, the best first. A client that offers only others is refused (RFC 7301 3.2).
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Clients must show a certificate signed by one of these authorities (DER).
    #[must_use]
    pub fn require_clients_of(mut self, authorities: Vec<Vec<u8>>) -> Self {
        self.clients = Some(authorities);
        self
    }

    /// The same with the authorities of a PEM text.
    ///
    /// # Errors
    /// [`ConfigError::BadAuthority`] if there is not one certificate in it.
    pub fn require_clients_of_pem(self, text: &[u8]) -> Result<Self, ConfigError> {
        let found = certificates(text);
        let authorities: Vec<Vec<u8>> = found.map(|certificate| certificate.to_vec()).collect();
        if authorities.is_empty() {
            return Err(none_there());
        }
        Ok(self.require_clients_of(authorities))
    }

    /// The keys of every connection go to `sink`: whoever has them can read the traffic.
    #[must_use]
    pub fn keys(mut self, sink: KeySink) -> Self {
        self.keys = Some(sink);
        self
    }

    /// Only these versions of TLS: `(2, 3)` is 1.2 and 1.3, the default.
    #[must_use]
    pub const fn versions(mut self, least: u8, most: u8) -> Self {
        self.versions = (least, most);
        self
    }

    /// Only these groups for the exchange of keys. A client whose first guess is none of them is asked to guess again
    /// (HelloRetryRequest, RFC 8446 4.1.4).
    #[must_use]
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.groups = Some(groups.to_vec());
        self
    }

    /// The settings, ready for use.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn build(self) -> Result<ServerTls, ConfigError> {
        if self.identities.is_empty() {
            return Err(ConfigError::NoIdentity);
        }
        let refused = |error: rustls::Error| ConfigError::Refused(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider(self.groups.as_deref()))
            .with_protocol_versions(versions(self.versions.0, self.versions.1))
            .map_err(refused)?;
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = Arc::new(roots(&authorities)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider(None));
                let verifier = verifier.build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| ConfigError::Refused(error.to_string()))?,
                )
            }
        };
        let names = Arc::new(Names::new(self.identities));
        let mut config = builder.with_cert_resolver(Arc::clone(&names) as _);
        config.alpn_protocols = self.alpn;
        config.ticketer = ring::Ticketer::new().map_err(refused)?;
        if let Some(sink) = self.keys {
            config.key_log = Arc::new(sink);
        }
        Ok(ServerTls(Arc::new(config), names))
    }
}

/// A client's settings, finished; cheap to clone. Sessions are remembered in it and resumed.
#[derive(Clone, Debug)]
pub struct ClientTls(pub(crate) Arc<ClientConfig>);

/// A client's settings.
#[derive(Debug)]
pub struct Client {
    roots: Option<RootCertStore>,
    alpn: Vec<Vec<u8>>,
    identity: Option<Identity>,
    keys: Option<KeySink>,
    versions: (u8, u8),
    groups: Option<Vec<Group>>,
}

impl Client {
    const fn with(roots: Option<RootCertStore>) -> Self {
        Self {
            roots,
            alpn: Vec::new(),
            identity: None,
            keys: None,
            versions: (2, 3),
            groups: None,
        }
    }

    /// That trusts one authority (DER).
    ///
    /// # Errors
    /// [`ConfigError::BadAuthority`].
    pub fn trusting(authority: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self::with(Some(roots(&[authority.to_vec()])?)))
    }

    /// That trusts all authorities of a PEM text, for instance the system's bundle.
    ///
    /// # Errors
    /// [`ConfigError::BadAuthority`] if there is not one usable certificate in it.
    pub fn trusting_pem(text: &[u8]) -> Result<Self, ConfigError> {
        let mut store = RootCertStore::empty();
        let (added, _unusable) = store.add_parsable_certificates(certificates(text));
        if added == 0 {
            return Err(none_there());
        }
        Ok(Self::with(Some(store)))
    }

    /// That trusts anybody: for looking at servers, never for believing them.
    #[must_use]
    pub const fn trusting_anybody() -> Self {
        Self::with(None)
    }

    /// Protocols offered for what is inside, the best first.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols.iter().map(|name| (*name).into()).collect();
        self
    }

    /// A certificate for servers that ask for one.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The keys of every connection go to `sink`: whoever has them can read the traffic.
    #[must_use]
    pub fn keys(mut self, sink: KeySink) -> Self {
        self.keys = Some(sink);
        self
    }

    /// Only these versions of TLS: `(2, 3)` is 1.2 and 1.3, the default.
    #[must_use]
    pub const fn versions(mut self, least: u8, most: u8) -> Self {
        self.versions = (least, most);
        self
    }

    /// Only these groups for the exchange of keys; the first is the guess that the ClientHello brings a key for.
    #[must_use]
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.groups = Some(groups.to_vec());
        self
    }

    /// The settings, ready for use.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn build(self) -> Result<ClientTls, ConfigError> {
        let builder = ClientConfig::builder_with_provider(provider(self.groups.as_deref()))
            .with_protocol_versions(versions(self.versions.0, self.versions.1))
            .map_err(|error| ConfigError::Refused(error.to_string()))?;
        let builder = match self.roots {
            Some(roots) => builder.with_root_certificates(roots),
            None => (builder.dangerous()).with_custom_certificate_verifier(Arc::new(Anybody)),
        };
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let one = rustls::sign::SingleCertAndKey::from(identity.0);
                builder.with_client_cert_resolver(Arc::new(one))
            }
        };
        config.alpn_protocols = self.alpn;
        if let Some(sink) = self.keys {
            config.key_log = Arc::new(sink);
        }
        Ok(ClientTls(Arc::new(config)))
    }
}

/// A bundle may hold what nobody can use; it is passed over as everybody does.
fn certificates(text: &[u8]) -> impl Iterator<Item = CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok)
}

fn none_there() -> ConfigError {
    ConfigError::BadAuthority("there is none in the file (PEM is expected)".to_owned())
}

fn roots(authorities: &[Vec<u8>]) -> Result<RootCertStore, ConfigError> {
    let mut store = RootCertStore::empty();
    for authority in authorities {
        store
            .add(CertificateDer::from_slice(authority).into_owned())
            .map_err(|error| ConfigError::BadAuthority(error.to_string()))?;
    }
    Ok(store)
}

/// Believes every certificate, but checks that the peer has its key.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
