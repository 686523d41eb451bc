//! Ranges as numbers; everything else is tested through requests, in `tests/files.rs`.

use super::range::Ranges;

#[test]
fn ranges_of_ten_bytes_read_as_in_the_rfc() {
    // RFC 9110 section 14.1.2 and 14.2.
    let these = |spans: &[(u64, u64)]| Ranges::These(spans.to_vec());
    let table: &[(&str, Ranges)] = &[
        ("bytes=0-4", these(&[(0, 4)])),
        ("bytes=0-0", these(&[(0, 0)])),
        ("bytes=5-", these(&[(5, 9)])),
        ("bytes=-3", these(&[(7, 9)])),
        ("bytes=-30", these(&[(0, 9)])),
        ("bytes=8-20", these(&[(8, 9)])),
        ("bytes=0-1, 4-5", these(&[(0, 1), (4, 5)])),
        ("bytes=7-8,0-1", these(&[(7, 8), (0, 1)])),
        ("bytes=0-1,50-60", these(&[(0, 1)])),
        ("BYTES=0-1", these(&[(0, 1)])),
        ("bytes=0-99999999999999999999999", these(&[(0, 9)])),
        ("bytes=10-", Ranges::Impossible),
        ("bytes=10-12,20-", Ranges::Impossible),
        ("bytes=-0", Ranges::Impossible),
        ("bytes=99999999999999999999999-", Ranges::Impossible),
        ("bytes=4-2", Ranges::Ignored),
        ("bytes=", Ranges::Ignored),
        ("bytes=,", Ranges::Ignored),
        ("bytes=a-b", Ranges::Ignored),
        ("bytes=1", Ranges::Ignored),
        ("bytes=+1-2", Ranges::Ignored),
        ("items=0-1", Ranges::Ignored),
        ("bytes 0-1", Ranges::Ignored),
        ("bytes=0-5,5-9", Ranges::Ignored),
        ("bytes=0-,0-,0-", Ranges::Ignored),
    ];
    for (value, want) in table {
        assert_eq!(&Ranges::parse(value.as_bytes(), 10), want, "{value}");
    }
}

#[test]
fn no_range_of_an_empty_file_exists() {
    for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(
            Ranges::parse(value.as_bytes(), 0),
            Ranges::Impossible,
            "{value}"
        );
    }
}

#[test]
fn seventeen_ranges_are_answered_with_the_whole() {
    let many: Vec<_> = (0..17).map(|n| format!("{0}-{0}", n * 2)).collect();
    let value = format!("bytes={}", many.join(","));
    assert_eq!(Ranges::parse(value.as_bytes(), 100), Ranges::Ignored);
}
