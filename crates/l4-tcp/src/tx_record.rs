//! What was sent, range by range.
//!
//! Job: keep one record for each transmitted range between SND.UNA and SND.NXT: when it left, how often, what is
//! known of its fate, and the delivery counters of that moment. Owns: the records and the byte counts of each fate.
//! Does not know: why something is lost, or where the bytes are.
//! A record covers what left in one plan (a super-segment is one), and is split where an acknowledgment says
//! more about one part than about another.
//! Sources: RFC 6675 2 (the scoreboard), RFC 8985 5.1 (per-segment times), draft-ietf-ccwg-bbr 4.1 (per-packet counters).

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};

use outcrop_base::Instant;

use crate::segment::StreamRange;

/// What is known of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Under way, as far as we know.
    InFlight,
    /// Declared lost, not yet sent again.
    Lost,
    /// The peer says it holds it.
    Sacked,
}

/// The connection's delivery counters at the moment of a transmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryStamp {
    /// Bytes delivered so far on this connection.
    pub delivered: u64,
    /// When the latest of them was.
    pub delivered_at: Instant,
    /// When the first transmission of the flight this one belongs to left.
    pub first_sent_at: Instant,
    /// Bytes under way, this transmission included.
    pub in_flight: u64,
    /// Bytes declared lost so far on this connection.
    pub lost: u64,
    /// Whether the program was what limited the sending.
    pub app_limited: bool,
}

/// One transmitted range.
#[derive(Clone, Copy, Debug)]
pub struct TxRecord {
    /// What it covers; a FIN is its last offset.
    pub range: StreamRange,
    /// When it last left.
    pub sent_at: Instant,
    /// When it first left.
    pub first_sent_at: Instant,
    /// The number of its last transmission, counted over the connection: decides ties in time.
    pub order: u64,
    /// How often it left.
    pub transmissions: u8,
    /// What is known of it.
    pub fate: Fate,
    /// The delivery counters when it last left.
    pub stamp: DeliveryStamp,
}

impl TxRecord {
    /// Whether it was sent more than once: its acknowledgment is ambiguous (RFC 6298 3).
    #[must_use]
    pub const fn retransmitted(&self) -> bool {
        self.transmissions > 1
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.range.len()
    }

    /// Whether it covers nothing; no record kept does.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

/// The records of everything outstanding, in stream order, without gaps.
// Invariant: each record begins where the one before ends; none is empty.
// Invariant: in_flight, lost and sacked are the sums of their records' lengths.
// Invariant: no record that begins before `lost_from` is lost.
#[derive(Clone, Debug, Default)]
pub struct TxRecords {
    records: VecDeque<TxRecord>,
    una: u64,
    in_flight: u64,
    lost: u64,
    sacked: u64,
    lost_from: u64,
}

impl TxRecords {
    /// No record, at offset zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No record, everything before `una` acknowledged.
    pub(crate) fn acknowledged(una: u64) -> Self {
        Self {
            una,
            ..Self::default()
        }
    }

    /// The first offset not acknowledged.
    #[must_use]
    pub const fn una(&self) -> u64 {
        self.una
    }

    /// The offset after everything sent.
    #[must_use]
    pub fn nxt(&self) -> u64 {
        self.una + self.outstanding()
    }

    /// Bytes sent and not acknowledged in order.
    #[must_use]
    pub const fn outstanding(&self) -> u64 {
        self.in_flight + self.lost + self.sacked
    }

    /// Bytes under way.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Bytes declared lost and not yet sent again.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes selectively acknowledged.
    #[must_use]
    pub const fn sacked(&self) -> u64 {
        self.sacked
    }

    /// How many records there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// The records, in stream order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &TxRecord> {
        self.records.iter()
    }

    /// The record of the first outstanding byte.
    #[must_use]
    pub fn first(&self) -> Option<&TxRecord> {
        self.records.front()
    }

