//! Speaking in the SYN (RFC 7413), server and client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Seg, Sent, Story, plain, seg};
use outcrop_tcp::{
    CloseReason, ConnId, Event, FastOpenCookie, Listen, ListenerId, Settings, State,
};

fn only(story: &mut Story) -> Sent {
    let mut out = story.out();
    assert_eq!(out.len(), 1, "{out:?}");
    out.remove(0)
}

fn with(mut seg: Seg, cookie: FastOpenCookie) -> Seg {
    seg.header.options.fast_open = Some(cookie);
    seg
}

fn wish() -> FastOpenCookie {
    FastOpenCookie::new(&[], false).unwrap()
}

// ---- the server ----

fn server(pending: usize) -> (Story, ListenerId) {
    let mut story = Story::new(plain());
    let listen = Listen {
        fast_open: pending,
        ..Listen::default()
    };
    let id = story.tcp.listen(story.local, listen).unwrap();
    (story, id)
}

/// Asks for a cookie from another port, and gives up that handshake.
fn cookie_of(story: &mut Story) -> FastOpenCookie {
    let port = story.remote.port();
    story.remote.set_port(9);
    story.recv(with(seg("S").mss(1000), wish()));
    let cookie = only(story).options.fast_open.unwrap();
    story.recv(seg("R").seq(1));
    story.remote.set_port(port);
    cookie
}

// RFC 7413 4.1.1: a request is granted in the SYN-ACK; the handshake is an ordinary one.
#[test]
fn cookie_is_wished_for_the_answer_brings_one_and_takes_no_text() {
    let (mut story, _) = server(5);
    story.recv(with(seg("S").mss(1000).data(b"too early"), wish()));
    let answer = only(&mut story);
    assert_eq!(answer.line(), "S. 0 ack 1 syn-ack");
    assert_eq!(answer.options.fast_open.unwrap().as_slice().len(), 8);
    story.expect_state(State::SynReceived);
    assert_eq!(story.events(), []);
}

#[test]
fn cookie_is_wished_for_as_an_experiment_it_is_granted_as_one() {
    let (mut story, _) = server(5);
    let wish = FastOpenCookie::new(&[], true).unwrap();
    story.recv(with(seg("S").mss(1000), wish));
    assert!(only(&mut story).options.fast_open.unwrap().experimental);
}

// RFC 7413 4.2.2: with a valid cookie the text is taken, acknowledged, and may be answered at once.
#[test]
fn syn_with_good_cookie_and_text_is_accepted_and_answered_before_the_handshake_ends() {
    let (mut story, listener) = server(5);
    let cookie = cookie_of(&mut story);
    let verdict = story.judge(with(seg("S").mss(1000).data(b"GET /"), cookie));
    assert_eq!(verdict.rule.name, "tcp:fast-open-taken");
    story.expect_state(State::SynReceived);
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id), b"GET /");
    story.write(id, 300);
    story.expect(&["S. 0 ack 6 syn-ack", "P. 1:301(300) ack 6 data"]);
    story.recv(seg(".").seq(6).ack(301));
    story.expect_state(State::Established);
    assert_eq!(story.tcp.info(id).unwrap().snd_una, 300);
    story.expect(&[]);
}

#[test]
fn syn_ack_of_an_early_connection_is_lost_both_it_and_the_answer_are_repeated() {
    let (mut story, listener) = server(5);
    let cookie = cookie_of(&mut story);
    story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 300);
    assert_eq!(story.out().len(), 2);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (_, sent) = story.wait_output(5_000).unwrap();
        if !seen.contains(&sent.flags.to_string()) {
            seen.push(sent.flags.to_string());
        }
    }
    seen.sort();
    assert_eq!(seen, ["P.", "S."]);
}

// A client that heard nothing repeats its SYN without text: it is the same connection.
#[test]
fn client_repeats_a_plain_syn_the_answer_still_acknowledges_the_text() {
    let (mut story, listener) = server(5);
    let cookie = cookie_of(&mut story);
    story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
    story.expect(&["S. 0 ack 6 syn-ack"]);
    story.recv(seg("S").mss(1000));
    story.expect(&["S. 0 ack 6 syn-ack"]);
    story.recv(seg(".").seq(6).ack(1));
    story.expect_state(State::Established);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.read_all(id), b"GET /", "once");
}

#[test]
fn cookie_of_another_address_the_text_is_not_taken_and_the_right_cookie_is_sent() {
    let (mut story, _) = server(5);
    let stolen = cookie_of(&mut story);
    story.remote = "10.0.0.3:40000".parse().unwrap();
    story.recv(with(seg("S").mss(1000).data(b"GET /"), stolen));
    let answer = only(&mut story);
    assert_eq!(answer.line(), "S. 0 ack 1 syn-ack");
    let own = answer.options.fast_open.unwrap();
    assert_ne!(own, stolen);
}

// RFC 7413 5.1: beyond the limit of pending requests, an ordinary handshake.
#[test]
fn too_many_early_connections_pending_the_next_takes_three_steps() {
    let (mut story, _) = server(1);
    let cookie = cookie_of(&mut story);
    for (port, ack) in [(1, "S. 0 ack 6 syn-ack"), (2, "S. 0 ack 1 syn-ack")] {
        story.remote.set_port(port);
        story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
        story.expect(&[ack]);
    }
    story.remote.set_port(2);
    story.recv(seg("R").seq(1));
    story.remote.set_port(1);
    story.recv(seg("R").seq(6));
    story.expect(&[]);
    story.remote.set_port(3);
    story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
    story.expect(&["S. 0 ack 6 syn-ack"]);
}

