//! Pages that need no file.
use crate::h1::Prepared;
use http::StatusCode;
/// x
#[must_use]
pub fn error(status: StatusCode) -> Prepared {
    Prepared::new(status, &http::HeaderMap::new(), bytes::Bytes::new())
}
