//! How long to wait for somebody who does not answer, and what the program can say about it
//! (RFC 9293 3.8.3, 3.8.4).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Story, plain, seg};
use outcrop_tcp::{CloseReason, Event, KeepAlive, Listen, Settings, State};

const DAY: u64 = 24 * 3600 * 1000;

/// When segments with this reason leave before `ms`, in ms.
fn times(story: &mut Story, why: &str, ms: u64) -> Vec<u64> {
    let mut times = Vec::new();
    while let Some((at, sent)) = story.wait_output(ms) {
        if sent.why.name() == why {
            times.push(at);
        }
    }
    times
}

// SHLD-9, SHLD-10: told after three retransmissions, long before the end.
#[test]
fn three_retransmissions_unanswered_program_is_told_and_the_connection_lives_on() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 10);
    story.out();
    let mut resent = 0;
    while story.events().is_empty() {
        let (_, sent) = story.wait_output(60_000).unwrap();
        assert_eq!(sent.seq, 1);
        resent += u32::from(sent.why.name() == "rto");
    }
    assert_eq!(resent, 3);
    story.recv(seg(".").seq(1).ack(11));
    story.expect_state(State::Established);
}

#[test]
fn r1_set_to_zero_program_is_never_told() {
    let settings = Settings { r1: 0, ..plain() };
    let (mut story, id) = Story::established(settings);
    story.write(id, 10);
    times(&mut story, "rto", 2_000_000);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::TimedOut)]);
}

// MUST-21: an application may set R2 to infinity.
#[test]
fn r2_is_infinite_data_is_repeated_for_days() {
    let settings = Settings {
        user_timeout: Some(Duration::MAX),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.write(id, 10);
    assert!(times(&mut story, "rto", 3 * DAY).len() > 1_000);
    story.expect_state(State::Established);
}

#[test]
fn connect_with_two_retries_fails_after_seven_seconds() {
    let settings = Settings {
        syn_retries: 2,
        ..plain()
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    assert_eq!(times(&mut story, "syn", DAY), [0, 1_000, 3_000]);
    assert_eq!(story.now.as_millis(), 10_000 + 7_000);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::TimedOut)]);
}

#[test]
fn connect_with_a_user_timeout_fails_at_that_instant() {
    let settings = Settings {
        user_timeout: Some(Duration::from_secs(5)),
        ..plain()
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    assert_eq!(times(&mut story, "syn", DAY), [0, 1_000, 3_000]);
    assert_eq!(story.now.as_millis(), 10_000 + 5_000);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::TimedOut)]);
}

#[test]
fn listener_with_one_retry_forgets_after_three_seconds() {
    let settings = Settings {
        syn_ack_retries: 1,
        ..plain()
    };
    let mut story = Story::new(settings);
    story.listen();
    story.recv(seg("S"));
    assert_eq!(times(&mut story, "syn-ack", DAY), [0, 1_000]);
    assert_eq!(story.now.as_millis(), 10_000 + 3_000);
    assert!(story.tcp.is_empty());
}

// MUST-25: off unless asked for, however long nothing happens.
#[test]
fn keep_alive_not_asked_for_a_week_of_silence_passes_in_silence() {
    let (mut story, _) = Story::established(plain());
    assert!(story.wait_output(7 * DAY).is_none());
    story.expect_state(State::Established);
}

// MUST-28: no less than two hours; SHLD-12: no data in it; MUST-29: one lost answer means nothing.
#[test]
fn keep_alive_by_default_first_probe_after_two_hours_and_one_unanswered_is_forgiven() {
    let settings = Settings {
        keep_alive: Some(KeepAlive::default()),
        ..plain()
    };
    let (mut story, _) = Story::established(settings);
    let (at, probe) = story.wait_output(DAY).unwrap();
    assert!(at >= 2 * 3600 * 1000, "{at} ms");
    assert_eq!((probe.why.name(), probe.data.len()), ("keep-alive", 0));
    let (_, second) = story.wait_output(DAY).unwrap();
    assert_eq!(second.why.name(), "keep-alive");
    story.recv(seg(".").seq(1).ack(1));
    story.expect_state(State::Established);
    let (next, _) = story.wait_output(DAY).unwrap();
    assert!(
        next >= at + 2 * 3600 * 1000,
        "the answer begins a new silence"
    );
}

