//! The tables.
//!
//! Job: each section's text. Owns: columns and words. Does not know: where a table stands.

use super::{COLUMNS, Profiles, push};
use crate::bars::{self, Ceiling, flatness};
use crate::figures::{OURS, Row, Sample, Table};
use crate::paths as links;
use crate::plan::minutes;
use crate::profile;
use crate::statistics::Spread;
use crate::words::{Rate, said};

/// Tasks that want a processor because of the measurement, and half a one more.
const MEASURED: f64 = 2.5;
/// Bytes that a handler's future holds, and the scenario in which it does.
pub(super) const HANDLERS: [(f64, &str, &str); 5] = [
    (10.0, "none", "small, 16"),
    (100.0, "100 B", "handler of 100 B"),
    (1024.0, "1 KiB", "handler of 1 KiB"),
    (10_240.0, "10 KiB", "handler of 10 KiB"),
    (102_400.0, "100 KiB", "handler of 100 KiB"),
];

/// The day, the machine, who is absent.
pub(super) fn when(table: &Table) -> String {
    let Table {
        rounds,
        seconds,
        processors,
        kernel,
        ..
    } = table;
    let [before, after] = table.load;
    let mut text = format!(
        "{}: {rounds} rounds of {seconds} s each, half of that where no bar hangs on it; {processors} processors, Linux {kernel}, load {before:.1} at the\n\
         beginning and {after:.1} at the end{}.\n",
        day(table),
        took(table),
    );
    if is_crowded(table) {
        text.push_str(
            "**More wanted a processor than there are: rates, and with them verdicts, tell of the scheduler as much as of the\n\
             contenders. Processor time a request or a GB can be compared.**\n",
        );
    }
    if let Some(ceiling) = Ceiling::of(table) {
        let [bulk_in, bulk_out, small] = ceiling.reached;
        let word = if ceiling.counts() {
            "so it counts"
        } else {
            "and would count from 1, 1 and 1.7: in this run nothing is judged by it"
        };
        push(
            &mut text,
            format_args!(
                "The ceiling reached {bulk_in:.2} and {bulk_out:.2} times the kernel in bulk, in and out, and {small:.2} times nginx at 16\n\
                 connections, {word}.\n"
            ),
        );
    }
    for note in &table.notes {
        push(&mut text, format_args!("{note}\n"));
    }
    for absent in &table.absent {
        push(
            &mut text,
            format_args!(
                "Absent, or not there to the end: {}: {}.\n",
                absent.who, absent.why
            ),
        );
    }
    text
}

