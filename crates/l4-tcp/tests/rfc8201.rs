//! RFC 1191 and RFC 8201, path MTU discovery: what a connection makes of a packet that was too big.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::{PacketId, Path, PathSignal, PathSignalKind, Verdict};
use outcrop_tcp::{Algorithm, ConnId, Settings};

fn settings() -> Settings {
    Settings {
        congestion: Algorithm::NewReno,
        ..plain()
    }
}

/// A connection of either family over a path of 1500 bytes.
fn established(v6: bool) -> (Story, ConnId) {
    let mut story = Story::new(settings());
    if v6 {
        story.local = "[fd77::1]:80".parse().unwrap();
        story.remote = "[fd77::2]:40000".parse().unwrap();
    }
    story.path = Path::plain(1500);
    let listener = story.listen();
    story.recv(seg("S").mss(8000));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    (story, id)
}

/// A router says that the segment with this relative number was too big.
fn too_big(story: &mut Story, seq: u32, mtu: u32) -> Verdict {
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(seq)),
        kind: PathSignalKind::TooBig(mtu),
        id: PacketId(99),
    };
    let verdict = story.tcp.handle_path(story.now, &signal);
    story.check();
    verdict
}

fn largest(story: &mut Story) -> usize {
    story.out().iter().map(|s| s.data.len()).max().unwrap_or(0)
}

// 1191 6.4, 8201 5.4: sent again at once, smaller; no congestion: no threshold, and as many segments as before.
#[test]
fn too_big_is_repaired_at_once_and_is_no_congestion() {
    for (v6, headers) in [(false, 40), (true, 60)] {
        let (mut story, id) = established(v6);
        story.write(id, 8_000);
        let sent = story.out();
        assert_eq!(sent[0].data.len(), 1500 - headers);
        let segments = |story: &Story| {
            let info = story.tcp.info(id).unwrap();
            (info.cwnd / u64::from(info.mss), info.ssthresh)
        };
        let before = segments(&story);
        assert_eq!(too_big(&mut story, 1, 1400).drop_reason(), None);
        let again = story.out();
        assert_eq!(again[0].seq, 1);
        assert!(again.iter().all(|s| s.data.len() <= 1400 - headers));
        let bytes: usize = again.iter().map(|s| s.data.len()).sum();
        assert_eq!(bytes, 8_000);
        assert_eq!(segments(&story), before);
        assert_eq!(before.1, u64::MAX);
    }
}

// 1191 3, 8201 4: nothing larger than the estimate leaves from then on.
#[test]
fn nothing_larger_leaves_after_the_news() {
    let (mut story, id) = established(false);
    story.write(id, 3_000);
    story.out();
    assert_eq!(too_big(&mut story, 1, 1000).drop_reason(), None);
    let mut acked = 1;
    for _ in 0..5 {
        assert!(largest(&mut story) <= 960);
        acked = 1 + story.tcp.info(id).unwrap().snd_nxt as u32;
        story.recv(seg(".").seq(1).ack(acked));
        story.write(id, 10_000);
    }
    assert!(acked > 10_000);
}

// 1191 3, 8201 4: the estimate never grows by what a router says, nor does the same news count twice.
#[test]
fn router_that_says_more_or_the_same_changes_nothing() {
    let (mut story, id) = established(false);
    story.write(id, 3_000);
    story.out();
    assert_eq!(too_big(&mut story, 1, 1000).drop_reason(), None);
    story.out();
    for mtu in [1000, 1001, 1400, 1500, 9000, u32::MAX] {
        assert!(too_big(&mut story, 1, mtu).drop_reason().is_some(), "{mtu}");
        assert_eq!(largest(&mut story), 0);
    }
    assert_eq!(story.tcp.info(id).unwrap().mss, 960);
}

// 8201 4: never below what every link carries; 1191 3 has 68, we stop at 552 (D-09).
#[test]
fn estimate_stops_at_the_floor_of_the_family() {
    for (v6, mss) in [(false, 552 - 40), (true, 1280 - 60)] {
        let (mut story, id) = established(v6);
        story.write(id, 3_000);
        story.out();
        assert_eq!(too_big(&mut story, 1, 68).drop_reason(), None);
        assert_eq!(story.tcp.info(id).unwrap().mss, mss);
    }
}

// 8201 4 and 6, RFC 5927 4.1: news of what was never sent, or was acknowledged, is not believed.
#[test]
fn news_of_what_is_not_under_way_is_not_believed() {
    let (mut story, id) = established(false);
    story.write(id, 3_000);
    story.out();
    for seq in [0, 3_001, 1 << 31] {
        assert!(too_big(&mut story, seq, 1000).drop_reason().is_some());
    }
    story.recv(seg(".").seq(1).ack(1461));
    assert!(too_big(&mut story, 1, 1000).drop_reason().is_some());
    assert_eq!(story.tcp.info(id).unwrap().mss, 1460);
}

// 1191 3: routers are to say so instead of cutting.
#[test]
fn segments_of_every_kind_forbid_fragmentation() {
    let (mut story, id) = established(false);
    story.write(id, 3_000);
    let mut seen = 0;
    while let Some(transmit) = story.tcp.poll_transmit(story.now) {
        assert!(transmit.fields.df);
        seen += 1;
    }
    assert_eq!(seen, 3);
    let mut story = Story::new(settings());
    story.connect();
    assert!(story.tcp.poll_transmit(story.now).unwrap().fields.df);
}
