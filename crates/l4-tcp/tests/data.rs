//! Sending and acknowledging: Nagle, delayed ACK, windows, retransmission, timestamps.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Story, plain, sack, seg};
use outcrop_base::{PacketId, Path, PathSignal, PathSignalKind};
use outcrop_tcp::{CloseReason, Event, KeepAlive, Settings, State, WriteError};

fn story() -> (Story, outcrop_tcp::ConnId) {
    Story::established(plain())
}

#[test]
fn request_answered_before_the_flush_ack_rides_on_the_answer() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(1).ack(1).data(b"GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(story.events(), [Event::Readable(id)]);
    assert_eq!(story.read_all(id).len(), 18);
    story.write(id, 500);
    story.expect(&["P. 1:501(500) ack 19 data"]);
    story.recv(seg(".").seq(19).ack(501));
    story.expect(&[]);
}

// RFC 9293 3.8.6.3 MUST-40: less than half a second.
#[test]
fn request_without_an_answer_ack_is_delayed_not_dropped() {
    let (mut story, _) = story();
    story.recv(seg("P.").seq(1).ack(1).data(b"hello"));
    story.expect(&[]);
    let (at, sent) = story.wait_output(1_000).unwrap();
    assert_eq!(at, 40);
    assert_eq!(sent.line(), ". 1 ack 6 delayed-ack");
}

// RFC 9293 MUST-58, MUST-59, SHLD-19.
#[test]
fn ten_segments_in_a_batch_one_acknowledgment() {
    let (mut story, _) = story();
    for n in 0..10 {
        story.recv(seg(".").seq(1 + n * 1000).ack(1).zeros(1000));
    }
    story.expect(&[". 1 ack 10001 pure-ack"]);
    story.expect(&[]);
}

// RFC 5681 4.2: at once, and repeated.
#[test]
fn gap_in_what_arrives_each_later_segment_repeats_the_acknowledgment() {
    let (mut story, id) = story();
    story.recv(seg(".").seq(1001).ack(1).zeros(1000));
    story.expect(&[". 1 ack 1 dup-ack"]);
    story.recv(seg(".").seq(2001).ack(1).zeros(1000));
    story.expect(&[". 1 ack 1 dup-ack"]);
    assert_eq!(story.read_all(id).len(), 0);
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    story.expect(&[". 1 ack 3001 pure-ack"]);
    assert_eq!(story.read_all(id).len(), 3000);
}

#[test]
fn gap_with_sack_agreed_blocks_say_what_arrived_latest_first() {
    let settings = Settings {
        sack: true,
        ..plain()
    };
    let (mut story, _) = Story::established_by(settings, seg("S").mss(1000).sackok());
    story.recv(seg(".").seq(1001).ack(1).zeros(1000));
    story.out();
    story.recv(seg(".").seq(5001).ack(1).zeros(1000));
    let ack = &story.out()[0];
    assert_eq!(ack.ack, Some(1));
    let blocks = ack.options.sack;
    assert_eq!(blocks.as_slice(), [sack(5001, 6001), sack(1001, 2001)]);
}

// RFC 2883 4: what came twice is reported first, once.
#[test]
fn old_segment_again_with_sack_reported_as_duplicate() {
    let settings = Settings {
        sack: true,
        ..plain()
    };
    let (mut story, _) = Story::established_by(settings, seg("S").mss(1000).sackok());
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    let ack = &story.out()[0];
    assert_eq!(ack.ack, Some(1001));
    assert_eq!(ack.options.sack.as_slice(), [sack(1, 1001)]);
}

// RFC 9293 3.7.4.
#[test]
fn small_writes_with_one_outstanding_nagle_waits_for_the_acknowledgment() {
    let (mut story, id) = story();
    story.write(id, 10);
    story.expect(&["P. 1:11(10) ack 1 data"]);
    story.write(id, 10);
    story.write(id, 10);
    story.expect(&[]);
    story.recv(seg(".").seq(1).ack(11));
    story.expect(&["P. 11:31(20) ack 1 data"]);
}

// MUST-17: it can be switched off.
#[test]
fn small_writes_with_nodelay_each_leaves_at_once() {
    let (mut story, id) = story();
    story.tcp.configure(id, |s| s.nodelay = true).unwrap();
    for at in 0..3 {
        story.write(id, 10);
        let (from, to) = (1 + at * 10, 11 + at * 10);
        story.expect(&[&format!("P. {from}:{to}(10) ack 1 data")]);
    }
}

