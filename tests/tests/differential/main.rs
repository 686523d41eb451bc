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

mod drawn;
mod kernel;
mod lwip;
mod model;
mod ours;
mod player;
mod real;
mod script;
mod smol;
mod wire;

use core::cell::{Cell, RefCell};
use core::net::IpAddr;
use core::time::Duration;
use std::process::{Command, Stdio};

use ours::Ours;
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, holder_main};
use outcrop_device::{Clock, Pool};
use outcrop_netem::Config;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use real::{Cable, Desk, Peer, TunCable};
use script::{Outcome, Role, SCRIPTS, Script};
use smol::Smol;
use wire::{Node, Pair, play};

/// Scripts drawn for peers in virtual time, and for peers in real time.
const DRAWN_VIRTUAL: u32 = 40;
const DRAWN_REAL: u32 = 25;

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
    all_scripts("ours, loss", repeats_itself, &lossy(), || {
        [ours(0), ours(1)]
    });
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

/// Plays as many scripts out of chance as asked for; proptest makes one that fails small, and keeps it.
fn drawn_scripts(cases: u32, play: impl Fn(&Script) -> Result<(), TestCaseError>) {
    let mut config = ProptestConfig::with_cases(cases);
    config.source_file = Some(file!());
    config.max_shrink_iters = 200;
    TestRunner::new(config)
        .run(&drawn::script(), |script| play(&script))
        .unwrap();
}

/// The same for one script drawn, by value: what proptest can make smaller.
fn judge(what: &str, script: &Script, got: &[Vec<Outcome>; 2]) -> Result<(), TestCaseError> {
    prop_assert_eq!(got, &model::outcomes(script), "{}: {}", what, script);
    Ok(())
}

#[test]
fn scripts_out_of_chance_ours_and_smoltcp_programs_see_the_same() {
    drawn_scripts(DRAWN_VIRTUAL, |script| {
        let pair = pairs()[script.lines.len() % 2];
        let mut ends = vec![("ours", ours(0), ours(1))];
        if smoltcp_can(script) {
            ends.push(("to smoltcp", ours(0), smol(1)));
            ends.push(("from smoltcp", smol(0), ours(1)));
        }
        for (what, mut opener, mut listener) in ends {
            let ends: [&mut dyn Node; 2] = [&mut *opener, &mut *listener];
            judge(what, script, &play(script, ends, &pair, &clean(), 1))?;
        }
        if repeats_itself(script) {
            let (mut opener, mut listener) = (ours(0), ours(1));
            let ends: [&mut dyn Node; 2] = [&mut *opener, &mut *listener];
            judge(
                "ours, loss",
                script,
                &play(script, ends, &pair, &lossy(), 1),
            )?;
        }
        Ok(())
    });
}

#[test]
fn scripts_out_of_chance_ours_and_linux_programs_see_the_same() {
    for (what, role) in [("to Linux", Role::Opener), ("from Linux", Role::Listener)] {
        let desk = RefCell::new(beside_the_kernel(role));
        let ports = Cell::new(20_000);
        drawn_scripts(DRAWN_REAL, |script| {
            ports.set(ports.get() + 16);
            let pair = Pair {
                ports: ports.get(),
                ..pairs()[script.lines.len() % 2]
            };
            judge(what, script, &desk.borrow_mut().play(script, role, &pair))
        });
    }
}

/// The yardstick itself: an end that is another end is noticed.
#[test]
#[should_panic(expected = "a reset for a finish")]
fn an_outcome_of_another_script_is_noticed() {
    let script: Script = "expect:1 finish end / send:1 end finish".parse().unwrap();
    let other: Script = "expect:1 abort / send:1 end".parse().unwrap();
    let (mut opener, mut listener) = (ours(0), ours(1));
    let ends: [&mut dyn Node; 2] = [&mut *opener, &mut *listener];
    let got = play(&other, ends, &pairs()[0], &clean(), 1);
    compare(
        "a reset for a finish",
        &script,
        &got,
        &model::outcomes(&script),
    );
}

/// The test harness owns `main`: who holds the private network comes in by the door of this name.
#[test]
fn namespace_holder() {
    holder_main();
}

/// And so does the kernel's side.
#[test]
fn kernel_side() {
    if std::env::var_os(kernel::SIDE).is_some() {
        kernel::serve();
        std::process::exit(0);
    }
}

/// Ourselves at one end of a TUN in a private network, programs of the kernel's at the other.
fn beside_the_kernel(role: Role) -> Desk {
    let ours = match role {
        Role::Opener => 0,
        Role::Listener => 1,
    };
    let [four, six] = addresses(1 - ours);
    let interface = Interface::new("tun0").address(four, 24).address(six, 64);
    let clock = Clock::start();
    let (namespace, mut tuns) =
        Namespace::create(&[interface], &clock).expect("these tests need a private network");
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["kernel_side", "--exact", "--nocapture"])
        .env(kernel::SIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let cable = TunCable {
        tun: tuns.pop().unwrap(),
        pool: Pool::new(),
    };
    Desk {
        ours: Ours::new(addresses(ours), 11),
        cable: Box::new(cable),
        peer: Peer::new(namespace.spawn(command).unwrap()),
        clock,
    }
}

/// Plays every script that suits with a process at the other end, over these families.
fn all_scripts_with(
    peer: &str,
    desk: &mut Desk,
    role: Role,
    suits: impl Fn(&Script) -> bool,
    pairs: &[Pair],
) {
    let mut ports = 20_000;
    for (name, text) in SCRIPTS {
        let script: Script = text.parse().unwrap();
        if !suits(&script) {
            continue;
        }
        let want = model::outcomes(&script);
        for pair in pairs {
            ports += 16;
            let pair = Pair { ports, ..*pair };
            let began = std::time::Instant::now();
            let got = desk.play(&script, role, &pair);
            compare(&format!("{peer}: {name}"), &script, &got, &want);
            eprintln!("{:>8.1?} {peer}: {name}", began.elapsed());
        }
    }
}

#[test]
fn ours_to_linux_programs_see_what_a_pipe_would_show() {
    let mut desk = beside_the_kernel(Role::Opener);
    all_scripts_with("to Linux", &mut desk, Role::Opener, |_| true, &pairs());
}

#[test]
fn linux_to_ours_programs_see_what_a_pipe_would_show() {
    let mut desk = beside_the_kernel(Role::Listener);
    all_scripts_with("from Linux", &mut desk, Role::Listener, |_| true, &pairs());
}

/// lwIP cannot choose a window at run time: its `SO_RCVBUF` bounds the queue behind it, not what it offers.
fn lwip_can(script: &Script) -> bool {
    script.window.is_none()
}

#[test]
fn ours_and_lwip_programs_see_what_a_pipe_would_show() {
    for (what, role, ours, last) in [
        ("to lwIP", Role::Opener, 0, "2"),
        ("from lwIP", Role::Listener, 1, "1"),
    ] {
        let Some((cable, peer)) = lwip::start(last) else {
            return;
        };
        let cable: Box<dyn Cable> = Box::new(cable);
        let mut desk = Desk {
            ours: Ours::new(addresses(ours), 13),
            cable,
            peer,
            clock: Clock::start(),
        };
        all_scripts_with(what, &mut desk, role, lwip_can, &pairs());
    }
}
