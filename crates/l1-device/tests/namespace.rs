//! A private network with a real TUN in it. Needs root or user namespaces, and `/dev/net/tun` readable
//! and writable; where that is missing the tests fail with the error that says how to mend it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use core::net::IpAddr;
use core::time::Duration;
use std::io::IoSlice;
use std::process::{Command, Stdio};

use outcrop_base::{Checksum, Instant};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, NamespaceError, holder_main};
use outcrop_device::{Clock, Device, Dry, Offload, Pool, Received, Tun, WakeSource};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The test harness owns `main`: the holder comes in by the door of its name.
#[test]
fn namespace_holder() {
    holder_main();
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network() -> (Namespace, Tun) {
    let interface = Interface::new("tun0")
        .address(ip("10.77.0.1"), 24)
        .address(ip("fd77::1"), 64);
    match Namespace::create(&[interface], &Clock::start()) {
        Ok((namespace, mut tuns)) => (namespace, tuns.pop().unwrap()),
        Err(error) => panic!("these tests need a private network: {error}"),
    }
}

fn output(namespace: &Namespace, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    let out = namespace.enter(&mut command).output().unwrap();
    assert!(
        out.status.success(),
        "{program} {args:?}: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// Waits for packets, at most ten seconds.
fn wait(tun: &mut Tun, pool: &mut Pool) -> Vec<Received> {
    let mut out = Vec::new();
    loop {
        let dry = tun.receive(pool, &mut out, 64).unwrap();
        if !out.is_empty() {
            return out;
        }
        assert_eq!(dry, Dry::Yes);
        let ready = readable_within(tun, Duration::from_secs(10));
        assert_eq!(ready, 1, "no packet came within ten seconds");
    }
}

/// One if something came before the time was over, else zero.
fn readable_within(tun: &Tun, limit: Duration) -> usize {
    let WakeSource::Fd(fd) = tun.wake_source() else {
        panic!("a TUN has a descriptor");
    };
    let limit = Timespec::try_from(limit).unwrap();
    poll(
        &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
        Some(&limit),
    )
    .unwrap()
}

/// Turns an IPv4 echo request into its reply: RFC 792, RFC 1624 not needed as the sum is made anew.
fn echo_reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[12..16].copy_from_slice(&request[16..20]);
    reply[16..20].copy_from_slice(&request[12..16]);
    reply[20] = 0;
    reply[22..24].fill(0);
    let mut sum = Checksum::new();
    sum.add(&reply[20..]);
    reply[22..24].copy_from_slice(&sum.finish().to_be_bytes());
    reply
}

#[test]
fn kernel_pings_us_through_the_tun_and_hears_our_answer() {
    let (namespace, mut tun) = network();
    let mut command = Command::new("ping");
    command
        .args(["-c1", "-W10", "10.77.0.2"])
        .stdout(Stdio::null());
    let mut ping = namespace.spawn(command).unwrap();
    let mut pool = Pool::new();
    let received = wait(&mut tun, &mut pool);
    let request = &received[0];
    assert!(request.at > Instant::ZERO);
    assert_eq!(
        (request.bytes[0], request.bytes[9], request.bytes[20]),
        (0x45, 1, 8)
    );
    let reply = echo_reply(&request.bytes);
    // In two pieces, as the stack sends header and payload.
    let pieces = [IoSlice::new(&reply[..20]), IoSlice::new(&reply[20..])];
    tun.transmit(&pieces, Offload::default()).unwrap();
    assert!(ping.wait().unwrap().success());
}

#[test]
fn programs_inside_see_loopback_and_the_tun_and_are_root() {
    let (namespace, tun) = network();
    let interfaces = output(&namespace, "cat", &["/proc/net/dev"]);
    assert_eq!(interfaces.matches("tun0:").count(), 1);
    assert_eq!(interfaces.lines().count(), 4, "{interfaces}");
    assert_eq!(output(&namespace, "id", &["-u"]), "0\n");
    let addresses = output(&namespace, "cat", &["/proc/net/if_inet6"]);
    assert!(addresses.contains("fd770000000000000000000000000001"));
    assert!(!addresses.contains("fe80"), "{addresses}");
    assert_eq!((tun.name(), tun.caps().mtu), ("tun0", 1_500));
}

#[test]
fn freshly_made_link_is_silent() {
    let (_namespace, mut tun) = network();
    assert_eq!(readable_within(&tun, Duration::from_millis(50)), 0);
    let mut out = Vec::new();
    let dry = tun.receive(&mut Pool::new(), &mut out, 64).unwrap();
    assert_eq!((out.len(), dry), (0, Dry::Yes), "{out:?}");
}

#[test]
fn several_interfaces_come_in_order_with_their_own_mtu_and_routes() {
    let mut wide = Interface::new("wide").address(ip("10.2.0.1"), 24);
    wide.mtu = 65_535;
    let narrow = Interface::new("narrow")
        .address(ip("10.1.0.1"), 30)
        .route(ip("0.0.0.0"), 0, Some(ip("10.1.0.2")))
        .route(ip("fd99::"), 64, None);
    let (namespace, tuns) = Namespace::create(&[wide, narrow], &Clock::start()).unwrap();
    let seen: Vec<_> = tuns
        .iter()
        .map(|tun| (tun.name(), tun.caps().mtu))
        .collect();
    assert_eq!(seen, [("wide", 65_535), ("narrow", 1_500)]);
    let routes = output(&namespace, "cat", &["/proc/net/route"]);
    // Destination and gateway are little-endian: 0.0.0.0 through 10.1.0.2.
    assert!(routes.contains("narrow\t00000000\t0200010A"), "{routes}");
    let routes = output(&namespace, "cat", &["/proc/net/ipv6_route"]);
    assert!(
        routes.contains("fd990000000000000000000000000000 40"),
        "{routes}"
    );
}

#[test]
fn two_interfaces_of_one_name_are_refused_as_busy() {
    let twice = [Interface::new("tun0"), Interface::new("tun0")];
    let error = Namespace::create(&twice, &Clock::start()).unwrap_err();
    assert!(error.to_string().contains("`tun0` is busy"), "{error}");
}

#[test]
fn impossible_name_or_address_is_an_error_and_not_a_namespace() {
    let long = Interface::new("a-name-of-sixteen");
    let error = Namespace::create(&[long], &Clock::start()).unwrap_err();
    assert!(matches!(error, NamespaceError::Name(_)));
    let wrong = Interface::new("tun0").address(ip("10.0.0.1"), 77);
    let error = Namespace::create(&[wrong], &Clock::start()).unwrap_err();
    assert!(
        error.to_string().contains("give 10.0.0.1/77 to `tun0`"),
        "{error}"
    );
}

#[test]
fn program_inside_dies_with_the_thread_that_started_it() {
    let (namespace, _tun) = network();
    let mut child = std::thread::spawn(move || {
        let mut command = Command::new("sleep");
        command.arg("1000");
        namespace.spawn(command).unwrap()
    })
    .join()
    .unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success());
}
