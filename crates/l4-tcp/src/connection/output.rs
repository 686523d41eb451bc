//! What leaves.
//!
//! Job: one list of decisions, in order of urgency; the first that has something to send makes a plan, and
//! one `commit` does what the plan implies.
//! Owns: nothing. Does not know: how a header is written.
//! Sources: RFC 9293 3.7, 3.8; each planner names its own.
//!
//! Planners are `&self`: they decide. Every segment carries an acknowledgment and the window, so that
//! whatever leaves first pays what is owed to the peer; a pure ACK comes last.

use outcrop_base::{Cause, Flow, Instant, IpFields, Limit, Note, TimerKind, Why};

use super::Connection;
use super::path_search::Stage;
use crate::account::Held;
use crate::congestion::Rate;
use crate::ecn::Accurate;
use crate::handshake;
use crate::pacing::Pace;
use crate::recovery::Phase;
use crate::segment::{
    AccurateOption, Flags, Options, SackBlock, SackBlocks, SegmentHeader, StreamRange, Timestamps,
    max_sack_blocks,
};
use crate::send::{Limits, NewData};
use crate::seq::SeqNum;
use crate::state::State;
use crate::timers::Timer;
use crate::transmit::Transmit;

/// One packet as decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    kind: Kind,
    flags: Flags,
    seq: SeqNum,
    /// What of the sending stream it takes, a FIN as the last offset.
    range: StreamRange,
    /// The payload alone.
    data: StreamRange,
    note: Note,
}

impl Plan {
    /// Whether it carries data for the first time, and does not probe a window.
    fn is_fresh(&self) -> bool {
        matches!(self.kind, Kind::New | Kind::SizeProbe(_)) && !self.data.is_empty()
    }

    /// The same for another purpose.
    pub(super) const fn as_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Whether it is one segment, however large.
    const fn is_whole(&self) -> bool {
        matches!(self.kind, Kind::SizeProbe(_))
    }
}

/// What a commit must remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reset,
    Resend,
    WindowProbe,
    New,
    /// In a packet of so many bytes.
    SizeProbe(u32),
    Ack,
    KeepAlive,
}

/// The room for options in a header: 15 words less the fixed five.
const OPTIONS_LEN: usize = 40;
/// What the usual option of accurate ECN takes: one or two counters, padded.
const ACCURATE_LEN: u8 = 8;
/// IPv6 and TCP headers at their longest: what a super-segment must leave free.
const LONGEST_HEADERS: u32 = 100;

/// The octets of a SACK option with so many blocks, padded.
const fn sack_len(blocks: usize) -> usize {
    if blocks == 0 { 0 } else { 4 + 8 * blocks }
}

impl Connection {
    /// The next packet of this connection, put where it is wanted: it is large, and is not to be moved.
    pub(crate) fn poll_transmit(&mut self, now: Instant, flow: &Flow, out: &mut Option<Transmit>) {
        if self.is_opening() {
            *out = self.poll_syn_ack(now, flow);
            if out.is_some() {
                return;
            }
        }
        let Some(plan) = self.plan(now, flow) else {
            *out = None;
            self.after_flush(now);
            return;
        };
        let mss = self.room_for_data();
        let transmit = out.insert(self.build(now, &plan, (flow, mss)));
        let accurate = transmit.header.options.accurate.is_some();
        let window = transmit.header.wnd;
        self.count_departure(now, &plan, mss);
        self.commit(now, &plan, (mss, accurate, window));
    }

    /// The list of decisions.
    fn plan(&self, now: Instant, flow: &Flow) -> Option<Plan> {
        if self.life.over.is_some() {
            return self.plan_reset().or_else(|| self.plan_ack(now));
        }
        self.plan_reflection()
            .or_else(|| self.plan_retransmission(now))
            .or_else(|| self.plan_window_probe(now))
            .or_else(|| self.plan_size_probe(now, flow))
            .or_else(|| self.plan_new(now, flow))
            .or_else(|| self.plan_tail_probe())
            .or_else(|| self.plan_ack(now))
            .or_else(|| self.plan_keep_alive())
    }

