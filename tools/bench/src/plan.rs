//! What is measured, and in which order.
//!
//! Job: every scenario, every round, every contender in turn, then what is measured once; say before how long it will
//! take, and keep what there is after each scenario. Owns: the order and the estimate. Does not know: how anything is
//! measured. One who fails is in the results as absent and costs nobody else a figure.

use core::time::Duration;
use std::path::PathBuf;
use std::time::Instant;

use crate::contender::{self, Contender};
use crate::figures::{OURS, Table};
use crate::peer::external;
use crate::scenario::Scenario;
use crate::{Outcome, engine, held, network, paths, report, scenario};

/// Seconds that starting and ending takes in one measurement, and once at the beginning, for the estimate.
const AROUND: f64 = 0.2;
const BEFORE: f64 = 5.0;
/// Failures in one scenario after which a contender has no further turn in it.
const PATIENCE: u32 = 2;
/// Without these a run says little, whatever else it has.
const NEVER_ABSENT: [&str; 3] = [OURS, "nginx", "smoltcp"];

/// What is to be measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Plan {
    /// How often each contender has its turn in each scenario.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) rounds: u32,
    /// How long one measurement lasts, in seconds; half of it where no bar hangs on it.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Only the core of it: fewer scenarios, no stack that has to be built first.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only scenarios whose name has this in it; "idle" are the connections that are only held, "engine" the same without a
    /// kernel, "paths" the emulated links.
    #[arg(long)]
    only: Option<String>,
    /// Only contenders whose name has this in it.
    #[arg(long)]
    who: Option<String>,
    /// The program `outcrop` to be measured; the one beside this program if none is given.
    #[arg(long)]
    outcrop: Option<PathBuf>,
    /// A second `outcrop` to compare with: a build without the change.
    #[arg(long)]
    pub(crate) against: Option<PathBuf>,
    /// Something to be said beside the figures: what else the machine did. May be given again.
    #[arg(long)]
    pub(crate) note: Vec<String>,
    /// Where results and scratch files go.
    #[arg(long, default_value = "target/bench")]
    pub(crate) out: PathBuf,
}

impl Plan {
    /// The shortest: for who wants one thing of it.
    pub(crate) fn of(seconds: u32, outcrop: Option<PathBuf>, out: PathBuf) -> Self {
        Self {
            rounds: 1,
            seconds,
            quick: true,
            only: None,
            who: None,
            outcrop,
            against: None,
            note: Vec::new(),
            out,
        }
    }

    /// Starts it in a private namespace.
    pub(crate) fn enter(&self) -> Outcome<()> {
        // Before the namespace is entered: in it there is no way to a registry.
        if !self.quick && self.scenarios().next().is_some() {
            external::build_all(&self.out, &|name| self.wants_who(name))?;
        }
        network::enter(&["measure"])
    }

    /// The program that is measured.
    pub(crate) fn outcrop(&self) -> Outcome<PathBuf> {
        match &self.outcrop {
            Some(given) => Ok(given.clone()),
            None => Ok(std::env::current_exe()?.with_file_name("outcrop")),
        }
    }

    /// Every scenario, every round, every contender in turn.
    pub(crate) fn measure(&self) -> Outcome<()> {
        network::end_with_the_outside();
        let began = Instant::now();
        let root = scenario::files(&self.out)?;
        let network = network::Veth::new()?;
        let (mut contenders, absent) = Contender::all(self, &root)?;
        contenders.retain(|contender| self.wants_who(contender.name));
        let mut table = Table::new(self, absent);
        eprintln!("about {}", minutes(self.estimate(&contenders)));
        // They listen by now, or will by the time the first answers have been given.
        std::thread::sleep(Duration::from_millis(300));
        for scenario in self.scenarios() {
            self.ask_all(&mut table, scenario, (&contenders, &network));
            self.keep(&mut table, began)?;
        }
        drop(contenders);
        self.once(&mut table, &root);
        self.keep(&mut table, began)?;
        self.say(&table)
    }

    fn ask_all(
        &self,
        table: &mut Table,
        scenario: &Scenario,
        (contenders, network): (&[Contender], &network::Veth),
    ) {
        let mut turns: Vec<_> = contenders
            .iter()
            .filter(|contender| contender.takes_part(scenario))
            .map(|contender| (contender, 0))
            .collect();
        for round in 1..=self.rounds {
            for (contender, failures) in &mut turns {
                let (name, who) = (scenario.name, contender.name);
                if *failures >= PATIENCE {
                    continue;
                }
                let seconds = scenario.seconds(self.seconds);
                let measured = scenario
                    .warm(&self.out)
                    .and_then(|()| contender.run(scenario, seconds, network));
                match measured {
                    Ok(sample) => {
                        eprintln!("{name:<22} {who:<18} round {round}: {:.0}", sample.rate);
                        table.add(name, who, scenario.work, sample);
                    }
                    Err(error) => {
                        *failures += 1;
                        eprintln!("{name:<22} {who:<18} round {round}: {error}");
                        table.fails(&format!("{who}, {name}"), error.to_string());
                    }
                }
            }
        }
    }

