//! The recordings in `fixtures/` come out again, byte for byte and at the same virtual time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use outcrop_testkit::replay::{Outcome, replay};
use outcrop_testkit::scenario::Scenario;

fn replays(scenario: Scenario) {
    let name = format!("../../fixtures/{scenario}.pcapng");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    match replay(&std::fs::read(&path).unwrap()).unwrap() {
        Outcome::Identical {
            scenario: played,
            packets,
        } => {
            assert_eq!(played, scenario);
            assert!(packets > 4);
        }
        Outcome::Diverged(divergence) => panic!(
            "{scenario}: packet {} differs in {:?}; `outcrop replay {}` shows it",
            divergence.number,
            divergence.what,
            path.display()
        ),
        Outcome::Foreign(_) => panic!("{scenario}: not a recording of ours"),
    }
}

#[test]
fn get_replays() {
    replays(Scenario::Get);
}

#[test]
fn pipeline_replays() {
    replays(Scenario::Pipeline);
}

#[test]
fn half_close_replays() {
    replays(Scenario::HalfClose);
}

#[test]
fn simultaneous_close_replays() {
    replays(Scenario::SimultaneousClose);
}

#[test]
fn reset_replays() {
    replays(Scenario::Reset);
}

#[test]
fn retransmission_replays() {
    replays(Scenario::Retransmission);
}
