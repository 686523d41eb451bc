//! RFC 5961, blind in-window attacks: what the stories of `resets` and the drill scripts leave out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Seg, Story, plain, seg};
use outcrop_tcp::{CloseReason, Event, Settings, State};

/// What an intruder without our numbers can provoke, one of each kind.
fn suspicious() -> [Seg; 5] {
    [
        seg("R.").seq(5).ack(1),
        seg("S").seq(1),
        seg("S").seq(400_000),
        seg(".").seq(1).ack(90_000),
        seg(".").seq(1).ack(1_u32.wrapping_sub(90_000)),
    ]
}

// 3.2 and 4.2: challenged, dropped, and nothing else of the segment counts: no text, no FIN, no ACK, no window.
#[test]
fn challenged_segments_leave_nothing_behind() {
    for flags in ["RPF.", "SPF.", "SP."] {
        let (mut story, id) = Story::established(plain());
        story.write(id, 3_000);
        story.out();
        let before = story.tcp.info(id).unwrap();
        story.recv(seg(flags).seq(2).ack(1001).wnd(7).data(b"evil"));
        let out = story.out();
        assert_eq!(out.len(), 1, "{flags}");
        assert_eq!(
            (out[0].why.name(), out[0].ack),
            ("challenge-ack", Some(1)),
            "{flags}"
        );
        let after = story.tcp.info(id).unwrap();
        assert_eq!(after.snd_una, before.snd_una, "{flags}");
        assert_eq!(after.snd_wnd, before.snd_wnd, "{flags}");
        assert_eq!(after.rcv_nxt, before.rcv_nxt, "{flags}");
        assert_eq!(after.receive_queued, 0, "{flags}");
        story.expect_state(State::Established);
        assert_eq!(story.events(), []);
    }
}

// 4.2: irrespective of the sequence number.
#[test]
fn syn_anywhere_in_a_connection_is_challenged_whatever_its_number() {
    for seq in [0, 1, 2, 60_000, 70_000, 1 << 31, u32::MAX] {
        let (mut story, _) = Story::established(plain());
        story
            .recv(seg("S").seq(seq))
            .expect(&[". 1 ack 1 challenge-ack"]);
        story.expect_state(State::Established);
    }
}

// 3.1: the peer's stack, asked by our challenge for a connection it does not know, resets with SEQ = SEG.ACK.
#[test]
fn honest_peer_that_lost_its_connection_resets_after_the_challenge() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg("R").seq(700));
    let challenge = story.out();
    let asked = challenge[0].ack.unwrap();
    story.recv(seg("R").seq(asked)).expect(&[]);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Reset)]);
}

// 4.1 and 4.2: the peer lost its memory and uses the same ports again.
#[test]
fn restarted_peer_opens_anew_after_the_challenge_and_its_reset() {
    let (mut story, _) = Story::established(plain());
    story.recv(seg("S").seq(30_000));
    let asked = story.out()[0].ack.unwrap();
    story.recv(seg("R").seq(asked)).expect(&[]);
    story.at(1_000);
    story.recv(seg("S").seq(30_000));
    let answer = story.out();
    assert_eq!((answer.len(), answer[0].ack), (1, Some(30_001)));
    assert!(answer[0].flags.syn());
}

// 5.2: (SND.UNA - MAX.SND.WND) <= SEG.ACK <= SND.NXT, both ends included. The peer offered 65,535.
#[test]
fn acknowledgment_range_is_exact_at_both_ends() {
    let judge = |ack: u32| {
        let (mut story, id) = Story::established(plain());
        story.write(id, 100);
        story.out();
        let verdict = story.judge(seg("P.").seq(1).ack(ack).data(b"x"));
        let challenged = story
            .out()
            .iter()
            .any(|sent| sent.why.name() == "challenge-ack");
        assert_eq!(verdict.drop_reason().is_some(), challenged, "{ack}");
        verdict.rule.name
    };
    assert_eq!(judge(101), "tcp:text-taken");
    assert_eq!(judge(102), "tcp:ack-of-unsent");
    assert_eq!(judge(1_u32.wrapping_sub(65_535)), "tcp:text-taken");
    assert_eq!(judge(1_u32.wrapping_sub(65_536)), "tcp:ack-too-old");
}

// 5.2: MAX.SND.WND is the largest window ever received, after scaling. 1000 << 7 = 128,000.
#[test]
fn largest_window_is_remembered_scaled_after_the_window_has_shrunk() {
    let settings = Settings {
        window_scale: true,
        ..plain()
    };
    let (mut story, _) = Story::established_by(settings, seg("S").mss(1000).wscale(7).wnd(500));
    story.recv(seg(".").seq(1).ack(1).wnd(1000));
    story.recv(seg(".").seq(1).ack(1).wnd(10));
    let old = story.judge(seg(".").seq(1).ack(1_u32.wrapping_sub(8 << 10)));
    assert_eq!(old.rule.name, "tcp:ack-taken");
    let old = story.judge(seg(".").seq(1).ack(1_u32.wrapping_sub(127_900)));
    assert_eq!(old.rule.name, "tcp:ack-taken");
}

// 7: whatever the kind, one allowance, and it comes back.
#[test]
fn flood_of_every_suspicious_kind_shares_one_allowance() {
    let (mut story, id) = Story::established(plain());
    for second in 0..3 {
        story.at(second * 1_000);
        let mut answers = 0;
        for _ in 0..100 {
            for segment in suspicious() {
                story.recv(segment);
                answers += story.out().len();
            }
        }
        assert_eq!(answers, 5, "in second {second}");
    }
    // .. and what the program sends is not held back by it.
    story.write(id, 10);
    story.expect(&["P. 1:11(10) ack 1 data"]);
}
