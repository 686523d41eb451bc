//! `--explain`: what held each connection back, judged by runs in which that is known, and the options of TCP that the
//! command line has.
#![expect(clippy::unwrap_used, reason = "tests")]

use outcrop_tests::{Bench, noise, tshark};

/// One connection of the report.
#[derive(Debug)]
struct Account {
    /// `finished`, `reset` ..
    ended: String,
    /// The whole block.
    text: String,
    /// What held it, in per cent, the longest first.
    shares: Vec<(String, u32)>,
}

/// The report on standard error, connection by connection.
fn accounts(stderr: &str) -> Vec<Account> {
    let mut all: Vec<Account> = Vec::new();
    // Behind those in full come those in a line each.
    let in_full = stderr.lines().take_while(|line| !line.starts_with("and "));
    for line in in_full {
        if line.starts_with("10.77.0.2:80 to ") {
            let ended = line.split(": ").nth(1).unwrap();
            all.push(Account {
                ended: ended.split(' ').next().unwrap().to_owned(),
                text: String::new(),
                shares: Vec::new(),
            });
        }
        let Some(account) = all.last_mut() else {
            continue;
        };
        account.text += line;
        account.text.push('\n');
        if let Some((name, rest)) = line.trim().split_once("  ")
            && let Some((share, _)) = rest.trim().split_once(" % ")
        {
            account
                .shares
                .push((name.to_owned(), share.trim().parse().unwrap()));
        }
    }
    all
}

fn bench() -> Bench {
    Bench::new()
        .file("big", noise(8_000_000))
        .file("small", noise(1_000))
        .options(&["--explain", "--capture-level", "off"])
}

#[test]
fn each_connection_is_accounted_for_and_its_shares_are_the_whole() {
    let run = bench().sh("curl -sS -o /dev/null http://$STACK/big\n\
         curl -sS -o /dev/null http://$STACK/small\n\
         curl -sS -o /dev/null http://$STACK/no-such-file");
    assert_eq!(run.stdout(), "");
    let accounts = accounts(&run.stderr());
    assert_eq!(accounts.len(), 3, "{}", run.stderr());
    for account in &accounts {
        let sum: u32 = account.shares.iter().map(|(_, share)| share).sum();
        assert_eq!(sum, 100, "{}", account.text);
        assert_eq!(account.ended, "finished", "{}", account.text);
        let mut sorted = account.shares.clone();
        sorted.sort_by_key(|(_, share)| core::cmp::Reverse(*share));
        assert_eq!(sorted, account.shares, "the longest first");
    }
    assert!(
        accounts[0].text.contains("sent 8.0 MB in "),
        "{}",
        accounts[0].text
    );
    assert!(
        accounts[1].text.contains("sent 1."),
        "a head and 1,000 bytes"
    );
}

/// Fetches with a small receive buffer, and reads 64 kB every 20 ms.
const SLOW_READER: &str = r#"
import os, socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
s.connect((os.environ["STACK"], 80))
s.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
while s.recv(65536):
    time.sleep(0.02)
"#;

// A client that reads slowly: its window is what holds us back, for most of the time.
#[test]
fn client_reads_slowly_the_receive_window_is_named_and_what_would_help() {
    let run = bench().sh(&format!("python3 -c '{SLOW_READER}'"));
    let account = accounts(&run.stderr()).remove(0);
    let (name, share) = &account.shares[0];
    assert_eq!(name, "receive window", "{}", account.text);
    assert!(*share >= 50, "{}", account.text);
    assert!(
        account
            .text
            .contains("mostly: the peer's receive window takes no more"),
        "{}",
        account.text
    );
}

// A connection that is kept open with nothing to say.
#[test]
fn client_pauses_between_requests_the_program_is_what_it_waited_for() {
    let run = bench().sh("(printf 'GET /small HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'; sleep 1) | nc -q 0 $STACK 80 >/dev/null");
    let account = accounts(&run.stderr()).remove(0);
    assert_eq!(account.shares[0].0, "application", "{}", account.text);
    assert!(account.shares[0].1 >= 90, "{}", account.text);
}

// Three hundred connections: the first twenty in full, each further one on a line.
#[test]
fn many_connections_none_is_left_out() {
    let run = bench().sh("ab -q -n 300 -c 4 http://$STACK/small >/dev/null");
    let stderr = run.stderr();
    assert_eq!(accounts(&stderr).len(), 20, "{stderr}");
    // ab opens a few that it then has no use for.
    let lines = stderr
        .lines()
        .filter(|line| line.starts_with("  10.77.0.1:"));
    let more = lines.count();
    assert!((280..290).contains(&more), "{more}");
    assert!(stderr.contains(&format!("and {more} more:")), "{stderr}");
}

#[test]
fn options_of_tcp_are_what_the_wire_and_the_account_show() {
    let bench = Bench::new().file("big", noise(500_000)).options(&[
        "--explain",
        "--congestion",
        "bbr",
        "--ecn",
        "request",
        "--mss",
        "700",
        "--rcvbuf",
        "30000",
        "--no-offload",
    ]);
    let run = bench.sh("curl -sS -o /dev/null http://$STACK/big");
    let account = accounts(&run.stderr()).remove(0);
    assert!(account.text.contains(" (bbr, "), "{}", account.text);
    assert!(account.text.contains(", paced at "), "{}", account.text);
    let capture = bench.capture();
    let syn_ack = tshark(
        &capture,
        "tcp.flags.syn==1 && tcp.flags.ack==1",
        &["tcp.options.mss_val", "tcp.window_size_value"],
    );
    assert_eq!(syn_ack, ["700\t30000"]);
    let larger = tshark(&capture, "ip.src==10.77.0.2 && tcp.len>700", &["tcp.len"]);
    assert!(larger.is_empty(), "{larger:?}");
}