#[test]
fn corked_bytes_wait_for_a_full_segment_or_the_uncorking() {
    let (mut story, id) = story();
    story.tcp.configure(id, |s| s.cork = true).unwrap();
    story.write(id, 1500);
    story.expect(&[". 1:1001(1000) ack 1 data"]);
    story.recv(seg(".").seq(1).ack(1001));
    story.expect(&[]);
    story.tcp.configure(id, |s| s.cork = false).unwrap();
    story.expect(&["P. 1001:1501(500) ack 1 data"]);
}

// RFC 6928: ten segments, then a window's growth by what is acknowledged (RFC 5681 3.1).
#[test]
fn much_to_send_initial_window_is_ten_segments_and_grows() {
    let (mut story, id) = story();
    story.write(id, 100_000);
    assert_eq!(story.out().len(), 10);
    story.recv(seg(".").seq(1).ack(2001));
    assert_eq!(story.out().len(), 4);
}

#[test]
fn path_cuts_super_segments_one_plan_spans_the_window() {
    let mut story = Story::new(plain());
    story.path = Path {
        gso_max: 60_000,
        ..Path::plain(1040)
    };
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 100_000);
    let out = story.out();
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].data.len(), out[0].gso), (10_000, Some(1000)));
}

// RFC 6298 5: the timer doubles; 2.4 with our floor, D-01: SRTT is zero here, so 200 ms, 400, 800 ..
#[test]
fn nobody_acknowledges_retransmission_backs_off_and_finally_gives_up() {
    let (mut story, id) = story();
    story.write(id, 100);
    story.out();
    let mut times = vec![0];
    let mut last = None;
    while let Some((at, sent)) = story.wait_output(2_000_000) {
        if sent.flags.rst() {
            last = Some((at, sent));
            break;
        }
        assert_eq!(sent.line(), "P. 1:101(100) ack 1 rto");
        times.push(at);
    }
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for pair in waits.windows(2) {
        assert!(
            pair[1] == 2 * pair[0] || pair[1] == 120_000,
            "each wait is twice the last, or the ceiling: {waits:?}"
        );
    }
    let (at, reset) = last.unwrap();
    assert_eq!(reset.why.name(), "reset-timed-out");
    assert!(at >= 100_000, "RFC 9293 SHLD-11: at least 100 s");
    let told = [
        Event::Doubtful(id),
        Event::Closed(id, CloseReason::TimedOut),
    ];
    assert_eq!(story.events(), told);
}

#[test]
fn user_timeout_set_silence_ends_the_connection_that_early() {
    let (mut story, id) = story();
    let limit = Duration::from_secs(5);
    story
        .tcp
        .configure(id, |s| s.user_timeout = Some(limit))
        .unwrap();
    story.write(id, 100);
    story.out();
    let mut end = 0;
    while let Some((at, sent)) = story.wait_output(60_000) {
        if sent.flags.rst() {
            end = at;
        }
    }
    assert_eq!(end, 5_000);
}

// RFC 5681 3.2.
#[test]
fn three_duplicate_acks_first_segment_is_sent_again_at_once() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    assert_eq!(story.out().len(), 10);
    story.recv(seg(".").seq(1).ack(1));
    story.recv(seg(".").seq(1).ack(1));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let out = story.lines();
    assert_eq!(out[0], ". 1:1001(1000) ack 1 fast-retransmit");
    assert_eq!(out.len(), 1);
}

// RFC 6582 3.2 step 3: a partial acknowledgment sends the next gap.
#[test]
fn partial_ack_in_recovery_next_missing_segment_follows() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    story.out();
    for _ in 0..3 {
        story.recv(seg(".").seq(1).ack(1));
    }
    story.out();
    story.recv(seg(".").seq(1).ack(3001));
    let out = story.lines();
    assert_eq!(out[0], ". 3001:4001(1000) ack 1 fast-retransmit");
}

// RFC 9293 3.8.6.1, MUST-36, SHLD-29, SHLD-30; bug 2 of the checklist.
#[test]
fn window_closed_probes_back_off_and_never_stop_while_answered() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(0));
    story.write(id, 5_000);
    story.expect(&[]);
    let mut times = Vec::new();
    for _ in 0..8 {
        let (at, probe) = story.wait_output(1_000_000).unwrap();
        assert_eq!(probe.why.name(), "zero-window-probe");
        assert!(probe.data.len() <= 1);
        times.push(at);
        story.recv(seg(".").seq(1).ack(1).wnd(0));
        story.expect(&[]);
    }
    for pair in times.windows(3) {
        let (first, second) = (pair[1] - pair[0], pair[2] - pair[1]);
        assert!(second >= first && second <= 2 * first, "{times:?}");
    }
    // Hours later still there.
    for _ in 0..100 {
        let (_, probe) = story.wait_output(100_000_000).unwrap();
        assert_eq!(probe.why.name(), "zero-window-probe");
        story.recv(seg(".").seq(1).ack(1).wnd(0));
    }
    story.recv(seg(".").seq(1).ack(1).wnd(3_000));
    let out = story.out();
    assert_eq!(out.iter().map(|s| s.data.len()).sum::<usize>(), 3_000);
}

