//! Two engines, a channel, and what may happen next.
//!
//! Job: list the moves, make one, play the rest fairly. Owns: the channel. Does not know: the search.

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::hash::DefaultHasher;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, FactKind, Flow, Instant, Level, Path, Seed, Transport};
use outcrop_tcp::{Config, ConnId, Endpoint, Event, FIGURE_5, Listen, Settings, State};

use super::{Setup, Violation};
use crate::wire;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// This segment (from 0, the longest on the way) from this end arrives.
    Arrives(usize, usize),
    /// The same, and stays on the way as well.
    ArrivesTwice(usize, usize),
    /// The first segment from this end is lost.
    Lost(usize),
    /// The next timer of either end fires.
    Timer,
    /// The program at this end writes a byte.
    Write(usize),
    /// The program at this end has no more to send.
    Shutdown(usize),
    /// The program at this end lets go.
    Close(usize),
    /// The program at this end aborts.
    Abort(usize),
}

#[derive(Clone, Debug)]
struct End {
    tcp: Endpoint,
    id: Option<ConnId>,
    wrote: bool,
    shut: bool,
    aborted: bool,
    gone: bool,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    setup: Setup,
    now: Instant,
    ends: [End; 2],
    /// What is on the way from each end.
    channel: [Vec<(Flow, Bytes)>; 2],
    losses: u8,
    duplicates: u8,
    early_timers: u8,
    packets: u64,
    path: Vec<Move>,
}

/// A fair end takes no more moves than this: some round trips, and timers that back off to their limits.
const FAIR_MOVES: usize = 2_000;
const MTU: Path = Path::plain(1500);

