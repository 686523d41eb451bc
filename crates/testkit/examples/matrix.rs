//! The throughput matrix: every controller over every path, in virtual time.
//!
//! `cargo run --profile sim -p outcrop-testkit --example matrix -- [--details] [ONLY..]` prints the cells whose
//! line holds every word given; with `--check` compares all of them with `fixtures/throughput/matrix.txt`, or writes
//! it if `BLESS` is set. Uses every core.
#![expect(clippy::print_stdout, reason = "a program")]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::{env, fs, thread};

use outcrop_testkit::throughput::{Cell, measure};

const SNAPSHOT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/throughput/matrix.txt"
);

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    let mut option = |name: &str| {
        let before = words.len();
        words.retain(|word| word != name);
        words.len() < before
    };
    let (details, check) = (option("--details"), option("--check"));
    let wanted = |cell: &Cell| {
        let line = cell.to_string();
        words.iter().all(|word| line.contains(word.as_str()))
    };
    let cells: Vec<_> = Cell::all().filter(wanted).collect();
    let lines = measured(&cells, details);
    if check {
        return compare(&lines);
    }
    lines.iter().for_each(|line| println!("{line}"));
    ExitCode::SUCCESS
}

/// The cells' lines, by as many workers as there are cores.
fn measured(cells: &[Cell], details: bool) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(vec![String::new(); cells.len()]);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(number) else {
                        return;
                    };
                    let line = line(cell, details);
                    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(place) = lines.get_mut(number) {
                        *place = line;
                    }
                }
            });
        }
    });
    lines.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn line(cell: &Cell, details: bool) -> String {
    let goodput = measure(cell);
    let line = goodput.line(cell);
    match goodput.sender.filter(|_| details) {
        None => line,
        Some(info) => {
            let (cwnd, srtt, totals) = (info.cwnd, info.srtt, info.totals);
            format!("{line}; cwnd {cwnd}, srtt {srtt:?}, {totals:?}")
        }
    }
}

/// Against the snapshot, to the byte.
fn compare(lines: &[String]) -> ExitCode {
    let now = lines.join("\n") + "\n";
    if env::var_os("BLESS").is_some() {
        return match fs::write(SNAPSHOT, now) {
            Ok(()) => {
                println!("{} cells written: review the difference", lines.len());
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{SNAPSHOT}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let kept = fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let mut other = 0;
    let mut kept = kept.lines();
    for line in lines {
        let before = kept.next().unwrap_or("nothing");
        if before != line {
            other += 1;
            println!("was  {before}\nis   {line}");
        }
    }
    other += kept.count();
    println!("{} cells, {other} other than in the snapshot", lines.len());
    ExitCode::from(u8::from(other > 0))
}
