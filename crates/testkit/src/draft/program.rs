//! The calls behind a connection.
//!
//! Job: from the packets of one end, the calls its program must have made, and all of it as lines of a script. Owns: the
//! order of lines. Does not know: numbers on the wire (`segment`).
//!
//! A program's writes are not on the wire: new data that leaves in full segments, up to the first one that is not full, is
//! taken for one write. It reads whatever comes, when it comes.

use core::fmt::Write;
use core::time::Duration;

use super::segment::Numbers;
use super::{LEAD, Role};
use crate::drill::Departure;
use crate::drill::ast::{Body, Packet as Written, Tcp};
use crate::foreign::{Conversation, FIN, Packet, RST, SYN};

/// What a line does.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A call of the program.
    Call(String),
    /// A packet of the peer.
    Inject(Written),
    /// A packet of ours.
    Expect(Written),
    /// A packet of the capture that ours does not send.
    Unsent(Written),
}

/// A line of the script.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: Duration,
    pub(super) act: Act,
    /// What was recorded instead.
    pub(super) recorded: Option<Written>,
    /// Whether the capture has nothing like it.
    pub(super) alone: bool,
}

impl Line {
    const fn new(at: Duration, act: Act) -> Self {
        Self {
            at,
            act,
            recorded: None,
            alone: false,
        }
    }
}

/// Collects lines.
struct Writer {
    lines: Vec<Line>,
    numbers: Numbers,
    /// The descriptor of the connection, once there is one.
    socket: Option<u8>,
    /// How far our data and theirs have got.
    written: u32,
    read: u32,
    /// What of theirs came out of order.
    later: Vec<(u32, u32)>,
    finished: bool,
}

/// The script's lines for one end of a connection.
pub(super) fn of(conversation: &Conversation, role: Role) -> Vec<Line> {
    let us = match role {
        Role::Client => conversation.client,
        Role::Server => conversation.server,
    };
    let mut writer = Writer {
        lines: Vec::new(),
        numbers: Numbers::default(),
        socket: None,
        written: 1,
        read: 1,
        later: Vec::new(),
        finished: false,
    };
    writer.open(role);
    for (index, packet) in conversation.packets.iter().enumerate() {
        let rest = conversation.packets.get(index..).unwrap_or_default();
        if packet.src == us {
            writer.leaves(packet, rest);
        } else {
            writer.arrives(packet);
        }
    }
    writer.lines
}

impl Writer {
    fn call(&mut self, at: Duration, text: impl Into<String>) {
        self.lines.push(Line::new(at, Act::Call(text.into())));
    }

