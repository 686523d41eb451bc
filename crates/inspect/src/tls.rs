//! TLS as it crossed the wire, and what is inside where the capture holds the keys.
//!
//! Job: cut both directions of a connection into records and handshake messages, open what can be opened.
//! Owns: a record and a message in the making, a direction's keys. Does not know: TCP, HTTP.
//! An inspector does not use the parser it is to inspect: rustls is not asked. What is opened keeps its places: the
//! ciphers of TLS 1.3 and the AEADs of 1.2 turn each byte into one byte.
//!
//! ```text
//!   pieces ──► record ──► open (if there is a key) ──► handshake | alert | pieces of plain text
//! ```
//!
//! Sources: RFC 8446 5 (records), 4 (handshake), 7 (keys); RFC 5246 6, 7 (TLS 1.2).

mod extension;
mod handshake;
mod keys;
mod name;
mod open;

use crate::placed::{Meaning, Placed, Spans};
use crate::stream::Piece;
use handshake::Walk;
pub(crate) use keys::KeyLog;
use open::Opener;

/// A record's header.
const HEADER: usize = 5;
/// The longest record: 2^14 and what protection may add (RFC 5246 6.2.3).
const RECORD_MAX: usize = (1 << 14) + 2048;
/// A handshake message longer than this is not read: certificates are the longest.
const MESSAGE_MAX: usize = 1 << 17;

/// RFC 8446 5.1.
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
    pub(super) const APPLICATION_DATA: u8 = 23;
}

/// Whether a stream that begins so is TLS: no text protocol begins with a control byte of these.
pub(crate) fn begins(first: u8) -> bool {
    (content::CHANGE_CIPHER_SPEC..=content::APPLICATION_DATA).contains(&first)
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// Of the record in the making.
    record: Vec<u8>,
    spans: Spans,
    /// The pieces the record came in, without their bytes: for their times.
    pieces: Vec<Piece>,
    /// Of the handshake message in the making.
    message: (Vec<u8>, Spans),
    opener: Option<Opener>,
    /// Not TLS, or no longer understood.
    broken: bool,
}

/// What both directions have said so far.
#[derive(Debug, Default)]
pub(crate) struct Hello {
    pub(crate) client_random: Option<[u8; 32]>,
    pub(crate) server_random: Option<[u8; 32]>,
    pub(crate) suite: Option<u16>,
    /// Whether TLS 1.3 was chosen.
    pub(crate) is_13: bool,
    /// The half of the client.
    pub(crate) client: Option<usize>,
}

/// What came of a piece.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Plain text of the application.
    pub(crate) plain: Vec<Piece>,
    /// Records and messages in a few words, for the packet that completed them.
    pub(crate) lines: Vec<String>,
}

/// A connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    halves: [Half; 2],
    hello: Hello,
}

/// A record as it is worked on.
struct Record {
    kind: u8,
    bytes: Vec<u8>,
    spans: Spans,
    pieces: Vec<Piece>,
}

impl Session {
    /// Bytes kept of what is in the making.
    pub(crate) fn held_bytes(&self) -> usize {
        let of = |half: &Half| half.record.len() + half.message.0.len();
        self.halves.iter().map(of).sum()
    }

    /// Takes bytes of a direction in order.
    pub(crate) fn feed(
        &mut self,
        which: usize,
        piece: &Piece,
        keys: &KeyLog,
        fields: &mut Vec<Placed>,
    ) -> Told {
        let mut told = Told::default();
        let mut used = 0;
        while used < piece.bytes.len() {
            let Some(half) = self.halves.get_mut(which).filter(|half| !half.broken) else {
                break;
            };
            used += half.take(piece, used);
            if let Some(record) = half.complete() {
                self.record(which, &record, keys, fields, &mut told);
            }
        }
        told
    }

