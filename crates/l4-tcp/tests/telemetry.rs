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
use outcrop_tcp::{Algorithm, CloseReason, Config, ConnId, Explanation, Held, SackBlock, Settings};

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

/// With SACK, and ten full segments under way.
fn ten_under_way() -> (Story, ConnId) {
    let settings = Settings {
        sack: true,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000).sackok());
    story.write(id, 10_000);
    assert_eq!(story.out().len(), 10);
    (story, id)
}

/// An acknowledgment up to `ack` with one block.
fn with_block(story: &Story, ack: u32, left: u32, right: u32) -> common::Seg {
    let mut segment = seg(".").seq(1).ack(ack);
    segment.header.options.sack.push(SackBlock {
        left: story.iss + left,
        right: story.iss + right,
    });
    segment
}

// rcv_ooopack, rcv_mss, segs_in of Linux.
#[test]
fn segments_ahead_of_a_gap_and_the_largest_are_counted_merged_ones_by_their_pieces() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(501).ack(1).zeros(500));
    story.recv(seg("P.").seq(1_001).ack(1).zeros(700));
    story.recv(seg("P.").seq(1).ack(1).zeros(500));
    let totals = story.tcp.info(id).unwrap().totals;
    assert_eq!((totals.out_of_order_in, totals.largest_in), (2, 700));
    let (segment, payload) = story.build(&seg("P.").seq(1_701).ack(1).zeros(2_500));
    let mut arrival = story.arrival();
    arrival.gso_size = Some(1_000);
    let before = totals.segments_in;
    assert!(
        story
            .tcp
            .handle_segment(&arrival, segment, payload)
            .drop_reason()
            .is_none()
    );
    let totals = story.tcp.info(id).unwrap().totals;
    assert_eq!((totals.segments_in - before, totals.largest_in), (3, 1_000));
}

// dsack_dups and reord_seen of Linux.
#[test]
fn duplicates_reported_and_overtakings_are_counted() {
    let (mut story, id) = ten_under_way();
    // The third arrives before the first two, which come together: they were overtaken, nothing was lost.
    let overtaking = with_block(&story, 1, 2_001, 3_001);
    story.recv(overtaking);
    story.recv(seg(".").seq(1).ack(3_001));
    let totals = story.tcp.info(id).unwrap().totals;
    assert!(totals.reorderings >= 1, "{totals:?}");
    assert_eq!(totals.duplicates_reported, 0);
    // RFC 2883 4: a block below the acknowledgment reports a duplicate.
    let duplicate = with_block(&story, 3_001, 1_001, 2_001);
    story.recv(duplicate);
    assert_eq!(story.tcp.info(id).unwrap().totals.duplicates_reported, 1);
}

// total_rto, total_rto_recoveries and total_rto_time of Linux.
#[test]
fn timeout_is_repaired_how_long_that_took_is_counted_from_the_first() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    let mut times = Vec::new();
    while story.tcp.info(id).unwrap().totals.timeouts < 2 {
        times.push(story.wait_output(20_000).unwrap().0);
        story.out();
    }
    let [first, second] = times[times.len() - 2..] else {
        panic!("{times:?}")
    };
    story.at(second + 100);
    story.recv(seg(".").seq(1).ack(1_001));
    let totals = story.tcp.info(id).unwrap().totals;
    assert_eq!((totals.timeouts, totals.timeout_recoveries), (2, 1));
    let all = Duration::from_millis(second + 100 - first);
    assert_eq!(totals.timeout_time(), all);
}

#[test]
fn figures_of_the_moment_are_those_of_the_path_and_the_settings() {
    let (mut story, id) = Story::established(Settings {
        mss: Some(700),
        delayed_ack: Duration::from_millis(30),
        ..plain()
    });
    story.recv(seg(".").seq(1).ack(1).wnd(1_000));
    story.write(id, 5_000);
    story.out();
    let detail = story.tcp.info(id).unwrap().detail;
    assert_eq!((detail.path_mtu, detail.advertised_mss), (1_040, 700));
    // One full segment leaves into a window of 1,000; the rest of it would be a silly one.
    assert_eq!((detail.unsent, detail.recovery), (4_300, "open"));
    assert_eq!(detail.ack_delay, Duration::from_millis(30));
    assert_eq!(detail.receive_capacity, 65_535);
    assert_eq!(detail.heard_at, Some(story.now));
    let probed = story.wait_output(60_000);
    assert!(probed.is_some());
}

