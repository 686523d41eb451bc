//! Every script of `fixtures/drill`, and every script with one expectation broken.
#![expect(clippy::unwrap_used, reason = "tests")]

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use outcrop_testkit::drill::ast::{Action, Body, Event, Script, Tcp, TcpOption, Time, Value, When};
use outcrop_testkit::drill::{Dialect, Family, Options, Outcome, parse, run, run_script};

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|end| end == "pkt") {
            into.push(path);
        }
    }
}

fn scripts() -> Vec<(String, String)> {
    scripts_of("drill")
}

fn scripts_of(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let root = root.join(folder);
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    paths
        .iter()
        .map(|path| (name(path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Runs all; what is skipped must be for the other family.
fn all_pass(options: &Options) {
    let mut wrong = Vec::new();
    for (name, text) in scripts() {
        let report = run(&text, options);
        let fine = match &report.outcome {
            Outcome::Passed => report.dialect == Dialect::Ours,
            Outcome::Skipped { reason } => reason.starts_with("for ip"),
            Outcome::Failed(_) => false,
        };
        if !fine {
            wrong.push(format!("{name}: {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_script_passes() {
    assert!(scripts().len() >= 150);
    all_pass(&Options::default());
}

#[test]
fn every_script_passes_over_ipv6() {
    all_pass(&Options {
        family: Family::V6,
        ..Options::default()
    });
}

/// What Linux sent and answered, ours sends and answers too; see the folder's README.
#[test]
fn recordings_of_linux_pass_in_its_dialect() {
    let options = Options {
        dialect: Some(Dialect::Linux),
        ..Options::default()
    };
    let recordings = scripts_of("drill-linux");
    assert!(recordings.len() >= 30);
    for (name, text) in recordings {
        let report = run(&text, &options);
        assert!(report.passed(), "{name}: {report}");
    }
}

/// The peer's numbers pass zero within the first segments, or begin there.
#[test]
fn every_script_passes_with_numbers_that_wrap() {
    for peer_isn in [u32::MAX - 1500, u32::MAX, 0] {
        all_pass(&Options {
            peer_isn,
            ..Options::default()
        });
    }
}

/// One way to break an expectation; `None` if it does not apply to the event.
type Mutation = fn(&Event) -> Option<Event>;

fn tcp_changed(event: &Event, change: impl FnOnce(&mut Tcp) -> bool) -> Option<Event> {
    let mut event = event.clone();
    if let Action::Expect(packet) = &mut event.action
        && let Body::Tcp(tcp) = &mut packet.body
        && change(tcp)
    {
        return Some(event);
    }
    None
}

fn another_flag(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| {
        tcp.flags.fin = !tcp.flags.fin;
        true
    })
}

fn another_push(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| {
        tcp.flags.psh = !tcp.flags.psh;
        true
    })
}

/// A SYN's own number is what all others count from.
fn another_seq(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| {
        tcp.seq = tcp.seq.wrapping_add(1);
        tcp.end = tcp.end.wrapping_add(1);
        !tcp.flags.syn
    })
}

fn another_ack(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| {
        tcp.ack = tcp.ack.map(|ack| ack.wrapping_add(1));
        tcp.ack.is_some()
    })
}

fn another_length(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| {
        tcp.len += 1;
        tcp.end = tcp.end.wrapping_add(1);
        true
    })
}

fn one_option_more(event: &Event) -> Option<Event> {
    tcp_changed(event, |tcp| match &mut tcp.options {
        Some(options) => {
            options.push(TcpOption::Nop);
            true
        }
        None => false,
    })
}

fn another_time(event: &Event) -> Option<Event> {
    const LATER: Duration = Duration::from_micros(1);
    let later = |time| match time {
        Time::Absolute(span) => Time::Absolute(span + LATER),
        Time::Relative(span) => Time::Relative(span + LATER),
    };
    match (&event.action, event.when) {
        (Action::Expect(_), When::At(time)) => Some(Event {
            when: When::At(later(time)),
            ..event.clone()
        }),
        _ => None,
    }
}

/// Descriptors are the script's to number; every other result must be as written.
fn another_result(event: &Event) -> Option<Event> {
    let mut event = event.clone();
    let Action::Call(call) = &mut event.action else {
        return None;
    };
    if matches!(call.name.as_str(), "socket" | "accept" | "epoll_create") && call.errno.is_none() {
        return None;
    }
    match (&mut call.result, &mut call.errno) {
        (_, Some(errno)) => "EOTHER".clone_into(errno),
        (Value::Number(number), None) => *number += 1,
        _ => return None,
    }
    Some(event)
}

fn opposite_assertion(event: &Event) -> Option<Event> {
    let Action::Code(code) = &event.action else {
        return None;
    };
    let condition = code.trim().strip_prefix("assert")?;
    Some(Event {
        action: Action::Code(format!("assert not ({condition})")),
        ..event.clone()
    })
}

const MUTATIONS: [(&str, Mutation); 9] = [
    ("another flag", another_flag),
    ("another PSH", another_push),
    ("another sequence number", another_seq),
    ("another acknowledgment", another_ack),
    ("another length", another_length),
    ("one option more", one_option_more),
    ("another time", another_time),
    ("another result", another_result),
    ("the opposite assertion", opposite_assertion),
];

fn fails(script: &Script) -> bool {
    let report = run_script(script, &Options::default());
    matches!(report.outcome, Outcome::Failed(_))
}

fn is_expectation(event: &Event) -> bool {
    matches!(event.action, Action::Expect(_))
}

/// The script without one event, everything else at its time.
fn without(script: &Script, at: usize) -> Script {
    let mut script = script.clone();
    let gone = script.events.remove(at);
    let (When::At(Time::Relative(gap)) | When::Between(_, Time::Relative(gap)), Some(next)) =
        (gone.when, script.events.get_mut(at))
    else {
        return script;
    };
    let later = |time: &mut Time| {
        if let Time::Relative(span) = time {
            *span += gap;
        }
    };
    match &mut next.when {
        When::At(time) => later(time),
        When::Between(from, to) | When::Blocking(from, to) => {
            later(from);
            later(to);
        }
        When::Any => {}
    }
    script
}

#[test]
fn every_broken_expectation_fails() {
    let mut survivors = Vec::new();
    let mut killed = 0;
    let mut judge = |name: &str, line: usize, how: &str, script: &Script| {
        if fails(script) {
            killed += 1;
        } else {
            survivors.push(format!("{name}:{line}: {how}"));
        }
    };
    for (name, text) in scripts() {
        let script = parse(&text).unwrap();
        if !run_script(&script, &Options::default()).passed() {
            continue;
        }
        for (at, event) in script.events.iter().enumerate() {
            for (how, mutation) in MUTATIONS {
                if let Some(event) = mutation(event) {
                    let mut broken = script.clone();
                    broken.events.splice(at..=at, [event]);
                    judge(&name, at, how, &broken);
                }
            }
            if is_expectation(event) {
                let broken = without(&script, at);
                judge(&name, event.line, "an expectation left out", &broken);
            }
        }
        let mut broken = script.clone();
        let nothing = parse("+0 > . 77:77(0) ack 77").unwrap();
        broken.events.extend(nothing.events);
        judge(&name, 0, "a packet that never comes", &broken);
    }
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    assert!(killed > 3000, "{killed}");
}

/// `folder/name`, where a star stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|left| {
            (0..=left.len()).any(|at| left.get(at..).is_some_and(|tail| fits(tail, rest)))
        }),
    }
}

