//! One end of a run.
//!
//! Job: an engine with its own clock, and a program that writes, stalls, reads and leaves as planned.
//! Owns: what was received. Does not know: the link.

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Flow, Instant, Path, Seed, Transport};
use outcrop_tcp::{CloseReason, Config, ConnId, Endpoint, Event, Listen, ReadError, WriteError};

use super::plan::{End, Leave, Plan};
use crate::wire;

/// The ends' addresses.
pub(super) fn flow(end: usize) -> Flow {
    let [local, remote] = [([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 40_000).into()];
    let flow = Flow {
        transport: Transport::Tcp,
        local,
        remote,
    };
    if end == 0 {
        flow
    } else {
        Flow {
            local: flow.remote,
            remote: flow.local,
            ..flow
        }
    }
}

/// The byte at this place of what an end sends: a shift of any kind shows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low byte is the pattern"
)]
fn byte(end: usize, at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 8).wrapping_mul(7) ^ (end * 85)) as u8
}

pub(super) struct Host {
    pub(super) tcp: Endpoint,
    pub(super) path: Path,
    end: usize,
    plan: End,
    strict: bool,
    /// What this end's clock says when the run begins: it decides where the ISN is.
    began: Instant,
    id: Option<ConnId>,
    to_send: ChunkQueue,
    pub(super) received: usize,
    peer_finished: bool,
    shut: bool,
    pub(super) closed: Option<CloseReason>,
    pub(super) let_go: bool,
    pub(super) opened: bool,
    pub(super) wrong: Option<String>,
}

impl Host {
    pub(super) fn new(plan: &Plan, end: usize, mine: &End) -> Self {
        let seed = Seed::from_number(plan.seed).split(if end == 0 { "first" } else { "second" });
        let config = Config {
            settings: mine.settings,
            // So long that no end can be left alone with its FIN.
            time_wait: if plan.strict {
                Duration::from_secs(4 * 3600)
            } else {
                Duration::from_secs(60)
            },
            ..Config::default()
        };
        let mtu = plan.mtus.first().map_or(1500, |(_, mtu)| *mtu);
        let path = Path::plain(mtu);
        let tcp = Endpoint::new(config, &seed);
        let before = plan.before_wrap.get(end).copied().unwrap_or(0);
        let bytes = (0..mine.len).map(|at| byte(end, at)).collect::<Bytes>();
        Self {
            began: clock_for(&tcp, end, path, before),
            tcp,
            path,
            end,
            plan: mine.clone(),
            strict: plan.strict,
            id: None,
            to_send: ChunkQueue::from(bytes),
            received: 0,
            peer_finished: false,
            shut: false,
            closed: None,
            let_go: false,
            opened: false,
            wrong: None,
        }
    }

    /// This end's clock at a time of the run.
    pub(super) fn clock(&self, at: Instant) -> Instant {
        self.began + (at - Instant::ZERO)
    }

