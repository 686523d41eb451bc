//! Probing for the path's MTU.
//!
//! Job: lend the search its data: make a probe of what waits to be sent, tell the search what became of it, and make
//! segments fit what it found. Owns: nothing. Does not know: which sizes are worth trying; `plpmtud` does.
//! Sources: RFC 4821 7.4 (when a probe may leave), 7.7 (black holes), 10.1 (probes made of data); RFC 9293 3.7.1.

use outcrop_base::{Cause, FactKind, Flow, Instant, Limit, Note, TimerKind, Why};

use super::output::{Kind, Plan};
use super::{Connection, Cx, effective_mss};
use crate::handshake::negotiate::header_len;
use crate::params;
use crate::plpmtud::{PathProbing, Search, SizeFate};
use crate::recovery::Phase;
use crate::segment::StreamRange;
use crate::send::{Limits, NewData};

/// Whether a probe leaves.
pub(super) enum Stage {
    /// Not now.
    None,
    /// As soon as acknowledgments have made room for it: new data waits.
    Waiting,
    /// Now: the packet's size, and its data.
    Ready(u32, NewData),
}

impl Connection {
    /// A connection that always searches begins with a size that nearly every path takes.
    pub(super) fn begin_search(&mut self, now: Instant, flow: &Flow) {
        if self.settings.path_probing != PathProbing::Always {
            return;
        }
        let search = Search::new(now, flow.remote.is_ipv6(), self.ceiling(flow));
        self.way.search = Some(Box::new(search));
        self.way.mss = self.fitting_mss(flow);
        let mss = u32::from(self.way.mss);
        self.recovery.set_mss(mss);
        self.way.congestion.on_mss_change(mss);
    }

    /// The largest packet anybody could want: the path's, or what peer and program take.
    fn ceiling(&self, flow: &Flow) -> u32 {
        let ours = self.settings.mss.unwrap_or(u16::MAX);
        let segment = u32::from(self.terms.peer_mss.min(ours));
        let packet = segment + header_len(flow.remote.ip());
        packet.min(self.way.path.mtu)
    }

    /// Payload bytes of a full segment, by all that is known.
    fn fitting_mss(&self, flow: &Flow) -> u16 {
        let found = self.way.search.as_ref().map(|search| search.size());
        self.mss_of(found.unwrap_or(u32::MAX).min(self.way.path.mtu), flow)
    }

    /// Payload bytes of a segment in a packet of `size`.
    fn mss_of(&self, size: u32, flow: &Flow) -> u16 {
        let mut path = self.way.path;
        path.mtu = size;
        effective_mss(&self.terms, &path, &self.settings, flow)
    }

    /// Makes segments fit what is known now; states the change.
    pub(super) fn fit_segments(&mut self, cx: &mut Cx<'_>) {
        let (from, to) = (self.way.mss, self.fitting_mss(cx.flow));
        if from == to {
            return;
        }
        let overhead = header_len(cx.flow.remote.ip()) + self.option_len();
        cx.emit(FactKind::Mtu {
            from: u32::from(from) + overhead,
            to: u32::from(to) + overhead,
        });
        self.way.mss = to;
        self.recovery.set_mss(u32::from(to));
        self.way.congestion.on_mss_change(u32::from(to));
    }

    /// A probe larger than `mtu` is none any more; returns its bytes.
    pub(super) fn forget_probe_above(&mut self, mtu: u32) -> Option<StreamRange> {
        let search = self.way.search.as_deref_mut()?;
        let before = search.under_way();
        search.on_limit(mtu);
        let gone = before.filter(|_| search.under_way().is_none())?;
        self.recovery.forget_size_probe();
        Some(gone)
    }

    /// RFC 4821 7.4: no probe while anything is amiss, and none that could not be missed: enough must follow it for
    /// its loss to show without a timeout. One segment is enough for RACK, three it takes without SACK.
    #[inline]
    pub(super) fn stage(&self, now: Instant, flow: &Flow) -> Stage {
        match self.way.search.as_deref() {
            Some(search) => self.stage_of(now, flow, search),
            None => Stage::None,
        }
    }