#[test]
fn window_is_closed_unanswered_probes_are_counted_until_an_answer() {
    let (mut story, id) = story();
    story.write(id, 1_000);
    story.out();
    story.recv(seg(".").seq(1).ack(1_001).wnd(0));
    story.write(id, 1_000);
    for probes in 1..=3 {
        story.wait_output(120_000).unwrap();
        story.out();
        assert_eq!(story.tcp.info(id).unwrap().detail.probes, probes);
    }
    story.recv(seg(".").seq(1).ack(1_001).wnd(10_000));
    story.out();
    assert_eq!(story.tcp.info(id).unwrap().detail.probes, 0);
}

// ---- the end ----

/// Ends the story's connection by a reset 50 ms after it began.
fn reset_at_50(story: &mut Story, id: ConnId) {
    story.write(id, 300);
    story.out();
    story.at(50);
    story.recv(seg("R.").seq(1).ack(301));
    story.out();
}

#[test]
fn connection_has_ended_its_final_account_is_still_told() {
    let (mut story, id) = story();
    let began = story.now;
    reset_at_50(&mut story, id);
    story.at(5_000);
    let account = story.tcp.explain(story.now, id).unwrap();
    let ended = began + Duration::from_millis(50);
    assert_eq!(account.ended, Some((CloseReason::Reset, ended)));
    assert_eq!((account.flow, account.began), (story.flow(), began));
    assert_eq!(account.shares.total(), Duration::from_millis(50));
    assert_eq!(account.totals.bytes_out, 300);
    let words = account.to_string();
    assert!(words.starts_with("ended: reset."), "{words}");
    story.tcp.close(id).unwrap();
    assert_eq!(
        story.tcp.explain(story.now, id),
        None,
        "nobody holds it any more"
    );
}

fn kept(limit: usize, connections: u16) -> Vec<Explanation> {
    let mut story = Story::with_config(Config {
        final_accounts: limit,
        settings: plain(),
        ..Config::default()
    });
    let listener = story.listen();
    for port in 0..connections {
        story.remote.set_port(1_000 + port);
        story.recv(seg("S").mss(1000));
        story.out();
        story.recv(seg(".").seq(1).ack(1));
        let id = story.tcp.accept(listener).unwrap();
        story.recv(seg("R").seq(1));
        story.out();
        story.tcp.close(id).unwrap();
    }
    let accounts = story.tcp.take_final_accounts();
    assert!(
        story.tcp.take_final_accounts().is_empty(),
        "each is told once"
    );
    accounts
}

#[test]
fn final_accounts_are_kept_if_wanted_and_only_the_latest() {
    let ports = |accounts: Vec<Explanation>| -> Vec<u16> {
        accounts
            .iter()
            .map(|account| account.flow.remote.port())
            .collect()
    };
    assert_eq!(ports(kept(0, 3)), []);
    assert_eq!(ports(kept(8, 3)), [1_000, 1_001, 1_002]);
    assert_eq!(ports(kept(2, 3)), [1_001, 1_002]);
}

#[test]
fn open_connections_are_accounted_for_while_they_live() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(1).ack(1).zeros(40));
    story.out();
    let open: Vec<_> = story.tcp.open_accounts(story.now).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].flow, open[0].ended, open[0].received),
        (story.flow(), None, 40)
    );
    assert_eq!(Some(open[0]), story.tcp.explain(story.now, id));
}

#[test]
fn connecting_the_handshake_holds_what_is_written() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    story.write(id, 700);
    let began = story.now;
    story.wait_output(2_000_000).unwrap();
    let told = story.tcp.explain(story.now, id).unwrap();
    assert_eq!(
        (told.held, told.began, told.unsent),
        (Held::Handshake, began, 700)
    );
    let t = told.totals;
    assert_eq!((t.segments_out, t.retransmissions), (2, 1));
    let words = told.to_string();
    assert!(
        words.starts_with("held by handshake: the SYN waits for its answer"),
        "{words}"
    );
    assert!(words.contains("handshake 100 % (1.0s)"), "{words}");
    story.recv(seg("S.").seq(0).ack(1).wnd(60_000));
    assert_eq!(held(&story, id), Held::Application);
}
