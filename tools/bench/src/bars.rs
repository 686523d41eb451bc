//! What was to be reached.
//!
//! Job: compare a run with the bars that the project has set itself, and judge. Owns: the list, and for each bar what
//! bounds it where it is missed. Does not know: how anything was measured.
//! The rules: medians are compared; two whose extremes overlap are equal; what is above 0.97 of the ceiling of the same
//! run is bounded by the ceiling; and the ceiling counts only if it beats the kernel and nginx itself.

use core::fmt;

use crate::figures::{Held, OURS, Row, Table};
use crate::statistics::Spread;
use crate::words::Rate;

/// A median this close to the ceiling's cannot be better.
const BOUNDED: f64 = 0.97;

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
    Bar {
        scenario,
        ours,
        measure: Measure::Rate(beside, least),
        bounds,
    }
}

const SMALL: &str = "our own 18,600 instructions a request beside the two calls into the kernel, which the ceiling makes too";
const AXUM: &str =
    "what hyper and axum do with a request, and tokio's queue between them and the driver";
const SPIN: &str = "the client's waking, which the ceiling waits for as well";
const CLOSE: &str =
    "a connection made and forgotten a request, and a TIME-WAIT, which smoltcp does not keep";
const PLAIN: &str = "a call into the kernel a segment, and its checksum";
const COLD: &str =
    "the file is copied once more than sendfile does, from a cache that cannot hold it";
const LARGE: &str = "the copies: at this size they bound the ceiling itself";
const BULK: &str = "the copy in the kernel, which is most of the ceiling's own time";

/// All of them, in the order of the table.
const BARS: &[Bar] = &[
    rate("bulk in", "ceiling", 0.9, BULK),
    rate("bulk in", "kernel", 1.0, BULK),
    rate("bulk out", "ceiling", 0.9, BULK),
    rate("bulk out", "kernel", 1.0, BULK),
    variant("bulk in", "outcrop, plain", "smoltcp, plain", 1.0, PLAIN),
    variant("bulk out", "outcrop, plain", "smoltcp, plain", 1.0, PLAIN),
    rate("small, 16", "nginx", 1.5, SMALL),
    rate("small, 16", "ceiling", 0.85, SMALL),
    rate("small, 16", "smoltcp", 1.0, SMALL),
    rate("small, 256", "nginx", 1.5, SMALL),
    rate("small, 256", "ceiling", 0.85, SMALL),
    rate("small, 256", "smoltcp", 1.0, SMALL),
    variant("small, 16", "outcrop, axum", "nginx", 1.0, AXUM),
    variant("small, 256", "outcrop, axum", "nginx", 1.0, AXUM),
    variant(
        "small, 1 connection",
        "outcrop, spinning",
        "nginx",
        1.7,
        SPIN,
    ),
    Bar {
        scenario: "small, 1 connection",
        ours: "outcrop, spinning",
        measure: Measure::P50(10.0),
        bounds: SPIN,
    },
    rate("small, 16, pipelined", "nginx", 5.0, SMALL),
    rate("small, 64, close", "nginx", 1.4, CLOSE),
    rate("1 GiB body, dropped", "nginx", 1.0, COLD),
    rate("1 MiB, 16", "nginx", 1.4, LARGE),
    rate("small, 1 connection", "smoltcp", 1.0, SMALL),
    rate("small, 16, pipelined", "smoltcp", 1.0, SMALL),
    rate("small, 64, close", "smoltcp", 1.0, CLOSE),
    rate("1 MiB, 16", "smoltcp", 1.0, LARGE),
    rate("bulk in", "smoltcp", 1.0, BULK),
    rate("bulk out", "smoltcp", 1.0, BULK),
    rate("small, 16", "lwIP", 1.0, SMALL),
    rate("small, 256", "lwIP", 1.0, SMALL),
    rate("small, 16, pipelined", "lwIP", 1.0, SMALL),
    rate("small, 64, close", "lwIP", 1.0, CLOSE),
    rate("bulk in", "lwIP", 1.0, BULK),
    rate("bulk out", "lwIP", 1.0, BULK),
    rate("small, 16", "gVisor", 1.0, SMALL),
    rate("small, 64, close", "gVisor", 1.0, CLOSE),
    rate("bulk in", "gVisor", 1.0, BULK),
    rate("bulk out", "gVisor", 1.0, BULK),
    rate("small, 16", "ipstack", 1.0, SMALL),
    rate("small, 64, close", "ipstack", 1.0, CLOSE),
    rate("bulk in", "ipstack", 1.0, BULK),
    rate("bulk out", "ipstack", 1.0, BULK),
];

