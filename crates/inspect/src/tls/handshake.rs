//! Handshake messages, field by field.
//!
//! Job: read one message, give its fields their places, keep what keys are made of. Owns: nothing.
//! Does not know: records. What contradicts itself is shown as far as it goes. Sources: RFC 8446 4, RFC 5246 7.4.

use super::{Hello, Told, extension, name};
use crate::placed::{Meaning, Placed, Spans};

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const FINISHED: u8 = 20;
pub(super) const KEY_UPDATE: u8 = 24;

/// What a ServerHello says instead of its random to ask for another ClientHello (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Walks over bytes, field by field.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where what is being read ends.
    end: usize,
    spans: &'a Spans,
    source: &'static str,
    out: &'a mut Vec<Placed>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        spans: &'a Spans,
        source: &'static str,
        out: &'a mut Vec<Placed>,
    ) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
            spans,
            source,
            out,
        }
    }

    /// Fields from here on are defined there.
    pub(super) const fn defined_in(&mut self, source: &'static str) {
        self.source = source;
    }

    /// Bytes left of what is being read.
    pub(super) const fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// The next byte, left where it is.
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next `count` bytes as a field whose value is made of them.
    pub(super) fn take(
        &mut self,
        count: usize,
        name: &'static str,
        value: impl FnOnce(&[u8]) -> String,
    ) -> Option<&'a [u8]> {
        if count > self.left() {
            self.rest("broken");
            return None;
        }
        let range = self.at..self.at + count;
        let bytes = self.bytes.get(range.clone())?;
        let what = Meaning {
            layer: "tls",
            source: self.source,
            name: name.into(),
            value: value(bytes),
        };
        self.spans.place(range, &what, self.out);
        self.at += count;
        Some(bytes)
    }

    /// A number of one to four bytes.
    pub(super) fn number(
        &mut self,
        count: usize,
        name: &'static str,
        value: impl FnOnce(u32) -> String,
    ) -> Option<u32> {
        let of = |bytes: &[u8]| bytes.iter().fold(0, |sum: u32, b| sum << 8 | u32::from(*b));
        let bytes = self.take(count, name, |bytes| value(of(bytes)))?;
        Some(of(bytes))
    }

    /// A length of `count` bytes: how many follow.
    pub(super) fn length(&mut self, count: usize, name: &'static str) -> Option<usize> {
        let len = self.number(count, name, |len| format!("{len} bytes"))?;
        usize::try_from(len).ok()
    }

    /// A length and as many bytes.
    pub(super) fn counted(
        &mut self,
        count: usize,
        names: [&'static str; 2],
        value: impl FnOnce(&[u8]) -> String,
    ) -> Option<&'a [u8]> {
        let len = self.length(count, names[0])?;
        if len == 0 {
            return Some(&[]);
        }
        self.take(len, names[1], value)
    }

    /// Reads the next `len` bytes with `each` until they are used up.
    pub(super) fn within(&mut self, len: usize, mut each: impl FnMut(&mut Self) -> Option<()>) {
        let outer = self.end;
        self.end = outer.min(self.at.saturating_add(len));
        while self.left() > 0 {
            if each(self).is_none() {
                self.rest("broken");
            }
        }
        self.end = outer;
    }

    /// Everything left as one field.
    pub(super) fn rest(&mut self, name: &'static str) {
        let left = self.left();
        if left > 0 {
            self.take(left, name, hex);
        }
    }
}

/// Bytes in digits, the first of them.
pub(super) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN) {
        text.push_str(&format!("{byte:02x}"));
    }
    if bytes.len() > SHOWN {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}

/// Reads one message; its type.
pub(super) fn read(
    message: &[u8],
    which: usize,
    spans: &Spans,
    hello: &mut Hello,
    fields: &mut Vec<Placed>,
    told: &mut Told,
) -> u8 {
    let mut walk = Walk::new(message, spans, "RFC 8446 4", fields);
    let kind = walk.number(1, "handshake type", name::handshake);
    walk.number(3, "handshake length", |len| format!("{len} bytes"));
    let kind = kind
        .and_then(|kind| u8::try_from(kind).ok())
        .unwrap_or(u8::MAX);
    let mut line = format!("TLS {}", name::handshake(kind.into()));
    // A retry asks for another ClientHello: no keys come of it.
    let mut effect = kind;
    match kind {
        CLIENT_HELLO => {
            hello.client = Some(which);
            if let Some(about) = client_hello(&mut walk, hello) {
                line.push_str(&about);
            }
        }
        SERVER_HELLO => match server_hello(&mut walk, hello) {
            Some(about) if hello.server_random == Some(RETRY) => {
                effect = u8::MAX;
                line = format!("TLS HelloRetryRequest{about}");
            }
            Some(about) => line.push_str(&about),
            None => {}
        },
        NEW_SESSION_TICKET => {
            ticket(&mut walk, hello.is_13);
        }
        ENCRYPTED_EXTENSIONS => {
            let mut seen = extension::Seen::default();
            extension::list(&mut walk, kind, &mut seen);
            seen.put(&mut line);
        }
        CERTIFICATE => certificate(&mut walk, hello.is_13),
        SERVER_KEY_EXCHANGE => {
            server_key_exchange(&mut walk);
        }
        CERTIFICATE_VERIFY => {
            signature(&mut walk);
        }
        FINISHED => walk.rest("verify data"),
        KEY_UPDATE => walk.rest("update requested"),
        _ => walk.rest("message"),
    }
    walk.rest("behind the message");
    told.lines.push(line);
    effect
}

