//! Clients and servers on a link that loses, delays and doubles, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use common::*;
use outcrop_base::{Instant, Random, Seed};
use outcrop_dhcp::v4::{Client, ClientConfig, Event, Server, ServerConfig, State, Transmit};

const CLIENTS: u8 = 8;
const LEASE: Duration = Duration::from_secs(300);

/// Who is to hear a datagram on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Servers(Ipv4Addr),
    Clients,
}

struct Link {
    random: Random,
    loss: f64,
    flying: BTreeMap<(Instant, u64), (To, Bytes)>,
    number: u64,
    lost: u64,
}

impl Link {
    fn carry(&mut self, now: Instant, to: To, transmit: &Transmit) {
        // One in ten arrives twice.
        let copies = if self.random.unit() < 0.1 { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.unit() < self.loss {
                self.lost += 1;
                continue;
            }
            let delay = Duration::from_millis(1 + self.random.below(500));
            self.number += 1;
            self.flying
                .insert((now + delay, self.number), (to, transmit.payload.clone()));
        }
    }
}

struct World {
    now: Instant,
    link: Link,
    clients: Vec<Client>,
    servers: Vec<Server>,
    /// The address each client uses, by its events alone.
    uses: Vec<Option<Ipv4Addr>>,
    bound: u64,
}

impl World {
    fn new(seed: u64, loss: f64) -> Self {
        let seed = Seed::from_number(seed);
        let server = |address: u8| {
            let (first, last) = (address * 40, address * 40 + 20);
            let host = |n| Ipv4Addr::new(10, 0, 0, n);
            let config = ServerConfig {
                lease_time: LEASE,
                ..ServerConfig::new(host(address), 24, host(first), host(last))
            };
            Server::new(config).unwrap()
        };
        let client = |n: u8| {
            let config = ClientConfig::new([2, 0, 0, 0, 0, n]);
            Client::new(START, config, &seed.split(&n.to_string()))
        };
        Self {
            now: START,
            link: Link {
                random: seed.random("link"),
                loss,
                flying: BTreeMap::new(),
                number: 0,
                lost: 0,
            },
            clients: (0..CLIENTS).map(client).collect(),
            servers: vec![server(1), server(2)],
            uses: vec![None; CLIENTS.into()],
            bound: 0,
        }
    }

    fn next(&self) -> Instant {
        let clients = self.clients.iter().filter_map(Client::poll_timeout);
        let servers = self.servers.iter().filter_map(Server::poll_timeout);
        let flying = self.link.flying.keys().map(|(at, _)| *at);
        clients.chain(servers).chain(flying).min().unwrap()
    }

    fn turn(&mut self) {
        self.now = self.next().max(self.now);
        while let Some(entry) = self
            .link
            .flying
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let (to, bytes) = entry.remove();
            match to {
                To::Servers(to) => {
                    let hears =
                        |n: u8| to == Ipv4Addr::BROADCAST || to == Ipv4Addr::new(10, 0, 0, n);
                    for (_, server) in (1..).zip(&mut self.servers).filter(|(n, _)| hears(*n)) {
                        let _verdict = server.handle_datagram(self.now, &bytes);
                    }
                }
                To::Clients => {
                    for client in &mut self.clients {
                        let _verdict = client.handle_datagram(self.now, &bytes);
                    }
                }
            }
        }
        for server in &mut self.servers {
            server.handle_timeout(self.now);
            while let Some(transmit) = server.poll_transmit(self.now) {
                self.link.carry(self.now, To::Clients, &transmit);
            }
        }
        for (client, uses) in self.clients.iter_mut().zip(&mut self.uses) {
            client.handle_timeout(self.now);
            while let Some(event) = client.poll_event() {
                *uses = match event {
                    Event::Bound(lease) => {
                        self.bound += 1;
                        Some(lease.address)
                    }
                    Event::Renewed(lease) => {
                        assert_eq!(*uses, Some(lease.address));
                        Some(lease.address)
                    }
                    Event::Lost(_) => None,
                };
            }
            while let Some(transmit) = client.poll_transmit(self.now) {
                self.link
                    .carry(self.now, To::Servers(*transmit.to.ip()), &transmit);
            }
        }
        let used: Vec<_> = self.uses.iter().flatten().collect();
        let different: BTreeSet<_> = used.iter().collect();
        assert_eq!(used.len(), different.len(), "no address is used twice");
    }

    fn until(&mut self, seconds: u64) {
        while self.next() <= secs(seconds) {
            self.turn();
        }
    }
}

#[test]
fn clients_on_a_clean_link_are_bound_in_seconds_and_stay_so() {
    let mut world = World::new(1, 0.0);
    world.until(15);
    assert!(world.uses.iter().all(Option::is_some));
    let before = world.uses.clone();
    world.until(24 * 3600);
    assert_eq!((world.uses, world.bound), (before, u64::from(CLIENTS)));
}

#[test]
fn clients_on_a_bad_link_never_share_an_address_and_are_bound_when_it_mends() {
    for seed in 0..20 {
        let mut world = World::new(seed, 0.4);
        world.until(3600);
        assert!(world.link.lost > 100, "{}", world.link.lost);
        assert!(world.bound >= u64::from(CLIENTS) / 2, "{}", world.bound);
        world.link.loss = 0.0;
        world.until(3600 + 200);
        assert!(
            world.uses.iter().all(Option::is_some),
            "seed {seed}: {:?}",
            world.uses
        );
    }
}

#[test]
fn clients_whose_servers_end_stop_using_their_addresses_in_time() {
    let mut world = World::new(3, 0.0);
    world.until(20);
    world.link.loss = 1.0;
    world.until(20 + 300 + 1);
    assert!(world.uses.iter().all(Option::is_none), "{:?}", world.uses);
    assert!(
        world
            .clients
            .iter()
            .all(|client| client.state() == State::Selecting)
    );
}

#[test]
fn same_seed_same_bytes() {
    let run = |seed| {
        let mut world = World::new(seed, 0.3);
        world.until(2000);
        (world.link.number, world.uses)
    };
    assert_eq!(run(5), run(5));
}
