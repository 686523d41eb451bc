//! The stack on a TAP: the kernel as its neighbour on an Ethernet, in a private namespace, with the programs people use
//! there.

use outcrop_tests::{
    Bench, MEMORY, assert_bounded, assert_capture_is_sound, assert_fields_agree, noise, outcrop,
    peer, sha256, tshark,
};
use serde_json::Value;

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

/// Octets in a fragment of a packet of 1,500, by family: a multiple of eight behind the headers (RFC 791 3.2, RFC 8200 4.5).
const FRAGMENTS: [usize; 2] = [1_480, 1_448];

/// Sizes of an echo request's data that try every number of fragments to 65,000 octets: as much as they hold, one less and
/// one more; and each 1,009th in between.
fn sizes(fragment: usize) -> Vec<usize> {
    const ECHO_HEADER: usize = 8;
    const MOST: usize = 65_000;
    let full = (1..).map(|count| count * fragment - ECHO_HEADER);
    let full = full.take_while(|size| size + 1 < MOST);
    let mut sizes: Vec<_> = full.flat_map(|size| size - 1..=size + 1).collect();
    sizes.extend((0..MOST).step_by(1_009));
    // Where a packet of IPv6 needs no fragment header yet, and where it does; the largest asked for.
    sizes.extend([1_452, 1_453, MOST]);
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[test]
fn debians_ping_of_every_number_of_fragments_to_65000_bytes_is_answered_unchanged() {
    let expected = FRAGMENTS.map(sizes);
    for options in [&["--tap"][..], &[]] {
        let bench = Bench::new()
            .options(options)
            .options(&["--capture-level", "off"]);
        for (name, sizes) in ["four", "six"].iter().zip(&expected) {
            let lines = sizes.iter().map(|size| format!("{size}\n"));
            std::fs::write(bench.path(name), lines.collect::<String>()).unwrap();
        }
        // Each compares what comes back with what it sent, and says so where it differs. Four at a time hear their own
        // answers alone: a raw socket would hear everybody's, and lose some.
        let script = "sysctl -qw net.ipv4.ping_group_range='0 0'
            xargs -a four -P4 -I@ ping -c1 -W60 -s @ $STACK >said4
            xargs -a six -P4 -I@ ping -6 -c1 -W60 -s @ fd77::2 >said6";
        let _silent = bench.sh(script).stdout();
        for (name, sizes) in ["said4", "said6"].iter().zip(&expected) {
            let said = std::fs::read_to_string(bench.path(name)).unwrap();
            assert!(!said.contains("wrong data"), "{options:?}: {said}");
            let came = said
                .lines()
                .filter_map(|line| line.split_once(" bytes from "));
            let mut came: Vec<usize> = came.map(|(len, _)| len.parse().unwrap()).collect();
            came.sort_unstable();
            let sent: Vec<_> = sizes.iter().map(|size| size + 8).collect();
            assert_eq!(came, sent, "{options:?}");
        }
    }
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

/// What the cache of neighbours holds at most, of them unresolved: `outcrop_ethernet::Limits`.
fn limits() -> [usize; 2] {
    let limits = outcrop_ethernet::Limits::default();
    [limits.entries, limits.unresolved]
}

#[test]
fn floods_of_arp_and_discovery_fill_no_more_than_the_cache_and_everybody_else_is_answered() {
    let bench = Bench::new().file("page", "here\n").options(&[
        "--tap",
        "--addr",
        "10.77.0.2/16",
        "--mac",
        "02:00:00:00:77:02",
        "--stats",
    ]);
    let script = format!(
        "{MEMORY}OUTCROP={}
        answered() {{
            arping -q -c1 -w60 -I outcrop0 10.77.0.2; ndisc6 -q -1 -w 5000 fd77::2 outcrop0
            ping -c1 -W60 -q 10.77.0.2 >/dev/null; ping -6 -c1 -W60 -q fd77::2 >/dev/null; curl -fsS http://10.77.0.2/page
        }}
        answered; memory
        python3 {} outcrop0 02:00:00:00:77:02 3000 >flood & flood=$!
        while kill -0 $flood 2>/dev/null; do answered; done
        wait $flood; memory
        $OUTCROP neigh --json >neighbors; cat neighbors; echo
        answered; memory",
        outcrop().display(),
        peer("neighbor_flood.py")
    );
    let outcome = bench.sh(&script);
    let said = outcome.stdout();
    assert_bounded(&said);
    // An answer nobody asked for is told from the one that was waited for.
    let unasked = "dropped: icmp:unrelated";
    assert!(outcome.stderr().contains(unasked), "{}", outcome.report());
    let table = said.lines().find(|line| line.starts_with('[')).unwrap();
    let table: Value = serde_json::from_str(table).unwrap();
    let states = table.as_array().unwrap().iter().map(|row| &row["state"][0]);
    let states: Vec<_> = states.collect();
    let unresolved = states.iter().filter(|state| **state == "INCOMPLETE");
    let [entries, most] = limits();
    assert!(states.len() <= entries, "{}", states.len());
    assert!((1..=most).contains(&unresolved.count()), "{states:?}");
    // Nobody is taken for granted by an answer that was not asked for (RFC 4861 7.2.5).
    let told = |row: &&Value| {
        let dst = row["dst"].as_str().unwrap();
        dst.starts_with("fd77::8:")
    };
    assert_eq!(table.as_array().unwrap().iter().filter(told).count(), 0);
    let answers = tshark(
        &bench.capture(),
        "frame.comment contains \"why=arp-reply\"",
        &["eth.dst"],
    );
    // On a busy machine the kernel's queue is full before we read it; what reached us was answered.
    assert!(answers.len() > 500, "{}", answers.len());
}
