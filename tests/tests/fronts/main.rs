//! Behind a front: what nginx and haproxy forward, we frame alike or refuse; and how they, and h11, read our corpus.
//!
//! `UPDATE=1 cargo test -p outcrop-tests --test fronts` writes the book's table anew. No network: sockets are files.
#![expect(clippy::indexing_slicing, reason = "tables of a fixed shape")]

mod back;
mod front;
mod pairs;

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::thread;

use front::{Front, Kind, Outcome, version};
use outcrop_tests::{corpus, matrix, tool};

/// How often a table is made before it is another than the book's.
const TRIES: usize = 3;

const KINDS: [(Kind, &str); 3] = [
    (Kind::Nginx, "nginx"),
    (Kind::Haproxy, "haproxy"),
    (Kind::Lenient, "haproxy, accept-invalid-http-request"),
];

#[test]
fn what_a_front_forwards_is_one_request_to_us_or_refused() {
    let cases = pairs::pairs();
    // How many come to us depends on when a front hears that the client is done: judged, not counted.
    let misread = |kind: Kind| -> Vec<String> {
        let front = Front::start(kind);
        let outcomes = cases.iter().map(|case| front.ask(case));
        outcomes.flat_map(|outcome| outcome.misread()).collect()
    };
    let misread = each(misread);
    let mut table =
        String::from("| front | ambiguous requests | read in two ways |\n|---|---|---|\n");
    for ((_, name), misread) in KINDS.iter().zip(&misread) {
        assert!(misread.is_empty(), "{name}: {misread:#?}");
        let _infallible = writeln!(table, "| {name} | {} | 0 |", cases.len());
    }
    matrix::book("interop-fronts.md", &table);
}

/// Asks every front at the same time.
fn each<T: Send>(ask: impl Fn(Kind) -> T + Sync) -> Vec<T> {
    let ask = &ask;
    thread::scope(|scope| {
        let running = KINDS.map(|(kind, _)| scope.spawn(move || ask(kind)));
        running.map(|one| one.join().expect("it is played")).into()
    })
}

/// A table of what others do holds for their version: with another, only what concerns us is judged.
fn book(name: &str, table: impl Fn() -> String) {
    let versions = format!("nginx {}, haproxy {}", version("nginx"), version("haproxy"));
    let written = std::fs::read_to_string(matrix::page(name)).unwrap_or_default();
    if std::env::var_os("UPDATE").is_none() && !written.contains(&versions) {
        println!("{name} is about other versions than {versions}: not compared");
        return;
    }
    // Fronts that stream may hear of a client's end sooner or later: whoever differs is asked again.
    let as_written = (0..TRIES).any(|_| written == format!("{}\n{versions}.\n", table()));
    if !as_written {
        matrix::book(name, &format!("{}\n{versions}.\n", table()));
    }
}

/// Whether there is a request in a case that is right.
fn right(verdict: &str) -> bool {
    verdict.starts_with("accept") && verdict != "accept 0"
}

/// Whether somebody takes what the RFC has refused, or the other way round. One who takes something wrong lets a whole
/// request of it through and says nothing against it.
fn differs(verdict: &str, outcome: &Outcome) -> bool {
    let takes = outcome.forwarded > 0;
    if right(verdict) {
        !takes
    } else {
        takes && outcome.refused.is_none()
    }
}

#[test]
fn others_read_the_corpus_as_the_book_says() {
    book("interop-parsers.md", readings);
}

fn readings() -> String {
    let cases = corpus::requests();
    let heard = |kind: Kind| -> Vec<bool> {
        let front = Front::start(kind);
        let ask = |case: &corpus::Case| {
            let outcome = front.ask(&case.bytes);
            assert_eq!(
                outcome.misread(),
                Vec::<String>::new(),
                "{kind:?}: {}",
                case.name
            );
            differs(&case.verdict, &outcome)
        };
        cases.iter().map(ask).collect()
    };
    let columns = each(heard);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/http/against_h11.py"
    );
    let h11 = tool("/usr/bin/python3", &[script]);
    // Section: cases, and for each reader how many it refuses that are right, and takes that are not.
    let mut sections: BTreeMap<&str, (usize, [[usize; 2]; 4])> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate() {
        let (count, readers) = sections.entry(&case.section).or_default();
        let wrong = usize::from(!right(&case.verdict));
        *count += 1;
        for (reader, column) in readers.iter_mut().zip(&columns) {
            reader[wrong] += usize::from(column[at]);
        }
        let h11_differs = h11.lines().any(|line| {
            line.starts_with(&format!("{:<16} {:<44} written", case.section, case.name))
        });
        readers[3][wrong] += usize::from(h11_differs);
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
    table
}
