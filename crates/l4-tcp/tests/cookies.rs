//! Handshakes in a flood (RFC 4987 3.6): a listener whose queue is full goes on without memory.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Seg, Sent, Story, seg};
use outcrop_base::DropReason;
use outcrop_tcp::{Event, Listen, ListenerId, Settings, State, SynCookies};

/// A listener with room for two handshakes, and two strangers who will never answer.
fn flooded(settings: Settings) -> (Story, ListenerId) {
    let mut story = Story::new(settings);
    let listen = Listen {
        syn_backlog: 2,
        ..Listen::default()
    };
    let id = story.tcp.listen(story.local, listen).unwrap();
    for port in [1, 2] {
        story.remote.set_port(port);
        story.recv(seg("S"));
    }
    assert_eq!(story.out().len(), 2);
    story.remote.set_port(40_000);
    (story, id)
}

fn only(story: &mut Story) -> Sent {
    let mut out = story.out();
    assert_eq!(out.len(), 1, "{out:?}");
    out.remove(0)
}

fn linux_syn() -> Seg {
    seg("S").mss(1460).sackok().ts(500, 0).wscale(7)
}

// Bug 14 of the list: a handshake by cookie must wake accept like any other.
#[test]
fn queue_full_syn_is_answered_by_a_cookie_and_its_return_wakes_accept() {
    let (mut story, listener) = flooded(Settings::default());
    let verdict = story.judge(linux_syn());
    assert_eq!(verdict.rule.name, "tcp:listen-sends-cookie");
    story.expect_state(State::Listen);
    let answer = only(&mut story);
    assert_eq!(answer.line(), "S. 0 ack 1 syn-cookie");
    assert_eq!(story.tcp.len(), 2, "nothing is kept of it");
    let stamp = answer.options.timestamps.unwrap();
    assert_eq!(stamp.ecr, 500);
    let verdict = story.judge(seg(".").seq(1).ack(1).ts(501, stamp.val).wnd(502));
    assert_eq!(verdict.rule.name, "tcp:cookie-establishes");
    story.expect_state(State::Established);
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    assert!(story.tcp.accept(listener).is_some());
    assert_eq!(story.tcp.counters().cookies_taken, 1);
}

#[test]
fn cookie_handshake_with_timestamps_keeps_size_scale_and_sack() {
    let (mut story, listener) = flooded(Settings::default());
    story.path.mtu = 9000;
    story.recv(linux_syn());
    let answer = only(&mut story);
    assert!(answer.options.sack_permitted && answer.options.wscale.is_some());
    let stamp = answer.options.timestamps.unwrap();
    story.recv(seg(".").seq(1).ack(1).ts(501, stamp.val).wnd(502));
    let id = story.tcp.accept(listener).unwrap();
    let info = story.tcp.info(id).unwrap();
    let terms = info.negotiated.unwrap();
    assert_eq!((terms.peer_mss, terms.snd_shift), (1460, 7));
    assert!(terms.sack && terms.timestamps);
    assert_eq!(info.snd_wnd, 502 << 7);
}

// What cannot be kept must not be offered: the peer would count on it.
#[test]
fn cookie_handshake_without_timestamps_offers_only_the_segment_size() {
    let (mut story, listener) = flooded(Settings::default());
    story.recv(seg("S").mss(1400).sackok().wscale(7));
    let answer = only(&mut story);
    assert_eq!(answer.options.wscale, None);
    assert!(!answer.options.sack_permitted && answer.options.timestamps.is_none());
    story.recv(seg(".").seq(1).ack(1).wnd(1000));
    let id = story.tcp.accept(listener).unwrap();
    let info = story.tcp.info(id).unwrap();
    assert_eq!(info.negotiated.unwrap().peer_mss, 1380);
    assert_eq!(info.snd_wnd, 1000);
}

#[test]
fn acknowledgment_lost_first_text_brings_the_cookie() {
    let (mut story, listener) = flooded(Settings::default());
    story.recv(seg("S").mss(1000));
    only(&mut story);
    story.recv(seg("P.").seq(1).ack(1).data(b"GET /"));
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id), b"GET /");
}

