//! Timeouts that were mistakes, and timeouts a router explains.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, sack, seg};
use outcrop_base::{FactKind, PacketId, PathSignal, PathSignalKind};
use outcrop_tcp::{Algorithm, ConnId, Settings};

fn settings(sack: bool) -> Settings {
    Settings {
        sack,
        nodelay: true,
        congestion: Algorithm::NewReno,
        ..plain()
    }
}

/// Ten segments of 1000 bytes under way, the first of them sent again by the timer; ten more are written.
fn timed_out(with_sack: bool) -> (Story, ConnId) {
    let syn = if with_sack {
        seg("S").mss(1000).sackok()
    } else {
        seg("S").mss(1000)
    };
    let (mut story, id) = Story::established_by(settings(with_sack), syn);
    story.write(id, 10_000);
    assert_eq!(story.out().len(), 10);
    let rto = |story: &mut Story| {
        loop {
            let (_, sent) = story.wait_output(60_000).unwrap();
            if sent.why == outcrop_base::Why::Rto {
                return sent.seq;
            }
        }
    };
    assert_eq!(rto(&mut story), 1);
    story.write(id, 10_000);
    story.expect(&[]);
    (story, id)
}

fn spurious(story: &Story) -> Option<&'static str> {
    story.facts.iter().find_map(|fact| match fact.kind {
        FactKind::Spurious { how } => Some(how),
        _ => None,
    })
}

// RFC 5682 2.1, steps 2 b and 3 b.
#[test]
fn timeout_too_early_first_answer_brings_two_new_segments_second_takes_it_back() {
    let (mut story, id) = timed_out(false);
    story.recv(seg(".").seq(1).ack(1001));
    story.expect(
        &[
            "P. 10001:11001(1000) ack 1 data",
            "P. 11001:12001(1000) ack 1 data",
        ]
        .map(|line| line.replace("P.", "."))
        .each_ref()
        .map(String::as_str),
    );
    story.recv(seg(".").seq(1).ack(2001));
    assert_eq!(spurious(&story), Some("f-rto"));
    let info = story.tcp.info(id).unwrap();
    assert!(info.cwnd >= 10_000, "the window is back: {}", info.cwnd);
    assert_eq!(info.lost, 0);
    assert!(
        story.lines().iter().all(|line| line.ends_with("data")),
        "nothing is sent again"
    );
}

// 2.1 step 3 a.
#[test]
fn timeout_was_right_duplicate_answers_the_new_segments_repair_goes_on() {
    let (mut story, _) = timed_out(false);
    story.recv(seg(".").seq(1).ack(1001));
    assert_eq!(story.out().len(), 2);
    story.recv(seg(".").seq(1).ack(1001));
    assert_eq!(spurious(&story), None);
    // One of the two new segments has left the path, by its duplicate: one lost segment takes its place.
    assert_eq!(story.lines()[0], ". 1001:2001(1000) ack 1 rto");
}

// 3.1 steps 2 and 3 b: blocks before the first answer fill the scoreboard and decide nothing.
#[test]
fn timeout_too_early_with_sack_block_below_the_point_takes_it_back() {
    let (mut story, _) = timed_out(true);
    story.recv(seg(".").seq(1).ack(1001));
    assert_eq!(story.out().len(), 2);
    let mut block = seg(".").seq(1).ack(1001);
    block.header.options.sack.push(own(&story, 3001, 4001));
    story.recv(block);
    assert_eq!(spurious(&story), Some("f-rto"));
}

// 3.1 step 3 a: the new data was reported, and nothing of the old.
#[test]
fn timeout_was_right_with_sack_block_beyond_the_point_repair_goes_on() {
    let (mut story, _) = timed_out(true);
    story.recv(seg(".").seq(1).ack(1001));
    assert_eq!(story.out().len(), 2);
    let mut block = seg(".").seq(1).ack(1001);
    block.header.options.sack.push(own(&story, 10_001, 11_001));
    story.recv(block);
    assert_eq!(spurious(&story), None);
    assert_eq!(story.lines()[0], ". 1001:2001(1000) ack 1 rto");
}

// 2.1 step 2 b, last words: without new data slow start goes on.
#[test]
fn nothing_new_to_send_repair_goes_on_at_once() {
    let (mut story, id) = Story::established_by(settings(false), seg("S").mss(1000));
    story.write(id, 3_000);
    story.out();
    let (_, again) = story.wait_output(60_000).unwrap();
    assert_eq!(again.seq, 1);
    story.recv(seg(".").seq(1).ack(1001));
    let lines = story.lines();
    assert_eq!(lines[0], ". 1001:2001(1000) ack 1 rto");
}

