//! The stack on a TAP: the kernel as its neighbour on an Ethernet, in a private namespace, with the programs people use
//! there.

use outcrop_tests::{
    Bench, assert_capture_is_sound, assert_fields_agree, noise, outcrop, sha256, tshark,
};

fn bench() -> Bench {
    Bench::new().options(&["--tap"])
}

/// Lines a script prints after its work, to see what became of the kernel's neighbours.
const NEIGHBORS: &str = "ip neigh show dev outcrop0";

#[test]
fn ping_and_curl_of_both_families_cross_a_tap() {
    let bench = bench().file("hello.txt", "on the wire\n");
    let script = "ping -c2 -i0.2 -q $STACK >/dev/null; ping -6 -c2 -i0.2 -q fd77::2 >/dev/null;
        curl -4 -fsS http://$STACK/hello.txt; curl -6 -fsS -g http://$STACK6/hello.txt";
    assert_eq!(bench.sh(script).stdout(), "on the wire\non the wire\n");
    assert_capture_is_sound(&bench.capture());
    let why = |name: &str| {
        let filter = format!("frame.comment contains \"why={name}\"");
        tshark(&bench.capture(), &filter, &["eth.src"]).len()
    };
    assert!(why("arp-reply") >= 1 && why("neighbor-advertisement") >= 1);
}

#[test]
fn bulk_over_a_tap_is_intact_with_offload_and_without() {
    let content = noise(20_000_000);
    for options in [
        &["--tap", "--capture-level", "off"][..],
        &["--tap", "--no-offload", "--capture-level", "off"][..],
    ] {
        let bench = Bench::new().file("large.bin", &content).options(options);
        let got = bench
            .sh("curl -fsS http://$STACK/large.bin | sha256sum")
            .stdout();
        assert_eq!(
            got.split(' ').next().unwrap(),
            sha256(&content),
            "{options:?}"
        );
    }
}

#[test]
fn arping_is_answered_from_the_address_given_by_hand() {
    let bench = Bench::new().options(&["--tap", "--mac", "02:00:00:00:77:02"]);
    let got = bench.sh("arping -c3 -I outcrop0 $STACK").stdout();
    assert!(got.contains("3 packets received"), "{got}");
    assert!(got.contains("02:00:00:00:77:02"), "{got}");
}

#[test]
fn arping_for_somebody_else_is_not_answered() {
    let got = bench()
        .sh("arping -c2 -w 1 -I outcrop0 10.77.0.9 || true")
        .stdout();
    assert!(got.contains("0 packets received"), "{got}");
}

#[test]
fn the_kernel_sees_its_neighbor_resolve_age_and_answer_again() {
    let script = format!(
        "sysctl -qw net.ipv4.neigh.outcrop0.base_reachable_time_ms=1000 net.ipv6.neigh.outcrop0.base_reachable_time_ms=1000 \
             net.ipv4.neigh.outcrop0.delay_first_probe_time=1 net.ipv6.neigh.outcrop0.delay_first_probe_time=1;
        ping -c1 -q $STACK >/dev/null; ping -c1 -q fd77::2 >/dev/null; {NEIGHBORS} | grep -c REACHABLE;
        sleep 4; {NEIGHBORS} | grep -cE 'STALE|DELAY|PROBE|REACHABLE';
        ping -c1 -q $STACK >/dev/null; ping -c1 -q fd77::2 >/dev/null;
        for i in $(seq 100); do [ $({NEIGHBORS} | grep -cE 'REACHABLE|STALE') = 2 ] && break; sleep 0.2; done
        {NEIGHBORS} | grep -cE 'REACHABLE|STALE'"
    );
    let bench = bench();
    assert_eq!(bench.sh(&script).stdout(), "2\n2\n2\n");
    // The kernel asked again, the one alone: RFC 1122 2.3.2.1, RFC 4861 7.3.3.
    let alone = "arp.opcode==1 && eth.dst.ig==0 && arp.dst.proto_ipv4==10.77.0.2";
    assert!(!tshark(&bench.capture(), alone, &["eth.dst"]).is_empty());
}

#[test]
fn ndisc6_finds_the_stack_and_rdisc6_hears_no_router() {
    let script = "ndisc6 -1 -q fd77::2 outcrop0; rdisc6 -1 -r1 -w500 outcrop0 2>&1 || true";
    let got = bench().sh(script).stdout();
    assert_eq!(got.lines().next().unwrap().len(), 17, "a MAC: {got}");
    assert!(got.contains("No response"), "{got}");
}

const RADVD: &str = "interface outcrop0 {
    AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 60;
    prefix 2001:db8:7::/64 { AdvValidLifetime 60; AdvPreferredLifetime 6; };
    RDNSS 2001:db8:7::53 { AdvRDNSSLifetime 60; };
    DNSSL example.net { AdvDNSSLLifetime 60; };
};";

