//! What views show, out of a capture.
//!
//! Job: read records, keep what the views need of the first ones, count the rest.
//! Owns: the limits. Does not know: markup.

pub(crate) mod fields;

use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::io::Read;

use outcrop_capture::{Reader, Record};

use crate::conversation::{Conversation, Conversations, Relative, Seen};
use crate::dissect::{Flags, Upper};
use crate::exchange::Exchanges;
use crate::http::start_lines;
use crate::ladder::{event_text, is_again, label, name, payload};
use crate::model::Model;
use crate::placed::Placed;
pub(crate) use fields::XRay;

/// Packets drawn; beyond, a page is no longer read but scrolled.
pub(crate) const PACKETS_MAX: usize = 5_000;
/// Events drawn.
const EVENTS_MAX: usize = 4 * PACKETS_MAX;
/// Packets taken apart byte by byte: the largest part of a page.
pub(crate) const X_RAYS_MAX: usize = 1_000;
/// HTTP start lines shown of a packet.
const START_LINES_MAX: usize = 4;

/// A capture as a page shows it.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Every conversation, in order of appearance.
    pub(crate) threads: Vec<Thread>,
    /// Packets in order; the steps name them by index.
    pub(crate) packets: Vec<Packet>,
    /// Events in order.
    pub(crate) events: Vec<Event>,
    /// Who talks, and HTTP in what is drawn.
    model: Model,
    /// Packets in the file, drawn or not.
    pub(crate) total: usize,
    /// Why the file was not read to its end.
    pub(crate) damage: Option<String>,
    first: Option<Duration>,
    keys: HashSet<String>,
    /// Where a packet is, by its ordinal in the file.
    numbers: HashMap<u64, usize>,
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its letter.
    pub(crate) name: String,
    /// `tcp`, `udp`, `ping`..
    pub(crate) talk: String,
    pub(crate) peer: String,
    pub(crate) ours: String,
    /// Whether the file says which end is ours.
    pub(crate) known: bool,
    /// What happened, in order.
    pub(crate) steps: Vec<Step>,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A packet, by index.
    Packet(usize),
    /// An event, by index.
    Event(usize),
}

/// A packet.
#[derive(Debug)]
pub(crate) struct Packet {
    /// Its name on the page: `p12`.
    pub(crate) key: String,
    pub(crate) id: u64,
    /// Since the first record.
    pub(crate) at: Duration,
    pub(crate) thread: Option<usize>,
    pub(crate) inbound: bool,
    /// Flags and numbers in words.
    pub(crate) label: String,
    /// What the stack wrote beside it, pair by pair.
    pub(crate) notes: Vec<(String, String)>,
    pub(crate) sentence: Option<String>,
    pub(crate) again: bool,
    /// Whether the stack declared what it carried lost, later.
    pub(crate) lost: bool,
    /// Bytes on the wire.
    pub(crate) len: u32,
    /// HTTP start lines.
    pub(crate) lines: Vec<String>,
    pub(crate) segment: Option<Segment>,
    pub(crate) xray: Option<XRay>,
}

/// What a plot needs of a TCP segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) relative: Relative,
    pub(crate) payload: usize,
    pub(crate) flags: Flags,
}

/// An event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    /// `state`, `lost`, `call`..
    pub(crate) kind: String,
    pub(crate) text: String,
    /// Old and new state.
    pub(crate) change: Option<(String, String)>,
    pub(crate) cause: Option<String>,
}

impl Packet {
    /// A note's value.
    pub(crate) fn note(&self, key: &str) -> Option<&str> {
        let (_, value) = self.notes.iter().find(|(k, _)| k == key)?;
        Some(value)
    }
}

