//! A run as documentation.
//!
//! Job: write the tables of a run into `docs/performance.md`, between the comments that name them, and its plots into the
//! book. Owns: which table and which plot there is. Does not know: how anything was measured.
//! All of it is made from `docs/bench/results.json`; a test holds that what is in the repository is what it makes.

use core::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::Outcome;
use crate::bars;
use crate::figures::{OURS, Row, Sample, Table};
use crate::plot::{self, Group, Series};
use crate::statistics::Spread;
use crate::words::{Rate, said};

/// Who has a column, in this order.
const COLUMNS: [&str; 8] = [
    OURS, "ceiling", "nginx", "kernel", "smoltcp", "lwIP", "gVisor", "ipstack",
];
/// Scenarios of the plot of peers.
const PLOTTED: [&str; 6] = [
    "small, 16",
    "small, 256",
    "small, 16, pipelined",
    "small, 64, close",
    "bulk in",
    "bulk out",
];
/// Tasks that want a processor because of the measurement, and half a one more.
const MEASURED: f64 = 2.5;
/// Busy connections and their scenario, and bytes of an answer.
const CONNECTIONS: [(f64, &str, &str); 4] = [
    (1.0, "1", "small, 1 connection"),
    (16.0, "16", "small, 16"),
    (256.0, "256", "small, 256"),
    (4096.0, "4,096", "small, 4096"),
];
const SIZES: [(f64, &str, &str); 7] = [
    (100.0, "100 B", "small, 16"),
    (1024.0, "1 KiB", "1 KiB, 16"),
    (4096.0, "4 KiB", "4 KiB, 16"),
    (16_384.0, "16 KiB", "16 KiB, 16"),
    (65_536.0, "64 KiB", "64 KiB, 16"),
    (262_144.0, "256 KiB", "256 KiB, 16"),
    (1_048_576.0, "1 MiB", "1 MiB, 16"),
];

/// From where to where.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// What a run has kept.
    #[arg(default_value = "target/bench/results.json")]
    results: PathBuf,
    /// The documentation.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

impl Options {
    pub(crate) fn run(&self) -> Outcome<()> {
        let table = Table::read(&self.results)?;
        let kept = self.docs.join("bench/results.json");
        table.write(&kept)?;
        let pictures = self.docs.join("book/src/speed");
        fs::create_dir_all(&pictures)?;
        for (name, svg) in plots(&table) {
            fs::write(pictures.join(name), svg)?;
        }
        let page = self.docs.join("performance.md");
        let text = fs::read_to_string(&page)?;
        fs::write(&page, filled(&text, &table)?)?;
        println!(
            "written: {}, {}, {}",
            kept.display(),
            pictures.display(),
            page.display()
        );
        Ok(())
    }
}

/// `text` with every section of a run made anew: what stands between `<!-- bench: NAME -->` and `<!-- end -->`.
fn filled(text: &str, table: &Table) -> Outcome<String> {
    const END: &str = "<!-- end -->";
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- bench: ") {
        let (name, after) = after.split_once(" -->").ok_or("a section without a name")?;
        let (_, after) = after
            .split_once(END)
            .ok_or_else(|| format!("section {name}: no {END}"))?;
        let section = section(name, table).ok_or_else(|| format!("{name}: no such section"))?;
        write!(made, "{before}<!-- bench: {name} -->\n{section}{END}")?;
        rest = after;
    }
    made.push_str(rest);
    Ok(made)
}

fn section(name: &str, table: &Table) -> Option<String> {
    match name {
        "when" => Some(when(table)),
        "bars" => Some(judged(table)),
        "rates" => Some(matrix(table, &|row| {
            Some(Rate(row.spread(|sample| sample.rate)?, &row.unit).to_string())
        })),
        "cpu" => Some(matrix(table, &cpu)),
        "latency" => Some(latency(table)),
        "idle" => Some(held(table)),
        _ => None,
    }
}

/// The day, the machine, who is absent.
fn when(table: &Table) -> String {
    let Table {
        rounds,
        seconds,
        processors,
        kernel,
        ..
    } = table;
    let [before, after] = table.load;
    let mut text = format!(
        "{}: {rounds} rounds of {seconds} s each, {processors} processors, Linux {kernel}, load {before:.1} at the beginning and {after:.1} at the end.\n",
        day(table)
    );
    if is_crowded(table) {
        text.push_str(
            "**More wanted a processor than there are: rates, and with them verdicts, tell of the scheduler as much as of the\n\
             contenders. Processor time a request or a GB can be compared.**\n",
        );
    }
    if let Some([bulk_in, bulk_out, small]) = bars::ceiling_counts(table) {
        let counts = bulk_in.min(bulk_out) >= 1.0 && small >= 1.7;
        let word = if counts {
            "so it counts"
        } else {
            "and would count from 1, 1 and 1.7: what is said of it is of this run only"
        };
        push(
            &mut text,
            format_args!(
                "The ceiling reached {bulk_in:.2} and {bulk_out:.2} times the kernel in bulk, in and out, and {small:.2} times nginx at 16\n\
                 connections, {word}.\n"
            ),
        );
    }
    for absent in &table.absent {
        push(
            &mut text,
            format_args!("Absent: {}: {}.\n", absent.who, absent.why),
        );
    }
    text
}

/// Whether others were at work: what is measured is a client and a server.
fn is_crowded(table: &Table) -> bool {
    table.load.iter().any(|load| *load > MEASURED)
}

fn day(table: &Table) -> String {
    let at = i64::try_from(table.at).unwrap_or_default();
    jiff::Timestamp::from_second(at).map_or_else(
        |_| String::new(),
        |at| at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    )
}

