//! The throughput matrix: against its snapshot to the byte, and its snapshot against theory.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "tests"
)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeMap;
use std::sync::Mutex;

use outcrop_tcp::Algorithm;
use outcrop_testkit::throughput::{Cell, DEEP, Goodput, LARGE_BUFFER, RATE, SMALL_BUFFER, measure};

const SNAPSHOT: &str = include_str!("../../../fixtures/throughput/matrix.txt");
/// Cells of more packets are left to `make matrix`: this many take a debug build a few seconds.
const FEW: u64 = 3_000;
/// Payload of a full segment with timestamps.
const MSS: f64 = 1448.0;

/// A number of the snapshot's line, by the words after it.
fn number(line: &str, before: &str) -> u64 {
    let end = line.find(before).unwrap_or_else(|| panic!("{line}"));
    let words = line.get(..end).unwrap();
    words.split(' ').next_back().unwrap().parse().unwrap()
}

/// Bytes a second by cell, as kept.
fn kept() -> Vec<(Cell, u64)> {
    let rates = SNAPSHOT.lines().map(|line| number(line, " B/s"));
    Cell::all().zip(rates).collect()
}

fn share((cell, rate): &(Cell, u64)) -> f64 {
    *rate as f64 / cell.rate as f64
}

/// The cells of the matrix proper with buffers larger than any pipe in it.
fn wide() -> Vec<(Cell, u64)> {
    let matrix = kept().into_iter().take(Cell::matrix().count());
    matrix
        .filter(|(cell, _)| cell.buffer == LARGE_BUFFER)
        .collect()
}

#[test]
fn every_cell_has_its_line_and_there_is_no_other() {
    assert_eq!(SNAPSHOT.lines().count(), Cell::all().count());
    for (cell, line) in Cell::all().zip(SNAPSHOT.lines()) {
        assert!(line.starts_with(&format!("{cell} | ")), "{cell}: {line}");
    }
}

#[test]
fn cells_of_few_packets_are_as_in_the_snapshot_to_the_byte() {
    let few: Vec<_> = Cell::all()
        .zip(SNAPSHOT.lines())
        .filter(|(_, line)| number(line, " packets lost") <= FEW)
        .collect();
    assert!(few.len() >= 60, "only {} cells", few.len());
    let next = AtomicUsize::new(0);
    let other = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((cell, line)) = few.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let now = measure(cell).line(cell);
                    if now != **line {
                        let found = format!("was {line}\nis  {now}");
                        other.lock().unwrap().push(found);
                    }
                }
            });
        }
    });
    let other = other.into_inner().unwrap();
    assert!(
        other.is_empty(),
        "{}\nIf that is meant: BLESS=1 make matrix, and review the difference.",
        other.join("\n")
    );
}

// Mathis et al.: the rate of a Reno that halves once for each loss is MSS / RTT * sqrt(3/2) / sqrt(p).
#[test]
fn newreno_on_a_path_that_loses_reaches_what_theory_gives_it() {
    let cells = wide().into_iter().filter(|(cell, _)| {
        cell.controller == Algorithm::NewReno && cell.loss >= 0.01 && cell.rtt.as_millis() >= 10
    });
    for (cell, rate) in cells {
        let theory = MSS / cell.rtt.as_secs_f64() * (1.5 / cell.loss).sqrt();
        let ratio = rate as f64 / theory;
        // A hundred round trips are few: the slow start in them counts as well.
        assert!((0.75..1.75).contains(&ratio), "{cell}: {ratio:.2}");
    }
}

// RFC 9438 4.3: nowhere less than Reno would get.
#[test]
fn cubic_on_a_path_that_loses_is_nowhere_behind_newreno() {
    let of = |algorithm| {
        let cells = wide().into_iter();
        let cells = cells.filter(move |(cell, _)| cell.controller == algorithm && cell.loss > 0.0);
        cells.map(|(cell, rate)| ((cell.loss.to_bits(), cell.rtt, cell.queue), (cell, rate)))
    };
    let newreno: BTreeMap<_, _> = of(Algorithm::NewReno).collect();
    for (key, (cell, rate)) in of(Algorithm::Cubic) {
        let (_, reno) = newreno.get(&key).unwrap();
        assert!(rate * 100 >= reno * 97, "{cell}: {rate}, newreno {reno}");
    }
}

