//! The stack on a LAN of the kernel's, each test in a namespace of its own: addresses that two want, neighbours that
//! come, go and move, many of them, groups behind a bridge that listens, and people who mean harm.
//! Needs thc-ipv6's programs, ISC's dhcpd, radvd and arping (`make test` installs them).

use std::collections::HashSet;

use outcrop_tests::{Lan, assert_capture_is_sound, peer, tshark};

/// Begins to serve with both addresses, and waits until they are checked and ours.
const SERVE: &str = r"
    serve() {
        $OUTCROP serve --tap tap0 --addr 10.9.0.9/16 --addr6 2001:db8:9::9/64 $* >out 2>err & served=$!
        says err '10.9.0.9 is ours'; says err '2001:db8:9::9 is ours'
    }
    end() { kill -INT $served; wait $served; }
";

fn run(files: &[(&str, &str)], script: &str) -> Lan {
    Lan::run(files, &format!("{SERVE}\n{script}"))
}

#[test]
fn an_address_that_the_kernel_has_is_not_taken_and_one_of_ours_the_kernel_does_not_take() {
    let lan = run(
        &[],
        "ip link add v0 type veth peer name v1; ip link set v0 master br0 up; ip link set v1 up
        ip addr add 10.9.0.5/24 dev br0; ip -6 addr add 2001:db8:9::5/64 dev br0 nodad
        # Until the bridge has noticed that it has a carrier, up to a second later, the kernel defends nothing.
        until_ '! ip -6 addr show dev br0 | grep tentative'
        $OUTCROP serve --tap tap0 --addr 10.9.0.5/24 --addr6 2001:db8:9::5/64 >out 2>first & first=$!
        says first '10.9.0.5 is not ours: another station has it'
        says first '2001:db8:9::5 is not ours: another station has it'
        kill -INT $first; wait $first || true
        serve
        # A probe: from nobody (RFC 5227 1.1).
        until_ 'arping -0 -c1 -w1 -I v1 10.9.0.9'
        ip -6 addr add 2001:db8:9::9/64 dev v1
        until_ 'ip -6 addr show dev v1 | grep dadfailed'
        ip link set v1 down
        ping -c1 -W5 -q 10.9.0.9 >ping; ping -6 -c1 -W5 -q 2001:db8:9::9 >ping6; echo still ours
        end",
    );
    assert_eq!(lan.stdout, "still ours\n", "{}", lan.report);
}

#[test]
fn the_kernel_finds_loses_and_finds_us_again_with_another_hardware_address() {
    let lan = Lan::run(
        &[],
        "for six in net.ipv4 net.ipv6; do
            sysctl -qw $six.neigh.br0.base_reachable_time_ms=1000 $six.neigh.br0.delay_first_probe_time=1 \\
                $six.neigh.br0.retrans_time_ms=200
        done
        begin() {
            $OUTCROP serve --tap tap0 --mac $1 --addr 10.9.0.9/24 --addr6 2001:db8:9::9/64 >out 2>err.$1 & served=$!
            says err.$1 '10.9.0.9 is ours'; says err.$1 '2001:db8:9::9 is ours'
        }
        each() {
            for a in 10.9.0.9 2001:db8:9::9; do until_ \"ping -c1 -W1 -q $a; ip neigh show $a dev br0 | grep '$1'\"; done
            echo $2
        }
        begin 02:00:00:00:00:01; each 02:00:00:00:00:01.*REACHABLE found
        kill -INT $served; wait $served; each FAILED lost
        begin 02:00:00:00:00:02; each 02:00:00:00:00:02.*REACHABLE 'found again'
        kill -INT $served; wait $served",
    );
    assert_eq!(lan.stdout, "found\nlost\nfound again\n", "{}", lan.report);
}

#[test]
fn a_thousand_neighbors_ask_and_each_is_found() {
    let script = format!(
        "ip addr flush dev br0
        seq 0 499 | awk '{{printf \"addr add 10.9.%d.%d/16 dev br0\\naddr add 2001:db8:9::%x/64 dev br0 nodad\\n\", \\
            1+$1/250, 1+$1%250, $1+4096}}' | ip -batch -
        serve --capture run.pcapng
        python3 {} 10.9.0.9 2001:db8:9::9
        end",
        peer("echo_many.py")
    );
    let lan = run(&[], &script);
    assert_eq!(lan.stdout, "500\n500\n", "{}", lan.report);
    let distinct = |filter: &str, field: &str| {
        let asked = tshark(&lan.capture(), filter, &[field]);
        asked.into_iter().collect::<HashSet<_>>().len()
    };
    let four = "arp.opcode==1 && frame.comment contains \"why=arp-request\"";
    // The first to ask who we are is known by its question.
    assert!(distinct(four, "arp.dst.proto_ipv4") >= 499);
    let six =
        "icmpv6.type==135 && ipv6.src!=:: && frame.comment contains \"why=neighbor-solicitation\"";
    assert!(distinct(six, "icmpv6.nd.ns.target_address") >= 499);
}