#[test]
fn fast_open_is_off_option_and_text_are_ignored() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(with(seg("S").mss(1000).data(b"GET /"), wish()));
    let answer = only(&mut story);
    assert_eq!((answer.ack, answer.options.fast_open), (Some(1), None));
}

#[test]
fn early_connection_is_never_completed_it_is_given_up_and_told() {
    let (mut story, listener) = server(5);
    let cookie = cookie_of(&mut story);
    story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
    let id = story.tcp.accept(listener).unwrap();
    while story.wait_output(1_000_000).is_some() {}
    let events = story.events();
    assert_eq!(
        events.last(),
        Some(&Event::Closed(id, CloseReason::TimedOut))
    );
}

#[test]
fn early_connection_is_shut_down_its_fin_waits_for_nobody() {
    let (mut story, listener) = server(5);
    let cookie = cookie_of(&mut story);
    story.recv(with(seg("S").mss(1000).data(b"GET /"), cookie));
    let id = story.tcp.accept(listener).unwrap();
    story.read_all(id);
    story.write(id, 10);
    story.tcp.shutdown(id).unwrap();
    story.expect(&["S. 0 ack 6 syn-ack", "FP. 1:11(10) ack 6 fin"]);
    story.expect_state(State::FinWait1);
    story.recv(seg(".").seq(6).ack(12));
    story.expect_state(State::FinWait2);
}

// ---- the client ----

fn client() -> (Story, FastOpenCookie) {
    let mut story = Story::new(Settings {
        fast_open: true,
        ..plain()
    });
    let cookie = FastOpenCookie::new(b"a cookie", false).unwrap();
    let id = story.connect();
    let syn = only(&mut story);
    assert!(syn.options.fast_open.unwrap().is_request());
    story.recv(with(seg("S.").ack(1).mss(1000), cookie));
    story.out();
    story.tcp.abort(id).unwrap();
    story.tcp.close(id).unwrap();
    story.out();
    story.events();
    (story, cookie)
}

fn connect_and_write(story: &mut Story, len: usize) -> ConnId {
    let id = story.connect();
    story.write(id, len);
    id
}

// RFC 7413 4.2.1.
#[test]
fn cookie_is_known_text_rides_on_the_syn_and_is_acknowledged_with_it() {
    let (mut story, cookie) = client();
    let id = connect_and_write(&mut story, 200);
    let syn = only(&mut story);
    assert_eq!(
        (syn.line().as_str(), syn.options.fast_open),
        ("S 0:200(200) syn", Some(cookie))
    );
    story.recv(seg("S.").ack(201).mss(1000));
    story.expect_state(State::Established);
    let info = story.tcp.info(id).unwrap();
    assert_eq!(
        (info.snd_una, info.snd_nxt, info.send_queued),
        (200, 200, 0)
    );
    story.expect(&[". 201 ack 1 handshake-ack"]);
}

#[test]
fn server_takes_only_the_syn_the_text_follows_as_usual() {
    let (mut story, _) = client();
    connect_and_write(&mut story, 200);
    only(&mut story);
    story.recv(seg("S.").ack(1).mss(1000));
    story.expect(&["P. 1:201(200) ack 1 data"]);
}

#[test]
fn server_takes_a_part_the_rest_follows() {
    let (mut story, _) = client();
    connect_and_write(&mut story, 200);
    only(&mut story);
    story.recv(seg("S.").ack(101).mss(1000));
    story.expect(&["P. 101:201(100) ack 1 data"]);
}

#[test]
fn acknowledgment_beyond_the_text_sent_is_reset() {
    let (mut story, _) = client();
    connect_and_write(&mut story, 200);
    only(&mut story);
    story.recv(seg("S.").ack(202).mss(1000));
    assert_eq!(only(&mut story).line(), "R 202 reset-unacceptable-ack");
}

// RFC 7413 4.1.3: no more than the server's segment size, less the options.
#[test]
fn much_is_written_the_syn_carries_what_fits_the_size_remembered() {
    let (mut story, _) = client();
    connect_and_write(&mut story, 5_000);
    let syn = only(&mut story);
    assert!(
        syn.data.len() <= 1_000 && syn.data.len() >= 960,
        "{}",
        syn.data.len()
    );
}

// RFC 7413 4.2.1, 4.1.3.1: a lost SYN is repeated plain, and where that helped fast open rests.
#[test]
fn syn_with_text_is_lost_the_plain_one_goes_through_and_the_next_does_not_try() {
    let (mut story, _) = client();
    let id = connect_and_write(&mut story, 200);
    only(&mut story);
    let (_, again) = story.wait_output(5_000).unwrap();
    assert_eq!(
        (again.line().as_str(), again.options.fast_open),
        ("S 0 syn", None)
    );
    story.recv(seg("S.").ack(1).mss(1000));
    story.expect(&["P. 1:201(200) ack 1 data"]);
    story.tcp.abort(id).unwrap();
    story.tcp.close(id).unwrap();
    story.out();
    connect_and_write(&mut story, 200);
    let syn = only(&mut story);
    assert_eq!(
        (syn.line().as_str(), syn.options.fast_open),
        ("S 0 syn", None)
    );
}
