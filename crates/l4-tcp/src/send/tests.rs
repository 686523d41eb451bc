//! The sending half against plain models, and its stories.

use core::time::Duration;
use std::io::IoSlice;

use outcrop_base::{ChunkQueue, MAX_SLICES};
use proptest::prelude::*;

use super::*;

const MSS: u32 = 1000;
const FREE: Limits = Limits {
    mss: MSS,
    max_len: MSS,
    allowance: u64::MAX,
    nagle: true,
    cork: false,
};

fn sender(window: u64, written: usize) -> Sender {
    let mut s = Sender::new(1 << 20, window);
    s.buffer_mut()
        .write(&mut ChunkQueue::from(bytes::Bytes::from(vec![7; written])));
    s
}

/// Sends whatever may leave; returns the lengths and what stopped it.
fn send_all(s: &mut Sender, l: &Limits) -> (Vec<u64>, Limit) {
    let mut sent = Vec::new();
    loop {
        match s.plan(l) {
            Ok(plan) => {
                sent.push(plan.range.len());
                s.on_sent(plan.range, l.mss);
                s.check();
            }
            Err(limit) => return (sent, limit),
        }
    }
}

#[test]
fn full_segments_leave_and_the_tail_with_them() {
    let mut s = sender(100_000, 2500);
    assert_eq!(send_all(&mut s, &FREE), (vec![1000, 1000, 500], Limit::App));
}

// RFC 9293 3.7.4 in Minshall's form.
#[test]
fn second_short_segment_waits_for_the_first() {
    let mut s = sender(100_000, 100);
    assert_eq!(send_all(&mut s, &FREE).0, [100]);
    s.buffer_mut()
        .write(&mut ChunkQueue::from(bytes::Bytes::from_static(b"more")));
    assert_eq!(send_all(&mut s, &FREE), (vec![], Limit::Nagle));
    let hurried = Limits {
        nagle: false,
        ..FREE
    };
    assert_eq!(s.plan(&hurried).unwrap().range.len(), 4);
    s.on_ack(100);
    assert_eq!(send_all(&mut s, &FREE).0, [4]);
}

#[test]
fn corked_tail_waits_until_closed() {
    let mut s = sender(100_000, 1500);
    let corked = Limits { cork: true, ..FREE };
    assert_eq!(send_all(&mut s, &corked), (vec![1000], Limit::Nagle));
    s.buffer_mut().close();
    assert_eq!(send_all(&mut s, &corked), (vec![501], Limit::App));
    assert_eq!(s.buffer().fin(), FinState::Sent);
}

#[test]
fn super_segment_takes_whole_segments_up_to_what_the_device_cuts() {
    let mut s = sender(100_000, 10_500);
    let l = Limits {
        max_len: 4000,
        ..FREE
    };
    assert_eq!(send_all(&mut s, &l).0, [4000, 4000, 2500]);
}

#[test]
fn plan_says_what_limits_it() {
    let s = sender(2_500, 10_000);
    let wide = Limits {
        max_len: 8000,
        ..FREE
    };
    let plan = s.plan(&wide).unwrap();
    assert_eq!(
        (plan.range.len(), plan.limit, plan.push),
        (2000, Limit::Rwnd, false)
    );
    let narrow = Limits {
        allowance: 1500,
        ..wide
    };
    let plan = s.plan(&narrow).unwrap();
    assert_eq!((plan.range.len(), plan.limit), (1000, Limit::Cwnd));
    assert_eq!(s.plan(&FREE).unwrap().limit, Limit::Segment);
    assert_eq!(
        s.plan(&Limits {
            allowance: 999,
            ..FREE
        }),
        Err(Limit::Cwnd)
    );
}

#[test]
fn full_segment_that_fills_a_window_says_which() {
    let s = sender(2_500, 10_000);
    let allowed = |allowance| Limits { allowance, ..FREE };
    let limit = |s: &Sender, l: &Limits| s.plan(l).unwrap().limit;
    assert_eq!(limit(&s, &allowed(1_999)), Limit::Cwnd);
    assert_eq!(limit(&s, &allowed(2_000)), Limit::Segment);
    assert_eq!(limit(&sender(1_999, 10_000), &FREE), Limit::Rwnd);
    // A tail shorter than a segment needs no more room than it is long.
    assert_eq!(limit(&sender(1_100, 1_100), &FREE), Limit::Segment);
}

