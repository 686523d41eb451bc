//! What the runner forgives, refuses and skips.

use super::*;
use crate::drill::Family;

const OPEN: &str = "
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 5>
+.1 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
";

fn play_as(dialect: Option<Dialect>, text: &str) -> Report {
    let options = Options {
        dialect,
        ..Options::default()
    };
    run(text, &options)
}

fn failure(report: &Report) -> &Failure {
    match &report.outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Passed | Outcome::Skipped { .. } => panic!("{report}"),
    }
}

fn skipped(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Skipped { reason } => reason,
        Outcome::Passed | Outcome::Failed(_) => panic!("{report}"),
    }
}

#[test]
fn other_windows_orders_and_pushes_are_forgiven_in_foreign_dialects_alone() {
    let text = OPEN.replace(
        "> S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 5>",
        "> S. 0:0(0) ack 1 win 14600 <mss 1460,nop,wscale 8,sackOK,eol>",
    ) + "+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1\n";
    assert!(!play_as(Some(Dialect::Ours), &text).passed());
    for dialect in [Dialect::Linux, Dialect::FreeBsd] {
        let report = play_as(Some(dialect), &text);
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn the_text_tells_the_dialect() {
    for (text, dialect) in [
        ("`../common/defaults.sh`\n", Dialect::Linux),
        ("0 `sysctl net.inet.tcp.delacktime=40`\n", Dialect::FreeBsd),
        ("0 `true`\n", Dialect::Ours),
    ] {
        let report = play_as(None, text);
        assert_eq!(
            (report.dialect, report.passed()),
            (dialect, true),
            "{report}"
        );
    }
}

#[test]
fn a_packet_nobody_expects_fails_at_the_end() {
    let text = OPEN.to_owned() + "+.1 write(4, ..., 10) = 10\n";
    let report = play_as(None, &text);
    let failure = failure(&report);
    assert!(failure.what.contains("nobody expects"), "{failure}");
    assert_eq!(
        failure.actual.as_deref(),
        Some("0.200000 > P. 1:11(10) ack 1 win 32768")
    );
}

#[test]
fn a_retransmission_at_the_end_is_no_answer_elsewhere() {
    let text = OPEN.to_owned()
        + "+.1 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n+.25 < . 1:1(0) ack 1 win 257\n";
    assert!(!play_as(Some(Dialect::Ours), &text).passed());
    let report = play_as(Some(Dialect::Linux), &text);
    assert!(report.passed(), "{report}");
}

#[test]
fn pieces_make_a_larger_segment_unless_told_otherwise() {
    let text = OPEN.to_owned()
        + "+0 write(4, ..., 3500) = 3500\n+0 > P. 1:3501(3500) ack 1\n+.1 < . 1:1(0) ack 3501 win 257\n";
    let report = play_as(None, &text);
    assert!(report.passed(), "{report}");
    assert!(!play_as(None, &format!("--strict_segments\n{text}")).passed());
}

#[test]
fn tolerance_is_what_the_script_says() {
    let text = OPEN.to_owned()
        + "+0 write(4, ..., 10) = 10\n+.003 > P. 1:11(10) ack 1\n+.1 < . 1:1(0) ack 11 win 257\n";
    assert_eq!(
        failure(&play_as(None, &text)).what,
        "the packet left at the wrong time"
    );
    let report = play_as(None, &format!("--tolerance_usecs=3000\n{text}"));
    assert!(report.passed(), "{report}");
}

#[test]
fn what_is_not_there_skips_the_script() {
    for (line, part) in [
        ("`sysctl -q net.ipv4.tcp_recovery=0`", "instead of RACK"),
        ("`tc qdisc add dev tun0 root tbf rate 1mbit`", "tc qdisc"),
        ("`echo 0 > /sys/module/x`", "echo 0"),
        ("0 socket(..., SOCK_RAW, 0) = 3", "SOCK_RAW"),
        ("0 cap_set(CAP_NET_ADMIN) = 0", "cap_set"),
        ("0 > . 1:1(0) ack 1 <mptcp 1>", "mptcp"),
        ("+0 `sockstat | awk 1`", "awk"),
        ("0 > gre: . 1:1(0) ack 1", "gre"),
        ("0 < . 1:1(0) ack 1 {mut tcp mss}", "mutation"),
        ("--ip_version=ipv6", "for ipv6 alone"),
        ("--udp_encapsulation=1,2", "udp_encapsulation"),
    ] {
        let report = play_as(None, line);
        assert!(skipped(&report).contains(part), "{line}: {report}");
    }
    let text = OPEN.to_owned() + "+0 setsockopt(4, IPPROTO_TCP, TCP_NEVER_HEARD, [1], 4) = 0\n";
    assert!(skipped(&play_as(None, &text)).contains("TCP_NEVER_HEARD"));
    let text = OPEN.to_owned() + "+0 %{ assert tcpi_never_heard == 1 }%\n";
    assert!(skipped(&play_as(None, &text)).contains("tcpi_never_heard"));
}

#[test]
fn settings_of_the_shell_reach_the_stack() {
    let text = "`./set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0 \\\n /proc/sys/net/ipv4/tcp_window_scaling=0`\n"
        .to_owned()
        + &OPEN.replace("nop,nop,sackOK,nop,wscale 5", "eol");
    let report = play_as(None, &text);
    assert!(report.passed(), "{report}");
}

#[test]
fn a_call_that_would_wait_says_so() {
    let text = OPEN.to_owned() + "+0 read(4, ..., 10) = 10\n";
    assert!(failure(&play_as(None, &text)).what.contains("would wait"));
    let text = OPEN.to_owned() + "+0...0.2 read(4, ..., 10) = 10\n";
    assert!(failure(&play_as(None, &text)).what.contains("still waits"));
}

#[test]
fn a_reset_after_the_end_is_a_broken_pipe_to_linux() {
    let text = |errno: &str| {
        let tail = "+.1 < F. 1:1(0) ack 1 win 257\n+0 > . 1:1(0) ack 2\n+.1 < R 2:2(0)\n";
        format!("{OPEN}{tail}+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [{errno}], [4]) = 0\n")
    };
    for (dialect, errno) in [(Dialect::Linux, "EPIPE"), (Dialect::FreeBsd, "ECONNRESET")] {
        let report = play_as(Some(dialect), &text(errno));
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn ipv6_scripts_mean_their_own_mtu() {
    let options = Options {
        family: Family::V6,
        ..Options::default()
    };
    let text = format!(
        "--ip_version=ipv6\n{}",
        OPEN.replace("mss 1460", "mss 1440")
    );
    let report = run(&text, &options);
    assert!(report.passed(), "{report}");
}
