//! Who is where: the neighbour cache.
//!
//! Job: five states a neighbour (RFC 4861 7.3.2), the same for both families, each with its own bounded queue.
//! Owns: entries, their deadlines, what waits. Does not know: how a question is asked; it yields [`Action`]s.
//! A confirmed neighbour is not replaced by hearsay: it is asked first, and only its silence lets another in
//! (deviation D-52).

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, DropReason, Instant, Note, Random, Seed, TimerKind, Verdict};

use crate::deadline::Deadlines;
use crate::{Heard, Held, Limits, MacAddr, Rule};

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Asked for, not found yet.
    Incomplete,
    /// Found, and confirmed of late.
    Reachable,
    /// Found, not confirmed of late, not needed either.
    Stale,
    /// Needed again; the layers above may confirm it.
    Delay,
    /// They did not: it is being asked.
    Probe,
}

/// One neighbour, to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Neighbor {
    /// Its address.
    pub ip: IpAddr,
    /// Where it is.
    pub mac: Option<MacAddr>,
    /// What is known.
    pub state: State,
    /// Whether it is a router.
    pub router: bool,
    /// Packets that wait.
    pub queued: usize,
}

/// What the cache wants done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Ask(IpAddr, Option<MacAddr>, Cause),
    Release(IpAddr, MacAddr, Waiting),
    Unreachable(IpAddr, Vec<Bytes>),
    NotARouter(IpAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) packet: Bytes,
    pub(crate) note: Note,
}

#[derive(Clone, Debug)]
struct Entry {
    state: State,
    mac: Option<MacAddr>,
    asked: u8,
    router: bool,
    used: Instant,
    /// When the state ends. A later one is not told to the index until the earlier one has passed.
    until: Instant,
    armed: Instant,
    queue: VecDeque<Waiting>,
}

#[derive(Clone, Debug)]
pub(crate) struct Cache {
    limits: Limits,
    entries: BTreeMap<IpAddr, Entry>,
    deadlines: Deadlines<IpAddr>,
    unresolved: usize,
    random: Random,
    actions: VecDeque<Action>,
}

