//! The IPv6 half.
//!
//! Job: one client, its socket, and what the host has from it. Owns: the list of its addresses. Does not know: IPv4.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{Cause, Instant, Seed};
use outcrop_dhcp::v6::{CLIENT_PORT, Client, ClientConfig, Event, Information, Lease, Mode};
use outcrop_socket::UdpSocket;
use outcrop_stack::Shard;
use outcrop_stack::ip::{self, AddressNews, Cidr, Origin};
use outcrop_stack::udp::SendOptions;

use super::words::Told;
use crate::failure::Failure;
use crate::host::TUN;
use crate::services::refused;

#[derive(Debug)]
pub(super) struct Six {
    client: Client,
    pub(super) socket: UdpSocket,
    pub(super) mode: Mode,
    lease: Option<Lease>,
}

impl Six {
    pub(super) fn new(shard: &Shard, config: ClientConfig, seed: &Seed) -> Result<Self, Failure> {
        let local = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), CLIENT_PORT);
        let socket = UdpSocket::bind(shard, local).map_err(|error| refused(local, &error))?;
        let mode = config.mode;
        let mut client = Client::new(shard.now(), config, seed);
        client.facts().set_level(shard.call(|core| core.level()));
        Ok(Self {
            mode,
            client,
            socket,
            lease: None,
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

    pub(super) fn release(&mut self, now: Instant) {
        self.client.release(now);
    }

    /// What the stack's check said of an address.
    pub(super) fn news(&mut self, now: Instant, news: AddressNews, tell: &mut impl FnMut(Told)) {
        let Some(lease) = &self.lease else {
            return;
        };
        match news {
            AddressNews::Duplicate(IpAddr::V6(address)) => self.client.decline(now, address),
            AddressNews::Ready(IpAddr::V6(address))
                if lease.addresses.iter().any(|one| one.address == address) =>
            {
                tell(Told::Six(lease.clone()));
            }
            AddressNews::Duplicate(_)
            | AddressNews::Ready(_)
            | AddressNews::Deprecated(_)
            | AddressNews::Expired(_)
            | AddressNews::Router { .. }
            | AddressNews::Resolvers => {}
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
            log::info!("{} to {}", transmit.note.why(), transmit.to());
            let options = SendOptions {
                iface: Some(TUN),
                note: Some(transmit.note.caused_by(cause)),
                ..SendOptions::default()
            };
            let to = Some(SocketAddr::V6(transmit.to()));
            super::send(&self.socket, (to, &transmit.payload), &options);
        }
        super::record(shard, self.client.facts(), cause);
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Bound(lease) => self.adopt(shard, now, lease),
                Event::Renewed(lease) => {
                    self.adopt(shard, now, lease.clone());
                    tell(Told::Six(lease));
                }
                Event::Lost(loss) => {
                    for one in self
                        .lease
                        .take()
                        .into_iter()
                        .flat_map(|lease| lease.addresses)
                    {
                        shard.call(|core| core.withdraw(now, TUN, one.address.into()));
                        tell(Told::Lost(one.address.into(), loss));
                    }
                    resolve(shard, &Information::default());
                }
                Event::Informed(information) => {
                    resolve(shard, &information);
                    tell(Told::Informed(information));
                }
            }
        }
    }

    fn adopt(&mut self, shard: &Shard, now: Instant, lease: Lease) {
        for one in &lease.addresses {
            // What else is on the link is for routers to say (RFC 8415 18.2.10.1).
            let Ok(cidr) = Cidr::new(one.address.into(), 128) else {
                continue;
            };
            let terms = ip::Lease {
                origin: Origin::Lease,
                preferred: one.preferred.map(|time| now + time),
                valid: one.valid.map(|time| now + time),
                check: true,
            };
            if let Err(error) = shard.call(|core| core.assign(now, TUN, cidr, terms)) {
                log::warn!("{cidr}: {error}");
            }
        }
        resolve(shard, &lease.information);
        self.lease = Some(lease);
    }
}

fn resolve(shard: &Shard, information: &Information) {
    let servers = information.dns.iter().copied().map(IpAddr::V6).collect();
    let search = information.search.clone();
    // IPv4's have Origin::Lease: what either says stands beside the other.
    shard.call(|core| core.set_resolvers(TUN, Origin::Temporary, servers, search));
}