    /// What is not asked of everybody in turn.
    fn once(&self, table: &mut Table, root: &std::path::Path) {
        if self.wants_called("paths") && !self.quick {
            match paths::beside_linux(self, &mut table.paths) {
                Ok(()) => {}
                Err(error) => table.fails("paths", error.to_string()),
            }
        }
        if self.wants_called("idle") {
            match held::measure(self, root) {
                Ok(held) => table.held = held,
                Err(error) => table.fails("idle connections", error.to_string()),
            }
        }
        if self.wants_called("engine") && !self.quick {
            match contender::example("idle").and_then(|program| engine::measure(&program)) {
                Ok(engine) => table.engine = engine,
                Err(error) => {
                    table.fails("idle connections of the engine alone", error.to_string())
                }
            }
        }
    }

    /// Writes what there is.
    fn keep(&self, table: &mut Table, began: Instant) -> Outcome<()> {
        table.so_far(began.elapsed().as_secs());
        table.write(&self.out.join("results.json"))
    }

    /// The tables; an error if one is not in them without whom they say little.
    fn say(&self, table: &Table) -> Outcome<()> {
        print!("{table}");
        println!("\n{}", report::once(table));
        for absent in &table.absent {
            println!("{}: absent: {}", absent.who, absent.why);
        }
        let path = self.out.join("results.json");
        println!("\nkept in {}", path.display());
        let lost: Vec<_> = table
            .absent
            .iter()
            .map(|absent| absent.who.as_str())
            .filter(|who| NEVER_ABSENT.iter().any(|never| who.starts_with(never)))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(format!("a run that counts has these: {}", lost.join("; ")).into())
    }

    fn scenarios(&self) -> impl Iterator<Item = &'static Scenario> {
        Scenario::ALL
            .iter()
            .filter(|scenario| !self.quick || scenario.is_core())
            .filter(|scenario| self.wants_called(scenario.name))
    }

    /// Seconds that all of it will take.
    fn estimate(&self, contenders: &[Contender]) -> f64 {
        let of = |scenario: &Scenario| {
            let all = contenders.iter();
            let turns = all
                .filter(|contender| contender.takes_part(scenario))
                .count();
            let each = f64::from(scenario.seconds(self.seconds)) + AROUND;
            f64::from(u32::try_from(turns).unwrap_or(u32::MAX)) * each
        };
        let turns: f64 = self.scenarios().map(of).sum();
        let mut all = BEFORE + turns * f64::from(self.rounds);
        if self.wants_called("paths") && !self.quick {
            all += paths::estimate(self);
        }
        if self.wants_called("idle") {
            all += held::estimate(self);
        }
        if self.wants_called("engine") && !self.quick {
            all += engine::SECONDS;
        }
        all
    }

    fn wants_called(&self, name: &str) -> bool {
        name.contains(self.only.as_deref().unwrap_or_default())
    }

    fn wants_who(&self, name: &str) -> bool {
        name.contains(self.who.as_deref().unwrap_or_default())
    }
}

/// So many seconds, as people say it.
pub(crate) fn minutes(seconds: f64) -> String {
    if seconds < 90.0 {
        return format!("{seconds:.0} seconds");
    }
    format!("{:.0} minutes", seconds / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(quick: bool) -> Plan {
        Plan {
            quick,
            rounds: if quick { 3 } else { 5 },
            seconds: if quick { 1 } else { 2 },
            ..Plan::of(1, None, PathBuf::new())
        }
    }

    #[test]
    fn a_quick_run_has_nothing_that_must_be_built() {
        let quick: Vec<_> = plan(true)
            .scenarios()
            .map(|scenario| scenario.name)
            .collect();
        assert!(quick.contains(&"small, 16") && !quick.contains(&"1 GiB body"));
        assert_eq!(plan(false).scenarios().count(), Scenario::ALL.len());
    }

    #[test]
    fn a_complete_run_ends_within_25_minutes_and_a_quick_one_within_5() {
        let full = plan(false).estimate(&Contender::drawn());
        assert!((15.0 * 60.0..24.0 * 60.0).contains(&full), "{full}");
        let quick = plan(true).estimate(&Contender::drawn());
        assert!((60.0..5.0 * 60.0).contains(&quick), "{quick}");
    }

    #[test]
    fn seconds_become_minutes() {
        assert_eq!(minutes(80.0), "80 seconds");
        assert_eq!(minutes(1_260.0), "21 minutes");
    }
}
