//! The life of a lease, in virtual time: granted, renewed, its server gone, another one found.
//!
//! Run it: `cargo run -p outcrop-dhcp --example lease`

use core::net::Ipv4Addr;
use core::time::Duration;

use outcrop_base::{Instant, Seed};
use outcrop_dhcp::v4::{Client, ClientConfig, Server, ServerConfig, ServerConfigError};

/// A server that lends for ten minutes.
fn server(last: u8) -> Result<Server, ServerConfigError> {
    let host = |n| Ipv4Addr::new(10, 0, 0, n);
    let (first, end) = (host(last * 100), host(last * 100 + 9));
    Server::new(ServerConfig {
        lease_time: Duration::from_mins(10),
        ..ServerConfig::new(host(last), 24, first, end)
    })
}

/// The server at 10.0.0.1 goes away after a quarter of an hour, and one at 10.0.0.2 comes then.
const CHANGE: Instant = Instant::from_secs(900);

fn main() -> Result<(), ServerConfigError> {
    let mut servers = [server(1)?, server(2)?];
    let config = ClientConfig::new([2, 0, 0, 0, 0, 1]);
    let mut client = Client::new(Instant::ZERO, config, &Seed::from_number(1));
    while let Some(now) = client
        .poll_timeout()
        .filter(|at| *at < Instant::from_secs(2400))
    {
        client.handle_timeout(now);
        let present = usize::from(now >= CHANGE);
        while let Some(transmit) = client.poll_transmit(now) {
            println!(
                "{now:>10} {:11} {} to {}",
                client.state(),
                transmit.note.why(),
                transmit.to
            );
            let to = *transmit.to.ip();
            let hears = transmit.is_broadcast()
                || to == Ipv4Addr::new(10, 0, 0, if present == 0 { 1 } else { 2 });
            let Some(server) = servers.get_mut(present).filter(|_| hears) else {
                continue;
            };
            let _counted = server.handle_datagram(now, &transmit.payload);
            while let Some(reply) = server.poll_transmit(now) {
                println!(
                    "{:>10} {:11}   {} from {}",
                    "",
                    "",
                    reply.note.why(),
                    reply.from
                );
                let _counted = client.handle_datagram(now, &reply.payload);
            }
        }
        while let Some(event) = client.poll_event() {
            println!("{now:>10} {:11} {event:?}", client.state());
        }
    }
    Ok(())
}