// RFC 9293 3.8.6.2.1: a window too small for a segment waits, unless it is half the largest ever seen.
#[test]
fn silly_window_is_not_filled() {
    let mut s = sender(10_000, 20_000);
    send_all(&mut s, &FREE);
    s.on_ack(10_000);
    s.on_window(10_000, 400);
    assert_eq!(s.plan(&FREE), Err(Limit::Sws));
    assert!(s.stalled(MSS));
    assert_eq!(s.plan_probe(MSS).unwrap().range.len(), 400);
    s.on_window(10_000, 0);
    assert_eq!(s.plan(&FREE), Err(Limit::Rwnd));
    assert!(s.stalled(MSS));
    assert_eq!(s.plan_probe(MSS), None);
    s.on_window(10_000, 1000);
    assert!(!s.stalled(MSS));
    let mut small = sender(600, 5000);
    assert_eq!(send_all(&mut small, &FREE), (vec![600], Limit::Rwnd));
}

// RFC 9293 3.8.6.2.1 (3): a peer with a buffer below a segment gets half of it at once.
#[test]
fn half_of_a_small_buffer_is_worth_a_segment() {
    let mut s = sender(900, 5000);
    assert_eq!(send_all(&mut s, &FREE).0, [900]);
    s.on_ack(900);
    s.on_window(900, 449);
    assert_eq!(s.plan(&FREE), Err(Limit::Sws));
    s.on_window(900, 450);
    assert_eq!(s.plan(&FREE).map(|plan| plan.range.len()), Ok(450));
}

#[test]
fn window_taken_back_keeps_new_data_and_frees_nothing() {
    let mut s = sender(10_000, 20_000);
    send_all(&mut s, &FREE);
    s.on_ack(2_000);
    s.on_window(2_000, 1_000);
    assert_eq!((s.window(), s.plan(&FREE)), (1_000, Err(Limit::Rwnd)));
    assert!(!s.stalled(MSS), "what is outstanding will bring an answer");
}

#[test]
fn fin_alone_leaves_after_everything_and_is_acknowledged_once() {
    let mut s = sender(10_000, 100);
    send_all(&mut s, &FREE);
    s.buffer_mut().close();
    assert_eq!(s.buffer().room(), 0);
    let plan = s.plan(&FREE).unwrap();
    assert!(plan.fin && plan.data.is_empty() && !plan.push);
    assert_eq!(plan.range, StreamRange::new(100, 101));
    s.on_sent(plan.range, MSS);
    assert_eq!(
        s.buffer().split_fin(StreamRange::new(50, 101)),
        (StreamRange::new(50, 100), true)
    );
    assert_eq!(
        s.on_ack(100),
        Freed {
            bytes: 100,
            fin: false
        }
    );
    assert_eq!(
        s.on_ack(101),
        Freed {
            bytes: 0,
            fin: true
        }
    );
    assert_eq!(
        s.on_ack(101),
        Freed {
            bytes: 0,
            fin: false
        }
    );
    assert_eq!(s.plan(&FREE), Err(Limit::App));
}

#[test]
fn fin_waits_for_a_closed_window_and_the_persist_timer_guards_it() {
    let mut s = sender(0, 0);
    s.buffer_mut().close();
    assert_eq!(s.plan(&FREE), Err(Limit::Rwnd));
    assert!(s.stalled(MSS));
}

// RFC 9293 3.8.6.1 SHLD-29 and SHLD-30: first after one RTO, then doubling.
#[test]
fn probes_come_after_one_timeout_then_twice_as_late_each() {
    let rto = Duration::from_millis(300);
    let mut p = Persist::new();
    let mut now = Instant::from_secs(1);
    p.start(now, rto);
    for wait in [300, 600, 1200, 2400] {
        assert_eq!(p.deadline(), Some(now + Duration::from_millis(wait)));
        now += Duration::from_millis(wait);
        p.on_probe(now, rto);
    }
    for _ in 0..20 {
        p.on_probe(now, rto);
    }
    assert_eq!(p.deadline(), Some(now + Duration::from_secs(60)));
    p.stop();
    assert_eq!(p.deadline(), None);
}

// RFC 2883 4.1 and 4.2.
#[test]
fn duplicate_is_told_by_the_first_block() {
    use scoreboard::Scoreboard;
    let r = StreamRange::new;
    assert_eq!(Scoreboard::duplicate(&[r(0, 10)], 50), Some(r(0, 10)));
    assert_eq!(
        Scoreboard::duplicate(&[r(60, 70), r(60, 90)], 50),
        Some(r(60, 70))
    );
    assert_eq!(Scoreboard::duplicate(&[r(60, 90), r(100, 110)], 50), None);
    assert_eq!(Scoreboard::duplicate(&[], 50), None);
}

