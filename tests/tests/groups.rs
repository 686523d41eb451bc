//! Multicast with the kernel at the other end of the TUN: datagrams to groups, queriers of every version.

use outcrop_tests::{Bench, Lan, tshark};

#[test]
fn echo_of_a_group_answers_and_queriers_of_every_version_hear_of_it() {
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/group_ask.py");
    let bench = Bench::new().options(&["--group", "239.7.7.7", "--group", "ff05::7"]);
    let script = format!(
        "ip route add multicast 224.0.0.0/4 dev outcrop0 2>/dev/null || ip route add 224.0.0.0/4 dev outcrop0
        ip addr add fe80::1/64 dev outcrop0 nodad
        /usr/bin/python3 {peer} outcrop0 239.7.7.7 ff05::7 2>&1"
    );
    // The answer comes from an address of the host, not from the group.
    assert_eq!(bench.sh(&script).stdout(), "10.77.0.2\nfd77::2\n");
    // Sorted: the second telling waits up to a second by chance, and the query may come before it.
    let ours = |filter: &str, field: &str| {
        let filter = format!("{filter} && frame.comment contains \"why=group-report\"");
        let mut values = tshark(&bench.capture(), &filter, &[field]);
        values.sort();
        values
    };
    // Joined, told twice, and the answer to the query of version 3; all-systems is not among them.
    let reports = ours("igmp.type==0x22", "igmp.record_type");
    assert_eq!(reports, ["2", "4", "4"], "RFC 3376 4.2.12");
    let groups = ours("igmp.type==0x22", "igmp.maddr");
    assert_eq!(groups, ["239.7.7.7"; 3]);
    assert_eq!(ours("igmp.type==0x16", "igmp.maddr"), ["239.7.7.7"]);
    let reports = ours("icmpv6.type==143", "icmpv6.mldr.mar.record_type");
    assert_eq!(reports, ["2", "4", "4"], "RFC 3810 5.2.12");
    assert_eq!(
        ours("icmpv6.type==131", "icmpv6.mld.multicast_address"),
        ["ff05::7"]
    );
    let wrong = "igmp.checksum.status==0 || icmpv6.checksum.status==0 || ip.checksum.status==0 || _ws.malformed";
    assert_eq!(ours(wrong, "frame.number"), [""; 0]);
}

/// A listener in the right network, told by a file that it listens; a sender in the left one that repeats itself until it
/// is heard, or for as often as it is told.
const LISTEN: &str = r#"right=exec python3 -c '
import socket, struct
def listen(family, group):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(("", 5000))
    index = socket.if_nametoindex("right")
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + struct.pack("=4si", bytes(4), index))
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(family, group) + struct.pack("=I", index))
    return s
four, six = listen(socket.AF_INET, "239.1.2.3"), listen(socket.AF_INET6, "ff05::123")
for s in four, six:
    print(*s.recvfrom(99)[1][:1], s.getsockname()[1], file=open("heard", "a"), flush=True)
'"#;

#[test]
fn a_kernel_listener_behind_our_router_hears_the_groups_that_are_routed_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"ip route add multicast 224.0.0.0/4 dev left 2>/dev/null || ip route add 224.0.0.0/4 dev left
        python3 -c '
import os, socket, time
four, six = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
index = socket.if_nametoindex("left")
four.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + index.to_bytes(4, "little"))
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
def send(hops, four_to, six_to):
    four.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
    four.sendto(b"x", (four_to, 5000)); six.sendto(b"x", (six_to, 5000))
# Out of hops, and not routed: the listener must not hear them first.
send(1, "239.1.2.3", "ff05::123"); send(9, "239.9.2.3", "ff08::123")
for n in range(600):
    send(9, "239.1.2.3", "ff05::123")
    if os.path.exists("heard") and open("heard").read().count("\n") == 2: break
    time.sleep(0.1)
print(open("heard").read(), end="")
'"#;
    let output = std::process::Command::new("timeout")
        .args(["-k", "5", "120"])
        .arg(outcrop_tests::outcrop())
        .args(["router", "--net", "left=10.1.0.1/24,fd01::1/64"])
        .args(["--net", "right=10.2.0.1/24,fd02::1/64,tap"])
        .args(["--multicast", "239.1.0.0/16=left,right"])
        .args(["--multicast", "ff05::/16=left,right"])
        .args(["--at", LISTEN, "--capture", "run.pcapng"])
        .args(["--", "sh", "-euc", script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let context = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "10.1.0.2 5000\nfd01::2 5000\n", "{context}");
    let right = folder.path().join("run-right.pcapng");
    let count = |filter: &str| tshark(&right, filter, &["frame.number"]).len();
    // In frames for the group's stations (RFC 1112 6.4, RFC 2464 7), one hop less.
    assert!(count("ip.dst==239.1.2.3 && eth.dst==01:00:5e:01:02:03 && ip.ttl==8") >= 1);
    assert!(count("ipv6.dst==ff05::123 && eth.dst==33:33:00:00:01:23 && ipv6.hlim==8") >= 1);
    assert_eq!(count("ip.dst==239.9.2.3 || ipv6.dst==ff08::123"), 0);
}

