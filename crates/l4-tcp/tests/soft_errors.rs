//! What goes wrong on the way and ends nothing: RFC 9293 3.9.2.2 (ICMP), 3.9.1.8 (how the program learns of it).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::{PacketId, PathSignal, PathSignalKind, Verdict};
use outcrop_tcp::{CloseReason, Doubt, Event, Settings, State};

/// An ICMP error about the byte with this number.
fn icmp(story: &mut Story, kind: PathSignalKind, seq: u32) -> Verdict {
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(seq)),
        kind,
        id: PacketId(99),
    };
    let verdict = story.tcp.handle_path(story.now, &signal);
    story.check();
    verdict
}

// MUST-54, MUST-56, SHLD-25, MUST-47: codes 0, 1 and 5, time exceeded and parameter problem.
#[test]
fn soft_error_while_established_program_is_told_why_and_the_connection_lives_on() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 10);
    story.out();
    assert_eq!(story.tcp.doubt(id), None);
    let verdict = icmp(&mut story, PathSignalKind::Soft, 1);
    assert_eq!(verdict.drop_reason(), None);
    assert_eq!(story.events(), [Event::Doubtful(id)]);
    assert_eq!(story.tcp.doubt(id), Some(Doubt::Unreachable));
    story.expect_state(State::Established).expect(&[]);
    story.recv(seg(".").seq(1).ack(11));
    assert_eq!(story.tcp.doubt(id), None, "progress ends it");
}

// RFC 5927 4: what quotes nothing in flight is nobody's news.
#[test]
fn error_about_something_not_in_flight_nobody_is_told() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 10);
    story.out();
    for seq in [0, 11, 0x8000_0000] {
        let verdict = icmp(&mut story, PathSignalKind::Soft, seq);
        assert!(verdict.drop_reason().is_some(), "{seq}");
    }
    assert_eq!((story.events(), story.tcp.doubt(id)), (vec![], None));
}

// D-05: in a synchronised state a hard error is one more doubt (SHLD-26 is kept where the connection opens).
#[test]
fn hard_error_while_established_program_is_told_and_the_connection_lives_on() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 10);
    story.out();
    let _verdict = icmp(&mut story, PathSignalKind::Hard, 1);
    assert_eq!(story.events(), [Event::Doubtful(id)]);
    assert_eq!(story.tcp.doubt(id), Some(Doubt::Refused));
    story.expect_state(State::Established).expect(&[]);
}

// SHLD-20: a program that does not want to hear of it does not; the reason is kept for the end.
#[test]
fn soft_errors_not_wanted_program_hears_of_the_end_alone() {
    let settings = Settings { r1: 0, ..plain() };
    let (mut story, id) = Story::established(settings);
    story.write(id, 10);
    story.out();
    let _verdict = icmp(&mut story, PathSignalKind::Soft, 1);
    assert_eq!(story.events(), []);
    while story.wait_output(2_000_000).is_some() {}
    let end = Event::Closed(id, CloseReason::Unreachable);
    assert_eq!(story.events(), [end]);
}

// Nothing but silence is another end than silence with a reason.
#[test]
fn silence_without_an_error_is_a_timeout_and_r1_is_its_doubt() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 10);
    while story.tcp.doubt(id).is_none() {
        story.wait_output(2_000_000).unwrap();
    }
    assert_eq!(story.tcp.doubt(id), Some(Doubt::Unanswered));
    while story.wait_output(2_000_000).is_some() {}
    let end = Event::Closed(id, CloseReason::TimedOut);
    assert_eq!(story.events(), [Event::Doubtful(id), end]);
}

// MUST-56 while opening: the SYN is repeated as if nothing had been said.
#[test]
fn soft_error_while_connecting_attempt_goes_on_and_may_succeed() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    let _verdict = icmp(&mut story, PathSignalKind::Soft, 0);
    assert_eq!(story.events(), [Event::Doubtful(id)]);
    assert_eq!(story.tcp.doubt(id), Some(Doubt::Unreachable));
    let (at, again) = story.wait_output(10_000).unwrap();
    assert_eq!((at, again.why.name()), (1_000, "syn"));
    story.recv(seg("S.").ack(1).mss(1000));
    assert_eq!(story.events(), [Event::Connected(id)]);
}

#[test]
fn soft_error_while_connecting_and_then_silence_the_end_says_unreachable() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    let _verdict = icmp(&mut story, PathSignalKind::Soft, 0);
    while story.wait_output(1_000_000).is_some() {}
    let told = story.events();
    assert_eq!(
        told.last(),
        Some(&Event::Closed(id, CloseReason::Unreachable))
    );
}
