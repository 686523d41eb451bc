//! Multicast with the kernel at the other end of the TUN: datagrams to groups, queriers of every version.

use outcrop_tests::{Bench, tshark};

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
