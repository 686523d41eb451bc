//! One direction of a link.
//!
//! Job: keep each packet until it is due at the far end, or lose it for a reason.
//! Owns: the queue before the wire and what is on the wire. Does not know: what a packet holds, or who sent it.
//! Sources: the vocabulary is that of Linux's netem; a drop-tail queue before a wire of fixed rate.

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use outcrop_base::{DropReason, Instant, Random, RuleRef, Seed, Verdict};

use crate::{Config, Fault};

outcrop_base::vocabulary! {
    /// What a link did with a packet.
    pub enum Rule {
        /// Nothing befell it.
        Carried = "link:carried",
        /// Chance lost it.
        Lost = "link:lost",
        /// The script dropped it.
        ScriptedDrop = "link:scripted-drop",
        /// The queue had no room for it.
        TailDrop = "link:tail-drop",
    }
}

impl From<Rule> for RuleRef {
    fn from(rule: Rule) -> Self {
        Self {
            name: rule.name(),
            source: "outcrop-netem",
        }
    }
}

/// A packet on its way, with the sender's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The bytes.
    pub bytes: Bytes,
    /// Whatever the sender wants to know it by at the far end.
    pub tag: u64,
}

/// What befell a packet that was carried all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The packet's number in this direction, from 1.
    pub number: u64,
    /// What befell it.
    pub fault: Fault,
}

/// Events kept until polled; older ones go first. A bound, not a promise: nobody must poll.
pub const EVENT_QUEUE: usize = 1024;

/// One direction of a link, as an engine.
#[derive(Clone, Debug)]
pub struct Link {
    config: Config,
    random: Random,
    /// Packets by the time they are due, then by order of sending.
    wire: BTreeMap<(Instant, u64), Packet>,
    /// When each packet still before the wire leaves the queue, and its length.
    queue: VecDeque<(Instant, usize)>,
    queued: usize,
    /// When the wire is free again.
    free_at: Instant,
    /// Nothing in order arrives before this.
    last_due: Instant,
    /// Packets offered so far.
    count: u64,
    /// Packets put onto the wire so far, duplicates included.
    order: u64,
    events: VecDeque<Event>,
}

impl Link {
    /// A link; every chance it takes follows from `seed`.
    #[must_use]
    pub fn new(config: Config, seed: &Seed) -> Self {
        Self {
            config,
            random: seed.random("netem"),
            wire: BTreeMap::new(),
            queue: VecDeque::new(),
            queued: 0,
            free_at: Instant::ZERO,
            last_due: Instant::ZERO,
            count: 0,
            order: 0,
            events: VecDeque::new(),
        }
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the settings for packets to come; what is on the wire arrives as it would have.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// Packets offered to the link so far: the last one's number.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Takes a packet from the sender.
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) -> Verdict {
        self.count += 1;
        // Chance is asked the same number of times for every packet, so that a scripted fault does not
        // change the fate of those after it.
        let chances = self.chances();
        let scripted = self.config.script.get(&self.count).copied();
        if scripted == Some(Fault::Drop) {
            return Verdict::dropped(DropReason::LinkLoss, Rule::ScriptedDrop.into());
        }
        if chances.lost {
            return Verdict::dropped(DropReason::LinkLoss, Rule::Lost.into());
        }
        let Some(sent) = self.enqueue(now, packet.bytes.len()) else {
            return Verdict::dropped(DropReason::LinkQueueFull, Rule::TailDrop.into());
        };
        self.carry(sent, packet, scripted, &chances);
        Verdict::taken(Rule::Carried.into())
    }

    /// When the packet will have left the queue and be on the wire; `None` if there is no room for it.
    fn enqueue(&mut self, now: Instant, len: usize) -> Option<Instant> {
        while let Some((left_at, len)) = self.queue.front().copied()
            && left_at <= now
        {
            self.queued -= len;
            self.queue.pop_front();
        }
        if self
            .config
            .queue
            .is_some_and(|limit| self.queued + len > limit)
        {
            return None;
        }
        let Some(rate) = self.config.rate else {
            return Some(now);
        };
        let nanos = (len as u64).saturating_mul(1_000_000_000) / rate.max(1);
        let sent = now.max(self.free_at) + Duration::from_nanos(nanos);
        self.free_at = sent;
        self.queued += len;
        self.queue.push_back((sent, len));
        Some(sent)
    }