#[test]
fn implausible_or_too_many_blocks_change_nothing() {
    let mut board = scoreboard::Scoreboard::new();
    let out = StreamRange::new(100, 1_000_000);
    for bad in [
        (50, 90),
        (90, 100),
        (300, 300),
        (400, 200),
        (999_999, 1_000_001),
    ] {
        board.insert(
            StreamRange {
                start: bad.0,
                end: bad.1,
            },
            out,
            |_| panic!("new"),
        );
    }
    assert!(board.held().is_empty());
    for n in 0..5000 {
        let start = 200 + 4 * n;
        board.insert(StreamRange::new(start, start + 1), out, |_| {});
    }
    // 1024, and one more for each 1024 of the 999,900 bytes outstanding.
    assert_eq!(board.held().count(), 1024 + 976);
}

#[test]
fn every_other_segment_of_a_large_window_reported_each_is_believed() {
    let mut board = scoreboard::Scoreboard::new();
    let segments = 10_000;
    let out = StreamRange::new(0, segments * 1448);
    let mut told = 0;
    for n in (1..segments).step_by(2) {
        let block = StreamRange::new(n * 1448, (n + 1) * 1448);
        board.insert(block, out, |_| told += 1);
    }
    assert_eq!((board.held().count(), told), (5000, 5000));
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Send(u64),
    Ack(u64),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..9000).prop_map(Step::Write),
        4 => (1u64..5000).prop_map(Step::Send),
        4 => (0u64..8000).prop_map(Step::Ack),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Against the plain model: a vector of everything written.
    #[test]
    fn every_outstanding_byte_can_be_sent_again(steps in steps()) {
        let mut b = SendBuffer::new(20_000);
        let mut model: Vec<u8> = Vec::new();
        let mut closed = false;
        for step in steps {
            match step {
                Step::Write(len) => {
                    let data: Vec<u8> = (0..len).map(|n| (model.len() + n) as u8).collect();
                    let taken = b.write(&mut ChunkQueue::from(bytes::Bytes::from(data.clone())));
                    let room = if closed { 0 } else { 20_000 - (model.len() as u64 - b.una()) as usize };
                    prop_assert_eq!(taken, len.min(room));
                    model.extend(&data[..taken]);
                }
                Step::Send(len) => {
                    let last = b.end() + u64::from(closed);
                    b.on_sent(StreamRange::new(b.nxt(), (b.nxt() + len).min(last)));
                }
                Step::Ack(len) => {
                    let una = (b.una() + len).min(b.nxt());
                    let freed = b.on_ack(una);
                    prop_assert_eq!(freed.fin && una != model.len() as u64 + 1, false);
                }
                Step::Close => {
                    b.close();
                    closed = true;
                }
            }
            b.check();
            let range = StreamRange::new(b.una(), b.nxt());
            let (data, fin) = b.split_fin(range);
            prop_assert_eq!(fin, b.nxt() > b.end() && b.una() <= b.end());
            let mut out = [IoSlice::new(&[]); MAX_SLICES];
            let used = b.slices(b.cut_to_slices(data), &mut out);
            let sent: Vec<u8> = out[..used].iter().flat_map(|s| s.iter().copied()).collect();
            let from = data.start.min(model.len() as u64) as usize;
            prop_assert_eq!(&sent[..], &model[from..from + sent.len()]);
            prop_assert!(sent.len() as u64 == data.len() || used == MAX_SLICES);
        }
    }

    /// Whatever the windows, the rule sends no more than both allow and never leaves a stall unguarded.
    #[test]
    fn decision_stays_inside_both_windows(
        unsent in 0u64..10_000, usable in 0u64..5_000, allowance in 0u64..5_000,
        small: bool, closing: bool, nagle: bool, cork: bool,
    ) {
        let o = Offer {
            unsent, usable, allowance, small_outstanding: small, closing, max_window: 4_000, mss: 1_000,
        };
        match sws::decide(&o, nagle, cork) {
            Ok(len) => prop_assert!(len > 0 && len <= unsent.min(usable).min(allowance)),
            Err(Limit::App) => prop_assert_eq!(unsent, 0),
            Err(Limit::Nagle) => prop_assert!(unsent < 1_000 && (cork || (nagle && small)) && !closing),
            Err(Limit::Cwnd) => prop_assert!(allowance < 1_000 && allowance < unsent),
            Err(limit) => prop_assert!(usable < 1_000 && usable < unsent, "{}", limit),
        }
    }
}
