//! What came of it.
//!
//! Job: keep every sample, as JSON, and say what they come to. Owns: the samples. Does not know: how they were taken.

use core::fmt;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::load::Report;
use crate::plan::Plan;
use crate::scenario::{Scenario, Work};
use crate::statistics::Spread;
use crate::{Outcome, paths};

/// Who we are in the table.
pub(crate) const OURS: &str = "outcrop";

/// Rounds from which on a median is one.
const ENOUGH: u32 = 5;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// In the scenario's unit.
    pub(crate) rate: f64,
    /// Latencies, microseconds; zero where none was measured.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) errors: f64,
    /// Segments that came out of order, in either direction, and that the client sent again.
    #[serde(default)]
    pub(crate) disordered: f64,
    #[serde(default)]
    pub(crate) repeated: f64,
    /// Processor time of either side: seconds a million requests, or a gigabyte.
    pub(crate) server_cpu: f64,
    pub(crate) client_cpu: f64,
}

impl Sample {
    pub(crate) fn new(work: Work, report: &Report, server_cpu: f64) -> Self {
        let (_, many) = work.cpu_unit();
        let share = many / report.count.max(1.0);
        Self {
            rate: report.rate,
            p50_us: report.p50_us,
            p99_us: report.p99_us,
            p999_us: report.p999_us,
            errors: report.errors,
            disordered: report.disordered,
            repeated: report.repeated,
            server_cpu: server_cpu * share,
            client_cpu: report.cpu * share,
        }
    }
}

/// Everything measured.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// Tasks that wanted a processor, averaged over a minute, before and after.
    pub(crate) load: [f64; 2],
    pub(crate) processors: usize,
    pub(crate) kernel: String,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    /// What whoever measured has to say to it.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    /// Who is not in it, and why.
    pub(crate) absent: Vec<Absent>,
    pub(crate) rows: Vec<Row>,
    /// Connections held by kernel clients.
    pub(crate) held: Vec<Held>,
    /// The same of the engine alone.
    #[serde(default)]
    pub(crate) engine: Vec<Engine>,
    /// Emulated links, beside Linux.
    #[serde(default)]
    pub(crate) paths: Vec<paths::Row>,
    /// How long it all took, in seconds.
    #[serde(default)]
    pub(crate) took: u64,
}

/// One who did not take part, or not to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absent {
    pub(crate) who: String,
    pub(crate) why: String,
}

/// What one contender did in one scenario.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) contender: String,
    pub(crate) unit: String,
    pub(crate) cpu_unit: String,
    pub(crate) samples: Vec<Sample>,
}

/// What so many idle connections cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) connections: u32,
    /// Bytes that the server had in memory before, and with them.
    pub(crate) before: u64,
    pub(crate) with: u64,
    /// How many of them were opened in a second.
    pub(crate) opened: f64,
    /// How many of them the server had closed.
    pub(crate) lost: u32,
    /// What sixteen busy connections beside them did.
    pub(crate) busy: Sample,
}

impl Held {
    /// Bytes of each.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn each(&self) -> f64 {
        self.with.saturating_sub(self.before) as f64 / f64::from(self.connections.max(1))
    }
}

impl Row {
    /// The spread of what `of` says.
    pub(crate) fn spread(&self, of: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.samples.iter().map(of))
    }
}