/// How long it took, where that is known.
fn took(table: &Table) -> String {
    if table.took == 0 {
        return String::new();
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let seconds = table.took as f64;
    format!(", after {}", minutes(seconds))
}

/// Whether others were at work: what is measured is a client and a server.
pub(super) fn is_crowded(table: &Table) -> bool {
    table.load.iter().any(|load| *load > MEASURED)
}

pub(super) fn day(table: &Table) -> String {
    let at = i64::try_from(table.at).unwrap_or_default();
    jiff::Timestamp::from_second(at).map_or_else(
        |_| String::new(),
        |at| at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    )
}

pub(super) fn judged(table: &Table, profiles: &Profiles) -> String {
    let mut text = String::from(
        "| scenario | at least | ours | theirs | ratio | server CPU, of theirs | |\n|---|---|---|---|---|---|---|\n",
    );
    for judged in bars::judge(table) {
        let file = judged.profile();
        let seen = judged.is_missed() && profiles.iter().any(|(name, _)| *name == file);
        let link = if seen {
            format!(" ([profile]({}/{file}))", profile::FOLDER)
        } else {
            String::new()
        };
        push(&mut text, format_args!("{judged}{link} |\n"));
    }
    text
}

/// What profiles have found.
pub(super) fn profiled(profiles: &Profiles) -> String {
    if profiles.is_empty() {
        return "No profile has been taken.\n".to_owned();
    }
    let texts: Vec<_> = profiles.iter().map(|(_, text)| text.as_str()).collect();
    texts.join("\n")
}

/// Everybody's rates.
pub(super) fn rates(table: &Table) -> String {
    matrix(table, &|row| {
        Some(Rate(row.spread(|sample| sample.rate)?, &row.unit).to_string())
    })
}

/// Everybody's processor time.
pub(super) fn cpu(table: &Table) -> String {
    matrix(table, &both)
}

/// A row a scenario, a column a contender; what a contender does in another way has a row of its own.
fn matrix(table: &Table, cell: &dyn Fn(&Row) -> Option<String>) -> String {
    let columns: Vec<&str> = COLUMNS
        .into_iter()
        .filter(|column| table.rows.iter().any(|row| column_of(row).0 == *column))
        .collect();
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for row in &table.rows {
        let line = (row.scenario.as_str(), column_of(row).1);
        if !lines.contains(&line) {
            let after = lines.iter().rposition(|(scenario, _)| *scenario == line.0);
            lines.insert(after.map_or(lines.len(), |after| after + 1), line);
        }
    }
    let mut text = format!(
        "| | {} |\n|---|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for (scenario, way) in lines {
        let comma = if way.is_empty() { "" } else { ", " };
        push(&mut text, format_args!("| {scenario}{comma}{way} |"));
        for column in &columns {
            let row = table
                .rows
                .iter()
                .find(|row| row.scenario == scenario && column_of(row) == (*column, way));
            push(
                &mut text,
                format_args!(" {} |", row.and_then(cell).unwrap_or_default()),
            );
        }
        text.push('\n');
    }
    text
}

/// Whose column a row is in, and in which way it was done.
fn column_of(row: &Row) -> (&str, &str) {
    row.contender
        .split_once(", ")
        .unwrap_or((&row.contender, ""))
}

/// Processor time of the server and of the client.
fn both(row: &Row) -> Option<String> {
    let median = |of: fn(&Sample) -> f64| row.spread(of).map(|spread| spread.median);
    let (server, client) = (
        median(|sample| sample.server_cpu)?,
        median(|sample| sample.client_cpu)?,
    );
    Some(if row.unit == "Mbit/s" {
        format!("{server:.3} + {client:.3}")
    } else {
        format!("{server:.1} + {client:.1}")
    })
}

/// Median and extremes; nothing of what nobody measured.
fn spread(row: &Row, of: fn(&Sample) -> f64, digits: usize) -> String {
    let spread = row.spread(of).filter(|spread| spread.most > 0.0);
    spread.map_or_else(String::new, |spread| {
        let Spread {
            least,
            median,
            most,
        } = spread;
        format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
    })
}

/// At a fixed rate, and one after the other by a client that spins and by one that sleeps.
pub(super) fn latency(table: &Table) -> String {
    let mut text = String::from(
        "| asked | who | p50, us | p99, us | p99.9, us | unanswered |\n|---|---|---|---|---|---|\n",
    );
    for row in table.rows.iter().filter(|row| {
        row.scenario == "small, 1 connection"
            || row.samples.iter().any(|sample| sample.p999_us > 0.0)
    }) {
        let lost: f64 = row.samples.iter().map(|sample| sample.errors).sum();
        push(
            &mut text,
            format_args!(
                "| {} | {} | {} | {} | {} | {lost:.0} |\n",
                row.scenario,
                row.contender,
                spread(row, |sample| sample.p50_us, 1),
                spread(row, |sample| sample.p99_us, 1),
                spread(row, |sample| sample.p999_us, 1),
            ),
        );
    }
    text
}

/// A request by what its handler's future holds.
pub(super) fn handlers(table: &Table) -> String {
    let mut text = String::from("| held by the future | server, us a request |\n|---|---|\n");
    for (_, name, scenario) in HANDLERS {
        if let Some(row) = table.row(scenario, "outcrop, axum") {
            push(
                &mut text,
                format_args!(
                    "| {name} | {} |\n",
                    spread(row, |sample| sample.server_cpu, 1)
                ),
            );
        }
    }
    text
}

/// Two clients, against one queue and against two.
pub(super) fn queues(table: &Table) -> String {
    let mut text = String::from(
        "| | who | rate | server CPU | out of order | repeated |\n|---|---|---|---|---|---|\n",
    );
    for row in table
        .rows
        .iter()
        .filter(|row| row.scenario.starts_with("two clients"))
    {
        let sum = |of: fn(&Sample) -> f64| row.samples.iter().map(of).sum::<f64>();
        let Some(rate) = row.spread(|sample| sample.rate) else {
            continue;
        };
        push(
            &mut text,
            format_args!(
                "| {} | {} | {} | {} {} | {:.0} | {:.0} |\n",
                row.scenario,
                if row.contender == OURS {
                    "one queue"
                } else {
                    "two queues"
                },
                Rate(rate, &row.unit),
                spread(row, |sample| sample.server_cpu, 3),
                row.cpu_unit,
                sum(|sample| sample.disordered),
                sum(|sample| sample.repeated),
            ),
        );
    }
    text
}

/// Beside Linux, over emulated links.
pub(super) fn paths(table: &Table) -> String {
    let (Some(first), Some(ratios)) = (table.paths.first(), links::ratios(&table.paths)) else {
        return "This run had no paths.\n".to_owned();
    };
    let mut text = format!("{}\n", links::HEADING);
    for row in &table.paths {
        push(&mut text, format_args!("{row}\n"));
    }
    let Spread {
        least,
        median,
        most,
    } = ratios;
    push(
        &mut text,
        format_args!(
            "\n{} transfers of {} s each; the ratios of what we send are {median:.2} in the middle, from {least:.2} to {most:.2}.\n",
            first.ours.len(),
            first.seconds
        ),
    );
    text
}

/// What is measured once, for the screen.
pub(crate) fn once(table: &Table) -> String {
    [held(table), engine(table), paths(table)].join("\n")
}

/// The engine's own idle connections.
pub(super) fn engine(table: &Table) -> String {
    let mut text = String::from(
        "| connections | bytes each, asked for | resident | ns a packet, 16 busy | ns a packet, any |\n|---|---|---|---|---|\n",
    );
    for world in &table.engine {
        let [busy, any] = [world.busy, world.any].map(|spread| {
            let Spread {
                least,
                median,
                most,
            } = spread;
            format!("{median:.0} ({least:.0}-{most:.0})")
        });
        push(
            &mut text,
            format_args!(
                "| {} | {:.0} | {:.0} | {busy} | {any} |\n",
                world.connections, world.bytes, world.resident
            ),
        );
    }
    text
}

/// The connections that were only held.
pub(super) fn held(table: &Table) -> String {
    let mut text = String::from(
        "| idle connections | resident, MB | bytes each | opened a second | closed by the server | 16 busy beside them, a second | us of the server a request |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for held in &table.held {
        push(
            &mut text,
            format_args!(
                "| {} | {:.1} | {:.0} | {} | {} | {} | {:.1} |\n",
                held.connections,
                megabytes(held.with),
                held.each(),
                said(held.opened, ""),
                held.lost,
                said(held.busy.rate, ""),
                held.busy.server_cpu,
            ),
        );
    }
    if let Some((ratio, ..)) = flatness(&table.held) {
        push(
            &mut text,
            format_args!(
                "\nFrom the first to the last row a busy request's cost is {ratio:.2} times.\n"
            ),
        );
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
const fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
