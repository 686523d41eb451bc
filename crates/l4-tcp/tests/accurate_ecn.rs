//! Accurate ECN (RFC 9768): agreed upon in both roles, counted, told, answered, and given up where the path tampers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::world::{Badness, World};
use common::{Seg, Sent, Story, plain, seg};

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Ecn, Instant, Path, Why};
use outcrop_tcp::segment::AccurateOption;
use outcrop_tcp::{
    Algorithm, Config, ConnId, EcnPolicy, EcnTerms, Event, Flags, Listen, Settings, State,
};

fn accurate() -> Settings {
    Settings {
        ecn: EcnPolicy::Accurate,
        congestion: Algorithm::NewReno,
        nodelay: true,
        ..plain()
    }
}

/// AE, CWR, ECE as a number.
fn ace(sent: &Sent) -> u16 {
    sent.flags.bits() >> 6
}

fn bits(count: u16) -> Flags {
    Flags::from_bits(count << 6)
}

/// An acknowledgment with this in its three bits.
fn counted(count: u16) -> Seg {
    let mut ack = seg(".").seq(1);
    ack.header.flags = ack.header.flags | bits(count);
    ack
}

fn fields(sent: &Sent) -> Option<Vec<u32>> {
    sent.options
        .accurate
        .map(|option| option.as_slice().to_vec())
}

fn terms(story: &Story, id: ConnId) -> EcnTerms {
    story.tcp.info(id).unwrap().negotiated.unwrap().ecn
}

/// A server whose client asked for accurate ECN; the answer arrived as it left.
fn served() -> (Story, ConnId) {
    let mut story = Story::new(accurate());
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000));
    assert_eq!(story.out().len(), 1);
    story.recv(counted(0b010).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(terms(&story, id), EcnTerms::Accurate);
    (story, id)
}

/// A client whose server agreed.
fn connected() -> (Story, ConnId) {
    let mut story = Story::new(accurate());
    let id = story.connect();
    assert_eq!(story.out()[0].flags, Flags::SYN | bits(0b111));
    story.recv(seg("SW.").ack(1).mss(1000));
    (story, id)
}

// Table 2: the answer says how the SYN was marked; 3.2.3.2.1: and tests whether the option passes.
#[test]
fn syn_asks_for_accurate_answer_says_how_it_was_marked_and_brings_the_option() {
    for (mark, answer) in [
        (Ecn::NotEct, 0b010),
        (Ecn::Ect1, 0b011),
        (Ecn::Ect0, 0b100),
        (Ecn::Ce, 0b110),
    ] {
        for policy in [EcnPolicy::Accurate, EcnPolicy::AcceptAccurate] {
            let mut story = Story::new(Settings {
                ecn: policy,
                ..accurate()
            });
            story.listen();
            story.mark = mark;
            story.recv(seg("SEWe").mss(1000));
            let out = story.out();
            assert_eq!(ace(&out[0]), answer);
            assert_eq!(fields(&out[0]), Some(vec![1, 0, 1]));
            assert_eq!(out[0].ecn, Ecn::NotEct);
        }
    }
}

// Table 2, third block, and 3.1.3.
#[test]
fn syn_of_another_kind_gets_what_it_knows() {
    for (syn, answer, expected) in [
        ("S", 0b000, EcnTerms::Off),
        ("SEW", 0b001, EcnTerms::Both),
        ("Se", 0b010, EcnTerms::Accurate),
        ("SW", 0b010, EcnTerms::Accurate),
        ("SEe", 0b010, EcnTerms::Accurate),
    ] {
        let mut story = Story::new(accurate());
        let listener = story.listen();
        story.recv(seg(syn).mss(1000));
        let out = story.out();
        assert_eq!(ace(&out[0]), answer, "{syn}");
        assert_eq!(out[0].options.accurate.is_some(), expected.is_accurate());
        let ack = if expected.is_accurate() {
            counted(0b010)
        } else {
            counted(0)
        };
        story.recv(ack.ack(1));
        let id = story.tcp.accept(listener).unwrap();
        assert_eq!(terms(&story, id), expected, "{syn}");
    }
}

