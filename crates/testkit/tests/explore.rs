//! Exhaustive exploration to a depth that a test run can afford; `--example explore` goes deeper.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use outcrop_testkit::explore::{Setup, explore};

/// Prints what was explored: the figure the book quotes.
fn explored(setup: &Setup, at_least: usize) {
    let explored = explore(setup).map_err(|v| v.to_string()).unwrap();
    println!("{setup:?}: {explored}");
    assert!(explored.states >= at_least, "{explored}");
}

#[test]
fn listener_and_client_every_order_of_events_both_come_to_rest() {
    let setup = Setup {
        depth: 7,
        ..Setup::default()
    };
    explored(&setup, 1_000);
}

#[test]
fn both_connect_at_once_every_order_of_events_both_come_to_rest() {
    let setup = Setup {
        depth: 6,
        simultaneous: true,
        ..Setup::default()
    };
    explored(&setup, 1_000);
}

#[test]
fn orderly_programs_deeper_every_order_of_events_both_come_to_rest() {
    let setup = Setup {
        depth: 9,
        losses: 1,
        duplicates: 0,
        early_timers: 0,
        aborts: false,
        ..Setup::default()
    };
    explored(&setup, 1_000);
}