    /// A reset that the connection ended with. RFC 9293 3.10.5 shows it bare; with the acknowledgment
    /// it also passes firewalls that follow the sequence numbers. Data that nobody will read is answered as a
    /// segment of no connection is: bare, as everywhere (RFC 9293 3.5.2 group 1).
    fn plan_reset(&self) -> Option<Plan> {
        let (why, cause) = self.life.reset?;
        let flags = if why == Why::ResetOrphanData {
            Flags::RST
        } else {
            Flags::RST | Flags::ACK
        };
        Some(Plan {
            kind: Kind::Reset,
            flags,
            note: Note::new(why, Limit::None, cause),
            ..self.empty_at(self.send.nxt())
        })
    }

    /// How the answer to our SYN was marked is told by an acknowledgment without data (RFC 9768 3.2.2.1, 5.2).
    fn plan_reflection(&self) -> Option<Plan> {
        let owed = self.ecn.accurate().is_some_and(Accurate::owes_reflection);
        let (why, cause) = match self.life.challenge_due {
            Some(cause) => (Why::ChallengeAck, cause),
            None if self.life.handshake_ack => (Why::HandshakeAck, self.life.cause),
            None => return None,
        };
        owed.then(|| Plan {
            note: Note::new(why, Limit::None, cause),
            ..self.empty_at(self.send.nxt())
        })
    }

    /// What recovery has declared lost.
    fn plan_retransmission(&self, now: Instant) -> Option<Plan> {
        // Nearly always nothing is; all else is asked only then.
        self.recovery.next_lost()?;
        let asks = self.recovery.asks_for_new() && self.new_data().is_ok();
        if asks || self.way.pacer.wait_until(now).is_some() {
            return None;
        }
        let max = u32::try_from(self.max_payload()).unwrap_or(u32::MAX);
        let lost = self
            .recovery
            .next_retransmission(&*self.way.congestion, max)?;
        let why = match self.recovery.phase() {
            Phase::Loss { .. } => Why::Rto,
            Phase::Open | Phase::Recovery { .. } => Why::FastRetransmit,
        };
        Some(self.of_old_data(lost, why))
    }

    /// A tail that may be lost, if there was no new data to ask with (RFC 8985 7.3).
    fn plan_tail_probe(&self) -> Option<Plan> {
        let tail = self.recovery.probe()?;
        Some(self.of_old_data(tail, Why::TailLossProbe))
    }

    /// `range` once more: its payload as far as one plan carries it, and the FIN if it comes to that.
    fn of_old_data(&self, range: StreamRange, why: Why) -> Plan {
        let buffer = self.send.buffer();
        let (data, _) = buffer.split_fin(range);
        let data = buffer.cut_to_slices(data.first(self.max_payload()));
        let data = buffer.cut_to_record(data);
        let last = data.end == buffer.end();
        let ends_record = last || buffer.record_end(data.start) == Some(data.end);
        let fin = last && range.end > data.end;
        let why = if fin && data.is_empty() {
            Why::FinRetransmit
        } else {
            why
        };
        let range = StreamRange::new(range.start, data.end + u64::from(fin));
        Plan {
            kind: Kind::Resend,
            flags: Flags::ACK
                .with_if(Flags::PSH, ends_record && !data.is_empty())
                .with_if(Flags::FIN, fin),
            seq: self.snd_space.seq(range.start),
            range,
            data,
            note: Note::new(why, Limit::Recovery, self.life.cause),
        }
    }

    /// Whether the window is still closed, or too small for what Nagle's and Clark's rules want
    /// (RFC 9293 3.8.6.1): with bytes, if it takes any; else with an old number that must be answered.
    fn plan_window_probe(&self, now: Instant) -> Option<Plan> {
        self.send.persist().deadline().filter(|at| *at <= now)?;
        let cause = Cause::Timer(TimerKind::Persist);
        let note = Note::new(Why::ZeroWindowProbe, Limit::Rwnd, cause);
        Some(match self.send.plan_probe(u32::from(self.way.mss)) {
            Some(new) => Plan {
                kind: Kind::WindowProbe,
                ..self.of_new_data(&new, note)
            },
            None => Plan {
                kind: Kind::WindowProbe,
                seq: self.snd_space.seq(self.send.una()) - 1,
                note,
                ..self.empty_at(self.send.una())
            },
        })
    }

