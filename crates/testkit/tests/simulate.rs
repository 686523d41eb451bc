//! A bounded number of the simulations on every run; `--example soak` does as many as one likes.
#![expect(clippy::panic, reason = "tests")]

use outcrop_testkit::simulate::{Plan, run};

#[test]
fn five_hundred_lives_every_byte_arrives_and_nothing_is_left() {
    let (mut opened, mut bytes) = (0, 0);
    for seed in 0..500 {
        match run(&Plan::from_seed(seed)) {
            Ok(outcome) => {
                opened += u32::from(!outcome.never_opened);
                bytes += outcome.bytes;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(opened > 450, "{opened} connections opened");
    assert!(bytes > 1_000_000, "{bytes} bytes arrived");
}

#[test]
fn same_seed_same_life() {
    for seed in 0..20 {
        let plan = Plan::from_seed(seed);
        assert_eq!(run(&plan).ok(), run(&plan).ok());
    }
}
