//! One application script, many stacks: every program must see the same.
//!
//! Job: play each script between our stack and a peer, in both roles and both families, and hold what the two
//! programs saw against the perfect pipe of `model`. Owns: the list of peers. Does not know: packets.
//!
//! | peer | time | where |
//! |---|---|---|
//! | ours, smoltcp | virtual | `ours`, `smol`, joined by `wire` |
//! | the Linux kernel, lwIP | real | `real`: a TUN in a private namespace; a pipe to a process |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod model;
mod ours;
mod player;
mod script;
mod smol;
mod wire;

use core::net::IpAddr;
use core::time::Duration;

use outcrop_netem::Config;
use ours::Ours;
use script::{Outcome, SCRIPTS, Script};
use smol::Smol;
use wire::{Node, Pair, play};

/// The opener's addresses, then the listener's: IPv4 and IPv6.
const ADDRESSES: [[&str; 2]; 2] = [["10.77.0.1", "fd77::1"], ["10.77.0.2", "fd77::2"]];

fn addresses(side: usize) -> [IpAddr; 2] {
    ADDRESSES[side].map(|text| text.parse().unwrap())
}

/// Both families, by the listener's address.
fn pairs() -> [Pair; 2] {
    addresses(1).map(|listener| Pair {
        listener,
        ports: 20_000,
    })
}

/// Holds what was seen against what must be.
fn compare(what: &str, script: &Script, got: &[Vec<Outcome>; 2], want: &[Vec<Outcome>; 2]) {
    if !script.cuts_off() {
        assert_eq!(got, want, "{what}: {script}");
        return;
    }
    // The bytes were checked one by one as they came; how many there were is nobody's promise.
    for (got, want) in got.iter().flatten().zip(want.iter().flatten()) {
        assert!(got.heard <= want.heard, "{what}: {script}");
        assert_eq!(got.seen, want.seen, "{what}: {script}");
    }
}

/// Plays every script that suits, over both families.
fn all_scripts(
    peer: &str,
    suits: impl Fn(&Script) -> bool,
    wire: &Config,
    nodes: impl Fn() -> [Box<dyn Node>; 2],
) {
    let mut played = 0;
    for (number, (name, text)) in SCRIPTS.iter().enumerate() {
        let script: Script = text.parse().unwrap();
        if !suits(&script) {
            continue;
        }
        let want = model::outcomes(&script);
        for pair in pairs() {
            let [mut opener, mut listener] = nodes();
            let ends: [&mut dyn Node; 2] = [&mut *opener, &mut *listener];
            let got = play(&script, ends, &pair, wire, number as u64);
            compare(&format!("{peer}: {name}"), &script, &got, &want);
            played += 1;
        }
    }
    assert!(played >= 40, "{peer}: only {played} plays");
}

fn ours(side: usize) -> Box<dyn Node> {
    Box::new(Ours::new(addresses(side), 7 + side as u64))
}

fn smol(side: usize) -> Box<dyn Node> {
    Box::new(Smol::new(addresses(side)))
}

fn clean() -> Config {
    Config::delay(Duration::from_millis(2))
}

fn lossy() -> Config {
    Config {
        loss: 0.02,
        jitter: Duration::from_millis(1),
        ..clean()
    }
}

/// A reset that is lost is never repeated: under loss only scripts without one have one outcome.
fn repeats_itself(script: &Script) -> bool {
    !script.resets()
}

/// smoltcp has no notion of a program that lets go: it goes on listening.
fn smoltcp_can(script: &Script) -> bool {
    !script.lets_go()
}

#[test]
fn ours_to_ours_programs_see_what_a_pipe_would_show() {
    all_scripts("ours", |_| true, &clean(), || [ours(0), ours(1)]);
}

#[test]
fn ours_to_ours_over_a_bad_link_programs_see_the_same() {
    all_scripts("ours, loss", repeats_itself, &lossy(), || [ours(0), ours(1)]);
}

#[test]
fn ours_to_smoltcp_programs_see_what_a_pipe_would_show() {
    all_scripts("to smoltcp", smoltcp_can, &clean(), || [ours(0), smol(1)]);
}

#[test]
fn smoltcp_to_ours_programs_see_what_a_pipe_would_show() {
    all_scripts("from smoltcp", smoltcp_can, &clean(), || [smol(0), ours(1)]);
}

#[test]
fn ours_and_smoltcp_over_a_bad_link_programs_see_the_same() {
    let suits = |script: &Script| repeats_itself(script) && smoltcp_can(script);
    all_scripts("to smoltcp, loss", suits, &lossy(), || [ours(0), smol(1)]);
    all_scripts("from smoltcp, loss", suits, &lossy(), || [smol(0), ours(1)]);
}