// 3.1.1, table 2, second and fourth block.
#[test]
fn connect_asks_for_accurate_and_takes_what_the_server_knows() {
    for (answer, expected) in [
        ("S.", EcnTerms::Off),
        ("SE.", EcnTerms::Both),
        ("SW.", EcnTerms::Accurate),
        ("SEe.", EcnTerms::Accurate),
        ("SEWe.", EcnTerms::Off),
        // The SYN had no mark, and is said to have arrived with one: 3.2.2.3.
        ("SEW.", EcnTerms::AccurateEcho),
        ("Se.", EcnTerms::AccurateEcho),
        ("SWe.", EcnTerms::AccurateEcho),
    ] {
        let mut story = Story::new(accurate());
        let id = story.connect();
        assert_eq!(story.out()[0].flags, Flags::SYN | bits(0b111));
        story.recv(seg(answer).ack(1).mss(1000));
        story.out();
        assert_eq!(terms(&story, id), expected, "{answer}");
        story.write(id, 10);
        let marked = matches!(expected, EcnTerms::Both | EcnTerms::Accurate);
        let mark = if marked { Ecn::Ect0 } else { Ecn::NotEct };
        assert_eq!(story.out()[0].ecn, mark, "{answer}");
    }
}

// 3.2.2.1 and 5.2: an acknowledgment of its own tells how the answer was marked, before data may go.
#[test]
fn answer_arrives_marked_acknowledgment_says_so_before_data() {
    for (mark, said, count) in [
        (Ecn::NotEct, 0b010, 5),
        (Ecn::Ect1, 0b011, 5),
        (Ecn::Ect0, 0b100, 5),
        (Ecn::Ce, 0b110, 6),
    ] {
        let mut story = Story::new(accurate());
        let id = story.connect();
        story.out();
        story.write(id, 10);
        story.mark = mark;
        story.recv(seg("SW.").ack(1).mss(1000));
        let out = story.out();
        assert_eq!((out[0].data.len(), out[0].why), (0, Why::HandshakeAck));
        assert_eq!(ace(&out[0]), said);
        assert_eq!(fields(&out[0]), Some(vec![1, 0, 1]), "3.2.3.2.1");
        assert_eq!((out[1].data.len(), ace(&out[1])), (10, count));
        assert_eq!(fields(&out[1]), Some(vec![1, 0, 1]), "the first data too");
        // The answer comes once more, unmarked: its acknowledgment says that.
        story.mark = Ecn::NotEct;
        story.recv(seg("SW.").ack(1).mss(1000));
        let again = story.out();
        assert_eq!((ace(&again[0]), again[0].why), (0b010, Why::ChallengeAck));
        // And once more, marked as at first: the mark counts once.
        story.mark = mark;
        story.at(2_000);
        story.out();
        story.recv(seg("SW.").ack(1).mss(1000));
        assert_eq!(ace(&story.out()[0]), said);
        story.write(id, 10);
        assert_eq!(ace(&story.out()[0]), count, "and is not counted again");
    }
}

// 3.2.3.2.1: the server's answer tests whether the option passes, no SYN does.
#[test]
fn syns_of_ours_have_no_option() {
    let mut story = Story::new(accurate());
    story.connect();
    let mut syns = story.out();
    syns.extend((0..2).map(|_| story.wait_output(60_000).unwrap().1));
    assert_eq!(syns.len(), 3);
    assert!(syns.iter().all(|syn| syn.options.accurate.is_none()));
}

// 3.1.4.1: two SYNs ask, then none; 3.1.4.1's third example: a late agreement is kept, and marks are allowed.
#[test]
fn syn_not_answered_twice_is_repeated_bare_a_late_agreement_counts() {
    let mut story = Story::new(accurate());
    let id = story.connect();
    assert_eq!(ace(&story.out()[0]), 0b111);
    assert_eq!(ace(&story.wait_output(60_000).unwrap().1), 0b111);
    assert_eq!(ace(&story.wait_output(60_000).unwrap().1), 0b000);
    story.recv(seg("SW.").ack(1).mss(1000));
    story.out();
    assert_eq!(terms(&story, id), EcnTerms::Accurate);
    story.write(id, 10);
    assert_eq!(story.out()[0].ecn, Ecn::Ect0);
}

