//! Everything the continuous integration runs, in one order, with times.
//!
//! Job: run each step, keep going after a failure, print what each took and the test runner's own last line.
//! Owns: the list of steps. Does not know: what a step checks.

mod step;

use std::time::Instant;

use clap::Args;

use crate::ci::step::{STEPS, Step, run_step};
use crate::report::{Error, Finding};
use crate::workspace::Workspace;

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// Run all but these steps.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    skip: Vec<String>,
    /// Print the steps and stop.
    #[arg(long)]
    list: bool,
}

/// How a step ended.
pub(crate) enum Outcome {
    /// It passed; perhaps with a closing line worth repeating.
    Passed(Option<String>),
    /// It failed.
    Failed(Option<String>),
    /// It could not be run here, and says why.
    Skipped(&'static str),
}

/// Runs the steps chosen; a finding for each that failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Vec<Finding>, Error> {
    if options.list {
        for step in STEPS {
            println!("{:12} {}", step.name, step.about);
        }
        return Ok(Vec::new());
    }
    let unknown = unknown_names(options);
    if !unknown.is_empty() {
        return Ok(unknown);
    }
    let begin = Instant::now();
    let mut findings = Vec::new();
    let mut report = Vec::new();
    for step in STEPS.iter().filter(|step| chosen(step, options)) {
        println!("\n== {} : {}", step.name, step.about);
        let started = Instant::now();
        let outcome = run_step(workspace, step)?;
        let seconds = started.elapsed().as_secs_f64();
        report.push(line(step, seconds, &outcome));
        if let Outcome::Failed(_) = outcome {
            findings.push(Finding::new(step.name, "failed"));
        }
    }
    println!("\n== times");
    report.iter().for_each(|line| println!("{line}"));
    println!("{:12} {:>7.1} s", "all", begin.elapsed().as_secs_f64());
    Ok(findings)
}

fn line(step: &Step, seconds: f64, outcome: &Outcome) -> String {
    let (word, rest) = match outcome {
        Outcome::Passed(rest) => ("ok", rest.as_deref().unwrap_or_default()),
        Outcome::Failed(rest) => ("FAILED", rest.as_deref().unwrap_or_default()),
        Outcome::Skipped(why) => ("skipped", *why),
    };
    format!("{:12} {seconds:>7.1} s  {word:8} {rest}", step.name)
        .trim_end()
        .to_owned()
}

fn chosen(step: &Step, options: &Options) -> bool {
    let named = |list: &[String]| list.iter().any(|name| name == step.name);
    (options.only.is_empty() || named(&options.only)) && !named(&options.skip)
}

fn unknown_names(options: &Options) -> Vec<Finding> {
    let known = |name: &String| STEPS.iter().any(|step| step.name == name);
    let names = options.only.iter().chain(&options.skip);
    names
        .filter(|name| !known(name))
        .map(|name| Finding::new(name.as_str(), "is not a step; see cargo xtask ci --list"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[&str], skip: &[&str]) -> Options {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Options {
            only: own(only),
            skip: own(skip),
            list: false,
        }
    }

    #[test]
    fn only_and_skip_choose_steps_and_a_wrong_name_is_said() {
        let picked = |options: &Options| STEPS.iter().filter(|step| chosen(step, options)).count();
        assert_eq!(picked(&options(&[], &[])), STEPS.len());
        assert_eq!(picked(&options(&["fmt", "shape"], &["shape"])), 1);
        assert_eq!(unknown_names(&options(&["fmt", "polish"], &[])).len(), 1);
    }
}
