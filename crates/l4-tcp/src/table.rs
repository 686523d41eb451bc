//! Who is who: from four numbers to a place, and from an id to the same place.
//!
//! Job: find a connection by its flow or by its id, and choose local ports.
//! Owns: the slots, their generations, the index, the port search. Does not know: what a slot holds.
//! Sources: RFC 9293 3.3.1 (a connection is named by its pair of sockets), RFC 6056 3.3 (ports).
//!
//! The flow is stored once, in its slot; the index holds slot numbers, found by a keyed hash, because
//! strangers choose half of the flow. Slots lie in pages that never move, so that a table that grows
//! neither copies its connections nor holds room for twice as many.

use core::hash::{Hash, Hasher};
use core::net::SocketAddr;
use core::ops::RangeInclusive;

use hashbrown::HashTable;
use outcrop_base::{Flow, HashKey, Seed};

use crate::transmit::ConnId;

/// Names a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId {
    /// The place.
    pub slot: u32,
    /// How many lived there before.
    pub generation: u32,
}

/// Slots in a page: a power of two, so that the first page, which grows, ends exactly full.
const PAGE: usize = 256;

/// Slots of `T`, found by id and by flow.
#[derive(Clone, Debug)]
pub(crate) struct FlowTable<T> {
    slots: Slots<T>,
    /// Slots to use again, the latest emptied first: its memory is warm.
    free: Vec<u32>,
    by_flow: HashTable<u32>,
    key: HashKey,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    live: Option<(Flow, T)>,
}

/// Every slot, by number.
#[derive(Clone, Debug)]
struct Slots<T> {
    pages: Vec<Vec<Slot<T>>>,
    len: usize,
}

impl<T> Slots<T> {
    fn get(&self, slot: u32) -> Option<&Slot<T>> {
        let at = slot as usize;
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        let at = slot as usize;
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }

    /// One more slot, empty; returns its number.
    fn push(&mut self) -> u32 {
        let slot = Slot {
            generation: 0,
            live: None,
        };
        let number = u32::try_from(self.len).unwrap_or(u32::MAX);
        self.len += 1;
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.push(slot),
            last => {
                let room = if last.is_some() { PAGE } else { 1 };
                let mut page = Vec::with_capacity(room);
                page.push(slot);
                self.pages.push(page);
            }
        }
        number
    }

    fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        self.pages.iter().flatten()
    }
}

impl<T> FlowTable<T> {
    /// Bytes of a slot; the index takes 6 to 12 more.
    #[cfg(test)]
    pub(crate) const SLOT: usize = size_of::<Slot<T>>();

    /// An empty table whose index is keyed by `seed`.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            slots: Slots {
                pages: Vec::new(),
                len: 0,
            },
            free: Vec::new(),
            by_flow: HashTable::new(),
            key: seed.hash_key("flow table"),
        }
    }

    /// Puts `value` under `flow`, which must not be there yet.
    pub(crate) fn insert(&mut self, flow: Flow, value: T) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| self.slots.push());
        let mut generation = 0;
        if let Some(place) = self.slots.get_mut(slot) {
            place.live = Some((flow, value));
            generation = place.generation;
        }
        let (slots, key) = (&self.slots, &self.key);
        self.by_flow
            .insert_unique(hash_of(key, &flow), slot, |slot| hash_at(slots, key, *slot));
        ConnId { slot, generation }
    }

    /// The id under which `flow` is found.
    pub(crate) fn find(&self, flow: &Flow) -> Option<ConnId> {
        // Most tables of guards are: not even the hash is needed then.
        if self.by_flow.is_empty() {
            return None;
        }
        let slot = *self
            .by_flow
            .find(hash_of(&self.key, flow), |slot| self.is_at(*slot, flow))?;
        let generation = self.slots.get(slot)?.generation;
        Some(ConnId { slot, generation })
    }

    fn is_at(&self, slot: u32, flow: &Flow) -> bool {
        self.slots
            .get(slot)
            .and_then(|place| place.live.as_ref())
            .is_some_and(|(at, _)| at == flow)
    }

    /// Forgets the way from the flow to the slot; the id stays good. For a connection that has ended
    /// while the program still holds it: the flow is free for the next one.
    pub(crate) fn unlink(&mut self, id: ConnId) {
        let Some((flow, _)) = self.live(id) else {
            return;
        };
        let flow = *flow;
        if let Ok(entry) = self
            .by_flow
            .find_entry(hash_of(&self.key, &flow), |slot| *slot == id.slot)
        {
            entry.remove();
        }
    }

    /// Empties the slot: the id is stale from now on.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<T> {
        self.unlink(id);
        let place = self.slots.get_mut(id.slot)?;
        if place.generation != id.generation {
            return None;
        }
        let (_, value) = place.live.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(value)
    }

    fn live(&self, id: ConnId) -> Option<&(Flow, T)> {
        let place = self.slots.get(id.slot)?;
        place
            .live
            .as_ref()
            .filter(|_| place.generation == id.generation)
    }

    /// What `id` names.
    pub(crate) fn get(&self, id: ConnId) -> Option<&T> {
        self.live(id).map(|(_, value)| value)
    }

    /// The flow of `id`.
    pub(crate) fn flow(&self, id: ConnId) -> Option<&Flow> {
        self.live(id).map(|(flow, _)| flow)
    }

    /// What `id` names, with its flow.
    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<(&Flow, &mut T)> {
        let place = self.slots.get_mut(id.slot)?;
        if place.generation != id.generation {
            return None;
        }
        place.live.as_mut().map(|(flow, value)| (&*flow, value))
    }

    /// How many slots are in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len - self.free.len()
    }

    /// Every value with its id, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnId, &Flow, &T)> {
        self.slots.iter().zip(0u32..).filter_map(|(place, slot)| {
            let generation = place.generation;
            let (flow, value) = place.live.as_ref()?;
            Some((ConnId { slot, generation }, flow, value))
        })
    }
}

