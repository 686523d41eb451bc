//! Before both SYNs are acknowledged.
//!
//! Job: carry a connection through SYN-SENT and SYN-RECEIVED at the cost of an embryo.
//! Owns: the embryo, its SYN and how often that was sent. Does not know: the data path, other embryos.
//! Sources: RFC 9293 3.5, 3.10.1, 3.10.7.2 to 3.10.7.4; RFC 6298 5.7 (the SYN's timer).
//!
//! `active` holds what arrives in SYN-SENT, `passive` what arrives in LISTEN and SYN-RECEIVED,
//! `negotiate` what the two SYNs agree on, `isn` where the numbers begin, `cookie` how to do without an embryo.

pub(crate) mod active;
pub(crate) mod cookie;
pub(crate) mod fast_open;
pub(crate) mod isn;
pub(crate) mod negotiate;
pub(crate) mod passive;

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::io::IoSlice;

use outcrop_base::{
    CallKind, Cause, ChunkQueue, DropReason, Flow, Instant, IpFields, Limit, MAX_SLICES, Note,
    Path, PathSignal, PathSignalKind, TimerKind, Verdict, Why,
};

use crate::account::{Explanation, Held, Shares, Totals};
use crate::challenge::Challenges;
use crate::config::Settings;
use crate::congestion::{ControllerInfo, Phase};
use crate::ecn::{self, EcnTerms, MarkedBytes};
use crate::event::{CloseReason, Doubt};
use crate::info::{Detail, Info};
use crate::params;
use crate::plpmtud::SearchTotals;
use crate::rule::Rule;
use crate::segment::{
    AccurateOption, FastOpenCookie, Flags, Options, SegmentHeader, StreamRange, Timestamps,
};
use crate::seq::SeqNum;
use crate::state::State;
use crate::table::ListenerId;
use crate::transmit::Transmit;
use isn::{Isn, timestamp};
use negotiate::PeerSyn;

/// Who began.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Our program did; what it asked for meanwhile waits here.
    Active(Box<Early>),
    /// The peer did, at this listener.
    Passive(ListenerId),
}

/// What a program asked for before the handshake was over.
#[derive(Clone, Debug)]
pub(crate) struct Early {
    /// The connection's settings.
    pub(crate) settings: Settings,
    /// Bytes written.
    pub(crate) written: ChunkQueue,
    /// How many of them, from the first, are urgent.
    pub(crate) urgent: u64,
    /// The fast-open option of our first SYN, and the segment size the server named when it gave it.
    pub(crate) fast_open: Option<(FastOpenCookie, u16)>,
    /// Whether a write found no room.
    pub(crate) blocked: bool,
    /// Whether the program has no more to send. The FIN waits for ESTABLISHED, as RFC 9293 3.10.4
    /// says for pending data; we let it wait without data too (a FIN before our SYN is acknowledged
    /// helps nobody).
    pub(crate) shutdown: bool,
}

/// A connection in SYN-SENT or SYN-RECEIVED.
#[derive(Clone, Debug)]
pub(crate) struct Embryo {
    pub(crate) origin: Origin,
    /// Our SYN's number; an active open chooses it when the SYN first leaves.
    pub(crate) iss: Option<SeqNum>,
    /// The peer's SYN, from SYN-RECEIVED on.
    pub(crate) theirs: Option<PeerSyn>,
    /// The peer's latest timestamp.
    ts_recent: u32,
    pub(crate) ts_offset: u32,
    pub(crate) path: Path,
    /// What is to leave next.
    want: Option<(Why, Cause)>,
    /// When our SYN first left, for a first round-trip sample.
    sent_at: Option<Instant>,
    /// When it will be repeated.
    due: Option<Instant>,
    repeats: u8,
    /// Bytes of ours that left in, or behind, our SYN: an acknowledgment may cover them.
    pub(crate) sent: u32,
    /// Bytes of text in the peer's SYN that were taken.
    pub(crate) taken: u32,
    /// Whether our SYN-ACK brings a fast-open cookie, and under which kind.
    pub(crate) grant: Option<Grant>,
    /// What is wrong on the way.
    pub(crate) doubt: Option<Doubt>,
    challenges: Challenges,
}

