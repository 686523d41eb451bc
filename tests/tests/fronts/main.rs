//! Behind a front: what nginx and haproxy forward, we frame alike or refuse; and how they, and h11, read our corpus.
//!
//! `UPDATE=1 cargo test -p outcrop-tests --test fronts` writes the book's table anew. No network: sockets are files.

mod back;
mod front;
mod pairs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;

use front::{Front, Kind, version};
use outcrop_tests::{corpus, matrix, tool};

const KINDS: [(Kind, &str); 3] = [
    (Kind::Nginx, "nginx"),
    (Kind::Haproxy, "haproxy"),
    (Kind::Lenient, "haproxy, accept-invalid-http-request"),
];

/// What a front made of one set of requests.
#[derive(Debug, Default)]
struct Report {
    /// Cases that came to us, those of them that we refused, and those the front refused.
    came: usize,
    ours: usize,
    theirs: usize,
    /// Misread: what came to us on one connection.
    misread: Vec<String>,
}

fn play(front: &Front, cases: &[Vec<u8>]) -> Report {
    let mut report = Report::default();
    for case in cases {
        let outcome = front.ask(case);
        report.came += usize::from(!outcome.seen.is_empty());
        report.ours += usize::from(outcome.seen.iter().any(|seen| seen.refused));
        report.theirs +=
            usize::from(outcome.refused.is_some() && !outcome.seen.iter().any(|seen| seen.refused));
        let odd = outcome.seen.iter().filter(|seen| !seen.is_one());
        report
            .misread
            .extend(odd.map(|seen| format!("{:?}", String::from_utf8_lossy(&seen.raw))));
        // It waits for us and we for it: we took the request to be longer than the front did.
        if outcome.refused == Some(504) {
            report
                .misread
                .push(format!("waited: {:?}", String::from_utf8_lossy(case)));
        }
    }
    report
}

#[test]
fn what_a_front_forwards_is_one_request_to_us_or_refused() {
    let cases = pairs::pairs();
    let play = |kind: Kind| play(&Front::start(kind), &cases);
    let reports: Vec<Report> = thread::scope(|scope| {
        let running = KINDS.map(|(kind, _)| scope.spawn(move || play(kind)));
        running.map(|one| one.join().expect("it is played")).into()
    });
    let mut table = String::from(
        "| front | ambiguous requests | it refused | came to us | we refused | read in two ways |\n|---|---|---|---|---|---|\n",
    );
    for ((_, name), report) in KINDS.iter().zip(&reports) {
        let Report {
            came,
            ours,
            theirs,
            misread,
        } = report;
        assert!(misread.is_empty(), "{name}: {misread:#?}");
        let _infallible = writeln!(
            table,
            "| {name} | {} | {theirs} | {came} | {ours} | 0 |",
            cases.len()
        );
    }
    book("interop-fronts.md", &table);
}

/// A table of what others do holds for their version: with another, only what concerns us is judged.
fn book(name: &str, table: &str) {
    let versions = format!("nginx {}, haproxy {}", version("nginx"), version("haproxy"));
    let written = std::fs::read_to_string(matrix::page(name)).unwrap_or_default();
    if std::env::var_os("UPDATE").is_none() && !written.contains(&versions) {
        println!("{name} is about other versions than {versions}: not compared");
        return;
    }
    matrix::book(name, &format!("{table}\n{versions}.\n"));
}

/// How somebody's verdict and the RFC's go together.
fn differs(verdict: &str, forwarded: usize, refused: bool) -> bool {
    match verdict.strip_prefix("accept ") {
        Some(count) => count != forwarded.to_string(),
        None => !refused,
    }
}

#[test]
fn others_read_the_corpus_as_the_book_says() {
    let cases = corpus::requests();
    let bytes: Vec<Vec<u8>> = cases.iter().map(|case| case.bytes.clone()).collect();
    let heard = |kind: Kind| -> Vec<(bool, bool)> {
        let front = Front::start(kind);
        let ask = |(case, bytes): (&corpus::Case, &Vec<u8>)| {
            let outcome = front.ask(bytes);
            let misread = outcome.seen.iter().find(|seen| !seen.is_one());
            assert!(misread.is_none(), "{kind:?}: {}: {misread:?}", case.name);
            (
                differs(&case.verdict, outcome.forwarded, outcome.refused.is_some()),
                case.verdict.starts_with("accept"),
            )
        };
        cases.iter().zip(&bytes).map(ask).collect()
    };
    let columns: Vec<Vec<(bool, bool)>> = thread::scope(|scope| {
        let running = KINDS.map(|(kind, _)| scope.spawn(move || heard(kind)));
        running.map(|one| one.join().expect("it is played")).into()
    });
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/http/against_h11.py"
    );
    let h11 = tool("/usr/bin/python3", &[script]);
    // Section: cases, and for each reader how many it refuses that are right, and takes that are not.
    let mut sections: BTreeMap<&str, (usize, [[usize; 2]; 4])> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let (count, readers) = sections.entry(&case.section).or_default();
        *count += 1;
        for (reader, column) in readers.iter_mut().zip(&columns) {
            let (differs, valid) = column[at];
            reader[usize::from(!valid)] += usize::from(differs);
        }
        let h11_differs = h11
            .lines()
            .any(|line| line.contains(&format!(" {:<44} written", case.name)));
        readers[3][usize::from(!case.verdict.starts_with("accept"))] += usize::from(h11_differs);
    }
    let mut table = String::from(
        "| section | cases | nginx | haproxy | haproxy, accept-invalid-http-request | h11 |\n|---|---|---|---|---|---|\n",
    );
    for (section, (count, readers)) in &sections {
        let cell = |[strict, lax]: &[usize; 2]| match (strict, lax) {
            (0, 0) => "as written".to_owned(),
            _ => format!("{strict} refused, {lax} taken"),
        };
        let cells: Vec<String> = readers.iter().map(cell).collect();
        let _infallible = writeln!(table, "| {section} | {count} | {} |", cells.join(" | "));
    }
    book("interop-parsers.md", &table);
}