    /// The record of the last outstanding byte.
    #[must_use]
    pub fn last(&self) -> Option<&TxRecord> {
        self.records.back()
    }

    /// The records that overlap `range`, in stream order.
    pub fn overlapping(&self, range: StreamRange) -> impl Iterator<Item = &TxRecord> {
        let from = self.index_of(range.start);
        self.records
            .range(from..)
            .take_while(move |record| record.range.start < range.end)
    }

    /// The first lost range, as one record holds it.
    #[must_use]
    pub fn next_lost(&self) -> Option<StreamRange> {
        if self.lost == 0 {
            return None;
        }
        let from = self.index_of(self.lost_from);
        self.records
            .range(from..)
            .find(|record| record.fate == Fate::Lost)
            .map(|record| record.range)
    }

    /// Records that `range` left: at the end of what is outstanding, or again within it.
    ///
    /// Bytes of it already acknowledged are ignored. A selectively acknowledged part keeps its fate.
    pub fn on_sent(&mut self, range: StreamRange, at: Instant, order: u64, stamp: DeliveryStamp) {
        let nxt = self.nxt();
        let again = range.intersection(StreamRange::new(self.una, nxt));
        if !again.is_empty() {
            self.resend(again, at, order, stamp);
        }
        let new = StreamRange::new(range.start.max(nxt), range.end);
        if !new.is_empty() {
            self.in_flight += new.len();
            self.records.push_back(TxRecord {
                range: new,
                sent_at: at,
                first_sent_at: at,
                order,
                transmissions: 1,
                fate: Fate::InFlight,
                stamp,
            });
        }
    }

    fn resend(&mut self, range: StreamRange, at: Instant, order: u64, stamp: DeliveryStamp) {
        self.update(range, |record| {
            record.transmissions = record.transmissions.saturating_add(1);
            record.sent_at = at;
            record.order = order;
            record.stamp = stamp;
            match record.fate {
                Fate::Lost | Fate::InFlight => Fate::InFlight,
                Fate::Sacked => Fate::Sacked,
            }
        });
    }

    /// Removes everything before `una`, calling `each` for every part removed.
    pub fn on_ack(&mut self, una: u64, mut each: impl FnMut(&TxRecord)) {
        let una = una.min(self.nxt());
        while let Some(first) = self.records.front_mut()
            && first.range.start < una
        {
            let mut part = *first;
            part.range = first.range.intersection(StreamRange::new(0, una));
            first.range.start = part.range.end;
            let done = first.is_empty();
            *self.count_of(part.fate) -= part.len();
            each(&part);
            if done {
                self.records.pop_front();
            }
        }
        self.una = self.una.max(una);
    }

    /// Marks `range` as selectively acknowledged, calling `each` for every part that was not before.
    pub fn on_sacked(&mut self, range: StreamRange, mut each: impl FnMut(&TxRecord)) {
        self.update(range, |record| {
            if record.fate != Fate::Sacked {
                each(record);
            }
            Fate::Sacked
        });
    }

    /// Declares lost what of `range` is under way; returns how many bytes were.
    pub fn on_lost(&mut self, range: StreamRange) -> u64 {
        let before = self.lost;
        self.update(range, |record| match record.fate {
            Fate::InFlight | Fate::Lost => Fate::Lost,
            Fate::Sacked => Fate::Sacked,
        });
        self.lost - before
    }

    /// Takes back every loss declared: it was a mistake, the bytes are under way.
    pub fn forget_lost(&mut self) {
        self.update(self.all(), |record| match record.fate {
            Fate::InFlight | Fate::Lost => Fate::InFlight,
            Fate::Sacked => Fate::Sacked,
        });
    }

    /// Takes back every selective acknowledgment: the peer has let go of the bytes (RFC 2018 8).
    pub fn forget_sacked(&mut self) {
        self.update(self.all(), |record| match record.fate {
            Fate::InFlight | Fate::Sacked => Fate::InFlight,
            Fate::Lost => Fate::Lost,
        });
    }