fn hash_of(key: &HashKey, flow: &Flow) -> u64 {
    let mut hasher = key.table_hasher();
    flow.feed(&mut hasher);
    hasher.finish()
}

fn hash_at<T>(slots: &Slots<T>, key: &HashKey, slot: u32) -> u64 {
    slots
        .get(slot)
        .and_then(|place| place.live.as_ref())
        .map_or(0, |(flow, _)| hash_of(key, flow))
}

/// Chooses local ports by RFC 6056 3.3.3, "simple hash-based": where to start looking depends on the
/// two addresses under a secret, where to go on from there on a counter.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    key: HashKey,
    next: u16,
}

impl Ports {
    /// Ports of `range`, in an order that `seed` hides.
    pub(crate) fn new(range: RangeInclusive<u16>, seed: &Seed) -> Self {
        Self {
            range,
            key: seed.hash_key("ephemeral ports"),
            next: 0,
        }
    }

    /// The first port in order that `is_free`, or `None` once every port was asked for.
    pub(crate) fn choose(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        is_free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let (first, last) = (*self.range.start(), *self.range.end());
        let count = u64::from(last.checked_sub(first)?) + 1;
        let mut hasher = self.key.hasher();
        (local.ip(), remote).hash(&mut hasher);
        let offset = hasher.finish() % count;
        (0..count).find_map(|_| {
            let step = (offset + u64::from(self.next)) % count;
            self.next = self.next.wrapping_add(1);
            let port = first + u16::try_from(step).ok()?;
            is_free(port).then_some(port)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_base::Transport;

    fn flow(port: u16) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: "10.0.0.1:80".parse().unwrap(),
            remote: SocketAddr::new("10.0.0.2".parse().unwrap(), port),
        }
    }

    #[test]
    fn emptied_slot_used_again_old_id_is_stale() {
        let mut table = FlowTable::new(&Seed::from_number(1));
        let first = table.insert(flow(1), "first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert(flow(2), "second");
        assert_eq!(second.slot, first.slot);
        assert_eq!(table.get(first), None);
        assert_eq!(table.find(&flow(1)), None);
        assert_eq!(table.find(&flow(2)), Some(second));
        assert_eq!(table.remove(first), None);
    }

    #[test]
    fn unlinked_flow_is_free_while_its_id_is_good() {
        let mut table = FlowTable::new(&Seed::from_number(1));
        let old = table.insert(flow(1), "old");
        table.unlink(old);
        let new = table.insert(flow(1), "new");
        assert_eq!(table.find(&flow(1)), Some(new));
        assert_eq!(table.remove(old), Some("old"));
        assert_eq!(table.find(&flow(1)), Some(new));
    }

    #[test]
    fn more_flows_than_a_page_holds_every_one_is_found_by_both_names() {
        let mut table = FlowTable::new(&Seed::from_number(1));
        let ids: Vec<_> = (0..1000)
            .map(|port| table.insert(flow(port), port))
            .collect();
        for (id, port) in ids.iter().zip(0u16..) {
            assert_eq!(table.get(*id), Some(&port));
            assert_eq!(table.find(&flow(port)), Some(*id));
        }
        assert_eq!(table.iter().count(), 1000);
    }

    #[test]
    fn ports_are_all_found_before_none_is() {
        let mut ports = Ports::new(50_000..=50_003, &Seed::from_number(1));
        let (local, remote) = (flow(0).local, flow(9).remote);
        let mut taken = Vec::new();
        while let Some(port) = ports.choose(local, remote, |port| !taken.contains(&port)) {
            taken.push(port);
        }
        taken.sort_unstable();
        assert_eq!(taken, [50_000, 50_001, 50_002, 50_003]);
    }
}