fn judged(table: &Table) -> String {
    let mut text = String::from(
        "| scenario | at least | ours | theirs | ratio | server CPU, of theirs | |\n|---|---|---|---|---|---|---|\n",
    );
    for judged in bars::judge(table) {
        push(&mut text, format_args!("{judged}\n"));
    }
    text
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
fn cpu(row: &Row) -> Option<String> {
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

fn latency(table: &Table) -> String {
    let mut text =
        String::from("| | p50, us | p99, us | p99.9, us | unanswered |\n|---|---|---|---|---|\n");
    for row in table
        .rows
        .iter()
        .filter(|row| row.samples.iter().any(|sample| sample.p999_us > 0.0))
    {
        let say = |of: fn(&Sample) -> f64| {
            row.spread(of).map_or_else(
                String::new,
                |Spread {
                     least,
                     median,
                     most,
                 }| { format!("{median:.0} ({least:.0}-{most:.0})") },
            )
        };
        let lost: f64 = row.samples.iter().map(|sample| sample.errors).sum();
        push(
            &mut text,
            format_args!(
                "| {} | {} | {} | {} | {lost:.0} |\n",
                row.contender,
                say(|sample| sample.p50_us),
                say(|sample| sample.p99_us),
                say(|sample| sample.p999_us),
            ),
        );
    }
    text
}

/// The connections that were only held.
pub(crate) fn held(table: &Table) -> String {
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
    if let Some(ratio) = bars::flatness(&table.held) {
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

/// Every picture: its name and itself.
fn plots(table: &Table) -> [(&'static str, String); 4] {
    let day = day(table);
    let cpu =
        |scenario: &str, who: &str| table.row(scenario, who)?.spread(|sample| sample.server_cpu);
    let over = |places: &[(f64, &str, &str)], names: &[&str]| -> Vec<Series> {
        let series = names.iter().map(|name| Series {
            name: (*name).to_owned(),
            points: places
                .iter()
                .filter_map(|(place, _, scenario)| Some((*place, cpu(scenario, name)?)))
                .collect(),
        });
        series.filter(|series| !series.points.is_empty()).collect()
    };
    let ticks = |places: &[(f64, &'static str, &str)]| -> Vec<(f64, &'static str)> {
        places
            .iter()
            .map(|(place, name, _)| (*place, *name))
            .collect()
    };
    let idle = Series {
        name: "16 busy".to_owned(),
        points: table
            .held
            .iter()
            .filter_map(|held| {
                Some((
                    f64::from(held.connections),
                    Spread::of([held.busy.server_cpu])?,
                ))
            })
            .collect(),
    };
    [
        (
            "peers.svg",
            plot::bars(
                "Beside everybody, in one run",
                &format!("median, thin line from least to most; {day}"),
                &groups(table),
            ),
        ),
        (
            "connections.svg",
            plot::lines(
                "Processor time a small request, by busy connections",
                &format!("server, us; {day}"),
                &ticks(&CONNECTIONS),
                &over(&CONNECTIONS, &[OURS, "ceiling", "nginx", "smoltcp"]),
            ),
        ),
        (
            "sizes.svg",
            plot::lines(
                "Processor time a request, by bytes of the answer",
                &format!("server, us, 16 connections; {day}"),
                &ticks(&SIZES),
                &over(&SIZES, &[OURS, "nginx"]),
            ),
        ),
        (
            "idle.svg",
            plot::lines(
                "Processor time a small request, by idle connections beside 16 busy ones",
                &format!("server, us; {day}"),
                &[(1e3, "1,000"), (1e4, "10,000"), (1e5, "100,000")],
                &[idle],
            ),
        ),
    ]
}

fn groups(table: &Table) -> Vec<Group> {
    let groups = PLOTTED.iter().map(|scenario| {
        let rows = table
            .rows
            .iter()
            .filter(|row| row.scenario == *scenario && !row.contender.contains(','));
        let mut bars: Vec<_> = rows
            .filter_map(|row| {
                let spread = row.spread(|sample| sample.rate)?;
                let said = if row.unit == "Mbit/s" {
                    format!("{:.1} Gbit/s", spread.median / 1e3)
                } else {
                    format!("{}/s", said(spread.median, &row.unit))
                };
                Some((row.contender.clone(), spread, said, row.contender == OURS))
            })
            .collect();
        bars.sort_by_key(|(name, ..)| COLUMNS.iter().position(|column| column == name));
        Group {
            heading: (*scenario).to_owned(),
            bars,
        }
    });
    groups.filter(|group| !group.bars.is_empty()).collect()
}

fn push(text: &mut String, more: core::fmt::Arguments<'_>) {
    // A string always takes what it is given.
    let _never = text.write_fmt(more);
}

/// Where the documentation of this repository is.
#[cfg(test)]
fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_repository_is_what_its_results_make() {
        let table = Table::read(&docs().join("bench/results.json")).unwrap();
        for (name, svg) in plots(&table) {
            let kept = fs::read_to_string(docs().join("book/src/speed").join(name)).unwrap();
            assert!(
                kept == svg,
                "{name}: run `outcrop-bench report docs/bench/results.json`"
            );
        }
        let page = fs::read_to_string(docs().join("performance.md")).unwrap();
        assert!(
            filled(&page, &table).unwrap() == page,
            "docs/performance.md is of another run"
        );
    }

    #[test]
    fn a_section_that_nobody_knows_is_an_error() {
        let table = Table::read(&docs().join("bench/results.json")).unwrap();
        assert!(filled("a <!-- bench: nothing --> <!-- end -->", &table).is_err());
        assert!(filled("a <!-- bench: when --> without", &table).is_err());
        assert_eq!(
            filled("nothing of a run\n", &table).unwrap(),
            "nothing of a run\n"
        );
    }
}
