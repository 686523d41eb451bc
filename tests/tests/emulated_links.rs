//! Emulated links in real time: in front of the stack's TUN, and between two of the kernel's.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

use outcrop_tests::{Bench, noise, outcrop, sha256, tshark};

/// The average round trip that ping reports, in milliseconds.
fn average(report: &str) -> f64 {
    let line = report
        .lines()
        .find(|line| line.starts_with("rtt "))
        .unwrap();
    let figures = line.split(" = ").nth(1).unwrap();
    figures.split('/').nth(1).unwrap().parse().unwrap()
}

/// `outcrop wire`, bounded in time.
fn wire(options: &[&str], command: &[&str]) -> Output {
    Command::new("timeout")
        .args(["-k", "5", "60"])
        .arg(outcrop())
        .arg("wire")
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap()
}

#[test]
fn a_link_of_thirty_milliseconds_before_the_stack_takes_sixty_there_and_back() {
    let bench = Bench::new().options(&["--link", "delay=30ms"]);
    let report = bench.sh("ping -q -i 0.2 -c 5 $STACK").stdout();
    // Late is possible where the machine is busy; early is not.
    assert!((60.0..400.0).contains(&average(&report)), "{report}");
}

#[test]
fn a_bad_link_before_the_stack_a_file_arrives_intact_and_repairs_are_recorded() {
    let content = noise(2_000_000);
    let bench = Bench::new()
        .file("file", &content)
        .options(&["--seed", "3", "--link"])
        .options(&["delay=5ms,jitter=1ms,rate=100mbit,queue=128k,loss=2%,duplicate=1%,reorder=1%"]);
    let got = bench
        .sh("curl -fsS http://$STACK/file | sha256sum")
        .stdout();
    assert_eq!(got.split(' ').next().unwrap(), sha256(&content));
    // tshark takes repairs with other boundaries for malformed HTTP, so only its sums are asked for.
    let damaged = tshark(
        &bench.capture(),
        "tcp.checksum.status==0",
        &["frame.number"],
    );
    assert_eq!(damaged, [""; 0]);
    let repaired = "frame.comment contains \"why=fast-retransmit\"";
    assert!(!tshark(&bench.capture(), repaired, &["frame.number"]).is_empty());
}

#[test]
fn linux_to_linux_through_the_emulated_link_sees_its_delay_over_both_families() {
    for address in ["10.77.0.2", "fd77::2"] {
        let ping = ["ping", "-q", "-i", "0.2", "-c", "5", address];
        let out = wire(&["--link", "delay=30ms"], &ping);
        assert!(out.status.success(), "{out:?}");
        let report = String::from_utf8(out.stdout).unwrap();
        assert!((60.0..400.0).contains(&average(&report)), "{report}");
    }
}

#[test]
fn the_far_end_serves_while_the_command_runs_and_its_status_is_ours() {
    let far = "printf 'HTTP/1.0 200 OK\\r\\n\\r\\nfrom afar' | nc -lN 80 >/dev/null";
    let near =
        "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; curl -fsS http://10.77.0.2/ && exit 7; done";
    let out = wire(&["--link", "delay=1ms", "--far", far], &["sh", "-c", near]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "from afar", "{out:?}");
    assert_eq!(out.status.code(), Some(7));
}

#[test]
fn a_link_nobody_can_understand_is_refused_in_words() {
    let out = wire(&["--link", "delay=soon"], &["true"]);
    assert_eq!(out.status.code(), Some(2));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        said.contains("delay=soon: give a time such as 20ms"),
        "{said}"
    );
}