/// A querier's questions about sources, by scapy; then a datagram to every group from each of two addresses, and who
/// answered.
const ASK_SOURCES: &str = r#"
import socket, struct
from scapy.all import Ether, IP, ICMPv6MLQuery2, IPOption_Router_Alert, IPv6, IPv6ExtHdrHopByHop, RouterAlert, conf
from scapy.contrib.igmpv3 import IGMPv3, IGMPv3mq
conf.verb = 0
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
# By the port itself: after its first ten seconds the bridge keeps from a port what comes from a source it did not ask
# for, and a querier of MLD is none of these.
raw.bind(("tap0", 0))
def send(packet, to): raw.send(bytes(Ether(dst=to, src="02:00:00:00:00:99") / packet))
head = IP(src="10.9.0.1", dst="232.7.7.7", ttl=1, options=[IPOption_Router_Alert()])
send(head / IGMPv3(type=0x11, mrcode=1) / IGMPv3mq(gaddr="232.7.7.7", srcaddrs=["10.9.0.1", "10.9.0.77"]), "01:00:5e:07:07:07")
head = IPv6(src="fe80::99", dst="ff35::7", hlim=1) / IPv6ExtHdrHopByHop(options=[RouterAlert()])
send(head / ICMPv6MLQuery2(mrd=100, mladdr="ff35::7", sources=["2001:db8:9::1", "2001:db8:9::77"]), "33:33:00:00:00:07")
for family, group, sources in [(socket.AF_INET, "232.7.7.7", ["10.9.0.2", "10.9.0.1"]),
        (socket.AF_INET, "239.7.7.7", ["10.9.0.2", "10.9.0.1"]),
        (socket.AF_INET6, "ff35::7", ["2001:db8:9::2", "2001:db8:9::1"])]:
    for source in sources:
        ask = socket.socket(family, socket.SOCK_DGRAM)
        ask.bind((source, 0))
        index = socket.if_nametoindex("br0")
        if family == socket.AF_INET: ask.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("i", index))
        else: ask.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        ask.sendto(source.encode(), (group, 7))
        # Refused ones are followed by one that is not: whatever is answered first was heard.
        if source.endswith("1"):
            ask.settimeout(60)
            print(group, ask.recvfrom(99)[0].decode())
"#;

#[test]
fn a_bridge_that_listens_knows_our_sources_and_a_querier_about_them_is_answered() {
    let lan = Lan::run(
        &[("ask.py", ASK_SOURCES)],
        r#"ip link set br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_igmp_version 3 mcast_mld_version 2
        ip addr add 10.9.0.2/24 dev br0; ip addr add 2001:db8:9::2/64 dev br0 nodad
        $OUTCROP serve --tap tap0 --addr 10.9.0.7/24 --addr6 2001:db8:9::7/64 --capture run.pcapng \
            --group 232.7.7.7=10.9.0.1,10.9.0.5 --group 239.7.7.7=!10.9.0.2 --group ff35::7=2001:db8:9::1 \
            --group ff05::7 >out 2>err & served=$!
        says err 'address: 10.9.0.7 is ours'; says err 'address: 2001:db8:9::7 is ours'
        for group in 232.7.7.7 239.7.7.7 ff35::7 ff05::7; do
            until_ "bridge -d mdb show dev br0 | grep 'port tap0 grp $group temp filter_mode'"
        done
        bridge -d mdb show dev br0 | grep ' port tap0 grp \(232\|239\|ff35\).*filter_mode.*source_list' | sed -E 's,/[0-9.]+,,g; s/.*grp //; s/ proto.*//' | sort
        /usr/bin/python3 ask.py
        # What is captured reaches the file in blocks: something must follow.
        more='ping -c30 -i0.002 -q 10.9.0.7'
        until_ "$more; tshark -r run.pcapng 'igmp.num_grp_recs==1 && igmp.record_type==1' 2>/dev/null | grep -q ."
        until_ "$more; tshark -r run.pcapng 'icmpv6.mldr.nb_mcast_records==1 && icmpv6.mldr.mar.record_type==1' 2>/dev/null | grep -q ."
        kill -INT $served; wait $served"#,
    );
    // The bridge lists sources newest first.
    let expected = "232.7.7.7 temp filter_mode include source_list 10.9.0.5,10.9.0.1
239.7.7.7 temp filter_mode exclude source_list 10.9.0.2
ff35::7 temp filter_mode include source_list 2001:db8:9::1
232.7.7.7 10.9.0.1\n239.7.7.7 10.9.0.1\nff35::7 2001:db8:9::1\n";
    assert_eq!(lan.stdout, expected, "{}", lan.report);
    // Asked about one source that is heard and one that is not: RFC 3376 5.2, RFC 3810 6.3.
    let answer = |filter: &str, fields: &[&str]| tshark(&lan.capture(), filter, fields);
    let v4 = "igmp.num_grp_recs==1 && igmp.record_type==1";
    let fields = ["igmp.maddr", "igmp.num_src", "igmp.saddr"];
    assert_eq!(answer(v4, &fields), ["232.7.7.7\t1\t10.9.0.1"]);
    let v6 = "icmpv6.mldr.nb_mcast_records==1 && icmpv6.mldr.mar.record_type==1";
    let fields = [
        "icmpv6.mldr.mar.multicast_address",
        "icmpv6.mldr.mar.nb_sources",
        "icmpv6.mldr.mar.source_address",
    ];
    assert_eq!(answer(v6, &fields), ["ff35::7\t1\t2001:db8:9::1"]);
    let wrong = "igmp.checksum.status==0 || icmpv6.checksum.status==0 || ip.checksum.status==0 || _ws.malformed";
    assert!(answer(wrong, &["frame.number"]).is_empty());
}
