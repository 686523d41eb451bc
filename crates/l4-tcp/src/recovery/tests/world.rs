//! A sender's recovery, a path that does as scripted, and a real receiver at its end.

use std::collections::{HashMap, HashSet, VecDeque};

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::Instant;

use crate::congestion::{Algorithm, Controller};
use crate::recovery::{AckInput, AckOutcome, Fired, Recovery};
use crate::recv::{Receiver, ReceiverConfig};
use crate::rtt::RttEstimator;
use crate::segment::StreamRange;

pub(super) const MSS: u64 = 1000;
/// One way: the round trip is 20 ms.
pub(super) const DELAY: Duration = Duration::from_millis(10);

/// What the path does with the n-th packet of either direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) lost: HashSet<usize>,
    pub(super) lost_acks: HashSet<usize>,
    /// Milliseconds a data packet is late.
    pub(super) late: HashMap<usize, u64>,
}

impl Script {
    pub(super) fn losing(packets: impl IntoIterator<Item = usize>) -> Self {
        Self {
            lost: packets.into_iter().collect(),
            ..Self::default()
        }
    }
}

enum Packet {
    Data {
        range: StreamRange,
        sent_at: Instant,
    },
    Ack {
        una: u64,
        sack: Vec<StreamRange>,
        echo: Instant,
    },
}

/// A line of the story: when, and what left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ms: u64,
    pub(super) range: StreamRange,
    pub(super) again: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) recovery: Recovery,
    pub(super) controller: Box<dyn Controller>,
    pub(super) peer: Receiver,
    pub(super) sent: Vec<Sent>,
    pub(super) outcomes: Vec<AckOutcome>,
    pub(super) fired: Vec<(u64, Fired)>,
    /// Segments one new transmission may span.
    pub(super) super_segment: u64,
    /// Sends after each packet that arrives, even of several at the same instant.
    pub(super) one_by_one: bool,
    written: u64,
    timestamps: bool,
    script: Script,
    packets: usize,
    acks: usize,
    path: VecDeque<(Instant, Packet)>,
    /// TS.Recent of the peer.
    recent: Instant,
}

impl World {
    pub(super) fn new(sack: bool, timestamps: bool, script: Script) -> Self {
        let now = Instant::from_secs(1);
        let mss = u32::try_from(MSS).unwrap();
        let mut rtt = RttEstimator::default();
        rtt.on_sample(now, 2 * DELAY, 1);
        let config = ReceiverConfig {
            capacity: 1 << 20,
            capacity_max: None,
            scale: 7,
            promised: 1 << 20,
            mss,
            delayed_ack: Duration::ZERO,
            round_trip: None,
            opens_slowly: false,
            ack_style: crate::config::AckStyle::default(),
        };
        Self {
            now,
            recovery: Recovery::new(now, mss, sack, rtt),
            controller: Algorithm::NewReno.controller(mss),
            peer: Receiver::new(&config),
            sent: Vec::new(),
            outcomes: Vec::new(),
            fired: Vec::new(),
            super_segment: 1,
            one_by_one: false,
            written: 0,
            timestamps,
            script,
            packets: 0,
            acks: 0,
            path: VecDeque::new(),
            recent: now,
        }
    }

    pub(super) fn write(&mut self, bytes: u64) {
        self.written += bytes;
    }

    pub(super) fn arrived(&self) -> u64 {
        self.peer.nxt()
    }

    pub(super) fn ms(&self) -> u64 {
        self.now.as_millis() - 1000
    }

    /// Sends what may leave: probe, repairs, new data.
    pub(super) fn flush(&mut self) {
        loop {
            let nxt = self.recovery.records().nxt();
            let repair = self.recovery.next_retransmission(&*self.controller, 1000);
            let allowance = self.recovery.allowance(&*self.controller);
            let new = (self.written - nxt).min(MSS * self.super_segment);
            let range = if let Some(range) = repair {
                range
            } else if new > 0 && allowance >= new.min(MSS) {
                let whole = (allowance / MSS).max(1) * MSS;
                StreamRange::new(nxt, nxt + new.min(whole))
            } else if self.recovery.probe_due() && new > 0 {
                StreamRange::new(nxt, nxt + new.min(MSS))
            } else if let Some(probe) = self.recovery.probe() {
                probe
            } else {
                return;
            };
            self.send(range);
        }
    }

