//! As many simulated lives as one likes.
//!
//! `cargo run --profile sim -p outcrop-testkit --example soak -- COUNT [FIRST_SEED]`; a failing seed is printed
//! with the command that plays it alone. Uses every core.
#![expect(clippy::print_stdout, reason = "a program")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use outcrop_testkit::simulate::{Plan, run};

/// Figures over all runs.
#[derive(Default)]
struct Total {
    runs: u64,
    failed: u64,
    never_opened: u64,
    packets: u64,
    bytes: u64,
    rules: BTreeMap<&'static str, u64>,
}

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(count)), first) = (numbers.next(), numbers.next()) else {
        println!("how many? soak COUNT [FIRST_SEED]");
        return ExitCode::FAILURE;
    };
    let first = first.and_then(Result::ok).unwrap_or(0);
    let next = AtomicU64::new(first);
    let total = Mutex::new(Total::default());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    play(seed, count == 1, &total);
                }
            });
        }
    });
    let total = total
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for (rule, runs) in &total.rules {
        println!("{runs:>8} runs reached {rule}");
    }
    println!(
        "{} runs, {} failed, {} never opened, {} packets, {} bytes",
        total.runs, total.failed, total.never_opened, total.packets, total.bytes
    );
    ExitCode::from(u8::from(total.failed > 0))
}

fn play(seed: u64, tell: bool, total: &Mutex<Total>) {
    let plan = Plan::from_seed(seed);
    if tell {
        println!("{plan:#?}");
    }
    let result = catch_unwind(AssertUnwindSafe(|| run(&plan)));
    let mut total = total
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    total.runs += 1;
    let what = match result {
        Ok(Ok(outcome)) => {
            total.never_opened += u64::from(outcome.never_opened);
            total.packets += outcome.packets;
            total.bytes += outcome.bytes;
            for rule in outcome.rules {
                *total.rules.entry(rule).or_default() += 1;
            }
            return;
        }
        Ok(Err(failure)) => failure.to_string(),
        Err(_) => format!("seed {seed}: an invariant does not hold (see above)"),
    };
    total.failed += 1;
    println!("FAILED {what}");
    println!("  again: cargo run --profile sim -p outcrop-testkit --example soak -- 1 {seed}");
}
