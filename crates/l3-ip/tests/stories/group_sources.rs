//! Groups heard from some sources and not from others: IGMPv3 and MLDv2 as a host speaks them.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use outcrop_base::{DropReason, Instant};
use outcrop_ip::{
    Delivery, Endpoint, GroupError, MAX_MERGED, MAX_SOURCES, PacketIn, Rule, SourceFilter,
};

use crate::groups::{QUERIER, host, host_of, igmp, ip, mld_to, read, seconds, sent, until};
use crate::host::{IFACE, build, packet, reason, verdict};

const GROUP: &str = "232.1.2.3";
const GROUP_6: &str = "ff35::9";
/// The numbers of RFC 3376 4.2.12 and RFC 3810 5.2.12.
const IS_IN: u8 = 1;
const IS_EX: u8 = 2;
const TO_IN: u8 = 3;
const TO_EX: u8 = 4;
const ALLOW: u8 = 5;
const BLOCK: u8 = 6;

type Told = Vec<(u8, Vec<IpAddr>)>;
/// A record: its number, and its sources by theirs.
type Short<'a> = (u8, &'a [u8]);

/// The n-th source of a group's family.
fn source(group: &str, n: u8) -> IpAddr {
    if ip(group).is_ipv4() {
        IpAddr::from([10, 9, 0, n])
    } else {
        IpAddr::from([0xfd99, 0, 0, 0, 0, 0, 0, u16::from(n)])
    }
}

fn sources<C: FromIterator<IpAddr>>(group: &str, numbers: &[u8]) -> C {
    numbers.iter().map(|n| source(group, *n)).collect()
}

fn include(group: &str, numbers: &[u8]) -> SourceFilter {
    SourceFilter::Include(sources::<BTreeSet<_>>(group, numbers))
}

fn exclude(group: &str, numbers: &[u8]) -> SourceFilter {
    SourceFilter::Exclude(sources::<BTreeSet<_>>(group, numbers))
}

fn listen(host: &mut Endpoint, group: &str, filter: SourceFilter) {
    host.listen(IFACE, ip(group), filter).unwrap();
}

/// The records of a report by the layouts of the RFCs: kind and sources; all are about `group`.
fn told(group: &str, message: &[u8]) -> Told {
    let (kind, width) = if ip(group).is_ipv4() {
        (0x22, 4)
    } else {
        (143, 16)
    };
    assert_eq!(message[0], kind);
    let address = |bytes: &[u8]| match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).unwrap()),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()),
    };
    let mut records = Vec::new();
    let mut rest = &message[8..];
    while let [kind, 0, high, low, after @ ..] = rest {
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        assert_eq!(address(&after[..width]), ip(group));
        let (list, further) = after[width..].split_at(count * width);
        records.push((*kind, list.chunks(width).map(address).collect()));
        rest = further;
    }
    assert!(rest.is_empty());
    assert_eq!(usize::from(message[7]), records.len());
    records
}

/// What is told at once.
fn told_now(host: &mut Endpoint, group: &str, at: u64) -> Vec<Told> {
    let reports = sent(host, seconds(at));
    reports.iter().map(|t| told(group, &read(t).1)).collect()
}

/// What is told up to `end`, in order.
fn told_until(host: &mut Endpoint, group: &str, end: u64) -> Vec<(Instant, Told)> {
    let all = until(host, seconds(end));
    all.iter()
        .map(|(at, t)| (*at, told(group, &read(t).1)))
        .collect()
}

/// A host in a state that everybody knows of.
fn settled(group: &str, filter: SourceFilter) -> Endpoint {
    let mut host = host();
    listen(&mut host, group, filter);
    let _ = sent(&mut host, seconds(1));
    let _ = until(&mut host, seconds(10));
    host
}