#[test]
fn radvd_gives_a_prefix_a_router_and_resolvers_and_they_age() {
    let bench = Bench::new().options(&["--tap", "--slaac"]);
    std::fs::write(bench.path("radvd.conf"), RADVD).unwrap();
    // radvd says goodbye, then its prefix is deprecated within six seconds.
    let script = "ip addr add 2001:db8:7::1/64 dev outcrop0 nodad
        radvd -n -C radvd.conf -p $PWD/pid -m none & radvd=$!
        sleep 7
        ping -c1 -q $STACK >/dev/null
        kill $radvd; wait $radvd || true
        sleep 8; echo done";
    let outcome = bench.sh(script);
    assert_eq!(outcome.stdout(), "done\n");
    let said = outcome.stderr();
    for line in [
        "is ours, for this link alone",
        "is ours, of a router's prefix",
        "resolvers: 2001:db8:7::53; search: example.net",
        "begins nothing new",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let shown = assert_fields_agree(&bench.capture());
    for key in [
        "icmpv6.opt.prefix",
        "icmpv6.opt.rdnss",
        "icmpv6.opt.nonce",
        "arp.opcode",
    ] {
        assert!(shown.contains(key), "{key} was compared");
    }
    // Duplicate address detection came first, and asked from nobody (RFC 4862 5.4).
    let ours = "frame.comment contains \"why=neighbor-solicitation\" && ipv6.src==::";
    assert!(tshark(&bench.capture(), ours, &["ipv6.dst"]).len() >= 2);
    let asked = "frame.comment contains \"why=router-solicitation\"";
    assert!(!tshark(&bench.capture(), asked, &["ipv6.dst"]).is_empty());
}

/// A second stack beside the first, on a TAP in the kernel's bridge; `$OUTCROP` is the program.
fn beside(script: &str) -> String {
    let program = outcrop().display();
    format!(
        "ip link add br0 type bridge; ip link set br0 up; ip link set outcrop0 master br0
        ip tuntap add tap1 mode tap; ip link set tap1 master br0 up
        OUTCROP={program}; {script}"
    )
}

#[test]
fn an_address_in_use_on_the_bridge_is_not_taken() {
    // The first stack has both; the second asks before it takes them (RFC 5227 2.1, RFC 4862 5.4).
    let script = "timeout -s INT 9 $OUTCROP serve --tap tap1 --addr $STACK/24 --addr6 fd77::2/64 2>&1 || true";
    let got = bench().sh(&beside(script)).stdout();
    assert!(
        got.contains("address: 10.77.0.2 is not ours: another station has it"),
        "{got}"
    );
    assert!(
        got.contains("address: fd77::2 is not ours: another station has it"),
        "{got}"
    );
}

#[test]
fn a_second_stack_on_the_bridge_is_fetched_from_beside_the_first() {
    // The kernel is on the bridge with a third address.
    let script = "ip addr add 10.77.0.3/24 dev br0; ip addr add fd77::3/64 dev br0 nodad
        ip addr flush dev outcrop0
        $OUTCROP serve --tap tap1 --addr 10.77.0.7/24 --addr6 fd77::7/64 >served 2>&1 & second=$!
        for n in $(seq 100); do grep -q '10.77.0.7 is ours' served && grep -q 'fd77::7 is ours' served && break; sleep 0.2; done
        for host in 10.77.0.2 10.77.0.7 [fd77::2] [fd77::7]; do
            curl -sS -g -m 5 -o /dev/null -w '%{http_code} ' http://$host/
        done
        kill -INT $second; wait $second || true";
    let bench = bench().file("index.html", "the first");
    let got = bench.sh(&beside(script)).stdout();
    assert_eq!(got, "200 200 200 200 ");
}

#[test]
fn a_flood_of_arp_and_discovery_leaves_the_stack_answering() {
    // Requests from fifteen hundred senders of either family, made by hand.
    let flood = r#"
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("outcrop0", 0))
def sum16(b):
    t = sum(struct.unpack(">%dH" % (len(b) // 2), b))
    while t >> 16: t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff
to6 = socket.inet_pton(socket.AF_INET6, "fd77::2")
group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:2")
for n in range(1500):
    mac = b"\x02\x00\x00\x07" + struct.pack(">H", n)
    arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + struct.pack(">BBH", 10, 77, 256 + n) + bytes(6) + bytes([10, 77, 0, 2])
    s.send(b"\xff" * 6 + mac + b"\x08\x06" + arp)
    src = socket.inet_pton(socket.AF_INET6, "fd77::7:%x" % n)
    ns = b"\x87\0\0\0\0\0\0\0" + to6 + b"\x01\x01" + mac
    c = sum16(src + group + struct.pack(">IHBB", len(ns), 0, 0, 58) + ns)
    ns = ns[:2] + struct.pack(">H", c) + ns[4:]
    s.send(b"\x33\x33\xff\0\0\x02" + mac + b"\x86\xdd" + struct.pack(">IHBB", 0x60000000, len(ns), 58, 255) + src + group + ns)
"#;
    let bench = bench();
    std::fs::write(bench.path("flood.py"), flood).unwrap();
    let script = "python3 flood.py; sleep 1; ping -c5 -w60 -i0.3 -q $STACK >/dev/null; ping -6 -c5 -w60 -i0.3 -q fd77::2 >/dev/null; echo alive";
    assert_eq!(bench.sh(script).stdout(), "alive\n");
    let answers = tshark(
        &bench.capture(),
        "frame.comment contains \"why=arp-reply\"",
        &["eth.dst"],
    );
    // On a busy machine the kernel's queue is full before we read it; what reached us was answered.
    assert!(answers.len() > 500, "{}", answers.len());
}
