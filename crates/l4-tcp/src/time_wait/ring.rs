//! Resting tuples in the order in which they leave.
//!
//! Job: keep what is left of a connection in 48 bytes, find it by its flow, let the oldest go first.
//! Owns: the entries, the index, the list of our addresses. Does not know: what a segment means to an entry.
//! Sources: RFC 9293 3.6.1 (what must be remembered); DESIGN 2.5 (addresses of ours are interned).
//!
//! Entries lie in pages in the order in which they came, and all rest equally long: so the oldest page empties
//! first, and its memory is the next page's. An entry has a number that never changes while it rests.

use std::collections::{BTreeMap, VecDeque};

use core::hash::Hasher;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use hashbrown::HashTable;
use outcrop_base::{Flow, HashKey, Instant, Seed, Transport};

use crate::seq::SeqNum;

/// Entries in a page.
const PAGE: usize = 256;

/// What is left of a connection whose both FINs are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeWait {
    /// An IPv4 address as IPv6 writes it; the family is that of the local one.
    remote: [u8; 16],
    /// The number after our FIN.
    pub(super) snd_nxt: SeqNum,
    /// The number after the peer's FIN.
    pub(super) rcv_nxt: SeqNum,
    /// The peer's latest timestamp, if they were in use.
    pub(super) recent: u32,
    /// When it was put to rest, and when its 2 MSL began anew: milliseconds, the low half.
    started: u32,
    renewed: u32,
    remote_port: u16,
    local_port: u16,
    /// The number of our address.
    local: u16,
    /// The window field of our last acknowledgment.
    pub(super) window: u16,
    /// The span of eight milliseconds in which the first of `answers` left.
    answers_since: u16,
    /// Answers given since.
    answers: u8,
    /// The window's shift, and what holds of the entry.
    bits: u8,
}

/// Timestamps were in use.
const TIMESTAMPS: u8 = 0x10;
/// The entry is gone before its time; its place is not free yet.
const GONE: u8 = 0x20;
/// A second of answers, in spans of eight milliseconds.
const ANSWER_SPANS: u16 = 125;

impl TimeWait {
    /// Whether timestamps were in use.
    pub(super) const fn timestamps(&self) -> bool {
        self.bits & TIMESTAMPS != 0
    }

    const fn is_gone(&self) -> bool {
        self.bits & GONE != 0
    }

    /// The window of our last acknowledgment, bytes.
    pub(super) fn rcv_wnd(&self) -> u32 {
        u32::from(self.window) << (self.bits & 0xf)
    }

    /// Takes one answer out of the allowance of `most` a second; `false` if it is used up (RFC 5961 7).
    pub(super) fn may_answer(&mut self, now: Instant, most: u8) -> bool {
        let span = low_quarter(now.as_millis() / 8);
        if self.answers == 0 || span.wrapping_sub(self.answers_since) >= ANSWER_SPANS {
            (self.answers_since, self.answers) = (span, 0);
        }
        let allowed = self.answers < most;
        self.answers += u8::from(allowed);
        allowed
    }
}

/// What an entry is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remains {
    pub(super) snd_nxt: SeqNum,
    pub(super) rcv_nxt: SeqNum,
    pub(super) window: u16,
    pub(super) shift: u8,
    pub(super) recent: Option<u32>,
}

/// Every entry, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pages: VecDeque<Vec<TimeWait>>,
    /// The latest page emptied, for the next one to be filled.
    spare: Option<Vec<TimeWait>>,
    /// The number of the first entry of the first page, and how many of that page are gone.
    first: u32,
    done: usize,
    /// Entries that rest.
    resting: usize,
    by_flow: HashTable<u32>,
    key: HashKey,
    /// Our addresses, by number.
    locals: Vec<IpAddr>,
    numbers: BTreeMap<IpAddr, u16>,
    /// The latest instant heard of, to which the low halves relate.
    clock: Instant,
}

impl Ring {
    /// Nothing rests.
    pub(super) fn new(seed: &Seed) -> Self {
        Self {
            pages: VecDeque::new(),
            spare: None,
            first: 0,
            done: 0,
            resting: 0,
            by_flow: HashTable::new(),
            key: seed.hash_key("time wait"),
            locals: Vec::new(),
            numbers: BTreeMap::new(),
            clock: Instant::ZERO,
        }
    }

    /// Entries that rest.
    pub(super) const fn resting(&self) -> usize {
        self.resting
    }

