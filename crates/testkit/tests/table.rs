//! The table of states and segments, put to the engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use outcrop_testkit::table::{CLAUSES, cells, expected, observed, page};

#[test]
fn every_segment_in_every_state_is_answered_as_the_rfc_says() {
    let mut wrong = Vec::new();
    for cell in cells() {
        let (wanted, got) = (expected(&cell).outcome, observed(&cell));
        if wanted != got.outcome {
            wrong.push(format!(
                "{cell}\n  wanted {wanted:?}\n  got    {:?} ({})",
                got.outcome, got.left
            ));
        }
    }
    let all = cells().count();
    assert!(
        wrong.is_empty(),
        "{} of {all} cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_clause_decides_some_cell() {
    let used: BTreeSet<_> = cells().map(|cell| expected(&cell).clause).collect();
    let idle: Vec<_> = (0..CLAUSES.len())
        .filter(|at| !used.contains(at))
        .map(|at| CLAUSES.get(at))
        .collect();
    assert!(idle.is_empty(), "{idle:#?}");
}

#[test]
fn page_of_the_book_is_what_the_table_says() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/book/src/state-segment-table.md"
    );
    let written = fs::read_to_string(path).unwrap();
    if written != page() {
        panic!("write it anew: cargo run -p outcrop-testkit --example table");
    }
}