    /// New data, with the FIN if it is the last; or the FIN alone.
    fn plan_new(&self, now: Instant, flow: &Flow) -> Option<Plan> {
        if !self.send.buffer().has_unsent() {
            return None;
        }
        let paced = self.way.pacer.wait_until(now).is_some();
        if paced || matches!(self.stage(now, flow), Stage::Waiting) {
            return None;
        }
        let new = self.new_data().ok()?;
        let why = if new.fin {
            Why::Fin
        } else if self.recovery.probe_due() {
            Why::TailLossProbe
        } else {
            Why::Data
        };
        let note = Note::new(why, new.limit, self.life.cause);
        Some(self.of_new_data(&new, note))
    }

    fn new_data(&self) -> Result<NewData, Limit> {
        // What `plan` would find first; the limits cost more than the answer.
        if !self.send.buffer().has_unsent() {
            return Err(Limit::App);
        }
        let mss = self.room_for_data();
        let allowance = self.recovery.allowance(&*self.way.congestion);
        // What is less than a segment needs no limit; the device's and the pacer's are dear to find.
        let max_len = if self.send.buffer().unsent() < u64::from(mss) {
            u32::from(mss)
        } else {
            u32::try_from(self.max_payload()).unwrap_or(u32::MAX)
        };
        // RFC 8985 7.3: a tail loss probe is one new segment, whatever the congestion window says.
        let probe = if self.recovery.probe_due() { mss } else { 0 };
        self.send.plan(&Limits {
            mss: u32::from(mss),
            max_len,
            allowance: allowance.max(u64::from(probe)),
            // Urgent data does not wait for others' acknowledgments: what it hurries would wait behind it.
            nagle: !self.settings.nodelay && self.urgent.pointer(self.send.una()).is_none(),
            cork: self.settings.cork,
        })
    }

    /// An acknowledgment without data: a challenge, or one that may not wait for a ride.
    fn plan_ack(&self, now: Instant) -> Option<Plan> {
        if self.state == State::Closed {
            return None;
        }
        let (why, cause) = if let Some(cause) = self.life.challenge_due {
            (Why::ChallengeAck, cause)
        } else if self.urgent.is_unannounced() && self.urgent.pointer(self.send.nxt()).is_some() {
            (Why::PureAck, self.life.cause)
        } else {
            let why = self.recv.ack_due(now)?;
            if self.life.handshake_ack {
                (Why::HandshakeAck, self.life.cause)
            } else if why == Why::DelayedAck {
                (why, Cause::Timer(TimerKind::DelayedAck))
            } else {
                (why, self.life.cause)
            }
        };
        let limit = self.new_data().err().unwrap_or(Limit::Pacing);
        Some(Plan {
            note: Note::new(why, limit, cause),
            ..self.empty_at(self.send.nxt())
        })
    }

    /// Whether the peer is still there (RFC 9293 3.8.4): an old number that must be answered.
    fn plan_keep_alive(&self) -> Option<Plan> {
        if !self.life.keep_alive_due {
            return None;
        }
        let cause = Cause::Timer(TimerKind::KeepAlive);
        Some(Plan {
            kind: Kind::KeepAlive,
            seq: self.snd_space.seq(self.send.una()) - 1,
            note: Note::new(Why::KeepAlive, Limit::App, cause),
            ..self.empty_at(self.send.una())
        })
    }

    /// A plan without payload at this offset.
    fn empty_at(&self, offset: u64) -> Plan {
        Plan {
            kind: Kind::Ack,
            flags: Flags::ACK,
            seq: self.snd_space.seq(offset),
            range: StreamRange::empty(offset),
            data: StreamRange::empty(offset),
            note: Note::new(Why::PureAck, Limit::None, Cause::None),
        }
    }

    pub(super) fn of_new_data(&self, new: &NewData, note: Note) -> Plan {
        Plan {
            kind: Kind::New,
            flags: Flags::ACK
                .with_if(Flags::PSH, new.push)
                .with_if(Flags::FIN, new.fin),
            seq: self.snd_space.seq(new.range.start),
            range: new.range,
            data: new.data,
            note,
        }
    }

