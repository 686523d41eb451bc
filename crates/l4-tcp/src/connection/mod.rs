//! A synchronised connection.
//!
//! Job: join the parts: what arrives goes to the receiver, the sender and recovery; what they want leaves.
//! Owns: the state by name, the two sequence spaces, the terms, the life of the connection.
//! Does not know: algorithms; those are in the parts. Other connections.
//! Sources: RFC 9293 3.3.1, 3.10.
//!
//! `dormant` is what is kept of a quiet one, `opening` is what precedes ESTABLISHED in a fast open, `segment_arrives` is 3.10.7.4 step by step, `user_calls` what the program asks, `urgent` the urgent
//! pointer both ways, `timeouts` what time does, `output` the list of decisions from which every packet comes.

mod acknowledge;
pub(crate) mod dormant;
mod opening;
mod output;
mod path;
mod path_search;
mod segment_arrives;
mod timeouts;
mod urgent;
mod user_calls;
mod user_timeout;

use std::io::IoSlice;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::{Cause, ChunkQueue, Fact, FactKind, Facts, Flow, Instant, Path, Why};

use crate::account::{Account, Explanation, Totals};
use crate::budget::Pressure;
use crate::challenge::Challenges;
use crate::config::Settings;
use crate::congestion::{Controller, Habits};
use crate::ecn::{Accurate, Beginning, Echo};
use crate::event::{CloseReason, Doubt, Edges};
use crate::handshake::negotiate::{PeerSyn, TIMESTAMPS_LEN, path_mss};
use crate::handshake::{Embryo, isn, syn_window};
use crate::info::{Detail, Info, Negotiated};
use crate::pacing::{self, Pacer};
use crate::params;
use crate::plpmtud::Search;
use crate::recovery::{Means, Recovery};
use crate::recv::{Receiver, ReceiverConfig};
use crate::rtt::RttEstimator;
use crate::segment::{AccurateOption, StreamRange};
use crate::send::Sender;
use crate::send::buffer::FinState;
use crate::seq::{SeqNum, SeqSpace};
use crate::state::{OurFin, PeerFin, State, Trigger, derive};
use crate::timers::{Timer, TimerTable};
use urgent::Urgent;
use user_timeout::Agreement;

/// What a connection is lent for one call: who it is, where facts go, what caused the call.
pub(crate) struct Cx<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) facts: &'a mut Facts,
    pub(crate) cause: Cause,
}

impl Cx<'_> {
    /// States a change of state.
    #[track_caller]
    pub(crate) fn emit_state(&mut self, from: State, to: State) {
        self.emit(FactKind::State {
            from: from.name(),
            to: to.name(),
        });
    }

    /// States a fact about this connection.
    #[track_caller]
    pub(crate) fn emit(&mut self, kind: FactKind) {
        // A closure would state its own line instead of the caller's.
        if self.facts.enabled() {
            let fact = Fact::new(Some(*self.flow), kind, self.cause);
            self.facts.emit(|| fact);
        }
    }
}

/// What an embryo hands on.
pub(crate) struct Opening {
    pub(crate) iss: SeqNum,
    pub(crate) theirs: PeerSyn,
    pub(crate) terms: Negotiated,
    pub(crate) ts_offset: u32,
    pub(crate) path: Path,
    pub(crate) settings: Settings,
    /// When the segment arrived that completed the handshake.
    pub(crate) at: Instant,
    /// How long our SYN took to be answered, if that is unambiguous.
    pub(crate) round_trip: Option<Duration>,
    /// How often our SYN was repeated.
    pub(crate) syn_repeats: u8,
    /// What the program wrote meanwhile, and whether a write found no room.
    pub(crate) early: Option<(ChunkQueue, bool)>,
    /// How far of that is urgent.
    pub(crate) urgent: u64,
    /// If the answer to our SYN completed it: the option of accurate ECN it carried.
    pub(crate) answer: Option<Option<AccurateOption>>,
}

/// What a connection leaves behind in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// The number after our FIN.
    pub(crate) snd_nxt: SeqNum,
    /// The number after the peer's FIN.
    pub(crate) rcv_nxt: SeqNum,
    /// The window field of our last acknowledgment, as it stood in the header.
    pub(crate) window: u16,
    /// By how much it is to be shifted.
    pub(crate) shift: u8,
    /// The peer's latest timestamp, if timestamps were in use.
    pub(crate) recent: Option<u32>,
}