    fn open(&mut self, role: Role) {
        let start = Duration::ZERO;
        self.call(start, "socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
        match role {
            Role::Client => {
                self.call(start, "fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0");
                self.call(start, "setsockopt(3, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0");
                self.call(LEAD, "connect(3, ..., ...) = -1 EINPROGRESS");
                self.socket = Some(3);
            }
            Role::Server => {
                self.call(start, "bind(3, ..., ...) = 0");
                self.call(start, "listen(3, 10) = 0");
            }
        }
    }

    /// A packet of the peer, and what the program does with it.
    fn arrives(&mut self, packet: &Packet) {
        let at = LEAD + packet.at;
        self.numbers.hear(packet, false);
        let written = self.numbers.written(packet, false);
        self.lines.push(Line::new(at, Act::Inject(written.clone())));
        let Body::Tcp(tcp) = &written.body else {
            return;
        };
        if packet.has(RST) {
            self.finished = true;
            return;
        }
        if self.socket.is_none() && !packet.has(SYN) {
            self.socket = Some(4);
            self.call(at, "accept(3, ..., ...) = 4");
            self.call(at, "setsockopt(4, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0");
        }
        let before = self.read;
        self.take(tcp);
        let fresh = self.read.wrapping_sub(before);
        if let Some(socket) = self.socket.filter(|_| fresh > 0) {
            self.call(at, format!("read({socket}, ..., {fresh}) = {fresh}"));
        }
    }

    /// Moves `read` over what is there without a hole.
    fn take(&mut self, tcp: &Tcp) {
        if tcp.len > 0 {
            self.later.push((tcp.seq, tcp.end));
        }
        while let Some(place) = self.later.iter().position(|(start, _)| *start <= self.read) {
            let (_, end) = self.later.swap_remove(place);
            self.read = self.read.max(end);
        }
    }

    /// A packet of ours, and before it the call that it shows.
    fn leaves(&mut self, packet: &Packet, rest: &[Packet]) {
        let at = LEAD + packet.at;
        self.numbers.hear(packet, true);
        let written = self.numbers.written(packet, true);
        if let (Body::Tcp(tcp), Some(socket)) = (&written.body, self.socket) {
            if tcp.len > 0 && tcp.end > self.written {
                self.write(at, socket, packet, rest);
            }
            if packet.has(FIN) && !self.finished {
                self.finished = true;
                self.call(at, format!("shutdown({socket}, SHUT_WR) = 0"));
            }
            if packet.has(RST) && !self.finished {
                self.finished = true;
                let now = "SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8";
                self.call(at, format!("setsockopt({socket}, {now}) = 0"));
                self.call(at, format!("close({socket}) = 0"));
            }
        }
        self.lines.push(Line::new(at, Act::Expect(written)));
    }

    /// The write that begins with this packet: up to the next segment that is not full, or the peer's next word.
    fn write(&mut self, at: Duration, socket: u8, packet: &Packet, rest: &[Packet]) {
        let ours = rest.iter().filter(|next| next.src == packet.src);
        let full = ours.clone().map(|next| next.payload().len()).max();
        let (mut end, mut with_fin) = (self.written, false);
        for next in ours.filter(|next| !next.payload().is_empty()) {
            let Body::Tcp(tcp) = self.numbers.written(next, true).body else {
                break;
            };
            // Sent again, or out of order: no news of the program.
            if tcp.end <= end {
                continue;
            }
            end = tcp.end;
            with_fin = next.has(FIN);
            // A write is over with a segment that is not full; what answers another question is another write.
            if Some(next.payload().len()) < full || with_fin {
                break;
            }
        }
        let len = end.wrapping_sub(self.written);
        self.written = end;
        // A FIN in the last segment: its call came before that segment had left.
        self.call(
            at,
            if with_fin {
                format!("send({socket}, ..., {len}, MSG_MORE) = {len}")
            } else {
                format!("write({socket}, ..., {len}) = {len}")
            },
        );
        if with_fin {
            self.finished = true;
            self.call(at, format!("shutdown({socket}, SHUT_WR) = 0"));
        }
    }
}

/// The same lines with what ours really sends.
pub(super) fn with(lines: &[Line], departures: &[Departure]) -> Vec<Line> {
    let mut recorded: Vec<Option<&Written>> = lines
        .iter()
        .map(|line| match &line.act {
            Act::Expect(packet) => Some(packet),
            Act::Call(_) | Act::Inject(_) | Act::Unsent(_) => None,
        })
        .collect();
    let mut left = departures.iter().peekable();
    let mut out = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if matches!(line.act, Act::Expect(_)) {
            continue;
        }
        // Everything that left before this line.
        while let Some(departure) = left.next_if(|left| left.after < index) {
            out.push(found(departure, &mut recorded));
        }
        out.push(line.clone());
    }
    out.extend(left.map(|departure| found(departure, &mut recorded)));
    // What only the capture has.
    for (line, packet) in lines.iter().zip(recorded) {
        if let Some(packet) = packet {
            let place = out.iter().position(|other| other.at > line.at);
            let unsent = Line::new(line.at, Act::Unsent(packet.clone()));
            out.insert(place.unwrap_or(out.len()), unsent);
        }
    }
    out
}

/// A departure as a line, with what was recorded of the same bytes.
fn found(departure: &Departure, recorded: &mut [Option<&Written>]) -> Line {
    let mut line = Line::new(departure.at, Act::Expect(departure.packet.clone()));
    let likes: [fn(&Tcp, &Tcp) -> bool; 2] = [
        |a, b| says(a) == says(b),
        |a, b| (a.seq, a.len, a.flags.syn) == (b.seq, b.len, b.flags.syn) && a.len > 0,
    ];
    for (exact, like) in [true, false].into_iter().zip(likes) {
        let place = recorded.iter().position(|other| {
            let other = other.map(|packet| &packet.body);
            match (&departure.packet.body, other) {
                (Body::Tcp(ours), Some(Body::Tcp(theirs))) => like(ours, theirs),
                (Body::Tcp(_) | Body::Icmp(_) | Body::Udp(_), _) => false,
            }
        });
        if let Some(packet) = place.and_then(|place| recorded.get_mut(place)) {
            let packet = packet.take().cloned();
            line.recorded = packet.filter(|_| !exact);
            return line;
        }
    }
    line.alone = true;
    line
}

/// What makes a packet the same as another.
fn says(tcp: &Tcp) -> (u32, u32, Option<u32>, [bool; 3]) {
    let flags = [tcp.flags.syn, tcp.flags.fin, tcp.flags.rst];
    (tcp.seq, tcp.len, tcp.ack, flags)
}

/// The lines as text.
pub(super) fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let at = format!("{}.{:09}", line.at.as_secs(), line.at.subsec_nanos());
        let _infallible = match &line.act {
            Act::Call(call) => writeln!(text, "{at} {call}"),
            Act::Inject(packet) => writeln!(text, "{at} < {packet}"),
            Act::Unsent(packet) => {
                writeln!(text, "// {at} recorded, and not sent by ours: > {packet}")
            }
            Act::Expect(packet) => writeln!(text, "{at} > {packet}"),
        };
        if let Some(recorded) = &line.recorded {
            let _infallible = writeln!(text, "// .. recorded: > {recorded}");
        } else if line.alone {
            let _infallible = writeln!(text, "// .. not recorded");
        }
    }
    text
}
