//! Two devices joined by memory.
//!
//! Job: let two stacks talk without a kernel. Owns: a bounded queue each way.
//! Does not know: delay or loss (`netem` does), and whether its clock runs or is set by hand.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outcrop_base::ChecksumState;

use crate::device::{
    Caps, Device, Doorbell, Dry, Medium, Offload, Received, RxOffload, WakeSource,
};
use crate::{Clock, Pool};

/// Units one direction holds; a sender then has no room. A TUN's queue is of this order.
pub const QUEUE: usize = 1_024;

/// Joins two devices: what one transmits, the other receives, in order. Both have `caps` and show
/// the time of `clock`.
///
/// Offloads that `caps` offers are taken and passed on as they are: a partial checksum arrives as
/// vouched for, a super-segment arrives whole.
#[must_use]
pub fn pair(caps: Caps, clock: &Clock) -> (PairEnd, PairEnd) {
    let (there, back) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let end = |incoming: &Arc<Lane>, outgoing: &Arc<Lane>| PairEnd {
        caps,
        clock: clock.clone(),
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        pool: Pool::new(),
    };
    (end(&back, &there), end(&there, &back))
}

/// One end of a [`pair`].
#[derive(Debug)]
pub struct PairEnd {
    caps: Caps,
    clock: Clock,
    incoming: Arc<Lane>,
    outgoing: Arc<Lane>,
    pool: Pool,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    queue: Mutex<Queue>,
    /// Rung when a unit arrives.
    arrived: Doorbell,
}

#[derive(Debug, Default)]
struct Queue {
    units: VecDeque<(Bytes, RxOffload)>,
    /// The receiver is gone: what is sent is lost.
    closed: bool,
    /// The sender found no room, and wants to hear when there is some.
    wanted: bool,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PairEnd {
    fn refuses(&self, offload: Offload, len: usize) -> bool {
        let header = match self.caps.medium {
            Medium::Ip => 0,
            // With a tag.
            Medium::Ethernet => 18,
        };
        let too_long = match offload.gso {
            Some(_) => len > self.caps.gso_max as usize + header,
            None => len > self.caps.mtu as usize + header,
        };
        too_long || (offload.checksum.is_some() && !self.caps.checksum_tx)
    }
}

impl Device for PairEnd {
    fn caps(&self) -> Caps {
        self.caps
    }

    fn receive(
        &mut self,
        _pool: &mut Pool,
        out: &mut Vec<Received>,
        max: usize,
    ) -> io::Result<Dry> {
        let at = self.clock.now();
        let mut queue = self.incoming.lock();
        let count = queue.units.len().min(max);
        out.extend(queue.units.drain(..count).map(|(bytes, offload)| Received {
            at,
            bytes,
            offload,
        }));
        let dry = if queue.units.is_empty() {
            // Under the lock: a later packet rings again.
            self.incoming.arrived.hush();
            Dry::Yes
        } else {
            Dry::No
        };
        let wanted = count > 0 && core::mem::take(&mut queue.wanted);
        drop(queue);
        if wanted {
            // The peer's own doorbell is that of the lane it receives on: our outgoing one.
            self.outgoing.arrived.ring();
        }
        Ok(dry)
    }

    fn room(&self) -> bool {
        let mut queue = self.outgoing.lock();
        let room = queue.closed || queue.units.len() < QUEUE;
        queue.wanted |= !room;
        room
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        let len = packet.iter().map(|piece| piece.len()).sum();
        if self.refuses(offload, len) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut queue = self.outgoing.lock();
        if queue.closed {
            return Ok(());
        }
        if queue.units.len() >= QUEUE {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let meta = RxOffload {
            checksum: match offload.checksum {
                Some(_) => ChecksumState::Verified,
                None => ChecksumState::Unverified,
            },
            partial: offload.checksum,
            gso_size: offload.gso.map(|gso| gso.size),
        };
        queue.units.push_back((self.pool.gather(packet), meta));
        drop(queue);
        self.outgoing.arrived.ring();
        Ok(())
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Memory(&self.incoming.arrived)
    }
}

impl Drop for PairEnd {
    fn drop(&mut self) {
        let mut queue = self.incoming.lock();
        queue.closed = true;
        queue.units.clear();
        drop(queue);
        self.outgoing.arrived.ring();
    }
}

#[cfg(test)]
mod tests;