    fn record(
        &mut self,
        which: usize,
        record: &Record,
        keys: &KeyLog,
        fields: &mut Vec<Placed>,
        told: &mut Told,
    ) {
        header(record, fields);
        let body = record.bytes.get(HEADER..).unwrap_or_default();
        let Some(half) = self.halves.get_mut(which) else {
            return;
        };
        let protected = half
            .opener
            .as_ref()
            .is_some_and(|opener| opener.protects(record.kind));
        if !protected {
            // Without its handshake nobody can tell which key it had.
            if record.kind == content::APPLICATION_DATA {
                return sealed(record, "its handshake is not in the capture", fields, told);
            }
            let spans = record.spans.slice(HEADER..record.bytes.len());
            return self.content(which, record.kind, (body, spans), keys, fields, told);
        }
        let opened = half
            .opener
            .as_mut()
            .and_then(|opener| opener.open(&record.bytes));
        let Some(opened) = opened else {
            return sealed(record, "no key in the capture opens it", fields, told);
        };
        let start = HEADER + opened.before;
        let end = start + opened.plain.len();
        let around = [
            (HEADER..start, "explicit nonce", "RFC 5288 3"),
            (
                end..end + usize::from(opened.inner),
                "inner content type",
                "RFC 8446 5.2",
            ),
            (
                end + usize::from(opened.inner)..record.bytes.len(),
                "padding and authentication tag",
                "RFC 8446 5.2",
            ),
        ];
        for (range, name, source) in around {
            let value = match name {
                "inner content type" => name::content(opened.kind).to_owned(),
                _ => format!("{} bytes", range.len()),
            };
            let what = meaning(source, name, value);
            record.spans.place(range, &what, fields);
        }
        if opened.kind == content::APPLICATION_DATA {
            told.plain.extend(plain(record, start, &opened.plain));
            return;
        }
        let spans = record.spans.slice(start..end);
        self.content(
            which,
            opened.kind,
            (&opened.plain, spans),
            keys,
            fields,
            told,
        );
    }

    /// What a record that can be read says.
    fn content(
        &mut self,
        which: usize,
        kind: u8,
        (bytes, spans): (&[u8], Spans),
        keys: &KeyLog,
        fields: &mut Vec<Placed>,
        told: &mut Told,
    ) {
        match kind {
            content::HANDSHAKE => self.handshake(which, (bytes, spans), keys, fields, told),
            content::ALERT => {
                let mut walk = Walk::new(bytes, &spans, "RFC 8446 6", fields);
                let level = walk.number(1, "alert level", name::alert_level);
                let description = walk.number(1, "alert description", name::alert);
                walk.rest("behind the alert");
                if let Some(description) = level.and(description) {
                    told.lines
                        .push(format!("TLS alert: {}", name::alert(description)));
                }
            }
            content::CHANGE_CIPHER_SPEC => {
                let mut walk = Walk::new(bytes, &spans, "RFC 8446 5", fields);
                walk.rest("change cipher spec");
                told.lines.push("TLS ChangeCipherSpec".to_owned());
                if !self.hello.is_13
                    && let Some(half) = self.halves.get_mut(which)
                {
                    let sends = self.hello.client == Some(which);
                    half.opener = Some(Opener::tls12(&self.hello, keys, sends));
                }
            }
            _ => {}
        }
    }

    fn handshake(
        &mut self,
        which: usize,
        (bytes, spans): (&[u8], Spans),
        keys: &KeyLog,
        fields: &mut Vec<Placed>,
        told: &mut Told,
    ) {
        let Some(half) = self.halves.get_mut(which) else {
            return;
        };
        let (mut message, mut places) = core::mem::take(&mut half.message);
        message.extend_from_slice(bytes);
        places.extend(spans);
        let mut at = 0;
        while let Some(end) = message_end(&message, at) {
            let whole = message.get(at..end).unwrap_or_default();
            let spans = places.slice(at..end);
            let kind = handshake::read(whole, which, &spans, &mut self.hello, fields, told);
            self.turn_keys(which, kind, keys);
            at = end;
        }
        let left = message.split_off(at);
        if let Some(half) = self.halves.get_mut(which) {
            if left.len() > MESSAGE_MAX {
                half.broken = true;
            } else {
                let places = places.slice(at..at + left.len());
                half.message = (left, places);
            }
        }
    }

    /// Keys change with certain messages (RFC 8446 7.1).
    fn turn_keys(&mut self, which: usize, kind: u8, keys: &KeyLog) {
        let Some(client) = self.hello.client.filter(|_| self.hello.is_13) else {
            return;
        };
        match kind {
            handshake::SERVER_HELLO => {
                for (index, half) in self.halves.iter_mut().enumerate() {
                    half.opener = Some(Opener::tls13(&self.hello, keys, index == client, false));
                }
            }
            handshake::FINISHED => {
                if let Some(half) = self.halves.get_mut(which) {
                    half.opener = Some(Opener::tls13(&self.hello, keys, which == client, true));
                }
            }
            handshake::KEY_UPDATE => {
                if let Some(opener) = self.halves.get_mut(which).and_then(|h| h.opener.as_mut()) {
                    opener.update();
                }
            }
            _ => {}
        }
    }
}