// Bug 3: a window that shrinks below what is in flight must leave a timer behind (check() sees to it).
#[test]
fn window_shrunk_with_data_in_flight_it_is_still_retransmitted() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 5_000);
    assert_eq!(story.out().len(), 5);
    story.recv(seg(".").seq(1).ack(1001).wnd(0));
    let (_, again) = story.wait_output(10_000).unwrap();
    assert_eq!(again.seq, 1001);
}

// RFC 9293 3.8.6.2.1: no silly segments for a window that opens by crumbs, but not never either.
#[test]
fn window_of_a_few_bytes_nothing_silly_leaves_before_the_override() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(10));
    story.write(id, 5_000);
    story.expect(&[]);
    let (at, sent) = story.wait_output(10_000).unwrap();
    assert!(at >= 100, "the override timeout of RFC 9293: 0.1 to 1 s");
    assert_eq!(sent.data.len(), 10);
}

// RFC 9293 3.8.6.2.2 and MUST-39: the window opens by whole steps, and the peer hears of it.
#[test]
fn buffer_filled_then_read_a_window_update_leaves() {
    let settings = Settings {
        receive_buffer: 4_000,
        receive_buffer_max: None,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    for n in 0..4 {
        story.recv(seg(".").seq(1 + n * 1000).ack(1).zeros(1000));
    }
    let out = story.out();
    assert_eq!((out.len(), out[0].ack, out[0].wnd), (1, Some(4001), 0));
    let probe = story.judge(seg(".").seq(4001).ack(1).zeros(1));
    assert_eq!(probe.drop_reason(), None);
    let answer = story.out();
    assert_eq!((answer[0].ack, answer[0].wnd), (Some(4001), 0));
    assert_eq!(story.read_all(id).len(), 4000);
    let update = story.out();
    assert_eq!(update[0].why.name(), "window-update");
    assert_eq!((update[0].ack, update[0].wnd), (Some(4001), 4000));
    story.expect(&[]);
}

#[test]
fn window_advertised_never_moves_its_edge_left() {
    let settings = Settings {
        receive_buffer: 100_000,
        receive_buffer_max: None,
        window_scale: true,
        ..plain()
    };
    let (mut story, _) = Story::established_by(settings, seg("S").mss(1000).wscale(3));
    let mut edge = 0;
    for n in 0..60 {
        story.recv(seg(".").seq(1 + n * 777).ack(1).zeros(777));
        for sent in story.out() {
            let new = sent.ack.unwrap() + (u32::from(sent.wnd) << 1);
            assert!(new >= edge, "edge went from {edge} to {new}");
            edge = new;
        }
    }
}

// RFC 7323 5.3 R1.
#[test]
fn timestamp_older_than_the_last_segment_is_acknowledged_and_dropped() {
    let settings = Settings {
        timestamps: true,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000).ts(1000, 0));
    story.recv(seg("P.").seq(1).ack(1).data(b"a").ts(1005, 0));
    story.at(100).out();
    let verdict = story.judge(seg("P.").seq(2).ack(1).data(b"b").ts(1004, 0));
    assert_eq!(verdict.rule.name, "tcp:paws");
    let out = story.out();
    assert_eq!(out[0].ack, Some(2));
    assert_eq!(out[0].options.timestamps.unwrap().ecr, 1005);
    assert_eq!(story.read_all(id), b"a");
}

// Bug 9: a middlebox that strips the option must not kill the connection.
#[test]
fn timestamps_agreed_then_missing_segments_are_still_taken() {
    let settings = Settings {
        timestamps: true,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000).ts(1000, 0));
    story.recv(seg("P.").seq(1).ack(1).data(b"bare"));
    assert_eq!(story.read_all(id), b"bare");
    story.write(id, 988);
    let out = story.out();
    assert!(out[0].options.timestamps.is_some());
    assert_eq!(out[0].data.len(), 988, "MSS less the option's 12 bytes");
}

