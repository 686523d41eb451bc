//! The receiving half against plain models, and its stories.

use proptest::prelude::*;

use super::*;

const MSS: u32 = 1000;
const CONFIG: ReceiverConfig = ReceiverConfig {
    capacity_max: None,
    capacity: 20_000,
    scale: 0,
    promised: 20_000,
    mss: MSS,
    delayed_ack: Duration::from_millis(40),
    round_trip: None,
    ack_style: AckStyle::Adaptive,
    opens_slowly: false,
};

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// The byte at an offset of the stream that every test sends.
fn byte(offset: u64) -> u8 {
    (offset % 251) as u8
}

fn bytes(range: core::ops::Range<u64>) -> Bytes {
    range.map(byte).collect::<Vec<_>>().into()
}

/// A receiver past its quick acknowledgments.
fn settled() -> Receiver {
    let mut r = Receiver::new(&CONFIG);
    r.on_segment(at(0), 0, bytes(0..1), false);
    r.on_sent(at(0), true);
    assert_eq!(r.read().unwrap().len(), 1);
    r
}

fn segment(r: &mut Receiver, ms: u64, range: core::ops::Range<u64>) -> Received {
    r.on_segment(at(ms), range.start, bytes(range), false)
}

#[test]
fn new_connection_acknowledges_a_full_segment_at_once_and_lets_a_request_wait_for_its_answer() {
    let mut r = Receiver::new(&CONFIG);
    segment(&mut r, 0, 0..1000);
    assert_eq!(r.ack_due(at(0)), Some(Why::PureAck));
    let mut r = Receiver::new(&CONFIG);
    segment(&mut r, 0, 0..100);
    assert_eq!(r.ack_due(at(0)), None);
}

// RFC 9293 3.8.6.3: a lone segment waits, less than 500 ms; a second full one does not.
#[test]
fn lone_segment_waits_forty_milliseconds_and_a_second_full_one_does_not() {
    let mut r = settled();
    segment(&mut r, 10, 1..1001);
    assert_eq!(r.ack_due(at(10)), None);
    assert_eq!(r.deadline(), Some(at(50)));
    assert_eq!(r.ack_due(at(50)), Some(Why::DelayedAck));
    segment(&mut r, 20, 1001..2001);
    assert_eq!(r.ack_due(at(20)), Some(Why::PureAck));
    r.on_sent(at(20), false);
    assert!(!r.ack_pending());
    assert_eq!(r.last_ack_sent(), 2001);
}

#[test]
fn reply_that_leaves_in_time_takes_the_acknowledgment_along() {
    let mut r = settled();
    segment(&mut r, 10, 1..101);
    r.on_sent(at(11), true);
    assert_eq!(r.ack_due(at(1000)), None);
    assert_eq!(r.deadline(), None);
}

#[test]
fn waits_in_vain_shorten_the_delay_and_rides_lengthen_it() {
    let mut r = settled();
    segment(&mut r, 0, 1..2);
    r.on_sent(at(40), false);
    segment(&mut r, 100, 2..3);
    assert_eq!(r.deadline(), Some(at(120)));
    r.on_sent(at(110), true);
    segment(&mut r, 200, 3..4);
    assert_eq!(r.deadline(), Some(at(240)));
}

// RFC 5681 4.2.
#[test]
fn gap_is_answered_at_once_and_so_is_its_closing() {
    let mut r = settled();
    segment(&mut r, 0, 1001..2001);
    assert_eq!(r.ack_due(at(0)), Some(Why::DupAck));
    r.on_sent(at(0), false);
    let filled = segment(&mut r, 1, 1..1001);
    assert_eq!(filled.readable, 2000);
    assert_eq!(r.ack_due(at(1)), Some(Why::PureAck));
}

#[test]
fn fin_behind_a_gap_counts_once_the_gap_is_closed() {
    let mut r = Receiver::new(&CONFIG);
    let early = r.on_segment(at(0), 10, bytes(10..20), true);
    assert!(!early.finished && early.new);
    assert_eq!(
        r.sack_ranges(4, true).collect::<Vec<_>>(),
        [StreamRange::new(10, 21)]
    );
    r.on_sent(at(0), false);
    let rest = segment(&mut r, 1, 0..10);
    assert!(rest.finished);
    assert_eq!((rest.readable, r.nxt()), (20, 21));
    assert!(r.finished());
    assert_eq!(r.ack_due(at(1)), Some(Why::PureAck));
}

