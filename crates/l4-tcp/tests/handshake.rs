//! Opening: passive, active, both at once, refused, repeated, overflowing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::{Cast, DropReason, PacketId, Path, PathSignal, PathSignalKind};
use outcrop_tcp::{
    CloseReason, Config, ConnectError, Event, Listen, ListenError, ReadError, Settings, State,
};

#[test]
fn listener_syn_arrives_answered_established_and_accepted() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.expect_state(State::Listen);
    story.recv(seg("S").mss(1000));
    story.expect(&["S. 0 ack 1 syn-ack"]);
    story.expect_state(State::SynReceived);
    assert_eq!(story.tcp.accept(listener), None);
    story.recv(seg(".").seq(1).ack(1));
    story.expect(&[]);
    story.expect_state(State::Established);
    assert_eq!(story.events(), [Event::Acceptable(listener)]);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.tcp.read(id), Err(ReadError::WouldBlock));
    assert_eq!(story.tcp.info(id).unwrap().mss, 1000);
}

#[test]
fn connecting_syn_ack_arrives_acknowledged_and_told() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.expect(&["S 0 syn"]);
    story.recv(seg("S.").ack(1).mss(1000));
    assert_eq!(story.events(), [Event::Connected(id)]);
    story.expect(&[". 1 ack 1 handshake-ack"]);
    story.expect_state(State::Established);
}

#[test]
fn connecting_with_bytes_written_early_they_carry_the_acknowledgment() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    assert_eq!(story.write(id, 10), 10);
    story.expect(&[]);
    story.recv(seg("S.").ack(1).mss(1000));
    story.expect(&["P. 1:11(10) ack 1 data"]);
}

#[test]
fn connecting_with_bytes_and_shutdown_early_fin_rides_on_the_data() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    story.write(id, 10);
    story.tcp.shutdown(id).unwrap();
    story.recv(seg("S.").ack(1).mss(1000));
    story.expect(&["FP. 1:11(10) ack 1 fin"]);
    story.expect_state(State::FinWait1);
}

// RFC 9293 figure 7.
#[test]
fn both_connect_at_once_syns_cross_established_without_a_listener() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.expect(&["S 0 syn"]);
    story.recv(seg("S"));
    story.expect_state(State::SynReceived);
    story.expect(&["S. 0 ack 1 syn-ack"]);
    story.recv(seg("S.").ack(1));
    story.expect_state(State::Established);
    assert_eq!(story.events(), [Event::Connected(id)]);
    let out = story.lines();
    assert!(out.len() <= 1, "at most an acknowledgment: {out:?}");
}

#[test]
fn simultaneous_open_plain_ack_arrives_established() {
    let mut story = Story::new(plain());
    story.connect();
    story.out();
    story.recv(seg("S"));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    story.expect_state(State::Established);
}

// RFC 6298 2.1, 5.5; RFC 9293 MUST-23: a SYN is repeated for at least three minutes.
#[test]
fn connecting_nobody_answers_syn_backs_off_then_times_out() {
    let mut story = Story::new(plain());
    let id = story.connect();
    let mut times = Vec::new();
    while let Some((at, sent)) = story.wait_output(1_000_000) {
        assert_eq!((sent.flags.to_string(), sent.seq), ("S".to_string(), 0));
        times.push(at / 1000);
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123]);
    let told = [
        Event::Doubtful(id),
        Event::Closed(id, CloseReason::TimedOut),
    ];
    assert_eq!(story.events(), told);
    let elapsed = story.now.as_millis() / 1000 - 10;
    assert!(elapsed >= 180, "gave up after {elapsed} s");
    assert_eq!(
        story.tcp.read(id),
        Err(ReadError::Closed(CloseReason::TimedOut))
    );
    story.tcp.close(id).unwrap();
    assert!(story.tcp.is_empty());
}

#[test]
fn connecting_reset_with_right_ack_refused() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    story.recv(seg("R.").ack(1));
    story.expect(&[]);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Refused)]);
}

// RFC 9293 3.10.7.3: a reset without an acceptable acknowledgment is nobody's answer.
#[test]
fn connecting_reset_with_wrong_or_no_ack_ignored() {
    let mut story = Story::new(plain());
    story.connect();
    story.out();
    for reset in [seg("R"), seg("R.").ack(2), seg("R.").ack(0)] {
        story.recv(reset);
        story.expect(&[]);
        story.expect_state(State::SynSent);
    }
}

