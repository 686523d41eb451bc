//! Two hosts in one process, a wire of 10 ms between them, no clock, no thread, no privilege.
//!
//! `cargo run -p outcrop-stack --example two_hosts` prints every packet with the reason why it left.

use core::error::Error;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, InterfaceId, Seed};
use outcrop_device::RxOffload;
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Config, Core, PacketIn};

const WIRE: Duration = Duration::from_millis(10);
const LINK: InterfaceId = InterfaceId(0);

struct World {
    now: Instant,
    hosts: [Core; 2],
    wire: VecDeque<(Instant, usize, Bytes)>,
}

fn host(number: u8) -> Result<Core, Box<dyn Error>> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(number)));
    let address = Cidr::new(address(number), 24)?;
    core.add_interface(InterfaceConfig::tun(LINK, 1500, vec![address]))?;
    Ok(core)
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 77, 0, number])
}

impl World {
    /// Everything both hosts have to send goes onto the wire.
    fn flush(&mut self) {
        let Self { now, hosts, wire } = self;
        for (core, (name, to)) in hosts.iter_mut().zip([("A >  ", 1), ("  < B", 0)]) {
            while core.poll_transmit(*now, &mut |packet| {
                let pieces = packet.bytes.iter();
                let bytes: Bytes = pieces.flat_map(|piece| piece.iter().copied()).collect();
                let (note, len) = (packet.note, bytes.len());
                println!("{now}  {name}  {len:5} bytes  {note:?}");
                wire.push_back((*now + WIRE, to, bytes));
            }) {}
        }
    }

    /// Runs until nothing happens within a second.
    fn run(&mut self) {
        loop {
            self.flush();
            let timers = self.hosts.iter().filter_map(Core::poll_timeout);
            let arrival = self.wire.front().map(|(at, _, _)| *at);
            let next = timers.chain(arrival).min();
            let soon = self.now + Duration::from_secs(1);
            let Some(next) = next.filter(|next| *next < soon) else {
                return;
            };
            self.now = self.now.max(next);
            while let Some((at, to, bytes)) = self.wire.pop_front_if(|(at, _, _)| *at <= next) {
                let Some(core) = self.hosts.get_mut(to) else {
                    continue;
                };
                let (iface, offload) = (LINK, RxOffload::default());
                let id = core.next_packet_id();
                let verdict = core.handle_packet(PacketIn {
                    at,
                    id,
                    iface,
                    bytes,
                    offload,
                });
                if let Some(reason) = verdict.drop_reason() {
                    println!("{at}  dropped: {reason}, by {}", verdict.rule);
                }
            }
            for core in &mut self.hosts {
                core.handle_timeout(self.now);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut world = World {
        now: Instant::ZERO,
        hosts: [host(1)?, host(2)?],
        wire: VecDeque::new(),
    };
    println!("A pings B");
    let ping = world.hosts[0].ping_open().ok_or("no identifier")?;
    let data = Bytes::from_static(b"are you there?");
    world.hosts[0].ping_send(ping, address(2), 1, &data)?;
    world.run();

    println!("A sends a datagram to a port nobody listens on");
    let socket = world.hosts[0].udp_bind(SocketAddr::new(address(1), 0))?;
    let closed = SocketAddr::new(address(2), 9);
    world.hosts[0].udp_send(socket, Some(closed), data, &SendOptions::default())?;
    world.run();

    println!("A says hello to B over TCP; B finishes, then A");
    let server = SocketAddr::new(address(2), 80);
    let listener = world.hosts[1].tcp_listen(server, Listen::default())?;
    let client = world.hosts[0].tcp_connect(None, server, None)?;
    let mut hello = ChunkQueue::new();
    hello.push_slice(b"hello");
    world.hosts[0].tcp_write(client, &mut hello)?;
    world.run();
    let served = world.hosts[1].tcp_accept(listener).ok_or("no connection")?;
    let heard = world.hosts[1].tcp_read(served)?;
    println!("B heard {heard:?}");
    world.hosts[1].tcp_shutdown(served)?;
    world.run();
    world.hosts[0].tcp_shutdown(client)?;
    world.run();
    Ok(())
}
