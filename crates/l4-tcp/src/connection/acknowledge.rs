//! What an acceptable acknowledgment changes.
//!
//! Job: take SEG.ACK, SEG.WND, the timestamps and the SACK blocks to recovery, sender and timers.
//! Owns: nothing. Does not know: whether the segment's text is any good.
//! Sources: RFC 9293 3.10.7.4 fifth (SND.UNA, SND.WL1, SND.WL2), RFC 7323 4 (round trips), RFC 2018.

use core::time::Duration;

use outcrop_base::{FactKind, Instant};

use super::segment_arrives::Incoming;
use super::{Connection, Cx};
use crate::budget::Pressure;
use crate::congestion::{CongestionEvent, CongestionKind, Rate};
use crate::ecn::Heard;
use crate::params;
use crate::recovery::{AckInput, AckOutcome, Lost};
use crate::segment::{MAX_SACK_BLOCKS, StreamRange, Timestamps};

impl Connection {
    /// Takes what the acknowledgment says; returns whether our FIN is acknowledged by it.
    pub(super) fn acknowledge(&mut self, seg: &Incoming<'_>, cx: &mut Cx<'_>) -> bool {
        let now = seg.a.at;
        let una_before = self.send.una();
        let marked = self.hear_marks(seg);
        let window_changed = self.update_window(seg);
        let (blocks, count) = self.sack_ranges(seg);
        let outcome = self.recovery.on_ack(
            &AckInput {
                now,
                una: seg.ack,
                sack: blocks.get(..count).unwrap_or_default(),
                echo: self.echo(seg),
                pure: seg.len == 0 && !window_changed,
                marked,
                counted: self.terms.ecn.is_accurate(),
            },
            &mut *self.way.congestion,
        );
        self.count(now, marked, &outcome);
        let _probe = self.hear_size_fate(now, cx);
        if outcome.reduced {
            self.ecn.on_reduced();
        }
        if outcome.hold {
            self.way.pacer.hold(now + self.recovery.rtt().rto());
        }
        let freed = self.send.on_ack(seg.ack);
        if self.settings.probe_after_answer && self.send.window() == 0 {
            let rto = self.recovery.rtt().rto();
            self.send.persist_mut().on_answer(now, rto);
        }
        let grown = self.tune_send_buffer();
        if freed.bytes > 0 || grown {
            self.tell_writable();
        }
        // A peer that answers is alive: with a closed window no other progress is possible (MUST-37).
        // Where nobody waits for it any more, that is no reason to go on for ever.
        let patient = self.send.window() == 0 && self.life.held;
        if self.send.una() > una_before {
            self.way.doubt = None;
        }
        if self.send.una() > una_before || patient {
            self.renew_user_timeout(now);
        }
        self.tell(&outcome, cx);
        freed.fin
    }

    /// Room for twice the congestion window: one under way, one being written. Returns whether there is more.
    fn tune_send_buffer(&mut self) -> bool {
        let growing = self.recv.pressure() == Pressure::Easy;
        let Some(max) = self.settings.send_buffer_max.filter(|_| growing) else {
            return false;
        };
        let wanted = (2 * self.way.congestion.cwnd()).min(u64::from(max));
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let grows = wanted > self.send.buffer().capacity();
        if grows {
            self.send.buffer_mut().set_capacity(wanted);
        }
        grows
    }

    /// How many of our packets it reports as marked. One that others have overtaken says nothing new (RFC 9768 A.1).
    fn hear_marks(&mut self, seg: &Incoming<'_>) -> u64 {
        let (wl1, wl2) = self.window_from;
        let old = seg.ack < self.send.una() || wl1 > seg.seq || wl1 == seg.seq && wl2 > seg.ack;
        let stamp = seg.header.options.timestamps;
        let older = |stamp: Timestamps| Timestamps::distance(stamp.val, self.clock.recent) < 0;
        let counted = self.terms.ecn.is_accurate();
        if counted && (old || stamp.is_some_and(older)) {
            return 0;
        }
        let mss = u64::from(self.way.mss);
        let news = seg.ack - self.send.una().min(seg.ack);
        self.ecn.on_ack(&Heard {
            flags: seg.header.flags,
            option: seg.header.options.accurate,
            pure: seg.len == 0 && seg.header.options.sack.is_empty(),
            // A division that only counts need.
            segments: if counted { news.div_ceil(mss) } else { 0 },
            mss,
        })
    }

    fn count(&mut self, now: Instant, marked: u64, outcome: &AckOutcome) {
        let totals = &mut self.account.totals;
        totals.echoes_in += u32::try_from(marked).unwrap_or(u32::MAX);
        totals.recoveries += u32::from(outcome.entered);
        totals.spurious += u32::from(outcome.spurious.is_some());
        totals.duplicates_reported += u32::from(outcome.duplicate_reported);
        totals.reorderings += outcome.reorderings;
        if let Some(sample) = outcome.rate {
            totals.delivery_rate = Some(Rate(sample.bytes_per_second()));
            totals.delivery_app_limited = sample.app_limited;
        }
        if outcome.recovered || outcome.spurious.is_some() {
            self.account.on_repaired(now);
        }
    }