#[test]
fn connecting_ack_of_something_else_is_reset_and_attempt_goes_on() {
    let mut story = Story::new(plain());
    story.connect();
    story.out();
    story.recv(seg("S.").ack(500));
    let out = story.out();
    assert_eq!(out[0].line(), "R 500 reset-unacceptable-ack");
    story.expect_state(State::SynSent);
}

// RFC 9293 MUST-11: SYN-RECEIVED remembers who opened: a reset leads back to LISTEN, or ends the attempt.
#[test]
fn reset_in_syn_received_leads_back_to_where_the_opening_began() {
    let mut passive = Story::new(plain());
    let listener = passive.listen();
    passive.recv(seg("S"));
    passive.out();
    passive.facts.clear();
    let verdict = passive.judge(seg("R").seq(1));
    assert_eq!(verdict.rule.name, "tcp:syn-received-reset-to-listen");
    assert_eq!(passive.path_of_states(), [State::Listen.name()]);
    assert_eq!(
        passive.events(),
        [],
        "nobody was told of it, nobody misses it"
    );
    passive.recv(seg("S"));
    passive.out();
    passive.recv(seg(".").seq(1).ack(1));
    assert_eq!(passive.events(), [Event::Acceptable(listener)]);

    let mut active = Story::new(plain());
    let id = active.connect();
    active.out();
    active.recv(seg("S"));
    active.out();
    active.facts.clear();
    let verdict = active.judge(seg("R").seq(1));
    assert_eq!(verdict.rule.name, "tcp:syn-received-refused");
    assert_eq!(active.path_of_states(), [State::Closed.name()]);
    assert_eq!(active.events(), [Event::Closed(id, CloseReason::Refused)]);
}

#[test]
fn answered_syn_comes_again_syn_ack_is_repeated() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(seg("S"));
    story.expect(&["S. 0 ack 1 syn-ack"]);
    story.recv(seg("S"));
    story.expect(&["S. 0 ack 1 syn-ack"]);
}

#[test]
fn syn_ack_unanswered_it_backs_off_and_the_embryo_is_forgotten() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(seg("S"));
    let mut times = Vec::new();
    while let Some((at, sent)) = story.wait_output(1_000_000) {
        assert_eq!(sent.flags.to_string(), "S.");
        times.push(at / 1000);
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123]);
    let elapsed = story.now.as_millis() / 1000 - 10;
    assert!(elapsed >= 180, "MUST-23 speaks of any SYN: {elapsed} s");
    assert!(story.tcp.is_empty());
    assert_eq!(story.events(), []);
    story.expect_state(State::Listen);
}

#[test]
fn embryo_acked_wrongly_is_reset_and_stays() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(seg("S"));
    story.out();
    story.recv(seg(".").seq(1).ack(77));
    assert_eq!(story.out()[0].line(), "R 77 reset-unacceptable-ack");
    story.expect_state(State::SynReceived);
}

#[test]
fn last_ack_of_the_handshake_lost_first_data_establishes() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.recv(seg("S"));
    story.out();
    story.recv(seg("P.").seq(1).ack(1).data(b"GET /"));
    story.expect_state(State::Established);
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(story.events().last(), Some(&Event::Readable(id)));
    assert_eq!(story.read_all(id), b"GET /");
}

#[test]
fn accept_queue_full_handshake_waits_and_completes_later() {
    let mut story = Story::new(plain());
    let settings = Listen {
        accept_backlog: 1,
        ..Listen::default()
    };
    let listener = story.tcp.listen(story.local, settings).unwrap();
    for port in [1, 2] {
        story.remote.set_port(port);
        story.recv(seg("S"));
    }
    let [first, second] = [1, 2];
    let out: Vec<_> = core::iter::from_fn(|| story.tcp.poll_transmit(story.now)).collect();
    let isn_of = |port| {
        let to_port = out.iter().find(|t| t.flow.remote.port() == port);
        to_port.unwrap().header.seq
    };
    let isns = [isn_of(first), isn_of(second)];
    (story.iss, _) = (isns[0], story.remote.set_port(first));
    story.recv(seg(".").seq(1).ack(1));
    (story.iss, _) = (isns[1], story.remote.set_port(second));
    let verdict = story.judge(seg(".").seq(1).ack(1));
    assert_eq!(verdict.rule.name, "tcp:accept-overflow");
    assert!(story.tcp.accept(listener).is_some());
    let (at, again) = story.wait_output(5_000).unwrap();
    assert_eq!((at, again.flags.to_string().as_str()), (1000, "S."));
    story.recv(seg(".").seq(1).ack(1));
    assert!(story.tcp.accept(listener).is_some());
}

