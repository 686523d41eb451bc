//! RFC 2018 and RFC 2883, selective acknowledgments, as the two ends of a connection see them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{PEER_ISN, Sent, Story, plain, seg};
use outcrop_tcp::{ConnId, SackBlock, Settings};

fn selective() -> Settings {
    Settings {
        sack: true,
        nodelay: true,
        ..plain()
    }
}

fn story() -> (Story, ConnId) {
    Story::established_by(selective(), seg("S").mss(1000).sackok())
}

/// The blocks of a segment of ours, relative to the peer's ISN.
fn blocks(sent: &Sent) -> Vec<(u32, u32)> {
    let relative = |edge: outcrop_tcp::SeqNum| edge.value().wrapping_sub(PEER_ISN);
    let all = sent.options.sack.as_slice().iter();
    all.map(|b| (relative(b.left), relative(b.right))).collect()
}

/// The peer's thousand bytes at `seq` arrive; the blocks of our answer.
fn arrives(story: &mut Story, seq: u32) -> Vec<(u32, u32)> {
    story.recv(seg(".").seq(seq).ack(1).zeros(1000));
    let out = story.out();
    assert_eq!(out.len(), 1, "each has its own answer");
    blocks(&out[0])
}

// 2018 2: in the SYN, and nowhere else.
#[test]
fn permission_is_given_in_the_syn_alone() {
    let mut story = Story::new(selective());
    let id = story.connect();
    let syn = story.out().remove(0);
    assert!(syn.options.sack_permitted);
    story.recv(seg("S.").ack(1).mss(1000).sackok());
    let mut later = story.out();
    story.write(id, 10);
    later.extend(story.out());
    story.tcp.shutdown(id).unwrap();
    later.extend(story.out());
    assert_eq!(later.len(), 3);
    assert!(later.iter().all(|sent| !sent.options.sack_permitted));
}

// 2018 4: without permission none is sent, whatever the gap.
#[test]
fn peer_that_does_not_permit_gets_no_blocks() {
    let (mut story, _) = Story::established_by(selective(), seg("S").mss(1000));
    assert_eq!(arrives(&mut story, 2001), []);
}

// 2018 4: every acknowledgment below the highest byte held says so, those that carry text or a FIN too.
#[test]
fn while_there_is_a_gap_every_segment_carries_the_blocks() {
    let (mut story, id) = story();
    assert_eq!(arrives(&mut story, 2001), [(2001, 3001)]);
    story.write(id, 10);
    assert_eq!(blocks(&story.out()[0]), [(2001, 3001)]);
    story.tcp.shutdown(id).unwrap();
    assert_eq!(blocks(&story.out()[0]), [(2001, 3001)]);
    // A part of the gap: the answer still does not reach the highest.
    story.recv(seg(".").seq(1).ack(1).zeros(500));
    assert_eq!(blocks(&story.out()[0]), [(2001, 3001)]);
    story.recv(seg(".").seq(501).ack(1).zeros(1500));
    let out = story.out();
    assert_eq!((out[0].ack, blocks(&out[0])), (Some(3001), vec![]));
}

// 2018 4 (1) to (3): first what triggered it, then as many as fit, the latest reported first.
#[test]
fn blocks_lead_with_the_trigger_and_repeat_the_latest() {
    let (mut story, _) = story();
    assert_eq!(arrives(&mut story, 2001), [(2001, 3001)]);
    assert_eq!(arrives(&mut story, 4001), [(4001, 5001), (2001, 3001)]);
    assert_eq!(
        arrives(&mut story, 6001),
        [(6001, 7001), (4001, 5001), (2001, 3001)]
    );
    assert_eq!(
        arrives(&mut story, 8001),
        [(8001, 9001), (6001, 7001), (4001, 5001), (2001, 3001)]
    );
    // Five islands, room for four: the oldest report is left out.
    assert_eq!(
        arrives(&mut story, 10_001),
        [(10_001, 11_001), (8001, 9001), (6001, 7001), (4001, 5001)]
    );
    // The block that contains the trigger, whole, and no subset of it again.
    assert_eq!(
        arrives(&mut story, 3001),
        [(2001, 5001), (10_001, 11_001), (8001, 9001), (6001, 7001)]
    );
}

// 2018 8: what was reported is kept; under pressure newcomers are refused.
#[test]
fn what_was_reported_is_there_once_the_gap_closes() {
    let (mut story, id) = story();
    for n in 1..60 {
        arrives(&mut story, 1 + 1000 * n);
    }
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    assert_eq!(story.out()[0].ack, Some(60_001));
    assert_eq!(story.read_all(id).len(), 60_000);
}

// 2018 5 and 8: reported bytes stay in the buffer until SND.UNA passes them, and the timer repeats the first one
// though it was reported.
#[test]
fn reported_bytes_are_held_until_acknowledged_and_sent_again_after_a_timeout() {
    let (mut story, id) = story();
    story.write(id, 3_000);
    assert_eq!(story.out().len(), 3);
    let mut all = seg(".").seq(1).ack(1);
    all.header.options.sack.push(SackBlock {
        left: story.iss + 1,
        right: story.iss + 3001,
    });
    story.recv(all).expect(&[]);
    assert_eq!(story.tcp.info(id).unwrap().send_queued, 3_000);
    let (_, again) = story.wait_output(60_000).unwrap();
    assert_eq!((again.seq, again.data.len()), (1, 1000));
    story.recv(seg(".").seq(1).ack(3001));
    assert_eq!(story.tcp.info(id).unwrap().send_queued, 0);
}

// 2883 4: the duplicate first; above the acknowledgment its whole block second; then the rest. Once.
#[test]
fn duplicate_is_reported_first_once_and_above_the_acknowledgment_with_its_block() {
    let (mut story, _) = story();
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    story.out();
    assert_eq!(arrives(&mut story, 1), [(1, 1001)], "below");
    arrives(&mut story, 3001);
    arrives(&mut story, 4001);
    arrives(&mut story, 7001);
    assert_eq!(
        arrives(&mut story, 4001),
        [(4001, 5001), (3001, 5001), (7001, 8001)]
    );
    assert_eq!(arrives(&mut story, 9001)[0], (9001, 10_001), "told once");
}

// 2883 4: what advances nothing is answered at once, and by then an acknowledgment of new text may wait.
#[test]
fn segment_that_is_all_duplicate_is_acknowledged_at_once_where_a_new_one_waits() {
    let (mut story, _) = story();
    let mut seq = 1;
    loop {
        story.recv(seg(".").seq(seq).ack(1).zeros(100));
        if story.out().is_empty() {
            break;
        }
        seq += 100;
        assert!(seq < 10_000, "none waits");
    }
    story.wait_output(1_000).unwrap();
    story.recv(seg(".").seq(seq).ack(1).zeros(100));
    let out = story.out();
    assert_eq!(out.len(), 1);
    assert_eq!(blocks(&out[0]), [(seq, seq + 100)]);
}

// 2883 4.2: of a segment partly new only the part that was there.
#[test]
fn only_the_part_that_was_there_is_reported_as_duplicate() {
    let (mut story, _) = story();
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    story.out();
    story.recv(seg(".").seq(501).ack(1).zeros(1000));
    story.at(500);
    let out = story.out();
    assert_eq!(
        (out[0].ack, blocks(&out[0])),
        (Some(1501), vec![(501, 1001)])
    );
}
