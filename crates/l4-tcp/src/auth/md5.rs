//! The MD5 signature.
//!
//! Job: RFC 2385's digest of a segment. Owns: nothing. Does not know: which key applies.
//! Sources: RFC 2385 2.0. MD5 is broken for many purposes; this one exists because routers still ask for it, and
//! RFC 5925 obsoletes it.

use md5::{Digest as _, Md5};

use super::covered::{Covered, Options};
use super::keys::Secret;

/// The digest: pseudo-header, header without options, payload, key.
pub(super) fn digest(secret: &Secret, covered: &Covered<'_>) -> [u8; 16] {
    let mut hash = Md5::new();
    covered.feed(Options::None, &mut |octets| hash.update(octets));
    hash.update(secret.octets());
    hash.finalize().into()
}
