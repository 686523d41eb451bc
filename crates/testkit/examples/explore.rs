//! Exploration as deep as one likes: `cargo run --profile sim -p outcrop-testkit --example explore -- DEPTH`.
#![expect(clippy::print_stdout, reason = "a program")]

use std::process::ExitCode;

use outcrop_testkit::explore::{Setup, explore};

fn main() -> ExitCode {
    let depth = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let depth = depth.unwrap_or(8);
    for simultaneous in [false, true] {
        let setup = Setup {
            depth,
            simultaneous,
            ..Setup::default()
        };
        match explore(&setup) {
            Ok(explored) => {
                println!("{setup:?}\n  {explored}");
                for (first, second) in explored.pairs {
                    println!("    {first:>12}  {second}");
                }
            }
            Err(violation) => {
                println!("VIOLATION {violation}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
