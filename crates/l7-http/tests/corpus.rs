//! The corpus of `fixtures/http`: every case has the verdict written beside it, for every cut of its bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::play;
use outcrop_http::h1::ServerConfig;

struct Case {
    verdict: String,
    name: String,
    bytes: Vec<u8>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(core::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape {other}"),
        });
    }
    bytes
}

fn cases() -> Vec<Case> {
    let text = include_str!("../../../fixtures/http/requests.tsv");
    text.lines()
        .map(|line| {
            let [verdict, section, name, bytes] =
                line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert!(
                section.starts_with("RFC 9") || section == "D-60",
                "{section}"
            );
            Case {
                verdict: verdict.to_owned(),
                name: name.to_owned(),
                bytes: unescape(bytes),
            }
        })
        .collect()
}

fn verdict(pieces: &[&[u8]]) -> String {
    let outcome = play(&ServerConfig::default(), pieces);
    match outcome.reject {
        None => format!("accept {}", outcome.requests.len()),
        Some(reject) => {
            assert_eq!(outcome.last_status(), Some(reject.status().as_u16()));
            format!("refuse {}", reject.status().as_u16())
        }
    }
}

#[test]
fn corpus_is_large_and_its_names_are_different() {
    let cases = cases();
    let refused = cases
        .iter()
        .filter(|case| case.verdict.starts_with("refuse"))
        .count();
    assert!(
        cases.len() >= 400 && refused >= 200,
        "{} of {}",
        refused,
        cases.len()
    );
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len());
}

#[test]
fn every_case_has_its_verdict_however_its_bytes_are_cut() {
    let mut wrong = Vec::new();
    for case in cases() {
        let whole = verdict(&[&case.bytes]);
        if whole != case.verdict {
            wrong.push(format!("{}: {} but {whole}", case.name, case.verdict));
            continue;
        }
        for cut in 1..case.bytes.len() {
            let (a, b) = case.bytes.split_at(cut);
            assert_eq!(verdict(&[a, b]), whole, "{}, cut at {cut}", case.name);
        }
        let single: Vec<&[u8]> = case.bytes.chunks(1).collect();
        assert_eq!(verdict(&single), whole, "{}, byte by byte", case.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