impl Table {
    pub(crate) fn new(plan: &Plan, absent: Vec<Absent>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            at: now.map_or(0, |now| now.as_secs()),
            load: [load_average(), 0.0],
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: version(&read("/proc/sys/kernel/osrelease")),
            rounds: plan.rounds,
            seconds: plan.seconds,
            notes: plan.note.clone(),
            absent,
            rows: Vec::new(),
            held: Vec::new(),
            engine: Vec::new(),
            paths: Vec::new(),
            took: 0,
        }
    }

    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Written so that a row is a line: what changes from run to run can be read as a difference.
    pub(crate) fn write(&self, path: &Path) -> Outcome<()> {
        let lists = [
            ("rows", lines(&self.rows)?),
            ("held", lines(&self.held)?),
            ("engine", lines(&self.engine)?),
            ("paths", lines(&self.paths)?),
        ];
        let mut head = serde_json::to_value(self)?;
        if let Some(head) = head.as_object_mut() {
            lists.iter().for_each(|(name, _)| drop(head.remove(*name)));
        }
        let mut text = serde_json::to_string(&head)?;
        let _brace = text.pop();
        for (name, lines) in lists {
            text.push_str(&format!(",\n \"{name}\":[\n  {lines}]"));
        }
        text.push_str("}\n");
        // The run may end at any time: what is there is always whole.
        let fresh = path.with_extension("json.new");
        fs::write(&fresh, text)?;
        Ok(fs::rename(fresh, path)?)
    }

    /// Whether there is something of everything, often enough.
    pub(crate) fn is_complete(&self) -> bool {
        let once = [self.held.len(), self.engine.len(), self.paths.len()];
        let mut all = Scenario::ALL.iter();
        self.rounds >= ENOUGH
            && once.iter().all(|count| *count > 0)
            && all.all(|scenario| self.rows.iter().any(|row| row.scenario == scenario.name))
    }

    /// What there is after so many seconds.
    pub(crate) fn so_far(&mut self, seconds: u64) {
        let [_, after] = &mut self.load;
        *after = load_average();
        self.took = seconds;
    }

    pub(crate) fn add(&mut self, scenario: &str, contender: &str, work: Work, sample: Sample) {
        let known = self
            .rows
            .iter_mut()
            .find(|row| row.scenario == scenario && row.contender == contender);
        match known {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row {
                scenario: scenario.to_owned(),
                contender: contender.to_owned(),
                unit: work.unit().to_owned(),
                cpu_unit: work.cpu_unit().0.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    /// Somebody failed; said once for each way to fail.
    pub(crate) fn fails(&mut self, who: &str, why: String) {
        let absent = Absent {
            who: who.to_owned(),
            why,
        };
        if !self.absent.contains(&absent) {
            self.absent.push(absent);
        }
    }

    pub(crate) fn row(&self, scenario: &str, contender: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.scenario == scenario && row.contender == contender)
    }

    /// The spread of the rates of a row.
    pub(crate) fn rate(&self, scenario: &str, contender: &str) -> Option<Spread> {
        self.row(scenario, contender)?.spread(|sample| sample.rate)
    }
}

/// A line each.
fn lines(rows: &[impl Serialize]) -> serde_json::Result<String> {
    let rows: Vec<String> = rows
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<_, _>>()?;
    Ok(rows.join(",\n  "))
}

/// The first two numbers: the rest is whose kernel it is.
fn version(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split('.').take(2).collect();
    numbers.join(".")
}

/// Of the last minute.
fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.unwrap_or(0.0)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.load;
        writeln!(
            f,
            "{} rounds of {} s, load {before:.1} to {after:.1}\n\n\
             | scenario | who | median | min-max | unit | outcrop is | p50, p99, p99.9 us | server CPU | client CPU | CPU unit | errors |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.rounds, self.seconds
        )?;
        for row in &self.rows {
            let of =
                |what: fn(&Sample) -> f64| row.spread(what).map_or(0.0, |spread| spread.median);
            let Some(rate) = row.spread(|sample| sample.rate) else {
                continue;
            };
            let ours = self.rate(&row.scenario, OURS);
            let ratio = ours.and_then(|ours| ours.ratio(&rate));
            writeln!(
                f,
                "| {} | {} | {:.0} | {:.0}-{:.0} | {} | {} | {:.0}, {:.0}, {:.0} | {:.3} | {:.3} | {} | {:.0} |",
                row.scenario,
                row.contender,
                rate.median,
                rate.least,
                rate.most,
                row.unit,
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
                of(|sample| sample.p50_us),
                of(|sample| sample.p99_us),
                of(|sample| sample.p999_us),
                of(|sample| sample.server_cpu),
                of(|sample| sample.client_cpu),
                row.cpu_unit,
                row.samples.iter().map(|sample| sample.errors).sum::<f64>(),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
impl Table {
    /// Made complete, with figures that say nothing.
    pub(crate) fn complete(&mut self) {
        self.rounds = ENOUGH;
        let work = Work::Push { streams: 1 };
        for scenario in Scenario::ALL {
            let sample = Sample::new(work, &Report::default(), 0.0);
            self.add(scenario.name, OURS, work, sample);
        }
        self.paths.push(paths::Row::default());
        let figure = Spread {
            least: 1.0,
            median: 1.0,
            most: 1.0,
        };
        self.engine.push(Engine {
            connections: 1,
            bytes: 1.0,
            resident: 1.0,
            busy: figure,
            any: figure,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(count: f64, cpu: f64) -> Report {
        Report {
            count,
            rate: 1_000.0,
            cpu,
            ..Report::default()
        }
    }

    #[test]
    fn processor_time_is_of_a_million_requests_or_a_gigabyte() {
        // Half a second for 250,000 requests is two for a million; a quarter for 500 MB is a half for a gigabyte.
        let paced = Work::Paced {
            rate: 1,
            connections: 1,
        };
        let sample = Sample::new(paced, &report(250_000.0, 0.25), 0.5);
        assert_eq!((sample.server_cpu, sample.client_cpu), (2.0, 1.0));
        let sample = Sample::new(Work::Push { streams: 1 }, &report(5e8, 1.0), 0.25);
        assert_eq!((sample.server_cpu, sample.client_cpu), (0.5, 2.0));
    }

    fn table() -> Table {
        let mut table = Table {
            at: 1_795_000_000,
            load: [1.5, 2.0],
            processors: 2,
            kernel: "6.1".to_owned(),
            rounds: 2,
            seconds: 1,
            notes: vec!["a note".to_owned()],
            absent: Vec::new(),
            rows: Vec::new(),
            held: Vec::new(),
            engine: vec![Engine {
                connections: 1,
                bytes: 2.0,
                resident: 3.0,
                busy: Spread::of([4.0]).unwrap(),
                any: Spread::of([5.0, 6.0]).unwrap(),
            }],
            paths: vec![paths::Row::default()],
            took: 7,
        };
        let work = Work::Push { streams: 1 };
        for (who, rate) in [(OURS, 30.0), (OURS, 10.0), ("kernel", 40.0)] {
            let mut sample = Sample::new(work, &report(1.0, 0.0), 0.0);
            sample.rate = rate;
            table.add("bulk in", who, work, sample);
        }
        table.fails("lwIP", "not here".to_owned());
        table.fails("lwIP", "not here".to_owned());
        let busy = table.rows[0].samples[0].clone();
        table.held.push(Held {
            connections: 1_000,
            before: 1_000_000,
            with: 2_500_000,
            opened: 100.0,
            lost: 0,
            busy,
        });
        table
    }

    #[test]
    fn rows_gather_samples_and_failures_are_said_once() {
        let table = table();
        assert_eq!((table.rows.len(), table.absent.len()), (2, 1));
        assert_eq!(table.rate("bulk in", OURS).unwrap().median, 20.0);
        assert_eq!(table.held[0].each(), 1_500.0);
        // 20 of 40.
        assert!(
            table
                .to_string()
                .contains("| bulk in | kernel | 40 | 40-40 | Mbit/s | 0.50 x |")
        );
    }

    #[test]
    fn a_kernel_is_two_numbers() {
        assert_eq!(version("6.1.0-25-amd64\n"), "6.1");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = std::env::temp_dir().join(format!("outcrop-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("results.json");
        table().write(&path).unwrap();
        assert_eq!(Table::read(&path).unwrap(), table());
        // The head, four names of lists, two rows, one of each else.
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 10);
        fs::remove_dir_all(&folder).unwrap();
    }
}
