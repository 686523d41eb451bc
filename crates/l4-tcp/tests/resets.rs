//! Suspicion: what is refused, what is challenged, what is dropped without a word.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::DropReason;
use outcrop_tcp::{CloseReason, ConnId, Event, State};

fn story() -> (Story, ConnId) {
    Story::established(plain())
}

// RFC 9293 3.10.7.1: both forms.
#[test]
fn no_connection_segment_is_refused_by_an_acceptable_reset() {
    let mut story = Story::new(plain());
    story.recv(seg("S").seq(9).zeros(3));
    let out = story.out();
    assert_eq!(
        out[0].line(),
        format!("R. {} ack 13 reset-no-connection", 0)
    );
    story.recv(seg(".").seq(9).ack(77));
    assert_eq!(story.out()[0].line(), "R 77 reset-no-connection");
    let verdict = story.judge(seg("R").seq(9));
    assert_eq!(verdict.drop_reason(), Some(DropReason::TcpNoSocket));
    story.expect(&[]);
}

// RFC 9293 3.10.7.2.
#[test]
fn listener_ack_is_refused_reset_and_others_are_ignored() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(seg(".").seq(9).ack(77));
    assert_eq!(story.out()[0].line(), "R 77 reset-no-connection");
    for nothing in [seg("R"), seg("F"), seg("P"), seg("SF"), seg("")] {
        story.recv(nothing).expect(&[]);
        story.expect_state(State::Listen);
    }
}

// RFC 5961 3.2: exactly RCV.NXT resets, elsewhere in the window is asked about, outside is nothing.
#[test]
fn reset_by_its_number_ends_is_challenged_or_is_dropped() {
    let (mut story, id) = story();
    let outside = story.judge(seg("R").seq(70_000));
    assert_eq!(outside.rule.name, "tcp:reset-out-of-window");
    story.expect(&[]);
    let inside = story.judge(seg("R").seq(2));
    assert_eq!(inside.rule.name, "tcp:reset-inexact");
    story.expect(&[". 1 ack 1 challenge-ack"]);
    story.expect_state(State::Established);
    let exact = story.judge(seg("R").seq(1));
    assert_eq!(exact.rule.name, "tcp:reset-exact");
    story.expect(&[]);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Reset)]);
}

// MUST-66: also while our window is closed.
#[test]
fn reset_at_a_closed_window_still_counts() {
    let settings = outcrop_tcp::Settings {
        receive_buffer: 1_000,
        receive_buffer_max: None,
        ..plain()
    };
    let (mut story, _) = Story::established(settings);
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    assert_eq!(story.out()[0].wnd, 0);
    story.recv(seg("R").seq(1001));
    story.out();
    story.expect_state(State::Listen);
}

// Bug 6: two ends that find each other unacceptable must not talk for ever.
#[test]
fn flood_of_unacceptable_empty_segments_five_answers_a_second() {
    let (mut story, _) = story();
    let mut answers = 0;
    for _ in 0..1_000 {
        story.recv(seg(".").seq(900_000).ack(1));
        answers += story.out().len();
    }
    assert_eq!(answers, 5);
    story.at(1_000);
    story.recv(seg(".").seq(900_000).ack(1));
    assert_eq!(story.out().len(), 1);
}

// .. and the limit must not starve honest retransmissions of their acknowledgment.
#[test]
fn retransmissions_beyond_the_challenge_limit_are_still_acknowledged() {
    let (mut story, _) = story();
    story.recv(seg("P.").seq(1).ack(1).zeros(100));
    story.at(100).out();
    for _ in 0..50 {
        story.recv(seg("P.").seq(1).ack(1).zeros(100));
        assert_eq!(story.out().len(), 1);
    }
}

// RFC 9293 3.10.7.4 fifth, MAY-12; bug 11 (XA 015).
#[test]
fn ack_of_the_future_or_the_far_past_changes_nothing() {
    let (mut story, id) = story();
    story.write(id, 100);
    story.out();
    let future = story.judge(seg("P.").seq(1).ack(5_000).data(b"evil"));
    assert_eq!(future.rule.name, "tcp:ack-of-unsent");
    story.expect(&[". 101 ack 1 challenge-ack"]);
    let past = story.judge(
        seg("P.")
            .seq(1)
            .ack(1_u32.wrapping_sub(70_000))
            .data(b"evil"),
    );
    assert_eq!(past.rule.name, "tcp:ack-too-old");
    story.expect(&[". 101 ack 1 challenge-ack"]);
    assert_eq!(story.read_all(id), b"");
    assert_eq!(story.tcp.info(id).unwrap().snd_una, 0);
}

#[test]
fn segment_without_ack_is_dropped() {
    let (mut story, id) = story();
    let verdict = story.judge(seg("P").seq(1).data(b"x"));
    assert_eq!(verdict.drop_reason(), Some(DropReason::TcpBadFlags));
    story.expect(&[]);
    assert_eq!(story.read_all(id), b"");
}

// Bug 11 (XA 084).
#[test]
fn text_after_the_fin_is_not_taken() {
    let (mut story, id) = story();
    story.recv(seg("F.").seq(1).ack(1));
    story.out();
    let verdict = story.judge(seg("P.").seq(2).ack(1).data(b"more"));
    assert_eq!(verdict.rule.name, "tcp:text-after-fin");
    assert_eq!(story.tcp.read(id), Ok(None));
}

#[test]
fn segment_straddling_the_window_only_its_new_part_is_taken() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(1).ack(1).data(b"abc"));
    story.recv(seg("P.").seq(2).ack(1).data(b"bcdef"));
    assert_eq!(story.read_all(id), b"abcdef");
}

#[test]
fn verdicts_name_rules_with_their_sections() {
    let (mut story, _) = story();
    let verdict = story.judge(seg("R").seq(2));
    assert!(verdict.rule.source.contains("RFC 5961"));
    let rule = outcrop_tcp::Rule::from_name(verdict.rule.name).unwrap();
    assert_eq!(rule, outcrop_tcp::Rule::ResetInexact);
}
