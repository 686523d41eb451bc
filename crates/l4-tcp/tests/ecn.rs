//! Explicit congestion notification (RFC 3168): agreed upon, marked, echoed, answered.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, sack, seg};
use outcrop_base::Ecn;
use outcrop_tcp::{Algorithm, ConnId, EcnPolicy, EcnTerms, Flags, Settings, State};

fn asking() -> Settings {
    Settings {
        ecn: EcnPolicy::Request,
        congestion: Algorithm::NewReno,
        ..plain()
    }
}

/// Accepted from a peer that asked for ECN; MSS 1000.
fn story() -> (Story, ConnId) {
    Story::established_by(asking(), seg("SEW").mss(1000))
}

fn terms(story: &Story, id: ConnId) -> EcnTerms {
    story.tcp.info(id).unwrap().negotiated.unwrap().ecn
}

// 6.1.1, and gVisor's issue 7075: an ECN-setup SYN was refused.
#[test]
fn syn_with_any_bits_of_ecn_is_never_refused() {
    for policy in [EcnPolicy::Off, EcnPolicy::Accept, EcnPolicy::Request] {
        for bits in [
            "S", "SE", "SW", "SEW", "Se", "SEe", "SWe", "SEWe", "SP", "SEWeP",
        ] {
            let mut story = Story::new(Settings {
                ecn: policy,
                ..plain()
            });
            let listener = story.listen();
            story.recv(seg(bits).mss(1000));
            let answer = &story.out()[0];
            let asked = bits.contains('E') && bits.contains('W');
            let agreed = asked && policy != EcnPolicy::Off;
            let expected = (Flags::SYN | Flags::ACK).with_if(Flags::ECE, agreed);
            assert_eq!(answer.flags, expected, "{bits} {policy:?}");
            assert_eq!(answer.ecn, Ecn::NotEct, "6.1.1: a SYN-ACK is not marked");
            story.recv(seg(".").seq(1).ack(1));
            let id = story.tcp.accept(listener).unwrap();
            assert_eq!(story.state(), State::Established);
            let expected = if agreed {
                EcnTerms::Both
            } else {
                EcnTerms::Off
            };
            assert_eq!(terms(&story, id), expected, "{bits} {policy:?}");
        }
    }
}

// 6.1.1: the answer to an ECN-setup SYN has ECE alone; a mirror of both bits is no agreement.
#[test]
fn connect_asks_and_only_ece_alone_agrees() {
    for (answer, expected) in [
        ("SE.", EcnTerms::Both),
        ("S.", EcnTerms::Off),
        ("SW.", EcnTerms::Off),
        ("SEW.", EcnTerms::Off),
    ] {
        let mut story = Story::new(asking());
        let id = story.connect();
        let syn = &story.out()[0];
        assert_eq!(syn.flags, Flags::SYN | Flags::ECE | Flags::CWR);
        assert_eq!(syn.ecn, Ecn::NotEct);
        story.recv(seg(answer).ack(1).mss(1000));
        let ack = &story.out()[0];
        assert_eq!(ack.flags, Flags::ACK);
        assert_eq!(terms(&story, id), expected, "{answer}");
        story.write(id, 10);
        let mark = if expected == EcnTerms::Both {
            Ecn::Ect0
        } else {
            Ecn::NotEct
        };
        assert_eq!(story.out()[0].ecn, mark);
    }
}

#[test]
fn connect_that_does_not_ask_believes_no_agreement() {
    let mut story = Story::new(plain());
    let id = story.connect();
    assert_eq!(story.out()[0].flags, Flags::SYN);
    story.recv(seg("SE.").ack(1).mss(1000));
    story.out();
    assert_eq!(terms(&story, id), EcnTerms::Off);
}

// 6.1.1.1: no answer to an ECN-setup SYN: the repeat does not ask. 6.1.1: having sent a SYN that does not
// ask, we mark nothing, but we echo.
#[test]
fn syn_not_answered_is_repeated_without_asking_and_a_late_agreement_is_only_echoed() {
    let mut story = Story::new(asking());
    let id = story.connect();
    story.out();
    let (at, again) = story.wait_output(5_000).unwrap();
    assert_eq!((at, again.flags), (1_000, Flags::SYN));
    story.recv(seg("SE.").ack(1).mss(1000));
    story.out();
    assert_eq!(terms(&story, id), EcnTerms::EchoOnly);
    story.write(id, 10);
    assert_eq!(story.out()[0].ecn, Ecn::NotEct);
    story.mark = Ecn::Ce;
    story.recv(seg("P.").seq(1).ack(11).data(b"x"));
    story.write(id, 10);
    assert!(story.out()[0].flags.contains(Flags::ECE));
}

