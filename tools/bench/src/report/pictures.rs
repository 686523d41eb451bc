//! The plots.
//!
//! Job: say what each shows. Owns: their names. Does not know: how a line is drawn; `plot` does.

use super::COLUMNS;
use super::tables::{HANDLERS, day};
use crate::figures::{OURS, Row, Sample, Table};
use crate::plot::{self, Group, Series};
use crate::statistics::Spread;
use crate::words::said;

/// Scenarios of the plot of peers.
const PLOTTED: [&str; 6] = [
    "small, 16",
    "small, 256",
    "small, 16, pipelined",
    "small, 64, close",
    "bulk in",
    "bulk out",
];
/// A place on an axis, its name, and the scenario measured there.
type Place = (f64, &'static str, &'static str);
/// Busy connections and their scenario, and bytes of an answer.
const CONNECTIONS: [Place; 4] = [
    (1.0, "1", "small, 1 connection"),
    (16.0, "16", "small, 16"),
    (256.0, "256", "small, 256"),
    (4096.0, "4,096", "small, 4096"),
];
const SIZES: [Place; 7] = [
    (100.0, "100 B", "small, 16"),
    (1024.0, "1 KiB", "1 KiB, 16"),
    (4096.0, "4 KiB", "4 KiB, 16"),
    (16_384.0, "16 KiB", "16 KiB, 16"),
    (65_536.0, "64 KiB", "64 KiB, 16"),
    (262_144.0, "256 KiB", "256 KiB, 16"),
    (1_048_576.0, "1 MiB", "1 MiB, 16"),
];
const IDLE: [(f64, &str); 3] = [(1e3, "1,000"), (1e4, "10,000"), (1e5, "100,000")];
/// The scenario at a fixed rate, and the quantiles of its latency.
const PACED: &str = "small, 10,000/s";
/// A quantile's name, and where a sample has it.
type Quantile = (&'static str, fn(&Sample) -> f64);
const QUANTILES: [Quantile; 3] = [
    ("p50", |sample| sample.p50_us),
    ("p99", |sample| sample.p99_us),
    ("p99.9", |sample| sample.p999_us),
];

/// Every picture: its name and itself.
pub(super) fn all(table: &Table) -> Vec<(&'static str, String)> {
    let day = day(table);
    let over = |places: &[Place], names: &[&str], title, note: &str| {
        let series: Vec<_> = names
            .iter()
            .map(|name| by_place(table, places, name))
            .filter(|series| !series.points.is_empty())
            .collect();
        let ticks: Vec<_> = places.iter().map(|(at, name, _)| (*at, *name)).collect();
        plot::lines(title, &format!("{note}; {day}"), &ticks, &series)
    };
    let bars = |title, note, groups: &[Group]| {
        plot::bars(
            title,
            &format!("{note}, thin line from least to most; {day}"),
            groups,
        )
    };
    let held =
        |title, note, series| plot::lines(title, &format!("{note}; {day}"), &IDLE, &[series]);
    vec![
        (
            "peers.svg",
            bars("Beside everybody, in one run", "median", &rates(table)),
        ),
        (
            "cpu.svg",
            bars(
                "Processor time of the server, in the same run",
                "median, less is better",
                &costs(table),
            ),
        ),
        (
            "latency.svg",
            bars(
                "Latency at 10,000 requests a second",
                "16 connections, open loop, median of rounds, less is better",
                &latencies(table),
            ),
        ),
        (
            "connections.svg",
            over(
                &CONNECTIONS,
                &[OURS, "ceiling", "nginx", "smoltcp"],
                "Processor time a small request, by busy connections",
                "server, us",
            ),
        ),
        (
            "sizes.svg",
            over(
                &SIZES,
                &[OURS, "nginx"],
                "Processor time a request, by bytes of the answer",
                "server, us, 16 connections",
            ),
        ),
        (
            "handlers.svg",
            over(
                &HANDLERS,
                &["outcrop, axum"],
                "Processor time a small request, by bytes in the handler's future",
                "server, us, 16 connections, axum",
            ),
        ),
        (
            "idle.svg",
            held(
                "Processor time a small request, by idle connections beside 16 busy ones",
                "server, us",
                by_idle(table, "16 busy", |held| held.busy.server_cpu),
            ),
        ),
        (
            "memory.svg",
            held(
                "Memory of an idle connection, by how many there are",
                "bytes each, of the whole server",
                by_idle(table, "outcrop serve", crate::figures::Held::each),
            ),
        ),
        (
            "paths.svg",
            bars(
                "Goodput beside Linux's CUBIC, by path",
                "into a kernel's socket, median",
                &paths(table),
            ),
        ),
    ]
}

fn by_place(table: &Table, places: &[Place], who: &str) -> Series {
    let point = |(at, _, scenario): &Place| {
        let row = table.row(scenario, who)?;
        Some((*at, row.spread(|sample| sample.server_cpu)?))
    };
    Series {
        name: who.to_owned(),
        points: places.iter().filter_map(point).collect(),
    }
}

fn by_idle(table: &Table, name: &str, of: impl Fn(&crate::figures::Held) -> f64) -> Series {
    let point = |held| Some((f64::from(connections(held)), Spread::of([of(held)])?));
    Series {
        name: name.to_owned(),
        points: table.held.iter().filter_map(point).collect(),
    }
}

const fn connections(held: &crate::figures::Held) -> u32 {
    held.connections
}

/// A bar of each who did `scenario` as it is by default, in the order of the columns.
fn group(
    table: &Table,
    (heading, scenario): (&str, &str),
    of: impl Fn(&Sample) -> f64,
    say: impl Fn(&Row, f64) -> String,
) -> Group {
    let rows = table
        .rows
        .iter()
        .filter(|row| row.scenario == scenario && !row.contender.contains(','));
    let mut bars: Vec<_> = rows
        .filter_map(|row| {
            let spread = row.spread(&of)?;
            let said = say(row, spread.median);
            Some((row.contender.clone(), spread, said, row.contender == OURS))
        })
        .collect();
    bars.sort_by_key(|(name, ..)| COLUMNS.iter().position(|column| column == name));
    Group {
        heading: heading.to_owned(),
        bars,
    }
}

fn groups<'a>(groups: impl Iterator<Item = Group> + 'a) -> Vec<Group> {
    groups.filter(|group| !group.bars.is_empty()).collect()
}

