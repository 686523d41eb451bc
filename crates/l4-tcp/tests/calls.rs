//! What a program may ask for, and what then leaves: RFC 9293 3.9.1 and 3.9.2.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::net::SocketAddr;
use core::time::Duration;

use common::{Story, plain, seg};
use outcrop_base::{Path, Seed};
use outcrop_tcp::{
    Config, ConnectError, Endpoint, Event, Flags, Listen, ListenError, Settings, State,
};

// MUST-41: another passive open is a listener of its own or an error; nobody else notices.
#[test]
fn listen_beside_a_connection_it_is_untouched_and_the_same_place_twice_is_refused() {
    let (mut story, id) = Story::established(plain());
    let again = story.tcp.listen(story.local, Listen::default());
    assert_eq!(again, Err(ListenError::AddressInUse));
    let other = SocketAddr::new(story.local.ip(), 81);
    assert!(story.tcp.listen(other, Listen::default()).is_ok());
    story.expect(&[]).expect_state(State::Established);
    story.recv(seg("P.").seq(1).ack(1).data(b"still here"));
    assert_eq!(story.read_all(id), b"still here");
}

// MUST-42: the port is free for a listener although connections with it are in SYN-SENT or SYN-RECEIVED.
#[test]
fn listen_while_connections_with_that_port_are_opening_both_live() {
    let mut story = Story::new(plain());
    let connecting = story.connect();
    story.out();
    let listener = story.listen();
    story.expect_state(State::SynSent);
    let first = story.remote;
    story.remote = "10.0.0.2:40001".parse().unwrap();
    story.recv(seg("S").mss(1000));
    let ours = story.iss;
    story.out();
    story.expect_state(State::SynReceived);
    assert_eq!(
        story
            .tcp
            .listen("10.0.0.9:80".parse().unwrap(), Listen::default())
            .err(),
        None,
        "and another one on the same port"
    );
    story.recv(seg(".").seq(1).ack(1));
    assert_ne!(ours, story.iss);
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    story.remote = first;
    story.iss = ours;
    story.recv(seg("S.").ack(1).mss(1000));
    assert_eq!(story.events(), [Event::Connected(connecting)]);
}

// MUST-43, MUST-45: the address asked for is the one of every segment, to the end.
#[test]
fn local_address_chosen_by_the_program_every_segment_carries_it() {
    let mut story = Story::new(plain());
    story.local = "10.0.0.7:4711".parse().unwrap();
    let id = story.connect();
    let mut locals = Vec::new();
    let drain = |story: &mut Story, locals: &mut Vec<SocketAddr>| {
        while let Some(t) = story.tcp.poll_transmit(story.now) {
            locals.push(t.flow.local);
            story.read(&t);
        }
    };
    drain(&mut story, &mut locals);
    story.recv(seg("S.").ack(1).mss(1000));
    story.write(id, 2_500);
    story.tcp.shutdown(id).unwrap();
    drain(&mut story, &mut locals);
    story.recv(seg("F.").seq(1).ack(2502));
    drain(&mut story, &mut locals);
    assert!(locals.len() >= 5, "SYN, three with text, the last ACK");
    assert!(locals.iter().all(|local| *local == story.local));
    assert_eq!(story.tcp.info(id).unwrap().flow.local, story.local);
}

// MUST-46: nobody, a group, everybody, a port that is none.
#[test]
fn connect_to_an_impossible_address_is_refused_and_nothing_leaves() {
    let mut tcp = Endpoint::new(Config::default(), &Seed::from_number(1));
    let v4: SocketAddr = "10.0.0.1:0".parse().unwrap();
    let v6: SocketAddr = "[fd00::1]:0".parse().unwrap();
    let table = [
        (v4, "0.0.0.0:80"),
        (v4, "224.0.0.1:80"),
        (v4, "255.255.255.255:80"),
        (v4, "10.0.0.2:0"),
        (v4, "[fd00::2]:80"),
        (v6, "[::]:80"),
        (v6, "[ff02::1]:80"),
    ];
    for (local, remote) in table {
        let error = tcp.connect(local, remote.parse().unwrap(), Path::plain(1500), None);
        assert_eq!(error, Err(ConnectError::BadRemote), "{remote}");
    }
    assert!(tcp.is_empty());
}