    /// Payload bytes of a full segment now: SACK blocks take room from it (RFC 9293 3.7.1, SendMSS
    /// less the options of this segment).
    pub(super) fn room_for_data(&self) -> u16 {
        let plain = !self.recv.has_sack() && self.ecn.accurate().is_none();
        if plain && !self.life.user_timeout.owed {
            return self.way.mss.max(1);
        }
        self.room_beside_options()
    }

    #[cold]
    fn room_beside_options(&self) -> u16 {
        let sack = self.sack_blocks().len();
        let accurate = self.accurate_option(sack, true).map_or(0, |option| {
            AccurateOption::padded_len(option.as_slice().len())
        });
        let options = sack_len(sack) + accurate + self.user_timeout_len();
        let options = u16::try_from(options).unwrap_or(u16::MAX);
        self.way.mss.saturating_sub(options).max(1)
    }

    /// The most payload of one plan: a full segment, or as many as the device cuts for us.
    fn max_payload(&self) -> u64 {
        let mss = u64::from(self.room_for_data());
        let headers = u64::from(LONGEST_HEADERS);
        // Nor can it sign: every piece needs a MAC of its own.
        if self.ecn.wants_single() || self.terms.signature > 0 {
            return mss;
        }
        let most = u64::from(self.way.path.gso_max).min(u64::from(u16::MAX));
        // A device that cuts would repeat one urgent pointer in every piece.
        let whole = match self.urgent.pointer(self.send.una()) {
            Some(_) => 1,
            None => most.saturating_sub(headers) / mss,
        };
        let paced = self.pace().map_or(u64::MAX, |pace| pace.burst(mss));
        (mss * whole.max(1)).min(paced.max(mss))
    }

    /// How data leaves: at the controller's rate, or at the window's if the program wants it spread, and never faster
    /// than the program allows.
    fn pace(&self) -> Option<Pace> {
        let pace = match self.way.congestion.pacing_rate() {
            Some(own) => Some(Pace::strict(own)),
            None => self.pace_of_window(),
        };
        let pace = match (pace, self.settings.max_pacing_rate) {
            (Some(pace), Some(most)) => Some(Pace::strict(pace.rate.min(most))),
            (pace, most) => pace.or_else(|| most.map(Pace::strict)),
        };
        // A small window over a long round trip rounds to nothing, and what waits for that waits for ever.
        pace.map(|pace| Pace {
            rate: pace.rate.max(Rate(1)),
            ..pace
        })
    }

    fn pace_of_window(&self) -> Option<Pace> {
        let (rtt, mss) = (self.recovery.rtt(), u32::from(self.way.mss));
        let wanted = self.settings.pacing;
        let pace = || Pace::of_window(&*self.way.congestion, rtt.srtt(), rtt.min(), mss);
        wanted.then(pace).flatten()
    }

    /// How fast data may leave.
    pub(super) fn pacing_rate(&self) -> Option<Rate> {
        self.pace().map(|pace| pace.rate)
    }

    /// How many SACK blocks a segment takes. Marked bytes take the room of one, as long as two are left (RFC 9768 3.2.3.3).
    fn max_sack_blocks(&self) -> usize {
        let (timestamps, signature) = (self.terms.timestamps, self.terms.signature);
        let alone = max_sack_blocks(timestamps, signature);
        if self.marked_bytes(OPTIONS_LEN, true).is_none() {
            return alone;
        }
        let beside = max_sack_blocks(timestamps, signature.saturating_add(ACCURATE_LEN));
        if beside >= 2 { beside } else { alone }
    }

    #[inline]
    fn sack_blocks(&self) -> SackBlocks {
        if self.terms.sack && self.recv.has_sack() {
            self.blocks_held()
        } else {
            SackBlocks::new()
        }
    }

    #[cold]
    fn blocks_held(&self) -> SackBlocks {
        let mut blocks = SackBlocks::new();
        let max = self.max_sack_blocks();
        for range in self.recv.sack_ranges(max, self.settings.dsack) {
            blocks.push(SackBlock {
                left: self.rcv_space.seq(range.start),
                right: self.rcv_space.seq(range.end),
            });
        }
        blocks
    }