    fn carry(&mut self, sent: Instant, packet: Packet, scripted: Option<Fault>, chances: &Chances) {
        let due = sent + self.config.delay + chances.jitter;
        let held_back = match scripted {
            Some(Fault::Delay(by)) => Some(by),
            Some(Fault::Drop | Fault::Duplicate | Fault::Corrupt) | None => {
                chances.reordered.then_some(self.config.reorder_by)
            }
        };
        let due = if let Some(by) = held_back {
            self.event(Fault::Delay(by));
            due + by
        } else {
            self.last_due = self.last_due.max(due);
            self.last_due
        };
        let packet = if chances.marked {
            Packet {
                bytes: mark(&packet.bytes),
                tag: packet.tag,
            }
        } else {
            packet
        };
        let packet = if scripted == Some(Fault::Corrupt) || chances.corrupted {
            self.event(Fault::Corrupt);
            Packet {
                bytes: flip_bit(&packet.bytes, chances.bit),
                tag: packet.tag,
            }
        } else {
            packet
        };
        if scripted == Some(Fault::Duplicate) || chances.duplicated {
            self.event(Fault::Duplicate);
            self.put(due, packet.clone());
        }
        self.put(due, packet);
    }

    fn put(&mut self, due: Instant, packet: Packet) {
        self.order += 1;
        self.wire.insert((due, self.order), packet);
    }

    fn event(&mut self, fault: Fault) {
        if self.events.len() == EVENT_QUEUE {
            self.events.pop_front();
        }
        let number = self.count;
        self.events.push_back(Event { number, fault });
    }

    fn chances(&mut self) -> Chances {
        let mut chance = |p: f64| self.random.unit() < p;
        let lost = chance(self.config.loss);
        let duplicated = chance(self.config.duplicate);
        let corrupted = chance(self.config.corrupt);
        let reordered = chance(self.config.reorder);
        let jitter = u64::try_from(self.config.jitter.as_nanos()).unwrap_or(u64::MAX);
        Chances {
            lost,
            duplicated,
            corrupted,
            reordered,
            jitter: Duration::from_nanos(self.random.below(jitter)),
            bit: self.random.next_u64(),
            // Not asked of a wire that never marks: older scenarios keep their fate.
            marked: self.config.mark > 0.0 && self.random.unit() < self.config.mark,
        }
    }

    /// Nothing happens by itself but arrivals, and those are polled.
    pub const fn handle_timeout(&mut self, _now: Instant) {}

    /// The next packet that has arrived at the far end by `now`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Packet> {
        let first = self.wire.first_entry()?;
        let (due, _) = *first.key();
        (due <= now).then(|| first.remove())
    }

    /// The next thing that befell a packet without losing it.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wire.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether nothing is on the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// Feeds what is on the way, with times relative to `now`, to a hasher.
    pub fn fingerprint(&self, now: Instant, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        for ((due, _), packet) in &self.wire {
            due.saturating_since(now).hash(&mut hasher);
            packet.bytes.hash(&mut hasher);
        }
    }
}

struct Chances {
    lost: bool,
    duplicated: bool,
    corrupted: bool,
    reordered: bool,
    jitter: Duration,
    bit: u64,
    marked: bool,
}

/// Marks a packet if it says that it may be (RFC 3168 5: ECT(0) or ECT(1) becomes CE), with IPv4's checksum kept
/// right (RFC 1624).
fn mark(bytes: &Bytes) -> Bytes {
    let mut copy = BytesMut::from(&bytes[..]);
    let Some((first, second)) = copy.get(0).copied().zip(copy.get(1).copied()) else {
        return bytes.clone();
    };
    // The two bits lie in the second octet of an IPv4 header, and across the second's upper half in IPv6's.
    let is_v4 = first >> 4 == 4;
    let shift = if is_v4 { 0 } else { 4 };
    if matches!(second >> shift & 3, 0 | 3) {
        return bytes.clone();
    }
    let marked = second | 3 << shift;
    if let Some(octet) = copy.get_mut(1) {
        *octet = marked;
    }
    if is_v4 && let Some(&[high, low]) = copy.get(10..12) {
        // HC' = ~(~HC + ~m + m'), one's complement.
        let sum = u32::from(!u16::from_be_bytes([high, low]))
            + u32::from(!u16::from(second))
            + u32::from(u16::from(marked));
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = !u16::try_from(sum).unwrap_or(0);
        for (at, octet) in (10..).zip(sum.to_be_bytes()) {
            if let Some(to) = copy.get_mut(at) {
                *to = octet;
            }
        }
    }
    copy.freeze()
}

fn flip_bit(bytes: &Bytes, random: u64) -> Bytes {
    let mut copy = BytesMut::from(&bytes[..]);
    let bits = (copy.len() as u64) * 8;
    let bit = random.checked_rem(bits).unwrap_or(0);
    if let Some(byte) = usize::try_from(bit / 8)
        .ok()
        .and_then(|at| copy.get_mut(at))
    {
        *byte ^= 1 << (bit % 8);
    }
    copy.freeze()
}
