//! Our router on Ethernets of the kernel's: it advertises, hosts configure themselves, better hops are told.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use outcrop_tests::{assert_capture_is_sound, assert_fields_agree, outcrop, tshark};
use tempfile::TempDir;

/// One run of the router with a script in its first network.
struct Run {
    folder: TempDir,
    stdout: String,
    stderr: String,
}

impl Run {
    fn new(options: &[&str], script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("timeout");
        command
            .args(["-k", "5", "120"])
            .arg(outcrop())
            .arg("router");
        command
            .args(options)
            .args(["--capture", "run.pcapng", "--stats"]);
        command.args(["--", "sh", "-euc", script]);
        let output = command
            .current_dir(folder.path())
            .env("OUTCROP", outcrop())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{stdout}\n{stderr}");
        Self {
            folder,
            stdout,
            stderr,
        }
    }

    fn capture(&self, link: &str) -> PathBuf {
        self.folder.path().join(format!("run-{link}.pcapng"))
    }
}

fn count(file: &Path, filter: &str) -> usize {
    tshark(file, filter, &["frame.number"]).len()
}

/// Waits until the kernel has made an address of an advertisement, checked.
const CONFIGURED: &str = "for n in $(seq 300); do
        ip -6 addr show dev lan scope global -tentative | grep -q dynamic && ip -6 route | grep -q '^default.*proto ra' && break
        sleep 0.2
    done";

const ADVERTISED: &str = "icmpv6.type==134";
/// What tshark must read in each advertisement of the test below: RFC 4861 4.2, 4.6, RFC 4191 2.2, RFC 8106 5.
const ADVERTISEMENT: [(&str, &str); 18] = [
    ("ipv6.hlim", "255"),
    ("icmpv6.nd.ra.cur_hop_limit", "64"),
    ("icmpv6.nd.ra.flag.m", "0"),
    ("icmpv6.nd.ra.flag.o", "0"),
    ("icmpv6.nd.ra.flag.prf", "1"),
    ("icmpv6.nd.ra.reachable_time", "0"),
    ("icmpv6.nd.ra.retrans_timer", "0"),
    ("icmpv6.opt.prefix", "2001:db8:1::"),
    ("icmpv6.opt.prefix.length", "64"),
    ("icmpv6.opt.prefix.flag.l", "1"),
    ("icmpv6.opt.prefix.flag.a", "1"),
    ("icmpv6.opt.prefix.valid_lifetime", "600"),
    ("icmpv6.opt.prefix.preferred_lifetime", "300"),
    ("icmpv6.opt.mtu", "1400"),
    ("icmpv6.opt.rdnss", "2001:db8:1::53"),
    ("icmpv6.opt.rdnss.lifetime", "12"),
    ("icmpv6.opt.dnssl", "example.net"),
    ("icmpv6.opt.dnssl.lifetime", "12"),
];

