//! Hostile input through a real TUN: scanners, floods, malformed packets.
//!
//! Everything happens in the private network that `outcrop run` made: the attacker is its command, and sees nothing
//! else. What is asserted: no crash, memory that stays bounded, connections that go on and bring the right bytes, and
//! answers as RFC 9293 says. What is printed: how much of its goodput a connection kept.
//! Needs nmap, hping3, t50, thc-ipv6, ipv6toolkit and scapy (`make test` installs them).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outcrop_tests::{Bench, MEMORY, Outcome, assert_bounded, noise, numbers, sha256, tool};

/// One attack at a time: they are measured.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(bench: &Bench, script: &str) -> Outcome {
    let outcome = bench.sh(&format!("{MEMORY}{script}"));
    let report = outcome.report();
    assert!(!report.contains("panicked"), "{report}");
    outcome
}

// ---- scanners ----

/// What nmap says about the ports 79 (closed) and 80 (open), in one scan: state and reason.
fn scanned(text: &str, scan: &str) -> [String; 2] {
    let part = text.split(&format!("scan {scan}\n")).nth(1).unwrap();
    [79, 80].map(|port| {
        let mut lines = part.lines();
        let line = lines.find(|line| line.starts_with(&format!("{port}/tcp")));
        let line = line.unwrap_or_else(|| panic!("{scan}: {text}"));
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {}", words.get(1).unwrap(), words.get(3).unwrap())
    })
}

// RFC 9293 3.10.7.1: CLOSED answers everything but a reset by a reset. 3.10.7.2: LISTEN answers a SYN, resets an ACK,
// and is silent to anything else.
#[test]
fn nmap_finds_what_the_rfc_says() {
    let _turn = alone();
    let script = "memory\n\
        for scan in -sS -sA -sF -sN -sX; do\n\
          echo scan $scan; nmap -n -Pn -T4 --max-retries 1 --reason -p 79,80 $scan $STACK\n\
        done\n\
        echo scan six; nmap -6 -n -Pn -T4 --reason -p 79,80 -sS fd77::2\n\
        echo scan badsum; nmap -n -Pn -T4 --max-retries 1 --reason -p 79,80 -sS --badsum $STACK\n\
        memory";
    let text = run(&Bench::new(), script).stdout();
    let (silent, reset) = ("open|filtered no-response", "closed reset");
    assert_eq!(scanned(&text, "-sS"), [reset, "open syn-ack"]);
    assert_eq!(scanned(&text, "six"), [reset, "open syn-ack"]);
    assert_eq!(scanned(&text, "-sA"), ["unfiltered reset"; 2]);
    for scan in ["-sF", "-sN", "-sX"] {
        assert_eq!(scanned(&text, scan), [reset, silent], "{scan}");
    }
    // What answers a wrong checksum is a firewall, not a host.
    assert_eq!(scanned(&text, "badsum"), ["filtered no-response"; 2]);
    assert_bounded(&text);
}

#[test]
fn nmap_asks_which_system_it_is_the_next_sequence_number_is_not_to_be_guessed() {
    let _turn = alone();
    let script = "memory\n\
        nmap -n -Pn -v -O --max-os-tries 1 -p 79,80 $STACK\n\
        curl -sS -o /dev/null -w 'status %{http_code}\\n' http://$STACK/\n\
        memory";
    let text = run(&Bench::new().file("index.html", "here"), script).stdout();
    // nmap's highest class, and RFC 6864 4: an atomic packet needs no identification.
    assert!(
        text.contains("TCP Sequence Prediction: Difficulty="),
        "{text}"
    );
    assert!(text.contains("(Good luck!)"), "{text}");
    assert!(
        text.contains("IP ID Sequence Generation: All zeros"),
        "{text}"
    );
    assert_eq!(numbers(&text, "status "), [200]);
    assert_bounded(&text);
}

// ---- floods ----

/// What one connection downloads while a flood goes on: it is paced, so that its goodput is not a question of processors.
const DOWNLOAD: usize = 20_000_000;
const RATE: &str = "20000000";

/// Downloads once in peace and once in the flood `attack`, of which a new connection must get a page as well.
fn flood(name: &str, attack: &str) {
    let _turn = alone();
    let body = noise(DOWNLOAD);
    let digest = sha256(&body);
    let bench = Bench::new()
        .file("body", &body)
        .file("page", "still here")
        .options(&["--stats", "--capture-level", "off", "--max-rate", RATE]);
    let script = format!(
        "memory\n\
         get() {{ curl -sS -m 60 -o $1 -w 'speed %{{speed_download}}\\n' http://$STACK/body; }}\n\
         get calm\n\
         get stormy & download=$!\n\
         sleep 0.2\n\
         (timeout -s INT 15 {attack} >flood.txt 2>&1 || true) & flood=$!\n\
         sleep 0.4\n\
         curl -sS -m 20 http://$STACK/page; echo\n\
         wait $download\n\
         memory\n\
         kill -INT $flood 2>/dev/null || true; wait $flood || true\n\
         sha256sum calm stormy\n\
         memory"
    );
    let outcome = run(&bench, &script);
    let text = outcome.stdout();
    assert_eq!(text.matches(&digest).count(), 2, "{}", outcome.report());
    assert!(text.contains("still here"), "a new connection: {text}");
    let speed = numbers(&text, "speed ");
    let [calm, stormy] = speed[..] else {
        panic!("{text}")
    };
    let share = stormy * 100 / calm;
    println!("{name}: {share} % of the goodput kept ({calm} and {stormy} bytes/s)");
    println!("{}", outcome.stderr());
    assert_bounded(&text);
}

