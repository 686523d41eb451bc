use super::*;
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_secs(60);

fn key(src: u8, ident: u32) -> Key {
    Key {
        src: IpAddr::from([10, 0, 0, src]),
        dst: IpAddr::from([10, 0, 0, 1]),
        ident,
        protocol: 17,
    }
}

fn piece(key: Key, offset: usize, more: bool, payload: &[u8]) -> Piece {
    Piece {
        key,
        offset,
        more,
        header: Bytes::from_static(b"header"),
        payload: Bytes::copy_from_slice(payload),
        ecn: Ecn::NotEct,
    }
}

fn roomy() -> Reassembly {
    Reassembly::new(1 << 20, 16, TIMEOUT)
}

fn whole(outcome: Outcome) -> Option<Whole> {
    match outcome {
        Outcome::Whole(whole) => Some(whole),
        Outcome::Kept | Outcome::Refused(..) => None,
    }
}

fn reason(outcome: &Outcome) -> Option<DropReason> {
    match outcome {
        Outcome::Refused(reason, _) => Some(*reason),
        Outcome::Kept | Outcome::Whole(_) => None,
    }
}

/// One packet in reassembly, as simply as it can be said: which octet is where, and what is known of the length.
#[derive(Default)]
struct Octets {
    held: std::collections::BTreeMap<usize, u8>,
    taken: Vec<(usize, bool, Vec<u8>)>,
    condemned: bool,
}

/// What the model says of a fragment.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Kept,
    Whole(Vec<u8>),
    Refused(DropReason),
}

