//! Our switch between the kernel's network namespaces, beside the kernel's own bridge.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use outcrop_tests::{assert_capture_is_sound, outcrop, tshark};

fn peer(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    path.to_string_lossy().into_owned()
}

/// A script in a network namespace of its own.
fn alone(folder: &Path, script: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args([
        "-k",
        "5",
        "120",
        "unshare",
        "-rnpf",
        "--mount-proc",
        "--kill-child",
    ]);
    command.args(["sh", "-euc", script]).current_dir(folder);
    command
        .env("OUTCROP", outcrop())
        .env("PLAY", peer("switch_play.py"));
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
    said
}

/// Three TAPs of this namespace on our switch.
const OURS: &str = "$OUTCROP switch --tap p0 --tap p1 --tap p2 OPTIONS 2>said & ours=$!
    for n in $(seq 300); do ip link show p2 up 2>/dev/null | grep -q p2 && break; sleep 0.1; done
    python3 $PLAY p0 p1 p2; kill -INT $ours; wait $ours; cat said";
/// The same on the kernel's bridge.
const KERNEL: &str = "ip link add br0 type bridge mcast_snooping 0; ip link set br0 up
    for n in 0 1 2; do ip link add p$n type veth peer name q$n; ip link set p$n up; ip link set q$n master br0 up; done
    python3 $PLAY p0 p1 p2";

#[test]
fn twelve_frames_arrive_where_the_kernels_bridge_brings_them() {
    let folder = tempfile::tempdir().unwrap();
    let ours = stdout(&alone(folder.path(), &OURS.replace("OPTIONS", "--stats")));
    let kernel = stdout(&alone(folder.path(), KERNEL));
    let lines: Vec<_> = ours.lines().take(3).collect();
    assert_eq!(lines, kernel.lines().collect::<Vec<_>>());
    // What 802.1D 7.7 says of each, so that both could not be wrong alike.
    assert_eq!(lines, ["a 1 3 5 8", "b 0 2 4", "c 0 4 5 9 11"]);
    for said in [
        "switch:flood (IEEE 802.1D 7.7)",
        "1 switch:reserved",
        "1 switch:source",
        // Who is where at the end: the second station has moved.
        "02:00:00:00:5a:02 dev p2",
        "02:00:00:00:5a:01 dev p0",
    ] {
        assert!(ours.contains(said), "{said}: {ours}");
    }
}

#[test]
fn a_hub_brings_everything_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let ours = stdout(&alone(folder.path(), &OURS.replace("OPTIONS", "--hub")));
    let lines: Vec<_> = ours.lines().take(3).collect();
    let expected = [
        "a 1 3 5 6 8 10 11",
        "b 0 2 3 4 7 8 9",
        "c 0 1 2 4 5 6 7 9 10 11",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn kernels_behind_our_switch_speak_and_a_third_sees_only_what_is_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command
        .args(["-k", "5", "120"])
        .arg(outcrop())
        .arg("switch");
    for net in [
        "a=10.1.0.1/24,fd01::1/64",
        "b=10.1.0.2/24,fd01::2/64",
        "c=10.1.0.3/24",
    ] {
        command.args(["--net", net]);
    }
    let script = "for n in $(seq 100); do ping -c1 -W1 -q 10.1.0.2 >/dev/null && break; done
        ping -c3 -i0.2 10.1.0.2
        for n in $(seq 100); do ping -c1 -W1 -q fd01::2 >/dev/null 2>&1 && break; sleep 0.1; done
        ping -c3 -i0.2 fd01::2; ping -c2 -i0.2 -s 1472 -M do 10.1.0.3";
    command.args(["--capture", "run.pcapng", "--", "sh", "-euc", script]);
    let said = stdout(&command.current_dir(folder.path()).output().unwrap());
    assert_eq!(said.matches("3 received").count(), 2, "{said}");
    assert_eq!(said.matches("2 received").count(), 1, "{said}");
    let (b, c) = (
        folder.path().join("run-b.pcapng"),
        folder.path().join("run-c.pcapng"),
    );
    assert_capture_is_sound(&b);
    assert_capture_is_sound(&c);
    let count = |file, filter| tshark(file, filter, &["frame.number"]).len();
    let to_b = "icmp && ip.dst==10.1.0.2";
    assert!(count(&b, to_b) >= 4);
    // Not even the first: ARP had told the switch who is where.
    assert_eq!(count(&c, to_b), 0);
    assert!(count(&c, "arp.opcode==1 && eth.dst==ff:ff:ff:ff:ff:ff") >= 1);
    let forwarded = "frame.comment contains \"why=forwarded\"";
    assert!(count(&c, forwarded) > 0);
}