#[test]
fn flood_of_syns_from_everywhere_the_download_and_a_new_connection_go_on() {
    flood(
        "SYNs",
        "hping3 -q -n -S -p 80 --rand-source -i u10 -c 20000 $STACK",
    );
}

#[test]
fn flood_of_resets_the_download_and_a_new_connection_go_on() {
    flood("RSTs", "hping3 -q -n -R -p 80 -i u10 -c 20000 $STACK");
}

#[test]
fn flood_of_acks_the_download_and_a_new_connection_go_on() {
    flood("ACKs", "hping3 -q -n -A -p 80 -i u10 -c 20000 $STACK");
}

#[test]
fn flood_of_wrong_checksums_the_download_and_a_new_connection_go_on() {
    flood(
        "wrong checksums",
        "hping3 -q -n -S -b -p 80 -i u10 -c 20000 $STACK",
    );
}

#[test]
fn flood_of_fragments_the_download_and_a_new_connection_go_on() {
    flood(
        "fragments",
        "hping3 -q -n -S -f -d 600 -p 80 -i u200 -c 5000 $STACK",
    );
}

#[test]
fn flood_of_every_protocol_the_download_and_a_new_connection_go_on() {
    flood("t50", "t50 $STACK --threshold 100000 --protocol T50");
}

// Of thc-ipv6 and ipv6toolkit: every kind of message with every octet changed; fragments whose packets never become
// whole, from many sources.
#[test]
fn fuzzed_headers_and_fragments_of_ipv6_are_counted_and_everybody_else_is_served_on() {
    let _turn = alone();
    let bench = Bench::new().options(&["--tap", "--stats", "--capture-level", "off"]);
    let script = "memory
        timeout 30 atk6-fuzz_ip6 -x -1 -2 -3 -4 -5 -6 -7 -8 -9 -E -H outcrop0 fd77::2 >fuzz 2>&1 || true
        timeout 3 frag6 -i outcrop0 -d fd77::2 -s fd77::/64 -F 2000 >flood 2>&1 || true
        memory
        timeout 20 frag6 -i outcrop0 -d fd77::2 --frag-id-policy 2>&1
        ping -q -c3 -i0.2 -s 4000 $STACK; ping -q -c3 -i0.2 -s 4000 fd77::2
        memory";
    let outcome = run(&bench, script);
    let text = outcome.stdout();
    assert_eq!(text.matches("3 received, 0% packet loss").count(), 2);
    assert_bounded(&text);
    // RFC 7739 5: what one destination is told says nothing of what others are.
    assert!(
        text.contains("Per-destination IDs") || text.contains("Randomized IDs"),
        "{text}"
    );
    for reason in [
        "dropped: ipv6:bad-extension",
        "dropped: fragment:malformed",
        "dropped: icmp:invalid",
    ] {
        assert!(outcome.stderr().contains(reason), "{}", outcome.report());
    }
}

// ipv6toolkit's floods of neighbour discovery: questions, answers, routers and better hops, each from 2,000 addresses. A stack
// that asked no router believes none, and nobody's answer is believed that was not asked for (RFC 4861 7.2.5, 8.1).
#[test]
fn floods_of_discovery_from_ipv6toolkit_are_counted_and_everybody_else_is_served_on() {
    let _turn = alone();
    let bench = Bench::new().file("page", "still here").options(&[
        "--tap",
        "--mac",
        "02:00:00:00:77:02",
        "--stats",
        "--capture-level",
        "off",
    ]);
    let script = "ping -6 -c1 -W60 -q fd77::2 >/dev/null; memory
        flood() { $* -i outcrop0 -D 02:00:00:00:77:02 -d fd77::2 -F 2000 >>flood 2>&1
            ping -6 -c1 -W60 -q fd77::2 | grep -c '1 received'; curl -fsS -g http://$STACK6/page; echo; memory; }
        flood ns6 -s fd77::/64 -t fd77::2 -e
        flood na6 -s fd77::/64 -t fd77::1:1 -e -o
        flood ra6 -s fe80::/64 -e
        flood rd6 -s fe80::/64 -t fe80::9 -r 2001:db8::1";
    let outcome = run(&bench, script);
    let text = outcome.stdout();
    assert_eq!(text.matches("1\nstill here\n").count(), 4, "{text}");
    assert_bounded(&text);
    for reason in ["dropped: icmp:unrelated", "dropped: ip:filtered"] {
        assert!(outcome.stderr().contains(reason), "{}", outcome.report());
    }
}

// ---- malformed packets ----

// Debian's interpreter has Debian's scapy, whichever comes first in the path.
#[test]
fn malformed_packets_from_a_seed_nothing_breaks_and_the_capture_has_them() {
    let _turn = alone();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/fuzz.py");
    let bench = Bench::new().file("page", "still here").options(&[
        "--tcp-echo",
        "--stats",
        "--dev",
        "outcrop0",
    ]);
    let script = format!(
        "memory\n\
         for seed in 1 2; do /usr/bin/python3 {} $seed 2000; memory; done\n\
         curl -sS http://$STACK/page; echo",
        script.display()
    );
    let outcome = run(&bench, &script);
    let text = outcome.stdout();
    assert_eq!(
        text.matches("exchanges on the living connection").count(),
        2
    );
    assert!(text.contains("still here"));
    println!("{text}{}", outcome.stderr());
    assert_bounded(&text);
    let capture = bench.capture();
    let lines = tool("tcpdump", &["-nr", &capture.to_string_lossy()]);
    assert!(
        lines.lines().count() > 2_000,
        "what nobody takes is recorded too"
    );
}
