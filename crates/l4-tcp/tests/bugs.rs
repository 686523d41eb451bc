//! The bugs other stacks have had, as stories: each is named after its bug and would show it.
//!
//! Those with a story elsewhere: window shrunk with data in flight, zero window probes (`data`); FIN lost, FIN behind
//! a closed window, FIN before its data (`closing`); answers to unacceptable segments without end, blind resets
//! (`resets`); scaled SYN window, ECN-setup SYN, accept queue full (`handshake`); outage both ways (`lossy`);
//! TIME-WAIT's bytes nobody read, table full (`closing`). Every story here and there runs across the number wrap, and
//! `testkit`'s table and simulations put all of it together.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "tests"
)]

mod common;

use common::{Story, plain, sack, seg};
use core::time::Duration;
use outcrop_base::{PacketId, PathSignal, PathSignalKind};
use outcrop_tcp::{SackBlock, SeqNum, Settings, State};

fn story() -> (Story, outcrop_tcp::ConnId) {
    Story::established(plain())
}

fn with_sack() -> Settings {
    Settings {
        sack: true,
        ..plain()
    }
}

// Bug 1: after a timeout SND.NXT was rewound, and pure acknowledgments carried the old number, which the peer found
// unacceptable: two ends that both retransmit hung for ever. RFC 9293 3.10.7.4: <SEQ=SND.NXT>.
#[test]
fn rto_rewind_poisons_acks_pure_ack_after_a_timeout_carries_snd_nxt() {
    let (mut story, id) = story();
    story.write(id, 5_000);
    assert_eq!(story.out().len(), 5);
    let (_, again) = story.wait_output(5_000).unwrap();
    assert_eq!(again.seq, 1, "the first segment again");
    story.out();
    story.recv(seg("P.").seq(1).ack(1).data(b"x"));
    story.recv(seg("P.").seq(3).ack(1).data(b"z"));
    for sent in story.out() {
        if sent.data.is_empty() {
            assert_eq!(sent.seq, 5_001, "{}", sent.line());
        }
        assert_eq!(sent.ack, Some(2));
    }
}

// Bug 2: the byte of a zero-window probe was not counted, so that its acknowledgment was of "unsent" data.
#[test]
fn window_probe_byte_is_counted_its_ack_is_taken() {
    let (mut story, id) = story();
    story.write(id, 100);
    story.out();
    story.recv(seg(".").seq(1).ack(101).wnd(0));
    story.write(id, 100);
    assert!(story.out().is_empty());
    let (_, probe) = story.wait_output(10_000).unwrap();
    // A closed window is asked with a number already acknowledged, or with a byte that then counts.
    let end = (probe.seq + probe.data.len() as u32).max(101);
    let verdict = story.judge(seg(".").seq(1).ack(end).wnd(1_000));
    assert_eq!(verdict.drop_reason(), None, "{}", verdict.rule.name);
    let sent: u32 = story.out().iter().map(|sent| sent.data.len() as u32).sum();
    assert_eq!(end + sent, 201, "the rest follows");
}

// Bug 4: fast retransmission of a FIN disarmed the timer and sent nothing; the FIN is a segment like any other.
#[test]
fn fin_lost_behind_data_that_arrived_it_is_sent_again_and_closes() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg(".").seq(1).ack(1_001));
    assert_eq!(story.state(), State::FinWait1);
    let (_, again) = story.wait_output(5_000).unwrap();
    assert!(again.flags.fin());
    assert_eq!(again.seq + again.data.len() as u32, 1_001);
    story.recv(seg(".").seq(1).ack(1_002));
    assert_eq!(story.state(), State::FinWait2);
}

// Bug 4, another face: a half-close in CLOSE-WAIT was dropped while data was outstanding.
#[test]
fn half_close_in_close_wait_with_data_outstanding_fin_follows_the_data() {
    let (mut story, id) = story();
    story.write(id, 500);
    story.out();
    story.recv(seg("F.").seq(1).ack(1));
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg(".").seq(2).ack(501));
    let fin = story.out();
    let sent_before = story.state();
    assert_eq!(sent_before, State::LastAck);
    story.recv(seg(".").seq(2).ack(502));
    assert_eq!(story.state(), State::Closed, "{fin:?}");
}

// Bug 5: round trips were measured when the packet was processed. The device's stamp counts, however late we are.
#[test]
fn processed_late_the_round_trip_is_the_arrivals() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    let sent_at = story.now;
    story.now = sent_at + Duration::from_millis(30);
    story.recv(seg(".").seq(1).ack(1_001));
    story.now = sent_at + Duration::from_millis(900);
    story.out();
    let srtt = story.tcp.info(id).unwrap().srtt.unwrap();
    assert!(srtt <= Duration::from_millis(30), "{srtt:?}");
}