impl Cache {
    pub(crate) fn new(limits: Limits, seed: &Seed) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            deadlines: Deadlines::new(),
            unresolved: 0,
            random: seed.random("neighbor"),
            actions: VecDeque::new(),
        }
    }

    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn find(&self, ip: IpAddr) -> Option<(MacAddr, State)> {
        let entry = self.entries.get(&ip)?;
        Some((entry.mac?, entry.state))
    }

    pub(crate) fn knows(&self, ip: IpAddr) -> bool {
        self.entries.contains_key(&ip)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Neighbor> {
        self.entries.iter().map(|(ip, entry)| Neighbor {
            ip: *ip,
            mac: entry.mac,
            state: entry.state,
            router: entry.router,
            queued: entry.queue.len(),
        })
    }

    /// Lets a packet wait, and asks if nobody has.
    pub(crate) fn hold(&mut self, now: Instant, ip: IpAddr, waiting: Waiting) -> Held {
        let refused = Held {
            verdict: Rule::Queue.drop(DropReason::NeighborQueueFull),
            displaced: None,
        };
        if self.limits.queue == 0 {
            return refused;
        }
        self.resolve(now, ip);
        let Some(entry) = self.entries.get_mut(&ip) else {
            return refused;
        };
        entry.used = now;
        if let Some(mac) = entry.mac {
            // Found between the plan and this call.
            self.actions.push_back(Action::Release(ip, mac, waiting));
            self.used(now, ip);
            return Held {
                verdict: Rule::Queue.taken(),
                displaced: None,
            };
        }
        let full = entry.queue.len() >= self.limits.queue;
        let displaced = full.then(|| entry.queue.pop_front()).flatten();
        entry.queue.push_back(waiting);
        Held {
            verdict: Rule::Queue.taken(),
            displaced: displaced.map(|waiting| waiting.packet),
        }
    }

    /// Asks for a neighbour that nobody has asked for.
    pub(crate) fn resolve(&mut self, now: Instant, ip: IpAddr) {
        if !self.entries.contains_key(&ip) {
            self.create(now, ip, State::Incomplete, None);
            self.ask(now, ip, Cause::Call(CallKind::Send));
        }
    }

    /// A packet left for a neighbour: a stale one is to prove itself.
    pub(crate) fn used(&mut self, now: Instant, ip: IpAddr) {
        let Some(entry) = self.entries.get_mut(&ip) else {
            return;
        };
        entry.used = now;
        if entry.state == State::Stale {
            self.enter(now, ip, State::Delay);
        }
    }

    /// The layers above made progress through this neighbour.
    pub(crate) fn confirm(&mut self, now: Instant, ip: IpAddr) {
        if self.find(ip).is_some() {
            self.enter(now, ip, State::Reachable);
        }
    }

    /// Something was said about an address. `may_create`: its sender wants something of us.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        ip: IpAddr,
        (mac, heard): (Option<MacAddr>, Heard),
        may_create: bool,
    ) -> Verdict {
        let rule = match heard {
            Heard::Source | Heard::Router => Rule::Solicitation,
            Heard::Advertisement { .. } => Rule::Advertisement,
        };
        if mac.is_some_and(|mac| !mac.is_station()) {
            return rule.drop(DropReason::IcmpInvalid);
        }
        let known = self.entries.get(&ip).map(|entry| (entry.mac, entry.state));
        match (known, mac, heard) {
            (None, Some(mac), Heard::Source | Heard::Router) if may_create => {
                self.create(now, ip, State::Stale, Some(mac));
            }
            // A router that did not say where it is, and was never asked.
            (None, None, Heard::Router) => return rule.taken(),
            (None, ..) => return rule.drop(DropReason::IcmpUnrelated),
            (Some(_), None, Heard::Source | Heard::Router) => {}
            (Some((None, _)), None, _) => return rule.drop(DropReason::IcmpInvalid),
            (Some((None, _)), Some(mac), heard) => self.found(now, ip, mac, heard),
            (Some((Some(old), state)), mac, heard) => {
                self.heard(now, (ip, old, state), mac, heard);
            }
        }
        self.set_router(ip, heard);
        rule.taken()
    }

    /// An address is somebody's now: whatever is known of it is forgotten.
    pub(crate) fn forget(&mut self, ip: IpAddr) {
        self.remove(ip);
    }

    /// The first answer: what waited may go.
    fn found(&mut self, now: Instant, ip: IpAddr, mac: MacAddr, heard: Heard) {
        let Some(entry) = self.entries.get_mut(&ip) else {
            return;
        };
        entry.mac = Some(mac);
        let queue = core::mem::take(&mut entry.queue);
        let confirmed = matches!(
            heard,
            Heard::Advertisement {
                solicited: true,
                ..
            }
        );
        let waited = !queue.is_empty();
        for waiting in queue {
            self.actions.push_back(Action::Release(ip, mac, waiting));
        }
        let state = match (confirmed, waited) {
            (true, _) => State::Reachable,
            // Something just left for it.
            (false, true) => State::Delay,
            (false, false) => State::Stale,
        };
        self.unresolved = self.unresolved.saturating_sub(1);
        self.enter(now, ip, state);
    }

    /// RFC 4861 7.2.5 for a neighbour whose place is known, but for D-52.
    fn heard(
        &mut self,
        now: Instant,
        (ip, old, state): (IpAddr, MacAddr, State),
        mac: Option<MacAddr>,
        heard: Heard,
    ) {
        let moved = mac.filter(|mac| *mac != old);
        let (solicited, replaces) = match heard {
            Heard::Source | Heard::Router => (false, false),
            Heard::Advertisement {
                solicited,
                replaces,
                ..
            } => (solicited, replaces),
        };
        let Some(mac) = moved else {
            if solicited {
                self.enter(now, ip, State::Reachable);
            }
            return;
        };
        if replaces || state == State::Stale && matches!(heard, Heard::Source | Heard::Router) {
            if let Some(entry) = self.entries.get_mut(&ip) {
                entry.mac = Some(mac);
            }
            let to = if solicited {
                State::Reachable
            } else {
                State::Stale
            };
            self.enter(now, ip, to);
        } else if state == State::Reachable {
            // D-52: somebody else claims the place of a confirmed neighbour: ask that one.
            self.enter(now, ip, State::Probe);
            self.ask(now, ip, Cause::None);
        }
    }

    fn set_router(&mut self, ip: IpAddr, heard: Heard) {
        let router = match heard {
            Heard::Source => return,
            Heard::Router => true,
            Heard::Advertisement { router, .. } => router,
        };
        let Some(entry) = self.entries.get_mut(&ip) else {
            return;
        };
        if entry.router && !router {
            self.actions.push_back(Action::NotARouter(ip));
        }
        entry.router = router;
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(ip) = self.deadlines.pop_due(now) {
            let Some(entry) = self.entries.get_mut(&ip) else {
                continue;
            };
            entry.armed = Instant::FAR_FUTURE;
            let until = entry.until;
            if until > now {
                self.arm(ip, until);
                continue;
            }
            let cause = Cause::Timer(TimerKind::Neighbor);
            match entry.state {
                State::Reachable => self.enter(now, ip, State::Stale),
                State::Stale => self.remove(ip),
                State::Delay => {
                    self.enter(now, ip, State::Probe);
                    self.ask(now, ip, cause);
                }
                State::Incomplete | State::Probe if entry.asked < self.limits.questions => {
                    self.ask(now, ip, cause);
                }
                State::Incomplete | State::Probe => self.give_up(ip),
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn ask(&mut self, now: Instant, ip: IpAddr, cause: Cause) {
        if let Some(entry) = self.entries.get_mut(&ip) {
            entry.asked = entry.asked.saturating_add(1);
            self.actions.push_back(Action::Ask(ip, entry.mac, cause));
            self.arm(ip, now + self.limits.retransmit);
        }
    }

    fn give_up(&mut self, ip: IpAddr) {
        let Some(entry) = self.entries.get_mut(&ip) else {
            return;
        };
        let queue = core::mem::take(&mut entry.queue);
        let packets = queue.into_iter().map(|waiting| waiting.packet).collect();
        self.remove(ip);
        self.actions.push_back(Action::Unreachable(ip, packets));
    }

    fn enter(&mut self, now: Instant, ip: IpAddr, state: State) {
        let Some(entry) = self.entries.get_mut(&ip) else {
            return;
        };
        entry.state = state;
        entry.asked = 0;
        let after = match state {
            State::Reachable => self.reachable(),
            State::Stale => self.limits.forget,
            State::Delay => self.limits.delay,
            State::Incomplete | State::Probe => self.limits.retransmit,
        };
        self.arm(ip, now + after);
    }

    /// RFC 4861 6.3.2: between half of the mean and one and a half.
    fn reachable(&mut self) -> Duration {
        self.limits.reachable.mul_f64(0.5 + self.random.unit())
    }

    fn arm(&mut self, ip: IpAddr, at: Instant) {
        if let Some(entry) = self.entries.get_mut(&ip) {
            entry.until = at;
            if at < entry.armed {
                let old = core::mem::replace(&mut entry.armed, at);
                self.deadlines.arm(Some(old), at, ip);
            }
        }
    }

    fn create(&mut self, now: Instant, ip: IpAddr, state: State, mac: Option<MacAddr>) {
        self.make_room(state);
        self.unresolved += usize::from(mac.is_none());
        let entry = Entry {
            state,
            mac,
            asked: 0,
            router: false,
            used: now,
            until: Instant::FAR_FUTURE,
            armed: Instant::FAR_FUTURE,
            queue: VecDeque::new(),
        };
        self.entries.insert(ip, entry);
        self.enter(now, ip, state);
    }

    /// Whoever is not found yet gives way to its own kind; else the unused before the used.
    fn make_room(&mut self, state: State) {
        let crowded =
            state == State::Incomplete && self.unresolved >= self.limits.unresolved.max(1);
        if !crowded && self.entries.len() < self.limits.entries.max(1) {
            return;
        }
        let rank = |entry: &Entry| match entry.state {
            State::Incomplete if crowded => 0,
            State::Stale => 1,
            State::Incomplete => 2,
            State::Delay | State::Probe => 3,
            State::Reachable => 4,
        };
        let victim = self.entries.iter();
        let victim = victim.min_by_key(|(ip, entry)| (rank(entry), entry.used, **ip));
        if let Some(ip) = victim.map(|(ip, _)| *ip) {
            let waited = self
                .entries
                .get(&ip)
                .is_some_and(|entry| entry.mac.is_none());
            if waited {
                self.give_up(ip);
            } else {
                self.remove(ip);
            }
        }
    }

    fn remove(&mut self, ip: IpAddr) {
        if let Some(entry) = self.entries.remove(&ip) {
            self.deadlines.cancel(entry.armed, ip);
            self.unresolved -= usize::from(entry.mac.is_none());
        }
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (ip, entry) in &self.entries {
            let Entry {
                state,
                mac,
                asked,
                router,
                used,
                until,
                armed,
                queue,
            } = entry;
            (ip, state, mac, asked, router).hash(&mut into);
            let ahead = |at: &Instant| at.saturating_since(now);
            (now.saturating_since(*used), ahead(until), ahead(armed)).hash(&mut into);
            queue.len().hash(&mut into);
            for waiting in queue {
                waiting.packet.hash(&mut into);
            }
        }
        self.random.clone().next_u64().hash(&mut into);
    }
}
