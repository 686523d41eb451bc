//! A run.
//!
//! Job: move time from event to event, carry packets, and judge the end.
//! Owns: the link and its troubles. Does not know: what the packets say.

use core::time::Duration;
use std::collections::VecDeque;

use outcrop_base::{Arrival, Ecn, Instant, PacketId, PathSignal, PathSignalKind, Seed};
use outcrop_netem::{Config as LinkConfig, Duplex, Link, Packet};
use outcrop_tcp::CloseReason;

use super::host::{Host, flow};
use super::plan::{FAULTS_END, Plan};
use super::{Failure, Outcome};
use crate::wire::{IP_HEADER, arrival, deliver, emit};

/// After the last fault, everything must have ended within this: the longest retransmission timeout is two
/// minutes, and the smallest windows move a few bytes a round trip.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// An end whose peer gave up during the handshake finds out by its keep-alive.
const HALF_OPEN: Duration = Duration::from_secs(4 * 3600);
/// TIME-WAIT of a strict run comes on top.
const LONGEST_REST: Duration = Duration::from_secs(5 * 3600);
/// More packets than this for so little data is a loop.
const MAX_PACKETS: u64 = 400_000;
/// Turns without time passing; more is a loop as well.
const MAX_TURNS: u32 = 1_000;

struct Run<'a> {
    plan: &'a Plan,
    now: Instant,
    hosts: [Host; 2],
    link: Duplex,
    bad: bool,
    mtu: u32,
    /// ICMP on its way back: when, to whom, what.
    news: VecDeque<(Instant, usize, PathSignal)>,
    outcome: Outcome,
}

