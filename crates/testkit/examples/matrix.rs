//! The throughput matrix: every controller over every path, in virtual time.
//!
//! `cargo run --profile sim -p outcrop-testkit --example matrix -- [--details] [ONLY..]` prints the cells whose
//! line holds every word given. Uses every core.
#![expect(clippy::print_stdout, reason = "a program")]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;

use outcrop_testkit::throughput::{Cell, measure};

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let details = words.iter().any(|word| word == "--details");
    words.retain(|word| word != "--details");
    let wanted = |cell: &Cell| {
        let line = cell.to_string();
        words.iter().all(|word| line.contains(word.as_str()))
    };
    let cells: Vec<_> = Cell::matrix().filter(wanted).collect();
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(vec![String::new(); cells.len()]);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((number, cell)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(number).map(|cell| (number, cell))
                } {
                    let line = line(cell, details);
                    let mut lines = lines.lock().unwrap_or_else(|e| e.into_inner());
                    if let Some(place) = lines.get_mut(number) {
                        *place = line;
                    }
                }
            });
        }
    });
    for line in lines.into_inner().unwrap_or_else(|e| e.into_inner()) {
        println!("{line}");
    }
}

fn line(cell: &Cell, details: bool) -> String {
    let goodput = measure(cell);
    let line = format!("{cell} {:>9} B/s", goodput.rate);
    if !details {
        return line;
    }
    let share = goodput.rate * 100 / cell.rate;
    let totals = goodput
        .sender
        .map(|info| (info.cwnd, info.srtt, info.totals));
    let (dropped, offered) = (goodput.dropped, goodput.offered);
    format!("{line} {share:>3}% dropped {dropped}/{offered} {totals:?}")
}