impl Octets {
    fn insert(&mut self, offset: usize, more: bool, payload: &[u8]) -> Said {
        // RFC 791 3.1, RFC 8200 4.5: all but the last in units of eight octets, and nothing is longer than 65,535.
        let end = offset + payload.len();
        if payload.is_empty() || more && !payload.len().is_multiple_of(8) || end > 65_535 {
            return Said::Refused(DropReason::FragmentMalformed);
        }
        let fragment = (offset, more, payload.to_vec());
        if self.condemned || self.taken.contains(&fragment) {
            return Said::Refused(DropReason::FragmentOverlap);
        }
        // Each fragment says how long the packet is at least, the last one how long it is.
        self.taken.push(fragment);
        let least = self
            .taken
            .iter()
            .map(|(at, more, bytes)| at + bytes.len() + usize::from(*more));
        let ends = self.taken.iter().filter(|(_, more, _)| !more);
        let lengths: Vec<_> = ends.map(|(at, _, bytes)| at + bytes.len()).collect();
        let longest = least.max().unwrap_or(0);
        let contradiction = lengths
            .iter()
            .any(|length| *length != lengths[0] || longest > *length);
        let overlap = (offset..end).any(|at| self.held.contains_key(&at));
        if contradiction || overlap {
            self.condemned = true;
            return Said::Refused(DropReason::FragmentOverlap);
        }
        self.held.extend((offset..).zip(payload.iter().copied()));
        match lengths.first() {
            Some(length) if self.held.len() == *length => {
                let whole = core::mem::take(self).held.into_values().collect();
                Said::Whole(whole)
            }
            Some(_) | None => Said::Kept,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Fragments of a short packet that meet, cover and deny each other, and some that agree.
    #[test]
    fn reassembly_is_that_of_a_map_of_octets(
        pieces in prop::collection::vec(
            (0usize..6, any::<bool>(), prop::sample::select(vec![0usize, 5, 8, 8, 8, 16, 24]), 0u8..8),
            1..16,
        ),
    ) {
        let mut ours = roomy();
        let mut model = Octets::default();
        for (unit, more, len, other) in pieces {
            let offset = unit * 8;
            // Mostly what belongs there, so that duplicates are exact; seldom something else.
            let payload: Vec<u8> = (offset..offset + len)
                .map(|at| u8::try_from(at).unwrap() ^ u8::from(other == 0) << 7)
                .collect();
            let said = match ours.insert(Instant::ZERO, piece(key(2, 1), offset, more, &payload)) {
                Outcome::Kept => Said::Kept,
                Outcome::Whole(whole) => Said::Whole(whole.payload.to_vec()),
                Outcome::Refused(reason, _) => Said::Refused(reason),
            };
            prop_assert_eq!(said, model.insert(offset, more, &payload));
        }
    }
}

proptest! {
    /// Any order, with duplicates: the packet is whole exactly when its last missing piece arrives.
    #[test]
    fn pieces_in_any_order_make_the_packet(
        data in prop::collection::vec(any::<u8>(), 1..2000),
        unit in 1usize..20,
        order in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let size = unit * 8;
        let mut pieces: Vec<_> = data.chunks(size).enumerate().map(|(n, chunk)| {
            let offset = n * size;
            piece(key(2, 1), offset, offset + chunk.len() < data.len(), chunk)
        }).collect();
        let count = pieces.len();
        // A cheap shuffle, and one duplicate before the end.
        let mut state = seed | 1;
        for at in (1..count).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            pieces.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let last = pieces.pop().unwrap();
        if !pieces.is_empty() {
            let twice = pieces[order.index(pieces.len())].clone();
            pieces.push(twice);
        }
        let mut reassembly = roomy();
        for piece in pieces {
            prop_assert!(whole(reassembly.insert(Instant::ZERO, piece)).is_none());
        }
        let whole = whole(reassembly.insert(Instant::ZERO, last)).unwrap();
        prop_assert_eq!(&whole.payload[..], &data[..]);
        prop_assert_eq!(reassembly.used, 0);
        prop_assert_eq!(reassembly.next_deadline(), None);
    }

    /// Hostile pieces: memory never exceeds its bound, and what comes out is no longer than allowed.
    #[test]
    fn memory_stays_bounded_under_arbitrary_pieces(
        pieces in prop::collection::vec((0u8..4, 0u32..4, 0usize..40, any::<bool>(), 0usize..200), 0..300)
    ) {
        let mut reassembly = Reassembly::new(4000, 5, TIMEOUT);
        for (src, ident, unit, more, len) in pieces {
            let _ = reassembly.insert(Instant::ZERO, piece(key(src, ident), unit * 8, more, &vec![7; len]));
            prop_assert!(reassembly.used <= 4000);
            prop_assert!(reassembly.partials.len() <= 5);
            prop_assert_eq!(reassembly.used, reassembly.partials.iter().map(Partial::cost).sum::<usize>());
        }
    }
}

#[test]
fn overlapping_fragment_condemns_the_packet_and_all_that_follow() {
    let mut reassembly = roomy();
    let _ = reassembly.insert(Instant::ZERO, piece(key(2, 1), 0, true, &[1; 16]));
    let overlap = reassembly.insert(Instant::ZERO, piece(key(2, 1), 8, true, &[2; 16]));
    assert_eq!(reason(&overlap), Some(DropReason::FragmentOverlap));
    let rest = reassembly.insert(Instant::ZERO, piece(key(2, 1), 16, false, &[1; 8]));
    assert_eq!(reason(&rest), Some(DropReason::FragmentOverlap));
    // Teardrop: a fragment inside another.
    let _ = reassembly.insert(Instant::ZERO, piece(key(2, 2), 0, true, &[1; 40]));
    let inside = reassembly.insert(Instant::ZERO, piece(key(2, 2), 8, true, &[1; 8]));
    assert_eq!(reason(&inside), Some(DropReason::FragmentOverlap));
}

#[test]
fn second_end_or_data_behind_the_end_condemns_the_packet() {
    for (offset, more) in [(16, false), (24, true), (32, false)] {
        let mut reassembly = roomy();
        let _ = reassembly.insert(Instant::ZERO, piece(key(2, 1), 24, false, &[1; 4]));
        let second = reassembly.insert(Instant::ZERO, piece(key(2, 1), offset, more, &[2; 8]));
        assert_eq!(
            reason(&second),
            Some(DropReason::FragmentOverlap),
            "{offset}"
        );
    }
}

#[test]
fn impossible_shapes_are_malformed() {
    let mut reassembly = roomy();
    for (offset, more, len) in [(0, true, 9), (8, false, 0), (65_528, true, 8)] {
        let outcome =
            reassembly.insert(Instant::ZERO, piece(key(2, 1), offset, more, &vec![0; len]));
        assert_eq!(
            reason(&outcome),
            Some(DropReason::FragmentMalformed),
            "{offset} {len}"
        );
    }
    assert_eq!(reassembly.used, 0);
}

#[test]
fn flood_from_one_source_displaces_itself_not_others() {
    let mut reassembly = Reassembly::new(10_000, 64, TIMEOUT);
    let honest = key(9, 1);
    let _ = reassembly.insert(Instant::ZERO, piece(honest, 0, true, &[1; 800]));
    for ident in 0..1000 {
        let _ = reassembly.insert(Instant::ZERO, piece(key(2, ident), 0, true, &[0; 800]));
    }
    let last = reassembly.insert(Instant::ZERO, piece(honest, 800, false, &[1; 10]));
    assert_eq!(whole(last).unwrap().payload.len(), 810);
    // A packet of one piece costs 800 + 64 + 192 bytes: there is room for nine, of which the flood has eight.
    let [late, displaced] = reassembly.take_given_up();
    assert_eq!(late, (DropReason::FragmentTimeout, 0));
    assert_eq!(displaced, (DropReason::FragmentMemory, 992));
    assert_eq!(reassembly.take_given_up()[1].1, 0, "each is told once");
}

#[test]
fn packet_not_whole_in_time_is_given_up_with_its_first_fragment() {
    let mut reassembly = roomy();
    let _ = reassembly.insert(Instant::from_secs(1), piece(key(2, 1), 0, true, &[1; 8]));
    let _ = reassembly.insert(Instant::from_secs(2), piece(key(2, 2), 8, true, &[1; 8]));
    assert_eq!(reassembly.next_deadline(), Some(Instant::from_secs(61)));
    assert!(reassembly.expire(Instant::from_secs(60)).is_none());
    assert!(
        reassembly
            .expire(Instant::from_secs(62))
            .unwrap()
            .first
            .is_some()
    );
    assert!(
        reassembly
            .expire(Instant::from_secs(62))
            .unwrap()
            .first
            .is_none()
    );
    assert_eq!(reassembly.used, 0);
    let told = reassembly.take_given_up();
    assert_eq!(told[0], (DropReason::FragmentTimeout, 2));
}

#[test]
fn congestion_marks_are_combined_as_rfc_3168_says() {
    let table = [
        ([Ecn::Ect0, Ecn::Ect0], Some(Ecn::Ect0)),
        ([Ecn::Ect0, Ecn::Ce], Some(Ecn::Ce)),
        ([Ecn::NotEct, Ecn::Ect0], Some(Ecn::NotEct)),
        ([Ecn::NotEct, Ecn::Ce], None),
    ];
    for (marks, expected) in table {
        let mut reassembly = roomy();
        let mut first = piece(key(2, 1), 0, true, &[1; 8]);
        let mut second = piece(key(2, 1), 8, false, &[1; 8]);
        [first.ecn, second.ecn] = marks;
        let _ = reassembly.insert(Instant::ZERO, first);
        let outcome = reassembly.insert(Instant::ZERO, second);
        assert_eq!(whole(outcome).map(|whole| whole.ecn), expected, "{marks:?}");
    }
}
