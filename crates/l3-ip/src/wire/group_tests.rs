//! Messages about groups, against the layouts of the RFCs.

use super::*;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn asked(mut bytes: Vec<u8>) -> Query {
    seal(ip("10.0.0.1"), ip("224.0.0.1"), &mut bytes);
    match parse(ip("224.0.0.1"), &bytes) {
        Ok(Message::Query(query)) => query,
        other => panic!("{other:?}"),
    }
}

#[test]
fn version_of_a_query_is_told_by_its_length_and_its_code() {
    // RFC 3376 7.1, RFC 2236 2.2 (tenths of a second), RFC 2236 4 (ten seconds for a router of version 1).
    let seconds = Duration::from_secs;
    let table = [
        (vec![0x11, 0, 0, 0, 0, 0, 0, 0], Version::First, seconds(10)),
        (
            vec![0x11, 50, 0, 0, 0, 0, 0, 0],
            Version::Second,
            seconds(5),
        ),
        (
            vec![0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0],
            Version::Third,
            seconds(10),
        ),
    ];
    for (bytes, version, within) in table {
        let query = asked(bytes);
        assert_eq!((query.group, query.version), (None, version));
        assert_eq!(query.within, within);
    }
    let about = asked(vec![0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 0]);
    let expected = Query {
        group: Some(ip("239.1.2.3")),
        sources: Vec::new(),
        within: seconds(1),
        version: Version::Third,
        robustness: NonZeroU8::new(2),
        interval: Some(seconds(125)),
    };
    assert_eq!(about, expected);
}

#[test]
fn sources_asked_about_are_read_as_far_as_they_are_there() {
    // RFC 3376 4.1: S and robustness 7, interval 0x80 (16 << 3 seconds), two sources; 4.1.10: what follows is ignored.
    let mut bytes = vec![0x11, 10, 0, 0, 232, 1, 2, 3, 0x0f, 0x80, 0, 2];
    bytes.extend([10, 0, 0, 1, 10, 0, 0, 2, 9, 9, 9, 9]);
    let query = asked(bytes.clone());
    assert_eq!(query.sources, [ip("10.0.0.1"), ip("10.0.0.2")]);
    assert_eq!(query.robustness, NonZeroU8::new(7));
    assert_eq!(query.interval, Some(Duration::from_secs(128)));
    // Three are stated, and then two are there.
    bytes.truncate(20);
    bytes[11] = 3;
    seal(ip("10.0.0.1"), ip("224.0.0.1"), &mut bytes);
    assert_eq!(
        parse(ip("224.0.0.1"), &bytes),
        Err(DropReason::IcmpTruncated)
    );
    // RFC 3810 5.1: the same of MLD.
    let mut bytes = vec![130, 0, 0, 0, 0, 100, 0, 0];
    bytes.extend([0xff, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    bytes.extend([2, 125, 0, 1]);
    let short = parse(ip("ff35::9"), &bytes);
    assert_eq!(short, Err(DropReason::IcmpTruncated));
    bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    let Ok(Message::Query(query)) = parse(ip("ff35::9"), &bytes) else {
        panic!()
    };
    assert_eq!(query.sources, [ip("fd00::7")]);
    assert_eq!(query.within, Duration::from_millis(100));
}

#[test]
fn records_too_long_for_one_report_are_dealt_out_or_cut_short() {
    // RFC 3376 4.2.16.
    let sources: Vec<_> = (0..=255).map(|n| IpAddr::from([10, 0, 0, n])).collect();
    let of = |kind| Record {
        kind,
        group: ip("232.1.2.3"),
        sources: sources.clone(),
    };
    let reports = pack(true, vec![of(Kind::Allow)]);
    let told = reports.iter().flatten().flat_map(|record| &record.sources);
    assert!(told.eq(&sources), "every source once");
    assert!(reports.len() > 1);
    let lens = |reports: &[Vec<Record>]| -> Vec<usize> {
        let each = reports.iter();
        each.map(|records| report(ip("10.0.0.9"), records).1.len())
            .collect()
    };
    assert!(
        lens(&reports).iter().all(|len| *len <= 576 - 24),
        "{reports:?}"
    );
    let short = pack(true, vec![of(Kind::ToExclude)]);
    assert_eq!(short.len(), 1);
    assert_eq!(lens(&short), [576 - 24]);
    // The fields in their order: kind, no auxiliary data, number of sources, group, sources.
    let (dst, message) = report(
        ip("10.0.0.9"),
        &pack(
            true,
            vec![Record {
                sources: sources[1..3].to_vec(),
                ..of(Kind::Block)
            }],
        )[0],
    );
    assert_eq!(dst, ip("224.0.0.22"));
    assert_eq!(
        message[8..],
        [6, 0, 0, 2, 232, 1, 2, 3, 10, 0, 0, 1, 10, 0, 0, 2]
    );
}

#[test]
fn long_response_times_have_an_exponent() {
    // RFC 3376 4.1.1: 0x80 is 16 << 3; RFC 3810 5.1.3: 0x8000 is 4096 << 3.
    assert_eq!(spread(127, 4), 127);
    assert_eq!(spread(0x80, 4), 16 << 3);
    assert_eq!(spread(0xff, 4), 31 << 10);
    assert_eq!(spread(0x7fff, 12), 0x7fff);
    assert_eq!(spread(0x8000, 12), 4096 << 3);
    assert_eq!(spread(0xffff, 12), 8191 << 10);
}

#[test]
fn damaged_and_short_messages_are_refused() {
    let dst = ip("224.0.0.1");
    assert_eq!(parse(dst, &[0x11; 7]), Err(DropReason::IcmpTruncated));
    let bad = [0x11, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(parse(dst, &bad), Err(DropReason::IcmpBadChecksum));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse(ip("ff02::1"), &bytes);
        let mut sealed = bytes;
        seal(ip("10.0.0.1"), ip("224.0.0.1"), &mut sealed);
        let _ = parse(ip("224.0.0.1"), &sealed);
    }
}

#[test]
fn version_and_time_of_mld_are_told_by_length_and_code() {
    // RFC 3810 8.1 and 5.1.3: 24 bytes are version 1, 28 and more version 2; between them is nothing.
    let query = |len: usize| {
        let mut bytes = vec![130, 0, 0, 0, 0x80, 0x00, 0, 0];
        bytes.resize(len, 0);
        parse(ip("ff02::1"), &bytes)
    };
    for (len, version, millis) in [
        (24, Version::Second, 0x8000),
        (28, Version::Third, 4096 << 3),
    ] {
        let Ok(Message::Query(query)) = query(len) else {
            panic!()
        };
        assert_eq!(
            (query.version, query.within),
            (version, Duration::from_millis(millis))
        );
    }
    for len in 25..28 {
        assert_eq!(query(len), Err(DropReason::IcmpTruncated));
    }
}
