//! What a page shows, out of a capture.
//!
//! Job: read records, keep what the views need of the first ones, count the rest.
//! Owns: the limits. Does not know: markup.

use core::time::Duration;
use std::collections::HashSet;
use std::io::Read;

use outcrop_capture::{Reader, Record};

use super::fields::{self, XRay};
use crate::conversation::{Conversation, Conversations, Relative, Seen};
use crate::dissect::{Flags, Upper};
use crate::exchange::Exchanges;
use crate::http::start_lines;
use crate::ladder::{event_text, is_again, label, name, payload};

/// Packets drawn; beyond, a page is no longer read but scrolled.
pub(super) const PACKETS_MAX: usize = 5_000;
/// Events drawn.
const EVENTS_MAX: usize = 4 * PACKETS_MAX;
/// Packets taken apart byte by byte: the largest part of a page.
pub(super) const X_RAYS_MAX: usize = 1_000;
/// HTTP start lines shown of a packet.
const START_LINES_MAX: usize = 4;

/// A capture as a page shows it.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Every conversation, in order of appearance.
    pub(super) threads: Vec<Thread>,
    /// Packets in order; the steps name them by index.
    pub(super) packets: Vec<Packet>,
    /// Events in order.
    pub(super) events: Vec<Event>,
    /// HTTP in what is drawn.
    pub(super) exchanges: Exchanges,
    /// Packets in the file, drawn or not.
    pub(super) total: usize,
    /// Why the file was not read to its end.
    pub(super) damage: Option<String>,
    first: Option<Duration>,
    keys: HashSet<String>,
}

/// A conversation.
#[derive(Debug)]
pub(super) struct Thread {
    /// Its letter.
    pub(super) name: String,
    /// `tcp`, `udp`, `ping`..
    pub(super) talk: String,
    pub(super) peer: String,
    pub(super) ours: String,
    /// Whether the file says which end is ours.
    pub(super) known: bool,
    /// What happened, in order.
    pub(super) steps: Vec<Step>,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A packet, by index.
    Packet(usize),
    /// An event, by index.
    Event(usize),
}

/// A packet.
#[derive(Debug)]
pub(super) struct Packet {
    /// Its name on the page: `p12`.
    pub(super) key: String,
    pub(super) id: u64,
    /// Since the first record.
    pub(super) at: Duration,
    pub(super) thread: Option<usize>,
    pub(super) inbound: bool,
    /// Flags and numbers in words.
    pub(super) label: String,
    /// What the stack wrote beside it, pair by pair.
    pub(super) notes: Vec<(String, String)>,
    pub(super) sentence: Option<String>,
    pub(super) again: bool,
    /// Whether the stack declared what it carried lost, later.
    pub(super) lost: bool,
    /// Bytes on the wire.
    pub(super) len: u32,
    /// HTTP start lines.
    pub(super) lines: Vec<String>,
    pub(super) segment: Option<Segment>,
    pub(super) xray: Option<XRay>,
}

/// What a plot needs of a TCP segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) relative: Relative,
    pub(super) payload: usize,
    pub(super) flags: Flags,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    /// `state`, `lost`, `call`..
    pub(super) kind: String,
    pub(super) text: String,
    /// Old and new state.
    pub(super) change: Option<(String, String)>,
    pub(super) cause: Option<String>,
}

impl Packet {
    /// A note's value.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        let (_, value) = self.notes.iter().find(|(k, _)| k == key)?;
        Some(value)
    }
}

impl Story {
    /// Reads a capture to its end or to its damage.
    pub(super) fn read<R: Read>(
        reader: &mut Reader<R>,
        keep: &dyn Fn(&Conversation) -> bool,
    ) -> (Self, Result<(), outcrop_capture::ReadError>) {
        let mut story = Self::default();
        let (mut everybody, mut conversations) = (Conversations::new(), Conversations::new());
        let mut outcome = Ok(());
        for record in reader {
            match record {
                Ok(record) => {
                    // Those left out leave no gap among the letters.
                    let whose = match &record {
                        Record::Packet(packet) => everybody.packet(packet).conversation,
                        Record::Event(event) => everybody.event(event),
                    };
                    let whose = whose.and_then(|index| everybody.get(index));
                    if whose.is_none_or(keep) {
                        story.record(&record, &mut conversations);
                    }
                }
                Err(error) => {
                    story.damage = Some(error.to_string());
                    outcome = Err(error);
                    break;
                }
            }
        }
        story.exchanges.finish();
        (story, outcome)
    }

    fn record(&mut self, record: &Record, conversations: &mut Conversations) {
        match record {
            Record::Packet(packet) => {
                self.total += 1;
                if self.packets.len() < PACKETS_MAX {
                    let seen = conversations.packet(packet);
                    self.exchanges.packet(packet, &seen);
                    self.packet(packet, &seen, conversations);
                }
            }
            Record::Event(event) => {
                // Timers set and stopped, round-trip samples: the terminal's `--every-event` has them.
                let detail = event.get("PRIORITY") == Some("7");
                if self.total <= PACKETS_MAX && self.events.len() < EVENTS_MAX && !detail {
                    let thread = conversations.event(event);
                    self.event(event, thread, conversations);
                }
            }
        }
    }

