//! RFC 7323, window scale and timestamps: what the other stories and the drill scripts leave out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Seg, Story, plain, seg};
use outcrop_base::{DropReason, FactKind};
use outcrop_tcp::{CloseReason, ConnId, Event, Settings};

fn scaled() -> Settings {
    Settings {
        window_scale: true,
        ..plain()
    }
}

fn stamped() -> Settings {
    Settings {
        timestamps: true,
        ..plain()
    }
}

/// Established with timestamps; the peer's SYN had 1000, its ACK too.
fn with_timestamps() -> (Story, ConnId) {
    Story::established_by(stamped(), seg("S").mss(1000).ts(1000, 0))
}

fn days(days: u64) -> u64 {
    days * 24 * 3600 * 1000
}

/// What the next segment of ours echoes.
fn echoed(story: &mut Story, id: ConnId) -> u32 {
    story.write(id, 1);
    let out = story.out();
    out.last().unwrap().options.timestamps.unwrap().ecr
}

// 2.2: the option means something in a SYN alone.
#[test]
fn window_scale_in_a_later_segment_is_ignored() {
    let (mut story, id) = Story::established_by(scaled(), seg("S").mss(1000).wscale(2));
    story.recv(seg(".").seq(1).ack(1).wnd(1_000).wscale(9));
    assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 4_000);
    let (mut story, id) = Story::established_by(scaled(), seg("S").mss(1000));
    story.recv(seg(".").seq(1).ack(1).wnd(1_000).wscale(9));
    assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 1_000);
}

// 2.3: at most fourteen. 3 << 14 = 49,152.
#[test]
fn shift_beyond_fourteen_counts_as_fourteen() {
    for shift in [14, 15, 255] {
        let (mut story, id) = Story::established_by(scaled(), seg("S").mss(1000).wscale(shift));
        story.recv(seg(".").seq(1).ack(1).wnd(3));
        assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 49_152, "{shift}");
    }
}

// 2.2 and 2.3: never in a SYN, always after it.
#[test]
fn windows_we_send_are_scaled_except_in_our_syn() {
    let settings = Settings {
        receive_buffer: 1 << 20,
        ..scaled()
    };
    let mut story = Story::new(settings);
    story.listen();
    story.recv(seg("S").mss(1000).wscale(0));
    let syn_ack = story.out().remove(0);
    // The smallest shift that expresses 2^20 in sixteen bits is five: 2^20 >> 4 is one too large.
    assert_eq!((syn_ack.options.wscale, syn_ack.wnd), (Some(5), u16::MAX));
    story.recv(seg("P.").seq(1).ack(1).zeros(1000));
    story.at(500);
    story.recv(seg("P.").seq(1001).ack(1).zeros(1000));
    let last = story.out().pop().unwrap();
    let window = u32::from(last.wnd) << 5;
    assert!(((1 << 20) - 4_000..=1 << 20).contains(&window), "{window}");
}