    fn send(&mut self, range: StreamRange) {
        let again = range.start < self.recovery.records().nxt();
        self.recovery
            .on_sent(self.now, range, &mut *self.controller);
        self.recovery.check();
        self.sent.push(Sent {
            ms: self.ms(),
            range,
            again,
        });
        // A device cuts the super-segment: each piece meets its own fate.
        let mut at = range.start;
        while at < range.end {
            let piece = StreamRange::new(at, range.end).first(MSS);
            at = piece.end;
            let number = self.packets;
            self.packets += 1;
            if self.script.lost.contains(&number) {
                continue;
            }
            let late = self.script.late.get(&number).copied().unwrap_or(0);
            let due = self.now + DELAY + Duration::from_millis(late);
            self.put(
                due,
                Packet::Data {
                    range: piece,
                    sent_at: self.now,
                },
            );
        }
    }

    fn put(&mut self, due: Instant, packet: Packet) {
        let index = self.path.partition_point(|(at, _)| *at <= due);
        self.path.insert(index, (due, packet));
    }

    /// Goes to the next thing that happens; `false` if nothing will.
    pub(super) fn step(&mut self) -> bool {
        self.flush();
        let timer = self.recovery.deadline().map(|(at, _)| at);
        let packet = self.path.front().map(|(at, _)| *at);
        match (packet, timer) {
            (None, None) => return false,
            (Some(at), timer) if timer.is_none_or(|timer| at <= timer) => {
                // One turn takes in everything that has arrived before it sends.
                self.now = at;
                while self.path.front().is_some_and(|(due, _)| *due == at) {
                    let (_, packet) = self.path.pop_front().unwrap();
                    self.deliver(packet);
                    if self.one_by_one {
                        break;
                    }
                }
            }
            (_, timer) => {
                self.now = self.now.max(timer.unwrap());
                let fired = self
                    .recovery
                    .handle_timeout(self.now, &mut *self.controller);
                self.fired.push((self.ms(), fired));
                assert!(self.fired.len() < 2_000, "timers without end");
            }
        }
        self.recovery.check();
        assert!(self.controller.cwnd() >= MSS, "window below a segment");
        true
    }

    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Data { range, sent_at } => {
                if range.start <= self.peer.last_ack_sent() {
                    self.recent = self.recent.max(sent_at);
                }
                let payload = Bytes::from(vec![0; usize::try_from(range.len()).unwrap()]);
                let _received = self.peer.on_segment(self.now, range.start, payload, false);
                while self.peer.read().is_some() {}
                let ack = Packet::Ack {
                    una: self.peer.nxt(),
                    sack: self.peer.sack_ranges(3, true).collect(),
                    echo: self.recent,
                };
                self.peer.on_sent(self.now, false);
                let number = self.acks;
                self.acks += 1;
                if !self.script.lost_acks.contains(&number) {
                    self.put(self.now + DELAY, ack);
                }
            }
            Packet::Ack { una, sack, echo } => {
                let input = AckInput {
                    now: self.now,
                    una,
                    sack: &sack,
                    echo: self.timestamps.then_some(echo),
                    pure: true,
                    marked: 0,
                };
                let out = self.recovery.on_ack(&input, &mut *self.controller);
                self.outcomes.push(out);
            }
        }
    }

    /// What was sent again, as (milliseconds, first offset / MSS).
    pub(super) fn repairs(&self) -> Vec<(u64, u64)> {
        let again = self.sent.iter().filter(|sent| sent.again);
        again
            .map(|sent| (sent.ms, sent.range.start / MSS))
            .collect()
    }

    pub(super) fn timeouts(&self) -> usize {
        let rto = |f: &&(u64, Fired)| matches!(f.1, Fired::Rto { .. });
        self.fired.iter().filter(rto).count()
    }
}