/// A fast-open cookie was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grant {
    /// Under its own kind.
    Standard,
    /// Under the kind of experiments.
    Experimental,
}

/// What a segment did to an embryo.
#[derive(Debug)]
pub(crate) enum Step {
    /// It stays.
    Stay(Verdict),
    /// It stays, and this is to be answered.
    Answer(Verdict, SegmentHeader, Why),
    /// It is gone; a program that connected is told why, a listener is not.
    Gone(Verdict, CloseReason),
    /// It is gone, and the peer is told so by this reset.
    Refuse(Verdict, SegmentHeader),
    /// The handshake is complete.
    Establish(Verdict),
}

/// What an embryo's timer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing was due.
    NotDue,
    /// The SYN is repeated.
    Repeat,
    /// The peer did not answer in time.
    GiveUp,
}

impl Embryo {
    /// SYN-SENT: our program connects.
    pub(crate) fn active(settings: Settings, path: Path, ts_offset: u32) -> Self {
        let early = Early {
            settings,
            written: ChunkQueue::new(),
            urgent: 0,
            fast_open: None,
            blocked: false,
            shutdown: false,
        };
        Self {
            origin: Origin::Active(Box::new(early)),
            iss: None,
            theirs: None,
            ts_recent: 0,
            ts_offset,
            path,
            want: Some((Why::Syn, Cause::Call(CallKind::Connect))),
            sent_at: None,
            due: None,
            repeats: 0,
            sent: 0,
            taken: 0,
            grant: None,
            doubt: None,
            challenges: Challenges::new(),
        }
    }

    /// The state by its name in the RFC.
    pub(crate) const fn state(&self) -> State {
        if self.theirs.is_some() {
            State::SynReceived
        } else {
            State::SynSent
        }
    }

    /// The listener whose handshake this is.
    pub(crate) const fn listener(&self) -> Option<ListenerId> {
        match &self.origin {
            Origin::Passive(listener) => Some(*listener),
            Origin::Active(_) => None,
        }
    }

    /// The number of the peer's next byte.
    pub(crate) fn rcv_nxt(&self) -> Option<SeqNum> {
        self.theirs.map(|syn| syn.seq + (1 + self.taken))
    }

    /// When the timer is due.
    pub(crate) const fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Keeps our SYN back until the program says what it opened the connection for (RFC 7413 4.2.1: the SYN
    /// carries its first write).
    pub(crate) const fn hold(&mut self) {
        self.want = None;
    }

    /// Whether our SYN is kept back: it has never left, and nothing makes it.
    pub(crate) const fn is_held(&self) -> bool {
        self.want.is_none() && self.sent_at.is_none() && self.theirs.is_none()
    }

    /// The program has called: a SYN that was kept back leaves.
    pub(crate) const fn release(&mut self, call: CallKind) {
        if self.is_held() {
            self.want = Some((Why::Syn, Cause::Call(call)));
        }
    }

    /// Whether something is to leave.
    pub(crate) const fn wants_output(&self) -> bool {
        self.want.is_some()
    }

    /// How long our SYN took to be answered; `None` if it was repeated (Karn, RFC 6298 3).
    pub(crate) fn round_trip(&self, at: Instant) -> Option<Duration> {
        let sent_at = self.sent_at.filter(|_| self.repeats == 0)?;
        Some(at - sent_at)
    }

    /// Whether our SYN had to be repeated.
    pub(crate) const fn was_repeated(&self) -> bool {
        self.repeats > 0
    }

    /// How often our SYN was repeated.
    pub(crate) const fn repeats(&self) -> u8 {
        self.repeats
    }

    /// The timer, at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, settings: &Settings) -> Expiry {
        if self.due.is_none_or(|due| due > now) {
            return Expiry::NotDue;
        }
        self.due = None;
        let limit = match self.origin {
            Origin::Active(_) => settings.syn_retries,
            Origin::Passive(_) => settings.syn_ack_retries,
        };
        let is_late = self.patience_ends(settings).is_some_and(|end| end <= now);
        if self.repeats >= limit || is_late {
            return Expiry::GiveUp;
        }
        self.repeats += 1;
        let why = if self.state() == State::SynReceived {
            Why::SynAck
        } else {
            Why::Syn
        };
        self.want = Some((why, Cause::Timer(TimerKind::Retransmit)));
        Expiry::Repeat
    }

