//! TLS secrets of a capture.
//!
//! Job: keep key-log lines where a handshake's random finds them. Owns: a bounded table. Does not know: what is made of
//! a secret. Source: the NSS key log format (RFC 9850).

use core::fmt;
use std::collections::HashMap;

/// Secrets kept; a handshake has five.
const SECRETS_MAX: usize = 50_000;
/// The longest secret: a hash of 48 bytes; a master secret has the same.
const SECRET_MAX: usize = 64;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    /// TLS 1.2: the master secret.
    Master,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

impl Label {
    fn of(word: &str) -> Option<Self> {
        match word {
            "CLIENT_RANDOM" => Some(Self::Master),
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::ClientHandshake),
            "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Some(Self::ServerHandshake),
            "CLIENT_TRAFFIC_SECRET_0" => Some(Self::ClientTraffic),
            "SERVER_TRAFFIC_SECRET_0" => Some(Self::ServerTraffic),
            _ => None,
        }
    }
}

/// Secrets, by what they are for and the client's random.
#[derive(Default)]
pub(crate) struct KeyLog {
    secrets: HashMap<(Label, [u8; 32]), Vec<u8>>,
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLog({} secrets)", self.secrets.len())
    }
}

impl KeyLog {
    /// Takes lines of a key log; what is no such line is passed over.
    pub(crate) fn learn(&mut self, lines: &str) {
        for line in lines.lines() {
            let mut words = line.split_ascii_whitespace();
            let label = words.next().and_then(Label::of);
            let random = words.next().and_then(bytes);
            let random = random.and_then(|random| <[u8; 32]>::try_from(random).ok());
            let secret = words.next().and_then(bytes);
            if let (Some(label), Some(random), Some(secret)) = (label, random, secret)
                && secret.len() <= SECRET_MAX
                && self.secrets.len() < SECRETS_MAX
            {
                self.secrets.insert((label, random), secret);
            }
        }
    }

    pub(super) fn get(&self, label: Label, client_random: [u8; 32]) -> Option<&[u8]> {
        self.secrets.get(&(label, client_random)).map(Vec::as_slice)
    }
}

/// Bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.len() % 2 != 0 || digits.len() > 2 * SECRET_MAX {
        return None;
    }
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
