//! Our router between the kernel's network namespaces, with real programs at both ends.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outcrop_tests::{alone, assert_capture_is_sound, noise, outcrop, peer, sha256, tshark};
use tempfile::TempDir;

/// A link of ordinary width and a narrower one; the kernel's ends are `.2` and `::2`.
const NETS: [&str; 4] = [
    "--net",
    "left=10.1.0.1/24,fd01::1/64",
    "--net",
    "right=10.2.0.1/24,fd02::1/64,mtu=1280",
];

/// One run of the router with a script in the left network.
struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    fn new(options: &[&str], script: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), options, script)
    }

    fn in_folder(folder: TempDir, options: &[&str], script: &str) -> Self {
        Self::between(&NETS, folder, options, script)
    }

    fn between(nets: &[&str], folder: TempDir, options: &[&str], script: &str) -> Self {
        let output = Command::new("timeout")
            .args(["-k", "5", "150"])
            .arg(outcrop())
            .arg("router")
            .args(nets)
            .args(options)
            .args(["--stats", "--", "sh", "-euc", script])
            .current_dir(folder.path())
            .env("OUTCROP", outcrop())
            .output()
            .unwrap();
        Self { folder, output }
    }

    /// Standard output, if the script succeeded.
    fn stdout(&self) -> String {
        let said = String::from_utf8_lossy(&self.output.stdout).into_owned();
        assert!(self.output.status.success(), "{said}\n{}", self.stderr());
        said
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// How often a rule or a reason was counted.
    fn counted(&self, what: &str) -> u64 {
        let said = self.stderr();
        let line = said.lines().find(|line| line.contains(what));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    fn capture(&self, link: &str) -> PathBuf {
        self.folder.path().join(format!("run-{link}.pcapng"))
    }
}

/// How many frames of a capture tshark finds.
fn count(file: &Path, filter: &str) -> usize {
    tshark(file, filter, &["frame.number"]).len()
}

/// Fetches a file from the right network by both families, and compares what came.
fn hundred_megabytes(nets: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(100_000_000);
    std::fs::write(folder.path().join("file"), &content).unwrap();
    let serve = "right=exec python3 -m http.server -b :: 80 >/dev/null 2>&1";
    let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.5; curl -sfo /dev/null http://10.2.0.2/nothing || [ $? = 22 ] && break; done
        curl -fsS http://10.2.0.2/file | sha256sum; curl -fsS 'http://[fd02::2]/file' | sha256sum";
    let run = Run::between(nets, folder, &["--at", serve], script);
    let want = sha256(&content);
    let got = run.stdout();
    let hashes: Vec<_> = got.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(hashes, [&want, &want]);
    assert!(run.counted("forward:pass") > 100_000, "{}", run.stderr());
}

#[test]
fn hundred_megabytes_cross_links_of_different_mtu_intact_in_both_families() {
    hundred_megabytes(&NETS);
}

#[test]
fn hundred_megabytes_cross_ethernets_of_different_mtu_intact_in_both_families() {
    let nets = NETS.map(|word| match word {
        "--net" => word.to_owned(),
        net => format!("{net},tap"),
    });
    hundred_megabytes(&nets.each_ref().map(String::as_str));
}

#[test]
fn debians_traceroute_sees_our_hop_by_every_kind_of_probe() {
    let run = Run::new(
        &["--capture", "run.pcapng"],
        // A pause, because errors are rationed: ten at once, then a hundred a second.
        "for how in -U -I -T; do traceroute -n $how 10.2.0.2; sleep 0.3; traceroute -n $how fd02::2; sleep 0.3; done",
    );
    let said = run.stdout();
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    for (number, trace) in lines.chunks(3).enumerate() {
        let (ours, theirs) = if number % 2 == 0 {
            ("1  10.1.0.1 ", "2  10.2.0.2 ")
        } else {
            ("1  fd01::1 ", "2  fd02::2 ")
        };
        assert!(trace[1].starts_with(ours), "{said}");
        assert!(trace[2].starts_with(theirs), "{said}");
    }
    assert_eq!(lines.len(), 18);
    let exceeded = "frame.comment contains \"why=time-exceeded\"";
    for (family, filter) in [("icmp.type==11", "ip"), ("icmpv6.type==3", "ipv6")] {
        let both = format!("{exceeded} && {family} && {filter}");
        let left = tshark(&run.capture("left"), &both, &["frame.number"]);
        assert!(!left.is_empty(), "{family}");
    }
    // tshark guesses at what the probes carry, so only its sums are asked for.
    for link in ["left", "right"] {
        let wrong = "ip.checksum.status==0 || icmp.checksum.status==0 || icmpv6.checksum.status==0";
        assert_eq!(count(&run.capture(link), wrong), 0);
    }
}

#[test]
fn captures_of_both_links_say_what_was_forwarded_cut_and_refused() {
    let run = Run::new(
        &["--capture", "run.pcapng"],
        "ping -c1 10.2.0.2 >/dev/null; ping -c1 -s 1400 -M dont 10.2.0.2 >/dev/null;
        ping -c1 -s 1400 -M do -W1 10.2.0.2 >/dev/null 2>&1 || true;
        ping -c1 -t1 -W1 10.2.0.2 >/dev/null 2>&1 || true",
    );
    let _said = run.stdout();
    let (left, right) = (run.capture("left"), run.capture("right"));
    assert_capture_is_sound(&left);
    assert_capture_is_sound(&right);
    let why = |why| format!("frame.comment contains \"why={why} \"");
    // A request of 84 bytes goes on as it is, one of 1428 in two pieces; tshark counts the same.
    assert_eq!(count(&right, &why("forwarded")), 1);
    assert_eq!(
        count(&right, &format!("{} && ip.len<=1280", why("fragment"))),
        2
    );
    assert_eq!(
        count(
            &left,
            &format!("{} && icmp.mtu==1280", why("packet-too-big"))
        ),
        1
    );
    assert_eq!(
        count(&left, &format!("{} && icmp.type==11", why("time-exceeded"))),
        1
    );
    let dropped = "frame.comment contains \"ip:too-big\"";
    assert_eq!(count(&left, dropped), 1);
    assert_eq!(
        count(&left, "frame.comment contains \"ipv4:ttl-expired\""),
        1
    );
    assert_eq!(
        count(
            &right,
            "icmp.type==0 && frame.comment contains \"forward:pass\""
        ),
        2
    );
}

#[test]
fn pings_of_many_sizes_to_65000_bytes_come_back_unchanged_in_both_families() {
    let script = format!(
        "python3 {0} 10.2.0.2; python3 {0} fd02::2; python3 {0} 10.1.0.1",
        peer("echo_sizes.py")
    );
    let run = Run::new(&[], &script);
    assert_eq!(run.stdout(), "True\nTrue\nTrue\n");
}

#[test]
fn fragmented_datagrams_both_ways_with_loss_come_back_whole_or_not_at_all() {
    let (echo, ask) = (peer("udp_echo.py"), peer("udp_ask.py"));
    let four = format!("right=exec python3 {echo} 10.2.0.2 7");
    let six = format!("right=exec python3 {echo} fd02::2 7");
    let script =
        format!("sleep 1; python3 {ask} 10.2.0.2 7 60 6000; python3 {ask} fd02::2 7 60 6000");
    let options = [
        "--at",
        &four,
        "--at",
        &six,
        "--seed",
        "5",
        "--link",
        "loss=2%,delay=1ms,reorder=3%",
    ];
    let run = Run::new(&options, &script);
    for back in run.stdout().lines() {
        // Twenty fragments there and back, each lost with two in a hundred on two links: a third comes back.
        let back: u32 = back.parse().unwrap();
        assert!((5..60).contains(&back), "{back} came back");
    }
}

#[test]
fn routes_that_lead_nowhere_are_told_to_the_kernel_each_in_its_way() {
    let run = Run::new(
        &[
            "--route",
            "10.8.1.0/24=unreachable",
            "--route",
            "10.8.2.0/24=prohibit",
            "--route",
            "10.8.3.0/24=blackhole",
            "--route",
            "fd08::/64=prohibit",
        ],
        "for dst in 10.8.1.1 10.8.2.1 10.8.3.1 10.8.4.1 fd08::1 fd09::1; do
            echo $dst; ping -n -c1 -W1 $dst 2>&1 | grep ^From || true; done",
    );
    let expected = "10.8.1.1\nFrom 10.1.0.1 icmp_seq=1 Destination Host Unreachable\n\
        10.8.2.1\nFrom 10.1.0.1 icmp_seq=1 Packet filtered\n\
        10.8.3.1\n\
        10.8.4.1\nFrom 10.1.0.1 icmp_seq=1 Destination Net Unreachable\n\
        fd08::1\nFrom fd01::1 icmp_seq=1 Destination unreachable: Administratively prohibited\n\
        fd09::1\nFrom fd01::1 icmp_seq=1 Destination unreachable: No route\n";
    assert_eq!(run.stdout(), expected);
}

#[test]
fn our_traceroute_and_ping_go_through_the_kernel_and_our_router() {
    // The kernel of the left network stands between a stack of ours and the router.
    let script = "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding;
        echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit;
        net='--addr 10.50.0.2/24 --addr6 fd50::2/64'
        for how in '' -I -T; do
            $OUTCROP traceroute $how $net 10.2.0.2; $OUTCROP traceroute $how $net fd02::2
        done
        for dst in 10.2.0.2 fd02::2; do
            $OUTCROP ping $net -c 3 -i 0.1 $dst
            $OUTCROP ping $net -q -f -c 50 -s 3000 $dst
        done
        $OUTCROP ping $net -q -c 2 -i 0.01 -s 65000 10.2.0.2
        $OUTCROP traceroute $net -m 1 10.2.0.2 && exit 9; $OUTCROP traceroute $net 10.99.0.1 || true";
    let options = [
        "--route",
        "10.50.0.0/24=10.1.0.2",
        "--route",
        "fd50::/64=fd01::2",
    ];
    let run = Run::new(&options, script);
    let said = run.stdout();
    let hops = |from: &str| said.lines().filter(|line| line.starts_with(from)).count();
    for (line, times) in [
        (" 1  10.50.0.1  ", 5),
        (" 2  10.1.0.1  ", 4),
        (" 3  10.2.0.2  ", 3),
        (" 1  fd50::1  ", 3),
        (" 2  fd01::1  ", 3),
        (" 3  fd02::2  ", 3),
    ] {
        assert_eq!(hops(line), times, "{line}\n{said}");
    }
    assert_eq!(
        said.matches("3 packets transmitted, 3 received, 0% packet loss")
            .count(),
        2,
        "{said}"
    );
    // IPv6 is not cut on the way: the first long request tells us how long they may be. A flood waits ten
    // milliseconds for each answer: on a busy machine some come later.
    let floods = said
        .lines()
        .filter_map(|line| line.strip_prefix("50 packets transmitted, "));
    let answered = floods.map(|rest| rest.split(' ').next().unwrap().parse::<u32>().unwrap());
    let answered: Vec<_> = answered.collect();
    assert!(
        answered.len() == 2 && answered.iter().all(|n| *n >= 25),
        "{said}"
    );
    let whole = "2 packets transmitted, 2 received, 0% packet loss";
    assert!(said.contains(whole), "{said}");
    assert_eq!(said.matches("rtt min/avg/max/mdev = ").count(), 5, "{said}");
    // Where no route leads further, our router says so.
    let refused = said.lines().find(|line| line.contains("!N")).unwrap();
    assert!(refused.starts_with(" 2  10.1.0.1  "), "{said}");
}

#[test]
fn hostile_fragments_are_counted_and_everybody_else_is_served_on() {
    let script = format!(
        "/usr/bin/python3 {} 10.1.0.2 10.1.0.1 10.2.0.2 fd01::2 fd01::1 fd02::2 >/dev/null 2>&1
        ping -q -c3 -i0.2 -s 4000 10.1.0.1; ping -q -c3 -i0.2 -s 4000 fd01::1; ping -q -c3 -i0.2 -s 4000 10.2.0.2",
        peer("hostile_fragments.py")
    );
    let run = Run::new(&[], &script);
    let said = run.stdout();
    assert_eq!(
        said.matches("3 received, 0% packet loss").count(),
        3,
        "{said}"
    );
    for reason in ["dropped: fragment:malformed", "dropped: fragment:overlap"] {
        assert!(run.counted(reason) > 0, "{reason}\n{}", run.stderr());
    }
    // What is for the host behind us goes on: fragments are its business.
    assert!(run.counted("forward:pass") > 1600, "{}", run.stderr());
}

/// Namespaces with a kernel between two of our routers: a - left router - kernel - right router - b.
const TWO_ROUTERS: &str = r"
    unshare -n sleep 100 & A=$!
    unshare -n sleep 100 & B=$!
    ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
    $OUTCROP router --tun la=10.1.0.1/24,fd01::1/64 --tun ma=10.5.0.1/24,fd05::1/64,mtu=1400 \
        --route default=10.5.0.2 --route default=fd05::2 &
    $OUTCROP router --tun mb=10.6.0.1/24,fd06::1/64,mtu=1300 --tun lb=10.2.0.1/24,fd02::1/64 \
        --route default=10.6.0.2 --route default=fd06::2 &
    until ip -6 route | grep -q fd05 && ip -6 route | grep -q fd06; do sleep 0.1; done
    until ip link show la >/dev/null 2>&1 && ip link show lb >/dev/null 2>&1; do sleep 0.1; done
    far() { # namespace, device, network
        ip link set $2 netns $1
        nsenter -t $1 -n sh -euc \
            'ip link set lo up; ip addr add 10.$1.0.2/24 dev $0; ip addr add fd0$1::2/64 nodad dev $0; ip link set $0 up
            ip route add default via 10.$1.0.1; ip -6 route add default via fd0$1::1' $2 $3
    }
    far $A la 1; far $B lb 2
    # Beyond the middle, each side lies behind its router.
    ip route add 10.1.0.0/24 via 10.5.0.1; ip -6 route add fd01::/64 via fd05::1
    ip route add 10.2.0.0/24 via 10.6.0.1; ip -6 route add fd02::/64 via fd06::1
    a() { nsenter -t $A -n $*; }
    b() { nsenter -t $B -n $*; }
";

#[test]
fn tracepath_through_two_of_our_routers_finds_the_narrow_middle_and_tcp_and_udp_recover() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(3_000_000);
    std::fs::write(folder.path().join("file"), &content).unwrap();
    let script = format!(
        "{TWO_ROUTERS}
        b python3 -m http.server -b :: 80 >/dev/null 2>&1 &
        b python3 {echo} 10.2.0.2 7 &
        b python3 {echo} fd02::2 7 &
        until [ $(b ss -Hlun 'sport = :7' | wc -l) = 2 ] && [ $(b ss -Hltn 'sport = :80' | wc -l) = 1 ]; do sleep 0.1; done
        a tracepath -n 10.2.0.2; a tracepath -n fd02::2
        a traceroute -n 10.2.0.2
        # Whatever was learned about the path is forgotten: both protocols find it out for themselves.
        a ip route flush cache; a ip -6 route flush cache
        a curl -fsS http://10.2.0.2/file | sha256sum; a curl -fsS 'http://[fd02::2]/file' | sha256sum
        a ip route flush cache; a ip -6 route flush cache
        echo udp $(a python3 {ask} 10.2.0.2 7 10 1390); echo udp $(a python3 {ask} fd02::2 7 10 1390)",
        echo = peer("udp_echo.py"),
        ask = peer("udp_ask.py"),
    );
    let outcome = alone(folder.path(), &script);
    let (said, context) = (outcome.stdout(), outcome.report());
    assert_eq!(
        said.matches("Resume: pmtu 1300 hops 4 back 4").count(),
        2,
        "{context}"
    );
    for hop in [
        " 1  10.1.0.1  ",
        " 2  10.5.0.2  ",
        " 3  10.6.0.1  ",
        " 4  10.2.0.2  ",
    ] {
        assert!(said.contains(hop), "{hop}: {context}");
    }
    assert_eq!(said.matches(&sha256(&content)).count(), 2, "{context}");
    // The first datagrams are lost to the discovery, the rest come back.
    let back = said.lines().filter_map(|line| line.strip_prefix("udp "));
    for back in back.map(|back| back.parse::<u32>().unwrap()) {
        assert!((6..=10).contains(&back), "{context}");
    }
    assert_eq!(said.matches("udp ").count(), 2, "{context}");
}

#[test]
fn what_nobody_can_mean_is_refused_in_words() {
    for (options, said) in [
        (&["--net", "a"][..], "lacks a name"),
        (&["--net", "a=10.1.0.1/24,mtu=20"], "68 to 65535"),
        (
            &["--route", "10.9.0.0/16=10.99.0.1", "--net", "a=10.1.0.1/24"],
            "no link has the gateway",
        ),
        (
            &["--net", "a=10.1.0.1/24", "--at", "b=true"],
            "no --net is called b",
        ),
        (&[], "no link: give --net, --tun or --tap"),
    ] {
        let mut command = Command::new("timeout");
        command.arg("20").arg(outcrop()).arg("router").args(options);
        let output = command.args(["--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(said), "{error}");
    }
}