// 3.2.3.2.2 and 3.1.5: the answer's repeat has no option, the next says nothing; then we mark nothing, and count.
#[test]
fn answer_not_acknowledged_loses_its_option_then_its_bits_and_we_never_mark() {
    let mut story = Story::new(accurate());
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000));
    assert!(story.out()[0].options.accurate.is_some());
    let (_, second) = story.wait_output(60_000).unwrap();
    assert_eq!((ace(&second), second.options.accurate), (0b010, None));
    let (_, third) = story.wait_output(60_000).unwrap();
    assert_eq!((ace(&third), third.options.accurate), (0b000, None));
    story.recv(counted(0b010).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    assert_eq!(terms(&story, id), EcnTerms::AccurateEcho);
    story.mark = Ecn::Ce;
    story.recv(counted(5).ack(1).data(b"x"));
    story.write(id, 10);
    let out = story.out();
    assert_eq!((out[0].ecn, ace(&out[0])), (Ecn::NotEct, 6));
}

// 3.1.5: a bare SYN behind an asking one is answered accurately; the latest mark is told; we mark nothing.
#[test]
fn syn_comes_again_bare_answer_stays_accurate_and_nothing_is_marked() {
    let mut story = Story::new(accurate());
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000));
    story.out();
    story.mark = Ecn::Ect0;
    story.recv(seg("S").mss(1000));
    assert_eq!(ace(&story.out()[0]), 0b100);
    story.mark = Ecn::NotEct;
    story.recv(counted(0b010).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 10);
    assert_eq!(story.out()[0].ecn, Ecn::NotEct);
}

// 3.1.5: two kinds in one handshake: nobody could know which one holds.
#[test]
fn syn_comes_again_asking_for_the_other_kind_handshake_is_reset() {
    for (first, second) in [("SEWe", "SEW"), ("SEW", "SEWe")] {
        let mut story = Story::new(accurate());
        story.listen();
        story.recv(seg(first).mss(1000));
        story.out();
        let verdict = story.judge(seg(second).mss(1000));
        assert_eq!(verdict.rule.name, "tcp:syn-contradicts");
        let out = story.out();
        assert_eq!(
            (out[0].flags, out[0].why),
            (Flags::RST | Flags::ACK, Why::ResetContradiction)
        );
        assert_eq!(story.state(), State::Listen);
    }
}

// 3.1.2: crossed SYNs that both ask.
#[test]
fn simultaneous_open_of_two_that_ask_is_accurate() {
    let mut story = Story::new(accurate());
    let id = story.connect();
    story.out();
    story.recv(seg("SEWe").mss(1000));
    assert_eq!(ace(&story.out()[0]), 0b010);
    story.recv(seg("SW.").ack(1).mss(1000));
    story.out();
    assert_eq!(terms(&story, id), EcnTerms::Accurate);
}

// 3.2.2.5.1: a mark is told at once; every further second; the option has the fields that changed.
#[test]
fn marked_data_arrives_the_count_and_the_bytes_come_back_at_once() {
    let (mut story, id) = served();
    story.mark = Ecn::Ect0;
    story.recv(counted(5).ack(1).data(b"12345"));
    assert_eq!(story.out().len(), 0, "no reason to hurry");
    story.mark = Ecn::Ce;
    story.recv(counted(5).seq(6).ack(1).data(b"67"));
    let out = story.out();
    assert_eq!((ace(&out[0]), fields(&out[0])), (6, Some(vec![6, 2])));
    story.recv(counted(5).seq(8).ack(1).data(b"8"));
    assert_eq!(story.out().len(), 0);
    story.recv(counted(5).seq(9).ack(1).data(b"9"));
    let out = story.out();
    assert_eq!((ace(&out[0]), fields(&out[0])), (0, Some(vec![6, 4])));
    assert_eq!(story.tcp.info(id).unwrap().totals.marks_in, 3);
    assert_eq!(story.read_all(id), b"123456789");
}

