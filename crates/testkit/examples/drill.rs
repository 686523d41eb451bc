//! Runs scripts in the packetdrill language against the stack, in virtual time.
//!
//! `cargo run -p outcrop-testkit --example drill -- [--ip6] FILE..`

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use outcrop_testkit::drill::{Family, Options, run};

fn main() -> io::Result<ExitCode> {
    let mut options = Options::default();
    let mut failed = 0;
    for argument in std::env::args().skip(1) {
        if argument == "--ip6" {
            options.family = Family::V6;
            continue;
        }
        let path = PathBuf::from(argument);
        let report = run(&std::fs::read_to_string(&path)?, &options);
        println!("{}: {report}", path.display());
        failed += usize::from(matches!(
            report.outcome,
            outcrop_testkit::drill::Outcome::Failed(_)
        ));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