#[test]
fn unlistened_handshake_and_unaccepted_connection_are_reset() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.recv(seg("S"));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    story.out();
    story.tcp.unlisten(listener).unwrap();
    story.expect(&["R. 1 ack 1 reset-aborted"]);
    assert!(story.tcp.is_empty());
    story.expect_state(State::Closed);
    story.recv(seg("S"));
    assert_eq!(story.out()[0].flags.to_string(), "R.");
}

#[test]
fn same_port_twice_is_refused_and_another_address_is_not() {
    let mut story = Story::new(plain());
    story.listen();
    let again = story.tcp.listen(story.local, Listen::default());
    assert_eq!(again, Err(ListenError::AddressInUse));
    let any = "0.0.0.0:80".parse().unwrap();
    assert!(story.tcp.listen(any, Listen::default()).is_ok());
    let none = "10.0.0.1:0".parse().unwrap();
    let nowhere = story.tcp.listen(none, Listen::default());
    assert_eq!(nowhere, Err(ListenError::NoPort));
}

#[test]
fn connecting_twice_between_the_same_sockets_is_refused() {
    let mut story = Story::new(plain());
    story.connect();
    let again = story
        .tcp
        .connect(story.local, story.remote, story.path, None);
    assert_eq!(again, Err(ConnectError::AlreadyExists));
    let multicast = "224.0.0.1:80".parse().unwrap();
    let path = Path::plain(1500);
    let bad = story.tcp.connect(story.local, multicast, path, None);
    assert_eq!(bad, Err(ConnectError::BadRemote));
}

#[test]
fn ephemeral_ports_used_up_connect_says_so() {
    let mut story = Story::with_config(Config {
        ephemeral_ports: 50_000..=50_001,
        ..Config::default()
    });
    let local = "10.0.0.1:0".parse().unwrap();
    for _ in 0..2 {
        let path = story.path;
        story.tcp.connect(local, story.remote, path, None).unwrap();
    }
    let none = story.tcp.connect(local, story.remote, story.path, None);
    assert_eq!(none, Err(ConnectError::NoPortFree));
}

// RFC 9293 MUST-57, MUST-63: no answer to a SYN that was not sent to us alone.
#[test]
fn broadcast_syn_is_dropped_silently() {
    let mut story = Story::new(plain());
    story.listen();
    let (segment, payload) = story.build(&seg("S"));
    let mut arrival = story.arrival();
    arrival.cast = Cast::Broadcast;
    let verdict = story.tcp.handle_segment(&arrival, segment, payload);
    assert_eq!(verdict.drop_reason(), Some(DropReason::TcpBadAddress));
    story.expect(&[]);
}

#[test]
fn port_unreachable_while_connecting_ends_the_attempt() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    let mut signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(9)),
        kind: PathSignalKind::Hard,
        id: PacketId(1),
    };
    let verdict = story.tcp.handle_path(story.now, &signal);
    assert_eq!(verdict.drop_reason(), Some(DropReason::IcmpUnrelated));
    signal.seq = Some(story.iss.value());
    let verdict = story.tcp.handle_path(story.now, &signal);
    assert_eq!(verdict.drop_reason(), None);
    assert_eq!(
        story.events(),
        [Event::Closed(id, CloseReason::Unreachable)]
    );
}

// RFC 7323 2.2: the window of a SYN is never scaled; the one of the ACK that follows is.
#[test]
fn scale_agreed_syn_windows_are_unscaled_and_later_ones_scaled() {
    let settings = Settings {
        receive_buffer: 1 << 20,
        receive_buffer_max: None,
        ..plain()
    };
    let settings = Settings {
        window_scale: true,
        ..settings
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    let syn = &story.out()[0];
    assert_eq!((syn.wnd, syn.options.wscale), (65_535, Some(5)));
    story.recv(seg("S.").ack(1).mss(1000).wscale(7).wnd(500));
    assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 500);
    let ack = &story.out()[0];
    assert_eq!(u32::from(ack.wnd) << 5, 1 << 20);
    story.recv(seg(".").seq(1).ack(1).wnd(500));
    assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 500 << 7);
}

#[test]
fn ecn_setup_syn_is_answered_not_reset() {
    let mut story = Story::new(plain());
    story.listen();
    story.recv(seg("SEW"));
    story.expect(&["S.E 0 ack 1 syn-ack"]);
}