    /// The option of accurate ECN beside so many SACK blocks; `data` if the segment carries any.
    fn accurate_option(&self, sack: usize, data: bool) -> Option<AccurateOption> {
        let common = usize::from(super::common_options(&self.terms));
        let others = sack_len(sack) + common + self.user_timeout_len();
        self.marked_bytes(OPTIONS_LEN.saturating_sub(others), data)
    }

    /// The same in so much room, unless the program wants none.
    fn marked_bytes(&self, room: usize, data: bool) -> Option<AccurateOption> {
        let told = self.ecn.option(room, data);
        told.filter(|_| self.settings.ecn_option)
    }

    /// What a segment carries besides its payload.
    fn options(&self, now: Instant, plan: &Plan) -> Options {
        let timestamps = self.terms.timestamps.then(|| Timestamps {
            val: self.timestamp(now),
            ecr: self.clock.recent,
        });
        // A reset promises nothing: its blocks and counts would mean nothing.
        if plan.kind == Kind::Reset {
            return Options {
                timestamps,
                ..Options::default()
            };
        }
        let sack = self.sack_blocks();
        // Nothing but the clock is what nearly every segment tells.
        let bare = self.ecn.accurate().is_none() && !self.life.user_timeout.owed;
        if bare {
            return Options {
                timestamps,
                sack,
                ..Options::default()
            };
        }
        Options {
            timestamps,
            accurate: self.accurate_option(sack.len(), !plan.data.is_empty()),
            sack,
            user_timeout: self
                .settings
                .told_user_timeout()
                .filter(|_| self.tells_user_timeout(plan)),
            ..Options::default()
        }
    }

    fn build(&self, now: Instant, plan: &Plan, (flow, mss): (&Flow, u16)) -> Transmit {
        // A reset promises nothing: its window would mean nothing.
        let is_reset = plan.kind == Kind::Reset;
        // A probe with an old number is not about the stream; everything else tells what is urgent.
        let in_stream = !is_reset && plan.seq == self.snd_space.seq(plan.range.start);
        let urgent = self.urgent.pointer(plan.range.start).filter(|_| in_stream);
        Transmit {
            conn: None,
            flow: *flow,
            header: SegmentHeader {
                seq: plan.seq,
                ack: Some(self.rcv_space.seq(self.recv.nxt()))
                    .filter(|_| plan.flags.contains(Flags::ACK)),
                flags: plan.flags.with_if(Flags::URG, urgent.is_some()) | self.ecn_flags(plan),
                wnd: if is_reset {
                    0
                } else {
                    self.recv.window_field()
                },
                urg: urgent.unwrap_or(0),
                options: self.options(now, plan),
            },
            fields: IpFields {
                ecn: self.ecn.mark(plan.is_fresh()),
                ..handshake::fields(&self.settings)
            },
            range: plan.data,
            gso: (plan.data.len() > u64::from(mss) && !plan.is_whole()).then_some(mss),
            mac: None,
            note: plan.note,
        }
    }

    /// ECN's bits; a reset has none.
    fn ecn_flags(&self, plan: &Plan) -> Flags {
        if plan.kind == Kind::Reset {
            Flags::NONE
        } else {
            let pure = plan.range.is_empty() && self.sack_blocks().is_empty();
            self.ecn.flags(plan.is_fresh(), pure)
        }
    }

    fn count_departure(&mut self, now: Instant, plan: &Plan, mss: u16) {
        self.life.active_at = now;
        let bytes = plan.data.len();
        let full = u64::from(mss);
        let segments = if plan.is_whole() || bytes <= full {
            1
        } else {
            bytes.div_ceil(full)
        };
        let totals = &mut self.account.totals;
        totals.segments_out += segments;
        if bytes > 0 {
            totals.data_segments_out += segments;
            totals.bytes_out += bytes;
            totals.data_sent_at = Some(now);
        }
        if plan.kind == Kind::Resend {
            totals.retransmissions += segments;
        }
    }

