//! DHCP with the programs people use: dnsmasq, radvd, udhcpd, udhcpc and dhclient, on the kernel's bridge, in a
//! namespace of each test's own.

#![expect(clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

use outcrop_tests::{Lan, assert_capture_is_sound, assert_fields_agree, outcrop, tool, tshark};

/// dnsmasq without its configuration of the system; what it does is in `dnsmasq.log`. Its shortest lease: two minutes.
const DNSMASQ: &str = "dnsmasq --conf-file=/dev/null --keep-in-foreground --port=0 --interface=br0 --bind-interfaces \
    --user=root --group=root --log-dhcp --log-facility=$PWD/dnsmasq.log --pid-file=$PWD/dnsmasq.pid \
    --dhcp-leasefile=$PWD/leases --dhcp-authoritative --no-ping";

/// Runs a script on a LAN; DNSMASQ in it is that server.
fn lan(files: &[(&str, &str)], script: &str) -> Lan {
    Lan::run(files, &script.replace("DNSMASQ", DNSMASQ))
}

fn count(text: &str, words: &str) -> usize {
    text.lines().filter(|line| line.contains(words)).count()
}

/// What tshark thinks of the DHCP in a capture.
fn assert_dhcp_is_sound(capture: &Path) {
    assert_capture_is_sound(capture);
    let marks = tshark(
        capture,
        "(dhcp || dhcpv6) && _ws.expert.severity >= 0x600000",
        &["_ws.expert.message"],
    );
    assert!(marks.is_empty(), "{marks:?}");
}

#[test]
fn a_bare_tap_beside_dnsmasq_configures_itself_in_both_families_and_curl_fetches_by_what_it_reports()
 {
    let ran = lan(
        &[],
        "DNSMASQ --dhcp-range=10.9.0.50,10.9.0.99,255.255.255.0,2m --dhcp-option=option:dns-server,10.9.0.1 \
            --domain=lan.example --dhcp-range=2001:db8:9::100,2001:db8:9::1ff,64,2m --enable-ra & dnsmasq=$!
        $OUTCROP serve --tap tap0 --dhcp --slaac --capture run.pcapng >out 2>err & served=$!
        says err '^dhcp: 10.9.0'
        says err '^dhcp: lent: 2001:db8:9:'
        four=$(sed -n 's/^dhcp: \\([0-9.]*\\)[/]24 lent.*/\\1/p' err)
        six=$(sed -n 's/^dhcp: lent: \\([0-9a-f:]*\\) .*/\\1/p' err)
        curl -4 -fsS -o /dev/null -w '%{http_code} ' http://$four/
        curl -6 -fsS -o /dev/null -w '%{http_code}\\n' -g http://[$six]/
        kill -INT $served; wait $served
        sleep 0.3; kill $dnsmasq",
    );
    assert_eq!(ran.stdout, "200 200\n", "{}", ran.report);
    let log = ran.file("dnsmasq.log");
    for words in [
        "DHCPDISCOVER",
        "DHCPREQUEST",
        "DHCPSOLICIT",
        "DHCPREPLY",
        "DHCPRELEASE(br0) 10.9.0.",
        "DHCPRELEASE(br0) 00:03:00:01:",
    ] {
        assert!(count(&log, words) >= 1, "{words}: {log}");
    }
    let said = ran.file("err");
    assert!(
        said.contains("routes: 0.0.0.0/0 by 10.9.0.1; resolvers: 10.9.0.1; domain: lan.example"),
        "{said}"
    );
    assert_dhcp_is_sound(&ran.capture());
    assert_explained(&ran.capture());
    // The address was asked for before it was used (RFC 5227 2.1), and never before the grant.
    let probes = tshark(
        &ran.capture(),
        "arp.isprobe==1 && frame.comment contains \"why=arp-probe\"",
        &["frame.number"],
    );
    let ack = tshark(&ran.capture(), "dhcp.option.dhcp==5", &["frame.number"]);
    let announced = tshark(
        &ran.capture(),
        "frame.comment contains \"why=arp-announcement\"",
        &["frame.number"],
    );
    let number = |text: &String| text.parse::<u32>().unwrap();
    assert!(probes.len() >= 3, "{probes:?}");
    assert!(number(&ack[0]) < number(&probes[0]) && number(&probes[2]) < number(&announced[0]));
}