// 3.2: pure acknowledgments count as well: the third is answered, and no block is on it.
#[test]
fn marked_acknowledgments_arrive_every_third_is_told() {
    let (mut story, _) = served();
    story.mark = Ecn::Ce;
    for (arrived, expected) in (1..).zip([0, 0, 1, 0, 0, 1]) {
        story.recv(counted(5).ack(1));
        let out = story.out();
        assert_eq!(out.len(), expected);
        assert!(out.iter().all(|sent| sent.options.sack.is_empty()));
        assert!(out.iter().all(|sent| ace(sent) == (5 + arrived) % 8));
    }
}

// 2.5 and RFC 3168 6.1.2: however many packets were marked, the window shrinks once a round trip; 3.1.5: no CWR is told.
#[test]
fn marks_of_one_round_trip_reduce_the_window_once_those_of_the_next_again() {
    let (mut story, id) = served();
    story.write(id, 8_000);
    let out = story.out();
    assert!(out.iter().all(|sent| sent.ecn == Ecn::Ect0));
    let window = |story: &Story| story.tcp.info(id).unwrap().cwnd;
    let before = window(&story);
    story.recv(counted(6).ack(1001));
    let after = window(&story);
    assert!(after < before, "{after} of {before}");
    story.recv(counted(0).ack(3001));
    assert!(window(&story) >= after);
    story.recv(counted(0).ack(8001));
    story.write(id, 4_000);
    assert!(
        story.out().iter().all(|sent| ace(sent) == 5),
        "the counter, no CWR"
    );
    let before = window(&story);
    story.recv(counted(1).ack(9001));
    assert!(window(&story) < before);
    assert_eq!(story.tcp.info(id).unwrap().totals.echoes_in, 4);
}

// A.1: an acknowledgment that others have overtaken says nothing.
#[test]
fn old_acknowledgment_arrives_late_its_count_is_ignored() {
    let (mut story, id) = served();
    story.write(id, 4_000);
    story.out();
    story.recv(counted(6).ack(3001));
    story.recv(counted(5).ack(1001));
    story.recv(counted(6).ack(4001));
    assert_eq!(story.tcp.info(id).unwrap().totals.echoes_in, 1);
}

// 3.2.2.4 and table 4: a path that zeroes the bits: nothing is marked, nothing is believed.
#[test]
fn bits_are_zeroed_on_the_way_we_mark_nothing_and_believe_nothing() {
    let mut story = Story::new(accurate());
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000));
    story.out();
    story.recv(counted(0b000).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 2_000);
    assert!(story.out().iter().all(|sent| sent.ecn == Ecn::NotEct));
    story.recv(counted(3).ack(2001));
    assert_eq!(story.tcp.info(id).unwrap().totals.echoes_in, 0);
    let (mut story, id) = connected();
    story.out();
    story.recv(counted(0).ack(1).data(b"x"));
    story.write(id, 10);
    assert_eq!(story.out()[0].ecn, Ecn::NotEct);
}

// 3.2.3.3: where SACK blocks, timestamps and counters compete, two blocks and the counters stay.
#[test]
fn option_space_is_short_two_blocks_and_the_counters_stay() {
    let settings = Settings {
        sack: true,
        timestamps: true,
        ..accurate()
    };
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000).sackok().ts(100, 0));
    let answer = &story.out()[0];
    assert!(answer.options.accurate.is_some() && answer.options.timestamps.is_some());
    let ts = answer.options.timestamps.unwrap().val;
    story.recv(counted(0b010).ack(1).ts(101, ts));
    let id = story.tcp.accept(listener).unwrap();
    story.mark = Ecn::Ce;
    for hole in 0..4u32 {
        let text = counted(5).seq(101 + hole * 200).ack(1).ts(102, ts);
        story.recv(text.zeros(100));
    }
    let out = story.out();
    assert_eq!(out[0].options.sack.len(), 2);
    assert_eq!(fields(&out[0]), Some(vec![1, 400]));
    story.write(id, 5_000);
    for sent in story.out() {
        let options = 12 + if sent.options.sack.is_empty() { 0 } else { 20 };
        let marks = sent
            .options
            .accurate
            .map_or(0, |o| AccurateOption::padded_len(o.as_slice().len()));
        assert!(sent.data.len() + options + marks <= 1000, "{}", sent.line());
    }
}