    /// Places taken, those of entries gone early included.
    pub(super) fn places(&self) -> usize {
        let (full, last) = (self.pages.len().saturating_sub(1), self.pages.back());
        (full * PAGE + last.map_or(0, Vec::len)).saturating_sub(self.done)
    }

    /// Time has come to `now`.
    pub(super) fn tick(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
    }

    /// Puts `flow` to rest, now. Beyond 65,536 addresses of ours, one more is not remembered.
    pub(super) fn push(&mut self, flow: &Flow, r: &Remains) {
        let Some(local) = self.number_of(flow.local.ip()) else {
            return;
        };
        let now = self.now();
        let timestamps = if r.recent.is_some() { TIMESTAMPS } else { 0 };
        let entry = TimeWait {
            remote: octets(flow.remote.ip()),
            snd_nxt: r.snd_nxt,
            rcv_nxt: r.rcv_nxt,
            recent: r.recent.unwrap_or(0),
            started: now,
            renewed: now,
            remote_port: flow.remote.port(),
            local_port: flow.local.port(),
            local,
            window: r.window,
            answers_since: 0,
            answers: 0,
            bits: (r.shift & 0xf) | timestamps,
        };
        let number = self.append(entry);
        let hash = hash_of(&self.key, flow);
        let Self {
            pages,
            first,
            by_flow,
            key,
            locals,
            ..
        } = self;
        let (pages, first) = (&*pages, *first);
        by_flow.insert_unique(hash, number, |number| {
            let entry = entry_at(pages, first, *number);
            let flow = entry.and_then(|entry| flow_of(locals, entry));
            flow.map_or(0, |flow| hash_of(key, &flow))
        });
        self.resting += 1;
    }

    fn append(&mut self, entry: TimeWait) -> u32 {
        let places = self.places() + self.done;
        if self.pages.back().is_none_or(|page| page.len() >= PAGE) {
            let page = self.spare.take();
            self.pages
                .push_back(page.unwrap_or_else(|| Vec::with_capacity(PAGE)));
        }
        if let Some(page) = self.pages.back_mut() {
            page.push(entry);
        }
        self.first
            .wrapping_add(u32::try_from(places).unwrap_or(u32::MAX))
    }

    fn number_of(&mut self, local: IpAddr) -> Option<u16> {
        if let Some(number) = self.numbers.get(&local) {
            return Some(*number);
        }
        let number = u16::try_from(self.locals.len()).ok()?;
        self.locals.push(local);
        self.numbers.insert(local, number);
        Some(number)
    }

    /// The entry of `flow`, by number.
    pub(super) fn find(&self, flow: &Flow) -> Option<u32> {
        let local = *self.numbers.get(&flow.local.ip())?;
        let remote = octets(flow.remote.ip());
        let (local_port, remote_port) = (flow.local.port(), flow.remote.port());
        let found = self.by_flow.find(hash_of(&self.key, flow), |number| {
            self.get(*number).is_some_and(|entry| {
                (entry.remote, entry.remote_port) == (remote, remote_port)
                    && (entry.local, entry.local_port) == (local, local_port)
            })
        });
        found.copied()
    }

    /// The entry with this number.
    pub(super) fn get(&self, number: u32) -> Option<&TimeWait> {
        entry_at(&self.pages, self.first, number)
    }

    /// The entry with this number.
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut TimeWait> {
        let at = number.wrapping_sub(self.first) as usize;
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }

    /// The 2 MSL of this entry begin anew; it stays where it is until its old end is reached.
    pub(super) fn renew(&mut self, number: u32) {
        let now = self.now();
        if let Some(entry) = self.get_mut(number) {
            entry.renewed = now;
        }
    }

    /// Lets an entry go before its time.
    pub(super) fn remove(&mut self, number: u32) {
        self.forget(number);
        if let Some(entry) = self.get_mut(number) {
            entry.bits |= GONE;
        }
    }

    fn forget(&mut self, number: u32) {
        let flow = self.get(number).filter(|entry| !entry.is_gone());
        let Some(flow) = flow.and_then(|entry| flow_of(&self.locals, entry)) else {
            return;
        };
        let hash = hash_of(&self.key, &flow);
        if let Ok(found) = self.by_flow.find_entry(hash, |other| *other == number) {
            found.remove();
            self.resting -= 1;
        }
    }