// Bug 6: two stacks answered each other's unacceptable acknowledgments for ever. A pure ACK outside the window may be
// answered, but only so often; and the limit is never laid on acknowledgments of data.
#[test]
fn ack_loop_dies_out_and_data_is_acknowledged_meanwhile() {
    let (mut story, _) = story();
    let mut answers = 0;
    for _ in 0..50 {
        story.recv(seg(".").seq(0x4000_0000).ack(1));
        answers += story.out().len();
    }
    assert!((1..=5).contains(&answers), "{answers}");
    story.recv(seg("P.").seq(1).ack(1).zeros(1_000));
    story.recv(seg("P.").seq(1_001).ack(1).zeros(1_000));
    assert_eq!(story.out().last().unwrap().ack, Some(2_001));
}

// Bug 12: SACK blocks that are nested, reversed, empty, below SND.UNA or beyond SND.NXT. None may panic, and none may
// make the sender believe or repeat what it should not.
#[test]
fn sack_blocks_of_every_wrong_kind_change_nothing() {
    let (mut story, id) = Story::established_by(with_sack(), seg("S").mss(1000).sackok());
    story.write(id, 5_000);
    assert_eq!(story.out().len(), 5);
    let iss = story.iss;
    let block = |left: u32, right: u32| SackBlock {
        left: iss + left,
        right: iss + right,
    };
    for wrong in [
        [block(3_001, 1_001), block(2_001, 2_001)],
        [block(6_001, 7_001), block(0x7000_0000, 0x7000_0001)],
        [
            block(0_u32.wrapping_sub(2_000), 0_u32.wrapping_sub(1_000)),
            block(0, 1),
        ],
    ] {
        let mut ack = seg(".").seq(1).ack(1);
        for bad in wrong {
            ack.header.options.sack.push(bad);
        }
        story.recv(ack);
        assert_eq!(story.tcp.info(id).unwrap().retransmitted, 0);
    }
    story.out();
    story.recv(seg(".").seq(1).ack(5_001));
    assert_eq!(story.tcp.info(id).unwrap().in_flight, 0);
}

// Bug 12: a block split by blocks inside it (splitSeg), then everything acknowledged through the middle of a block.
#[test]
fn sack_blocks_nested_and_split_recovery_sends_each_hole_once() {
    let (mut story, id) = Story::established_by(with_sack(), seg("S").mss(1000).sackok());
    story.write(id, 8_000);
    assert_eq!(story.out().len(), 8);
    let iss = story.iss;
    let block = |left: u32, right: u32| SackBlock {
        left: iss + left,
        right: iss + right,
    };
    for blocks in [
        vec![block(2_001, 3_001)],
        vec![block(2_001, 6_001), block(2_501, 3_001)],
        vec![block(4_001, 5_001), block(2_001, 6_001)],
    ] {
        let mut ack = seg(".").seq(1).ack(1);
        for one in blocks {
            ack.header.options.sack.push(one);
        }
        story.recv(ack);
    }
    let mut repeated: Vec<u32> = story.out().iter().map(|sent| sent.seq).collect();
    repeated.retain(|seq| *seq < 2_001);
    let once = repeated.len();
    repeated.dedup();
    assert_eq!(once, repeated.len(), "no hole twice");
    assert!(repeated.contains(&1), "{repeated:?}");
    story.recv(seg(".").seq(1).ack(2_501));
    story.out();
    story.recv(seg(".").seq(1).ack(8_001));
    assert_eq!(story.tcp.info(id).unwrap().in_flight, 0);
}

// The receiver's side of it: blocks it reports lie in its window, and do not overlap.
#[test]
fn sack_blocks_reported_lead_with_the_duplicate() {
    let (mut story, _) = Story::established_by(with_sack(), seg("S").mss(1000).sackok());
    for (at, len) in [
        (2_001, 500),
        (2_301, 1_000),
        (5_001, 100),
        (5_050, 10),
        (1_501, 600),
    ] {
        story.recv(seg("P.").seq(at).ack(1).zeros(len));
    }
    let last = story.out().pop().unwrap();
    assert_eq!(last.ack, Some(1));
    let blocks = last.options.sack;
    // RFC 2883 4: the duplicate first, then the block it lies in.
    assert_eq!(
        blocks.as_slice().get(..2),
        Some(&[sack(2_001, 2_101), sack(1_501, 3_301)][..])
    );
    assert!(
        blocks.as_slice().contains(&sack(5_001, 5_101)),
        "{blocks:?}"
    );
}

