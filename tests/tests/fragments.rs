//! Packets in pieces to a host of ours, each cut by scapy in a way somebody has tried: what is said of every piece, what is
//! answered, and what a flood of pieces costs. Needs scapy (`make test` installs it).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;

use outcrop_tests::{Bench, MEMORY, assert_bounded, numbers, peer, tshark};

/// What a packet in pieces must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// So many echo replies.
    Echo(usize),
    /// Parameter problem: code, pointer.
    Problem(u8, u8),
}
use Answer::{Echo, Problem};

/// How `fragment_cases.py` cuts a packet, what is said of each piece (`-`: taken), and what is answered.
type Cut = (&'static str, &'static str, Answer);

/// What both families say alike: RFC 791 3.2, RFC 8200 4.5, RFC 5722 4. The echo request is 192 octets long.
const CUTS: [Cut; 11] = [
    ("0-64+ 64-128+ 128-192.", "- - -", Echo(1)),
    ("128-192. 64-128+ 0-64+", "- - -", Echo(1)),
    // The first piece as short as it can be.
    ("0-8+ 8-192.", "- -", Echo(1)),
    // Doubles of the network's own harm nobody, and are counted.
    ("0-64+ 0-64+ 64-192.", "- overlap -", Echo(1)),
    // Teardrop: the second lies in the first; nothing of that packet counts from then on.
    ("0-64+ 24-32. 64-192.", "- overlap overlap", Echo(0)),
    ("0-64+ 56-192.", "- overlap", Echo(0)),
    ("0-64+ 0-64+! 64-192.", "- overlap overlap", Echo(0)),
    // Two ends; one before what is there; more behind the end.
    ("64-192. 64-96. 0-64+", "- overlap overlap", Echo(0)),
    ("64-128+ 8-32. 128-192.", "- overlap overlap", Echo(0)),
    ("64-192. 192-256+ 0-64+", "- overlap overlap", Echo(0)),
    // A hole for ever.
    ("0-64+ 128-192.", "- -", Echo(0)),
];

/// Ragged, beyond what a packet can be, of nothing: RFC 791 wants no answer to it.
const CUTS_V4: [Cut; 3] = [
    ("0-13+", "malformed", Echo(0)),
    ("65528-65592.", "malformed", Echo(0)),
    ("64-64+", "malformed", Echo(0)),
];

/// The same by RFC 8200 4.5; not all headers in the first piece by RFC 7112 5; a piece of nothing by RFC 6946 4: a packet by
/// itself, whatever waits under its number.
const CUTS_V6: [Cut; 5] = [
    ("0-13+", "malformed", Problem(0, 4)),
    ("65528-65592.", "malformed", Problem(0, 42)),
    ("64-64+", "malformed", Echo(0)),
    // Nobody can say that this is not an ICMP error, which is never answered by one (RFC 4443 2.4 (e)).
    ("0-0+", "malformed", Echo(0)),
    ("0-64+ 0-192= 64-192.", "- - -", Echo(2)),
];

