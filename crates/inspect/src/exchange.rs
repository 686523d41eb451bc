//! HTTP requests and their responses, out of a capture.
//!
//! Job: follow both directions of each connection, pair what was asked with what was answered, and say when.
//! Owns: bounded state a connection. Does not know: how an exchange is shown.
//!
//! ```text
//!   segments ──► stream: in order, with times ──► message: framing ──► exchange: asked / answered
//! ```
//!
//! Sources: RFC 9112 9.3.2 (answers come in the order of the requests), RFC 9110 15.2 (interim responses).

mod hole;
mod message;
mod stream;

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use outcrop_capture::Packet;

use crate::conversation::Seen;
use crate::dissect::{Flags, Upper};
use hole::Holes;
use message::{Asked, Follower};
use stream::Stream;

pub use message::Message;

/// Exchanges kept of a capture.
pub const EXCHANGES_MAX: usize = 10_000;
/// Answers kept of a connection whose requests have not ended.
const EARLY_MAX: usize = 16;
/// Connections followed.
const CONNECTIONS_MAX: usize = 10_000;

/// A request and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The conversation, by index.
    pub conversation: usize,
    /// Whether our end asked.
    pub ours_asked: bool,
    /// When the connection's SYN and its first ACK passed, for the first exchange of a connection seen from its start.
    pub connect: Option<(Duration, Duration)>,
    /// What was asked.
    pub request: Message,
    /// The last response to it; interim ones are passed over.
    pub response: Option<Message>,
}

/// Both directions of a connection.
#[derive(Debug, Default)]
struct Connection {
    /// From the peer, from us.
    halves: [(Stream, Follower); 2],
    /// What the receiver of each told of holes.
    holes: [Holes; 2],
    /// Exchanges not answered yet, by index.
    open: VecDeque<usize>,
    /// Answers that began before their request had ended.
    early: VecDeque<Message>,
    syn: Option<Duration>,
    established: Option<Duration>,
    exchanges: usize,
}

/// All exchanges of a capture, in the order in which the requests ended.
#[derive(Debug, Default)]
pub struct Exchanges {
    list: Vec<Exchange>,
    connections: HashMap<usize, Connection>,
    /// Exchanges beyond the limit.
    untold: usize,
}

impl Exchanges {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet, and what [`crate::Conversations::packet`] said of it.
    pub fn packet(&mut self, packet: &Packet, seen: &Seen) {
        let (Upper::Tcp(tcp), Some(relative), Some(index)) =
            (&seen.upper, &seen.tcp, seen.conversation)
        else {
            return;
        };
        // What the stack dropped has not arrived.
        if packet.notes.get("drop").is_some() || tcp.flags.has(Flags::RST) {
            return;
        }
        if self.connections.len() >= CONNECTIONS_MAX && !self.connections.contains_key(&index) {
            return;
        }
        let connection = self.connections.entry(index).or_default();
        if tcp.flags.has(Flags::SYN) && !tcp.flags.has(Flags::ACK) {
            connection.syn.get_or_insert(packet.at);
        } else if connection.syn.is_some() && !tcp.flags.has(Flags::SYN) {
            connection.established.get_or_insert(packet.at);
        }
        let half = usize::from(!seen.inbound);
        if let Some(holes) = connection.holes.get_mut(1 - half) {
            holes.heard(packet.at, relative);
        }
        let mut pieces = Vec::new();
        let mut done = Vec::new();
        if let Some((stream, follower)) = connection.halves.get_mut(half) {
            stream.segment((packet.at, packet.shown_id()), tcp, relative, &mut pieces);
            for piece in &pieces {
                follower.feed(piece, &mut done);
            }
            if stream.has_ended() {
                follower.close(&mut done);
            }
        }
        for message in done {
            self.message(index, half, message);
        }
    }

    fn message(&mut self, index: usize, half: usize, message: Message) {
        let Some(connection) = self.connections.get_mut(&index) else {
            return;
        };
        if message.status().is_some() {
            let interim = matches!(message.status(), Some(100 | 102..=199));
            if interim {
                return;
            }
            let asked = connection.open.pop_front();
            match asked.and_then(|asked| self.list.get_mut(asked)) {
                Some(exchange) => exchange.response = Some(message),
                None if connection.early.len() < EARLY_MAX => connection.early.push_back(message),
                None => {}
            }
            return;
        }
        if self.list.len() >= EXCHANGES_MAX {
            self.untold += 1;
            return;
        }
        let asked = match message.method() {
            "HEAD" => Asked::Head,
            "CONNECT" => Asked::Connect,
            _ => Asked::Other,
        };
        let response = connection.early.pop_front();
        if response.is_none() {
            connection.open.push_back(self.list.len());
            if let Some((_, answers)) = connection.halves.get_mut(1 - half) {
                answers.asked.push_back(asked);
            }
        }
        let connect = connection.syn.zip(connection.established);
        self.list.push(Exchange {
            conversation: index,
            ours_asked: half == 1,
            connect: connect.filter(|_| connection.exchanges == 0),
            request: message,
            response,
        });
        connection.exchanges += 1;
    }

    /// The capture has ended: what was under way is told as far as it came.
    pub fn finish(&mut self) {
        self.unfinished();
        for exchange in &mut self.list {
            let asker = usize::from(exchange.ours_asked);
            if let Some(connection) = self.connections.get(&exchange.conversation)
                && let [Some(asked), Some(answered)] =
                    [asker, 1 - asker].map(|half| connection.holes.get(half))
            {
                asked.tell(&mut exchange.request);
                if let Some(response) = &mut exchange.response {
                    answered.tell(response);
                }
            }
        }
    }

    fn unfinished(&mut self) {
        let mut indices: Vec<usize> = self.connections.keys().copied().collect();
        indices.sort_unstable();
        for index in indices {
            // Requests first: an answer needs what it answers.
            for responds in [false, true] {
                for half in [0, 1] {
                    let mut done = Vec::new();
                    let connection = self.connections.get_mut(&index);
                    let found = connection.and_then(|c| c.halves.get_mut(half));
                    if let Some((_, follower)) = found
                        && follower.responds == Some(responds)
                    {
                        follower.unfinished(&mut done);
                    }
                    for message in done {
                        self.message(index, half, message);
                    }
                }
            }
        }
    }

    /// The exchanges so far.
    #[must_use]
    pub fn list(&self) -> &[Exchange] {
        &self.list
    }

    /// How many more there were than [`EXCHANGES_MAX`].
    #[must_use]
    pub const fn untold(&self) -> usize {
        self.untold
    }
}

#[cfg(test)]
mod tests;