/// A question of the newest version at `at`, to be answered within ten seconds: about `group`, and these sources of it.
fn ask(host: &mut Endpoint, at: u64, group: &str, numbers: &[u8]) {
    let mut query = question(group, 100, 2);
    let count = query.len() - 1;
    query[count] = u8::try_from(numbers.len()).unwrap();
    for n in numbers {
        match source(group, *n) {
            IpAddr::V4(one) => query.extend(one.octets()),
            IpAddr::V6(one) => query.extend(one.octets()),
        }
    }
    hear(host, seconds(at), group, query);
}

/// Its bytes without sources: `tenths` of a second to answer, and the querier's robustness.
fn question(group: &str, tenths: u8, robustness: u8) -> Vec<u8> {
    match ip(group) {
        IpAddr::V4(group) => {
            let head = vec![0x11, tenths, 0, 0];
            [head, group.octets().to_vec(), vec![robustness, 125, 0, 0]].concat()
        }
        IpAddr::V6(group) => {
            let millis = (u16::from(tenths) * 100).to_be_bytes();
            let head = vec![130, 0, 0, 0, millis[0], millis[1], 0, 0];
            [head, group.octets().to_vec(), vec![robustness, 125, 0, 0]].concat()
        }
    }
}

fn hear(host: &mut Endpoint, at: Instant, group: &str, query: Vec<u8>) {
    // About one group, it is sent to that group: what its members filter is no matter here.
    let everybody = |all| {
        if query[4..].starts_with(&[0; 4]) {
            all
        } else {
            group
        }
    };
    let asked = if ip(group).is_ipv4() {
        igmp(1, QUERIER, everybody("224.0.0.1"), query)
    } else {
        mld_to("fe80::1", group, 1, &query)
    };
    let taken = host.handle_packet(PacketIn { at, ..asked });
    assert_eq!(verdict(&taken).rule, Rule::GroupQuery.as_ref());
    assert_eq!(reason(&taken), None);
}