impl Half {
    /// Moves what the record in the making lacks out of a piece; how many bytes.
    fn take(&mut self, piece: &Piece, from: usize) -> usize {
        let wanted = match self.length() {
            Some(len) => HEADER + len,
            None => HEADER,
        };
        let rest = piece.bytes.len() - from;
        let count = wanted.saturating_sub(self.record.len()).min(rest);
        let taken = piece.bytes.slice(from..from + count);
        self.record.extend_from_slice(&taken);
        let (number, at) = piece.place;
        self.spans.push(number, at + from, count);
        self.pieces.push(Piece {
            bytes: taken,
            seq: piece.seq + i64::try_from(from).unwrap_or(0),
            place: (number, at + from),
            ..*piece
        });
        if let (Some(len), Some(kind)) = (self.length(), self.record.first()) {
            self.broken |= len > RECORD_MAX || !begins(*kind) || self.record.get(1) != Some(&3);
        }
        count
    }

    /// The length the header states, if it is there.
    fn length(&self) -> Option<usize> {
        crate::dissect::word(&self.record, 3).map(usize::from)
    }

    fn complete(&mut self) -> Option<Record> {
        let len = self.length().filter(|_| !self.broken)?;
        if self.record.len() < HEADER + len {
            return None;
        }
        let bytes = core::mem::take(&mut self.record);
        Some(Record {
            kind: bytes.first().copied()?,
            bytes,
            spans: core::mem::take(&mut self.spans),
            pieces: core::mem::take(&mut self.pieces),
        })
    }
}

fn meaning(source: &'static str, name: &'static str, value: String) -> Meaning {
    Meaning {
        layer: "tls",
        source,
        name: name.into(),
        value,
    }
}

/// The five bytes before a record.
fn header(record: &Record, fields: &mut Vec<Placed>) {
    let spans = record.spans.slice(0..HEADER);
    let bytes = record.bytes.get(..HEADER).unwrap_or_default();
    let mut walk = Walk::new(bytes, &spans, "RFC 8446 5.1", fields);
    walk.number(1, "content type", |kind| {
        name::content(u8::try_from(kind).unwrap_or(0)).to_owned()
    });
    walk.number(2, "record version", name::version);
    walk.number(2, "record length", |len| format!("{len} bytes"));
}

/// A record nobody can read here.
fn sealed(record: &Record, why: &str, fields: &mut Vec<Placed>, told: &mut Told) {
    let len = record.bytes.len().saturating_sub(HEADER);
    let what = meaning(
        "RFC 8446 5.2",
        "protected content",
        format!("{len} bytes: {why}"),
    );
    record
        .spans
        .place(HEADER..record.bytes.len(), &what, fields);
    let kind = name::content(record.kind);
    told.lines.push(format!("TLS {kind}, {len} bytes, sealed"));
}

/// The end of the handshake message that begins at `at`, if all of it is there.
fn message_end(bytes: &[u8], at: usize) -> Option<usize> {
    let head = crate::dissect::long(bytes, at)?;
    let end = at + 4 + usize::try_from(head & 0x00ff_ffff).ok()?;
    (end <= bytes.len()).then_some(end)
}

/// Plain text, piece by piece as its protected bytes came.
fn plain(record: &Record, start: usize, bytes: &[u8]) -> Vec<Piece> {
    let mut out = Vec::new();
    let (mut before, whole) = (0, bytes::Bytes::copy_from_slice(bytes));
    for piece in &record.pieces {
        let range = before..before + piece.bytes.len();
        before = range.end;
        let from = range.start.max(start);
        let to = range.end.min(start + bytes.len());
        if from < to {
            let skipped = from - range.start;
            out.push(Piece {
                seq: piece.seq + i64::try_from(skipped).unwrap_or(0),
                bytes: whole.slice(from - start..to - start),
                place: (piece.place.0, piece.place.1 + skipped),
                ..*piece
            });
        }
    }
    out
}