/// What a capture says of a lease: why each message left, of which answer, in a sentence; the states; every option.
fn assert_explained(capture: &Path) {
    let said = tshark(
        capture,
        "(dhcp || dhcpv6) && frame.comment contains \"why=dhcp\"",
        &["frame.comment"],
    );
    for (why, sentence) in [
        (
            "why=dhcp-discover cause=timer:address",
            "Without an address",
        ),
        (
            "why=dhcp-select cause=pkt:",
            "One server's offer is accepted",
        ),
        ("why=dhcp-release cause=app:close", "not needed any longer"),
        (
            "why=dhcp6-solicit cause=timer:address",
            "Every DHCPv6 server",
        ),
        ("why=dhcp6-request cause=pkt:", "the best advertisement"),
        ("why=dhcp6-release cause=app:close", "not needed any longer"),
    ] {
        let line = said.iter().find(|line| line.contains(why));
        let line = line.unwrap_or_else(|| panic!("{why}: {said:#?}"));
        assert!(line.contains(sentence), "{line}");
        assert!(line.contains("src=crates/l7-dhcp/src/"), "{line}");
    }
    let path = capture.to_string_lossy();
    let shown = tool(&outcrop().to_string_lossy(), &["print", &path]);
    for line in [
        "l7-dhcp: INIT -> SELECTING",
        "l7-dhcp: SELECTING -> REQUESTING <- #",
        "l7-dhcp: REQUESTING -> BOUND <- #",
        "l7-dhcp: soliciting -> requesting <- #",
        "l7-dhcp: requesting -> bound <- #",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let compared = assert_fields_agree(capture);
    for key in [
        "ip.src",
        "ipv6.dst",
        "udp.length",
        "dhcp.id",
        "dhcp.hw.mac_addr",
        "dhcp.option.dhcp",
        "dhcp.option.request_list_item",
        "dhcp.option.ip_address_lease_time",
        "dhcp.option.domain_name",
        "dhcpv6.xid",
        "dhcpv6.duidll.link_layer_addr",
        "dhcpv6.duidllt.time",
        "dhcpv6.iaaddr.valid_lifetime",
        "dhcpv6.requested_option_code",
    ] {
        assert!(compared.contains(key), "{key}: {compared:?}");
    }
}

const RADVD: &str = "interface br0 {
    AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvOtherConfigFlag on;
    prefix 2001:db8:9::/64 { };
};";

#[test]
fn where_radvd_gives_addresses_dhcp_is_asked_for_the_rest_alone() {
    let ran = lan(
        &[("radvd.conf", RADVD)],
        "DNSMASQ --dhcp-range=2001:db8:9::,static,64,2m --dhcp-option=option6:dns-server,[2001:db8:9::53] \
            --dhcp-option=option6:domain-search,lan.example & dnsmasq=$!
        sysctl -qw net.ipv6.conf.all.forwarding=1
        radvd -n -C radvd.conf -p $PWD/radvd.pid -m none & radvd=$!
        $OUTCROP serve --tap tap0 --dhcp --slaac --capture run.pcapng >out 2>err & served=$!
        says err '^dhcp: told; resolvers: 2001:db8:9::53; search: lan.example'
        says err 'of a router.s prefix'
        six=$(sed -n 's/^address: \\([0-9a-f:]*\\) is ours, of a router.*/\\1/p' err)
        curl -6 -fsS -o /dev/null -w '%{http_code}\\n' -g http://[$six]/
        kill -INT $served; wait $served; kill $radvd $dnsmasq",
    );
    assert_eq!(ran.stdout, "200\n", "{}", ran.report);
    let log = ran.file("dnsmasq.log");
    assert!(
        count(&log, "DHCPINFORMATION-REQUEST") >= 1 && count(&log, "DHCPSOLICIT") == 0,
        "{log}"
    );
    assert_dhcp_is_sound(&ran.capture());
}