    /// When the engine or the program wants to go on, in the run's time.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let engine = self
            .tcp
            .poll_timeout()
            .map(|at| Instant::ZERO + (at - self.began));
        let leaves = match self.plan.leaves {
            Leave::LetsGoAt(at) | Leave::Aborts(at) => Some(at),
            Leave::InOrder | Leave::AfterPeer | Leave::LetsGo => None,
        };
        let stalls = self.plan.stalls.iter().map(|(from, lasts)| *from + *lasts);
        let program = stalls.chain(leaves).chain([self.plan.starts]);
        let program = program.map(|at| Instant::ZERO + at).filter(|at| *at > now);
        engine.into_iter().chain(program).min()
    }

    pub(super) fn open(&mut self) {
        let Flow { local, remote, .. } = flow(self.end);
        let opened = if self.end == 0 {
            let listen = self.tcp.listen(local, Listen::default());
            listen.map(|_| ()).map_err(|e| e.to_string())
        } else {
            self.tcp
                .connect(local, remote, self.path, None)
                .map(|id| self.id = Some(id))
                .map_err(|e| e.to_string())
        };
        self.wrong = opened.err();
    }

    /// The program does all it can now.
    pub(super) fn act(&mut self, now: Instant) {
        while let Some(event) = self.tcp.poll_event() {
            match event {
                Event::Acceptable(listener) => {
                    self.id = self.tcp.accept(listener).or(self.id);
                    self.opened |= self.id.is_some();
                }
                Event::Connected(_) => self.opened = true,
                Event::Closed(_, reason) => self.closed = Some(reason),
                Event::Readable(_) | Event::Writable(_) => {}
            }
        }
        let Some(id) = self.id.filter(|_| !self.let_go) else {
            return;
        };
        let elapsed = now - Instant::ZERO;
        if elapsed >= self.plan.starts {
            self.write(id);
        }
        let stalled =
            |(from, lasts): &(Duration, Duration)| *from <= elapsed && elapsed < *from + *lasts;
        if !self.plan.stalls.iter().any(stalled) {
            self.read(id);
            self.leave(id, elapsed);
        }
        self.tcp.check();
    }

    fn write(&mut self, id: ConnId) {
        while !self.to_send.is_empty() && !self.shut {
            let mut piece = ChunkQueue::new();
            piece.append_up_to(&mut self.to_send, self.plan.chunk);
            let written = self.tcp.write(id, &mut piece);
            let rest = !piece.is_empty();
            piece.append(&mut self.to_send);
            self.to_send = piece;
            match written {
                Ok(_) if !rest => {}
                Ok(_) => return,
                Err(WriteError::Closed(reason)) => {
                    self.closed = Some(reason);
                    return;
                }
                Err(other) => {
                    self.wrong = Some(format!("write: {other}"));
                    return;
                }
            }
        }
    }

    fn read(&mut self, id: ConnId) {
        loop {
            match self.tcp.read(id) {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) => {
                    self.peer_finished = true;
                    return;
                }
                Err(ReadError::WouldBlock) => return,
                Err(ReadError::Closed(reason)) => {
                    self.closed = Some(reason);
                    return;
                }
                Err(other) => {
                    self.wrong = Some(format!("read: {other}"));
                    return;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let peer = 1 - self.end;
        for (at, value) in (self.received..).zip(bytes) {
            if *value != byte(peer, at) {
                self.wrong = Some(format!("byte {at} from end {peer} is {value:#04x}"));
            }
        }
        self.received += bytes.len();
    }

    fn leave(&mut self, id: ConnId, elapsed: Duration) {
        let written = self.to_send.is_empty();
        let over = self.closed.is_some();
        let (shut, close) = match self.plan.leaves {
            Leave::InOrder => (written, self.shut && self.peer_finished),
            Leave::AfterPeer => (
                written && self.peer_finished,
                self.shut && self.peer_finished,
            ),
            Leave::LetsGo => (false, written),
            Leave::LetsGoAt(at) => (written, elapsed >= at),
            Leave::Aborts(at) => {
                if elapsed >= at {
                    self.wrong = self.tcp.abort(id).err().map(|e| format!("abort: {e}"));
                }
                (written, elapsed >= at)
            }
        };
        if shut && !self.shut {
            self.shut = true;
            self.wrong = self
                .tcp
                .shutdown(id)
                .err()
                .map(|e| format!("shutdown: {e}"));
        }
        // A strict program stays to see how it ended; a rough one has no reason to.
        let stays = self.strict && !over;
        if (close && !stays) || over {
            self.let_go = true;
            self.tcp.check();
            self.wrong = self.tcp.close(id).err().map(|e| format!("close: {e}"));
        }
    }

    /// Whether nothing is left at this end.
    pub(super) fn is_at_rest(&self) -> bool {
        self.tcp.is_empty() && self.tcp.time_wait_len() == 0 && self.tcp.poll_timeout().is_none()
    }
}

/// When this end's clock must begin for its ISN to lie `before` numbers ahead of the wrap: the ISN is a clock
/// plus a hash (RFC 6528 3), so a copy of the engine is asked for one and the rest is waiting.
fn clock_for(tcp: &Endpoint, end: usize, path: Path, before: u32) -> Instant {
    let mut copy = tcp.clone();
    let own = flow(end);
    let isn = if end == 0 {
        let mut peer = Endpoint::new(Config::default(), &Seed::from_number(0));
        let _listener = copy.listen(own.local, Listen::default());
        let _id = peer.connect(own.remote, own.local, path, None);
        if let Some(syn) = peer.poll_transmit(Instant::ZERO) {
            let a = wire::arrival(Instant::ZERO, 1, &syn.flow, path);
            let _verdict = wire::deliver(&mut copy, &a, wire::emit(&peer, &syn));
        }
        copy.poll_transmit(Instant::ZERO)
    } else {
        let _id = copy.connect(own.local, own.remote, path, None);
        copy.poll_transmit(Instant::ZERO)
    };
    let isn = isn.map_or(0, |plan| plan.header.seq.value());
    let wait = 0_u32.wrapping_sub(before).wrapping_sub(isn);
    Instant::from_micros(u64::from(wait) * 4)
}