/// One connection from ESTABLISHED on.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    state: State,
    /// While our SYN is not acknowledged: who answers for it.
    syn: Option<Box<Embryo>>,
    peer_fin: PeerFin,
    snd_space: SeqSpace,
    rcv_space: SeqSpace,
    terms: Negotiated,
    clock: Clock,
    settings: Settings,
    way: Way,
    send: Sender,
    /// SND.WL1 and SND.WL2: offsets of the segment that last updated the window.
    window_from: (i64, u64),
    recv: Receiver,
    recovery: Recovery,
    ecn: Echo,
    account: Account,
    timers: TimerTable,
    urgent: Urgent,
    life: Life,
}

fn controller(settings: &Settings, mss: u16, min_rtt: Option<Duration>) -> Box<dyn Controller> {
    let mut controller = settings.congestion.controller(u32::from(mss));
    controller.adopt(habits(settings, min_rtt));
    controller
}

/// What is left to us as the program wants it; RFC 9406 4.3: where its growth is paced, slow start needs no limit to
/// what one acknowledgment adds.
fn habits(settings: &Settings, min_rtt: Option<Duration>) -> Habits {
    let paced = settings.pacing && pacing::is_long(min_rtt);
    Habits {
        slow_start_limit: settings.habits.slow_start_limit.filter(|_| !paced),
        ..settings.habits
    }
}

/// What the path allows.
#[derive(Clone, Debug)]
struct Way {
    path: Path,
    /// Payload bytes of a full segment.
    mss: u16,
    /// What is wrong on it, since the last progress.
    doubt: Option<Doubt>,
    /// The search for more, once there is a reason to.
    search: Option<Box<Search>>,
    congestion: Box<dyn Controller>,
    pacer: Pacer,
}

/// Timestamps (RFC 7323).
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// What we add to the millisecond clock.
    offset: u32,
    /// TS.Recent: what we echo.
    recent: u32,
    /// When it was taken.
    recent_at: Instant,
}

/// What concerns the connection as a whole.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// Whether a program, or a listener for one, holds the connection.
    held: bool,
    /// Whether it was just let go: FIN-WAIT-2 is to be limited.
    orphaned: bool,
    /// Whether a write found no room: `Writable` is owed.
    blocked: bool,
    /// Whether our acknowledgment of the peer's SYN is still owed.
    handshake_ack: bool,
    /// How it ended.
    over: Option<CloseReason>,
    /// A reset to be sent.
    reset: Option<(Why, Cause)>,
    /// A challenge ACK to be sent, and what it answers.
    challenge_due: Option<Cause>,
    /// Whether something waits for the pacer.
    paced: bool,
    /// A keep-alive probe to be sent.
    keep_alive_due: bool,
    /// Probes sent since the peer was last heard.
    keep_alive_probes: u8,
    challenges: Challenges,
    edges: Edges,
    /// When the peer was last heard.
    heard_at: Instant,
    /// When anything last happened.
    active_at: Instant,
    /// What both ends told about their user timeouts.
    user_timeout: Agreement,
    /// Bytes sent again.
    retransmitted: u64,
    /// What made the next packet leave, as far as we know.
    cause: Cause,
}

/// The means of recovery that these settings choose.
const fn means(settings: &Settings) -> Means {
    Means {
        tail_probes: settings.tail_probes,
        frto: settings.frto,
        careful_rtt: settings.careful_rtt,
    }
}