// 2.4: whatever was once announced stays acceptable.
#[test]
fn text_up_to_any_edge_announced_is_taken() {
    let settings = Settings {
        receive_buffer: 10_000,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    for n in 0..10 {
        let verdict = story.judge(seg("P.").seq(1 + 1000 * n).ack(1).zeros(1000));
        assert_eq!(verdict.drop_reason(), None, "segment {n}");
        story.out();
    }
    assert_eq!(story.read_all(id).len(), 10_000);
}

// 3.2: in every segment, resets included; TSecr is zero where there is nothing to echo.
#[test]
fn once_agreed_every_segment_carries_timestamps() {
    let mut story = Story::new(stamped());
    let id = story.connect();
    let syn = story.out().remove(0);
    assert_eq!(syn.options.timestamps.unwrap().ecr, 0);
    story.recv(
        seg("S.")
            .ack(1)
            .mss(1000)
            .ts(50, syn.options.timestamps.unwrap().val),
    );
    let mut all = story.out();
    story.write(id, 3_000);
    all.extend(story.out());
    story.recv(seg("P.").seq(1).ack(2965).data(b"x").ts(51, 0));
    story.at(400);
    all.extend(story.out());
    story.tcp.shutdown(id).unwrap();
    all.extend(story.out());
    story.recv(seg("S").seq(1).ts(52, 0));
    all.extend(story.out());
    story.tcp.abort(id).unwrap();
    all.extend(story.out());
    let names: Vec<_> = all.iter().map(|s| s.why.name()).collect();
    for kind in ["data", "challenge-ack", "fin", "reset-aborted"] {
        assert!(names.contains(&kind), "{names:?}");
    }
    for sent in all {
        let stamps = sent.options.timestamps.unwrap();
        assert!(stamps.ecr >= 50, "{}", sent.line());
    }
}

// 3.2: not agreed upon, the option is ignored and the segment taken.
#[test]
fn timestamps_not_agreed_upon_are_ignored() {
    let (mut story, id) = Story::established(stamped());
    story.recv(seg("P.").seq(1).ack(1).data(b"a").ts(500, 0));
    let verdict = story.judge(seg("P.").seq(2).ack(1).data(b"b").ts(400, 0));
    assert_eq!(verdict.drop_reason(), None);
    assert_eq!(story.read_all(id), b"ab");
    story.write(id, 10);
    assert!(story.out().iter().all(|s| s.options.timestamps.is_none()));
}

// 3.2: the SYN-ACK has the option if the SYN had.
#[test]
fn syn_ack_has_what_the_syn_had() {
    for (syn, has) in [(seg("S"), false), (seg("S").ts(7, 12_345), true)] {
        let mut story = Story::new(stamped());
        story.listen();
        story.recv(syn);
        let answer = story.out().remove(0);
        assert_eq!(answer.options.timestamps.map(|t| t.ecr), has.then_some(7));
    }
}

// 4.1: only what acknowledges new data measures; a duplicate that echoes an old time does not.
#[test]
fn echo_on_a_duplicate_is_no_round_trip() {
    let (mut story, id) = with_timestamps();
    story.write(id, 2_000);
    let val = story.out()[0].options.timestamps.unwrap().val;
    story.at(100);
    story.facts.clear();
    let sampled = |story: &Story| {
        let rtt = |f: &&outcrop_base::Fact| matches!(f.kind, FactKind::Rtt { .. });
        story.facts.iter().filter(rtt).count()
    };
    story.recv(seg(".").seq(1).ack(1).ts(1001, val));
    story.recv(seg("P.").seq(1).ack(1).data(b"x").ts(1002, val));
    assert_eq!(sampled(&story), 0);
    story.recv(seg(".").seq(2).ack(989).ts(1003, val));
    assert_eq!(sampled(&story), 1);
}

// 4.3: (A) delayed: the earliest not acknowledged; (B) out of order: the last in order; (C) the gap filled: that one.
#[test]
fn echo_follows_the_three_cases() {
    let settings = Settings {
        delayed_ack: Duration::from_millis(300),
        ..stamped()
    };
    let (mut story, _) = Story::established_by(settings, seg("S").mss(1000).ts(1000, 0));
    let echo = |story: &mut Story| {
        let out = story.out();
        out.last().map(|s| s.options.timestamps.unwrap().ecr)
    };
    story.recv(seg("P.").seq(1).ack(1).data(b"a").ts(1001, 0));
    story.recv(seg("P.").seq(2).ack(1).data(b"b").ts(1002, 0));
    story.at(300);
    assert_eq!(echo(&mut story), Some(1001), "A");
    story.recv(seg("P.").seq(4).ack(1).data(b"d").ts(1004, 0));
    assert_eq!(echo(&mut story), Some(1001), "B");
    story.recv(seg("P.").seq(3).ack(1).data(b"c").ts(1003, 0));
    assert_eq!(echo(&mut story), Some(1003), "C");
}

// 5.5: after 24 days of silence nothing is known about the peer's clock.
#[test]
fn timestamp_remembered_for_more_than_24_days_refuses_nothing() {
    for (after, taken) in [(days(23), false), (days(25), true)] {
        let (mut story, id) = with_timestamps();
        story.at(after);
        let verdict = story.judge(seg("P.").seq(1).ack(1).data(b"x").ts(900, 0));
        assert_eq!(verdict.drop_reason().is_none(), taken, "{after}");
        if taken {
            assert_eq!(
                echoed(&mut story, id),
                900,
                "it is the one to echo from now on"
            );
        }
    }
}

// 5.2: a reset is not judged by its timestamp, and leaves nothing behind.
#[test]
fn reset_with_any_timestamp_is_judged_by_its_number_alone() {
    let (mut story, id) = with_timestamps();
    story.recv(seg("R").seq(5).ts(9_000, 0));
    story.out();
    assert_eq!(echoed(&mut story, id), 1000);
    story.recv(seg("R").seq(1).ts(1, 0));
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Reset)]);
}