impl Story {
    /// Reads a capture to its end or to its damage.
    pub(crate) fn read<R: Read>(
        reader: &mut Reader<R>,
        keep: &dyn Fn(&Conversation) -> bool,
    ) -> (Self, Result<(), outcrop_capture::ReadError>) {
        let mut story = Self::default();
        let mut everybody = Conversations::new();
        let mut outcome = Ok(());
        for record in reader {
            match record {
                Ok(record) => {
                    // Those left out leave no gap among the letters.
                    let whose = match &record {
                        Record::Packet(packet) => everybody.packet(packet).conversation,
                        Record::Event(event) => everybody.event(event),
                        Record::Secrets(_) => None,
                    };
                    let whose = whose.and_then(|index| everybody.get(index));
                    if whose.is_none_or(keep) {
                        story.record(&record);
                    }
                }
                Err(error) => {
                    story.damage = Some(error.to_string());
                    outcome = Err(error);
                    break;
                }
            }
        }
        story.model.finish();
        let xrays = story.packets.iter_mut().filter_map(|p| p.xray.as_mut());
        xrays.for_each(XRay::settle);
        (story, outcome)
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Packet(packet) => {
                self.total += 1;
                if self.packets.len() < PACKETS_MAX {
                    self.packet(packet);
                }
            }
            Record::Event(event) => {
                // Timers set and stopped, round-trip samples: the terminal's `--every-event` has them.
                let detail = event.get("PRIORITY") == Some("7");
                if self.total <= PACKETS_MAX && self.events.len() < EVENTS_MAX && !detail {
                    self.event(event);
                }
            }
            Record::Secrets(lines) => self.model.secrets(lines),
        }
    }

    /// HTTP in what is drawn.
    pub(crate) const fn exchanges(&self) -> &Exchanges {
        self.model.exchanges()
    }

    fn packet(&mut self, packet: &outcrop_capture::Packet) {
        let taken = self.model.packet(packet);
        for Placed { number, field } in taken.belated {
            let place = self.numbers.get(&number).copied();
            let waiting = place.and_then(|index| self.packets.get_mut(index));
            if let Some(xray) = waiting.and_then(|packet| packet.xray.as_mut()) {
                xray.add(field);
            }
        }
        let seen = &taken.seen;
        let index = self.packets.len();
        self.numbers.insert(packet.number, index);
        let id = packet.shown_id();
        let mut key = format!("p{id}");
        // A number a file gives twice.
        if !self.keys.insert(key.clone()) {
            key = format!("p{id}-{}", packet.number);
        }
        let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let at = self.since(packet.at);
        let clear = start_lines(payload(seen)).map(str::to_owned);
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
            lines: clear.chain(taken.lines).take(START_LINES_MAX).collect(),
            segment: segment(seen),
            xray: (index < X_RAYS_MAX).then(|| XRay::of(packet, taken.fields, taken.payload)),
        });
        self.step(seen.conversation, Step::Packet(index));
    }

    fn event(&mut self, event: &outcrop_capture::Event) {
        let thread = self.model.conversations_mut().event(event);
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
        self.step(thread, Step::Event(index));
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

    fn step(&mut self, thread: Option<usize>, step: Step) {
        let Some(index) = thread else {
            return;
        };
        while self.threads.len() <= index {
            let Some(conversation) = self.model.conversations().get(self.threads.len()) else {
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
    pub(crate) fn packets_of<'a>(&'a self, thread: &'a Thread) -> impl Iterator<Item = &'a Packet> {
        thread.steps.iter().filter_map(|step| match step {
            Step::Packet(index) => self.packets.get(*index),
            Step::Event(_) => None,
        })
    }

    /// The events of a conversation.
    pub(crate) fn events_of<'a>(&'a self, thread: &'a Thread) -> impl Iterator<Item = &'a Event> {
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
pub(crate) fn seconds(at: Duration) -> String {
    format!("{:.6}", at.as_secs_f64())
}

/// The packet a cause names, if it names one.
pub(crate) fn causing(cause: &str) -> Option<u64> {
    cause.strip_prefix("pkt:")?.parse().ok()
}
