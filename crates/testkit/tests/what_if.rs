//! Another fate for one packet, and what follows by the RFCs.
#![expect(clippy::unwrap_used, reason = "tests")]

use outcrop_capture::{Packet, Reader, Record};
use outcrop_testkit::Side;
use outcrop_testkit::replay::{Outcome, replay};
use outcrop_testkit::scenario::{FAULTS_MAX, Play, Scenario};
use outcrop_testkit::what_if::{Change, Futures, WhatIfError, read, what_if, written};

fn play(scenario: Scenario) -> Play {
    Play {
        scenario,
        seed: 1,
        faults: Vec::new(),
    }
}

fn changed(scenario: Scenario, change: &str) -> Futures {
    what_if(&play(scenario), change.parse().unwrap()).unwrap()
}

fn packets(capture: &[u8]) -> Vec<Packet> {
    let packets = Reader::new(capture).unwrap().map(|record| record.unwrap());
    packets
        .filter_map(|record| match record {
            Record::Packet(packet) => Some(packet),
            Record::Event(_) => None,
        })
        .collect()
}

fn whys(capture: &[u8], why: &str) -> usize {
    let packets = packets(capture);
    let same = packets.iter().filter(|p| p.notes.get("why") == Some(why));
    same.count()
}

/// The body of an answer: its date is that of the second in which it was sent.
fn body(received: &[u8]) -> String {
    let text = String::from_utf8(received.to_vec()).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// How many packets begin the same in both.
fn shared(futures: &Futures) -> usize {
    let (before, after) = (
        packets(&futures.before.capture),
        packets(&futures.after.capture),
    );
    let pairs = before.iter().zip(&after);
    pairs
        .take_while(|(a, b)| (a.at, &a.bytes) == (b.at, &b.bytes))
        .count()
}

#[test]
fn a_lost_segment_in_the_middle_of_an_answer_is_sent_again_by_acknowledgments() {
    // Of the eight segments of the answer, #4 to #11, the play itself loses the second and the last.
    let futures = changed(Scenario::Retransmission, "drop:7");
    assert_eq!(futures.from, Side::Right);
    assert_eq!(whys(&futures.before.capture, "fast-retransmit"), 2);
    assert_eq!(whys(&futures.after.capture, "fast-retransmit"), 3);
    assert_eq!(futures.before.received, futures.after.received);
    // The packet itself leaves as before: it is the link that loses it.
    assert!(shared(&futures) > 10);
}

#[test]
fn a_lost_syn_ack_is_sent_again_by_a_timer_of_one_second() {
    let futures = changed(Scenario::Get, "drop:2");
    let after = packets(&futures.after.capture);
    let syn_acks: Vec<_> = after
        .iter()
        .filter(|p| p.notes.get("state") == Some("SYN-RECEIVED") && p.notes.get("why").is_some())
        .collect();
    assert!(syn_acks.len() >= 2, "{}", syn_acks.len());
    // RFC 6298 2.1: one second until there is a round-trip sample.
    let gap = syn_acks[1].at - syn_acks[0].at;
    assert_eq!(gap.as_millis(), 1_000);
    assert_eq!(
        body(&futures.before.received),
        body(&futures.after.received)
    );
}

#[test]
fn a_packet_of_the_peer_that_is_lost_never_reaches_the_recorder() {
    let futures = changed(Scenario::Get, "drop:1");
    assert_eq!((futures.from, shared(&futures)), (Side::Left, 0));
    // The SYN comes again after a second, RFC 6298 2.1, and all is as it was.
    let (before, after) = (
        packets(&futures.before.capture),
        packets(&futures.after.capture),
    );
    assert_eq!(
        after[0].at - before[0].at,
        core::time::Duration::from_secs(1)
    );
    assert_eq!(
        body(&futures.before.received),
        body(&futures.after.received)
    );
}

#[test]
fn a_duplicated_segment_is_acknowledged_again_and_read_once() {
    let futures = changed(Scenario::Get, "duplicate:3");
    let count = |capture: &[u8]| packets(capture).len();
    assert!(count(&futures.after.capture) > count(&futures.before.capture));
    assert_eq!(futures.before.received, futures.after.received);
}

#[test]
fn a_delayed_packet_comes_that_much_later() {
    let futures = changed(Scenario::Get, "delay:1:200ms");
    let (before, after) = (
        packets(&futures.before.capture),
        packets(&futures.after.capture),
    );
    assert_eq!((after[0].at - before[0].at).as_millis(), 200);
}

#[test]
fn a_future_is_a_recording_that_replays_and_can_be_changed_again() {
    let futures = changed(Scenario::Retransmission, "drop:7");
    let outcome = replay(&futures.after.capture).unwrap();
    assert!(matches!(outcome, Outcome::Identical { .. }), "{outcome:?}");
    let again = what_if(&futures.play, "drop:8".parse().unwrap()).unwrap();
    assert_eq!(again.before.capture, futures.after.capture);
    assert_eq!(written(&again.play.faults), "right:5:drop,right:6:drop");
    assert_eq!(again.after.received, futures.before.received);
}

#[test]
fn every_packet_of_every_play_may_be_lost_and_the_rest_still_ends() {
    for scenario in Scenario::ALL {
        let recorded = play(*scenario).run().unwrap();
        for packet in packets(&recorded.capture) {
            let change = format!("drop:{}", packet.shown_id());
            let futures = changed(*scenario, &change);
            assert!(futures.after.quiet, "{scenario} {change}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    for bad in ["", "drop", "drop:x", "lose:3", "delay:3", "delay:3:soon"] {
        assert!(bad.parse::<Change>().is_err(), "{bad}");
    }
    for good in ["drop:3", "duplicate:9", "delay:4:200ms"] {
        assert_eq!(good.parse::<Change>().unwrap().to_string(), good);
    }
    let error = what_if(&play(Scenario::Get), "drop:999".parse().unwrap()).unwrap_err();
    assert!(matches!(error, WhatIfError::NoPacket { packet: 999, .. }));
    assert!(error.to_string().contains("no packet #999"));
    assert!(read("right:x:drop").is_err() && read("up:1:drop").is_err());
    let many = vec!["right:1:drop"; FAULTS_MAX + 1].join(",");
    assert!(matches!(read(&many), Err(WhatIfError::TooMany)));
}