/// One family: who asks whom, and how tshark calls what is looked for.
struct Family {
    own: &'static [Cut],
    /// The number of the first packet.
    first: usize,
    protocol: u8,
    ends: [&'static str; 2],
    /// Filter and number of what we received in pieces.
    pieces: [&'static str; 2],
    replies: [&'static str; 2],
    problems: [&'static str; 3],
}

const V4: Family = Family {
    own: &CUTS_V4,
    first: 1_001,
    protocol: 1,
    ends: ["10.77.0.1", "10.77.0.2"],
    pieces: [
        "ip.src==10.77.0.1 && (ip.flags.mf==1 || ip.frag_offset>0)",
        "ip.id",
    ],
    replies: ["icmp.type==0 && ip.src==10.77.0.2", "icmp.ident"],
    problems: ["icmp.type==12", "icmp.code", "icmp.pointer"],
};
const V6: Family = Family {
    own: &CUTS_V6,
    first: 2_001,
    protocol: 58,
    ends: ["fd77::1", "fd77::2"],
    pieces: [
        "ipv6.fraghdr && ipv6.src==fd77::1 && !(icmpv6.type==4)",
        "ipv6.fraghdr.ident",
    ],
    replies: [
        "icmpv6.type==129 && ipv6.src==fd77::2",
        "icmpv6.echo.identifier",
    ],
    problems: ["icmpv6.type==4", "icmpv6.code", "icmpv6.pointer"],
};

impl Family {
    fn cuts(&self) -> impl Iterator<Item = (usize, &Cut)> {
        (self.first..).zip(CUTS.iter().chain(self.own))
    }

    fn lines(&self) -> String {
        let line = |(number, (pieces, ..)): (usize, &Cut)| {
            format!("{number} {} {pieces}\n", self.protocol)
        };
        self.cuts().map(line).collect()
    }

    /// Asserts that the capture says of each piece and answers to each packet what the table says.
    fn assert_told(&self, capture: &Path) {
        let (mut said, mut answers) = (HashMap::new(), HashMap::new());
        for line in tshark(capture, self.pieces[0], &[self.pieces[1], "frame.comment"]) {
            let (number, comment) = line.split_once('\t').unwrap();
            let reasons: &mut Vec<_> = said.entry(parse(number)).or_default();
            reasons.push(reason(comment).to_owned());
        }
        for line in tshark(capture, self.replies[0], &[self.replies[1]]) {
            let Echo(count) = answers.entry(parse(&line)).or_insert(Echo(0)) else {
                panic!("{line}")
            };
            *count += 1;
        }
        let [filter, code, pointer] = self.problems;
        for line in tshark(capture, filter, &[self.pieces[1], code, pointer]) {
            let words: Vec<_> = line.split('\t').map(parse).collect();
            let [number, code, pointer] = words[..] else {
                panic!("{line}")
            };
            let [code, pointer] = [code, pointer].map(|n| u8::try_from(n).unwrap());
            answers.insert(number, Problem(code, pointer));
        }
        for (number, (pieces, reasons, answer)) in self.cuts() {
            let said = said.get(&number).map(|said| said.join(" "));
            assert_eq!(said.as_deref(), Some(*reasons), "{number}: {pieces}");
            let answered = answers.get(&number).copied().unwrap_or(Echo(0));
            assert_eq!(answered, *answer, "{number}: {pieces}");
        }
    }
}

/// A number as tshark writes it; an error's own comes before what it quotes.
fn parse(number: &str) -> usize {
    let number = number.split(',').next().unwrap();
    match number.strip_prefix("0x") {
        Some(hex) => usize::from_str_radix(hex, 16).unwrap(),
        None => number.parse().unwrap(),
    }
}

fn reason(comment: &str) -> &str {
    let behind = comment.split_once("drop=fragment:").map(|(_, rest)| rest);
    behind.map_or("-", |rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase());
        rest.split_at(end.unwrap_or(rest.len())).0
    })
}

#[test]
fn each_packet_cut_by_scapy_is_answered_as_the_rfcs_say_and_each_piece_has_its_reason() {
    for link in [&["--tap"][..], &["--dev", "outcrop0"]] {
        let bench = Bench::new().options(link).options(&["--stats"]);
        std::fs::write(bench.path("four"), V4.lines()).unwrap();
        std::fs::write(bench.path("six"), V6.lines()).unwrap();
        // The kernel knows both neighbours before, and what was sent has been read when it is answered after.
        let alive = "ping -c1 -W60 -q $STACK >/dev/null; ping -c1 -W60 -q fd77::2 >/dev/null";
        let script = format!(
            "{alive}
            /usr/bin/python3 {0} {1} {2} <four; /usr/bin/python3 {0} {3} {4} <six
            {alive}",
            peer("fragment_cases.py"),
            V4.ends[0],
            V4.ends[1],
            V6.ends[0],
            V6.ends[1],
        );
        let outcome = bench.sh(&script);
        assert_eq!(outcome.stdout(), "sent\nsent\n");
        let mut counted = HashMap::new();
        for family in [V4, V6] {
            family.assert_told(&bench.capture());
            let cuts: Vec<_> = family.cuts().collect();
            for reason in cuts.iter().flat_map(|(_, cut)| cut.1.split(' ')) {
                *counted.entry(reason).or_insert(0) += 1;
            }
        }
        for reason in ["overlap", "malformed"] {
            let line = format!("{} dropped: fragment:{reason}\n", counted[reason]);
            assert!(
                outcome.stderr().contains(&line),
                "{line}{}",
                outcome.report()
            );
        }
    }
}

/// A flood of first pieces and of last ones, of packets that never become whole, from a neighbour who is not there.
const FLOOD: &str = "0-1400+ 2800-4000.";

#[test]
fn a_flood_of_pieces_takes_no_more_memory_than_it_may_and_others_packets_become_whole() {
    // Twice as many as are kept at a time, of either family, would be 256; twice the memory for them, 800.
    const PACKETS: usize = 500;
    let bench = Bench::new().options(&["--tap", "--stats", "--capture-level", "off"]);
    for (name, protocol) in [("four", 1), ("six", 58)] {
        let lines = (0..PACKETS).map(|n| format!("{} {protocol} {FLOOD}\n", 10_000 + n));
        std::fs::write(bench.path(name), lines.collect::<String>()).unwrap();
    }
    let script = format!(
        "{MEMORY}ip addr add 10.77.0.66/24 dev outcrop0; ip addr add fd77::66/64 dev outcrop0 nodad
        ping -c1 -W60 -q -s 4000 $STACK >/dev/null; ping -c1 -W60 -q -s 4000 fd77::2 >/dev/null
        memory
        /usr/bin/python3 {0} 10.77.0.66 $STACK <four >sent4 & four=$!
        /usr/bin/python3 {0} fd77::66 fd77::2 <six >sent6 & six=$!
        n=0; while kill -0 $four 2>/dev/null || kill -0 $six 2>/dev/null; do
            ping -c1 -W60 -q -s 4000 -I 10.77.0.1 $STACK >/dev/null; ping -c1 -W60 -q -s 4000 -I fd77::1 fd77::2 >/dev/null
            n=$((n + 1))
        done
        wait $four; wait $six; cat sent4 sent6
        memory
        ping -c1 -W60 -q -s 4000 -I 10.77.0.1 $STACK >/dev/null; ping -c1 -W60 -q -s 4000 -I fd77::1 fd77::2 >/dev/null
        memory; echo \"rounds $n\"",
        peer("fragment_cases.py")
    );
    let outcome = bench.sh(&script);
    let text = outcome.stdout();
    assert_eq!(text.matches("sent").count(), 2, "{}", outcome.report());
    assert!(numbers(&text, "rounds ")[0] >= 1, "{text}");
    assert_bounded(&text);
    println!("{text}{}", outcome.stderr());
}