    /// The window is taken from the newest segment only (SND.WL1, SND.WL2); returns whether it changed.
    fn update_window(&mut self, seg: &Incoming<'_>) -> bool {
        let (wl1, wl2) = self.window_from;
        let newer = wl1 < seg.seq || wl1 == seg.seq && wl2 <= seg.ack;
        if seg.ack < self.send.una() || !newer {
            return false;
        }
        self.window_from = (seg.seq, seg.ack);
        let window = u64::from(seg.header.wnd) << self.terms.snd_shift;
        let before = self.send.window();
        self.send.on_window(seg.ack, window);
        before != window
    }

    /// When the segment left whose timestamp this one echoes (RFC 7323 4.1), to the millisecond.
    fn echo(&self, seg: &Incoming<'_>) -> Option<Instant> {
        let theirs = seg
            .header
            .options
            .timestamps
            .filter(|_| self.terms.timestamps)?;
        let age = Timestamps::distance(self.timestamp(seg.a.at), theirs.ecr);
        let age = u64::try_from(age).ok()?;
        let sent = seg.a.at.as_millis().checked_sub(age)?;
        Some(Instant::from_millis(sent))
    }

    /// The SACK blocks as ranges of our stream; what cannot be one is left out.
    fn sack_ranges(&self, seg: &Incoming<'_>) -> ([StreamRange; MAX_SACK_BLOCKS], usize) {
        let mut ranges = [StreamRange::default(); MAX_SACK_BLOCKS];
        let mut count = 0;
        if !self.terms.sack {
            return (ranges, 0);
        }
        let near = self.send.una();
        for block in seg.header.options.sack.as_slice() {
            let left = self.snd_space.offset(block.left, near);
            let right = self.snd_space.offset(block.right, near);
            if let (Some(left), Some(right)) = (left, right)
                && left < right
                && right <= self.send.nxt()
                && let Some(slot) = ranges.get_mut(count)
            {
                *slot = StreamRange::new(left, right);
                count += 1;
            }
        }
        (ranges, count)
    }

    /// States what the acknowledgment showed.
    fn tell(&self, outcome: &AckOutcome, cx: &mut Cx<'_>) {
        if let Some(sample) = outcome.rtt.filter(|_| cx.facts.enabled()) {
            self.tell_round_trip(sample, cx);
        }
        if let Some(lost) = outcome.lost {
            tell_lost(&lost, cx);
        }
        if let Some(evidence) = outcome.spurious {
            cx.emit(FactKind::Spurious {
                how: evidence.name(),
            });
        }
        let phase = match (outcome.entered, outcome.recovered) {
            (true, _) => "recovery",
            (false, true) => "recovered",
            (false, false) if outcome.spurious.is_some() => "undo",
            (false, false) => return,
        };
        self.tell_congestion(phase, cx);
    }

    fn tell_round_trip(&self, sample: Duration, cx: &mut Cx<'_>) {
        let rtt = self.recovery.rtt();
        cx.emit(FactKind::Rtt {
            sample,
            srtt: rtt.srtt().unwrap_or(sample),
            rto: rtt.rto(),
        });
    }

    /// States the controller's window after more than growth.
    pub(super) fn tell_congestion(&self, phase: &'static str, cx: &mut Cx<'_>) {
        cx.emit(FactKind::Congestion {
            cwnd: self.recovery.cwnd(&*self.way.congestion),
            ssthresh: self.way.congestion.ssthresh(),
            phase,
        });
    }

    /// The first round trip is the handshake's. Where the SYN had to be repeated: RFC 6298 5.7, and where once more
    /// was not enough, one segment to begin with (RFC 5681 3.1 as RFC 6928 2 has it).
    pub(super) fn take_handshake_round_trip(
        &mut self,
        at: Instant,
        sample: Option<Duration>,
        syn_repeats: u8,
    ) {
        if syn_repeats > 1 {
            self.way.congestion.on_congestion(&CongestionEvent {
                now: at,
                kind: CongestionKind::TimeoutAgain,
                flight: 0,
            });
        }
        let rtt = self.recovery.rtt_mut();
        if let Some(sample) = sample {
            rtt.on_sample(at, sample, 1);
            self.way.congestion.on_handshake(sample);
        } else if syn_repeats > 0 {
            rtt.set_initial(params::RTO_AFTER_SYN_LOSS);
        }
    }
}

/// States a loss.
pub(super) fn tell_lost(lost: &Lost, cx: &mut Cx<'_>) {
    cx.emit(FactKind::Lost {
        start: lost.hull.start,
        len: lost.bytes,
        how: lost.how,
    });
}
