//! Writes the book's page of states and segments: `cargo run -p outcrop-testkit --example table`.

use std::{fs, io};

fn main() -> io::Result<()> {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/book/src");
    let page = outcrop_testkit::table::page();
    fs::write(format!("{book}/state-segment-table.md"), page)
}