/// What became of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Met,
    /// The extremes overlap where at least as much was asked.
    Equal,
    /// Missed, at this share of the ceiling: no more is to be had.
    AtCeiling(f64),
    Missed,
}

/// A bar and what this run says to it.
#[derive(Debug)]
pub(crate) struct Judged {
    bar: Bar,
    ours: Spread,
    beside: Option<Spread>,
    /// The ratio, or the microseconds.
    figure: f64,
    /// Our server's processor time for the same work, of the other's.
    cpu: Option<f64>,
    unit: String,
    pub(crate) verdict: Verdict,
}

impl Bar {
    fn judge(&self, table: &Table) -> Option<Judged> {
        let row = table.row(self.scenario, self.ours)?;
        let rate = row.spread(|sample| sample.rate)?;
        let cpu = |row: &Row| row.spread(|sample| sample.server_cpu);
        let judged = |ours, beside: Option<&Row>, figure, verdict| Judged {
            bar: *self,
            ours,
            beside: beside.and_then(|row| row.spread(|sample| sample.rate)),
            figure,
            cpu: beside.and_then(|other| cpu(row)?.ratio(&cpu(other)?)),
            unit: row.unit.clone(),
            verdict,
        };
        match self.measure {
            Measure::P50(most) => {
                let p50 = row.spread(|sample| sample.p50_us)?;
                let verdict = if p50.median <= most {
                    Verdict::Met
                } else {
                    Verdict::Missed
                };
                Some(judged(p50, None, p50.median, verdict))
            }
            Measure::Rate(name, least) => {
                let other = table.row(self.scenario, name)?;
                let beside = other.spread(|sample| sample.rate)?;
                let ratio = rate.ratio(&beside)?;
                let ceiling = table
                    .rate(self.scenario, "ceiling")
                    .and_then(|ceiling| rate.ratio(&ceiling));
                let verdict = verdict(ratio, least, rate.overlaps(&beside), ceiling);
                Some(judged(rate, Some(other), ratio, verdict))
            }
        }
    }
}

fn verdict(ratio: f64, least: f64, overlap: bool, ceiling: Option<f64>) -> Verdict {
    match ceiling {
        _ if ratio >= least => Verdict::Met,
        _ if overlap && least <= 1.0 => Verdict::Equal,
        Some(share) if share >= BOUNDED => Verdict::AtCeiling(share),
        Some(_) | None => Verdict::Missed,
    }
}

/// Every bar that this run says something to.
pub(crate) fn judge(table: &Table) -> Vec<Judged> {
    BARS.iter().filter_map(|bar| bar.judge(table)).collect()
}

/// Whether the ceiling is one: above the kernel in bulk, and 1.7 times nginx.
pub(crate) fn ceiling_counts(table: &Table) -> Option<[f64; 3]> {
    let ratio = |scenario, beside| {
        table
            .rate(scenario, "ceiling")?
            .ratio(&table.rate(scenario, beside)?)
    };
    Some([
        ratio("bulk in", "kernel")?,
        ratio("bulk out", "kernel")?,
        ratio("small, 16", "nginx")?,
    ])
}

/// Whether the cost of a request rose with the idle connections beside it, from the fewest to the most.
pub(crate) fn flatness(held: &[Held]) -> Option<f64> {
    let (first, last) = (held.first()?, held.last()?);
    (held.len() > 1 && first.busy.server_cpu > 0.0)
        .then(|| last.busy.server_cpu / first.busy.server_cpu)
}