#[test]
fn a_bridge_that_listens_knows_where_our_groups_are_until_we_leave() {
    let lan = run(
        &[],
        "ip link set br0 type bridge mcast_snooping 1 mcast_querier 1
        serve --group 239.7.7.7 --group ff05::7
        for group in 239.7.7.7 ff05::7; do until_ \"bridge mdb show dev br0 | grep 'port tap0 grp $group '\"; echo there; done
        end
        for group in 239.7.7.7 ff05::7; do until_ \"! bridge mdb show dev br0 | grep 'port tap0 grp $group '\"; echo gone; done",
    );
    assert_eq!(lan.stdout, "there\nthere\ngone\ngone\n", "{}", lan.report);
}

/// ISC's server lends for as short as one likes; radvd sends its clients there.
const DHCPD6: &str = "default-lease-time 8; preferred-lifetime 6;
    option dhcp-renewal-time 3; option dhcp-rebinding-time 5;
    subnet6 2001:db8:9::/64 { range6 2001:db8:9::100 2001:db8:9::1ff; option dhcp6.name-servers 2001:db8:9::53; }";
const RADVD: &str = "interface br0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvManagedFlag on;
    AdvDefaultLifetime 600; prefix 2001:db8:7::/64 { AdvValidLifetime 16; AdvPreferredLifetime 8; }; };";

#[test]
fn addresses_of_a_server_and_of_a_router_end_in_their_time_when_both_are_gone() {
    let lan = Lan::run(
        &[("dhcpd.conf", DHCPD6), ("radvd.conf", RADVD), ("leases", "")],
        "sysctl -qw net.ipv6.conf.all.forwarding=1
        until_ 'ip -6 addr show dev br0 scope link | grep fe80 | grep -v tentative'
        dhcpd -6 -f -q -cf $PWD/dhcpd.conf -lf $PWD/leases -pf $PWD/dhcpd.pid --no-pid br0 >dhcpd.log 2>&1 & server=$!
        radvd -n -C radvd.conf -p $PWD/radvd.pid -m none & radvd=$!
        $OUTCROP serve --tap tap0 --slaac --dhcp --capture run.pcapng >out 2>err & served=$!
        says err '^address: 2001:db8:7:.* is ours, of a router.s prefix'
        # Lent, and renewed at T1.
        until_ '[ $(grep -c \"^dhcp: lent: 2001:db8:9::\" err) -ge 2 ]'
        kill $server $radvd
        says err '^address: 2001:db8:9::1.* begins nothing new'
        says err '^dhcp: 2001:db8:9::1.* is not ours any longer: expired'
        says err '^address: 2001:db8:7:.* begins nothing new'
        says err '^address: 2001:db8:7:.* is ours no more'
        kill -INT $served; wait $served",
    );
    assert_capture_is_sound(&lan.capture());
    let why = |why: &str| {
        let filter = format!("dhcpv6 && frame.comment contains \"why={why} cause=timer:address\"");
        tshark(&lan.capture(), &filter, &["frame.time_relative"])
    };
    // RFC 8415 18.2.4 and 18.2.5: its server at T1, anybody at T2, from the start at the end.
    for (kind, least) in [
        ("dhcp6-renew", 1),
        ("dhcp6-rebind", 1),
        ("dhcp6-solicit", 2),
    ] {
        assert!(why(kind).len() >= least, "{kind}: {}", lan.report);
    }
}

/// What thc-ipv6's `implementation6` asks, by its number, and what the RFCs say: an answer, or a parameter problem.
const IMPLEMENTATION: [(u8, &str); 22] = [
    (1, "reply"),  // an unknown hop-by-hop option that may be skipped: RFC 8200 4.2
    (3, "[4:1]"),  // a second hop-by-hop header: 4.1
    (5, "reply"),  // the same among destination options
    (7, "reply"),  // two headers of those: 4.1
    (11, "reply"), // fragments
    (12, "reply"), // an atomic one: RFC 6946 4
    (18, "reply"), // a routing header with no segments left: RFC 8200 4.4
    (19, "[4:0]"), // with some, of type 0: RFC 5095 3
    (20, "[4:0]"), // with some, of type 2
    (22, "reply"), // in fragments
    (24, "reply"),
    (25, "reply"),
    (32, "[4:1]"), // a header nobody here speaks: RFC 8200 4
    (35, "[4:1]"),
    (41, "reply"), // a question of neighbour discovery to us alone: RFC 4861 7.2.3
    (43, "reply"), // options filled up
    (44, "reply"),
    (45, "reply"),
    (46, "reply"),
    (47, "[4:2]"), // an unknown option that must be answered: RFC 8200 4.2
    (49, "[4:2]"),
    (50, "[4:2]"),
];

#[test]
fn implementation6_gets_the_answers_of_the_rfcs() {
    let numbers: Vec<_> = IMPLEMENTATION.iter().map(|(n, _)| n.to_string()).collect();
    let script = format!(
        "serve
        for n in {}; do timeout 20 atk6-implementation6 br0 2001:db8:9::9 $n 2>/dev/null | grep \"^Test *$n:\"; done
        end",
        numbers.join(" ")
    );
    let lan = run(&[], &script);
    let answers: Vec<_> = lan.stdout.lines().collect();
    assert_eq!(answers.len(), IMPLEMENTATION.len(), "{}", lan.report);
    for ((number, expected), line) in IMPLEMENTATION.iter().zip(answers) {
        assert!(line.contains(expected), "{number}: {expected}: {line}");
    }
}
