//! When what may leave does leave: windows spread over their round trip by default (D-22, RFC 9406 4.3).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Sent, Story, plain, seg};
use outcrop_tcp::{Algorithm, ConnId, Settings};

const MSS: usize = 1000;

fn paced() -> Settings {
    Settings {
        pacing: true,
        congestion: Algorithm::Cubic,
        ..plain()
    }
}

/// A client whose SYN is answered after `rtt` milliseconds, with a great deal written and nothing sent.
fn connected_after(rtt: u64, settings: Settings) -> (Story, ConnId) {
    let mut story = Story::new(settings);
    let id = story.connect();
    story.out();
    story.at(rtt);
    story.recv(seg("S.").ack(1).mss(MSS as u16).wnd(65_000));
    story.out();
    (story, id)
}

/// How much leaves until `until`, and when.
fn departures(story: &mut Story, now: u64, until: u64) -> Vec<(u64, usize)> {
    let mut all = vec![(now, payload(&story.out()))];
    while let Some((at, first)) = story.wait_output(until) {
        let more = payload(&story.out());
        all.push((at, first.data.len() + more));
    }
    all.retain(|(_, bytes)| *bytes > 0);
    all
}

fn payload(sent: &[Sent]) -> usize {
    sent.iter().map(|s| s.data.len()).sum()
}

/// A connection over `rtt` milliseconds whose initial window has been acknowledged at once: what leaves, and when, before
/// the next acknowledgment.
fn second_round(rtt: u64, settings: Settings) -> Vec<(u64, usize)> {
    let (mut story, id) = connected_after(rtt, settings);
    story.write(id, 200 * MSS);
    assert_eq!(payload(&story.out()), 10 * MSS, "the initial window");
    story.at(2 * rtt);
    story.recv(seg(".").seq(1).ack(10_001).wnd(65_000));
    departures(&mut story, 2 * rtt, 3 * rtt - 1)
}

// RFC 9406 4.3: where growth is paced one acknowledgment counts for all it acknowledges; twice the window of twenty
// segments over 100 ms is one each 2.5 ms.
#[test]
fn long_path_window_doubles_and_leaves_spread_over_half_a_round_trip() {
    let out = second_round(100, paced());
    let (first, rest) = out.split_first().unwrap();
    assert!(
        first.0 == 200 && (10..=12).contains(&(first.1 / MSS)),
        "{out:?}"
    );
    assert_eq!(out.iter().map(|(_, bytes)| bytes).sum::<usize>(), 20 * MSS);
    assert!(rest.iter().all(|(_, bytes)| *bytes <= 2 * MSS), "{out:?}");
    let last = out.last().unwrap().0;
    assert!((218..=224).contains(&last), "{out:?}");
}

// Below 2 ms the timer would be coarser than what it spreads; nothing paces, and eight segments count for an
// acknowledgment (RFC 9406 4.3).
#[test]
fn short_path_window_leaves_at_once() {
    assert_eq!(second_round(1, paced()), [(2, 18 * MSS)]);
}

#[test]
fn pacing_switched_off_window_leaves_at_once() {
    assert_eq!(second_round(100, plain()), [(200, 18 * MSS)]);
}

// RFC 6928, RFC 5681 4.1: what a path must take when a connection begins, it takes after a pause as well.
#[test]
fn paced_connection_resumes_ten_segments_leave_at_once() {
    let (mut story, id) = connected_after(100, paced());
    story.write(id, 30 * MSS);
    story.out();
    story.at(200);
    story.recv(seg(".").seq(1).ack(10_001).wnd(65_000));
    let sent = departures(&mut story, 200, 299);
    assert_eq!(sent.iter().map(|(_, bytes)| bytes).sum::<usize>(), 20 * MSS);
    story.at(330);
    story.recv(seg(".").seq(1).ack(30_001).wnd(65_000));
    story.at(400);
    story.write(id, 25 * MSS);
    let sent = departures(&mut story, 400, 499);
    assert!(
        (10..=12).contains(&(sent.first().unwrap().1 / MSS)),
        "{sent:?}"
    );
    assert!(sent.len() > 5, "{sent:?}");
}
