//! Three stations and a switch in memory: who asks, who answers, and who hears it.
//!
//! `cargo run -p outcrop-ethernet --example lan [hub]`

use core::net::Ipv4Addr;

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, HeaderRoom, Instant, Limit, Note, PacketId, Seed, Why};
use outcrop_ethernet::{Config, Endpoint, MacAddr, Port, Switch, SwitchConfig, wire};

/// Carries what the stations send until they are silent.
fn carry(stations: &mut [Endpoint], switch: &mut Switch) {
    let now = Instant::ZERO;
    while let Some((port, frame)) = stations
        .iter_mut()
        .enumerate()
        .find_map(|(port, station)| Some((port, station.poll_transmit(now)?)))
    {
        let mut room = HeaderRoom::new();
        wire::emit(&frame.header, &mut room);
        let bytes = Bytes::from([room.as_slice(), &frame.payload].concat());
        let from = Port(u8::try_from(port).unwrap_or(u8::MAX));
        let forward = switch.handle_frame(now, from, &bytes);
        println!(
            "port {port}: {} to {}: {}",
            frame.note.why(),
            frame.header.dst,
            forward.verdict.rule
        );
        for to in forward.to.iter() {
            let Some(station) = stations.get_mut(usize::from(to.0)) else {
                continue;
            };
            let received = station.handle_frame(now, PacketId(1), bytes.clone());
            println!("    port {}: {}", to.0, received.verdict.rule);
        }
    }
}

fn main() {
    let hub = std::env::args().nth(1).is_some_and(|word| word == "hub");
    let seed = Seed::from_number(1);
    let mut stations: Vec<Endpoint> = ["a", "b", "c"]
        .iter()
        .zip(1..)
        .map(|(name, host)| {
            let config = Config::new(MacAddr::generate(&seed, name));
            let mut station = Endpoint::new(config, &seed.split(name));
            station.own(Ipv4Addr::new(10, 0, 0, host));
            station
        })
        .collect();
    let mut switch = Switch::new(SwitchConfig {
        ports: 3,
        hub,
        ..SwitchConfig::default()
    });
    let note = Note::new(Why::Datagram, Limit::App, Cause::Call(CallKind::Send));
    for text in ["one", "two"] {
        if let Some(first) = stations.first_mut() {
            let to = Ipv4Addr::new(10, 0, 0, 2).into();
            first.hold(Instant::ZERO, to, Bytes::from(text), note);
        }
        carry(&mut stations, &mut switch);
    }
    for neighbor in stations.iter().flat_map(Endpoint::neighbors) {
        println!("{neighbor:?}");
    }
}