    fn packet(
        &mut self,
        packet: &outcrop_capture::Packet,
        seen: &Seen,
        conversations: &Conversations,
    ) {
        let index = self.packets.len();
        let id = packet.shown_id();
        let mut key = format!("p{id}");
        // A number a file gives twice.
        if !self.keys.insert(key.clone()) {
            key = format!("p{id}-{}", packet.number);
        }
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let at = self.since(packet.at);
        self.packets.push(Packet {
            key,
            id,
            at,
            thread: seen.conversation,
            inbound: seen.inbound,
            label: label(packet, seen),
            notes: packet.notes.pairs().map(pair).collect(),
            sentence: packet.sentence.clone(),
            again: is_again(packet, seen),
            lost: false,
            len: packet.original_len,
            lines: start_lines(payload(seen))
                .take(START_LINES_MAX)
                .map(str::to_owned)
                .collect(),
            segment: segment(seen),
            xray: (index < X_RAYS_MAX).then(|| fields::of(packet, seen)),
        });
        self.step(seen.conversation, Step::Packet(index), conversations);
    }

    fn event(
        &mut self,
        event: &outcrop_capture::Event,
        thread: Option<usize>,
        conversations: &Conversations,
    ) {
        let index = self.events.len();
        let at = self.since(event.at);
        let owned = |name| event.get(name).map(str::to_owned);
        self.events.push(Event {
            at,
            kind: owned("NET_EVENT").unwrap_or_default(),
            text: event_text(event),
            change: owned("NET_FROM").zip(owned("NET_STATE")),
            cause: owned("NET_CAUSE"),
        });
        self.step(thread, Step::Event(index), conversations);
        if event.get("NET_EVENT") == Some("lost") {
            let start = event.get("NET_START").and_then(|start| start.parse().ok());
            self.declare_lost(thread, start);
        }
    }

    /// Marks the packet of ours that last carried this byte of the stream, which begins behind the SYN.
    fn declare_lost(&mut self, thread: Option<usize>, start: Option<i64>) {
        let Some(byte) = start.and_then(|start| start.checked_add(1)) else {
            return;
        };
        let carried = self.packets.iter_mut().rev().find(|packet| {
            let relative = packet.segment.as_ref().map(|segment| &segment.relative);
            packet.thread == thread
                && !packet.inbound
                && relative.is_some_and(|r| r.seq <= byte && byte < r.end)
        });
        if let Some(packet) = carried {
            packet.lost = true;
        }
    }

    fn since(&mut self, at: Duration) -> Duration {
        at.saturating_sub(*self.first.get_or_insert(at))
    }

    fn step(&mut self, thread: Option<usize>, step: Step, conversations: &Conversations) {
        let Some(index) = thread else {
            return;
        };
        while self.threads.len() <= index {
            let Some(conversation) = conversations.get(self.threads.len()) else {
                return;
            };
            self.threads.push(Thread {
                name: name(self.threads.len()),
                talk: conversation.talk.to_string(),
                peer: conversation.peer.to_string(),
                ours: conversation.ours.to_string(),
                known: conversation.ours_is_known,
                steps: Vec::new(),
            });
        }
        if let Some(thread) = self.threads.get_mut(index) {
            thread.steps.push(step);
        }
    }

    /// The packets of a conversation.
    pub(super) fn packets_of<'a>(&'a self, thread: &'a Thread) -> impl Iterator<Item = &'a Packet> {
        thread.steps.iter().filter_map(|step| match step {
            Step::Packet(index) => self.packets.get(*index),
            Step::Event(_) => None,
        })
    }

    /// The events of a conversation.
    pub(super) fn events_of<'a>(&'a self, thread: &'a Thread) -> impl Iterator<Item = &'a Event> {
        thread.steps.iter().filter_map(|step| match step {
            Step::Event(index) => self.events.get(*index),
            Step::Packet(_) => None,
        })
    }
}

fn segment(seen: &Seen) -> Option<Segment> {
    let relative = seen.tcp.clone()?;
    match &seen.upper {
        Upper::Tcp(tcp) => Some(Segment {
            relative,
            payload: tcp.payload.wire_len,
            flags: tcp.flags,
        }),
        Upper::BadTcp(_)
        | Upper::Udp(_)
        | Upper::BadUdp(_)
        | Upper::Icmp { .. }
        | Upper::Fragment { .. }
        | Upper::Other { .. }
        | Upper::None => None,
    }
}

/// Seconds with six decimals.
pub(super) fn seconds(at: Duration) -> String {
    format!("{:.6}", at.as_secs_f64())
}

/// The packet a cause names, if it names one.
pub(super) fn causing(cause: &str) -> Option<u64> {
    cause.strip_prefix("pkt:")?.parse().ok()
}