    fn all(&self) -> StreamRange {
        StreamRange::new(self.una, self.nxt())
    }

    /// Gives every record of `range` (split to fit it) a new fate.
    fn update(&mut self, range: StreamRange, mut fate_of: impl FnMut(&mut TxRecord) -> Fate) {
        let range = range.intersection(self.all());
        if range.is_empty() {
            return;
        }
        let mut index = self.split_at(range.start);
        while let Some(record) = self.records.get(index)
            && record.range.start < range.end
        {
            if record.range.end > range.end {
                // Only split when something changes: a repeated SACK block costs nothing.
                self.split_at(range.end);
            }
            let Some(record) = self.records.get_mut(index) else {
                break;
            };
            let old = record.fate;
            let new = fate_of(record);
            record.fate = new;
            let (len, start) = (record.len(), record.range.start);
            *self.count_of(old) -= len;
            *self.count_of(new) += len;
            if new == Fate::Lost {
                self.lost_from = self.lost_from.min(start);
            }
            index += 1;
        }
        self.advance_lost_from();
    }

    /// Moves the hint past everything that is not lost.
    fn advance_lost_from(&mut self) {
        self.lost_from = match self.next_lost() {
            Some(range) => range.start,
            None => u64::MAX,
        };
    }

    fn count_of(&mut self, fate: Fate) -> &mut u64 {
        match fate {
            Fate::InFlight => &mut self.in_flight,
            Fate::Lost => &mut self.lost,
            Fate::Sacked => &mut self.sacked,
        }
    }

    /// The index of the record that holds `offset`, or of the first after it.
    fn index_of(&self, offset: u64) -> usize {
        self.records
            .partition_point(|record| record.range.end <= offset)
    }

    /// Makes a record begin at `offset`; returns its index.
    fn split_at(&mut self, offset: u64) -> usize {
        let index = self.index_of(offset);
        let Some(record) = self.records.get_mut(index) else {
            return index;
        };
        if record.range.start >= offset {
            return index;
        }
        let mut second = *record;
        record.range.end = offset;
        second.range.start = offset;
        self.records.insert(index + 1, second);
        index + 1
    }

