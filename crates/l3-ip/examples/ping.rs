//! Two hosts ping each other in memory, with packets larger than their link.
//!
//! `cargo run -p outcrop-ip --example ping [bytes]`

use core::net::IpAddr;

use outcrop_base::{ChecksumState, FieldValue, Instant, InterfaceId, PacketId, Seed};
use outcrop_ip::{Cidr, Config, Delivery, Endpoint, Event, InterfaceConfig, PacketIn, wire};

const LINK: InterfaceId = InterfaceId(0);
const MTU: u32 = 1500;

fn host(address: &str) -> Result<Endpoint, Box<dyn core::error::Error>> {
    let mut host = Endpoint::new(Config::default(), &Seed::from_number(1));
    let address: Cidr = address.parse()?;
    host.add_interface(InterfaceConfig::tun(LINK, MTU, vec![address]))?;
    Ok(host)
}

/// Carries everything `from` has to send to `to`, and tells about it.
fn carry(from: &mut Endpoint, to: &mut Endpoint, next_id: &mut u64) {
    while let Some(transmit) = from.poll_transmit(Instant::ZERO) {
        *next_id += 1;
        let len = transmit.bytes.len();
        let mut offset = 0;
        wire::ipv4::fields(&transmit.bytes, &mut |field| {
            if let ("ip.frag_offset", FieldValue::Number(value)) = (field.key, &field.value) {
                offset = *value * 8;
            }
        });
        let packet = PacketIn {
            at: Instant::ZERO,
            id: PacketId(*next_id),
            iface: LINK,
            bytes: transmit.bytes,
            checksum: ChecksumState::Unverified,
            gso_size: None,
        };
        let became = match to.handle_packet(packet) {
            Delivery::Up(up) => format!("up to protocol {}", up.protocol),
            Delivery::Done(verdict) => verdict.rule.to_string(),
        };
        println!(
            "{next_id:>3}  {len:>4} bytes at offset {offset:<5} {:<40} -> {became}",
            format!("{:?}", transmit.note)
        );
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let bytes = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 4000,
    };
    let (mut alice, mut bob) = (host("10.0.0.1/24")?, host("10.0.0.2/24")?);
    let mut id = 0;
    alice.ping(IpAddr::from([10, 0, 0, 2]), 1, 1, &vec![b'x'; bytes])?;
    carry(&mut alice, &mut bob, &mut id);
    carry(&mut bob, &mut alice, &mut id);
    while let Some(event) = alice.poll_event() {
        if let Event::EchoReply(reply) = event {
            println!(
                "{} bytes from {}: seq={} ttl={}",
                reply.len, reply.from, reply.seq, reply.hop_limit
            );
        }
    }
    Ok(())
}