// A FIN needs no room: a peer that has filled the window may still finish.
#[test]
fn fin_right_at_the_edge_of_a_closed_window_is_taken() {
    let mut r = settled();
    let edge = r.edge();
    let full = r.on_segment(at(0), 1, bytes(1..edge), true);
    assert!(!full.finished, "outside the window with bytes before it");
    assert!(r.on_segment(at(0), edge, Bytes::new(), true).finished);
    assert_eq!(r.nxt(), edge + 1);
}

#[test]
fn fin_before_bytes_that_have_arrived_is_no_fin() {
    let mut r = settled();
    segment(&mut r, 0, 100..110);
    r.on_segment(at(0), 50, bytes(50..60), true);
    segment(&mut r, 0, 1..100);
    assert_eq!((r.nxt(), r.finished()), (110, false));
}

#[test]
fn bytes_after_the_fin_never_reach_the_program() {
    let mut r = Receiver::new(&CONFIG);
    r.on_segment(at(0), 0, bytes(0..5), true);
    assert_eq!(segment(&mut r, 0, 5..9), Received::default());
    assert_eq!(r.read().unwrap(), bytes(0..5));
    assert_eq!(r.read(), None);
}

// RFC 2018 4: the block that holds the segment that triggered the ACK first, then the latest others.
#[test]
fn blocks_are_told_latest_first() {
    let mut r = settled();
    for start in [3000, 9000, 6000] {
        segment(&mut r, 0, start..start + 1000);
    }
    let told: Vec<_> = r.sack_ranges(3, true).map(|b| b.start).collect();
    assert_eq!(told, [6000, 9000, 3000]);
    segment(&mut r, 0, 4000..5000);
    let told: Vec<_> = r.sack_ranges(2, true).collect();
    assert_eq!(
        told,
        [StreamRange::new(3000, 5000), StreamRange::new(6000, 7000)]
    );
}

// RFC 2883 4.1.1 and 4.2: the duplicate first, then the block that encloses it; reported once.
#[test]
fn duplicate_is_told_once_before_the_blocks() {
    let mut r = settled();
    segment(&mut r, 0, 3000..5000);
    segment(&mut r, 0, 3000..4000);
    let told: Vec<_> = r.sack_ranges(3, true).collect();
    assert_eq!(
        told,
        [StreamRange::new(3000, 4000), StreamRange::new(3000, 5000)]
    );
    r.on_sent(at(0), false);
    assert_eq!(r.sack_ranges(3, true).count(), 1);
    segment(&mut r, 0, 0..1);
    let told: Vec<_> = r.sack_ranges(1, true).collect();
    assert_eq!(told, [StreamRange::new(0, 1)]);
}

// RFC 9293 3.4: the four cases of acceptability.
#[test]
fn acceptability_follows_the_four_cases() {
    let mut r = settled();
    let edge = i64::try_from(r.edge()).unwrap();
    assert!(r.acceptable(1, 0) && r.acceptable(edge - 1, 0));
    assert!(!r.acceptable(0, 0) && !r.acceptable(edge, 0));
    assert!(r.acceptable(-1, 3) && r.acceptable(edge - 1, 10));
    assert!(!r.acceptable(0, 1) && !r.acceptable(edge, 1));
    segment(&mut r, 0, 1..u64::try_from(edge).unwrap());
    r.on_sent(at(0), false);
    assert_eq!(r.window(), 0);
    assert!(r.acceptable(edge, 0));
    assert!(!r.acceptable(edge, 1) && !r.acceptable(edge - 1, 0));
}

#[test]
fn full_buffer_closes_the_window_and_reading_announces_a_useful_opening() {
    let mut r = settled();
    let full = r.edge();
    segment(&mut r, 0, 1..full);
    r.on_sent(at(0), false);
    assert_eq!(r.window_field(), 0);
    assert_eq!(r.ack_due(at(0)), None);
    while r.read().is_some() {}
    assert_eq!(r.ack_due(at(0)), Some(Why::WindowUpdate));
    assert_eq!(r.window_field(), 20_000);
    r.on_sent(at(0), false);
    assert_eq!(r.ack_due(at(0)), None);
}