/// Plays a plan to its end.
///
/// # Errors
/// What went wrong, and the plan.
///
/// # Panics
/// If an engine's invariant does not hold: a bug of the engine.
pub fn run(plan: &Plan) -> Result<Outcome, Failure> {
    let mut run = Run::new(plan);
    match run.play() {
        Ok(()) => Ok(run.outcome),
        Err(what) => Err(Failure {
            plan: Box::new(plan.clone()),
            at: run.now,
            what,
        }),
    }
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Self {
        let [first, second] = &plan.ends;
        let [forward, backward] = &plan.links;
        let links = if plan.bad_from_start {
            (forward.clone(), backward.clone())
        } else {
            (good(forward), good(backward))
        };
        Self {
            plan,
            now: Instant::ZERO,
            hosts: [Host::new(plan, 0, first), Host::new(plan, 1, second)],
            link: Duplex::new(links.0, links.1, &Seed::from_number(plan.seed)),
            bad: plan.bad_from_start,
            mtu: plan.mtus.first().map_or(1500, |(_, mtu)| *mtu),
            news: VecDeque::new(),
            outcome: Outcome::default(),
        }
    }

    fn play(&mut self) -> Result<(), String> {
        self.hosts.iter_mut().for_each(Host::open);
        let mut turns = 0;
        loop {
            self.turn()?;
            let Some(next) = self.next() else {
                return self.judge();
            };
            if next > self.now {
                turns = 0;
                self.now = next;
            } else {
                turns += 1;
                if turns > MAX_TURNS {
                    return Err(format!("time stands still: {}", self.describe()));
                }
            }
            self.check_patience()?;
            self.weather();
            self.arrivals();
        }
    }

    /// Both ends do what they can now.
    fn turn(&mut self) -> Result<(), String> {
        let now = self.now;
        for end in [0, 1] {
            let Some(host) = self.hosts.get_mut(end) else {
                continue;
            };
            let clock = host.clock(now);
            host.tcp.handle_timeout(clock);
            host.tcp.check();
            host.act(now);
            if let Some(wrong) = &host.wrong {
                return Err(format!("end {end}: {wrong}"));
            }
            self.flush(end);
        }
        if self.outcome.packets > MAX_PACKETS {
            return Err(format!("chatter without end: {}", self.describe()));
        }
        Ok(())
    }

    fn flush(&mut self, end: usize) {
        let dark = self.is_dark(end);
        let link = match end {
            0 => &mut self.link.forward,
            _ => &mut self.link.backward,
        };
        let Some(host) = self.hosts.get_mut(end) else {
            return;
        };
        let clock = host.clock(self.now);
        while let Some(plan) = host.tcp.poll_transmit(clock) {
            let bytes = emit(&host.tcp, &plan);
            host.tcp.check();
            self.outcome.packets += 1;
            let mtu = self.mtu;
            let too_big = bytes.len() + IP_HEADER > mtu as usize;
            let silent = self.plan.silent && self.now - Instant::ZERO < FAULTS_END;
            if too_big && silent {
                continue;
            }
            if too_big {
                // A router says so, and drops it (RFC 1191).
                let signal = PathSignal {
                    flow: plan.flow,
                    seq: Some(plan.header.seq.value()),
                    kind: PathSignalKind::TooBig(mtu),
                    id: PacketId(self.outcome.packets),
                };
                let arrives = self.now + link.config().delay * 2;
                self.news.push_back((arrives, end, signal));
            } else if !dark {
                let every = self.plan.marks_every;
                let able = plan.fields.ecn != Ecn::NotEct;
                let marked = able && every > 0 && self.outcome.packets.is_multiple_of(every);
                let mark = if marked { Ecn::Ce } else { plan.fields.ecn };
                let tag = u64::from(mark.bits());
                let _verdict = link.handle_packet(self.now, Packet { bytes, tag });
            }
        }
        host.tcp.check();
    }

    fn is_dark(&self, from: usize) -> bool {
        let elapsed = self.now - Instant::ZERO;
        self.plan.outages.iter().any(|outage| {
            outage.from <= elapsed
                && elapsed < outage.from + outage.lasts
                && outage.hits.get(from).copied().unwrap_or(false)
        })
    }

    fn next(&self) -> Option<Instant> {
        let hosts = self.hosts.iter().filter_map(|host| host.next(self.now));
        let news = self.news.front().map(|(at, _, _)| *at);
        hosts.chain(self.link.poll_timeout()).chain(news).min()
    }

    /// The link gets better or worse.
    fn weather(&mut self) {
        let elapsed = self.now - Instant::ZERO;
        let over = elapsed >= FAULTS_END;
        let due = self.plan.bad_from_start || self.hosts.iter().all(|host| host.opened);
        let bad = due && !over;
        if bad != self.bad {
            self.bad = bad;
            let dress = |wanted: &LinkConfig| if bad { wanted.clone() } else { good(wanted) };
            let [forward, backward] = &self.plan.links;
            self.link.forward.set_config(dress(forward));
            self.link.backward.set_config(dress(backward));
        }
        let mtus = self.plan.mtus.iter();
        let current = mtus
            .filter(|(at, _)| *at <= elapsed)
            .max_by_key(|(at, _)| *at);
        self.mtu = current.map_or(self.mtu, |(_, mtu)| *mtu);
    }

    /// What has come to either end by now.
    fn arrivals(&mut self) {
        let now = self.now;
        while let Some((at, end, signal)) = self.news.front().copied()
            && at <= now
        {
            self.news.pop_front();
            if let Some(host) = self.hosts.get_mut(end) {
                let clock = host.clock(now);
                let verdict = host.tcp.handle_path(clock, &signal);
                self.outcome.rules.insert(verdict.rule.name);
                host.tcp.check();
            }
        }
        let [first, second] = &mut self.hosts;
        let outcome = &mut self.outcome;
        feed(&mut self.link.forward, second, 0, now, outcome);
        feed(&mut self.link.backward, first, 1, now, outcome);
    }

    fn check_patience(&self) -> Result<(), String> {
        let elapsed = self.now - Instant::ZERO;
        let done = |host: &Host| host.tcp.is_empty();
        let opened = self.hosts.iter().all(|host| host.opened);
        let patience = if opened { PATIENCE } else { HALF_OPEN };
        if elapsed > FAULTS_END + patience && !self.hosts.iter().all(done) {
            return Err(format!("hangs: {}", self.describe()));
        }
        if elapsed > FAULTS_END + HALF_OPEN + LONGEST_REST {
            return Err(format!("never at rest: {}", self.describe()));
        }
        Ok(())
    }

    /// Nothing can happen any more.
    fn judge(&mut self) -> Result<(), String> {
        self.outcome.lasted = self.now - Instant::ZERO;
        self.outcome.never_opened = !self.hosts.iter().all(|host| host.opened);
        let received = self.hosts.iter().map(|host| host.received as u64);
        self.outcome.bytes = received.sum();
        if !self.hosts.iter().all(Host::is_at_rest) {
            return Err(format!("at rest, but not empty: {}", self.describe()));
        }
        let [first, second] = &self.hosts;
        let opened = !self.outcome.never_opened;
        if self.outcome.never_opened
            && !self.plan.bad_from_start
            && self.plan.outages.is_empty()
            && self.plan.strict
        {
            return Err(format!(
                "a good link and no connection: {}",
                self.describe()
            ));
        }
        if !opened || self.plan.is_rough() {
            return Ok(());
        }
        for (end, (host, peer)) in [(first, 1_usize), (second, 0)].into_iter().enumerate() {
            let sent = self.plan.ends.get(peer).map_or(0, |end| end.len);
            if host.received != sent {
                let got = host.received;
                return Err(format!(
                    "end {end} received {got} of {sent}: {}",
                    self.describe()
                ));
            }
            if host.closed != Some(CloseReason::Finished) {
                return Err(format!("end {end}: {}", self.describe()));
            }
        }
        Ok(())
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for (end, host) in self.hosts.iter().enumerate() {
            let state = host.tcp.state_of(&flow(end));
            let info = host.tcp.find(&flow(end)).and_then(|id| host.tcp.info(id));
            let line = format!(
                "\n  end {end}: {state}, received {}, closed {:?}, let go {}, {info:?}",
                host.received, host.closed, host.let_go
            );
            text.push_str(&line);
        }
        text
    }
}

fn feed(link: &mut Link, to: &mut Host, from: usize, now: Instant, outcome: &mut Outcome) {
    while let Some(packet) = link.poll_transmit(now) {
        let a = Arrival {
            ecn: Ecn::from_traffic_class(u8::try_from(packet.tag).unwrap_or(0)),
            ..arrival(to.clock(now), outcome.packets, &flow(from), to.path)
        };
        if let Ok(verdict) = deliver(&mut to.tcp, &a, packet.bytes) {
            outcome.rules.insert(verdict.rule.name);
        }
        to.tcp.check();
    }
}

/// The same link without its troubles.
fn good(link: &LinkConfig) -> LinkConfig {
    LinkConfig {
        delay: link.delay,
        rate: link.rate,
        ..LinkConfig::default()
    }
}
