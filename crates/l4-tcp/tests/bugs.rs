//! The bugs other stacks have had, as stories: each is named after its bug and would show it.
//!
//! Numbered as they were collected from the trackers of a dozen stacks; where several faces of one bug have stories
//! elsewhere, they stand behind it.
//!
//! | bug | its story |
//! |---|---|
//! | 1 a rewound SND.NXT poisons acknowledgments | `rto_rewind_..` here, `lossy`: outage both ways |
//! | 2 the probe byte that is not counted | `window_probe_byte_..` |
//! | 3 window shrunk or closed with data in flight: no timer | `window_shrunk_or_closed_..`, `data`: window of a few bytes |
//! | 4 FIN corner states without retransmission | `fin_lost_..`, `half_close_..`, `closing`: FIN behind a closed window, before its data |
//! | 5 round trips measured at processing time | `processed_late_..` |
//! | 6 ACK loops, and their cure as starvation | `ack_loop_..`, `resets`: beyond the challenge limit |
//! | 7 sequence arithmetic | `numbers_half_the_circle_away_..`; every story runs across the wrap |
//! | 8 window scaling edges | `window_scale_rounding_..`, `handshake`: scaled SYN; `data`: never moves its edge left |
//! | 9 timestamps negotiated, then absent | `timestamps_negotiated_then_absent_..` |
//! | 10 ECN-setup SYN refused | `syn_with_every_reserved_and_ecn_bit_..` |
//! | 11 acceptability holes | `syn_in_a_synchronised_state_..`, `ack_of_data_never_sent_..`, `hard_icmp_error_..`, `reset_in_a_simultaneous_open_..`, `resets` |
//! | 12 the scoreboard's cost and recovery's exit | three `sack_blocks_..`, `recovery` |
//! | 13 GSO and GRO | `gso_plan_..`, `handshake_ack_merged_with_data_..` |
//! | 14 listener races and floods | `listener_closed_..`, `cookies`, `ports`: accept queue of one |
//! | 15 TIME-WAIT and ISN | `time_wait_without_a_listener_..`, `isn_of_successive_..`, `closing`: table full, bytes nobody read |
//!
//! The runners-up are in `bugs_runners_up`, those of the layers below in `stack`'s `bugs`; `testkit`'s table and
//! simulations put all of it together.
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
use outcrop_tcp::{Event, Flags, SackBlock, SeqNum, Settings, State, Timestamps};

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

// Bug 8, a tuned window that swings, closes or takes its edge back: `buffers.rs`,
// `tuned_window_of_a_program_that_reads_never_swings`.

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

// Bug 7: an acknowledgment exactly half the circle away has no sign; it must be neither taken nor panic.
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

// Bug 3: the window shrinks to nothing, or to less than a segment, under data that was sent or waits: some timer must
// run (RFC 9293 3.8.6, MUST-34 and MUST-36), or a lost update ends the conversation for ever.
#[test]
fn window_shrunk_or_closed_with_data_in_flight_there_is_always_a_timer() {
    for (acked, window) in [
        (0, 0),
        (0, 500),
        (1_000, 0),
        (1_000, 1),
        (5_000, 0),
        (5_000, 999),
    ] {
        let (mut story, id) = story();
        story.write(id, 5_000);
        assert_eq!(story.out().len(), 5);
        story.write(id, 5_000);
        story.recv(seg(".").seq(1).ack(1 + acked).wnd(window));
        story.out();
        let asked = story.wait_output(70_000);
        assert!(asked.is_some(), "acknowledged {acked}, window {window}");
        // The peer's program reads: everything arrives.
        for _ in 0..10 {
            let all = story.tcp.info(id).unwrap().snd_nxt as u32;
            story.recv(seg(".").seq(1).ack(1 + all).wnd(30_000));
            story.out();
        }
        assert_eq!(
            story.tcp.info(id).unwrap().send_queued,
            0,
            "{acked} {window}"
        );
    }
}

// Bug 8: the window field counts in units of 2^shift; rounding down what is left took back what had been promised
// (RFC 7323 2.4: the right edge must not move left).
#[test]
fn window_scale_rounding_never_takes_back_what_was_promised() {
    let settings = Settings {
        window_scale: true,
        receive_buffer: 1_000_003,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000).wscale(7));
    let shift = story.tcp.info(id).unwrap().negotiated.unwrap().rcv_shift;
    assert!(shift > 0);
    let (mut at, mut edge) = (1, 0);
    for len in [1, 7, 333, 1_000, 13, 999, 2, 500, 61, 1_000, 3] {
        story.recv(seg("P.").seq(at).ack(1).zeros(len));
        at += len as u32;
        for sent in story.out() {
            let right = sent.ack.unwrap() + (u32::from(sent.wnd) << shift);
            assert!(right >= edge, "from {edge} back to {right}");
            edge = right;
        }
        if len == 13 {
            story.read_all(id);
        }
    }
}

// Bug 9: segments without the timestamps agreed upon were dropped, as RFC 7323 3.2 suggests: behind some middleboxes
// handshakes then never completed, and accept queues leaked. Linux takes them, and so do we.
#[test]
fn timestamps_negotiated_then_absent_the_handshake_completes_and_data_flows() {
    let mut story = Story::new(Settings {
        timestamps: true,
        ..plain()
    });
    let listener = story.listen();
    let mut syn = seg("S").mss(1000);
    syn.header.options.timestamps = Some(Timestamps { val: 5, ecr: 0 });
    story.recv(syn);
    assert!(story.out()[0].options.timestamps.is_some());
    story.recv(seg(".").seq(1).ack(1));
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    let id = story.tcp.accept(listener).unwrap();
    story.recv(seg("P.").seq(1).ack(1).data(b"bare"));
    assert_eq!(story.read_all(id), b"bare");
}