    fn stage_of(&self, now: Instant, flow: &Flow, search: &Search) -> Stage {
        let records = self.recovery.records();
        let amiss = self.recovery.phase() != Phase::Open
            || records.lost() > 0
            || records.sacked() > 0
            || self.recovery.timeouts() > 0
            || self.recv.has_sack()
            || u64::from(self.room_for_data()) < u64::from(self.way.mss)
            || self.urgent.pointer(self.send.una()).is_some();
        let size = search.wanted(now, self.ceiling(flow));
        let Some(size) = size.filter(|_| !amiss) else {
            return Stage::None;
        };
        let len = u64::from(self.mss_of(size, flow));
        let behind = if self.terms.sack {
            1
        } else {
            u64::from(params::DUP_THRESH)
        };
        let needed = len + behind * u64::from(self.way.mss);
        let outstanding = self.send.nxt() - self.send.una();
        let usable = self.send.window().saturating_sub(outstanding);
        let unsent = self.send.buffer().unsent();
        let cwnd = self.recovery.cwnd(&*self.way.congestion);
        if len <= u64::from(self.way.mss) || unsent.min(usable).min(cwnd) < needed {
            return Stage::None;
        }
        let segment = u32::try_from(len).unwrap_or(u32::MAX);
        let plan = self.send.plan(&Limits {
            mss: segment,
            max_len: segment,
            allowance: self.recovery.allowance(&*self.way.congestion),
            nagle: false,
            cork: false,
        });
        match plan {
            Ok(new) if new.data.len() == len => Stage::Ready(size, new),
            Err(Limit::Cwnd) if outstanding > 0 => Stage::Waiting,
            Ok(_) | Err(_) => Stage::None,
        }
    }

    /// One segment of new data, larger than those known to pass.
    pub(super) fn plan_size_probe(&self, now: Instant, flow: &Flow) -> Option<Plan> {
        if self.way.search.is_none() || self.way.pacer.wait_until(now).is_some() {
            return None;
        }
        let Stage::Ready(size, new) = self.stage(now, flow) else {
            return None;
        };
        let cause = Cause::Timer(TimerKind::PathMtu);
        let note = Note::new(Why::PathMtuProbe, new.limit, cause);
        let plan = self.of_new_data(&new, note);
        Some(plan.as_kind(Kind::SizeProbe(size)))
    }

    /// A probe of `size` left.
    pub(super) fn on_size_probe(&mut self, size: u32, range: StreamRange) {
        self.recovery.on_size_probe(range);
        if let Some(search) = self.way.search.as_deref_mut() {
            search.on_sent(size, range);
        }
    }

    /// Takes what recovery learned about a probe to the search, and returns it.
    pub(super) fn hear_size_fate(&mut self, now: Instant, cx: &mut Cx<'_>) -> Option<SizeFate> {
        let fate = self.recovery.take_size_fate()?;
        if let Some(search) = self.way.search.as_deref_mut()
            && search.on_fate(now, fate)
        {
            self.fit_segments(cx);
        }
        Some(fate)
    }

    /// The retransmission timer ran out. RFC 4821 7.7: if that happens time and again to something large, and nobody
    /// says why, its size may be the reason.
    pub(super) fn suspect_black_hole(&mut self, now: Instant, cx: &mut Cx<'_>) {
        let count = self.recovery.silent_timeouts();
        let policy = self.settings.path_probing;
        let first = self
            .recovery
            .records()
            .first()
            .map_or(0, |first| first.len());
        if policy == PathProbing::Off || count < params::BLACK_HOLE_TIMEOUTS {
            return;
        }
        // What is sent again may be less than a full segment: the peer's window may have been small.
        let sent = first.min(u64::from(self.way.mss));
        let segment = u32::try_from(sent).unwrap_or(u32::MAX) + self.option_len();
        let size = segment + header_len(cx.flow.remote.ip());
        let is_ipv6 = cx.flow.remote.is_ipv6();
        let fresh = || Box::new(Search::new(now, is_ipv6, size));
        let search = self.way.search.get_or_insert_with(fresh);
        if search.on_black_hole(now, size) {
            self.recovery.forget_size_probe();
            self.fit_segments(cx);
        }
    }

    /// Bytes of options that every segment carries.
    fn option_len(&self) -> u32 {
        u32::from(super::common_options(&self.terms))
    }
}
