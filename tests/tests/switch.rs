//! Our switch between the kernel's network namespaces, beside the kernel's own bridge.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use outcrop_tests::{alone, assert_capture_is_sound, outcrop, peer, tshark};

/// What a script in a network of its own says; `PLAY` in it plays three stations.
fn said(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let play = format!("python3 {}", peer("switch_play.py"));
    alone(folder.path(), &script.replace("PLAY", &play)).stdout()
}

/// Three TAPs of this namespace on our switch.
const OURS: &str = "$OUTCROP switch --tap p0 --tap p1 --tap p2 OPTIONS 2>said & ours=$!
    for n in $(seq 300); do ip link show p2 up 2>/dev/null | grep -q p2 && break; sleep 0.1; done
    PLAY p0 p1 p2; kill -INT $ours; wait $ours; cat said";
/// The same on the kernel's bridge.
const KERNEL: &str = "ip link add br0 type bridge mcast_snooping 0; ip link set br0 up
    for n in 0 1 2; do ip link add p$n type veth peer name q$n; ip link set p$n up; ip link set q$n master br0 up; done
    PLAY p0 p1 p2";

#[test]
fn twelve_frames_arrive_where_the_kernels_bridge_brings_them() {
    let ours = said(&OURS.replace("OPTIONS", "--stats"));
    let kernel = said(KERNEL);
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
    let ours = said(&OURS.replace("OPTIONS", "--hub"));
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
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{error}");
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

/// Our switch and the kernel's bridge side by side, a TAP of ours in it; stations on both.
fn beside(on_the_bridge: &str, ours: &str) -> String {
    format!(
        "$OUTCROP switch --tap trunk {} --stats 2>said & ours=$!
        for n in $(seq 300); do ip link show p2 up 2>/dev/null | grep -q p2 && break; sleep 0.1; done
        ip link add br0 type bridge mcast_snooping 0; ip link set br0 up; ip link set trunk master br0
        for n in {on_the_bridge}; do
            ip link add p$n type veth peer name q$n; ip link set p$n up; ip link set q$n master br0 up
        done
        PLAY p0 p1 p2
        bridge fdb show br br0 dynamic; kill -INT $ours; wait $ours; cat said",
        ours.split(' ').map(|n| format!("--tap p{n} ")).collect::<String>()
    )
}

#[test]
fn frames_cross_the_kernels_bridge_and_our_switch_once_and_both_learn() {
    // Of two on the bridge and one on ours, each sees what all three on one switch would.
    let two = said(&beside("0 1", "2"));
    let lines: Vec<_> = two.lines().take(3).collect();
    assert_eq!(lines, ["a 1 3 5 8", "b 0 2 4", "c 0 4 5 9 11"], "{two}");
    // Frame 8 is for a station whose own bridge kept it to itself: ours has not heard of it and asks everywhere.
    let one = said(&beside("0", "1 2"));
    let lines: Vec<_> = one.lines().take(3).collect();
    assert_eq!(lines, ["a 1 3 5 8", "b 0 2 4 8", "c 0 4 5 9 11"], "{one}");
    for line in [
        // The kernel's: the first station here, the third and what moved to it beyond our TAP.
        "02:00:00:00:5a:01 dev q0 ",
        "02:00:00:00:5a:03 dev trunk ",
        "02:00:00:00:5a:02 dev trunk ",
        // Ours: the other way round.
        "02:00:00:00:5a:01 dev trunk",
        "02:00:00:00:5a:03 dev p2",
        "02:00:00:00:5a:02 dev p2",
    ] {
        let held = |said: &str| said.lines().any(|said| said.starts_with(line));
        assert!(held(&two) && held(&one), "{line}: {two}\n{one}");
    }
}

#[test]
fn hosts_on_the_kernels_bridge_and_on_our_switch_are_one_network() {
    let script = "unshare -n sleep 300 & A=$!
        unshare -n sleep 300 & B=$!
        $OUTCROP switch --tap trunk --tap far --stats 2>said & ours=$!
        for n in $(seq 300); do ip link show far up 2>/dev/null | grep -q far && break; sleep 0.1; done
        ip link add br0 type bridge; ip link set br0 up; ip link set trunk master br0
        ip link add near type veth peer name q; ip link set q master br0 up
        host() { # namespace, device, number
            ip link set $2 netns $1
            nsenter -t $1 -n sh -euc 'ip link set $0 address 02:00:00:00:00:0$1; ip addr add 10.1.0.$1/24 dev $0
                ip addr add fd01::$1/64 nodad dev $0; ip link set $0 up' $2 $3
        }
        host $A near 1; host $B far 2
        until nsenter -t $A -n ping -c1 -W1 -q 10.1.0.2 >/dev/null; do sleep 0.1; done
        for to in 10.1.0.2 fd01::2; do
            nsenter -t $A -n ping -c3 -W60 -i0.2 -s 4000 $to; done
        bridge fdb show br br0 dynamic
        kill -INT $ours; wait $ours; cat said; kill $A $B";
    let said = said(script);
    for (line, times) in [
        ("3 received, 0% packet loss", 2),
        ("02:00:00:00:00:01 dev q ", 1),
        ("02:00:00:00:00:02 dev trunk ", 1),
        ("02:00:00:00:00:01 dev trunk\n", 1),
        ("02:00:00:00:00:02 dev far\n", 1),
    ] {
        assert_eq!(said.matches(line).count(), times, "{line}: {said}");
    }
}

#[test]
fn what_no_switch_can_be_is_refused_in_words() {
    for (options, said) in [
        (&[][..], "no port: give --tap or --net"),
        (
            &["--net", "a=10.1.0.300/24"],
            "not an address with a prefix: such as 10.77.0.2/24",
        ),
        (&["--net", "a=10.1.0.1/24", "--ageing", "0"], "--ageing"),
        (&["--net", "a=10.1.0.1/24", "--at", "b=true"], "called b"),
    ] {
        let mut command = Command::new("timeout");
        command.arg("60").arg(outcrop()).arg("switch").args(options);
        let output = command.args(["--", "true"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {error}");
        assert!(
            error.contains(said) && error.lines().count() == 1,
            "{options:?}: {error}"
        );
    }
}