// RFC 9293 3.8.6.2.2: no opening by less than a segment (or half of a small buffer).
#[test]
fn silly_opening_is_not_announced() {
    let mut window = RecvWindow::new(20_000, 0, MSS, 20_000);
    let closed = window.plan(20_000, 20_000);
    assert_eq!(closed.field, 0);
    window.on_advertised(closed);
    assert_eq!(window.plan(20_000, 19_001).field, 0);
    assert!(!window.update_due(20_000, 19_001));
    assert_eq!(window.plan(20_000, 19_000).field, 1000);
    assert!(window.update_due(20_000, 19_000));
}

#[test]
fn lots_of_crumbs_are_refused_in_the_end_and_full_segments_never() {
    let config = ReceiverConfig {
        capacity_max: None,
        capacity: 4_000_000,
        promised: 4_000_000,
        ..CONFIG
    };
    let mut r = Receiver::new(&config);
    let crumb = |n: u64| r.on_segment(at(0), 2 * n, bytes(2 * n..2 * n + 1), false);
    let refused = (1..10_000).map(crumb).filter(|got| got.refused).count();
    let kept = 9_999 - refused;
    assert!((1024..1030).contains(&kept), "{kept}");
    r.check();
    let mut r = Receiver::new(&config);
    let full = |n: u64| r.on_segment(at(0), 536 * n, bytes(536 * n..536 * (n + 1)), false);
    assert!((1..7_000).map(full).all(|got| !got.refused));
    r.check();
}

#[test]
fn out_of_order_crumb_pins_no_large_buffer() {
    let mut r = Receiver::new(&CONFIG);
    let large = Bytes::from(vec![1; 64 * 1024]);
    r.on_segment(at(0), 10, large.slice(10..20), false);
    assert!(large.is_unique());
}

fn arrivals() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
    prop::collection::vec((0u64..400, 0u64..60, any::<bool>()), 1..120)
}

proptest! {
    /// Against the plain model: an array of bytes seen.
    #[test]
    fn any_order_of_arrival_reads_as_the_stream(arrivals in arrivals(), fin in proptest::option::of(200u64..400)) {
        let mut a = Assembler::new();
        let end = fin.unwrap_or(u64::MAX);
        let mut seen = vec![false; 1000];
        let mut read = Vec::new();
        for (start, len, take) in arrivals {
            let stop = (start + len).min(end).max(start.min(end));
            let start = start.min(end);
            let with_fin = stop == end;
            let before = a.nxt();
            let placed = a.insert(start, bytes(start..stop), with_fin);
            a.check();
            seen[start as usize..stop as usize].fill(true);
            if with_fin {
                seen[stop as usize] = true;
            }
            let model = seen.iter().position(|seen| !seen).unwrap() as u64;
            prop_assert_eq!(a.nxt(), model);
            prop_assert_eq!(placed.advanced, model - before);
            let held: Vec<u64> = a.held().as_slice().iter().flat_map(|r| r.start..r.end).collect();
            let expected: Vec<u64> = (model..1000).filter(|at| seen[*at as usize]).collect();
            prop_assert_eq!(held, expected);
            if !take {
                a.compact();
            } else if let Some(piece) = a.read() {
                read.extend_from_slice(&piece);
            }
        }
        while let Some(piece) = a.read() {
            read.extend_from_slice(&piece);
        }
        let in_order = a.nxt().min(end);
        prop_assert_eq!(read, bytes(0..in_order).to_vec());
        prop_assert_eq!(a.finished(), a.nxt() > end);
    }

    /// The promised edge never moves left, whatever the scale, and memory stays near the capacity.
    #[test]
    fn edge_never_moves_left(
        steps in prop::collection::vec((1u64..3000, 0u64..4000), 1..200),
        scale in 0u8..8,
        capacity in 4_000u32..200_000,
    ) {
        let promised = capacity.min(65_535);
        let mut window = RecvWindow::new(capacity, scale, 1460, promised);
        let (mut nxt, mut queued) = (0u64, 0u64);
        for (arrive, read) in steps {
            let got = arrive.max(512).min(window.edge() - nxt);
            nxt += got;
            queued += got;
            prop_assert!(queued <= u64::from(capacity) * 9 / 8 + (1 << scale));
            queued -= read.min(queued);
            let before = window.edge();
            let planned = window.plan(nxt, queued);
            prop_assert_eq!(planned.edge, nxt + (u64::from(planned.field) << scale));
            prop_assert!(planned.edge >= before, "{} -> {}", before, planned.edge);
            window.on_advertised(planned);
        }
    }
}

fn styled(ack_style: AckStyle) -> Receiver {
    Receiver::new(&ReceiverConfig {
        ack_style,
        ..CONFIG
    })
}

