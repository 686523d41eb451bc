//! The page of the book.
//!
//! Job: print the specification as tables. Owns: the layout.

use core::fmt::Write as _;

use outcrop_tcp::State;

use super::{Ack, Cell, FLAGS, SEQS, acks, cells, expected};

const HEAD: &str = "# Which segment does what

<!-- Written by `cargo run -p outcrop-testkit --example table`; a test compares. -->

What RFC 9293 3.10.7 (with RFC 5961, RFC 1337 and RFC 6191) makes of every kind of segment in every state. The
specification is `crates/testkit/src/table/clauses.rs`; a test puts each of its cells to the real engine and compares
reply, next state and rule.

Columns say where the segment begins: *left* of the window, *at* RCV.NXT, *inside* after a gap, at the last number
(*edge*), *beyond*. A cell says what leaves, `→` the next state if it is another, and the rule. Control bits as
tcpdump prints them. `old`, `good`, `future`: what the acknowledgment field says. In TIME-WAIT a listener is there.
";

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(HEAD);
    let _written = writeln!(page, "\n{} cells.", cells().count());
    for state in State::ALL {
        section(&mut page, *state);
    }
    page
}

fn section(page: &mut String, state: State) {
    let _written = writeln!(
        page,
        "\n## {state}\n\n| segment | left | at | inside | edge | beyond |\n|---|---|---|---|---|---|"
    );
    // Segments with the same fate share a row, in the order of the first.
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for flags in FLAGS {
        for ack in acks(*flags) {
            for data in [false, true] {
                let row = SEQS.map(|seq| {
                    cell(&Cell {
                        state,
                        flags: *flags,
                        seq,
                        ack: *ack,
                        data,
                    })
                });
                let name = match ack {
                    Ack::Absent => "",
                    Ack::Old => " old",
                    Ack::Acceptable => " good",
                    Ack::Future => " future",
                };
                let text = if data { " + data" } else { "" };
                let name = format!("`{flags}`{name}{text}");
                let row = row.join(" | ");
                match rows.iter_mut().find(|(fate, _)| *fate == row) {
                    Some((_, names)) => names.push(name),
                    None => rows.push((row, vec![name])),
                }
            }
        }
    }
    for (row, names) in rows {
        let _written = writeln!(page, "| {} | {row} |", names.join(", "));
    }
}

fn cell(cell: &Cell) -> String {
    let outcome = expected(cell).outcome;
    let rule = outcome.rule.name();
    let rule = rule.strip_prefix("tcp:").unwrap_or(rule);
    let reply = outcome.reply.name();
    if outcome.next == cell.state {
        format!("{reply} *{rule}*")
    } else {
        format!("{reply} → {} *{rule}*", outcome.next)
    }
}
