//! Filters of sources: the examples and tables of RFC 3376 3.2, and the calls of RFC 3678.

use super::*;
use proptest::prelude::*;

const GROUP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(232, 1, 2, 3));

fn source(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

fn include(of: &[u8]) -> SourceFilter {
    SourceFilter::Include(of.iter().map(|n| source(*n)).collect())
}

fn exclude(of: &[u8]) -> SourceFilter {
    SourceFilter::Exclude(of.iter().map(|n| source(*n)).collect())
}

#[test]
fn listeners_come_to_what_the_examples_of_the_rfc_say() {
    // RFC 3376 3.2, letters as numbers: s1 to s3 exclude {a b c d}, {b c d e}, include {d e f}.
    let merged = |all: &[SourceFilter]| SourceFilter::merge(all.iter());
    let s1 = exclude(&[1, 2, 3, 4]);
    let s2 = exclude(&[2, 3, 4, 5]);
    let s3 = include(&[4, 5, 6]);
    assert_eq!(merged(&[s1, s2, s3]), exclude(&[2, 3]));
    // The second example: include {a b c}, {b c d}, {e f}.
    let all = [include(&[1, 2, 3]), include(&[2, 3, 4]), include(&[5, 6])];
    assert_eq!(merged(&all), include(&[1, 2, 3, 4, 5, 6]));
    assert_eq!(merged(&[]), SourceFilter::NOBODY);
}

#[test]
fn each_call_is_for_one_mode_and_says_what_is_wrong() {
    let nobody = SourceFilter::NOBODY;
    let one = Listening::JoinSource(source(1));
    let block = Listening::Block(source(1));
    let table = [
        (nobody.clone(), Listening::Join, Ok(exclude(&[]))),
        (exclude(&[1]), Listening::Join, Ok(exclude(&[1]))),
        (include(&[1]), Listening::Join, Err(GroupError::OtherMode)),
        (nobody.clone(), Listening::Leave, Err(GroupError::NotJoined)),
        (exclude(&[1]), Listening::Leave, Ok(nobody.clone())),
        (include(&[1]), Listening::Leave, Ok(nobody.clone())),
        (nobody.clone(), one.clone(), Ok(include(&[1]))),
        (include(&[1, 2]), one.clone(), Ok(include(&[1, 2]))),
        (exclude(&[]), one, Err(GroupError::OtherMode)),
        (
            include(&[1]),
            Listening::LeaveSource(source(1)),
            Ok(nobody.clone()),
        ),
        (
            include(&[1]),
            Listening::LeaveSource(source(2)),
            Err(GroupError::NotNamed),
        ),
        (exclude(&[2]), block.clone(), Ok(exclude(&[1, 2]))),
        (nobody, block.clone(), Err(GroupError::NotJoined)),
        (include(&[2]), block, Err(GroupError::OtherMode)),
        (
            exclude(&[1]),
            Listening::Unblock(source(1)),
            Ok(exclude(&[])),
        ),
        (
            exclude(&[]),
            Listening::Unblock(source(1)),
            Err(GroupError::NotNamed),
        ),
        (
            include(&[1]),
            Listening::Set(exclude(&[3])),
            Ok(exclude(&[3])),
        ),
    ];
    for (before, call, after) in table {
        assert_eq!(before.changed(GROUP, &call), after, "{before:?} {call:?}");
    }
}

#[test]
fn sources_are_bounded_and_must_be_hosts_of_the_groups_family() {
    for wrong in ["fd00::1", "239.1.1.1", "0.0.0.0", "255.255.255.255"] {
        let call = Listening::JoinSource(wrong.parse().unwrap());
        let said = SourceFilter::NOBODY.changed(GROUP, &call);
        assert_eq!(said, Err(GroupError::NotASource), "{wrong}");
    }
    let full: Vec<u8> = (0..64).collect();
    let full = include(&full);
    assert!(full.changed(GROUP, &Listening::Set(full.clone())).is_ok());
    let more = full.changed(GROUP, &Listening::JoinSource(source(64)));
    assert_eq!(more, Err(GroupError::TooManySources));
}

fn any_filter() -> impl Strategy<Value = SourceFilter> {
    let sources = prop::collection::btree_set((0u8..8).prop_map(source), 0..6);
    (any::<bool>(), sources).prop_map(|(include, sources)| {
        if include {
            SourceFilter::Include(sources)
        } else {
            SourceFilter::Exclude(sources)
        }
    })
}

proptest! {
    /// The reference: a source is heard by all together if one of them hears it.
    #[test]
    fn merged_filter_passes_what_any_listener_passes(all in prop::collection::vec(any_filter(), 0..6)) {
        let merged = SourceFilter::merge(all.iter());
        for n in 0..9 {
            let wanted = all.iter().any(|filter| filter.passes(source(n)));
            prop_assert_eq!(merged.passes(source(n)), wanted);
        }
    }
}
