//! An echo service and its client, in memory: RFC 862 in the space of a page.
//!
//! `cargo run -p outcrop-udp --example echo`

use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, Ecn, HeaderRoom, Instant, InterfaceId, PacketId, Path, Seed,
};
use outcrop_udp::{Config, Endpoint, Event, SendOptions, wire};

/// Carries everything `from` has to send to `to`, as IP would.
fn carry(from: &mut Endpoint, to: &mut Endpoint) {
    while let Some(transmit) = from.poll_transmit(Instant::ZERO) {
        let mut room = HeaderRoom::new();
        wire::emit(
            &transmit.flow,
            &[IoSlice::new(&transmit.payload)],
            false,
            &mut room,
        );
        let bytes = Bytes::from([room.as_slice(), &transmit.payload].concat());
        let arrival = Arrival {
            at: Instant::ZERO,
            id: PacketId(1),
            iface: InterfaceId(0),
            src: transmit.flow.local.ip(),
            dst: transmit.flow.remote.ip(),
            cast: Cast::Unicast,
            ecn: Ecn::NotEct,
            hop_limit: 64,
            checksum: ChecksumState::Unverified,
            gso_size: None,
            path: Path::plain(1500),
        };
        let verdict = to.handle_segment(&arrival, bytes);
        println!(
            "{}: {} bytes, {:?}: {}",
            transmit.flow,
            transmit.payload.len(),
            verdict.fate,
            verdict.rule
        );
    }
}

/// The service: every datagram goes back to its sender, from the address it was sent to.
fn echo(host: &mut Endpoint) -> Result<(), Box<dyn core::error::Error>> {
    while let Some(event) = host.poll_event() {
        let Event::Readable(socket) = event else {
            continue;
        };
        while let Some(datagram) = host.recv(socket)? {
            let options = SendOptions {
                source: Some(datagram.to.ip()),
                ..SendOptions::default()
            };
            host.send_to(socket, datagram.from, datagram.data, &options)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut server = Endpoint::new(Config::default(), &Seed::from_number(1));
    let mut client = Endpoint::new(Config::default(), &Seed::from_number(2));
    server.bind("0.0.0.0:7".parse()?)?;
    let socket = client.bind("10.0.0.1:0".parse()?)?;
    client.connect(socket, "10.0.0.2:7".parse()?)?;

    for text in ["one", "two", "three"] {
        client.send(socket, Bytes::from(text), &SendOptions::default())?;
    }
    carry(&mut client, &mut server);
    echo(&mut server)?;
    carry(&mut server, &mut client);
    while let Some(datagram) = client.recv(socket)? {
        println!(
            "back from {}: {}",
            datagram.from,
            String::from_utf8_lossy(&datagram.data)
        );
    }
    Ok(())
}