impl Connection {
    /// A connection whose handshake is complete.
    pub(crate) fn new(flow: &Flow, o: Opening) -> Self {
        let mss = effective_mss(&o.terms, &o.path, &o.settings, flow);
        let mut send = Sender::new(o.settings.send_buffer, u64::from(o.theirs.wnd));
        let mut blocked = false;
        if let Some((mut written, was_blocked)) = o.early {
            send.buffer_mut().write(&mut written);
            blocked = was_blocked;
        }
        let recv = Receiver::new(&ReceiverConfig {
            capacity: o.settings.window_limit(),
            capacity_max: o
                .settings
                .receive_buffer_max
                .map(|_| o.settings.widest_window()),
            scale: o.terms.rcv_shift,
            promised: u32::from(syn_window(&o.settings)),
            mss: u32::from(mss),
            delayed_ack: o.settings.ack_delay(),
            round_trip: o.round_trip,
            ack_style: o.settings.ack_style,
            opens_slowly: o.settings.window_opens_slowly,
        });
        let mut connection = Self {
            state: State::Established,
            syn: None,
            peer_fin: PeerFin::Awaited,
            snd_space: SeqSpace::new(o.iss),
            rcv_space: SeqSpace::new(o.theirs.seq),
            terms: o.terms,
            clock: Clock {
                offset: o.ts_offset,
                recent: o.theirs.timestamp.unwrap_or(0),
                recent_at: o.at,
            },
            way: Way {
                path: o.path,
                mss,
                doubt: None,
                search: None,
                congestion: controller(&o.settings, mss, o.round_trip),
                pacer: Pacer::new(),
            },
            send,
            window_from: (-1, 0),
            recv,
            recovery: Recovery::new(
                o.at,
                u32::from(mss),
                o.terms.sack,
                RttEstimator::new(params::RTO_INITIAL),
            ),
            ecn: Echo::new(
                o.terms.ecn,
                &Beginning {
                    client: o.answer.is_some(),
                    mark: o.theirs.ecn.mark(),
                    option: o.answer.flatten(),
                },
            ),
            account: Account::new(o.at),
            timers: TimerTable::default(),
            urgent: Urgent::new(o.urgent),
            life: Life {
                user_timeout: Agreement::new(&o.settings, o.theirs.user_timeout),
                ..Life::new(o.at, blocked)
            },
            settings: o.settings,
        };
        let keep = connection.settings.keep_unused_window;
        connection.recovery.keep_unused_window(keep);
        connection.recovery.set_means(means(&connection.settings));
        connection.take_handshake_round_trip(o.at, o.round_trip, o.syn_repeats);
        connection.arm_keep_alive(o.at);
        connection.begin_search(o.at, flow);
        connection
    }

    /// The state by its name in the RFC.
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// How the connection ended, once nothing can arrive for it any more.
    pub(crate) const fn over(&self) -> Option<CloseReason> {
        self.life.over
    }

    /// Whether the peer's FIN is in.
    pub(crate) fn peer_finished(&self) -> bool {
        self.recv.finished()
    }

    /// Lets go of read buffers: the turn is over.
    pub(crate) fn compact(&mut self) {
        self.recv.compact();
    }

    /// What the program is to be told.
    pub(crate) const fn take_edges(&mut self) -> Edges {
        self.life.edges.remove(Edges::UNANSWERED);
        self.life.edges.take()
    }

    /// Whether there is anything to tell.
    pub(crate) const fn has_edges(&self) -> bool {
        !self.life.edges.is_empty()
    }

    /// Whether R1 was reached since the last time.
    #[inline]
    pub(crate) const fn take_unanswered(&mut self) -> bool {
        self.life.edges.remove(Edges::UNANSWERED)
    }

    /// What was received in order and not read.
    pub(crate) fn take_readable(&mut self) -> ChunkQueue {
        let mut queue = ChunkQueue::new();
        while let Some(piece) = self.recv.read() {
            queue.push(piece);
        }
        queue
    }

    /// Bytes queued, either way.
    pub(crate) fn queued(&self) -> u64 {
        self.send.buffer().len() as u64 + self.recv.held()
    }

    /// Learns how scarce memory is.
    pub(crate) const fn set_pressure(&mut self, pressure: Pressure) {
        self.recv.set_pressure(pressure);
    }

    /// Borrows payload of the sending stream.
    pub(crate) fn payload<'a>(&'a self, range: StreamRange, out: &mut [IoSlice<'a>]) -> usize {
        self.send.buffer().slices(range, out)
    }

    /// What TIME-WAIT needs to know, if the connection ended there.
    pub(crate) fn rest(&self) -> Option<Rest> {
        (self.state == State::TimeWait).then(|| Rest {
            snd_nxt: self.snd_space.seq(self.send.nxt()),
            rcv_nxt: self.rcv_space.seq(self.recv.nxt()),
            window: self.recv.window_field(),
            shift: self.terms.rcv_shift,
            recent: self.terms.timestamps.then_some(self.clock.recent),
        })
    }

    /// Our timestamp at `now`.
    fn timestamp(&self, now: Instant) -> u32 {
        isn::timestamp(now, self.clock.offset)
    }

    /// Moves along an edge of figure 5.
    #[track_caller]
    fn transition(&mut self, on: Trigger, cx: &mut Cx<'_>) {
        if let Some(to) = self.state.after(on) {
            cx.emit_state(self.state, to);
            self.state = to;
        }
    }

    /// The connection is over, for this reason; figure 5's note 3, and LAST-ACK's end.
    fn end(&mut self, reason: CloseReason, cx: &mut Cx<'_>) {
        if self.state != State::Closed {
            cx.emit_state(self.state, State::Closed);
            self.state = State::Closed;
        }
        cx.emit(FactKind::Closed {
            reason: reason.name(),
        });
        self.life.over = Some(reason);
        self.life.edges.insert(Edges::CLOSED);
        self.stop_everything();
    }