/// A block of our own numbers, as the peer reports it.
fn own(story: &Story, left: u32, right: u32) -> outcrop_tcp::SackBlock {
    let mut block = sack(0, 0);
    block.left = story.iss + left;
    block.right = story.iss + right;
    block
}

fn interrupted(story: &mut Story, seq: u32, kind: PathSignalKind) -> &'static str {
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(seq)),
        kind,
        id: PacketId(99),
    };
    let verdict = story.tcp.handle_path(story.now, &signal);
    story.check();
    verdict.rule.name
}

/// One segment and its repeats: when each left, in milliseconds.
fn repeats(story: &mut Story, count: usize, explained: bool) -> Vec<u64> {
    let mut times = Vec::new();
    for _ in 0..count {
        let (at, _) = story.wait_output(600_000).unwrap();
        times.push(at);
        if explained {
            let rule = interrupted(story, 1, PathSignalKind::Disrupted);
            assert_eq!(rule, "tcp:path-disrupted");
        }
    }
    times
}

// RFC 6069 4.2: each message about what was sent again takes one doubling back: the timer stays where it was.
#[test]
fn router_says_unreachable_about_each_repeat_timer_does_not_back_off() {
    let gaps = |explained| {
        let (mut story, id) = Story::established(settings(false));
        story.write(id, 1000);
        story.out();
        let times = repeats(&mut story, 6, explained);
        times.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>()
    };
    let (silent, explained) = (gaps(false), gaps(true));
    assert_eq!(silent[4], silent[0] * 16, "{silent:?}");
    // The first message comes after one doubling, which it takes back: base, base, base ..
    assert!(
        explained.iter().all(|gap| *gap == silent[0] / 2),
        "{explained:?} {silent:?}"
    );
}

// 4.2: only SND.UNA, only after a timeout, and never below the base.
#[test]
fn message_about_other_data_or_before_a_timeout_changes_no_timer() {
    let (mut story, id) = Story::established(settings(false));
    story.write(id, 2000);
    story.out();
    let due = story.tcp.poll_timeout();
    assert_eq!(
        interrupted(&mut story, 1, PathSignalKind::Disrupted),
        "tcp:path-disrupted"
    );
    assert_eq!(story.tcp.poll_timeout(), due);
    story.wait_output(60_000).unwrap();
    story.out();
    let rto = story.tcp.info(id).unwrap().rto;
    assert_eq!(
        interrupted(&mut story, 1001, PathSignalKind::Disrupted),
        "tcp:path-soft"
    );
    assert_eq!(
        interrupted(&mut story, 1, PathSignalKind::Soft),
        "tcp:path-soft"
    );
    assert_eq!(story.tcp.info(id).unwrap().rto, rto);
    assert_eq!(
        interrupted(&mut story, 1, PathSignalKind::Disrupted),
        "tcp:path-disrupted"
    );
    assert_eq!(story.tcp.info(id).unwrap().rto, rto / 2);
    assert_eq!(
        interrupted(&mut story, 1, PathSignalKind::Disrupted),
        "tcp:path-disrupted"
    );
    assert_eq!(
        story.tcp.info(id).unwrap().rto,
        rto / 2,
        "never below the base"
    );
}

// The explanation comes late: the shorter timer has already run out, so the segment leaves at once.
#[test]
fn message_comes_late_repeat_leaves_at_once() {
    let (mut story, id) = Story::established(settings(false));
    story.write(id, 1000);
    story.out();
    repeats(&mut story, 3, false);
    let rto = story.tcp.info(id).unwrap().rto;
    let sent = story.now;
    story.at(
        (sent - outcrop_base::Instant::from_secs(10)).as_millis() as u64
            + rto.as_millis() as u64 * 3 / 4,
    );
    interrupted(&mut story, 1, PathSignalKind::Disrupted);
    let now = story.now;
    story.wait_output(60_000).unwrap();
    assert_eq!(story.now, now);
}

// A router that explains the silence: large segments are not to blame.
#[test]
fn path_interrupted_and_said_so_no_black_hole_is_suspected() {
    let mut story = Story::new(settings(false));
    story.path = outcrop_base::Path::plain(1500);
    let listener = story.listen();
    story.recv(seg("S").mss(1460));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 1460);
    story.out();
    repeats(&mut story, 8, true);
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.mss, info.search.black_holes), (1460, 0));
    repeats(&mut story, 4, false);
    assert!(
        story.tcp.info(id).unwrap().search.black_holes > 0,
        "and without a word they are"
    );
}
