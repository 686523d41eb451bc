//! Which certificate for which name.
//!
//! Job: answer the name a client asks for with the certificate made out to it; the first one for everybody else.
//! Owns: the list, which may be replaced while connections are made. Does not know: files.
//! Source: RFC 6066 3 (server name), RFC 9525 6.3 (a star stands for one label, the leftmost).

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Identity;

/// Certificates to choose from.
#[derive(Debug)]
pub(crate) struct Names(RwLock<Vec<Identity>>);

impl Names {
    pub(crate) const fn new(identities: Vec<Identity>) -> Self {
        Self(RwLock::new(identities))
    }

    /// From the next handshake on.
    pub(crate) fn replace(&self, identities: Vec<Identity>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identities;
    }

    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let identities = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let made_out_to = |identity: &&Identity| name.is_some_and(|name| is_for(identity, name));
        let chosen = identities
            .iter()
            .find(made_out_to)
            .or_else(|| identities.first());
        chosen.map(|identity| Arc::clone(&identity.0))
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

/// Whether a client that asks for `name` would accept it, as far as the name goes.
fn is_for(identity: &Identity, name: &str) -> bool {
    let (Some(certificate), Ok(name)) = (
        identity.0.cert.first(),
        rustls::pki_types::ServerName::try_from(name),
    ) else {
        return false;
    };
    rustls::server::ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