    /// What keeps more from leaving, now that the flush is over.
    fn held(&self, next: Result<NewData, Limit>) -> Held {
        let repairing = self.recovery.phase() != Phase::Open;
        let limit = match next {
            Ok(_) => Limit::Pacing,
            // What is lost goes first, and the window did not take it.
            Err(_) if self.recovery.next_lost().is_some() => Limit::Recovery,
            Err(limit) => limit,
        };
        Held::by(limit, repairing, self.life.blocked)
    }

    /// Whether a segment has room to tell our user timeout, if it is to be told.
    fn tells_user_timeout(&self, plan: &Plan) -> bool {
        let has_room = matches!(plan.kind, Kind::New | Kind::Resend | Kind::Ack);
        self.life.user_timeout.owed && has_room
    }

    /// Does what a plan implies; everything was decided before: how full a full segment was, whether it tells of
    /// marks, what window it tells.
    fn commit(&mut self, now: Instant, plan: &Plan, (mss, accurate, window): (u16, bool, u16)) {
        match plan.kind {
            Kind::Reset => {
                self.life.reset = None;
                return;
            }
            Kind::Resend => {
                self.life.retransmitted += plan.data.len();
                self.sent(now, plan.range);
            }
            Kind::New | Kind::WindowProbe => {
                if !plan.range.is_empty() {
                    self.send.on_sent(plan.range, u32::from(mss));
                    self.sent(now, plan.range);
                    self.tell_writable();
                }
                if plan.kind == Kind::WindowProbe {
                    let rto = self.recovery.rtt().rto();
                    self.send.persist_mut().on_probe(now, rto);
                }
            }
            Kind::SizeProbe(size) => {
                let whole = u32::try_from(plan.data.len()).unwrap_or(u32::MAX);
                self.send.on_sent(plan.range, whole);
                self.sent(now, plan.range);
                self.on_size_probe(size, plan.range);
                self.tell_writable();
            }
            Kind::Ack => {}
            Kind::KeepAlive => self.life.keep_alive_due = false,
        }
        if !plan.range.is_empty() {
            self.arm_user_timeout(now);
        }
        if self.tells_user_timeout(plan) {
            self.life.user_timeout.owed = false;
        }
        let has_data = !plan.data.is_empty();
        self.ecn.on_sent(plan.is_fresh(), has_data, accurate);
        self.recv.on_told(now, window, !plan.range.is_empty());
        self.urgent.on_announced();
        self.life.challenge_due = None;
        self.life.handshake_ack = false;
    }

    fn sent(&mut self, now: Instant, range: StreamRange) {
        self.recovery.on_sent(now, range, &mut *self.way.congestion);
        let pace = self.pace();
        let way = &mut self.way;
        way.pacer.on_sent(now, range.len(), pace, self.life.paced);
    }

    /// Whether something lost would leave, if pacing let it.
    fn has_lost(&self) -> bool {
        let most = u32::from(self.way.mss);
        self.recovery
            .next_retransmission(&*self.way.congestion, most)
            .is_some()
    }

    /// Nothing more leaves now: what the connection waits for gets its timer.
    fn after_flush(&mut self, now: Instant) {
        self.life.cause = Cause::None;
        if self.life.over.is_some() {
            return;
        }
        let next = self.new_data();
        let busy = self.send.buffer().has_unsent() || self.send.una() < self.send.nxt();
        self.account.on_flush(now, self.held(next), busy);
        let wait = self.way.pacer.wait_until(now);
        let wait = wait.filter(|_| next.is_ok() || self.has_lost());
        self.timers.set(Timer::Pacing, wait);
        self.life.paced = wait.is_some();
        if next == Err(Limit::App) {
            self.recovery.on_app_limited();
        }
        if self.send.stalled(u32::from(self.way.mss)) {
            let rto = self.recovery.rtt().rto();
            self.send.persist_mut().start(now, rto);
            self.arm_user_timeout(now);
        } else {
            self.send.persist_mut().stop();
            if self.send.una() == self.send.nxt() {
                // Nothing waits for the peer any more: what did was acknowledged, or taken back.
                self.timers.stop(Timer::UserTimeout);
            }
        }
        self.arm_keep_alive(now);
        self.arm_fin_wait_2(now);
        self.arm_linger(now);
    }
}
