//! A bounded number of the simulations on every run; `--example soak` does as many as one likes.
#![expect(clippy::panic, reason = "tests")]

use outcrop_testkit::simulate::{Plan, run};

/// Runs these seeds; the first that fails is printed and plays alone with the `soak` example.
fn lives(seeds: core::ops::Range<u64>) {
    let (mut opened, mut bytes) = (0, 0);
    for seed in seeds {
        match run(&Plan::from_seed(seed)) {
            Ok(outcome) => {
                opened += u32::from(!outcome.never_opened);
                bytes += outcome.bytes;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(opened > 200, "{opened} connections opened");
    assert!(bytes > 500_000, "{bytes} bytes arrived");
}

// Two halves, so that two processors share them.
#[test]
fn first_250_lives_every_byte_arrives_and_nothing_is_left() {
    lives(0..250);
}

#[test]
fn next_250_lives_every_byte_arrives_and_nothing_is_left() {
    lives(250..500);
}

#[test]
fn same_seed_same_life() {
    for seed in 0..20 {
        let plan = Plan::from_seed(seed);
        assert_eq!(run(&plan).ok(), run(&plan).ok());
    }
}
