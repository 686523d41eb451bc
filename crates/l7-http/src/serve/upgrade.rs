//! Going on in another protocol, or in none.
//!
//! Job: hand a service the bytes that follow a 101, or the 2xx to a CONNECT. Owns: them, until they are taken. Does not
//! know: which protocol. Sources: RFC 9110 sections 7.8 (Upgrade), 9.3.6 (CONNECT) and 15.2.2 (101).

use std::sync::{Arc, Mutex, PoisonError};

use crate::Body;

/// A client's offer to leave HTTP, found in the request's extensions.
///
/// Whoever accepts it takes the incoming bytes and answers 101 with an `Upgrade` field and a body (a CONNECT: any 2xx and a
/// body): that body is then what is sent, byte for byte. Its end is the end of our side. Any other answer declines, and the incoming bytes end in an error.
#[derive(Clone, Debug)]
pub struct Upgrade(Arc<Mutex<Option<Body>>>);

impl Upgrade {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// What the client sends after it is accepted; `None` if it was taken already.
    #[must_use]
    pub fn take(&self) -> Option<Body> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.take()
    }
}