#[test]
fn a_lease_is_renewed_at_t1_and_given_up_when_the_server_refuses_it() {
    let ran = lan(
        &[],
        "DNSMASQ --dhcp-range=10.9.0.50,10.9.0.99,255.255.255.0,2m --dhcp-option=58,4 --dhcp-option=59,8 & dnsmasq=$!
        $OUTCROP dhcp --tap tap0 --keep --json >out 2>err & client=$!
        says out bound
        sleep 9
        kill $dnsmasq; wait $dnsmasq || true
        mv dnsmasq.log first.log; rm leases
        DNSMASQ --dhcp-range=10.9.0.150,10.9.0.199,255.255.255.0,2m --dhcp-option=58,4 --dhcp-option=59,8 & dnsmasq=$!
        says out refused
        says out '\"address\":\"10.9.0.1[5-9]'
        kill -INT $client; wait $client; kill $dnsmasq",
    );
    let first = ran.file("first.log");
    assert!(count(&first, "DHCPACK") >= 3, "renewed: {first}");
    assert_eq!(
        (count(&first, "DHCPDISCOVER"), count(&first, "DHCPOFFER")),
        (1, 1),
        "{first}"
    );
    let second = ran.file("dnsmasq.log");
    assert!(
        count(&second, "DHCPNAK") >= 1 && count(&second, "DHCPDISCOVER") >= 1,
        "{second}"
    );
    let events = ran.file("out");
    let lost = events
        .lines()
        .position(|line| line.contains("\"event\":\"lost\""))
        .unwrap();
    assert!(
        events
            .lines()
            .nth(lost)
            .unwrap()
            .ends_with("\"why\":\"refused\"}"),
        "{events}"
    );
    assert!(
        events
            .lines()
            .skip(lost + 1)
            .any(|line| line.contains("\"event\":\"bound\"")),
        "{events}"
    );
}

/// busybox's server lends for as short as one likes.
const UDHCPD: &str = "start 10.9.0.50\nend 10.9.0.60\ninterface br0\nmin_lease 1\noption lease 8\noption subnet 255.255.255.0\n\
    option router 10.9.0.1\nlease_file udhcpd.leases\npidfile udhcpd.pid\n";

#[test]
fn a_lease_whose_server_is_gone_ends_in_its_time() {
    let ran = lan(
        &[("udhcpd.conf", UDHCPD), ("udhcpd.leases", "")],
        "busybox udhcpd -f udhcpd.conf >log 2>&1 & server=$!
        $OUTCROP dhcp --tap tap0 --keep --json --capture run.pcapng >out 2>err & client=$!
        says out bound
        kill $server
        says out expired
        kill -INT $client; wait $client",
    );
    let events = ran.file("out");
    assert!(events.contains("\"seconds\":8,"), "{events}");
    assert!(
        events.contains("\"event\":\"lost\",\"address\":\"10.9.0."),
        "{events}"
    );
    assert_dhcp_is_sound(&ran.capture());
    // To its server first, then to everybody, then from the start: figure 5 on the wire.
    let of = |filter: &str| -> Vec<f64> {
        let times = tshark(&ran.capture(), filter, &["frame.time_relative"]);
        times.iter().map(|time| time.parse().unwrap()).collect()
    };
    let granted = of("dhcp.option.dhcp==5");
    let rebinds = of("dhcp.option.dhcp==3 && ip.dst==255.255.255.255 && dhcp.ip.client!=0.0.0.0");
    let discovers = of("dhcp.option.dhcp==1");
    let last = granted.last().unwrap();
    assert!(
        !rebinds.is_empty() && discovers.len() >= 2,
        "{}",
        ran.report
    );
    let ended = discovers.iter().find(|at| *at > last).unwrap() - last;
    assert!((7.5..=8.5).contains(&ended), "{ended}");
}

#[test]
fn an_address_in_use_is_declined_and_another_one_taken() {
    let ran = lan(
        &[],
        "ip link add v0 type veth peer name v1; ip link set v0 master br0 up
        unshare --net sleep 99 & other=$!
        sleep 0.3
        ip link set v1 netns $other
        nsenter -t $other -n ip addr add 10.9.0.50/24 dev v1
        nsenter -t $other -n ip link set v1 up
        DNSMASQ --dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,2m --dhcp-sequential-ip & dnsmasq=$!
        $OUTCROP dhcp --tap tap0 --json --timeout 60 >out 2>err
        kill $dnsmasq $other",
    );
    let log = ran.file("dnsmasq.log");
    assert!(count(&log, "DHCPDECLINE(br0) 10.9.0.50") == 1, "{log}");
    let events = ran.file("out");
    let bound: Vec<_> = events
        .lines()
        .filter(|line| line.contains("\"event\":\"bound\""))
        .collect();
    assert_eq!(bound.len(), 1, "{events}");
    assert!(!bound[0].contains("10.9.0.50"), "{events}");
    assert!(
        events.contains("\"address\":\"10.9.0.50\",\"why\":\"declined\""),
        "{events}"
    );
}