    /// When the oldest was put to rest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.front().map(|entry| self.whole(entry.started))
    }

    fn front(&self) -> Option<&TimeWait> {
        self.pages.front()?.get(self.done)
    }

    /// Takes the oldest off: the flow, if it has rested to its end; one whose time began anew meanwhile goes to
    /// the back.
    pub(super) fn pop(&mut self) -> Option<Flow> {
        let entry = *self.front()?;
        let number = self
            .first
            .wrapping_add(u32::try_from(self.done).unwrap_or(0));
        let flow = flow_of(&self.locals, &entry).filter(|_| !entry.is_gone());
        self.forget(number);
        self.advance();
        let flow = flow?;
        if entry.renewed == entry.started {
            return Some(flow);
        }
        let remains = Remains {
            snd_nxt: entry.snd_nxt,
            rcv_nxt: entry.rcv_nxt,
            window: entry.window,
            shift: entry.bits & 0xf,
            recent: entry.timestamps().then_some(entry.recent),
        };
        let began = self.not_before_last(entry.renewed);
        self.push(&flow, &remains);
        if let Some(again) = self.find(&flow).and_then(|number| self.get_mut(number)) {
            (again.started, again.renewed) = (began, began);
        }
        None
    }

    /// `began`, or when the last one was put to rest if that is later: one that goes to the back leaves with
    /// those already there, a little late, and the order stays one of time.
    fn not_before_last(&self, began: u32) -> u32 {
        let last = self.pages.back().and_then(|page| page.last());
        let last = last.filter(|_| self.front().is_some());
        match last {
            Some(last) if self.whole(last.started) > self.whole(began) => last.started,
            Some(_) | None => began,
        }
    }

    /// The first place is free.
    fn advance(&mut self) {
        self.done += 1;
        if self
            .pages
            .front()
            .is_some_and(|page| self.done >= page.len())
            && let Some(mut page) = self.pages.pop_front()
        {
            self.first = self
                .first
                .wrapping_add(u32::try_from(page.len()).unwrap_or(0));
            self.done = 0;
            page.clear();
            self.spare = Some(page);
        }
    }

    /// Every entry that rests, oldest first, with its flow and how long ago its time began.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Flow, &TimeWait, Instant)> {
        let entries = self.pages.iter().flatten().skip(self.done);
        entries
            .filter(|entry| !entry.is_gone())
            .filter_map(|entry| {
                let flow = flow_of(&self.locals, entry)?;
                Some((flow, entry, self.whole(entry.renewed)))
            })
    }

    /// The clock's low half, rounded up: nothing leaves early.
    fn now(&self) -> u32 {
        low_half(self.clock.as_nanos().div_ceil(1_000_000))
    }

    /// The instant that has this low half, at the clock or before it.
    fn whole(&self, half: u32) -> Instant {
        let clock = self.clock.as_nanos().div_ceil(1_000_000);
        let age = low_half(clock).wrapping_sub(half);
        Instant::from_millis(clock.saturating_sub(u64::from(age)))
    }
}

fn entry_at(pages: &VecDeque<Vec<TimeWait>>, first: u32, number: u32) -> Option<&TimeWait> {
    let at = number.wrapping_sub(first) as usize;
    pages.get(at / PAGE)?.get(at % PAGE)
}

fn flow_of(locals: &[IpAddr], entry: &TimeWait) -> Option<Flow> {
    let local = *locals.get(usize::from(entry.local))?;
    let remote = Ipv6Addr::from(entry.remote);
    let remote = match local {
        IpAddr::V4(_) => IpAddr::V4(remote.to_ipv4_mapped()?),
        IpAddr::V6(_) => IpAddr::V6(remote),
    };
    Some(Flow {
        transport: Transport::Tcp,
        local: SocketAddr::new(local, entry.local_port),
        remote: SocketAddr::new(remote, entry.remote_port),
    })
}

const fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

fn hash_of(key: &HashKey, flow: &Flow) -> u64 {
    let mut hasher = key.table_hasher();
    flow.feed(&mut hasher);
    hasher.finish()
}

#[expect(clippy::cast_possible_truncation, reason = "a clock wraps here")]
const fn low_half(wide: u64) -> u32 {
    wide as u32
}

#[expect(clippy::cast_possible_truncation, reason = "a clock wraps here")]
const fn low_quarter(wide: u64) -> u16 {
    wide as u16
}
