//! Extensions of hellos.
//!
//! Job: their types, lengths and, of those that say who talks what, their contents. Owns: what of them goes into a line.
//! Does not know: messages. Sources: RFC 8446 4.2, RFC 6066 3 (server name), RFC 7301 3.1 (ALPN).

use super::handshake::{CLIENT_HELLO, Walk, hex};
use super::name;

const SERVER_NAME: u32 = 0;
const SUPPORTED_GROUPS: u32 = 10;
const SIGNATURE_ALGORITHMS: u32 = 13;
const ALPN: u32 = 16;
const SUPPORTED_VERSIONS: u32 = 43;
const KEY_SHARE: u32 = 51;

/// What a line about a hello tells of its extensions.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) versions: Vec<u32>,
    server: Option<String>,
    protocols: Vec<String>,
}

impl Seen {
    /// `, TLS 1.3, for example.org, speaks h2 http/1.1`.
    pub(super) fn put(&self, line: &mut String) {
        if let Some(best) = self.versions.iter().filter(|v| **v >> 8 == 3).max() {
            line.push_str(&format!(", up to {}", name::version(*best)));
        }
        if let Some(server) = &self.server {
            line.push_str(&format!(", for {server}"));
        }
        if !self.protocols.is_empty() {
            line.push_str(&format!(", speaks {}", self.protocols.join(" ")));
        }
    }
}

/// The list of a message of this type, if there is one.
pub(super) fn list(walk: &mut Walk<'_>, message: u8, seen: &mut Seen) {
    if walk.left() == 0 {
        return;
    }
    walk.defined_in("RFC 8446 4.2");
    let Some(len) = walk.length(2, "extensions length") else {
        return;
    };
    walk.within(len, |walk| {
        let kind = walk.number(2, "extension type", name::extension)?;
        let len = walk.length(2, "extension length")?;
        let mut first = true;
        walk.within(len, |walk| {
            // A second round would be over what the first did not understand.
            if !core::mem::take(&mut first) {
                return None;
            }
            one(walk, kind, message, seen)
        });
        Some(())
    });
}

fn one(walk: &mut Walk<'_>, kind: u32, message: u8, seen: &mut Seen) -> Option<()> {
    let asks = message == CLIENT_HELLO;
    match kind {
        SERVER_NAME => {
            let len = walk.length(2, "server name list length")?;
            walk.within(len, |walk| {
                walk.number(1, "server name type", |kind| kind.to_string())?;
                let name = walk.counted(2, ["server name length", "server name"], text)?;
                seen.server.get_or_insert(text(name));
                Some(())
            });
        }
        ALPN => {
            let len = walk.length(2, "protocols length")?;
            walk.within(len, |walk| {
                let name = walk.counted(1, ["protocol length", "protocol"], text)?;
                seen.protocols.push(text(name));
                Some(())
            });
        }
        SUPPORTED_VERSIONS => {
            let len = if asks {
                walk.length(1, "supported versions length")?
            } else {
                walk.left()
            };
            walk.within(len, |walk| {
                let version = walk.number(2, "supported version", name::version)?;
                seen.versions.push(version);
                Some(())
            });
        }
        SUPPORTED_GROUPS => {
            let len = walk.length(2, "supported groups length")?;
            walk.within(len, |walk| {
                walk.number(2, "supported group", name::group).map(drop)
            });
        }
        SIGNATURE_ALGORITHMS => {
            let len = walk.length(2, "signature algorithms length")?;
            walk.within(len, |walk| {
                walk.number(2, "signature algorithm", name::number16)
                    .map(drop)
            });
        }
        KEY_SHARE => key_share(walk, asks)?,
        _ => walk.rest("extension data"),
    }
    Some(())
}

fn key_share(walk: &mut Walk<'_>, asks: bool) -> Option<()> {
    let len = if asks {
        walk.length(2, "key shares length")?
    } else {
        walk.left()
    };
    walk.within(len, |walk| {
        walk.number(2, "key share group", name::group)?;
        // A retry names only the group.
        if walk.left() > 0 {
            walk.counted(2, ["key exchange length", "key exchange"], hex)?;
        }
        Some(())
    });
    Some(())
}

/// Text of a peer: nothing in it moves a cursor.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}