#[test]
fn clean_path_with_a_deep_queue_is_filled_by_every_controller() {
    let clean = wide()
        .into_iter()
        .filter(|(cell, _)| cell.loss == 0.0 && cell.queue == DEEP);
    for found in clean {
        let (cell, _) = &found;
        let least = match (cell.controller, cell.rtt.as_millis()) {
            (_, ..=50) => 0.90,
            // Slow start overshoots a queue shorter than the pipe: Reno is halved below it and needs minutes.
            (Algorithm::NewReno, _) => 0.40,
            (Algorithm::Cubic, _) => 0.85,
            // Two of twenty seconds to start, and a probe of the round trip every five.
            (Algorithm::Bbr, _) => 0.80,
        };
        assert!(share(&found) >= least, "{cell}: {:.2}", share(&found));
    }
}

#[test]
fn small_window_on_a_clean_path_is_used_in_every_round_trip() {
    let small = kept()
        .into_iter()
        .take(Cell::matrix().count())
        .filter(|(cell, _)| cell.buffer == SMALL_BUFFER && cell.loss == 0.0);
    for (cell, rate) in small {
        let window = f64::from(SMALL_BUFFER) / cell.rtt.as_secs_f64();
        let bound = window.min(RATE as f64);
        let ratio = rate as f64 / bound;
        assert!(ratio > 0.92, "{cell}: {ratio:.2}");
    }
}

// draft-ietf-ccwg-bbr 2.8: losses up to two percent of a round are no sign of congestion. Beyond, it gives way.
#[test]
fn bbr_on_a_path_that_loses_one_in_a_hundred_keeps_most_of_its_rate() {
    let of = |algorithm: Algorithm| {
        let cells = wide().into_iter();
        cells.filter(move |(cell, _)| cell.controller == algorithm && cell.loss == 0.01)
    };
    for ((cell, rate), (_, cubic)) in of(Algorithm::Bbr).zip(of(Algorithm::Cubic)) {
        let least = if cell.rtt.as_millis() > 10 { 0.5 } else { 0.7 };
        assert!(rate as f64 >= least * RATE as f64, "{cell}: {rate}");
        let far = cell.rtt.as_millis() >= 10;
        assert!(!far || rate > 3 * cubic, "{cell}: {rate}, cubic {cubic}");
    }
}

/// A pipe of 200 Mbit/s and 100 ms behind a queue of 64 KiB, a window of 256 KiB: bursts without pacing and SACK
/// leave another stack's one flow 3.4 kB/s there.
#[test]
fn bottleneck_queue_a_fortieth_of_the_pipe_a_small_window_is_nearly_filled() {
    let cells = Cell::bottleneck().filter(|cell| cell.buffer == 256 * 1024);
    for cell in cells {
        let Goodput { rate, .. } = measure(&cell);
        let window = f64::from(cell.buffer) / cell.rtt.as_secs_f64();
        let paced = cell.pacing || cell.controller == Algorithm::Bbr;
        // Unpaced, slow start overruns the queue once and pays by half of its window.
        let least = if paced { 0.92 } else { 0.60 };
        assert!(rate as f64 > least * window, "{cell}: {rate} B/s");
    }
}

#[test]
fn bottleneck_queue_a_fortieth_of_the_pipe_paced_senders_fill_the_pipe() {
    let pipe = kept().into_iter().skip(Cell::matrix().count());
    let wide = pipe.filter(|(cell, _)| cell.buffer > 1 << 20);
    for found in wide {
        let (cell, _) = &found;
        let least = match (cell.controller, cell.pacing) {
            (Algorithm::Cubic, true) => 0.80,
            (Algorithm::Bbr, _) => 0.75,
            (Algorithm::NewReno, true) => 0.55,
            (Algorithm::NewReno | Algorithm::Cubic, false) => 0.08,
        };
        assert!(share(&found) >= least, "{cell}: {:.2}", share(&found));
    }
}
