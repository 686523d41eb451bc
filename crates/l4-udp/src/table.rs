//! Which socket a datagram is for.
//!
//! Job: find a socket by its id or by the addresses of a datagram. Owns: the slots and the index.
//! Does not know: what a socket holds. The index is ordered, so nothing depends on a hash.

use std::collections::BTreeMap;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::SocketId;

/// What a socket listens to: its own address, and its only peer if it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) local: SocketAddr,
    pub(crate) remote: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table<S> {
    slots: Vec<Slot<S>>,
    free: Vec<u32>,
    index: BTreeMap<Key, SocketId>,
    /// The local addresses in use, by port: bind asks for them.
    bound: BTreeMap<(u16, IpAddr), u32>,
}

#[derive(Clone, Debug)]
struct Slot<S> {
    generation: u32,
    socket: Option<(Key, S)>,
}

impl<S> Table<S> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: BTreeMap::new(),
            bound: BTreeMap::new(),
        }
    }

    /// Whether a socket has this port at `local` or at an address that includes it or is included.
    pub(crate) fn is_bound(&self, local: SocketAddr) -> bool {
        let all = match local.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED)..=IpAddr::V4(Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)..=IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))
            }
        };
        let port = local.port();
        if local.ip().is_unspecified() {
            let (first, last) = ((port, *all.start()), (port, *all.end()));
            return self.bound.range(first..=last).next().is_some();
        }
        [local.ip(), *all.start()]
            .iter()
            .any(|ip| self.bound.contains_key(&(port, *ip)))
    }

    pub(crate) fn insert(&mut self, local: SocketAddr, socket: S) -> SocketId {
        let key = Key {
            local,
            remote: None,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                socket: None,
            });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let mut id = SocketId {
            slot,
            generation: 0,
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            id.generation = place.generation;
            place.socket = Some((key, socket));
        }
        self.index.insert(key, id);
        *self.bound.entry((local.port(), local.ip())).or_insert(0) += 1;
        id
    }

    pub(crate) fn remove(&mut self, id: SocketId) -> Option<S> {
        let place = self.slots.get_mut(id.slot as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let (key, socket) = place.socket.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
        self.index.remove(&key);
        let bound = (key.local.port(), key.local.ip());
        if let Some(count) = self.bound.get_mut(&bound) {
            *count -= 1;
            if *count == 0 {
                self.bound.remove(&bound);
            }
        }
        Some(socket)
    }

    /// Gives a socket its only peer, or takes it away.
    pub(crate) fn connect(&mut self, id: SocketId, remote: Option<SocketAddr>) {
        let place = self.slots.get_mut(id.slot as usize);
        let place = place.filter(|place| place.generation == id.generation);
        if let Some((key, _)) = place.and_then(|place| place.socket.as_mut()) {
            self.index.remove(key);
            key.remote = remote;
            self.index.insert(*key, id);
        }
    }

    pub(crate) fn get(&self, id: SocketId) -> Option<(&Key, &S)> {
        let place = self.slots.get(id.slot as usize)?;
        let (key, socket) = place.socket.as_ref()?;
        (place.generation == id.generation).then_some((key, socket))
    }

    pub(crate) fn get_mut(&mut self, id: SocketId) -> Option<(&Key, &mut S)> {
        let place = self.slots.get_mut(id.slot as usize)?;
        let (key, socket) = place.socket.as_mut()?;
        (place.generation == id.generation).then_some((&*key, socket))
    }

    /// The socket for a datagram from `remote` to `local`: a connected one before one that is not, one
    /// bound to the very address before one bound to all.
    pub(crate) fn find(&self, local: SocketAddr, remote: SocketAddr) -> Option<SocketId> {
        let any = wildcard(local);
        let candidates = [
            Key {
                local,
                remote: Some(remote),
            },
            Key {
                local: any,
                remote: Some(remote),
            },
            Key {
                local,
                remote: None,
            },
            Key {
                local: any,
                remote: None,
            },
        ];
        candidates
            .iter()
            .find_map(|key| self.index.get(key).copied())
    }

    /// All sockets, in order of their addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &S)> {
        self.index.values().filter_map(|id| self.get(*id))
    }
}

/// The same port at every address of the family.
pub(crate) fn wildcard(addr: SocketAddr) -> SocketAddr {
    let any = match addr.ip() {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, addr.port())
}