// Bug 10: a SYN that asks for ECN, or has a bit of tomorrow set, was answered by a reset (RFC 3168 6.1.1.1 tells how
// that hurt; RFC 9293 3.1: reserved bits are ignored).
#[test]
fn syn_with_every_reserved_and_ecn_bit_is_answered_not_reset() {
    let bits = [Flags::ECE, Flags::CWR, Flags::AE, Flags::PSH, Flags::URG];
    for set in 0..1u32 << bits.len() {
        let mut story = Story::new(plain());
        story.listen();
        let mut syn = seg("S").mss(1000);
        for (place, bit) in bits.iter().enumerate() {
            syn.header.flags = syn.header.flags.with_if(*bit, set >> place & 1 == 1);
        }
        let flags = syn.header.flags;
        story.recv(syn);
        let out = story.out();
        assert_eq!(out.len(), 1, "{flags}");
        assert!(out[0].flags.syn() && out[0].flags.ack(), "{flags}");
    }
}

// Bug 11: a SYN inside a connection was dropped without a word, so that a peer that had started anew could never
// connect again; or believed, so that anybody could end it. RFC 5961 4.2: it is challenged.
#[test]
fn syn_in_a_synchronised_state_is_challenged_and_changes_nothing() {
    for seq in [0, 1, 500, 0x4000_0000] {
        let (mut story, id) = story();
        story.recv(seg("S").seq(seq).mss(1000));
        let out = story.out();
        assert_eq!(out.len(), 1, "at {seq}");
        assert_eq!((out[0].seq, out[0].ack), (1, Some(1)), "at {seq}");
        assert!(!out[0].flags.syn() && !out[0].flags.rst());
        story.recv(seg("P.").seq(1).ack(1).data(b"alive"));
        assert_eq!(story.read_all(id), b"alive");
    }
}

// Bug 11: an acknowledgment of data never sent was accepted, and freed what had not left (RFC 9293 3.10.7.4 fifth).
#[test]
fn ack_of_data_never_sent_dequeues_nothing() {
    let (mut story, id) = story();
    story.recv(seg(".").seq(1).ack(1).wnd(1_000));
    story.write(id, 3_000);
    assert_eq!(story.out().len(), 1);
    story.recv(seg(".").seq(1).ack(2_001).wnd(60_000));
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.snd_una, info.send_queued), (0, 3_000));
    let answer = story.out();
    assert!(
        answer.iter().all(|sent| sent.data.is_empty()),
        "nor is its window believed"
    );
}

// Bug 11: any ICMP error with the right four numbers ended a connection. RFC 5927 5.2 and RFC 1122 4.2.3.9: what is
// hard in a handshake is soft in a synchronised state, and what quotes nothing in flight is nobody's.
#[test]
fn hard_icmp_error_about_a_living_connection_does_not_end_it() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    for seq in [story.iss + 1, story.iss + 700_000, story.iss] {
        let signal = PathSignal {
            flow: story.flow(),
            seq: Some(seq.value()),
            kind: PathSignalKind::Hard,
            id: PacketId(1),
        };
        let _verdict = story.tcp.handle_path(story.now, &signal);
        story.check();
        assert_eq!(story.state(), State::Established);
    }
    story.recv(seg(".").seq(1).ack(1_001));
    assert_eq!(story.tcp.info(id).unwrap().snd_una, 1_000);
}

// Bug 13: the handshake's last acknowledgment waited in a merging device for company. When it comes merged with the
// first data, it establishes, and the data is there.
#[test]
fn handshake_ack_merged_with_data_establishes_and_brings_all_of_it() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    story.out();
    let (segment, payload) = story.build(&seg("P.").seq(1).ack(1).zeros(2_500));
    let mut arrival = story.arrival();
    arrival.gso_size = Some(1_000);
    let verdict = story.tcp.handle_segment(&arrival, segment, payload);
    assert_eq!(verdict.drop_reason(), None);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id).len(), 2_500);
    assert_eq!(story.out().last().unwrap().ack, Some(2_501));
}

// Bug 15: initial sequence numbers that follow a clock, or a generator whose state two of them give away. RFC 6528 3:
// a secret function of the four numbers, on top of a clock of 4 microseconds.
#[test]
fn isn_of_successive_connections_follows_no_line() {
    let mut story = Story::new(plain());
    story.listen();
    let mut numbers = Vec::new();
    for port in 0..64 {
        story.remote.set_port(2_000 + port);
        story.recv(seg("S").mss(1000));
        numbers.push(story.out()[0].raw.seq.value());
    }
    let steps: std::collections::BTreeSet<u32> = numbers
        .windows(2)
        .map(|pair| pair[1].wrapping_sub(pair[0]) >> 20)
        .collect();
    assert!(steps.len() > 56, "steps repeat: {steps:?}");
    let high = numbers.iter().filter(|number| **number >> 31 == 1).count();
    assert!((12..=52).contains(&high), "{high} of 64 in the upper half");
}
