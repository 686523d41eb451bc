//! A bar, and what a run says to it.
//!
//! Job: compare, decide, and say it as a row of a table. Owns: the rules. Does not know: which bars there are.

use core::fmt;

use super::{Bar, Beside, Measure};
use crate::figures::{Held, Row, Table};
use crate::profile;
use crate::statistics::Spread;
use crate::words::{Rate, said};

/// Nobody can be asked for more of the ceiling than this, and who has reached it can do no better.
const BOUNDED: f64 = 0.97;

/// How the ceiling did beside those it has to beat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ceiling {
    /// Times the kernel in bulk, in and out, and times nginx at 16 connections.
    pub(crate) reached: [f64; 3],
}

impl Ceiling {
    /// Where it begins to count.
    const LEAST: [f64; 3] = [1.0, 1.0, 1.7];

    /// `None` if the run has not measured it beside them.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let ratio = |scenario, beside| {
            table
                .rate(scenario, "ceiling")?
                .ratio(&table.rate(scenario, beside)?)
        };
        let reached = [
            ratio("bulk in", "kernel")?,
            ratio("bulk out", "kernel")?,
            ratio("small, 16", "nginx")?,
        ];
        Some(Self { reached })
    }

    pub(crate) fn counts(self) -> bool {
        let mut both = self.reached.iter().zip(Self::LEAST);
        both.all(|(reached, least)| *reached >= least)
    }
}

/// What became of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Met,
    /// The extremes overlap where at most as much was asked.
    Equal,
    /// Missed, where a ceiling that counts bounds what is to be had.
    Bounded {
        /// The ceiling's rate.
        ceiling: f64,
        /// What was asked, of that.
        asked: f64,
        /// What ours reached of it.
        ours: f64,
    },
    /// It is against the ceiling, which does not count in this run.
    NoCeiling,
    Missed,
}

/// A bar and what this run says to it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(super) bar: Bar,
    /// What was asked, ours, the other's, and their ratio, in words.
    cells: [String; 4],
    /// Our server's processor time for the same work, of the other's.
    cpu: Option<f64>,
    unit: String,
    pub(super) verdict: Verdict,
}

impl Bar {
    /// `None` if the run says nothing to it.
    pub(super) fn judge(&self, table: &Table, ceiling: Option<Ceiling>) -> Option<Judged> {
        match self.measure {
            Measure::Rate(name, least) => self.judge_rate(table, ceiling, (name, least)),
            Measure::P50(most) => {
                let p50 = table
                    .row(self.scenario, self.ours)?
                    .spread(|sample| sample.p50_us)?;
                let Spread {
                    least: low,
                    median,
                    most: high,
                } = p50;
                Some(self.small_enough(
                    format!("p50 at most {most:.0} us"),
                    format!("{median:.1} us ({low:.1}-{high:.1})"),
                    median <= most,
                ))
            }
            Measure::InOrder => {
                let samples = &table.row(self.scenario, self.ours)?.samples;
                let sum =
                    |of: fn(&crate::figures::Sample) -> f64| samples.iter().map(of).sum::<f64>();
                let disordered = sum(|sample| sample.disordered);
                let ours = format!(
                    "{disordered:.0} out of order, {:.0} repeated",
                    sum(|sample| sample.repeated)
                );
                let asked = "no segment out of order".to_owned();
                Some(self.small_enough(asked, ours, disordered < 1.0))
            }
            Measure::Bytes(most) => {
                let world = table.engine.last()?;
                let asked = format!("at most {most:.0} bytes each");
                let ours = format!("{:.0} bytes, of {}", world.bytes, world.connections);
                Some(self.small_enough(asked, ours, world.bytes <= most))
            }
            Measure::Flat(most, beside) => {
                let (times, few, many) = match beside {
                    Beside::Device => flatness(&table.held)?,
                    Beside::Engine => {
                        let (first, last) = (table.engine.first()?, table.engine.last()?);
                        let times = last.busy.ratio(&first.busy)?;
                        (times, first.connections, last.connections)
                    }
                };
                let asked = format!("at most {most} times beside {many} of beside {few}");
                Some(self.small_enough(asked, format!("{times:.2} times"), times <= most))
            }
        }
    }