#[test]
fn each_change_of_state_is_told_as_the_rfcs_table_says() {
    // RFC 3376 5.1, RFC 3810 6.1: old state, new state, the records of the report.
    for group in [GROUP, GROUP_6] {
        let (inc, exc) = (|n: &[u8]| include(group, n), |n: &[u8]| exclude(group, n));
        let table: [(_, _, &[Short<'_>]); 8] = [
            (inc(&[]), inc(&[1, 2]), &[(ALLOW, &[1, 2])]),
            (inc(&[1, 2]), inc(&[2, 3]), &[(ALLOW, &[3]), (BLOCK, &[1])]),
            (inc(&[1]), inc(&[]), &[(BLOCK, &[1])]),
            (exc(&[1, 2]), exc(&[2, 3]), &[(ALLOW, &[1]), (BLOCK, &[3])]),
            (inc(&[1]), exc(&[2]), &[(TO_EX, &[2])]),
            (inc(&[]), exc(&[]), &[(TO_EX, &[])]),
            (exc(&[1]), inc(&[2, 3]), &[(TO_IN, &[2, 3])]),
            (exc(&[1]), inc(&[]), &[(TO_IN, &[])]),
        ];
        for (old, new, records) in table {
            let mut host = settled(group, old.clone());
            listen(&mut host, group, new.clone());
            let records = records.iter();
            let expected: Told = records
                .map(|(kind, n)| (*kind, sources(group, n)))
                .collect();
            let first = told_now(&mut host, group, 20);
            assert_eq!(first, core::slice::from_ref(&expected), "{old:?} to {new:?}");
            let again = told_until(&mut host, group, 100);
            let [(at, again)] = &again[..] else {
                panic!("{again:?}")
            };
            assert_eq!(*again, expected);
            assert!(*at <= seconds(21), "RFC 3376 8.11");
        }
    }
}

#[test]
fn the_same_state_again_is_no_change() {
    let mut host = settled(GROUP, include(GROUP, &[1]));
    listen(&mut host, GROUP, include(GROUP, &[1]));
    assert!(sent(&mut host, seconds(20)).is_empty());
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn further_change_is_told_at_once_with_what_is_still_to_be_said_of_the_first() {
    // RFC 3376 5.1: each source twice, the merged report is the first of two.
    let mut host = host();
    listen(&mut host, GROUP, include(GROUP, &[1]));
    assert_eq!(
        told_now(&mut host, GROUP, 1),
        [[(ALLOW, sources(GROUP, &[1]))]]
    );
    listen(&mut host, GROUP, include(GROUP, &[1, 2]));
    assert_eq!(
        told_now(&mut host, GROUP, 1),
        [[(ALLOW, sources(GROUP, &[1, 2]))]]
    );
    let rest = told_until(&mut host, GROUP, 100);
    let [(_, last)] = &rest[..] else {
        panic!("{rest:?}")
    };
    assert_eq!(*last, [(ALLOW, sources(GROUP, &[2]))]);
}

#[test]
fn source_taken_back_before_it_was_told_twice_is_blocked() {
    // The table of records looks at the state at the time of each report.
    let mut host = host();
    listen(&mut host, GROUP, include(GROUP, &[1, 2]));
    let _ = sent(&mut host, seconds(1));
    listen(&mut host, GROUP, include(GROUP, &[2]));
    let both = vec![(ALLOW, sources(GROUP, &[2])), (BLOCK, sources(GROUP, &[1]))];
    assert_eq!(told_now(&mut host, GROUP, 1), [both]);
    let rest = told_until(&mut host, GROUP, 100);
    let [(_, last)] = &rest[..] else {
        panic!("{rest:?}")
    };
    assert_eq!(*last, [(BLOCK, sources(GROUP, &[1]))]);
}

#[test]
fn change_of_mode_is_told_twice_before_sources_are_named_again() {
    let mut host = host();
    listen(&mut host, GROUP, exclude(GROUP, &[]));
    assert_eq!(told_now(&mut host, GROUP, 1), [[(TO_EX, vec![])]]);
    listen(&mut host, GROUP, exclude(GROUP, &[1]));
    assert_eq!(
        told_now(&mut host, GROUP, 1),
        [[(TO_EX, sources(GROUP, &[1]))]]
    );
    let rest = told_until(&mut host, GROUP, 100);
    let [(_, last)] = &rest[..] else {
        panic!("{rest:?}")
    };
    assert_eq!(*last, [(BLOCK, sources(GROUP, &[1]))]);
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn each_question_is_answered_as_the_rfcs_table_says() {
    // RFC 3376 5.2, RFC 3810 6.3: state, sources asked about (none: the group), the record.
    for group in [GROUP, GROUP_6] {
        let (inc, exc) = (|n: &[u8]| include(group, n), |n: &[u8]| exclude(group, n));
        let table: [(_, &[u8], Option<Short<'_>>); 6] = [
            (inc(&[1, 2]), &[], Some((IS_IN, &[1, 2]))),
            (exc(&[1, 2]), &[], Some((IS_EX, &[1, 2]))),
            (inc(&[1, 2]), &[2, 3], Some((IS_IN, &[2]))),
            (exc(&[1, 2]), &[2, 3], Some((IS_IN, &[3]))),
            (inc(&[1, 2]), &[3], None),
            (exc(&[1, 2]), &[1], None),
        ];
        for (state, asked, answer) in table {
            let mut host = settled(group, state.clone());
            ask(&mut host, 20, group, asked);
            let answers = told_until(&mut host, group, 100);
            let expected = answer.map(|(kind, n)| vec![(kind, sources(group, n))]);
            let said: Vec<_> = answers.iter().map(|(_, told)| told.clone()).collect();
            assert_eq!(said, Vec::from_iter(expected), "{state:?} asked {asked:?}");
            assert!(
                answers
                    .iter()
                    .all(|(at, _)| *at > seconds(20) && *at <= seconds(30))
            );
        }
    }
}

#[test]
fn questions_about_sources_that_come_while_an_answer_waits_are_answered_in_one() {
    let state = || exclude(GROUP, &[9]);
    // Two of them: both lists, by the time of the first.
    let mut host = settled(GROUP, state());
    ask(&mut host, 20, GROUP, &[1]);
    let first = host.poll_timeout().unwrap();
    ask(&mut host, 20, GROUP, &[2]);
    let answers = told_until(&mut host, GROUP, 100);
    let [(at, answer)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(*answer, [(IS_IN, sources(GROUP, &[1, 2]))]);
    assert!(*at <= first, "the earlier of both times");
    // The group itself, before or after: all is told.
    for questions in [[&[1][..], &[]], [&[], &[1]]] {
        let mut host = settled(GROUP, state());
        for asked in questions {
            ask(&mut host, 20, GROUP, asked);
        }
        let answers = told_until(&mut host, GROUP, 100);
        let [(_, answer)] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(*answer, [(IS_EX, sources(GROUP, &[9]))]);
    }
}

#[test]
fn question_about_more_sources_than_are_remembered_is_one_about_the_group() {
    let mut host = settled(GROUP, exclude(GROUP, &[9]));
    for high in 0..3u8 {
        let mut query = question(GROUP, 100, 2);
        query[11] = 100;
        for low in 0..100 {
            query.extend([10, 8, high, low]);
        }
        hear(&mut host, seconds(20), GROUP, query);
    }
    let answers = told_until(&mut host, GROUP, 100);
    let [(_, answer)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(*answer, [(IS_EX, sources(GROUP, &[9]))]);
}

#[test]
fn answer_about_everything_that_comes_sooner_spares_one_about_a_group() {
    // A tenth of a second against ten: RFC 3376 5.2, step 1.
    for seed in 0..20 {
        let mut host = host_of(seed);
        listen(&mut host, GROUP, include(GROUP, &[1]));
        let _ = sent(&mut host, seconds(1));
        let _ = until(&mut host, seconds(10));
        let general = question("0.0.0.0", 1, 2);
        hear(&mut host, seconds(20), GROUP, general);
        ask(&mut host, 20, GROUP, &[1]);
        let answers = told_until(&mut host, GROUP, 100);
        assert_eq!(answers.len(), 1, "seed {seed}");
    }
}

#[test]
fn querier_that_says_how_often_is_obeyed() {
    // RFC 3376 4.1.6: robustness 3, and 0, which says nothing.
    for (said, times) in [(3, 3), (0, 2)] {
        let mut host = settled(GROUP, include(GROUP, &[1]));
        hear(&mut host, seconds(20), GROUP, question("0.0.0.0", 1, said));
        let _ = until(&mut host, seconds(30));
        listen(&mut host, GROUP, include(GROUP, &[1, 2]));
        let first = told_now(&mut host, GROUP, 40).len();
        assert_eq!(first + told_until(&mut host, GROUP, 100).len(), times);
    }
}

#[test]
fn old_querier_hears_of_groups_and_never_of_sources() {
    let mut host = settled(GROUP, include(GROUP, &[1]));
    hear(
        &mut host,
        seconds(20),
        GROUP,
        vec![0x11, 100, 0, 0, 0, 0, 0, 0],
    );
    let answers = until(&mut host, seconds(40));
    let [(_, answer)] = &answers[..] else {
        panic!("{answers:?}")
    };
    let (dst, message) = read(answer);
    assert_eq!((dst, message[0], message.len()), (ip(GROUP), 0x16, 8));
    // Another source, or everybody: the group was and is listened to.
    listen(&mut host, GROUP, include(GROUP, &[1, 2]));
    listen(&mut host, GROUP, exclude(GROUP, &[]));
    assert!(sent(&mut host, seconds(50)).is_empty());
    assert!(until(&mut host, seconds(90)).is_empty());
    // RFC 2236 3: a departure, to all routers.
    listen(&mut host, GROUP, SourceFilter::NOBODY);
    let left = sent(&mut host, seconds(100));
    let (dst, message) = read(&left[0]);
    assert_eq!((left.len(), dst, message[0]), (1, ip("224.0.0.2"), 0x17));
}

#[test]
fn querier_of_the_first_version_counts_although_the_second_asks_as_well() {
    // RFC 3376 7.2.1: each has a timer of its own. At 20 s the first asks, at 200 s the second.
    let mut host = settled(GROUP, exclude(GROUP, &[]));
    let general = |code| vec![0x11, code, 0, 0, 0, 0, 0, 0];
    let mut kind = |at: u64, code| {
        hear(&mut host, seconds(at), GROUP, general(code));
        let answers = until(&mut host, seconds(at + 20));
        assert_eq!(answers.len(), 1);
        read(&answers[0].1).1[0]
    };
    assert_eq!(kind(20, 0), 0x12);
    assert_eq!(kind(200, 100), 0x12, "still the first");
    // Twice 125 seconds and ten after 20 s.
    assert_eq!(kind(281, 100), 0x16);
}

#[test]
fn old_question_about_one_group_does_not_change_the_words_in_ipv4_and_does_in_ipv6() {
    // RFC 3376 7.2.1: the timer is set by a general query; RFC 3810 8.2.1: by any.
    let v4 = vec![0x11, 100, 0, 0, 232, 1, 2, 3];
    let v6 = question(GROUP_6, 100, 2)[..24].to_vec();
    for (group, query, kind) in [(GROUP, v4, 0x22), (GROUP_6, v6, 131)] {
        let mut host = settled(group, exclude(group, &[]));
        hear(&mut host, seconds(20), group, query);
        let answers = until(&mut host, seconds(40));
        let [(_, answer)] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(read(answer).1[0], kind);
    }
}

#[test]
fn what_was_to_be_told_in_new_words_is_forgotten_when_an_old_querier_appears() {
    let mut host = host();
    listen(&mut host, GROUP, include(GROUP, &[1]));
    let _ = sent(&mut host, seconds(1));
    // Its second telling and an answer wait; RFC 3376 7.2.1 cancels both.
    let now = seconds(1);
    ask(&mut host, 1, GROUP, &[1]);
    hear(&mut host, now, GROUP, vec![0x11, 100, 0, 0, 0, 0, 0, 0]);
    let answers = until(&mut host, seconds(60));
    let kinds: Vec<_> = answers
        .iter()
        .map(|(_, answer)| read(answer).1[0])
        .collect();
    assert_eq!(kinds, [0x16]);
}

#[test]
fn running_timer_of_an_old_querier_is_set_anew_only_if_it_would_run_too_long() {
    // RFC 2236 3: a second question leaves a timer that runs out in time.
    let mut host = settled(GROUP, exclude(GROUP, &[]));
    hear(
        &mut host,
        seconds(20),
        GROUP,
        vec![0x11, 100, 0, 0, 0, 0, 0, 0],
    );
    let first = host.poll_timeout().unwrap();
    hear(
        &mut host,
        seconds(20),
        GROUP,
        vec![0x11, 100, 0, 0, 0, 0, 0, 0],
    );
    assert_eq!(host.poll_timeout(), Some(first));
    hear(
        &mut host,
        seconds(20),
        GROUP,
        vec![0x11, 1, 0, 0, 0, 0, 0, 0],
    );
    let soon = host.poll_timeout().unwrap();
    assert!(soon <= seconds(20) + Duration::from_millis(100) && soon != first);
}

#[test]
fn packet_to_a_group_is_heard_only_from_a_source_that_is_listened_to() {
    let mut host = host();
    let datagram = |host: &mut Endpoint, last| {
        let to = etherparse::PacketBuilder::ipv4([10, 9, 0, last], [232, 1, 2, 3], 9).udp(9, 9);
        let bytes = build(|out| to.write(out, b"all").unwrap());
        host.handle_packet(packet(3, bytes))
    };
    for (filter, heard, unheard) in [
        (include(GROUP, &[1, 2]), 2, 3),
        (exclude(GROUP, &[1, 2]), 3, 2),
    ] {
        listen(&mut host, GROUP, filter);
        assert!(matches!(datagram(&mut host, heard), Delivery::Up(_)));
        let dropped = datagram(&mut host, unheard);
        assert_eq!(verdict(&dropped).rule, Rule::GroupSource.as_ref());
        assert_eq!(reason(&dropped), Some(DropReason::IpSourceFiltered));
        // The host itself hears everybody, and so do they all.
        host.join_group(IFACE, ip(GROUP)).unwrap();
        assert!(matches!(datagram(&mut host, unheard), Delivery::Up(_)));
        host.leave_group(IFACE, ip(GROUP)).unwrap();
    }
}

#[test]
fn sources_of_one_group_are_bounded_and_told_in_packets_that_fit() {
    let mut host = host();
    let many = |count: usize| {
        let all = (0..count).map(|n| {
            IpAddr::from([
                10,
                7,
                u8::try_from(n / 256).unwrap(),
                u8::try_from(n % 256).unwrap(),
            ])
        });
        SourceFilter::Include(all.collect())
    };
    const { assert!(MAX_MERGED >= MAX_SOURCES) };
    let more = host.listen(IFACE, ip(GROUP), many(MAX_MERGED + 1));
    assert_eq!(more, Err(GroupError::TooManySources));
    assert!(sent(&mut host, seconds(1)).is_empty());
    host.listen(IFACE, ip(GROUP), many(MAX_MERGED)).unwrap();
    let reports = sent(&mut host, seconds(1));
    assert!(reports.iter().all(|report| report.bytes.len() <= 576));
    let told = reports
        .iter()
        .flat_map(|report| told(GROUP, &read(report).1));
    let named: usize = told
        .map(|(kind, sources)| usize::from(kind == ALLOW) * sources.len())
        .sum();
    assert_eq!(named, MAX_MERGED);
}

#[test]
fn messages_of_a_kind_no_host_speaks_are_ignored() {
    let mut host = settled(GROUP, exclude(GROUP, &[]));
    for kind in [0x13, 0x22, 0x17, 0xff] {
        let message = igmp(1, QUERIER, "224.0.0.1", vec![kind, 0, 0, 0, 0, 0, 0, 0]);
        let ignored = host.handle_packet(message);
        assert_eq!(reason(&ignored), Some(DropReason::IcmpUnknownType));
    }
    assert_eq!(host.poll_timeout(), None);
}

#[test]
fn a_node_without_an_address_of_the_link_reports_as_nobody() {
    // RFC 3810 5.2.13: it is told all the same, so that switches let the group through.
    let mut host = crate::host::host();
    host.join_group(IFACE, ip("ff05::9")).unwrap();
    let report = &sent(&mut host, seconds(1))[0];
    assert_eq!(report.bytes[8..24], [0; 16]);
}

#[test]
fn groups_that_never_leave_a_node_are_not_told_of() {
    let mut host = host();
    for group in ["ff01::1234", "ff02::1", "ff11::9"] {
        host.join_group(IFACE, ip(group)).unwrap();
    }
    assert!(sent(&mut host, seconds(1)).is_empty());
    host.join_group(IFACE, ip("ff02::1234")).unwrap();
    assert_eq!(sent(&mut host, seconds(1)).len(), 1);
}

#[test]
fn question_of_a_switch_without_an_address_is_answered_and_nothing_else_of_nobody_is_heard() {
    // RFC 4541 2.1.1: its source is 0.0.0.0, which no router's is.
    let mut host = settled(GROUP, exclude(GROUP, &[]));
    let query = igmp(1, "0.0.0.0", "224.0.0.1", question("0.0.0.0", 1, 2));
    let at = seconds(20);
    let heard = host.handle_packet(PacketIn { at, ..query });
    assert_eq!(verdict(&heard).rule, Rule::GroupQuery.as_ref());
    assert_eq!(told_until(&mut host, GROUP, 40).len(), 1);
    let to = etherparse::PacketBuilder::ipv4([0; 4], [232, 1, 2, 3], 9).udp(9, 9);
    let datagram = packet(3, build(|out| to.write(out, b"who?").unwrap()));
    let refused = host.handle_packet(datagram);
    assert_eq!(reason(&refused), Some(DropReason::IpBadSource));
}