fn rates(table: &Table) -> Vec<Group> {
    let say = |row: &Row, rate: f64| {
        if row.unit == "Mbit/s" {
            format!("{:.1} Gbit/s", rate / 1e3)
        } else {
            format!("{}/s", said(rate, &row.unit))
        }
    };
    groups(
        PLOTTED
            .iter()
            .map(|name| group(table, (name, name), |sample| sample.rate, say)),
    )
}

fn costs(table: &Table) -> Vec<Group> {
    let say = |row: &Row, cost: f64| {
        if row.unit == "Mbit/s" {
            format!("{cost:.3} s/GB")
        } else {
            format!("{cost:.1} s a million")
        }
    };
    groups(
        PLOTTED
            .iter()
            .map(|name| group(table, (name, name), |sample| sample.server_cpu, say)),
    )
}

fn latencies(table: &Table) -> Vec<Group> {
    groups(QUANTILES.iter().map(|(name, of)| {
        group(table, (name, PACED), of, |_, micros| {
            format!("{micros:.0} us")
        })
    }))
}

fn paths(table: &Table) -> Vec<Group> {
    let bar = |name: &str, rates: &[f64]| {
        let spread = Spread::of(rates.iter().copied())?;
        let said = format!("{:.1} Mbit/s", spread.median);
        Some((name.to_owned(), spread, said, name == OURS))
    };
    groups(table.paths.iter().map(|row| {
        Group {
            heading: row.name.clone(),
            bars: [bar(OURS, &row.ours), bar("Linux", &row.linux)]
                .into_iter()
                .flatten()
                .collect(),
        }
    }))
}