// Bug 13: a super-segment exceeded the window; a segment of one MSS was marked as one.
#[test]
fn gso_plan_stays_inside_the_window_and_one_mss_is_no_super_segment() {
    let mut story = Story::new(plain());
    story.path.gso_max = 65_000;
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1).wnd(2_500));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 10_000);
    let out = story.out();
    let sent: usize = out.iter().map(|sent| sent.data.len()).sum();
    assert!(sent <= 2_500, "{sent} bytes into a window of 2500");
    for sent in &out {
        assert_eq!(
            sent.gso.is_some(),
            sent.data.len() > 1_000,
            "{}",
            sent.line()
        );
    }
    story.recv(seg(".").seq(1).ack(1 + sent as u32).wnd(1_000));
    for sent in story.out() {
        assert_eq!(sent.gso, None, "{}", sent.line());
    }
}

// Bug 14: a SYN-ACK left after its listener was closed.
#[test]
fn listener_closed_before_the_flush_no_syn_ack_leaves_and_none_later() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.recv(seg("S"));
    story.tcp.unlisten(listener).unwrap();
    assert!(story.out().iter().all(|sent| !sent.flags.syn()));
    assert!(story.wait_output(200_000).is_none());
    assert!(story.tcp.is_empty());
}

// Bug 15: a SYN, or a SYN with FIN, freed a tuple in TIME-WAIT that no listener was waiting for (RFC 1337's hazards).
#[test]
fn time_wait_without_a_listener_fresh_syn_does_not_end_it() {
    for flags in ["S", "SF"] {
        let (mut story, id) = story();
        story.tcp.shutdown(id).unwrap();
        story.out();
        story.recv(seg("F.").seq(1).ack(2));
        story.out();
        assert_eq!(story.state(), State::TimeWait);
        let listener = story.listener.unwrap();
        story.tcp.unlisten(listener).unwrap();
        story.recv(seg(flags).seq(100_000));
        let out = story.out();
        assert_eq!(story.state(), State::TimeWait, "{flags}");
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].flags.to_string(), ".", "RFC 5961 4.2");
    }
}

// Runner-up: ICMP "fragmentation needed" with an MTU of zero (routers before RFC 1191 send it).
#[test]
fn frag_needed_with_mtu_zero_segments_keep_a_floor() {
    let (mut story, id) = story();
    story.write(id, 4_000);
    story.out();
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some((story.iss + 1).value()),
        kind: PathSignalKind::TooBig(0),
        id: PacketId(1),
    };
    let _verdict = story.tcp.handle_path(story.now, &signal);
    story.check();
    story.out();
    assert!(
        story.tcp.info(id).unwrap().mss >= 500,
        "RFC 791's 68 would eat the stream"
    );
}

// Runner-up: ssthresh was cut again at every timeout of one event (RFC 5681 3.1: once).
#[test]
fn second_timeout_of_the_same_loss_leaves_ssthresh_alone() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    story.out();
    let (first, _) = story.wait_output(60_000).unwrap();
    story.out();
    let after_first = story.tcp.info(id).unwrap().ssthresh;
    let (second, _) = story.wait_output(120_000).unwrap();
    assert!(second > first);
    let after_second = story.tcp.info(id).unwrap().ssthresh;
    assert_eq!(after_first, after_second);
}

// Runner-up, and bug 7: an acknowledgment exactly half the circle away has no sign; it must be neither taken nor panic.
#[test]
fn numbers_half_the_circle_away_change_nothing() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    for far in [0x7fff_ffff, 0x8000_0000, 0x8000_0001] {
        story.recv(seg(".").seq(1).ack(far));
        story.recv(seg("P.").seq(far).ack(1).data(b"x"));
        assert_eq!(story.tcp.info(id).unwrap().in_flight, 1_000);
        assert_eq!(story.tcp.info(id).unwrap().rcv_nxt, 0);
    }
    assert_eq!(SeqNum::new(0).distance(SeqNum::new(u32::MAX)), 1);
}

// Bug 11, another face: a reset at RCV.NXT in SYN-RECEIVED after crossed SYNs refuses (RFC 9293 3.10.7.4 second).
#[test]
fn reset_in_a_simultaneous_open_refuses() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    story.recv(seg("S"));
    story.out();
    assert_eq!(story.state(), State::SynReceived);
    let verdict = story.judge(seg("R").seq(1));
    assert_eq!(verdict.rule.name, "tcp:syn-received-refused");
    assert_eq!(story.tcp.close_reason(id).unwrap().name(), "refused");
}