// 6.1.1: a client that asks no more in its repeat is answered without.
#[test]
fn syn_repeated_without_asking_is_answered_without_agreeing() {
    let mut story = Story::new(asking());
    story.listen();
    story.recv(seg("SEW").mss(1000));
    assert!(story.out()[0].flags.contains(Flags::ECE));
    story.recv(seg("S").mss(1000));
    assert_eq!(story.out()[0].flags, Flags::SYN | Flags::ACK);
}

// 6.1.1 and RFC 9293 3.5: crossed SYNs that both ask agree.
#[test]
fn simultaneous_open_of_two_that_ask_agrees() {
    let mut story = Story::new(asking());
    let id = story.connect();
    story.out();
    story.recv(seg("SEW").mss(1000));
    assert_eq!(story.out()[0].flags, Flags::SYN | Flags::ACK | Flags::ECE);
    story.recv(seg("SE.").ack(1).mss(1000));
    story.out();
    assert_eq!(story.state(), State::Established);
    assert_eq!(terms(&story, id), EcnTerms::Both);
}

// 6.1.3: ECE from the mark until CWR, on every segment; 6.1.4: no pure ACK is marked.
#[test]
fn mark_on_data_is_echoed_until_the_peer_says_it_slowed_down() {
    let (mut story, id) = story();
    story.mark = Ecn::Ce;
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    let ack = &story.out()[0];
    assert_eq!((ack.flags, ack.ecn), (Flags::ACK | Flags::ECE, Ecn::NotEct));
    story.mark = Ecn::Ect0;
    story.recv(seg(".").seq(1001).ack(1).zeros(1000));
    assert!(story.out()[0].flags.contains(Flags::ECE));
    story.write(id, 10);
    let data = &story.out()[0];
    assert_eq!(data.flags, Flags::ACK | Flags::PSH | Flags::ECE);
    story.recv(seg("W.").seq(2001).ack(11).zeros(1000));
    assert_eq!(story.out()[0].flags, Flags::ACK);
    // A mark on the very segment that carries CWR begins the next echo.
    story.mark = Ecn::Ce;
    story.recv(seg("W.").seq(3001).ack(11).zeros(1000));
    assert!(story.out()[0].flags.contains(Flags::ECE));
}

#[test]
fn mark_without_agreement_is_not_echoed() {
    let (mut story, _) = Story::established(asking());
    story.mark = Ecn::Ce;
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    assert_eq!(story.out()[0].flags, Flags::ACK);
}

// 6.1.2: one reduction for a window of data, CWR once on the first new data after it.
#[test]
fn echo_halves_the_window_once_and_cwr_says_so_once() {
    let (mut story, id) = story();
    story.write(id, 40_000);
    let flight = story.out();
    assert_eq!(flight.len(), 10);
    assert!(flight.iter().all(|sent| sent.ecn == Ecn::Ect0));
    assert!(flight.iter().all(|sent| !sent.flags.contains(Flags::CWR)));
    story.recv(seg("E.").seq(1).ack(1001));
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.cwnd, info.ssthresh), (5_000, 5_000), "FlightSize / 2");
    story.expect(&[]);
    for ack in 2..=5 {
        story.recv(seg("E.").seq(1).ack(ack * 1000 + 1));
    }
    assert_eq!(story.tcp.info(id).unwrap().cwnd, 5_000, "once a window");
    story.expect(&[]);
    story.recv(seg("E.").seq(1).ack(6001));
    let fresh = story.out();
    assert_eq!(fresh.len(), 1);
    assert_eq!(fresh[0].seq, 10_001);
    assert!(fresh[0].flags.contains(Flags::CWR));
    story.recv(seg("E.").seq(1).ack(7001));
    assert!(!story.out()[0].flags.contains(Flags::CWR));
    // The last of the old window, still with ECE: our CWR has not arrived there.
    story.recv(seg("E.").seq(1).ack(10_001));
    assert_eq!(story.tcp.info(id).unwrap().cwnd, 5_000);
    story.out();
    // Beyond it, ECE is a new mark.
    story.recv(seg("E.").seq(1).ack(11_001));
    assert!(story.tcp.info(id).unwrap().cwnd < 5_000);
}

