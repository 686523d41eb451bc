//! What was to be reached.
//!
//! Job: the bars that the project has set itself, and for each what bounds it where it is missed. Owns: the list.
//! Does not know: how anything was measured; `judge` says what a run makes of them, by these rules: medians are compared;
//! two whose extremes overlap are equal; the ceiling counts only if it beats the kernel in bulk and 1.7 times nginx;
//! what is above 0.97 of a ceiling that counts is bounded by it.

mod judge;
#[cfg(test)]
mod tests;

pub(crate) use judge::{Ceiling, Judged, flatness};

use crate::figures::{OURS, Table};
use crate::scenario::{Scenario, Work};

/// So many times another's figure, or so little.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    scenario: &'static str,
    /// Which of ours.
    ours: &'static str,
    measure: Measure,
    /// What bounds it; said where it is missed.
    bounds: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Measure {
    /// At least so many times the rate of this one.
    Rate(&'static str, f64),
    /// A median latency of at most so many microseconds.
    P50(f64),
    /// No segment out of order, in either direction.
    InOrder,
    /// At most so many bytes an idle connection, of the engine.
    Bytes(f64),
    /// At most so many times the cost of a packet or a request, beside the most idle connections against beside the fewest.
    Flat(f64, Beside),
}

/// Where idle connections are.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// In the engine alone.
    Engine,
    /// Of kernel clients, through the device.
    Device,
}

const fn rate(
    scenario: &'static str,
    beside: &'static str,
    least: f64,
    bounds: &'static str,
) -> Bar {
    variant(scenario, OURS, beside, least, bounds)
}

const fn variant(
    scenario: &'static str,
    ours: &'static str,
    beside: &'static str,
    least: f64,
    bounds: &'static str,
) -> Bar {
    bar((scenario, ours), Measure::Rate(beside, least), bounds)
}

const fn bar(
    (scenario, ours): (&'static str, &'static str),
    measure: Measure,
    bounds: &'static str,
) -> Bar {
    Bar {
        scenario,
        ours,
        measure,
        bounds,
    }
}

const SMALL: &str =
    "our own instructions beside the two calls into the kernel, which the ceiling makes too";
const AXUM: &str =
    "what hyper and axum do with a request, and tokio's queue between them and the driver";
const WAKES: &str = "wrk's own waking, which the ceiling waits for as well";
const SPIN: &str =
    "the two calls into the kernel and the client's own, which the ceiling waits for as well";
const CLOSE: &str =
    "a connection made and forgotten a request, and a TIME-WAIT, which smoltcp does not keep";
const PLAIN: &str = "a call into the kernel a segment, and its checksum";
const COLD: &str = "two copies of what no cache holds, where sendfile makes none";
const LARGE: &str = "the copies: at this size they bound the ceiling itself";
const BULK: &str = "the copy in the kernel, which is most of the ceiling's own time";
const QUEUES: &str = "see the counts";
const MEMORY: &str = "see the table of idle connections";

/// Those with names, in the order of the project's table; [`peers`] are the rest of it.
const NAMED: &[Bar] = &[
    rate("bulk in", "ceiling", 0.9, BULK),
    rate("bulk in", "kernel", 1.0, BULK),
    rate("bulk out", "ceiling", 0.9, BULK),
    rate("bulk out", "kernel", 1.0, BULK),
    variant("bulk in", "outcrop, plain", "smoltcp, plain", 1.0, PLAIN),
    variant("bulk out", "outcrop, plain", "smoltcp, plain", 1.0, PLAIN),
    rate("small, 16", "nginx", 1.5, SMALL),
    rate("small, 16", "ceiling", 0.85, SMALL),
    rate("small, 256", "nginx", 1.5, SMALL),
    rate("small, 256", "ceiling", 0.85, SMALL),
    variant("small, 16", "outcrop, axum", "nginx", 1.0, AXUM),
    variant("small, 256", "outcrop, axum", "nginx", 1.0, AXUM),
    variant("small, 1 connection", SPINNING, "nginx", 1.7, WAKES),
    bar((ALONE, SPINNING), Measure::P50(10.0), SPIN),
    rate("small, 16, pipelined", "nginx", 5.0, SMALL),
    rate("small, 64, close", "nginx", 1.4, CLOSE),
    rate("1 GiB body", "nginx", 1.0, COLD),
    rate("1 GiB body, dropped", "nginx", 1.0, COLD),
    rate("1 MiB, 16", "nginx", 1.4, LARGE),
    bar(("idle, engine", OURS), Measure::Bytes(1_024.0), MEMORY),
    bar(
        ("16 busy, engine", OURS),
        Measure::Flat(1.3, Beside::Engine),
        MEMORY,
    ),
    bar(
        ("16 busy, device", OURS),
        Measure::Flat(1.3, Beside::Device),
        MEMORY,
    ),
    bar(("two clients, small", TWO), Measure::InOrder, QUEUES),
    bar(("two clients, bulk in", TWO), Measure::InOrder, QUEUES),
    bar(("two clients, bulk out", TWO), Measure::InOrder, QUEUES),
];
const ALONE: &str = "small, 1, client spins";
const SPINNING: &str = "outcrop, spinning";
const TWO: &str = "outcrop, 2 queues";

/// Stacks that ours is to be ahead of wherever they take part.
const PEERS: [&str; 4] = ["smoltcp", "lwIP", "gVisor", "ipstack"];
/// How far ahead of one that is under a third of the ceiling.
const FAR: f64 = 3.0;

/// Ahead of each in everything it does as fast as it can, and three times where it is under a third of the ceiling.
fn peers(table: &Table) -> Vec<Bar> {
    let mut bars = Vec::new();
    for peer in PEERS {
        for Scenario { name, work, .. } in Scenario::ALL {
            let (Some(theirs), Some(bounds)) = (table.rate(name, peer), bounds(*work)) else {
                continue;
            };
            let ceiling = table.rate(name, "ceiling");
            let far = ceiling.is_some_and(|ceiling| theirs.median * FAR < ceiling.median);
            bars.push(rate(name, peer, if far { FAR } else { 1.0 }, bounds));
        }
    }
    bars
}

/// What bounds a work that is done as fast as it can be; nothing of the others.
const fn bounds(work: Work) -> Option<&'static str> {
    match work {
        Work::Requests { close: true, .. } => Some(CLOSE),
        Work::Requests { file, .. } if matches!(file.as_bytes(), b"large") => Some(LARGE),
        Work::Requests { .. } => Some(SMALL),
        Work::Push { .. } | Work::Pull { .. } => Some(BULK),
        Work::Alone | Work::Paced { .. } | Work::File { .. } | Work::Pair(_) => None,
    }
}

/// Every bar that this run says something to.
pub(crate) fn judge(table: &Table) -> Vec<Judged> {
    let (ceiling, peers) = (Ceiling::of(table), peers(table));
    let all = NAMED.iter().chain(&peers);
    all.filter_map(|bar| bar.judge(table, ceiling)).collect()
}

/// Scenarios and which of ours in them, of every bar that was missed and that can be looked into.
pub(crate) fn missed(table: &Table) -> Vec<(String, String)> {
    let mut missed = Vec::new();
    for judged in judge(table).iter().filter(|judged| judged.is_missed()) {
        let pair = (judged.bar.scenario.to_owned(), judged.bar.ours.to_owned());
        if Scenario::named(&pair.0).is_some() && !missed.contains(&pair) {
            missed.push(pair);
        }
    }
    missed
}