fn random(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.first_chunk::<32>().copied()
}

/// RFC 8446 4.1.2.
fn client_hello(walk: &mut Walk<'_>, hello: &mut Hello) -> Option<String> {
    walk.defined_in("RFC 8446 4.1.2");
    walk.number(2, "legacy version", name::version)?;
    hello.client_random = random(walk.take(32, "random", hex)?);
    walk.counted(1, ["session id length", "session id"], hex)?;
    let suites = walk.length(2, "cipher suites length")?;
    walk.within(suites, |walk| {
        walk.number(2, "cipher suite", name::suite).map(drop)
    });
    let methods = walk.length(1, "compression methods length")?;
    walk.within(methods, |walk| {
        walk.number(1, "compression method", name::compression)
            .map(drop)
    });
    let mut seen = extension::Seen::default();
    extension::list(walk, CLIENT_HELLO, &mut seen);
    let mut about = String::new();
    seen.put(&mut about);
    Some(about)
}

/// RFC 8446 4.1.3.
fn server_hello(walk: &mut Walk<'_>, hello: &mut Hello) -> Option<String> {
    walk.defined_in("RFC 8446 4.1.3");
    let version = walk.number(2, "legacy version", name::version)?;
    hello.server_random = random(walk.take(32, "random", hex)?);
    walk.counted(1, ["session id length", "session id"], hex)?;
    let suite = walk.number(2, "cipher suite", name::suite)?;
    hello.suite = u16::try_from(suite).ok();
    walk.number(1, "compression method", name::compression)?;
    let mut seen = extension::Seen::default();
    extension::list(walk, SERVER_HELLO, &mut seen);
    let chosen = seen.versions.last().copied().unwrap_or(version);
    hello.is_13 = chosen == 0x0304;
    let mut about = format!(", {}, {}", name::version(chosen), name::suite(suite));
    seen.versions.clear();
    seen.put(&mut about);
    Some(about)
}

/// RFC 8446 4.4.2; of TLS 1.2 (RFC 5246 7.4.2) it has neither context nor extensions.
fn certificate(walk: &mut Walk<'_>, is_13: bool) {
    if is_13 {
        let names = ["request context length", "request context"];
        if walk.counted(1, names, hex).is_none() {
            return;
        }
    }
    let Some(len) = walk.length(3, "certificates length") else {
        return;
    };
    walk.within(len, |walk| {
        walk.counted(3, ["certificate length", "certificate"], hex)?;
        if is_13 {
            let names = ["certificate extensions length", "certificate extensions"];
            walk.counted(2, names, hex)?;
        }
        Some(())
    });
}

/// RFC 8422 5.4: a named curve, a point on it, and who says so. Other kinds have no fields.
fn server_key_exchange(walk: &mut Walk<'_>) -> Option<()> {
    const NAMED_CURVE: u8 = 3;
    if walk.peek() == Some(NAMED_CURVE) {
        walk.defined_in("RFC 8422 5.4");
        walk.number(1, "curve type", |_| "named_curve".to_owned())?;
        walk.number(2, "named curve", name::group)?;
        walk.counted(1, ["public key length", "public key"], hex)?;
        signature(walk)?;
    }
    walk.rest("parameters");
    Some(())
}

/// RFC 8446 4.4.3.
fn signature(walk: &mut Walk<'_>) -> Option<()> {
    walk.number(2, "signature algorithm", name::number16)?;
    walk.counted(2, ["signature length", "signature"], hex)
        .map(drop)
}

/// RFC 8446 4.6.1; of TLS 1.2 (RFC 5077 3.3) it has neither age nor nonce nor extensions.
fn ticket(walk: &mut Walk<'_>, is_13: bool) -> Option<()> {
    walk.number(4, "ticket lifetime", |seconds| format!("{seconds} s"))?;
    if is_13 {
        walk.number(4, "ticket age add", |add| add.to_string())?;
        walk.counted(1, ["ticket nonce length", "ticket nonce"], hex)?;
    }
    walk.counted(2, ["ticket length", "ticket"], hex)?;
    if is_13 {
        extension::list(walk, NEW_SESSION_TICKET, &mut extension::Seen::default());
    }
    Some(())
}
