//! TLS secrets on their way into a file.
//!
//! Job: keep key-log lines and put them where Wireshark finds them in time: in a block before the handshake.
//! Owns: the reserved space and the layout of the decryption-secrets block. Does not know: TLS.
//! Sources: draft-ietf-opsawg-pcapng (Decryption Secrets Block), NSS key log format.

use std::borrow::Cow;
use std::io::{self, Write};

use pcap_file::pcapng::Block;
use pcap_file::pcapng::blocks::unknown::UnknownBlock;

/// The reserved block, whole.
const RESERVED: usize = 4096;
/// A block type for local use: other tools pass over it.
const LOCAL_BLOCK: u32 = 0x8000_0001;
/// The type of a decryption-secrets block.
pub(crate) const BLOCK: u32 = 0x0a;
/// "TLSK": the secrets are a TLS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;
/// A block's type and its two lengths.
const FRAME: usize = 12;

type Overwrite<W> = fn(&mut W, u64, &[u8]) -> io::Result<()>;

/// Secrets seen, and the place kept for them.
pub(crate) struct Secrets<W> {
    reserved: Option<(u64, Overwrite<W>)>,
    /// What will stand in the reserved space.
    lines: Vec<u8>,
}

impl<W> core::fmt::Debug for Secrets<W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl<W: Write> Secrets<W> {
    /// Every secret becomes a block where it comes.
    pub(crate) const fn inline() -> Self {
        Self {
            reserved: None,
            lines: Vec::new(),
        }
    }

    /// Secrets wait for a place at this offset, as long as they fit.
    pub(crate) const fn reserved(at: u64, overwrite: Overwrite<W>) -> Self {
        Self {
            reserved: Some((at, overwrite)),
            lines: Vec::new(),
        }
    }

    /// Keeps a line, or gives the block to write now.
    pub(crate) fn add(&mut self, line: &str) -> Option<Block<'static>> {
        let line = format!("{}\n", line.trim_end());
        let body_len = secrets_body(&self.lines).len() + line.len() + 3;
        // What is left over must hold a block of its own.
        if self.reserved.is_some() && body_len + 2 * FRAME <= RESERVED {
            self.lines.extend_from_slice(line.as_bytes());
            return None;
        }
        Some(block(BLOCK, secrets_body(line.as_bytes())))
    }

    /// Puts the secrets into their place.
    pub(crate) fn close(&self, sink: &mut W) -> io::Result<()> {
        let Some((at, overwrite)) = self.reserved.filter(|_| !self.lines.is_empty()) else {
            return Ok(());
        };
        let body = secrets_body(&self.lines);
        let rest = RESERVED.saturating_sub(body.len() + 2 * FRAME);
        let mut bytes = raw(BLOCK, &body);
        bytes.extend(raw(LOCAL_BLOCK, &vec![0; rest]));
        overwrite(sink, at, &bytes)
    }
}

/// The block that keeps the place.
pub(crate) fn placeholder() -> Block<'static> {
    block(LOCAL_BLOCK, vec![0; RESERVED - FRAME])
}

/// Type and length of the secrets, the secrets, padding.
fn secrets_body(lines: &[u8]) -> Vec<u8> {
    let mut body = TLS_KEY_LOG.to_le_bytes().to_vec();
    body.extend(length(lines.len()).to_le_bytes());
    body.extend_from_slice(lines);
    body.resize(body.len().next_multiple_of(4), 0);
    body
}

/// The key log in a block's body; `None` if it holds other secrets, or contradicts itself.
pub(crate) fn read(body: &[u8], little: bool) -> Option<String> {
    let word = |at: usize| {
        let bytes = *body.get(at..)?.first_chunk::<4>()?;
        Some(if little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    };
    let len = usize::try_from(word(4)?).ok()?;
    let lines = body.get(8..)?.get(..len)?;
    (word(0)? == TLS_KEY_LOG).then(|| String::from_utf8_lossy(lines).into_owned())
}

fn block(kind: u32, body: Vec<u8>) -> Block<'static> {
    Block::Unknown(UnknownBlock {
        type_: kind,
        length: length(body.len() + FRAME),
        value: Cow::Owned(body),
    })
}

/// A block as bytes; the body is a multiple of four.
fn raw(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = length(body.len() + FRAME).to_le_bytes();
    [&kind.to_le_bytes(), &len, body, &len].concat()
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
