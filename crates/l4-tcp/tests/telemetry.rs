//! What a connection says of itself: counts, shares of its time, and why it is not sending.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Story, plain, seg};
use outcrop_tcp::{Algorithm, ConnId, Held, Settings};

fn story() -> (Story, ConnId) {
    Story::established(Settings {
        congestion: Algorithm::NewReno,
        ..plain()
    })
}

fn held(story: &Story, id: ConnId) -> Held {
    story.tcp.explain(story.now, id).unwrap().held
}

#[test]
fn each_thing_that_holds_the_sender_gets_its_share() {
    let (mut story, id) = story();
    story.out();
    // 20 ms of nothing to send.
    story.at(20);
    assert_eq!(held(&story, id), Held::Application);
    // The initial window of ten leaves; for 30 ms the congestion window holds the rest.
    story.write(id, 40_000);
    assert_eq!(story.out().len(), 10);
    assert_eq!(held(&story, id), Held::CongestionWindow);
    story.at(50);
    // Everything is acknowledged, and the peer's window closes for 10 ms.
    story.recv(seg(".").seq(1).ack(10_001).wnd(0));
    story.expect(&[]);
    assert_eq!(held(&story, id), Held::ReceiveWindow);
    story.at(60);
    let explanation = story.tcp.explain(story.now, id).unwrap();
    let ms = Duration::from_millis;
    let shares = explanation.shares;
    assert_eq!(shares.of(Held::Application), ms(20));
    assert_eq!(shares.of(Held::CongestionWindow), ms(30));
    assert_eq!(shares.of(Held::ReceiveWindow), ms(10));
    assert_eq!((shares.busy, shares.total()), (ms(40), ms(60)));
    let words = explanation.to_string();
    assert!(words.starts_with("held by receive window: "), "{words}");
    assert!(words.contains("congestion window 50 % (30.0ms)"), "{words}");
    assert!(words.contains("busy 67 %"), "{words}");
}

#[test]
fn nagle_and_a_full_send_buffer_are_named() {
    let (mut story, id) = story();
    story.write(id, 10);
    story.out();
    story.write(id, 10);
    story.out();
    assert_eq!(held(&story, id), Held::Nagle);
    let mut small = plain();
    small.send_buffer = 2_000;
    small.send_buffer_max = None;
    let (mut story, id) = Story::established(small);
    assert_eq!(story.write(id, 3_000), 2_000);
    story.out();
    assert_eq!(held(&story, id), Held::SendBuffer);
}

#[test]
fn segments_are_counted_as_they_are_on_the_wire() {
    let (mut story, id) = story();
    story.write(id, 2_500);
    story.out();
    story.recv(seg(".").seq(1).ack(1).data(b"abc"));
    let (_, again) = story.wait_output(3_000).unwrap();
    assert_eq!(again.flags.to_string(), ".");
    story.wait_output(3_000).unwrap();
    let info = story.tcp.info(id).unwrap();
    let totals = info.totals;
    assert_eq!(totals.data_segments_in, 1);
    assert!(totals.bytes_out > 2_500, "{totals:?}");
    assert_eq!(totals.data_segments_out, 3 + totals.retransmissions);
    assert_eq!(totals.timeouts, 1);
    assert_eq!(info.controller, Some("newreno"));
}