    /// Our SYN or SYN-ACK, if one is to leave. `isn` is needed by whoever has no number yet.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        flow: &Flow,
        isn: Option<&Isn>,
        settings: &Settings,
    ) -> Option<Transmit> {
        let iss = self
            .iss
            .or_else(|| isn.map(|isn| isn.sequence(flow, now)))?;
        let (why, cause) = self.want.take()?;
        self.iss = Some(iss);
        let accurate = self.accurate_option(settings);
        self.sent_at.get_or_insert(now);
        let due = now + self.rto();
        let end = self.patience_ends(settings);
        self.due = Some(end.map_or(due, |end| due.min(end)));
        let remote = flow.remote.ip();
        let mut options = negotiate::offer(settings, &self.path, remote, self.theirs.as_ref());
        if options.timestamps.is_some() {
            options.timestamps = Some(self.timestamps(now));
        }
        let ack = self.rcv_nxt();
        let (fast_open, range) = self.fast_open();
        options.fast_open = fast_open;
        // A cookie may need all the room there is; the first segment behind the SYN tells as well.
        options.user_timeout = settings.told_user_timeout().filter(|_| fast_open.is_none());
        options.accurate = accurate.filter(|_| self.grant.is_none());
        self.sent = self.sent.max(u32::try_from(range.len()).unwrap_or(0));
        Some(Transmit {
            conn: None,
            flow: *flow,
            header: SegmentHeader {
                seq: iss,
                ack,
                flags: self.syn_flags(settings),
                wnd: syn_window(settings),
                options,
                ..SegmentHeader::default()
            },
            fields: fields(settings),
            range,
            gso: None,
            mac: None,
            note: Note::new(why, Limit::None, cause),
        })
    }

    /// The fast-open option and the text of the SYN that leaves now: only the first carries them, because a
    /// middlebox that drops such SYNs must not cost the connection (RFC 7413 4.2.2 and 7.1).
    fn fast_open(&self) -> (Option<FastOpenCookie>, StreamRange) {
        let none = StreamRange::default();
        let Origin::Active(early) = &self.origin else {
            return (None, none);
        };
        let Some((cookie, mss)) = early.fast_open.filter(|_| self.repeats == 0) else {
            return (None, none);
        };
        if cookie.is_request() || self.theirs.is_some() {
            return (Some(cookie).filter(|_| self.theirs.is_none()), none);
        }
        // Beside every option a SYN may carry (RFC 7413 4.1.3: at most the size remembered).
        let most = u64::from(mss).saturating_sub(40);
        let all = StreamRange::new(0, early.written.len() as u64).first(most);
        let cut = early.written.cut_to_slices(all.into(), MAX_SLICES);
        (Some(cookie), StreamRange::new(cut.start, cut.end))
    }

    /// Borrows text of our SYN.
    pub(crate) fn payload<'a>(&'a self, range: StreamRange, out: &mut [IoSlice<'a>]) -> usize {
        match &self.origin {
            Origin::Active(early) => early.written.slices(range.into(), out).0,
            Origin::Passive(_) => 0,
        }
    }

    /// Drops what the program wrote and our SYN did not take along; returns how many bytes.
    pub(crate) fn discard_unsent(&mut self) -> u64 {
        let Origin::Active(early) = &mut self.origin else {
            return 0;
        };
        let before = early.written.len();
        early.written.truncate(u64::from(self.sent));
        early.urgent = early.urgent.min(early.written.end());
        (before - early.written.len()) as u64
    }

    /// Whether `ack` covers our SYN, and nothing that never left.
    pub(crate) fn acknowledges_our_syn(&self, ack: SeqNum) -> bool {
        self.iss
            .is_some_and(|iss| ack.in_window(iss + 1, self.sent + 1))
    }

    /// Bytes of our SYN's text that `ack` covers.
    pub(crate) fn text_acknowledged(&self, ack: Option<SeqNum>) -> u64 {
        let beyond = ack.zip(self.iss).map(|(ack, iss)| ack.distance(iss + 1));
        let beyond = beyond.and_then(|count| u64::try_from(count).ok());
        match self.origin {
            Origin::Active(_) => beyond.unwrap_or(0).min(u64::from(self.sent)),
            Origin::Passive(_) => 0,
        }
    }

    /// When the program's own R2 is reached.
    fn patience_ends(&self, settings: &Settings) -> Option<Instant> {
        Some(self.sent_at? + settings.user_timeout?)
    }

    /// Whether R1 has just been reached (RFC 9293 3.8.3).
    pub(crate) fn is_doubtful(&self, settings: &Settings) -> bool {
        settings.r1 > 0 && self.repeats == settings.r1
    }

    /// The acknowledgment that would complete the handshake has to wait for text, until `end`; then our
    /// SYN-ACK asks for it once more.
    pub(crate) fn defer(&mut self, end: Instant) {
        self.want = None;
        self.due = Some(end);
    }

    /// When our SYN first left.
    pub(crate) const fn sent_at(&self) -> Option<Instant> {
        self.sent_at
    }

    /// The flags of our SYN or SYN-ACK: what it says about congestion marks is `ecn::setup`'s.
    fn syn_flags(&self, settings: &Settings) -> Flags {
        match &self.theirs {
            Some(syn) => {
                let bits = ecn::answering(self.ecn(settings), syn.ecn, self.repeats);
                Flags::SYN | Flags::ACK | bits
            }
            None => Flags::SYN | ecn::asking(settings.ecn, self.repeats),
        }
    }

    /// What the SYNs so far agree on about congestion marks.
    pub(crate) fn ecn(&self, settings: &Settings) -> EcnTerms {
        let opened = matches!(self.origin, Origin::Active(_));
        self.theirs.map_or(EcnTerms::Off, |syn| {
            ecn::agreement(settings.ecn, opened, syn.ecn, self.repeats)
        })
    }

    /// RFC 9768 3.2.3.2: our first answer tests whether the option passes; a repeat does without.
    fn accurate_option(&self, settings: &Settings) -> Option<AccurateOption> {
        let first = self.theirs.is_some() && self.sent_at.is_none() && settings.ecn_option;
        (first && self.ecn(settings).is_accurate()).then(|| AccurateOption::new(false, &[1, 0, 1]))
    }

    /// News from the path: a hard error ends an opening connection at once (RFC 9293 3.9.2.2 SHLD-26),
    /// anything else leaves it to the repeats, and is remembered. The second value says whether it is gone.
    pub(crate) fn handle_path(&mut self, signal: &PathSignal) -> (Verdict, bool) {
        let ours = signal
            .seq
            .is_none_or(|seq| self.iss == Some(SeqNum::new(seq)));
        if !ours {
            return (
                Rule::PathUnrelated.dropped(DropReason::IcmpUnrelated),
                false,
            );
        }
        match signal.kind {
            PathSignalKind::TooBig(mtu) => {
                self.path.mtu = self.path.mtu.min(mtu.max(params::MIN_MTU));
                (Rule::PathTooBig.taken(), false)
            }
            PathSignalKind::Disrupted | PathSignalKind::Soft => {
                self.doubt = Some(Doubt::Unreachable);
                (Rule::PathSoft.taken(), false)
            }
            PathSignalKind::Redirected => (Rule::PathSoft.taken(), false),
            PathSignalKind::Hard => (Rule::PathHard.taken(), self.state() == State::SynSent),
        }
    }

    /// Bytes that wait for the handshake.
    pub(crate) fn queued(&self) -> u64 {
        match &self.origin {
            Origin::Active(early) => early.written.len() as u64,
            Origin::Passive(_) => 0,
        }
    }

    /// The figures of a connection that has none yet.
    pub(crate) fn info(&self, flow: &Flow) -> Info {
        Info {
            flow: *flow,
            state: self.state(),
            negotiated: None,
            mss: negotiate::path_mss(&self.path, flow.remote.ip()),
            srtt: None,
            rto: self.rto(),
            cwnd: 0,
            ssthresh: u64::MAX,
            in_flight: 0,
            snd_wnd: self.theirs.map_or(0, |syn| u64::from(syn.wnd)),
            rcv_wnd: 0,
            snd_una: 0,
            snd_nxt: 0,
            rcv_nxt: 0,
            send_queued: self.queued(),
            receive_queued: 0,
            retransmitted: u64::from(self.repeats),
            min_rtt: None,
            rttvar: None,
            lost: 0,
            sacked: 0,
            delivered: 0,
            timeouts: self.repeats,
            pacing_rate: None,
            controller: None,
            search: SearchTotals::default(),
            delivered_marked: MarkedBytes::default(),
            received_marked: MarkedBytes::default(),
            detail: Detail {
                path_mtu: self.path.mtu,
                ..Detail::default()
            },
            totals: Totals::default(),
        }
    }

    /// Why nothing is sent yet.
    pub(crate) fn explain(&self, now: Instant, flow: &Flow) -> Explanation {
        let began = self.sent_at.unwrap_or(now);
        Explanation {
            flow: *flow,
            began,
            ended: None,
            held: Held::Handshake,
            shares: Shares::all(Held::Handshake, now - began),
            totals: Totals {
                segments_out: u64::from(self.sent_at.is_some()) + u64::from(self.repeats),
                retransmissions: u64::from(self.repeats),
                timeouts: self.repeats.into(),
                ..Totals::default()
            },
            controller: ControllerInfo {
                name: "none yet",
                cwnd: 0,
                ssthresh: u64::MAX,
                phase: Phase::SlowStart,
            },
            recovery: "open",
            in_flight: self.sent.into(),
            snd_wnd: self.theirs.map_or(0, |syn| u64::from(syn.wnd)),
            unsent: self.queued(),
            pacing_rate: None,
            srtt: None,
            min_rtt: None,
            acked: 0,
            received: 0,
        }
    }

    /// How long the SYN that leaves next waits for an answer.
    fn rto(&self) -> Duration {
        let backoff = params::SYN_RTO * (1 << self.repeats.min(16));
        backoff.min(params::BACKOFF_MAX)
    }

    /// Hashes what decides its future, times relative to `now`.
    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        (self.iss, self.repeats, self.ts_recent, self.doubt).hash(&mut into);
        self.theirs
            .map(|syn| (syn.seq, syn.wnd, syn.ecn))
            .hash(&mut into);
        self.due.map(|due| due - now).hash(&mut into);
        self.want.map(|(why, _)| why).hash(&mut into);
    }

    fn timestamps(&self, now: Instant) -> Timestamps {
        Timestamps {
            val: timestamp(now, self.ts_offset),
            ecr: self.ts_recent,
        }
    }

    /// The acknowledgment an unacceptable segment gets in SYN-RECEIVED.
    fn acknowledgment(&self, now: Instant, settings: &Settings) -> Option<SegmentHeader> {
        let theirs = self.theirs.as_ref()?;
        let agreed_timestamps = settings.timestamps && theirs.timestamp.is_some();
        Some(SegmentHeader {
            seq: self.iss? + 1,
            ack: self.rcv_nxt(),
            flags: Flags::ACK,
            // Half scaled, half not: the window of a segment without SYN is shifted.
            wnd: syn_window(settings) >> self.agreed_shift(settings),
            options: Options {
                timestamps: agreed_timestamps.then(|| self.timestamps(now)),
                ..Options::default()
            },
            ..SegmentHeader::default()
        })
    }

    fn agreed_shift(&self, settings: &Settings) -> u8 {
        let theirs_scales = self.theirs.is_some_and(|syn| syn.wscale.is_some());
        if theirs_scales && settings.window_scale {
            negotiate::window_shift(settings.widest_window())
        } else {
            0
        }
    }
}

/// The window of a SYN: not scaled, so at most 65,535 (RFC 7323 2.2).
pub(crate) fn syn_window(settings: &Settings) -> u16 {
    u16::try_from(settings.window_limit()).unwrap_or(u16::MAX)
}

/// What every segment of a connection asks of IP.
pub(crate) fn fields(settings: &Settings) -> IpFields {
    IpFields {
        dscp: settings.dscp,
        ttl: settings.ttl,
        ..IpFields::default()
    }
}