/// The README says which topic has which scripts, and how many.
#[test]
fn table_of_topics_is_what_the_folders_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/drill");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let names: Vec<String> = scripts()
        .into_iter()
        .map(|(name, _)| name.trim_end_matches(".pkt").to_owned())
        .collect();
    let mut rows = 0;
    let mut told: Vec<&String> = Vec::new();
    for row in readme.lines().filter(|line| line.contains("| `")) {
        let [_, topic, patterns, count, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let patterns: Vec<_> = patterns
            .split_whitespace()
            .map(|p| p.trim_matches('`'))
            .collect();
        let fitting = |name: &&String| patterns.iter().any(|pattern| fits(name, pattern));
        let found: Vec<_> = names.iter().filter(fitting).collect();
        assert_eq!(count.trim().parse(), Ok(found.len()), "{topic}");
        assert!(!found.is_empty(), "{topic}");
        told.extend(found);
        rows += 1;
    }
    assert!(rows >= 36, "{rows} topics");
    let untold: Vec<_> = names.iter().filter(|name| !told.contains(name)).collect();
    assert!(untold.is_empty(), "of no topic: {untold:?}");
}

/// The same script in two dialects, with what stands for `@` in each.
fn differs(script: &str, ours: &str, linux: &str) {
    for (dialect, right, wrong) in [(Dialect::Ours, ours, linux), (Dialect::Linux, linux, ours)] {
        let options = Options {
            dialect: Some(dialect),
            ..Options::default()
        };
        let report = run(&script.replace('@', right), &options);
        assert!(report.passed(), "{dialect:?}: {report}");
        let report = run(&script.replace('@', wrong), &options);
        assert!(!report.passed(), "{dialect:?} does not tell");
    }
}

const CONNECTED: &str = "
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, IPPROTO_TCP, TCP_CONGESTION, \"reno\", 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 10) = 0
+0 < S 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
";

// RFC 9293 3.8.6.1 (SHLD-30): the pause doubles; from the question, or from the answer, as Linux's tcp_ack_probe has it.
#[test]
fn closed_window_that_is_answered_the_next_probe_waits_as_each_system_does() {
    let script = "
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+.1 < . 1:1(0) ack 1001 win 0
+0 write(4, ..., 1000) = 1000
+.3 > . 1000:1000(0) ack 1
+.1 < . 1:1(0) ack 1001 win 0
+@ > . 1000:1000(0) ack 1
+.1 < . 1:1(0) ack 1001 win 65535
+0 > P. 1001:2001(1000) ack 1
+.1 < . 1:1(0) ack 2001 win 65535
";
    differs(&format!("{CONNECTED}{script}"), ".5", ".6");
}

// RFC 6298 3 (Karn): what was sent twice is no sample; whether what was sent once beside it is, differs.
#[test]
fn acknowledgment_of_something_resent_and_something_new_measures_as_each_system_does() {
    let script = "
+0 write(4, ..., 3000) = 3000
+0 > P. 1:3001(3000) ack 1
+.1 < . 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>
+.025 > . 1:1001(1000) ack 1
+.075 < . 1:1(0) ack 3001 win 65535
+0 %{ assert tcpi_rtt == @ }%
";
    differs(&format!("{CONNECTED}{script}"), "106250", "100000");
}

// RFC 5681 3.1: at most what is newly acknowledged; Linux counts what that acknowledgment first shows to have arrived.
#[test]
fn acknowledgment_of_something_reported_before_opens_the_window_as_each_system_does() {
    let script = "
+0 write(4, ..., 30000) = 30000
+0 > . 1:10001(10000) ack 1
+.1 < . 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>
+0 > . 10001:11001(1000) ack 1
+.01 < . 1:1(0) ack 3001 win 65535
+0 > . 11001:@ ack 1
+.001 < R 1:1(0)
";
    differs(
        &format!("{CONNECTED}{script}"),
        "16001(5000)",
        "15001(4000)",
    );
}