    fn judge_rate(
        &self,
        table: &Table,
        counts: Option<Ceiling>,
        (name, least): (&str, f64),
    ) -> Option<Judged> {
        let row = table.row(self.scenario, self.ours)?;
        let other = table.row(self.scenario, name)?;
        let rate = |row: &Row| row.spread(|sample| sample.rate);
        let cpu = |row: &Row| row.spread(|sample| sample.server_cpu);
        let (ours, theirs) = (rate(row)?, rate(other)?);
        let ratio = ours.ratio(&theirs)?;
        let counts = counts.is_some_and(Ceiling::counts);
        let ceiling = table
            .rate(self.scenario, "ceiling")
            .filter(|_| counts)
            .and_then(|ceiling| Some((ours.ratio(&ceiling)?, ceiling.median)));
        let verdict = if name == "ceiling" && !counts {
            Verdict::NoCeiling
        } else {
            verdict(ratio, least, ours.overlaps(&theirs), ceiling)
        };
        let [shown, beside] = [ours, theirs].map(|rate| Rate(rate, &row.unit).to_string());
        Some(Judged {
            bar: *self,
            cells: [
                format!("{least} x {name}"),
                shown,
                beside,
                format!("{ratio:.2}"),
            ],
            cpu: cpu(row)?.ratio(&cpu(other)?),
            unit: row.unit.clone(),
            verdict,
        })
    }

    /// One that compares with a number alone.
    fn small_enough(&self, asked: String, ours: String, met: bool) -> Judged {
        Judged {
            bar: *self,
            cells: [asked, ours, String::new(), String::new()],
            cpu: None,
            unit: String::new(),
            verdict: if met { Verdict::Met } else { Verdict::Missed },
        }
    }
}

pub(super) fn verdict(
    ratio: f64,
    least: f64,
    overlap: bool,
    ceiling: Option<(f64, f64)>,
) -> Verdict {
    match ceiling {
        _ if ratio >= least => Verdict::Met,
        _ if overlap && least <= 1.0 => Verdict::Equal,
        Some((ours, ceiling)) => {
            let asked = ours * least / ratio;
            if asked > BOUNDED || ours >= BOUNDED {
                Verdict::Bounded {
                    ceiling,
                    asked,
                    ours,
                }
            } else {
                Verdict::Missed
            }
        }
        None => Verdict::Missed,
    }
}

/// How many times a busy request costs beside the most idle connections what it costs beside the fewest; and how many
/// they are.
pub(crate) fn flatness(held: &[Held]) -> Option<(f64, u32, u32)> {
    let (first, last) = (held.first()?, held.last()?);
    (held.len() > 1 && first.busy.server_cpu > 0.0).then(|| {
        let times = last.busy.server_cpu / first.busy.server_cpu;
        (times, first.connections, last.connections)
    })
}

impl Judged {
    pub(crate) fn is_missed(&self) -> bool {
        matches!(self.verdict, Verdict::Missed | Verdict::Bounded { .. })
    }

    /// The file of the profile that belongs to it.
    pub(crate) fn profile(&self) -> String {
        profile::file(self.bar.scenario, self.bar.ours)
    }
}

impl fmt::Display for Judged {
    /// A row, open at its end: bar, ours, the other's, the ratio, that of processor time, the verdict.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bar {
            scenario,
            ours: who,
            bounds,
            ..
        } = &self.bar;
        let way = who.split_once(", ").map_or("", |(_, way)| way);
        let dash = if way.is_empty() { "" } else { ", " };
        let [asked, ours, theirs, ratio] = &self.cells;
        let cpu = self.cpu.map_or_else(String::new, |cpu| format!("{cpu:.2}"));
        write!(
            f,
            "| {scenario}{dash}{way} | {asked} | {ours} | {theirs} | {ratio} | {cpu} | "
        )?;
        match self.verdict {
            Verdict::Met => write!(f, "met"),
            Verdict::Equal => write!(f, "equal: extremes overlap"),
            Verdict::Bounded {
                ceiling,
                asked,
                ours,
            } => write!(
                f,
                "bounded by the ceiling, {}: the bar is {asked:.2} of it, ours {ours:.2}",
                said(ceiling, &self.unit)
            ),
            Verdict::NoCeiling => write!(f, "not judged: the ceiling does not count in this run"),
            Verdict::Missed => write!(f, "**missed**: {bounds}"),
        }
    }
}