    /// Both FINs are acknowledged: TIME-WAIT. The last ACK leaves at the flush, then the tuple rests.
    fn finish(&mut self, cx: &mut Cx<'_>) {
        cx.emit(FactKind::Closed {
            reason: CloseReason::Finished.name(),
        });
        self.life.over = Some(CloseReason::Finished);
        self.life.edges.insert(Edges::CLOSED);
        self.stop_everything();
    }

    fn stop_everything(&mut self) {
        self.syn = None;
        self.timers.stop_all();
        self.send.persist_mut().stop();
    }

    /// How far our FIN has got, as figure 5 counts: from the moment the program closes.
    const fn our_fin(&self) -> OurFin {
        match self.send.buffer().fin() {
            FinState::Open => OurFin::Unsent,
            FinState::Unsent | FinState::Sent => OurFin::Sent,
            FinState::Acked => OurFin::Acked,
        }
    }

    /// A snapshot.
    pub(crate) fn info(&self, now: Instant, flow: &Flow) -> Info {
        let rtt = self.recovery.rtt();
        let search = self.way.search.as_deref();
        Info {
            flow: *flow,
            state: self.state,
            negotiated: Some(self.terms),
            mss: self.way.mss,
            srtt: rtt.srtt(),
            rto: rtt.rto(),
            cwnd: self.recovery.cwnd(&*self.way.congestion),
            ssthresh: self.way.congestion.ssthresh(),
            in_flight: self.recovery.in_flight(),
            snd_wnd: self.send.window(),
            rcv_wnd: self.recv.window(),
            snd_una: self.send.una(),
            snd_nxt: self.send.nxt(),
            rcv_nxt: self.recv.nxt(),
            send_queued: self.send.buffer().len() as u64,
            receive_queued: self.recv.queued(),
            retransmitted: self.life.retransmitted,
            min_rtt: rtt.min(),
            rttvar: rtt.rttvar(),
            lost: self.recovery.records().lost(),
            sacked: self.recovery.records().sacked(),
            delivered: self.recovery.delivered(),
            timeouts: self.recovery.timeouts(),
            pacing_rate: self.pacing_rate(),
            controller: Some(self.way.congestion.snapshot().name),
            search: search.map_or_else(Default::default, |search| search.totals()),
            delivered_marked: self
                .ecn
                .accurate()
                .map_or_else(Default::default, Accurate::delivered),
            received_marked: self
                .ecn
                .accurate()
                .map_or_else(Default::default, Accurate::received),
            detail: self.detail(now, flow),
            totals: self.totals(),
        }
    }

    fn detail(&self, now: Instant, flow: &Flow) -> Detail {
        let path_mss = path_mss(&self.way.path, flow.remote.ip());
        Detail {
            recovery: self.recovery.phase().name(),
            probes: self
                .send
                .persist()
                .probes()
                .max(self.life.keep_alive_probes),
            ack_delay: self.recv.ack_delay(),
            advertised_mss: self.settings.mss.map_or(path_mss, |mss| mss.min(path_mss)),
            path_mtu: self.way.path.mtu,
            unsent: self.send.buffer().unsent(),
            reorder_window: self.recovery.reorder_window(),
            receive_rtt: self.recv.round_trip(),
            receive_capacity: self.recv.capacity(),
            heard_at: Some(self.life.heard_at),
            max_pacing_rate: self.settings.max_pacing_rate,
            shares: self.account.shares_at(now),
        }
    }