// MUST-26: only after silence; data that arrives is no silence.
#[test]
fn peer_keeps_talking_no_probe_is_sent() {
    let wanted = KeepAlive {
        idle: Duration::from_secs(60),
        ..KeepAlive::default()
    };
    let settings = Settings {
        keep_alive: Some(wanted),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    for minute in 0..10u32 {
        assert_eq!(
            times(&mut story, "keep-alive", u64::from(minute) * 50_000),
            []
        );
        story.at(u64::from(minute) * 50_000);
        story.recv(seg("P.").seq(1 + minute).ack(1).data(b"x"));
        story.read_all(id);
    }
}

// MUST-26: while data is outstanding it asks the question itself.
#[test]
fn data_is_outstanding_no_probe_is_sent_beside_it() {
    let wanted = KeepAlive {
        idle: Duration::from_secs(2),
        ..KeepAlive::default()
    };
    let settings = Settings {
        keep_alive: Some(wanted),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.write(id, 10);
    assert_eq!(times(&mut story, "keep-alive", 600_000), []);
}

// MUST-24, MUST-27: for each connection, switched on and off, with its own interval.
#[test]
fn keep_alive_switched_on_and_off_probes_come_and_stop() {
    let (mut story, id) = Story::established(plain());
    let wanted = KeepAlive {
        idle: Duration::from_secs(7),
        interval: Duration::from_secs(3),
        probes: 200,
    };
    story
        .tcp
        .configure(id, |s| s.keep_alive = Some(wanted))
        .unwrap();
    assert_eq!(
        times(&mut story, "keep-alive", 14_000),
        [7_000, 10_000, 13_000]
    );
    story.tcp.configure(id, |s| s.keep_alive = None).unwrap();
    assert_eq!(times(&mut story, "keep-alive", DAY), []);
}

// ---- what close means for what is under way ----

#[test]
fn linger_zero_close_resets_at_once() {
    let settings = Settings {
        linger: Some(Duration::ZERO),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.write(id, 500);
    story.tcp.close(id).unwrap();
    story.expect(&["R. 1 ack 1 reset-aborted"]);
    assert!(story.tcp.is_empty());
    assert_eq!(story.tcp.time_wait_len(), 0, "nothing rests after a reset");
}

#[test]
fn linger_two_seconds_unacknowledged_data_is_given_up_then() {
    let settings = Settings {
        linger: Some(Duration::from_secs(2)),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.write(id, 500);
    story.tcp.close(id).unwrap();
    assert_eq!(times(&mut story, "reset-aborted", DAY), [2_000]);
    assert!(story.tcp.is_empty());
}

#[test]
fn linger_two_seconds_data_acknowledged_in_time_close_is_orderly() {
    let settings = Settings {
        linger: Some(Duration::from_secs(2)),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.write(id, 500);
    story.tcp.close(id).unwrap();
    story.expect(&["FP. 1:501(500) ack 1 fin"]);
    story.recv(seg(".").seq(1).ack(502));
    story.at(3_000);
    story.expect(&[]);
    story.recv(seg("F.").seq(1).ack(502));
    story.expect(&[". 502 ack 2 pure-ack"]);
    story.expect_state(State::TimeWait);
}

// ---- accept waits for text ----

fn deferring(span: u64) -> (Story, outcrop_tcp::ListenerId) {
    let mut story = Story::new(plain());
    let listen = Listen {
        defer_accept: Some(Duration::from_secs(span)),
        ..Listen::default()
    };
    let id = story.tcp.listen(story.local, listen).unwrap();
    story.recv(seg("S").mss(1000));
    story.expect(&["S. 0 ack 1 syn-ack"]);
    (story, id)
}

#[test]
fn accept_deferred_bare_ack_waits_and_first_text_establishes() {
    let (mut story, listener) = deferring(5);
    let verdict = story.judge(seg(".").seq(1).ack(1));
    assert_eq!(verdict.rule.name, "tcp:accept-deferred");
    assert_eq!(
        (story.events(), story.state()),
        (vec![], State::SynReceived)
    );
    assert!(
        story.wait_output(4_000).is_none(),
        "nothing is repeated meanwhile"
    );
    story.recv(seg("P.").seq(1).ack(1).data(b"GET /"));
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id), b"GET /");
}

#[test]
fn accept_deferred_nothing_said_in_time_the_next_ack_establishes() {
    let (mut story, listener) = deferring(5);
    story.recv(seg(".").seq(1).ack(1));
    let (at, again) = story.wait_output(60_000).unwrap();
    assert_eq!((at, again.why.name()), (5_000, "syn-ack"));
    story.recv(seg(".").seq(1).ack(1));
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
}

// RFC 9293 3.10.8: the user timeout flushes the queues and enters CLOSED; it names no reset.
#[test]
fn quiet_timeout_connection_given_up_ends_without_a_reset() {
    for (quiet_timeout, resets) in [(true, 0), (false, 1)] {
        let settings = Settings {
            quiet_timeout,
            r1: 0,
            user_timeout: Some(Duration::from_secs(3)),
            ..plain()
        };
        let (mut story, id) = Story::established(settings);
        story.write(id, 10);
        assert_eq!(times(&mut story, "reset-timed-out", 60_000).len(), resets);
        assert_eq!(story.events(), [Event::Closed(id, CloseReason::TimedOut)]);
    }
}

// The window over the round trip, here 52 bytes over five minutes, rounds to no byte a second: paced by that, the third
// write would never leave.
#[test]
fn window_over_a_long_round_trip_rounds_to_nothing_what_is_paced_leaves_all_the_same() {
    let settings = Settings {
        pacing: true,
        timestamps: true,
        user_timeout: Some(Duration::MAX),
        ..plain()
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    // Two SYNs lost: the window begins with one segment (RFC 6928 2).
    let mut end = 5_000;
    while story.wait_output(end).is_some() {}
    story.recv(seg("S.").ack(1).mss(64).ts(1, 0));
    story.out();
    for (written, next) in [(1, 11), (11, 21), (21, 31)] {
        story.write(id, 10);
        let (at, sent) = story.wait_output(DAY).unwrap();
        assert_eq!((sent.seq, sent.data.len()), (written, 10));
        assert!(at <= end + 60_000, "{at} ms, {end} ms");
        let stamp = sent.options.timestamps.unwrap().val;
        // What is sent again meanwhile is on its way for nothing: the answer is five minutes late.
        end = at + 300_000;
        while story.wait_output(end).is_some() {}
        story.at(end);
        story.recv(seg(".").seq(1).ack(next).ts(2, stamp));
    }
    assert_eq!(story.tcp.info(id).unwrap().pacing_rate.unwrap().0, 1);
}