// RFC 9293 3.8.4, MUST-24 to MUST-29.
#[test]
fn keep_alive_wanted_idle_peer_is_probed_and_given_up_after_the_last() {
    let (mut story, id) = Story::established(plain());
    assert!(story.wait_output(10_000_000).is_none(), "off by default");
    let wanted = KeepAlive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(10),
        probes: 3,
    };
    let start = 10_000_000;
    story.at(start);
    story.recv(seg("P.").seq(1).ack(1).data(b"x"));
    story
        .tcp
        .configure(id, |s| s.keep_alive = Some(wanted))
        .unwrap();
    let mut lines = Vec::new();
    while let Some((at, sent)) = story.wait_output(start + 1_000_000) {
        lines.push((at - start, sent.why.name(), sent.seq, sent.data.len()));
    }
    assert_eq!(
        lines,
        [
            (40, "delayed-ack", 1, 0),
            (60_000, "keep-alive", 0, 0),
            (70_000, "keep-alive", 0, 0),
            (80_000, "keep-alive", 0, 0),
            (90_000, "reset-timed-out", 1, 0),
        ]
    );
}

#[test]
fn keep_alive_answered_the_connection_lives_on() {
    let settings = Settings {
        keep_alive: Some(KeepAlive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            probes: 2,
        }),
        ..plain()
    };
    let (mut story, _) = Story::established(settings);
    for round in 1..=20 {
        let (at, probe) = story.wait_output(10_000_000).unwrap();
        assert_eq!((at, probe.why.name()), (60_000 * round, "keep-alive"));
        story.recv(seg(".").seq(1).ack(1));
    }
    story.expect_state(State::Established);
}

#[test]
fn keep_alive_probe_of_the_peer_is_answered() {
    let (mut story, _) = story();
    story.recv(seg(".").seq(0).ack(1));
    let out = story.out();
    assert_eq!((out.len(), out[0].ack), (1, Some(1)));
}

#[test]
fn send_buffer_full_write_takes_a_part_and_writable_tells_of_room() {
    let settings = Settings {
        send_buffer: 3_000,
        send_buffer_max: None,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    assert_eq!(story.write(id, 5_000), 3_000);
    assert_eq!(story.write(id, 1), 0);
    story.out();
    assert_eq!(story.events(), []);
    story.recv(seg(".").seq(1).ack(1001));
    assert_eq!(story.events(), [Event::Writable(id)]);
    assert_eq!(story.write(id, 5_000), 1_000);
}

#[test]
fn write_after_shutdown_is_an_error() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    let mut data = outcrop_base::ChunkQueue::new();
    data.push_slice(b"x");
    let error = story.tcp.write(id, &mut data);
    assert_eq!(error, Err(WriteError::Shutdown));
    assert_eq!(data.len(), 1);
}

// RFC 1191 6.4, RFC 5927 4.1.
#[test]
fn packet_too_big_for_something_in_flight_it_is_sent_again_smaller() {
    let (mut story, id) = story();
    story.write(id, 2_000);
    assert_eq!(story.out().len(), 2);
    let mut signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(5_000)),
        kind: PathSignalKind::TooBig(640),
        id: PacketId(99),
    };
    assert!(
        story
            .tcp
            .handle_path(story.now, &signal)
            .drop_reason()
            .is_some()
    );
    signal.seq = Some(story.iss.value().wrapping_add(1));
    let verdict = story.tcp.handle_path(story.now, &signal);
    assert_eq!(verdict.drop_reason(), None);
    let sizes: Vec<_> = story.out().iter().map(|s| s.data.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 2_000);
    assert!(sizes.iter().all(|size| *size <= 600), "{sizes:?}");
}

// RFC 1191 6.5, RFC 8201 5.4: the path takes 1500, the peer wants no more than 700.
#[test]
fn peer_announces_less_than_the_path_takes_segments_keep_to_it() {
    let (mut story, id) = Story::established_by(plain(), seg("S").mss(700));
    story.write(id, 2_100);
    let sizes: Vec<_> = story.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(sizes, [700; 3]);
}

// Bug 12: a peer that announces an MSS of one does not make us send one-byte segments.
#[test]
fn peer_announces_tiny_mss_segments_keep_a_floor() {
    let (mut story, id) = Story::established_by(plain(), seg("S").mss(1));
    story.write(id, 480);
    let out = story.out();
    assert!(
        out.iter().all(|sent| sent.data.len() == 48),
        "{}",
        out.len()
    );
}
