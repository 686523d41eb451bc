//! What the recorded server's program did.
//!
//! Job: from the server's segments, tell what was written, when it was finished, and what had been read by then.
//! Owns: reassembly of both recorded streams. Does not know: segments' sizes or times, which are TCP's affair.

use super::conversation::{ACK, Conversation, FIN, Packet, RST, SYN};

/// A step of the server's program, with what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes of the client that must have been read before.
    pub(crate) after_bytes: u64,
    /// Whether the client must have finished before.
    pub(crate) after_fin: bool,
    pub(crate) act: Act,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Write(Vec<u8>),
    Finish,
    Abort,
}

/// A stream as its segments show it: offset 0 is the byte after the SYN.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// The initial sequence number.
    pub(crate) isn: Option<u32>,
    pub(crate) bytes: Vec<u8>,
    /// Segments beyond the end of `bytes`, kept until the hole is filled.
    later: Vec<(u64, Vec<u8>)>,
    /// Offset of the FIN.
    pub(crate) fin: Option<u64>,
}

impl Stream {
    /// Takes one segment of this direction; returns the bytes that are new and contiguous now.
    pub(crate) fn take(&mut self, packet: &Packet) -> Vec<u8> {
        if packet.has(SYN) {
            self.isn = Some(packet.seq);
        }
        let Some(offset) = self.offset(packet.seq) else {
            return Vec::new();
        };
        if packet.has(FIN) {
            self.fin = Some(offset + packet.payload().len() as u64);
        }
        let before = self.bytes.len();
        self.later.push((offset, packet.payload().to_vec()));
        self.later.sort();
        for (offset, bytes) in core::mem::take(&mut self.later) {
            let have = self.bytes.len() as u64;
            if offset > have {
                self.later.push((offset, bytes));
            } else if let Some(new) = usize::try_from(have - offset)
                .ok()
                .and_then(|n| bytes.get(n..))
            {
                self.bytes.extend_from_slice(new);
            }
        }
        self.bytes.get(before..).unwrap_or_default().to_vec()
    }

    /// The stream offset of a sequence number; the SYN itself counts as offset 0.
    pub(crate) fn offset(&self, seq: u32) -> Option<u64> {
        let past = seq.wrapping_sub(self.isn?.wrapping_add(1));
        // A sequence number before the first byte is the SYN's or a keep-alive's.
        Some(if past > u32::MAX / 2 {
            0
        } else {
            u64::from(past)
        })
    }

    /// Whether an acknowledgment of offset `ack` covers the FIN.
    pub(crate) fn fin_covered(&self, ack: u64) -> bool {
        self.fin.is_some_and(|fin| ack > fin)
    }
}

/// The server's program, step by step.
pub(crate) fn server_script(conversation: &Conversation) -> Vec<Step> {
    let (mut client, mut server) = (Stream::default(), Stream::default());
    let mut steps = Vec::new();
    for packet in &conversation.packets {
        if packet.src == conversation.client {
            client.take(packet);
            continue;
        }
        let finished = server.fin.is_some();
        let bytes = server.take(packet);
        let acked = client
            .offset(packet.ack)
            .filter(|_| packet.has(ACK))
            .unwrap_or(0);
        let after_fin = client.fin_covered(acked);
        let mut step = |act| {
            steps.push(Step {
                after_bytes: acked.min(client.bytes.len() as u64),
                after_fin,
                act,
            });
        };
        if !bytes.is_empty() {
            step(Act::Write(bytes));
        }
        if packet.has(RST) {
            step(Act::Abort);
        } else if server.fin.is_some() && !finished {
            step(Act::Finish);
        }
    }
    steps
}
