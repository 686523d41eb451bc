//! What TCP connections carry: HTTP requests and their responses, in the clear or inside TLS.
//!
//! Job: follow both directions of each connection, pair what was asked with what was answered, and say when.
//! Owns: bounded state a connection, and a bound over all of them. Does not know: how an exchange is shown.
//!
//! ```text
//!   segments ─► stream: in order, with times ─► tls, if it is: opened ─► message: framing ─► exchange: asked / answered
//! ```
//!
//! Sources: RFC 9112 9.3.2 (answers come in the order of the requests), RFC 9110 15.2 (interim responses).

pub(crate) mod field;
mod hole;
mod message;

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use outcrop_capture::Packet;

use crate::conversation::Seen;
use crate::dissect::{Flags, Tcp, Upper};
use crate::http::start_lines;
use crate::placed::Placed;
use crate::stream::{Carrier, Piece, Stream};
use crate::tls::{self, KeyLog, Session};
use hole::Holes;
use message::{Asked, Follower};

pub use message::Message;

/// Exchanges kept of a capture.
pub const EXCHANGES_MAX: usize = 10_000;
/// Answers kept of a connection whose requests have not ended.
const EARLY_MAX: usize = 16;
/// Connections followed.
const CONNECTIONS_MAX: usize = 10_000;
/// Bytes that may wait in all of them together, behind holes and in the making; beyond, a connection is given up.
const HELD_MAX: usize = 64 << 20;
/// HTTP start lines told of one packet inside TLS.
const LINES_MAX: usize = 8;

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

/// What a packet's payload turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Fields, in this packet or in earlier ones that waited for it.
    pub fields: Vec<Placed>,
    /// TLS messages and the start lines inside, for the packet that completed them. HTTP in the clear is read in
    /// the packet itself: [`crate::start_lines`].
    pub lines: Vec<String>,
}

/// Both directions of a connection.
#[derive(Debug, Default)]
struct Connection {
    /// Bytes it holds, as counted in the whole.
    held: usize,
    /// TLS, if it began so.
    tls: Option<Box<Session>>,
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
    keys: KeyLog,
    /// Bytes held by all connections.
    held: usize,
}

/// Where a packet's payload is.
fn carrier(packet: &Packet, tcp: &Tcp) -> Carrier {
    let start = packet.bytes.as_ptr().addr();
    let at = tcp.payload.bytes.as_ptr().addr().saturating_sub(start);
    Carrier {
        at: packet.at,
        packet: packet.shown_id(),
        place: (packet.number, at),
    }
}

impl Connection {
    /// Keeps the times of the handshake.
    fn opening(&mut self, packet: &Packet, tcp: &Tcp) {
        if tcp.flags.has(Flags::SYN) && !tcp.flags.has(Flags::ACK) {
            self.syn.get_or_insert(packet.at);
        } else if self.syn.is_some() && !tcp.flags.has(Flags::SYN) {
            self.established.get_or_insert(packet.at);
        }
    }

    /// The application's bytes in what has become readable: the same, or what TLS had around them.
    fn opened(
        &mut self,
        half: usize,
        pieces: Vec<Piece>,
        keys: &KeyLog,
        carried: &mut Carried,
    ) -> Vec<Piece> {
        let first = pieces.first().filter(|piece| piece.seq == 1);
        let begins = first.and_then(|piece| piece.bytes.first());
        if self.tls.is_none() && begins.is_some_and(|first| tls::begins(*first)) {
            self.tls = Some(Box::default());
        }
        let Some(session) = &mut self.tls else {
            return pieces;
        };
        let mut plain = Vec::new();
        for piece in &pieces {
            let told = session.feed(half, piece, keys, &mut carried.fields);
            for piece in &told.plain {
                let lines = start_lines(&piece.bytes).map(str::to_owned);
                carried.lines.extend(lines);
            }
            carried.lines.extend(told.lines);
            plain.extend(told.plain);
        }
        carried.lines.truncate(LINES_MAX);
        plain
    }

    fn held_bytes(&self) -> usize {
        let of =
            |(stream, follower): &(Stream, Follower)| stream.held_bytes() + follower.held_bytes();
        let halves: usize = self.halves.iter().map(of).sum();
        halves + self.tls.as_ref().map_or(0, |tls| tls.held_bytes())
    }

    /// Follows no further.
    fn give_up(&mut self) {
        for (stream, follower) in &mut self.halves {
            stream.give_up();
            follower.give_up();
        }
        self.tls = None;
        self.held = 0;
    }
}

impl Exchanges {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes TLS secrets: lines of a key log. They open handshakes that come after.
    pub fn secrets(&mut self, lines: &str) {
        self.keys.learn(lines);
    }

    /// Takes a packet, and what [`crate::Conversations::packet`] said of it.
    pub fn packet(&mut self, packet: &Packet, seen: &Seen) -> Carried {
        let mut carried = Carried::default();
        let (Upper::Tcp(tcp), Some(relative), Some(index)) =
            (&seen.upper, &seen.tcp, seen.conversation)
        else {
            return carried;
        };
        // What the stack dropped has not arrived.
        if packet.notes.get("drop").is_some() || tcp.flags.has(Flags::RST) {
            return carried;
        }
        if self.connections.len() >= CONNECTIONS_MAX && !self.connections.contains_key(&index) {
            return carried;
        }
        let connection = self.connections.entry(index).or_default();
        connection.opening(packet, tcp);
        let half = usize::from(!seen.inbound);
        if let Some(holes) = connection.holes.get_mut(1 - half) {
            holes.heard(packet.at, relative);
        }
        let mut pieces = Vec::new();
        let mut done = Vec::new();
        if let Some((stream, _)) = connection.halves.get_mut(half) {
            let carrier = carrier(packet, tcp);
            stream.segment(carrier, tcp, relative, &mut pieces);
        }
        let pieces = connection.opened(half, pieces, &self.keys, &mut carried);
        if let Some((stream, follower)) = connection.halves.get_mut(half) {
            for piece in &pieces {
                follower.feed(piece, &mut done, &mut carried.fields);
            }
            if stream.has_ended() {
                follower.close(&mut done);
            }
        }
        let held = connection.held_bytes();
        self.held = (self.held + held).saturating_sub(connection.held);
        connection.held = held;
        if self.held > HELD_MAX {
            self.held -= connection.held;
            connection.give_up();
        }
        for message in done {
            self.message(index, half, message);
        }
        carried
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
