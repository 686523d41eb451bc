//! Who waits for what.
//!
//! Job: keep the wakers of waiting programs by handle, and give back those an event concerns.
//! Owns: the lists. Does not know: executors, threads, or what an event means.
//! Lists are found by slot, not by hashing: a waker left by an earlier holder of the slot is woken
//! once too often, which every waiter must bear anyway.

use core::task::Waker;
use std::collections::BTreeMap;

use outcrop_base::InterfaceId;

use crate::{Event, ListenerId, PingId, RawId, StreamId, UdpId};

/// What a program waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interest {
    /// A connection to accept.
    Accept(ListenerId),
    /// Bytes to read, the peer's finish, or the end.
    Read(StreamId),
    /// The end of the handshake, room to write, or the end.
    Write(StreamId),
    /// A datagram.
    Receive(UdpId),
    /// Room for a datagram.
    Send(UdpId),
    /// An answer to an echo request.
    Echo(PingId),
    /// A packet in a raw socket.
    Raw(RawId),
    /// News of an interface's addresses.
    Address(InterfaceId),
}

/// The wakers of one condition. Most often none or one; many when threads share a listener.
/// The first has its place here, so that the usual one costs no memory of its own to find.
#[derive(Debug, Default)]
struct List {
    first: Option<Waker>,
    /// Those after it.
    #[expect(clippy::box_collection, reason = "nearly always absent")]
    more: Option<Box<Vec<Waker>>>,
}

impl List {
    fn add(&mut self, waker: &Waker) {
        let Some(first) = &self.first else {
            self.first = Some(waker.clone());
            return;
        };
        if !first.will_wake(waker) {
            let more = self.more.get_or_insert_default();
            if !more.iter().any(|known| known.will_wake(waker)) {
                more.push(waker.clone());
            }
        }
    }

    /// Moves all to `out`, in the order in which they came.
    fn take(&mut self, out: &mut Vec<Waker>) {
        out.extend(self.first.take());
        if let Some(mut more) = self.more.take() {
            out.append(&mut more);
        }
    }
}

/// Two conditions of one slot: reading and writing.
type Pair = [List; 2];

const READ: usize = 0;
const WRITE: usize = 1;

/// All waiting programs of one shard.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    streams: Vec<Pair>,
    listeners: Vec<Pair>,
    /// Datagrams and echoes: found by search, gone once woken.
    others: BTreeMap<Interest, List>,
}

impl Wakers {
    /// Remembers that `waker` waits for `interest`.
    pub(crate) fn add(&mut self, interest: Interest, waker: &Waker) {
        let list = match interest {
            Interest::Accept(id) => at(&mut self.listeners, id.0.slot, READ),
            Interest::Read(id) => at(&mut self.streams, id.0.slot, READ),
            Interest::Write(id) => at(&mut self.streams, id.0.slot, WRITE),
            Interest::Receive(_)
            | Interest::Send(_)
            | Interest::Echo(_)
            | Interest::Raw(_)
            | Interest::Address(_) => Some(self.others.entry(interest).or_default()),
        };
        if let Some(list) = list {
            list.add(waker);
        }
    }

    /// Moves the wakers that `event` concerns to `out`.
    pub(crate) fn take(&mut self, event: Event, out: &mut Vec<Waker>) {
        match event {
            Event::Acceptable(id) => take(&mut self.listeners, id.0.slot, READ, out),
            // Nobody waits for doubts alone.
            Event::Doubtful(_) => {}
            Event::Readable(id) | Event::Urgent(id) => {
                take(&mut self.streams, id.0.slot, READ, out)
            }
            Event::Connected(id) | Event::Writable(id) => {
                take(&mut self.streams, id.0.slot, WRITE, out);
            }
            Event::Closed(id, _) => {
                take(&mut self.streams, id.0.slot, READ, out);
                take(&mut self.streams, id.0.slot, WRITE, out);
            }
            Event::Datagram(id) => self.take_other(Interest::Receive(id), out),
            Event::DatagramRoom(id) => self.take_other(Interest::Send(id), out),
            Event::Echo(id) => self.take_other(Interest::Echo(id), out),
            Event::Raw(id) => self.take_other(Interest::Raw(id), out),
            Event::Address(id) => self.take_other(Interest::Address(id), out),
        }
    }

    fn take_other(&mut self, interest: Interest, out: &mut Vec<Waker>) {
        if let Some(mut list) = self.others.remove(&interest) {
            list.take(out);
        }
    }
}

/// The list of `slot`, made if it is not there yet.
fn at(table: &mut Vec<Pair>, slot: u32, which: usize) -> Option<&mut List> {
    let slot = slot as usize;
    if table.len() <= slot {
        table.resize_with(slot + 1, Pair::default);
    }
    table.get_mut(slot)?.get_mut(which)
}

fn take(table: &mut [Pair], slot: u32, which: usize, out: &mut Vec<Waker>) {
    let pair = table.get_mut(slot as usize);
    if let Some(list) = pair.and_then(|pair| pair.get_mut(which)) {
        list.take(out);
    }
}
