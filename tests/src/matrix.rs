//! Tables of what real programs do with us, run as they stand in the book.
//!
//! Job: run many small scripts beside one server, a few at a time, and write what became of each as a table; compare it
//! with the book's. Owns: a folder for each script, how many run at once. Does not know: what the scripts do.

use std::path::{Path, PathBuf};

use crate::Bench;

/// Scripts at once: some wait for the network, two are computing.
const AT_ONCE: usize = 3;

/// For every script: `till TEXT FILE` waits until a file says so, `not COMMAND` is so if the command fails (`!` would not
/// end a script).
const WORDS: &str = "till() { for i in $(seq 600); do grep -aqs \"$1\" \"$2\" && return; sleep 0.1; done; echo \"$2 never said $1\"; return 1; }
not() { if \"$@\"; then echo \"should have failed: $*\"; return 1; fi; }\n";

/// What became of each script: `ok`, or the end of what it said. Each runs by `sh -eu` in a folder of its own after the
/// definitions in `words`; `$T` is the scratch folder, in which `root` is served.
///
/// # Panics
/// If the server or `xargs` fails.
#[must_use]
pub fn play(bench: &Bench, words: &str, scripts: &[&str]) -> Vec<String> {
    play_some(bench, words, scripts, AT_ONCE)
}

fn play_some(bench: &Bench, words: &str, scripts: &[&str], at_once: usize) -> Vec<String> {
    let folder = |at: usize| bench.path(&format!("job{at}"));
    std::fs::write(bench.path("words"), format!("{WORDS}{words}")).expect("a file is written");
    for (at, script) in scripts.iter().enumerate() {
        // Left by an earlier table of the same bench, perhaps.
        let _absent = std::fs::remove_dir_all(folder(at));
        std::fs::create_dir(folder(at)).expect("a folder is made");
        std::fs::write(folder(at).join("script"), script).expect("a file is written");
    }
    let all = format!(
        "export T=$PWD U=http://$STACK S=https://$STACK
         seq 0 {} | xargs -P {at_once} -I N sh -c 'cd job$1; if sh -euc \". $T/words; . ./script\" >said 2>&1; then echo ok >became;
            else tail -c 300 said >became; echo failed >>became; fi' sh N",
        scripts.len().saturating_sub(1)
    );
    let _silent = bench.sh(&all).stdout();
    let became = |at| std::fs::read_to_string(folder(at).join("became")).unwrap_or_default();
    (0..scripts.len())
        .map(|at| became(at).trim_end().replace('\n', " "))
        .collect()
}

/// A row of a table: who, what it does, the script that succeeds if it is done.
pub type Row = (&'static str, &'static str, &'static str);

/// Plays the rows and returns the table's lines.
///
/// # Panics
/// With the table if a cell is not `ok`.
#[must_use]
pub fn rows(bench: &Bench, words: &str, rows: &[Row]) -> String {
    rows_some(bench, words, rows, AT_ONCE)
}

/// The same, all of them at the same time.
///
/// # Panics
/// With the table if a cell is not `ok`.
#[must_use]
pub fn rows_at_once(bench: &Bench, words: &str, rows: &[Row]) -> String {
    rows_some(bench, words, rows, rows.len())
}

fn rows_some(bench: &Bench, words: &str, rows: &[Row], at_once: usize) -> String {
    let scripts: Vec<&str> = rows.iter().map(|row| row.2).collect();
    let became = play_some(bench, words, &scripts, at_once);
    let cells = rows.iter().zip(became);
    let lines = cells.map(|((who, what, _), became)| format!("| {who} | {what} | {became} |\n"));
    let table: String = lines.collect();
    assert!(
        table.lines().all(|line| line.ends_with("| ok |")),
        "{table}"
    );
    table
}

/// Compares a table with `docs/book/src/NAME`; with `UPDATE` in the environment it is written instead.
///
/// # Panics
/// If the book says otherwise.
pub fn book(name: &str, table: &str) {
    let path = page(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, table).expect("the table is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        table == written,
        "{name} says otherwise; UPDATE=1 writes this:\n{table}"
    );
}

/// A file of the book.
#[must_use]
pub fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/book/src")
        .join(name)
}
