//! What a client is told.
//!
//! Job: the settings. Owns: the defaults. Does not know: what is done with them.

/// What to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Addresses and parameters: where routers say "managed".
    #[default]
    Stateful,
    /// Parameters alone: where they say "other".
    Stateless,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The host's name: a DUID, the same on all its interfaces (RFC 8415 11).
    pub duid: Vec<u8>,
    /// The interface's number within the host (RFC 8415 12).
    pub iaid: u32,
    /// What to ask for.
    pub mode: Mode,
    /// Take a reply in place of an advertisement (RFC 8415 18.2.1).
    pub rapid_commit: bool,
}

impl ClientConfig {
    /// The defaults, with a DUID-LL of this hardware address and an IAID of its last four octets.
    #[must_use]
    pub fn new(hardware: [u8; 6]) -> Self {
        let [_, _, a, b, c, d] = hardware;
        Self {
            duid: crate::duid_ll(hardware),
            iaid: u32::from_be_bytes([a, b, c, d]),
            mode: Mode::Stateful,
            rapid_commit: false,
        }
    }
}