#[test]
fn a_kernel_host_configures_itself_by_our_word_and_reaches_another_network_through_us() {
    let script = format!(
        "{CONFIGURED}
        ip -6 addr show dev lan scope global; ip -6 route show default; cat /proc/sys/net/ipv6/conf/lan/mtu
        ping -6 -c2 -i0.2 -q fd02::2; ping -4 -c2 -i0.2 -q 10.2.0.2
        rdisc6 -1 -r 20 lan
        echo at $(ndisc6 -1 -q -r 20 2001:db8:1::1 lan)
        echo $($OUTCROP neigh --json)"
    );
    let run = Run::new(
        &[
            "--net",
            "lan=10.1.0.1/24,2001:db8:1::1/64,mtu=1400,tap",
            "--net",
            "right=10.2.0.1/24,fd02::1/64,mtu=1300",
            "--advertise",
            "lan,interval=4,valid=600,preferred=300,rdnss=2001:db8:1::53,dnssl=example.net,v4,preference=high",
        ],
        &script,
    );
    let said = &run.stdout;
    assert!(said.contains("inet6 2001:db8:1:0:"), "{said}");
    assert!(said.contains("pref high"), "{said}");
    assert!(said.contains("\n1400\n"), "{said}");
    assert_eq!(said.matches("2 received").count(), 2, "{said}");
    // A second implementation of the reader, by Debian's rdisc6.
    for line in [
        "Hop limit                 :           64",
        "Router preference         :         high",
        "Router lifetime           :           12",
        "MTU                      :         1400 bytes (valid)",
        "Prefix                   : 2001:db8:1::/64",
        "On-link                 :          Yes",
        "Autonomous address conf.:          Yes",
        "Valid time              :          600",
        "Pref. time              :          300",
        "Recursive DNS server     : 2001:db8:1::53",
        "DNS search list          : example.net",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let lan = run.capture("lan");
    assert_capture_is_sound(&lan);
    // And by tshark: every field of every advertisement as asked for, but for the farewell's lifetime; where we show it.
    let ours = tshark(&lan, ADVERTISED, &["eth.src"]);
    let names: Vec<_> = ADVERTISEMENT.iter().map(|(name, _)| *name).collect();
    let expected: Vec<_> = ADVERTISEMENT.iter().map(|(_, value)| *value).collect();
    for read in tshark(&lan, ADVERTISED, &names) {
        assert_eq!(read.split('\t').collect::<Vec<_>>(), expected);
    }
    let links = tshark(&lan, ADVERTISED, &["icmpv6.opt.linkaddr"]);
    assert_eq!(links, ours, "the router's own hardware address");
    let shown = assert_fields_agree(&lan);
    assert!(shown.contains("icmpv6.nd.ra.router_lifetime"), "{shown:?}");
    // Debian's ndisc6 finds the router there, which says that it is one (RFC 4861 7.2.4).
    let at = ours.first().unwrap().to_uppercase();
    assert!(said.contains(&format!("at {at}\n")), "{at}: {said}");
    let told = "icmpv6.type==136 && ipv6.src==2001:db8:1::1";
    let flags = tshark(&lan, told, &["icmpv6.nd.na.flag.r"]);
    assert!(
        !flags.is_empty() && flags.iter().all(|flag| flag == "1"),
        "{flags:?}"
    );
    // RFC 4861 6.2.5 at the end; never from anybody but a link-local address; RFC 1256 beside it.
    assert_eq!(
        count(&lan, "icmpv6.type==134 && icmpv6.nd.ra.router_lifetime==0"),
        1
    );
    assert_eq!(count(&lan, "icmpv6.type==134 && !(ipv6.src==fe80::/10)"), 0);
    assert!(count(&lan, "icmp.type==9 && ip.dst==224.0.0.1 && ip.ttl==1") >= 2);
    let why = "frame.comment contains \"why=router-advertisement\"";
    assert!(count(&lan, why) >= 3, "{}", run.stderr);
}

#[test]
fn a_kernel_host_is_redirected_to_the_neighbour_that_is_nearer() {
    let script = format!(
        "{CONFIGURED}
        ip -6 route get 2001:db8:77::1 | grep -o 'via fe80[^ ]*'
        for n in $(seq 50); do
            ping -6 -c1 -W1 -q 2001:db8:77::1 >/dev/null 2>&1 || true
            ip -6 route get 2001:db8:77::1 | grep -q 'via fe80::77 ' && break
        done
        ip -6 route get 2001:db8:77::1 | grep -o 'via fe80::77'"
    );
    let run = Run::new(
        &[
            "--net",
            "lan=10.1.0.1/24,2001:db8:1::1/64,tap",
            "--advertise",
            "lan,interval=4",
            "--route",
            "2001:db8:77::/48=fe80::77%lan",
        ],
        &script,
    );
    let mut lines = run.stdout.lines();
    assert!(
        lines.next().unwrap().starts_with("via fe80::"),
        "{}",
        run.stdout
    );
    assert_eq!(lines.next(), Some("via fe80::77"), "{}", run.stderr);
    let lan = run.capture("lan");
    assert_capture_is_sound(&lan);
    let redirect = "icmpv6.type==137 && icmpv6.nd.rd.target_address==fe80::77 && ipv6.hlim==255";
    assert!(count(&lan, redirect) >= 1);
    let quoted = format!("{redirect} && icmpv6.opt.type==4");
    assert!(count(&lan, &quoted) >= 1);
}

#[test]
fn what_no_router_may_say_is_refused_in_words() {
    for (spec, said) in [
        ("lan,interval=3", "4 to 1800 seconds"),
        ("lan,lifetime=9001", "9000 seconds"),
        ("elsewhere", "no link has that name"),
        ("flat", "no neighbours"),
    ] {
        let links = ["--net", "lan=fd01::1/64,tap", "--net", "flat=fd02::1/64"];
        let mut command = Command::new("timeout");
        command.arg("60").arg(outcrop()).arg("router").args(links);
        let output = command
            .args(["--advertise", spec, "--", "true"])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{spec}: {error}");
        assert!(error.contains(said), "{spec}: {error}");
    }
}