    /// Panics if an invariant does not hold.
    #[doc(hidden)]
    pub fn check(&self) {
        let mut at = self.una;
        let mut sums = [0; 3];
        for record in &self.records {
            assert_eq!(record.range.start, at, "records have a gap");
            assert!(!record.is_empty(), "empty record");
            at = record.range.end;
            let [in_flight, lost, sacked] = &mut sums;
            match record.fate {
                Fate::InFlight => *in_flight += record.len(),
                Fate::Lost => {
                    assert!(record.range.start >= self.lost_from, "hint too late");
                    *lost += record.len();
                }
                Fate::Sacked => *sacked += record.len(),
            }
        }
        assert_eq!(sums, [self.in_flight, self.lost, self.sacked]);
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.una.hash(&mut into);
        for record in &self.records {
            let (range, fate) = (record.range, record.fate);
            (range, fate, record.transmissions, now - record.sent_at).hash(&mut into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: DeliveryStamp = DeliveryStamp {
        delivered: 0,
        delivered_at: Instant::ZERO,
        first_sent_at: Instant::ZERO,
        in_flight: 0,
        lost: 0,
        app_limited: false,
    };

    #[derive(Clone, Debug)]
    enum Step {
        Send(u64),
        Resend(u64, u64),
        Ack(u64),
        Sack(u64, u64),
        Lose(u64, u64),
        ForgetLost,
        ForgetSacked,
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = || (0u64..120, 1u64..30);
        prop_oneof![
            4 => (1u64..30).prop_map(Step::Send),
            2 => at().prop_map(|(at, len)| Step::Resend(at, len)),
            2 => (0u64..40).prop_map(Step::Ack),
            3 => at().prop_map(|(at, len)| Step::Sack(at, len)),
            3 => at().prop_map(|(at, len)| Step::Lose(at, len)),
            1 => Just(Step::ForgetLost),
            1 => Just(Step::ForgetSacked),
        ]
    }

    /// The model: one (fate, transmissions) for each outstanding byte.
    #[derive(Default)]
    struct Model {
        una: u64,
        bytes: Vec<(Fate, u8)>,
    }

    impl Model {
        fn each(&mut self, range: StreamRange, mut f: impl FnMut(&mut (Fate, u8))) {
            let una = self.una;
            for (at, byte) in (una..).zip(&mut self.bytes) {
                if range.contains(at) {
                    f(byte);
                }
            }
        }

        fn apply(&mut self, step: &Step, range: StreamRange) {
            match *step {
                Step::Send(len) => self.bytes.extend((0..len).map(|_| (Fate::InFlight, 1))),
                Step::Resend(..) => self.each(range, |(fate, sent)| {
                    *sent += 1;
                    if *fate == Fate::Lost {
                        *fate = Fate::InFlight;
                    }
                }),
                Step::Ack(_) => {
                    let count = usize::try_from(range.start - self.una).unwrap();
                    self.bytes.drain(..count);
                    self.una = range.start;
                }
                Step::Sack(..) => self.each(range, |(fate, _)| *fate = Fate::Sacked),
                Step::Lose(..) => self.swap(range, Fate::InFlight, Fate::Lost),
                Step::ForgetLost => self.swap(range, Fate::Lost, Fate::InFlight),
                Step::ForgetSacked => self.swap(range, Fate::Sacked, Fate::InFlight),
            }
        }

        fn swap(&mut self, range: StreamRange, from: Fate, to: Fate) {
            self.each(range, |(fate, _)| {
                if *fate == from {
                    *fate = to;
                }
            });
        }
    }

    proptest! {
        /// Against the plain model: a fate for each byte.
        #[test]
        fn records_agree_with_a_fate_for_each_byte(steps in prop::collection::vec(step(), 1..80)) {
            let (mut records, mut model) = (TxRecords::new(), Model::default());
            for (order, step) in steps.into_iter().enumerate() {
                let (una, nxt) = (records.una(), records.nxt());
                let all = StreamRange::new(una, nxt);
                let part = |at: u64, len: u64| StreamRange::new(una + at, una + at + len);
                let range = match step {
                    Step::Send(len) => StreamRange::new(nxt, nxt + len),
                    Step::Resend(at, len) => part(at, len).intersection(all),
                    Step::Sack(at, len) | Step::Lose(at, len) => part(at, len),
                    Step::Ack(len) => StreamRange::empty((una + len).min(nxt)),
                    Step::ForgetLost | Step::ForgetSacked => all,
                };
                match step {
                    Step::Send(_) | Step::Resend(..) if !range.is_empty() => {
                        records.on_sent(range, Instant::ZERO, order as u64, STAMP);
                    }
                    Step::Send(_) | Step::Resend(..) => {}
                    Step::Ack(_) => records.on_ack(range.start, |_| {}),
                    Step::Sack(..) => records.on_sacked(range, |_| {}),
                    Step::Lose(..) => {
                        records.on_lost(range);
                    }
                    Step::ForgetLost => records.forget_lost(),
                    Step::ForgetSacked => records.forget_sacked(),
                }
                model.apply(&step, range);
                records.check();
                let expanded: Vec<_> = records
                    .iter()
                    .flat_map(|r| (0..r.len()).map(|_| (r.fate, r.transmissions)))
                    .collect();
                prop_assert_eq!(&expanded, &model.bytes);
                let lost = model.bytes.iter().position(|(fate, _)| *fate == Fate::Lost);
                let lost = lost.map(|at| model.una + at as u64);
                prop_assert_eq!(records.next_lost().map(|r| r.start), lost);
            }
        }
    }
}
