//! The groups in which keys are exchanged.
//!
//! Job: name them. Owns: the list. Does not know: the arithmetic, which is ring's. Source: RFC 8446 section 4.2.7.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::kx_group::{SECP256R1, SECP384R1, X25519};

/// A group for the exchange of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Curve25519: 32 bytes a key share.
    X25519,
    /// P-256.
    P256,
    /// P-384.
    P384,
}

impl Group {
    pub(crate) fn rustls(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::X25519 => X25519,
            Self::P256 => SECP256R1,
            Self::P384 => SECP384R1,
        }
    }
}
