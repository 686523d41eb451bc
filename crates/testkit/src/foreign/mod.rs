//! Captures of other people's stacks, played against ours.
//!
//! Job: feed the client's half of a recorded conversation to our server end, and compare our half with the
//! recorded server's by what the standards promise, not by what they leave open.
//! Owns: rebasing and the rules of comparison. Does not know: HTTP; the recorded program's bytes are written as they were.
//!
//! The client is fed by dependency, not by clock: a packet goes in when everything it acknowledges has
//! come out, so that other segment sizes derail nothing. If our end waits for what the capture does not
//! hold, that is said.
//!
//! | compared | fields |
//! |---|---|
//! | exactly | the stream, FIN and RST, options offered on the SYN, who finishes first, addresses |
//! | for validity | checksums, hop limit, acknowledgments (never of what was not sent), echoed timestamps (only such as were sent), window (its right edge never moves left) |
//! | in range | an acknowledgment within 500 ms |
//! | not at all | initial sequence numbers, timestamps' base, segment boundaries, IP ID, absolute time |

mod conversation;
mod play;
mod script;

use core::time::Duration;
use std::io::Read;

use outcrop_capture::{ReadError, Reader, Record};

pub(crate) use conversation::{ACK, Conversation, FIN, Packet, RST, SYN};

/// What a foreign replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets of the client that were fed.
    pub fed: usize,
    /// Packets of ours that came out.
    pub sent: usize,
    /// Bytes of the server's stream that came out.
    pub stream: usize,
    /// Every way in which our half is not as the recorded one promises; empty is a pass.
    pub differences: Vec<String>,
    /// Where the first of them shows.
    pub place: Place,
    /// What crossed this time, both ways and with our inner state, pcapng.
    pub capture: Vec<u8>,
}

/// Where a difference shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The packet of the recording that ours should be like: its time since the SYN and its sequence number.
    pub recorded: Option<(Duration, u32)>,
    /// Our packet, by its place in the capture of this time, from 1.
    pub ours: Option<u64>,
}

/// Why a capture could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The file is damaged or no capture.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What crosses cannot be recorded.
    #[error(transparent)]
    Record(#[from] outcrop_capture::WriteError),
    /// There is no TCP conversation with its SYN.
    #[error("no TCP conversation from its SYN on: record from before the connection opens")]
    NoConversation,
    /// Our own host could not be set up on the server's address.
    #[error("the server's address {0} is none a host can have")]
    Address(core::net::SocketAddr),
}

/// Plays the first TCP conversation of a capture.
///
/// # Errors
/// The capture is damaged or holds no conversation. A difference is not an error: see [`Report`].
pub fn play(capture: impl Read) -> Result<Report, PlayError> {
    let mut packets = Vec::new();
    for record in Reader::new(capture)? {
        if let Record::Packet(packet) = record?
            && let Some((_, bytes)) = packet.network()
            && let Some(packet) = Packet::parse(packet.at, &bytes)
        {
            packets.push(packet);
        }
    }
    let conversation = Conversation::of(packets).ok_or(PlayError::NoConversation)?;
    play::play(&conversation)
}