    /// What was counted so far.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            marks_in: u32::try_from(self.ecn.marks()).unwrap_or(u32::MAX),
            ..self.account.totals
        }
    }

    /// Why it is not sending, and where its time went.
    pub(crate) fn explain(&self, now: Instant, flow: &Flow) -> Explanation {
        let rtt = self.recovery.rtt();
        Explanation {
            flow: *flow,
            began: self.account.began(),
            ended: self.life.over.map(|reason| (reason, now)),
            held: self.account.held(),
            shares: self.account.shares_at(now),
            totals: self.totals(),
            controller: self.way.congestion.snapshot(),
            recovery: self.recovery.phase().name(),
            in_flight: self.recovery.in_flight(),
            snd_wnd: self.send.window(),
            unsent: self.send.buffer().unsent(),
            pacing_rate: self.pacing_rate(),
            srtt: rtt.srtt(),
            min_rtt: rtt.min(),
            acked: self.send.una().min(self.send.buffer().end()),
            received: self.recv.nxt() - u64::from(self.recv.finished()),
        }
    }

    /// Asserts the invariants; above all that what is owed to anybody has a timer or a place in the
    /// output queue.
    pub(crate) fn check(&self, flow: &Flow, in_ready: bool) {
        self.send.check();
        self.recv.check();
        self.recovery.check();
        if self.life.over.is_none() {
            let derived = derive(self.our_fin(), self.peer_fin);
            assert!(
                self.state == derived || self.is_opening(),
                "{flow}: the table and the facts differ"
            );
            assert_eq!(
                self.send.una(),
                self.recovery.records().una(),
                "{flow}: sender and recovery differ about SND.UNA"
            );
            assert_eq!(
                self.send.nxt(),
                self.recovery.records().nxt(),
                "{flow}: SND.NXT"
            );
        }
        let outstanding = self.send.una() < self.send.nxt();
        let waiting = outstanding || self.send.buffer().has_unsent();
        if self.life.over.is_none() && waiting && !in_ready {
            let repairing = self.recovery.deadline().is_some();
            let probing = self.send.persist().deadline().is_some();
            let paced = self.timers.is_armed(Timer::Pacing);
            assert!(
                repairing || probing || paced || self.waits_for_program(),
                "{flow}: {} has bytes or a FIN to send, and no timer: {:?}",
                self.state,
                self.info(self.life.heard_at, flow)
            );
        }
        let owed = self.life.reset.is_some() || self.life.challenge_due.is_some();
        assert!(!owed || in_ready, "{flow}: owes an answer nobody sends");
    }

    /// Corked bytes wait for the program, and for nobody else.
    fn waits_for_program(&self) -> bool {
        self.settings.cork && self.send.una() == self.send.nxt()
    }

    /// Hashes what decides the future, times relative to `now`.
    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) {
        self.send.fingerprint(now, into);
        self.recv.fingerprint(now, into);
        self.recovery.fingerprint(now, into);
        self.way.congestion.fingerprint(now, into);
        self.way.pacer.fingerprint(now, into);
        let mut into = into;
        (self.state, self.peer_fin, self.terms, self.way.mss).hash(&mut into);
        if let Some(syn) = &self.syn {
            syn.fingerprint(now, into);
        }
        if let Some(search) = &self.way.search {
            search.fingerprint(now, into);
        }
        (
            self.snd_space,
            self.rcv_space,
            self.window_from,
            self.urgent,
        )
            .hash(&mut into);
        self.ecn.hash(&mut into);
        (self.clock.recent, now - self.clock.recent_at).hash(&mut into);
        for timer in Timer::ALL {
            let due = self.timers.get(timer).map(|at| (at - now, now - at));
            due.hash(&mut into);
        }
        let life = &self.life;
        (life.held, life.orphaned, life.blocked, life.handshake_ack).hash(&mut into);
        (
            life.over,
            self.way.doubt,
            life.keep_alive_due,
            life.keep_alive_probes,
            life.user_timeout,
        )
            .hash(&mut into);
        (life.edges, now - life.heard_at, life.challenge_due).hash(&mut into);
    }
}

impl Life {
    const fn new(now: Instant, blocked: bool) -> Self {
        Self {
            held: true,
            orphaned: false,
            blocked,
            handshake_ack: false,
            over: None,
            reset: None,
            challenge_due: None,
            paced: false,
            keep_alive_due: false,
            keep_alive_probes: 0,
            challenges: Challenges::new(),
            edges: Edges::NONE,
            heard_at: now,
            active_at: now,
            retransmitted: 0,
            user_timeout: Agreement::NONE,
            cause: Cause::None,
        }
    }
}

/// What options may take from the smallest segment: timestamps and an MD5 signature.
const LONGEST_OPTIONS: u16 = TIMESTAMPS_LEN + 20;

/// Eff.snd.MSS of RFC 9293 3.7.1: what the peer takes, what the path takes, what the program wants,
/// less the options every segment carries.
fn effective_mss(terms: &Negotiated, path: &Path, settings: &Settings, flow: &Flow) -> u16 {
    let options = common_options(terms);
    let path_mss = path_mss(path, flow.remote.ip());
    let ours = settings.mss.map_or(path_mss, |mss| mss.min(path_mss));
    terms
        .peer_mss
        .min(ours)
        .saturating_sub(options)
        .max(params::MIN_PEER_MSS - LONGEST_OPTIONS)
}

/// Bytes of options that every segment carries.
fn common_options(terms: &Negotiated) -> u16 {
    let timestamps = if terms.timestamps { TIMESTAMPS_LEN } else { 0 };
    timestamps + u16::from(terms.signature)
}
