//! Stories of the user timeout option (RFC 5482).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Seg, Story, plain, seg};
use outcrop_tcp::{ConnId, KeepAlive, Settings, State, UserTimeout, params};

fn wanted() -> Settings {
    Settings {
        user_timeout_option: true,
        delayed_ack: Duration::ZERO,
        ..plain()
    }
}

/// The same segment with the option.
fn told(mut seg: Seg, bits: u16) -> Seg {
    seg.header.options.user_timeout = UserTimeout::from_bits(bits);
    seg
}

fn bits(seconds: u64) -> Option<UserTimeout> {
    UserTimeout::of(Duration::from_secs(seconds))
}

/// After how many seconds a byte nobody acknowledges ends the connection.
fn patience(story: &mut Story, id: ConnId) -> u64 {
    let begin = story.now;
    story.write(id, 1);
    while story.tcp.info(id).unwrap().state != State::Closed {
        let end = story.now + Duration::from_secs(200);
        let ms = (end - outcrop_base::Instant::from_secs(10)).as_millis() as u64;
        story.wait_output(ms);
        assert!(story.now - begin < Duration::from_secs(100_000), "for ever");
    }
    (story.now - begin).as_secs()
}

#[test]
fn option_not_wanted_nothing_is_told_and_the_peer_s_is_not_heard() {
    let settings = Settings {
        user_timeout_option: false,
        ..wanted()
    };
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(told(seg("S").mss(1000), 3600));
    assert_eq!(story.out()[0].options.user_timeout, None);
    story.recv(told(seg(".").seq(1).ack(1), 3600));
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(patience(&mut story, id), params::R2.as_secs());
}

// RFC 5482 3.3: in the SYN, in the first segment behind it, and whenever it changes.
#[test]
fn option_wanted_told_in_the_syn_once_behind_it_and_at_every_change() {
    let mut story = Story::new(wanted());
    let id = story.connect();
    let own = bits(params::R2.as_secs());
    assert_eq!(story.out()[0].options.user_timeout, own);
    story.recv(seg("S.").mss(1000).ack(1));
    assert_eq!(story.out()[0].options.user_timeout, own);
    story.write(id, 3);
    assert_eq!(story.out()[0].options.user_timeout, None);
    story.recv(seg(".").seq(1).ack(4));
    let change = |settings: &mut Settings| settings.user_timeout = Some(Duration::from_secs(90));
    story.tcp.configure(id, change).unwrap();
    assert!(story.out().is_empty(), "it rides on what leaves next");
    story.write(id, 3);
    let next = story.out();
    assert_eq!(
        (next[0].options.user_timeout, next[0].data.len()),
        (bits(90), 3)
    );
    story.recv(seg(".").seq(1).ack(7));
    story.write(id, 5);
    assert_eq!(story.out()[0].options.user_timeout, None);
}

#[test]
fn full_segment_that_tells_is_four_octets_shorter() {
    let (mut story, id) = Story::established(wanted());
    story.write(id, 3000);
    let sizes: Vec<_> = story.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(sizes[..2], [996, 1000]);
}

// RFC 5482 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)).
#[test]
fn peer_s_word_lengthens_patience_up_to_the_limit_and_never_shortens_it() {
    for (theirs, expected) in [
        (3600, 3600),
        (0x8000 | 30, 1800),
        (5, params::R2.as_secs()),
        (0xffff, params::USER_TIMEOUT_MAX.as_secs()),
        (0x8000, params::R2.as_secs()),
        (0, params::R2.as_secs()),
    ] {
        let (mut story, id) = Story::established(wanted());
        story.recv(told(seg(".").seq(1).ack(1), theirs));
        assert_eq!(patience(&mut story, id), expected, "{theirs:#x}");
    }
}

#[test]
fn peer_s_word_in_its_syn_counts() {
    let (mut story, id) = Story::established_by(wanted(), told(seg("S").mss(1000), 2000));
    assert_eq!(patience(&mut story, id), 2000);
}

// RFC 5482 3.2: a program that chose its timeout is not overruled.
#[test]
fn program_set_its_own_peer_s_word_changes_nothing() {
    let settings = Settings {
        user_timeout: Some(Duration::from_secs(30)),
        ..wanted()
    };
    let (mut story, id) = Story::established(settings);
    story.recv(told(seg(".").seq(1).ack(1), 3600));
    assert_eq!(patience(&mut story, id), 30);
}

#[test]
fn peer_changes_its_mind_while_we_wait_what_was_waited_counts() {
    let (mut story, id) = Story::established(wanted());
    story.write(id, 1);
    let begin = story.now;
    while story.now - begin < Duration::from_secs(500) {
        story.wait_output(600_000);
    }
    let old = told(seg(".").seq(1).ack(1), 3600);
    story.recv(old);
    while story.tcp.info(id).unwrap().state != State::Closed {
        story.wait_output(8_000_000);
    }
    assert_eq!((story.now - begin).as_secs(), 3600);
}

// RFC 5482 4.2.
#[test]
fn keep_alive_waits_longer_than_the_timeout_agreed_on() {
    let settings = Settings {
        keep_alive: Some(KeepAlive {
            idle: Duration::from_secs(60),
            ..KeepAlive::default()
        }),
        ..wanted()
    };
    let (mut story, _) = Story::established(settings);
    story.recv(told(seg(".").seq(1).ack(1), 1800));
    story.out();
    let (ms, probe) = story.wait_output(10_000_000).unwrap();
    assert_eq!(probe.why.name(), "keep-alive");
    assert_eq!(ms, 1_801_000);
    let (mut story, _) = Story::established(settings);
    let (ms, _) = story.wait_output(10_000_000).unwrap();
    assert_eq!(ms, 60_000);
}

#[test]
fn spans_are_told_in_seconds_then_in_minutes_rounded_up() {
    let read = |span: Duration| UserTimeout::of(span).map(UserTimeout::bits);
    assert_eq!(read(Duration::ZERO), None);
    assert_eq!(read(Duration::from_millis(1)), Some(1));
    assert_eq!(read(Duration::from_secs(32_767)), Some(32_767));
    assert_eq!(read(Duration::from_secs(32_768)), Some(0x8000 | 547));
    assert_eq!(read(Duration::MAX), Some(0xffff));
    let span = |bits| UserTimeout::from_bits(bits).map(UserTimeout::span);
    assert_eq!(span(0x8001), Some(Duration::from_secs(60)));
    assert_eq!(span(7), Some(Duration::from_secs(7)));
    assert_eq!((span(0), span(0x8000)), (None, None));
}