fn flow(end: usize) -> Flow {
    let [a, b] = [([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 40_000).into()];
    let (local, remote) = if end == 0 { (a, b) } else { (b, a) };
    Flow {
        transport: Transport::Tcp,
        local,
        remote,
    }
}

impl World {
    pub(super) fn new(setup: &Setup) -> Self {
        let settings = Settings {
            timestamps: false,
            window_scale: false,
            receive_buffer: 4_000,
            send_buffer: 4_000,
            ..Settings::default()
        };
        let end = |number: usize| {
            let config = Config {
                settings,
                ..Config::default()
            };
            let mut tcp = Endpoint::new(config, &Seed::from_number(1 + number as u64));
            tcp.facts().set_level(Level::Full);
            let Flow { local, remote, .. } = flow(number);
            let mut id = None;
            if number == 1 || setup.simultaneous {
                id = tcp.connect(local, remote, MTU, None).ok();
            } else {
                let _listener = tcp.listen(local, Listen::default());
            }
            End {
                tcp,
                id,
                wrote: false,
                shut: false,
                aborted: false,
                gone: false,
            }
        };
        let mut world = Self {
            setup: *setup,
            now: Instant::from_secs(1),
            ends: [end(0), end(1)],
            channel: [Vec::new(), Vec::new()],
            losses: setup.losses,
            duplicates: setup.duplicates,
            early_timers: setup.early_timers,
            packets: 0,
            path: Vec::new(),
        };
        world.flush();
        world
    }

    pub(super) fn states(&self) -> [State; 2] {
        let [a, b] = &self.ends;
        [a.tcp.state_of(&flow(0)), b.tcp.state_of(&flow(1))]
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut into = DefaultHasher::new();
        for end in &self.ends {
            end.tcp.fingerprint(self.now, &mut into);
            (end.id, end.wrote, end.shut, end.aborted, end.gone).hash(&mut into);
        }
        self.channel.hash(&mut into);
        (self.losses, self.duplicates, self.early_timers).hash(&mut into);
        into.finish()
    }

    /// What may happen next.
    pub(super) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        let mut idle = true;
        for (from, queue) in self.channel.iter().enumerate() {
            idle &= queue.is_empty();
            for at in 0..queue.len() {
                moves.push(Move::Arrives(from, at));
                if self.duplicates > 0 {
                    moves.push(Move::ArrivesTwice(from, at));
                }
            }
            if self.losses > 0 && !queue.is_empty() {
                moves.push(Move::Lost(from));
            }
        }
        if (idle || self.early_timers > 0) && self.next_timer().is_some() {
            moves.push(Move::Timer);
        }
        for (number, end) in self.ends.iter().enumerate() {
            if end.id.is_none() || end.gone {
                continue;
            }
            if !end.wrote && !end.shut && !end.aborted {
                moves.push(Move::Write(number));
            }
            if !end.shut && !end.aborted {
                moves.push(Move::Shutdown(number));
            }
            if self.setup.aborts && !end.aborted {
                moves.push(Move::Abort(number));
            }
            moves.push(Move::Close(number));
        }
        moves
    }

    fn next_timer(&self) -> Option<Instant> {
        self.ends
            .iter()
            .filter_map(|end| end.tcp.poll_timeout())
            .min()
    }

    /// Makes a move.
    pub(super) fn make(&mut self, chosen: Move) -> Result<(), Violation> {
        self.path.push(chosen);
        match chosen {
            Move::Arrives(from, at) => self.arrives(from, at, false),
            Move::ArrivesTwice(from, at) => {
                self.duplicates = self.duplicates.saturating_sub(1);
                self.arrives(from, at, true);
            }
            Move::Lost(from) => {
                self.losses = self.losses.saturating_sub(1);
                if let Some(queue) = self.channel.get_mut(from) {
                    queue.remove(0);
                }
            }
            Move::Timer => self.timer(),
            Move::Write(number)
            | Move::Shutdown(number)
            | Move::Close(number)
            | Move::Abort(number) => {
                if let Some(end) = self.ends.get_mut(number) {
                    end.call(chosen);
                }
            }
        }
        self.flush();
        self.check_figure()
    }

    fn arrives(&mut self, from: usize, at: usize, stays: bool) {
        let Some(queue) = self.channel.get_mut(from) else {
            return;
        };
        let (flow, bytes) = if stays {
            match queue.get(at) {
                Some(segment) => segment.clone(),
                None => return,
            }
        } else {
            queue.remove(at)
        };
        self.packets += 1;
        let a = wire::arrival(self.now, self.packets, &flow, MTU);
        if let Some(end) = self.ends.get_mut(1 - from) {
            let _verdict = wire::deliver(&mut end.tcp, &a, bytes);
            end.tcp.check();
        }
    }

    fn timer(&mut self) {
        if !self.channel.iter().all(Vec::is_empty) {
            self.early_timers = self.early_timers.saturating_sub(1);
        }
        // An early entry of the wheel is no timer: go on until one has acted.
        let before = self.fingerprint();
        while let Some(at) = self.next_timer() {
            self.now = self.now.max(at);
            for end in &mut self.ends {
                end.tcp.handle_timeout(self.now);
                end.tcp.check();
            }
            self.flush();
            if self.fingerprint() != before {
                return;
            }
            self.now += Duration::from_nanos(1);
        }
    }

    /// Both ends send, programs take what is there.
    fn flush(&mut self) {
        let room = self.setup.channel;
        for (end, queue) in self.ends.iter_mut().zip(&mut self.channel) {
            end.attend();
            while let Some(plan) = end.tcp.poll_transmit(self.now) {
                let bytes = wire::emit(&end.tcp, &plan);
                if queue.len() < room {
                    queue.push((plan.flow, bytes));
                }
            }
            end.attend();
            end.tcp.check();
        }
    }

    /// Every change of state is an edge of the figure, or its note 3: anything may end in CLOSED by a reset,
    /// an abort or a limit of time, and an embryo of a listener in LISTEN.
    fn check_figure(&mut self) -> Result<(), Violation> {
        let mut facts = Vec::new();
        for end in &mut self.ends {
            end.tcp.facts().drain_into(&mut facts);
        }
        for fact in facts {
            let FactKind::State { from, to } = fact.kind else {
                continue;
            };
            let drawn = FIGURE_5
                .iter()
                .any(|edge| edge.from.name() == from && edge.to.name() == to);
            let ended = to == State::Closed.name();
            let returned = from == State::SynReceived.name() && to == State::Listen.name();
            if !(drawn || ended || returned) {
                return Err(self.violation(format!("{from} -> {to} is not in the figure")));
            }
        }
        Ok(())
    }

    fn violation(&self, what: String) -> Violation {
        Violation {
            path: self.path.clone(),
            what,
        }
    }

    /// Programs close, nothing is lost, time passes: both ends must come to rest.
    pub(super) fn play_fair(mut self) -> Result<(), Violation> {
        for _ in 0..FAIR_MOVES {
            for number in 0..2 {
                let end = self.ends.get(number);
                if end.is_some_and(|end| end.id.is_some() && !end.gone) {
                    self.make(Move::Close(number))?;
                }
            }
            let waiting = self.channel.iter().position(|queue| !queue.is_empty());
            if let Some(from) = waiting {
                self.make(Move::Arrives(from, 0))?;
            } else if self.next_timer().is_some() {
                self.make(Move::Timer)?;
            } else {
                break;
            }
        }
        let at_rest = |end: &End| end.tcp.is_empty() && end.tcp.time_wait_len() == 0;
        if self.next_timer().is_none() && self.ends.iter().all(at_rest) {
            return Ok(());
        }
        let [first, second] = self.states();
        Err(self.violation(format!("never at rest: {first} and {second}")))
    }
}

impl End {
    /// The program looks after what the engine tells.
    fn attend(&mut self) {
        while let Some(event) = self.tcp.poll_event() {
            if let Event::Acceptable(listener) = event {
                let accepted = self.tcp.accept(listener);
                if self.gone || self.id.is_some() {
                    // One connection is enough for this program; another incarnation is let go.
                    let _closed = accepted.map(|id| self.tcp.close(id));
                } else {
                    self.id = accepted;
                }
            }
        }
        if let Some(id) = self.id.filter(|_| !self.gone) {
            while let Ok(Some(_)) = self.tcp.read(id) {}
        }
    }

    fn call(&mut self, chosen: Move) {
        let Some(id) = self.id else { return };
        match chosen {
            Move::Write(_) => {
                self.wrote = true;
                let _taken = self
                    .tcp
                    .write(id, &mut ChunkQueue::from(Bytes::from_static(b"x")));
            }
            Move::Shutdown(_) => {
                self.shut = true;
                let _done = self.tcp.shutdown(id);
            }
            Move::Abort(_) => {
                self.aborted = true;
                let _done = self.tcp.abort(id);
            }
            Move::Close(_) => {
                self.gone = true;
                let _done = self.tcp.close(id);
            }
            Move::Arrives(..) | Move::ArrivesTwice(..) | Move::Lost(_) | Move::Timer => {}
        }
        self.tcp.check();
    }
}