impl fmt::Display for Judged {
    /// A row: bar, ours, the other's, the ratio, that of processor time, the verdict.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bar {
            scenario,
            ours,
            measure,
            bounds,
        } = &self.bar;
        let way = ours.split_once(", ").map_or("", |(_, way)| way);
        let dash = if way.is_empty() { "" } else { ", " };
        write!(f, "| {scenario}{dash}{way} | ")?;
        let figure = self.figure;
        match (measure, &self.beside) {
            (Measure::P50(most), _) | (Measure::Rate(_, most), None) => {
                write!(f, "p50 at most {most:.0} us | {figure:.1} us | | | |")?;
            }
            (Measure::Rate(name, least), Some(beside)) => {
                let [ours, beside] = [self.ours, *beside].map(|rate| Rate(rate, &self.unit));
                let cpu = self.cpu.map_or_else(String::new, |cpu| format!("{cpu:.2}"));
                write!(
                    f,
                    "{least} x {name} | {ours} | {beside} | {figure:.2} | {cpu} |"
                )?;
            }
        }
        match self.verdict {
            Verdict::Met => write!(f, " met |"),
            Verdict::Equal => write!(f, " equal: extremes overlap |"),
            Verdict::AtCeiling(share) => {
                write!(f, " at {share:.2} of the ceiling, which bounds it |")
            }
            Verdict::Missed => write!(f, " **missed**: {bounds} |"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Sample;
    use crate::load::Report;
    use crate::scenario::Work;

    #[test]
    fn a_verdict_is_the_rules() {
        assert_eq!(verdict(1.6, 1.5, false, Some(0.9)), Verdict::Met);
        // Equal counts where as much was asked, not where one and a half times as much was.
        assert_eq!(verdict(0.95, 1.0, true, Some(0.9)), Verdict::Equal);
        assert_eq!(verdict(1.4, 1.5, true, Some(0.9)), Verdict::Missed);
        assert_eq!(
            verdict(1.4, 1.5, false, Some(0.98)),
            Verdict::AtCeiling(0.98)
        );
        assert_eq!(verdict(1.4, 1.5, false, None), Verdict::Missed);
    }

    fn run(rates: &[(&str, &str, &[f64])]) -> Table {
        let json = r#"{"at":0,"load":[0.0,0.0],"processors":2,"kernel":"","rounds":1,"seconds":1,"absent":[],"rows":[],"held":[]}"#;
        let mut table: Table = serde_json::from_str(json).unwrap();
        let work = Work::Push { streams: 1 };
        for (scenario, who, rates) in rates {
            for rate in *rates {
                let report = Report {
                    rate: *rate,
                    p50_us: 12.5,
                    ..Report::default()
                };
                let cpu = if who.starts_with(OURS) { 0.5 } else { 0.25 };
                table.add(scenario, who, work, Sample::new(work, &report, cpu));
            }
        }
        table
    }

    #[test]
    fn a_run_is_judged_by_the_bars_it_has_figures_for() {
        let table = run(&[
            ("bulk in", "outcrop", &[36_000.0, 36_000.0, 40_000.0]),
            ("bulk in", "ceiling", &[45_000.0, 46_000.0, 47_000.0]),
            ("bulk in", "kernel", &[30_000.0]),
            ("bulk in", "smoltcp", &[39_000.0, 41_000.0]),
            ("small, 1 connection", "outcrop, spinning", &[80.0]),
        ]);
        let said: Vec<String> = judge(&table).iter().map(ToString::to_string).collect();
        // 36 of 46 where 0.9 was asked; 36 of 30; 36 of 40 with 39 to 40 in common; and a latency. Twice the processor.
        let [ceiling, kernel, alone, smoltcp] = said.try_into().unwrap();
        let ours = "36.0G (36.0G-40.0G)";
        assert_eq!(
            ceiling,
            format!(
                "| bulk in | 0.9 x ceiling | {ours} | 46.0G (45.0G-47.0G) | 0.78 | 2.00 | **missed**: {BULK} |"
            )
        );
        assert_eq!(
            kernel,
            format!("| bulk in | 1 x kernel | {ours} | 30.0G (30.0G-30.0G) | 1.20 | 2.00 | met |")
        );
        assert_eq!(
            smoltcp,
            format!(
                "| bulk in | 1 x smoltcp | {ours} | 40.0G (39.0G-41.0G) | 0.90 | 2.00 | equal: extremes overlap |"
            )
        );
        assert_eq!(
            alone,
            format!(
                "| small, 1 connection, spinning | p50 at most 10 us | 12.5 us | | | | **missed**: {SPIN} |"
            )
        );
    }

    #[test]
    fn a_ceiling_counts_beside_the_kernel_and_nginx() {
        let table = run(&[
            ("bulk in", "ceiling", &[30.0]),
            ("bulk in", "kernel", &[20.0]),
            ("bulk out", "ceiling", &[30.0]),
            ("bulk out", "kernel", &[40.0]),
            ("small, 16", "ceiling", &[200.0]),
            ("small, 16", "nginx", &[100.0]),
        ]);
        assert_eq!(ceiling_counts(&table), Some([1.5, 0.75, 2.0]));
        assert_eq!(ceiling_counts(&run(&[])), None);
    }
}