// 5.3 R1 to R3, by the segment's timestamp and number: equal is new enough, out of window is not remembered.
#[test]
fn timestamp_is_remembered_only_from_what_passed_every_check() {
    let echo_after = |segment: Seg| {
        let (mut story, id) = with_timestamps();
        story.recv(segment);
        story.out();
        echoed(&mut story, id)
    };
    assert_eq!(echo_after(seg(".").seq(1).ack(1).ts(1000, 0)), 1000);
    assert_eq!(echo_after(seg(".").seq(1).ack(1).ts(1007, 0)), 1007);
    assert_eq!(echo_after(seg(".").seq(1).ack(1).ts(999, 0)), 1000);
    assert_eq!(
        echo_after(seg("P.").seq(100_000).ack(1).data(b"x").ts(1007, 0)),
        1000,
        "outside the window"
    );
    assert_eq!(
        echo_after(seg("P.").seq(2).ack(1).data(b"x").ts(1007, 0)),
        1000,
        "out of order"
    );
}

// 5.3 R2: outside the window, on either side, no timestamp helps.
#[test]
fn segment_outside_the_window_is_refused_whatever_its_timestamp() {
    let (mut story, id) = with_timestamps();
    story.recv(seg("P.").seq(1).ack(1).data(b"abc").ts(1000, 0));
    for (seq, stamp) in [(100_000, 1000), (100_000, 9000), (1, 1000), (1, 9000)] {
        let verdict = story.judge(seg("P.").seq(seq).ack(1).data(b"xyz").ts(stamp, 0));
        let why = verdict.drop_reason();
        assert_eq!(why, Some(DropReason::TcpOutOfWindow), "{seq} {stamp}");
    }
    assert_eq!(story.read_all(id), b"abc");
}

// 5.3: what waits out of order is judged as it arrives, and not again when its turn comes.
#[test]
fn text_out_of_order_is_judged_by_its_timestamp_once_when_it_arrives() {
    let (mut story, id) = with_timestamps();
    let old = story.judge(seg("P.").seq(4).ack(1).data(b"!").ts(999, 0));
    assert_eq!(old.drop_reason(), Some(DropReason::TcpOldTimestamp));
    let new = story.judge(seg("P.").seq(4).ack(1).data(b"d").ts(1001, 0));
    assert_eq!(new.drop_reason(), None);
    story.recv(seg("P.").seq(1).ack(1).data(b"abc").ts(1010, 0));
    assert_eq!(story.read_all(id), b"abcd");
}

// 5.4 and 7.1: a millisecond a tick, from a beginning that differs from connection to connection.
#[test]
fn clock_ticks_each_millisecond_from_a_beginning_of_its_own() {
    let value = |port: u16, ms: u64| {
        let mut story = Story::new(stamped());
        story.remote.set_port(port);
        story.connect();
        let first = story.out()[0].options.timestamps.unwrap().val;
        let (at, again) = story.wait_output(ms).unwrap();
        let later = again.options.timestamps.unwrap().val;
        assert_eq!(u64::from(later.wrapping_sub(first)), at);
        first
    };
    let values = [40_000, 40_001, 40_002].map(|port| value(port, 5_000));
    assert_ne!(values[0], values[1]);
    assert_ne!(values[1], values[2]);
    assert!(values[0].abs_diff(values[1]) > 1_000, "hashed, not counted");
}
