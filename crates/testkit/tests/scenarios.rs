//! Every play ends as written, leaves nothing behind, and is the same every time.
#![expect(clippy::unwrap_used, reason = "tests")]

use outcrop_testkit::replay::{Outcome, replay};
use outcrop_testkit::scenario::{Scenario, play};

fn received(scenario: Scenario) -> String {
    let recording = play(scenario, 7).unwrap();
    assert!(recording.quiet, "{scenario}: something is left to happen");
    String::from_utf8(recording.received).unwrap()
}

#[test]
fn get_is_answered_with_a_date_of_the_run() {
    let answer = received(Scenario::Get);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // The clock began at 08:00:00; connection and request took 30 ms.
    assert!(
        answer
            .to_lowercase()
            .contains("date: sat, 21 nov 2026 08:00:00 gmt\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("\r\n\r\nYou asked for /.\nThat is all.\n"),
        "{answer}"
    );
}

#[test]
fn pipelined_pair_is_answered_in_order() {
    let answers = received(Scenario::Pipeline);
    let first = answers.find("You asked for /first").unwrap();
    let second = answers.find("You asked for /second").unwrap();
    assert!(first < second);
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
}

#[test]
fn half_closed_client_still_receives() {
    assert_eq!(received(Scenario::HalfClose), "dnuor denrut eb ot rettel a");
}

#[test]
fn simultaneous_close_leaves_nothing() {
    assert_eq!(received(Scenario::SimultaneousClose), "");
}

#[test]
fn reset_leaves_nothing() {
    assert!(received(Scenario::Reset).starts_with('x'));
}

#[test]
fn lost_segments_arrive_in_the_end() {
    assert_eq!(
        received(Scenario::Retransmission),
        "x".repeat(7 * 1448 + 500)
    );
}

#[test]
fn same_seed_gives_the_same_recording_to_the_byte() {
    for scenario in Scenario::ALL {
        let (one, two) = (play(*scenario, 3).unwrap(), play(*scenario, 3).unwrap());
        assert!(one.capture == two.capture, "{scenario} differs from itself");
        let other = play(*scenario, 4).unwrap();
        assert!(
            one.capture != other.capture,
            "{scenario} does not depend on the seed"
        );
    }
}

#[test]
fn recording_replays_identically_and_an_altered_one_does_not() {
    let recording = play(Scenario::Get, 11).unwrap().capture;
    assert!(matches!(
        replay(&recording).unwrap(),
        Outcome::Identical { packets: 7, .. }
    ));

    // Another server name in the answer: same length, so the file stays well-formed.
    let needle = b"You asked for";
    let at = recording
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    let mut altered = recording;
    altered[at] = b'y';
    let Outcome::Diverged(divergence) = replay(&altered).unwrap() else {
        panic!("an altered byte was not noticed");
    };
    assert_eq!(divergence.what, ["bytes"]);
    assert_eq!(
        divergence.before.len(),
        3,
        "SYN, SYN-ACK, and the request with the handshake's ACK"
    );
}