#[test]
fn text_out_of_order_without_cookie_is_dropped_not_reset_and_the_connection_comes_about() {
    let (mut story, listener) = flooded(Settings::default());
    story.recv(seg("S").mss(1000));
    only(&mut story);
    let verdict = story.judge(seg("P.").seq(6).ack(1).data(b"later"));
    assert_eq!(verdict.rule.name, "tcp:cookie-missing");
    assert_eq!(verdict.drop_reason(), Some(DropReason::TcpBadCookie));
    story.expect(&[]);
    story.recv(seg("P.").seq(1).ack(1).data(b"first"));
    story.recv(seg("P.").seq(6).ack(1).data(b"later"));
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id), b"firstlater");
}

// RFC 9293 3.10.7.2: an acknowledgment of nothing we said is answered by a reset, flood or not.
#[test]
fn acknowledgment_with_a_wrong_cookie_is_reset() {
    let (mut story, _) = flooded(Settings::default());
    story.recv(seg("S").mss(1000));
    only(&mut story);
    story.recv(seg(".").seq(1).ack(500));
    assert_eq!(only(&mut story).line(), "R 500 reset-no-connection");
}

#[test]
fn no_cookie_was_sent_no_number_is_taken_for_one() {
    let (mut sender, _) = flooded(Settings::default());
    sender.recv(seg("S").mss(1000));
    let cookie = only(&mut sender);
    let mut story = Story::new(Settings::default());
    story.listen();
    story.iss = cookie.raw.seq;
    story.recv(seg(".").seq(1).ack(1));
    assert_eq!(only(&mut story).line(), "R 1 reset-no-connection");
}

#[test]
fn cookie_comes_back_after_two_minutes_it_is_refused() {
    let (mut story, _) = flooded(Settings::default());
    story.recv(seg("S").mss(1000));
    only(&mut story);
    story.now = outcrop_base::Instant::from_secs(10 + 121);
    story.tcp.handle_timeout(story.now);
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    assert_eq!(only(&mut story).line(), "R 1 reset-no-connection");
}

// The peer repeats its SYN while the cookie is on its way, and there is room again: the embryo made of
// the second SYN must not cost the connection the first one opened.
#[test]
fn repeated_syn_finds_room_and_cookie_returns_to_the_embryo_connection_comes_about() {
    let (mut story, listener) = flooded(Settings::default());
    story.recv(linux_syn());
    let cookie = only(&mut story);
    let iss = story.iss;
    story.remote.set_port(1);
    story.recv(seg("R").seq(1));
    story.remote.set_port(40_000);
    story.recv(linux_syn());
    assert_eq!(only(&mut story).line(), "S. 0 ack 1 syn-ack");
    assert_ne!(story.iss, iss, "another number");
    story.iss = iss;
    let stamp = cookie.options.timestamps.unwrap();
    story.recv(seg(".").seq(1).ack(1).ts(501, stamp.val));
    story.expect(&[]);
    story.expect_state(State::Established);
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
}

#[test]
fn flood_of_ten_thousand_syns_every_honest_client_connects() {
    let (mut story, listener) = flooded(Settings::default());
    for stranger in 0..10_000u32 {
        let [_, b, c, d] = stranger.to_be_bytes();
        story.remote = format!("10.{b}.{c}.{d}:7").parse().unwrap();
        story.recv(seg("S").mss(1460));
        story.out();
        if stranger % 100 == 0 {
            story.remote = format!("192.168.{c}.{d}:5000").parse().unwrap();
            story.recv(linux_syn());
            let answer = only(&mut story);
            let stamp = answer.options.timestamps.unwrap();
            story.recv(seg(".").seq(1).ack(1).ts(501, stamp.val));
            let id = story.tcp.accept(listener).unwrap();
            assert_eq!(story.tcp.info(id).unwrap().state, State::Established);
        }
    }
    assert_eq!(story.tcp.len(), 2 + 100, "two embryos, a hundred friends");
}