// 6.1.2: CWR for any reduction; 6.1.5: neither ECT nor CWR on what is sent again.
#[test]
fn retransmission_is_unmarked_and_cwr_waits_for_new_data() {
    let settings = Settings {
        sack: true,
        ..asking()
    };
    let (mut story, id) = Story::established_by(settings, seg("SEW").mss(1000).sackok());
    story.write(id, 40_000);
    story.out();
    for n in 2..=9 {
        let mut dup = seg(".").seq(1).ack(1);
        let left = story.iss + 1001;
        let mut block = sack(0, 0);
        block.left = left;
        block.right = left + (n - 1) * 1000;
        dup.header.options.sack.push(block);
        story.recv(dup);
    }
    let out = story.out();
    assert_eq!((out[0].seq, out[0].ecn), (1, Ecn::NotEct));
    assert!(!out[0].flags.contains(Flags::CWR));
    let fresh = out.iter().find(|sent| sent.seq > 10_000).unwrap();
    assert!(fresh.flags.contains(Flags::CWR) && fresh.ecn == Ecn::Ect0);
}

// 6.1.6: a window probe is not marked.
#[test]
fn window_probe_is_unmarked() {
    let (mut story, id) = story();
    story.recv(seg(".").seq(1).ack(1).wnd(0));
    story.write(id, 10);
    let (_, probe) = story.wait_output(10_000).unwrap();
    assert_eq!(probe.why, outcrop_base::Why::ZeroWindowProbe);
    assert_eq!(probe.ecn, Ecn::NotEct);
}

// A device that cuts super-segments would copy CWR to each: the segment that carries it goes alone.
#[test]
fn cwr_travels_on_one_segment_not_on_a_super_segment() {
    let mut story = Story::new(asking());
    story.path.gso_max = 65_535;
    let listener = story.listen();
    story.recv(seg("SEW").mss(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 40_000);
    story.out();
    story.recv(seg("E.").seq(1).ack(10_001));
    let out = story.out();
    assert!(out[0].flags.contains(Flags::CWR));
    assert_eq!((out[0].data.len(), out[0].gso), (1000, None));
    assert!(out[1].gso.is_some() && !out[1].flags.contains(Flags::CWR));
}

// 6.1.2: a window of one segment cannot be halved. The timer starts afresh, and what comes next waits for it.
#[test]
fn window_of_one_segment_is_marked_nothing_leaves_for_a_timeout() {
    let (mut story, id) = story();
    story.write(id, 1000);
    assert_eq!(story.out()[0].ecn, Ecn::Ect0);
    let (at, again) = story.wait_output(5_000).unwrap();
    assert_eq!((again.seq, again.data.len()), (1, 1000));
    assert_eq!(story.tcp.info(id).unwrap().cwnd, 1000);
    story.write(id, 2000);
    story.recv(seg(".E").seq(1).ack(1001));
    story.expect(&[]);
    assert_eq!(
        story.tcp.info(id).unwrap().cwnd,
        1000,
        "no growth by a mark"
    );
    let (later, next) = story.wait_output(60_000).unwrap();
    assert!(
        next.flags.contains(Flags::CWR),
        "the peer learns that we heard"
    );
    assert_eq!((next.seq, next.data.len()), (1001, 1000));
    assert!(later - at >= 200, "a timeout later: {later} after {at}");
    assert_eq!(story.out().len(), 0, "one segment");
}

// The same, and the peer goes on echoing on whatever it sends: that must not hold us for ever.
#[test]
fn peer_echoes_on_every_keep_alive_the_held_segment_leaves_all_the_same() {
    let (mut story, id) = story();
    story.write(id, 1000);
    story.out();
    story.wait_output(5_000).unwrap();
    story.write(id, 1000);
    story.recv(seg(".E").seq(1).ack(1001));
    story.expect(&[]);
    for tick in 1..100 {
        story.at(2_000 + tick * 100);
        if let Some(next) = story.out().first() {
            assert_eq!((next.seq, next.data.len()), (1001, 1000));
            return;
        }
        story.recv(seg(".E").seq(0).ack(1001));
        story.recv(seg(".E").seq(1).ack(1001));
        let answers = story.out();
        if let Some(next) = answers.iter().find(|sent| !sent.data.is_empty()) {
            assert_eq!((next.seq, next.data.len()), (1001, 1000));
            return;
        }
    }
    panic!("held for ten seconds");
}
