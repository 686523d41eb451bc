use super::*;
use crate::control::tables::Reply;

use outcrop_base::{Instant, Seed, WallClock};
use outcrop_device::Clock;
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{Cidr, InterfaceConfig, Lease, Origin, Refusal};
use outcrop_stack::{Config, Core};

use std::os::unix::fs::PermissionsExt as _;

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// A host with a TUN and a TAP, whose addresses are of every kind.
fn shard() -> Shard {
    let mut core = Core::new(Config::default(), &Seed::from_number(1));
    let addresses = vec![cidr("10.1.0.2/24"), cidr("fd01::2/64")];
    let (tun, tap) = (InterfaceId(0), InterfaceId(1));
    core.add_interface(InterfaceConfig::tun(tun, 1400, addresses))
        .unwrap();
    let mac = MacAddr([2, 0, 0, 0, 0, 7]);
    let link = InterfaceConfig::ethernet(tap, 1500, mac.0);
    core.add_ethernet(link, ethernet::Config::new(mac)).unwrap();
    let now = Instant::ZERO;
    let day = Some(Instant::from_millis(86_400_000));
    let lease = Lease {
        origin: Origin::Lease,
        preferred: Some(now),
        valid: day,
        check: false,
    };
    core.assign(now, tap, cidr("10.2.0.9/24"), lease).unwrap();
    let asked = Lease {
        check: true,
        ..Lease::FOREVER
    };
    core.assign(now, tap, cidr("fd02::9/64"), asked).unwrap();
    core.add_route(cidr("0.0.0.0/0"), Some([10, 1, 0, 1].into()), tun)
        .unwrap();
    core.refuse_route(cidr("10.8.0.0/16"), Refusal::Blackhole);
    Shard::new(core, Clock::start(), WallClock::new(Duration::ZERO)).unwrap()
}

fn names() -> Names {
    vec![
        (InterfaceId(0), "tun0".to_owned()),
        (InterfaceId(1), "tap0".to_owned()),
    ]
}

/// A running control socket, and its folder.
fn running() -> (tempfile::TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let control = Control::start(Some(&path), vec![shard()], names());
    (folder, control.unwrap().unwrap())
}

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_stack() {
    let (_folder, control) = running();
    let path = control.path().to_owned();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = Control::start(Some(&path), vec![shard()], names()).unwrap_err();
    assert!(second.to_string().contains("another stack"), "{second}");
    drop(control);
    assert!(!path.exists());
    let gone = ask(&path, Table::Routes).unwrap_err();
    assert!(
        gone.to_string().contains("no stack answers there"),
        "{gone}"
    );
}

#[test]
fn routes_are_written_as_ip_writes_them() {
    let (_folder, control) = running();
    let reply = ask(control.path(), Table::Routes).unwrap();
    assert_eq!(
        text::draw(&reply, false),
        "10.1.0.0/24 dev tun0\n10.2.0.0/24 dev tap0\nblackhole 10.8.0.0/16\ndefault via 10.1.0.1 dev tun0\nfd01::/64 dev tun0\n"
    );
    let json: serde_json::Value = serde_json::from_str(&text::json(&reply)).unwrap();
    assert_eq!(
        json[2],
        serde_json::json!({"type": "blackhole", "dst": "10.8.0.0/16"})
    );
    let default = serde_json::json!({"dst": "default", "gateway": "10.1.0.1", "dev": "tun0"});
    assert_eq!(json[3], default);
}

#[test]
fn addresses_say_their_state_and_their_times() {
    let (_folder, control) = running();
    let reply = ask(control.path(), Table::Addresses).unwrap();
    let said = text::draw(&reply, false);
    for line in [
        "0: tun0: mtu 1400\n    link/none\n    inet 10.1.0.2/24 scope global\n       valid_lft forever preferred_lft forever\n",
        "1: tap0: mtu 1500\n    link/ether 02:00:00:00:00:07\n    inet 10.2.0.9/24 scope global dynamic deprecated\n       valid_lft 86399sec preferred_lft 0sec\n",
        "    inet6 fd02::9/64 scope global tentative\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[test]
fn neighbours_that_nobody_has_asked_for_are_none_and_connections_have_a_heading() {
    let (_folder, control) = running();
    let none = ask(control.path(), Table::Neighbors).unwrap();
    assert_eq!(none, Reply::Neigh(Vec::new(), 0));
    assert_eq!(text::json(&none), "[]\n");
    let said = text::draw(&ask(control.path(), Table::Connections).unwrap(), true);
    assert_eq!(
        said,
        "State  Recv-Q  Send-Q Local Address:Port  Peer Address:Port\n"
    );
}

#[test]
fn what_is_no_request_is_answered_and_the_next_is_served() {
    let (_folder, control) = running();
    for bad in [&b"everything\n"[..], &[0xff; 500], b"\n", b""] {
        let client = UnixStream::connect(control.path()).unwrap();
        // The stack may have had enough before all of it is written.
        let _written = { &client }.write_all(bad);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        let _reset = { &client }.read_to_string(&mut said);
        assert!(said.is_empty() || said.contains("ask for neigh"), "{said}");
    }
    assert!(ask(control.path(), Table::Routes).is_ok());
}