/// Whether an acknowledgment leaves for the segment at once; it does leave then.
fn is_answered(r: &mut Receiver, ms: u64, range: core::ops::Range<u64>) -> bool {
    segment(r, ms, range);
    let due = r.ack_due(at(ms)).is_some();
    if due {
        r.on_sent(at(ms), false);
    }
    due
}

#[test]
fn eager_receiver_acknowledges_even_requests_at_once_until_the_program_answers_in_time() {
    let mut r = styled(AckStyle::Eager);
    assert!(is_answered(&mut r, 0, 0..10));
    assert!(is_answered(&mut r, 1, 10..20));
    r.on_sent(at(30), true);
    assert!(!is_answered(&mut r, 50, 20..30), "an answer will carry it");
    assert_eq!(r.ack_due(at(90)), Some(Why::DelayedAck));
    r.on_sent(at(90), false);
    assert!(is_answered(&mut r, 100, 30..40), "the wait was in vain");
}

// RFC 9293 SHLD-19, with the size of full segments as they come.
#[test]
fn eager_receiver_past_its_start_acknowledges_more_than_one_segment_of_the_size_seen() {
    let mut r = styled(AckStyle::Eager);
    assert!(is_answered(&mut r, 0, 0..600));
    r.on_sent(at(10), true);
    assert!(!is_answered(&mut r, 20, 600..1200));
    assert!(is_answered(&mut r, 21, 1200..1800));
}

#[test]
fn receiver_of_every_second_segment_counts_segments_from_the_first_on() {
    let mut r = styled(AckStyle::EverySecond);
    for pair in 0..3 {
        let (ms, start) = (pair * 10, pair * 20);
        assert!(!is_answered(&mut r, ms, start..start + 10));
        assert!(is_answered(&mut r, ms + 1, start + 10..start + 20));
    }
    segment(&mut r, 100, 60..70);
    assert_eq!(r.deadline(), Some(at(140)), "the wait does not adapt");
}

#[test]
fn window_that_opens_slowly_grows_by_twice_what_arrives_up_to_the_buffer() {
    let mut r = Receiver::new(&ReceiverConfig {
        opens_slowly: true,
        promised: 4000,
        ..CONFIG
    });
    r.on_sent(at(0), false);
    assert_eq!(r.window(), 4000);
    let mut windows = Vec::new();
    for n in 0..10 {
        segment(&mut r, n, n * 1000..n * 1000 + 1000);
        let _read = r.read();
        r.on_sent(at(n), false);
        windows.push(r.window());
    }
    assert_eq!(windows[..3], [6000, 8000, 10_000]);
    assert_eq!(windows.last(), Some(&20_000));
}

// RFC 7323 2.3: the field counts in steps of the scale; a buffer that is to grow begins with at least one.
#[test]
fn buffer_below_one_step_of_the_scale_is_offered_as_one_step_not_as_none() {
    let mut r = Receiver::new(&ReceiverConfig {
        capacity: 3,
        capacity_max: Some(4 << 20),
        scale: 7,
        promised: 3,
        ..CONFIG
    });
    segment(&mut r, 0, 0..3);
    assert_eq!(r.read().unwrap().len(), 3);
    r.on_sent(at(0), false);
    assert_eq!((r.window_field(), r.window()), (1, 128));
}

#[test]
fn window_that_opens_slowly_from_a_small_promise_still_opens_for_a_program_that_reads() {
    let mut r = Receiver::new(&ReceiverConfig {
        opens_slowly: true,
        promised: 200,
        ..CONFIG
    });
    r.on_sent(at(0), false);
    segment(&mut r, 0, 0..200);
    assert_eq!(r.read().unwrap().len(), 200);
    assert!(r.ack_due(at(1)).is_some());
    r.on_sent(at(1), false);
    assert_eq!(r.window(), 600);
}

#[test]
fn eager_receiver_lets_the_acknowledgment_of_a_fin_wait_for_the_programs_own_once_data_has_come() {
    let mut r = styled(AckStyle::Eager);
    assert!(is_answered(&mut r, 0, 0..10));
    r.on_segment(at(10), 10, Bytes::new(), true);
    assert_eq!((r.ack_due(at(10)), r.deadline()), (None, Some(at(50))));
    let mut r = styled(AckStyle::Eager);
    r.on_segment(at(10), 0, Bytes::new(), true);
    assert!(r.ack_due(at(10)).is_some(), "nothing to go by");
}