// A device that cuts keeps CWR on the first piece only: with that bit in the count, one segment at a time.
#[test]
fn count_has_the_bit_that_a_device_clears_no_super_segment_leaves() {
    let mut story = Story::new(accurate());
    story.path = Path {
        gso_max: 65_000,
        ..Path::plain(1040)
    };
    let listener = story.listen();
    story.recv(seg("SEWe").mss(1000));
    story.out();
    story.recv(counted(0b010).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 4_000);
    assert!(story.out()[0].gso.is_some(), "the count is 5: no CWR in it");
    story.mark = Ecn::Ce;
    story.recv(counted(5).ack(4001).data(b"x"));
    story.write(id, 4_000);
    let out = story.out();
    assert!(out.iter().all(|sent| sent.gso.is_none() && ace(sent) == 6));
}

const LINK: Badness = Badness {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    delay: Duration::from_millis(10),
};

/// Uploads over a path that marks one packet in twenty; returns (marks counted there, counted here, bytes here).
fn marked_upload(algorithm: Algorithm, badness: Badness, seed: u64) -> (u64, u64, u64) {
    const LEN: usize = 1_500_000;
    let settings = Settings {
        ecn: EcnPolicy::Accurate,
        congestion: algorithm,
        ..Settings::default()
    };
    let configs = [0, 1].map(|_| Config {
        settings,
        ..Config::default()
    });
    let mut world = World::new(seed, configs, badness);
    world.marking = 0.05;
    world.ends[0]
        .listen(world.addrs[0], Listen::default())
        .unwrap();
    let [to, from] = world.addrs;
    let client = world.ends[1].connect(from, to, world.path, None).unwrap();
    let mut rest = ChunkQueue::from(Bytes::from(vec![7; LEN]));
    let (mut served, mut arrived) = (None, 0);
    while arrived < LEN || world.ends[1].info(client).unwrap().send_queued > 0 {
        assert!(
            world.step() && world.now < Instant::from_secs(300),
            "stuck at {arrived}"
        );
        while let Some(event) = world.ends[0].poll_event() {
            if let Event::Acceptable(listener) = event {
                served = world.ends[0].accept(listener);
            }
        }
        while world.ends[1].poll_event().is_some() {}
        let _taken = world.ends[1].write(client, &mut rest);
        while let Some(Ok(Some(bytes))) = served.map(|id| world.ends[0].read(id)) {
            arrived += bytes.len();
        }
    }
    let there = world.ends[0].info(served.unwrap()).unwrap().totals;
    let info = world.ends[1].info(client).unwrap();
    let (here, bytes) = (info.totals, u64::from(info.delivered_marked.ce));
    assert!(there.marks_in > 0);
    assert!(here.timeouts == 0 || badness.loss > 0.0);
    (there.marks_in.into(), here.echoes_in.into(), bytes)
}

#[test]
fn path_marks_one_in_twenty_every_mark_is_fed_back_to_every_controller() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr] {
        let (there, here, bytes) = marked_upload(algorithm, LINK, 3);
        assert_eq!(there, here, "{algorithm:?}");
        assert!(
            bytes > (there - 1) * 1_000 && bytes <= there * 1_448,
            "{algorithm:?}: {bytes}"
        );
    }
}

// Reordered and duplicated feedback may be read late, never wildly wrong.
#[test]
fn path_also_reorders_and_loses_counts_stay_close() {
    let bad = Badness {
        loss: 0.002,
        reorder: 0.02,
        duplicate: 0.01,
        ..LINK
    };
    for seed in 0..10 {
        let (there, here, _) = marked_upload(Algorithm::Cubic, bad, seed);
        assert!(here.abs_diff(there) <= 8, "seed {seed}: {here} of {there}");
    }
}
