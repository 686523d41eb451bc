//! What came of it.
//!
//! Job: medians with their extremes, and ratios to our own. Owns: the samples. Does not know: how they were taken.

use core::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::Plan;
use crate::load::Report;
use crate::scenario::{Scenario, Work};

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// In the scenario's unit.
    pub(crate) rate: f64,
    p50_us: f64,
    errors: f64,
    /// Processor time of the server: microseconds a request, or seconds a gigabyte for bulk.
    server_cpu: f64,
    client_cpu: f64,
}

impl Sample {
    pub(crate) fn new(scenario: &Scenario, report: &Report, server_cpu: f64) -> Self {
        let count = report.count.max(1.0);
        let scale = match scenario.work {
            Work::Requests { .. } => 1e6,
            Work::Push | Work::Pull | Work::File => 1e9,
        };
        Self {
            rate: report.rate,
            p50_us: report.p50_us,
            errors: report.errors,
            server_cpu: server_cpu * scale / count,
            client_cpu: report.cpu * scale / count,
        }
    }
}

/// Everything measured.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    /// Seconds since 1970.
    at: u64,
    rounds: u32,
    seconds: u32,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    scenario: &'static str,
    unit: &'static str,
    contender: &'static str,
    samples: Vec<Sample>,
}

impl Row {
    /// Least, median and most of what `of` says.
    fn spread(&self, of: impl Fn(&Sample) -> f64) -> (f64, f64, f64) {
        let mut values: Vec<f64> = self.samples.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.get(values.len() / 2).copied().unwrap_or(0.0);
        let (first, last) = (values.first(), values.last());
        let or_middle = |value: Option<&f64>| value.copied().unwrap_or(middle);
        (or_middle(first), middle, or_middle(last))
    }
}

impl Table {
    pub(crate) fn new(plan: &Plan) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            at: now.map_or(0, |now| now.as_secs()),
            rounds: plan.rounds,
            seconds: plan.seconds,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, contender: &'static str, sample: Sample) {
        let known = self
            .rows
            .iter_mut()
            .find(|row| row.scenario == scenario.name && row.contender == contender);
        match known {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row {
                scenario: scenario.name,
                unit: scenario.unit,
                contender,
                samples: vec![sample],
            }),
        }
    }

    /// The median of our own row of this scenario.
    fn ours(&self, scenario: &str) -> f64 {
        self.rows
            .iter()
            .find(|row| row.scenario == scenario && row.contender == "outcrop")
            .map_or(0.0, |row| row.spread(|sample| sample.rate).1)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} rounds of {} s; CPU in us a request, or s a GB for bulk\n\n\
             | scenario | who | median | min-max | unit | outcrop is | p50 us | server CPU | client CPU | errors |\n\
             |---|---|---|---|---|---|---|---|---|---|",
            self.rounds, self.seconds
        )?;
        for row in &self.rows {
            let (least, median, most) = row.spread(|sample| sample.rate);
            let ratio = self.ours(row.scenario) / median.max(1e-9);
            let errors = (row.samples.iter()).fold(0.0, |sum, sample| sum + sample.errors);
            writeln!(
                f,
                "| {} | {} | {median:.0} | {least:.0}-{most:.0} | {} | {ratio:.2} x | {:.0} | {:.3} | {:.3} | {errors:.0} |",
                row.scenario,
                row.contender,
                row.unit,
                row.spread(|sample| sample.p50_us).1,
                row.spread(|sample| sample.server_cpu).1,
                row.spread(|sample| sample.client_cpu).1,
            )?;
        }
        Ok(())
    }
}