const UDHCPC: &str = "#!/bin/sh
echo \"$1 ip=$ip mask=$mask router=$router dns=$dns domain=$domain lease=$lease serverid=$serverid\"
if [ \"$1\" = bound ]; then ip addr add $ip/$mask dev $interface; fi
exit 0
";

const DHCLIENT: &str = "#!/bin/sh
if [ \"$reason\" = BOUND ]; then ip addr add $new_ip_address/24 dev $interface; fi
exit 0
";

#[test]
fn clients_of_others_are_lent_addresses_that_work_renew_and_return_them() {
    let ran = lan(
        &[("udhcpc.sh", UDHCPC), ("dhclient.sh", DHCLIENT)],
        "chmod +x udhcpc.sh dhclient.sh
        ip addr flush dev br0
        $OUTCROP dhcp serve --tap tap0 --addr 10.9.0.9/24 --pool 10.9.0.200-10.9.0.210 --lease-time 8 --router 10.9.0.9 \
            --dns 10.9.0.53 --domain lan.example --reserve 02:00:00:00:00:77=10.9.0.177 --capture run.pcapng >served 2>err & server=$!
        says served '^lending'
        ip link add v0 type veth peer name v1; ip link set v0 master br0 up
        ip link set v1 address 02:00:00:00:00:55; ip link set v1 up
        busybox udhcpc -i v1 -f -s ./udhcpc.sh >udhcpc 2>&1 & client=$!
        says udhcpc '^bound'
        ping -c1 -W2 -q 10.9.0.9 >ping
        says udhcpc '^renew'
        kill -USR2 $client
        says served 'given back'
        kill $client
        ip addr flush dev v1; ip link set v1 down; ip link set v1 address 02:00:00:00:00:77; ip link set v1 up
        touch dhclient.leases
        timeout -s TERM 8 dhclient -d -1 -sf $PWD/dhclient.sh -cf /dev/null -lf dhclient.leases -pf dhclient.pid v1 >dhclient 2>&1 || true
        kill -INT $server; wait $server",
    );
    let client = ran.file("udhcpc");
    let line = "bound ip=10.9.0.200 mask=24 router=10.9.0.9 dns=10.9.0.53 domain=lan.example lease=8 serverid=10.9.0.9";
    assert!(client.contains(line), "{client}");
    assert!(ran.file("ping").contains(" 0% packet loss"));
    let client = ran.file("dhclient");
    assert!(client.contains("bound to 10.9.0.177"), "{client}");
    assert!(
        count(&client, "DHCPACK of 10.9.0.177") >= 2,
        "renewed: {client}"
    );
    let served = ran.file("served");
    for line in [
        "10.9.0.200 lent to 02:00:00:00:00:55",
        "10.9.0.200 given back",
        "10.9.0.177 lent to 02:00:00:00:00:77",
    ] {
        assert!(served.contains(line), "{line}: {served}");
    }
    assert_dhcp_is_sound(&ran.capture());
    // The server's side is explained as well, and what dhclient and udhcpc write lies where we show it.
    let granted = tshark(
        &ran.capture(),
        "dhcp.option.dhcp==5 && frame.comment contains \"why=dhcp-ack cause=pkt:\"",
        &["frame.number"],
    );
    assert!(granted.len() >= 3, "{granted:?}");
    let compared = assert_fields_agree(&ran.capture());
    assert!(
        compared.contains("dhcp.option.vendor_class_id"),
        "{compared:?}"
    );
}

#[test]
fn what_cannot_be_meant_is_said_in_one_line() {
    for (arguments, code, said) in [
        (&["dhcp"][..], 2, "give --tap NAME"),
        (
            &[
                "dhcp",
                "serve",
                "--tap",
                "t",
                "--addr",
                "10.9.0.1/24",
                "--pool",
                "10.8.0.1-10.8.0.9",
            ][..],
            2,
            "not within the server's network",
        ),
        (
            &["dhcp", "serve", "--tap", "t", "--pool", "10.8.0.1"][..],
            2,
            "must be two IPv4 addresses",
        ),
        (&["serve", "--dhcp"][..], 2, "--tap"),
    ] {
        let output = Command::new(outcrop()).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(
            text.contains(said) && text.lines().count() == 1,
            "{arguments:?}: {text}"
        );
    }
}
