//! RFC 3168, explicit congestion notification: what the stories of `ecn` leave out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::Ecn;
use outcrop_tcp::{Algorithm, ConnId, EcnPolicy, Flags, Settings};

fn asking() -> Settings {
    Settings {
        ecn: EcnPolicy::Request,
        congestion: Algorithm::NewReno,
        nodelay: true,
        ..plain()
    }
}

/// Accepted from a peer that asked for ECN; MSS 1000.
fn story() -> (Story, ConnId) {
    Story::established_by(asking(), seg("SEW").mss(1000))
}

/// Whether the next segment of ours echoes a mark.
fn echoes(story: &mut Story, id: ConnId) -> bool {
    story.write(id, 1);
    story.out()[0].flags.contains(Flags::ECE)
}

// 6.1.4 and 6.1.5: a mark on a pure ACK, or outside the window, says nothing.
#[test]
fn mark_counts_only_on_text_inside_the_window() {
    let (mut story, id) = story();
    story.mark = Ecn::Ce;
    story.recv(seg(".").seq(1).ack(1));
    assert!(!echoes(&mut story, id), "pure ACK");
    story.recv(seg(".").seq(200_000).ack(1).zeros(100));
    story.out();
    assert!(!echoes(&mut story, id), "beyond the window");
    story.mark = Ecn::NotEct;
    story.recv(seg(".").seq(1).ack(1).zeros(100));
    story.out();
    story.mark = Ecn::Ce;
    story.recv(seg(".").seq(1).ack(1).zeros(100));
    story.out();
    assert!(!echoes(&mut story, id), "an old segment again");
    story.recv(seg(".").seq(101).ack(1).zeros(100));
    assert!(echoes(&mut story, id), "at last");
}

// 6.1.3: one of the segments a delayed acknowledgment covers was marked.
#[test]
fn delayed_acknowledgment_echoes_a_mark_on_any_segment_it_covers() {
    for marked in [0, 1] {
        let (mut story, _) = story();
        for n in 0..2 {
            story.mark = if n == marked { Ecn::Ce } else { Ecn::Ect0 };
            story.recv(seg(".").seq(1 + 10 * n).ack(1).zeros(10));
        }
        story.at(500);
        let out = story.out();
        assert_eq!(out.len(), 1);
        assert!(out[0].flags.contains(Flags::ECE), "segment {marked}");
    }
}

// 6.1.2: an acknowledgment that echoes a mark does not let the window grow, nor does the rest of its window.
#[test]
fn window_does_not_grow_by_acknowledgments_that_echo() {
    let (mut story, id) = story();
    story.write(id, 100_000);
    story.out();
    story.recv(seg("E.").seq(1).ack(2001));
    let reduced = story.tcp.info(id).unwrap().cwnd;
    assert_eq!(reduced, 5_000);
    for n in 2..10 {
        story.recv(seg("E.").seq(1).ack(1001 + n * 1000));
        story.out();
        assert_eq!(story.tcp.info(id).unwrap().cwnd, reduced);
    }
}

// 6.1.2: CWR also after a reduction by a timeout; 6.1.5: not on the repetition, on the next new data.
#[test]
fn timeout_reduced_the_window_the_next_new_data_says_so() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    let (_, again) = story.wait_output(60_000).unwrap();
    assert_eq!((again.why.name(), again.ecn), ("rto", Ecn::NotEct));
    assert!(!again.flags.contains(Flags::CWR));
    story.recv(seg(".").seq(1).ack(1001));
    story.write(id, 1_000);
    let fresh = story.out().remove(0);
    assert!(fresh.flags.contains(Flags::CWR));
    assert_eq!(fresh.ecn, Ecn::Ect0);
    story.write(id, 1_000);
    assert!(!story.out()[0].flags.contains(Flags::CWR));
}

// 6.1.6: a probe of a closed window carries neither mark nor CWR.
#[test]
fn window_probe_has_neither_mark_nor_cwr() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    story.out();
    story.recv(seg("E.").seq(1).ack(10_001).wnd(0));
    story.write(id, 1_000);
    let (_, probe) = story.wait_output(60_000).unwrap();
    assert_eq!(probe.why.name(), "zero-window-probe");
    assert_eq!(probe.ecn, Ecn::NotEct);
    assert!(!probe.flags.contains(Flags::CWR));
    story.recv(seg(".").seq(1).ack(10_001).wnd(65_535));
    let fresh = story.out().remove(0);
    assert!(fresh.flags.contains(Flags::CWR), "it was still owed");
}

// 6.1.6: nor has one that carries what a window of ten bytes takes.
#[test]
fn window_probe_with_data_has_neither_mark_nor_cwr() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    story.out();
    story.recv(seg("E.").seq(1).ack(10_001).wnd(10));
    story.write(id, 1_000);
    let (_, probe) = story.wait_output(60_000).unwrap();
    assert_eq!(
        (probe.why.name(), probe.data.len()),
        ("zero-window-probe", 10)
    );
    assert_eq!(probe.ecn, Ecn::NotEct);
    assert!(!probe.flags.contains(Flags::CWR));
}

// 6.1.2: a loss in the window that was marked is the same congestion.
#[test]
fn mark_and_loss_in_one_window_reduce_it_once() {
    let (mut story, id) = story();
    story.write(id, 100_000);
    story.out();
    story.recv(seg("E.").seq(1).ack(1001));
    assert_eq!(story.tcp.info(id).unwrap().ssthresh, 5_000);
    for _ in 0..3 {
        story.recv(seg("E.").seq(1).ack(1001));
        story.out();
    }
    // Nine of the marked window are outstanding: half of them, and not half of a half.
    let ssthresh = story.tcp.info(id).unwrap().ssthresh;
    assert!((4_500..=5_000).contains(&ssthresh), "{ssthresh}");
}