// MUST-48, MUST-49, SHLD-21, SHLD-22: as given, at once, from the SYN on.
#[test]
fn service_class_and_hop_limit_set_every_segment_carries_them_and_changes_count_at_once() {
    let settings = Settings {
        dscp: 46,
        ttl: 30,
        ..plain()
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    let fields = |story: &mut Story| {
        let t = story.tcp.poll_transmit(story.now).unwrap();
        story.read(&t);
        (t.fields.dscp, t.fields.ttl)
    };
    assert_eq!(fields(&mut story), (46, 30), "SYN");
    story.recv(seg("S.").ack(1).mss(1000));
    assert_eq!(fields(&mut story), (46, 30), "ACK");
    story.write(id, 10);
    assert_eq!(fields(&mut story), (46, 30), "text");
    story
        .tcp
        .configure(id, |s| (s.dscp, s.ttl) = (8, 200))
        .unwrap();
    story.write(id, 10);
    story.tcp.shutdown(id).unwrap();
    assert_eq!(fields(&mut story), (8, 200), "text and FIN");
}

// MUST-40: whatever a program wishes, less than half a second.
#[test]
fn delayed_ack_wished_for_longer_than_allowed_half_a_second_is_the_end() {
    let settings = Settings {
        delayed_ack: Duration::from_secs(10),
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    // Answers make the policy as patient as it may be.
    for round in 0..20u32 {
        story.recv(seg("P.").seq(1 + round).ack(1 + round).data(b"x"));
        story.write(id, 1);
        assert_eq!(story.out().len(), 1);
    }
    story.recv(seg("P.").seq(21).ack(21).data(b"x"));
    let (at, sent) = story.wait_output(20_000).unwrap();
    assert_eq!((sent.why.name(), sent.ack), ("delayed-ack", Some(22)));
    assert!(at < 500, "{at} ms");
}

// MUST-60, MUST-61: there is no push flag to give; what is written leaves, and its last segment says PSH.
#[test]
fn written_without_any_push_nothing_waits_and_the_last_segment_pushes() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 2_500);
    let pushes: Vec<_> = story
        .out()
        .iter()
        .map(|sent| (sent.data.len(), sent.flags.contains(Flags::PSH)))
        .collect();
    assert_eq!(pushes, [(1_000, false), (1_000, false), (500, true)]);
    // Nagle holds the next crumbs, but only until the answer.
    story.write(id, 1);
    story.write(id, 1);
    story.expect(&[]);
    story.recv(seg(".").seq(1).ack(2501));
    story.expect(&["P. 2501:2503(2) ack 1 data"]);
}

// SHLD-27, SHLD-28, MAY-16: what was written in pieces leaves in full segments.
#[test]
fn written_in_crumbs_before_the_flush_full_segments_leave() {
    let (mut story, id) = Story::established(plain());
    for _ in 0..300 {
        story.write(id, 10);
    }
    let sizes: Vec<_> = story.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(sizes, [1_000, 1_000, 1_000]);
}

// MAY-14, RFC 9293 3.9.1.7: as much as possible without losing synchronisation.
#[test]
fn unsent_bytes_taken_back_what_left_is_repeated_and_what_follows_joins_it() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(2_000));
    story.write(id, 5_000);
    assert_eq!(story.out().len(), 2);
    assert_eq!(story.tcp.discard_unsent(id), Ok(3_000));
    assert_eq!(story.tcp.discard_unsent(id), Ok(0));
    story.check();
    let mut more = outcrop_base::ChunkQueue::new();
    more.push_slice(b"instead");
    story.tcp.write(id, &mut more).unwrap();
    story.tcp.shutdown(id).unwrap();
    story.expect(&[]);
    let (_, again) = story.wait_output(10_000).unwrap();
    assert_eq!(
        (again.seq, again.data.len()),
        (1, 1_000),
        "what left is repeated"
    );
    story.recv(seg(".").seq(1).ack(2001));
    let out = story.out();
    let last = out.last().unwrap();
    assert_eq!((last.seq, last.data.as_slice()), (2_001, &b"instead"[..]));
    assert!(last.flags.fin());
}

#[test]
fn unsent_bytes_taken_back_while_the_window_is_closed_nothing_is_probed_any_more() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(0));
    story.write(id, 100);
    let (_, probe) = story.wait_output(10_000).unwrap();
    assert_eq!(probe.why.name(), "zero-window-probe");
    assert_eq!(story.tcp.discard_unsent(id), Ok(100));
    story.check();
    assert!(story.wait_output(10_000_000).is_none());
}

#[test]
fn unsent_bytes_taken_back_before_the_handshake_none_follows_it() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.write(id, 100);
    assert_eq!(story.tcp.discard_unsent(id), Ok(100));
    story.out();
    story.recv(seg("S.").ack(1).mss(1000));
    story.expect(&[". 1 ack 1 handshake-ack"]);
}
