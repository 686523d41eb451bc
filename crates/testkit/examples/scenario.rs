//! Plays a scenario and leaves its recording: how the fixtures of this repository are made.
//!
//! `cargo run -p outcrop-testkit --example scenario -- get 1 fixtures/get.pcapng`

use outcrop_testkit::scenario::{Scenario, play};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [scenario, seed, file] = &args[..] else {
        let known: Vec<_> = Scenario::ALL.iter().map(|s| s.name()).collect();
        return Err(format!(
            "usage: record SCENARIO SEED FILE; scenarios: {}",
            known.join(" ")
        )
        .into());
    };
    let scenario = Scenario::from_name(scenario).ok_or("unknown scenario")?;
    let recording = play(scenario, seed.parse()?)?;
    std::fs::write(file, recording.capture)?;
    println!(
        "{scenario}: {} bytes received, quiet at the end: {}",
        recording.received.len(),
        recording.quiet
    );
    Ok(())
}
