//! The IPv4 half.
//!
//! Job: one client, its socket, and what the host has from it. Owns: the routes it added. Does not know: IPv6.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{Cause, Instant, Seed};
use outcrop_dhcp::Loss;
use outcrop_dhcp::v4::{Client, ClientConfig, Event, Lease, Transmit};
use outcrop_socket::UdpSocket;
use outcrop_stack::ip::{self, AddressNews, Cidr, Origin};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Core, Shard};

use super::words::Told;
use crate::failure::Failure;
use crate::host::TUN;
use crate::services::refused;

#[derive(Debug)]
pub(super) struct Four {
    client: Client,
    pub(super) socket: UdpSocket,
    /// What is in use, or being checked.
    lease: Option<Lease>,
    routes: Vec<Cidr>,
}

impl Four {
    pub(super) fn new(shard: &Shard, config: ClientConfig, seed: &Seed) -> Result<Self, Failure> {
        let local = SocketAddr::new(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            outcrop_dhcp::v4::CLIENT_PORT,
        );
        let socket = UdpSocket::bind(shard, local).map_err(|error| refused(local, &error))?;
        let mut client = Client::new(shard.now(), config, seed);
        client.facts().set_level(shard.call(|core| core.level()));
        Ok(Self {
            client,
            socket,
            lease: None,
            routes: Vec::new(),
        })
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    pub(super) fn hear(&mut self, now: Instant, bytes: &Bytes) {
        let verdict = self.client.handle_datagram(now, bytes);
        if let Some(reason) = verdict.drop_reason() {
            log::info!("{reason}, by {}", verdict.rule);
        }
    }

    pub(super) fn release(&mut self) {
        self.client.release();
    }

    /// What the stack's check said of the address.
    pub(super) fn news(
        &mut self,
        shard: &Shard,
        now: Instant,
        news: AddressNews,
        tell: &mut impl FnMut(Told),
    ) {
        let Some(lease) = &self.lease else {
            return;
        };
        let ours = IpAddr::V4(lease.address);
        if news == AddressNews::Duplicate(ours) {
            self.client.decline(now);
        } else if news == AddressNews::Ready(ours) {
            let lease = lease.clone();
            shard.call(|core| self.adopt(core, &lease));
            tell(Told::Four(lease));
        }
    }

    pub(super) fn act(
        &mut self,
        shard: &Shard,
        (now, cause): (Instant, Cause),
        tell: &mut impl FnMut(Told),
    ) {
        self.client.handle_timeout(now);
        while let Some(transmit) = self.client.poll_transmit(now) {
            log::info!("{} to {}", transmit.note.why(), transmit.to);
            send(&self.socket, &transmit, cause);
        }
        super::record(shard, self.client.facts(), cause);
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Bound(lease) => {
                    assign(shard, now, &lease);
                    self.lease = Some(lease);
                }
                Event::Renewed(lease) => {
                    assign(shard, now, &lease);
                    shard.call(|core| self.adopt(core, &lease));
                    self.lease = Some(lease.clone());
                    tell(Told::Four(lease));
                }
                Event::Lost(loss) => {
                    if let Some(lease) = self.lease.take() {
                        // The farewell leaves from the address; the host ends with it.
                        if loss != Loss::Released {
                            shard.call(|core| {
                                core.withdraw(now, TUN, lease.address.into());
                                self.forget(core);
                            });
                        }
                        tell(Told::Lost(lease.address.into(), loss));
                    }
                }
            }
        }
    }

    /// Routes and resolvers, in place of those before.
    fn adopt(&mut self, core: &mut Core, lease: &Lease) {
        self.forget(core);
        for route in &lease.routes {
            let router = Some(route.router).filter(|router| !router.is_unspecified());
            let Ok(network) = Cidr::new(route.network.into(), route.prefix) else {
                continue;
            };
            match core.add_route(network, router.map(IpAddr::V4), TUN) {
                Ok(()) => self.routes.push(network),
                // A second router: the first one leads everywhere already.
                Err(error) => log::info!("{network}: {error}"),
            }
        }
        let servers = lease.dns.iter().copied().map(IpAddr::V4).collect();
        let search = lease.domain.iter().cloned().collect();
        core.set_resolvers(TUN, Origin::Lease, servers, search);
    }

    fn forget(&mut self, core: &mut Core) {
        for network in self.routes.drain(..) {
            core.remove_route(network);
        }
        core.set_resolvers(TUN, Origin::Lease, Vec::new(), Vec::new());
    }
}

/// The address with its time; a new one is checked by the stack first (RFC 5227).
fn assign(shard: &Shard, now: Instant, lease: &Lease) {
    let Ok(cidr) = Cidr::new(lease.address.into(), lease.prefix) else {
        log::warn!(
            "{}/{}: no address a host can have",
            lease.address,
            lease.prefix
        );
        return;
    };
    let terms = ip::Lease {
        origin: Origin::Lease,
        preferred: None,
        valid: lease.time.map(|time| now + time),
        check: true,
    };
    if let Err(error) = shard.call(|core| core.assign(now, TUN, cidr, terms)) {
        log::warn!("{cidr}: {error}");
    }
}

/// Sends a plan. What cannot leave now is lost, as on any network: the engine repeats it.
fn send(socket: &UdpSocket, transmit: &Transmit, cause: Cause) {
    let options = SendOptions {
        source: Some(IpAddr::V4(*transmit.from.ip())),
        // A broadcast needs no route.
        iface: transmit.is_broadcast().then_some(TUN),
        note: Some(transmit.note.caused_by(cause)),
        ..SendOptions::default()
    };
    let to = Some(SocketAddr::V4(transmit.to));
    super::send(socket, (to, &transmit.payload), &options);
}