// As in Linux: while the accept queue is full a SYN is dropped, cookies or not.
#[test]
fn accept_queue_full_syn_is_dropped_even_in_a_flood() {
    let mut story = Story::new(Settings::default());
    let listen = Listen {
        accept_backlog: 1,
        syn_cookies: SynCookies::Always,
        ..Listen::default()
    };
    let id = story.tcp.listen(story.local, listen).unwrap();
    story.recv(seg("S").mss(1000));
    only(&mut story);
    story.recv(seg(".").seq(1).ack(1));
    story.remote.set_port(2);
    let verdict = story.judge(seg("S").mss(1000));
    assert_eq!(verdict.rule.name, "tcp:listen-overflow");
    story.expect(&[]);
    assert!(story.tcp.accept(id).is_some());
    let verdict = story.judge(seg("S").mss(1000));
    assert_eq!(verdict.rule.name, "tcp:listen-sends-cookie");
}

// As in Linux the last ACK is dropped; unlike there, the cookie that came back is kept as an embryo, which
// repeats the SYN-ACK: a client that waits for us to speak first is not left alone.
#[test]
fn accept_queue_full_returned_cookie_becomes_an_embryo_that_asks_again() {
    let mut story = Story::new(Settings::default());
    let listen = Listen {
        accept_backlog: 1,
        syn_cookies: SynCookies::Always,
        ..Listen::default()
    };
    let listener = story.tcp.listen(story.local, listen).unwrap();
    let mut numbers = Vec::new();
    for port in [1, 2] {
        story.remote.set_port(port);
        story.recv(seg("S").mss(1000));
        only(&mut story);
        numbers.push(story.iss);
    }
    story.recv(seg(".").seq(1).ack(1));
    story.iss = numbers[0];
    story.remote.set_port(1);
    let verdict = story.judge(seg(".").seq(1).ack(1));
    assert_eq!(verdict.rule.name, "tcp:accept-overflow");
    story.expect_state(State::SynReceived);
    assert!(story.tcp.accept(listener).is_some());
    let (at, again) = story.wait_output(5_000).unwrap();
    assert_eq!((at, again.line().as_str()), (1000, "S. 0 ack 1 syn-ack"));
    assert_eq!(story.iss, numbers[0]);
    story.recv(seg(".").seq(1).ack(1));
    assert!(story.tcp.accept(listener).is_some());
}

#[test]
fn cookies_switched_off_further_syns_are_dropped_silently() {
    let mut story = Story::new(Settings::default());
    let listen = Listen {
        syn_backlog: 1,
        syn_cookies: SynCookies::Never,
        ..Listen::default()
    };
    story.tcp.listen(story.local, listen).unwrap();
    story.recv(seg("S"));
    story.out();
    story.remote.set_port(2);
    let verdict = story.judge(seg("S"));
    assert_eq!(verdict.drop_reason(), Some(DropReason::TcpListenOverflow));
    story.expect(&[]);
}

// RFC 3168 6.1.1: ECN survives a cookie where timestamps do; without them it is not agreed to.
#[test]
fn ecn_setup_syn_in_a_flood_is_agreed_to_only_if_it_can_be_remembered() {
    for (stamped, flags) in [(true, "S.E"), (false, "S.")] {
        let (mut story, listener) = flooded(Settings::default());
        let syn = seg("SEW").mss(1460);
        story.recv(if stamped { syn.ts(500, 0) } else { syn });
        let answer = only(&mut story);
        assert_eq!(answer.flags.to_string(), flags);
        let ack = seg(".").seq(1).ack(1);
        story.recv(match answer.options.timestamps {
            Some(stamp) => ack.ts(501, stamp.val),
            None => ack,
        });
        let id = story.tcp.accept(listener).unwrap();
        story.write(id, 10);
        let marked = story.tcp.poll_transmit(story.now).unwrap().fields.ecn;
        assert_eq!(marked != outcrop_base::Ecn::NotEct, stamped);
    }
}
