//! Who somebody is, and who says so.
//!
//! Job: certificates with their keys, out of files or issued here. Owns: the keys. Does not know: which is shown to whom.
//! An [`Authority`] is for one's own machine: it is trusted by whoever is given its certificate and by nobody else.

use core::time::Duration;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// What a certificate's life is counted in.
const DAY: Duration = Duration::from_secs(86_400);

/// Why there is no certificate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file could not be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: no {what} in it: {why} (PEM is expected: -----BEGIN ..-----)")]
    NotPem {
        /// Which.
        path: String,
        /// What was looked for.
        what: &'static str,
        /// What was wrong.
        why: String,
    },
    /// The key is of no kind that TLS can use here.
    #[error("this private key cannot be used: {0} (RSA, ECDSA on P-256 or P-384, and Ed25519 can)")]
    Key(rustls::Error),
    /// The key is not that of the certificate.
    #[error("the private key does not belong to the certificate: {0}")]
    Mismatch(rustls::Error),
    /// A certificate could not be made.
    #[error("cannot issue a certificate for {names}: {why}")]
    Issue {
        /// For whom.
        names: String,
        /// Why not.
        why: rcgen::Error,
    },
}

/// A certificate, those that vouch for it, and its key.
#[derive(Clone, Debug)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

impl Identity {
    /// From PEM files: the certificates, one's own first, and the key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Self, IdentityError> {
        let text = read(certificates)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let bad = |path: &Path, what, why: String| IdentityError::NotPem {
            path: path.display().to_string(),
            what,
            why,
        };
        let chain = chain.map_err(|error| bad(certificates, "certificate", error.to_string()))?;
        if chain.is_empty() {
            return Err(bad(certificates, "certificate", "it has none".to_owned()));
        }
        let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|error| bad(key, "private key", error.to_string()))?;
        Self::new(chain, &secret)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, IdentityError> {
        let key = any_supported_type(key).map_err(IdentityError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A key that does not say its public half cannot be checked here; the handshake will.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self(Arc::new(certified)))
            }
            Err(error) => Err(IdentityError::Mismatch(error)),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|error| IdentityError::File {
        path: path.display().to_string(),
        error,
    })
}

/// Valid since yesterday, in case a clock is slow, and for less than a year: several programs believe none that lives longer
/// (CA/Browser Forum, baseline requirements 6.3.2).
fn live_a_year(params: &mut CertificateParams) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + 364 * DAY).into();
}

/// Somebody who signs certificates, for as long as the program runs.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    /// A new one with a new key; `name` tells people whose it is.
    ///
    /// # Errors
    /// [`IdentityError::Issue`], if the system has no chance to give.
    pub fn new(name: &str) -> Result<Self, IdentityError> {
        let failed = |why| IdentityError::Issue {
            names: name.to_owned(),
            why,
        };
        let mut params = CertificateParams::default();
        live_a_year(&mut params);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let title = format!("Outcrop local authority: {name}");
        params.distinguished_name.push(DnType::CommonName, title);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
        })
    }

    /// A certificate for these names and addresses, for servers and clients.
    ///
    /// # Errors
    /// [`IdentityError::Issue`] if a name cannot be in a certificate.
    pub fn issue(&self, names: &[&str]) -> Result<Identity, IdentityError> {
        let failed = |why| IdentityError::Issue {
            names: names.join(", "),
            why,
        };
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let first = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names).map_err(failed)?;
        live_a_year(&mut params);
        params.distinguished_name.push(DnType::CommonName, first);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let secret = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Identity::new(vec![certificate.der().clone()], &secret)
    }

    /// Its own certificate, for those who shall trust it: DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The same in PEM, as `curl --cacert` and `SSL_CERT_FILE` want it.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }
}
