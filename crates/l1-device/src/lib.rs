//! Layer 1 of the Outcrop stack: where packets come in and go out.
//!
//! ```text
//!          the stack                                 programs (curl, ping ..)
//!    receive │    ▲ room                                      │
//!   transmit │    │ wake_source                               │ sockets
//!        ┌───▼────┴───┐      /dev/net/tun      ┌──────────────▼─────────────┐
//!        │    Tun     │◄──────────────────────►│  kernel, private namespace │
//!        └────────────┘                        └────────────────────────────┘
//!        ┌────────────┐        memory          ┌────────────┐
//!        │  PairEnd   │◄──────────────────────►│  PairEnd   │  another stack
//!        └────────────┘                        └────────────┘
//! ```
//!
//! A [`Device`] gives packets in batches and takes them one by one, each with what the device knows
//! or shall do about its checksum and its segments. It is no engine: it is the outside, so it owns a
//! [`Clock`] and may fail. Its verbs:
//!
//! | verb | rule |
//! |---|---|
//! | `caps` | what it can do; constant |
//! | `receive` | appends at most `max` packets, says whether it was [dry](Dry), never blocks |
//! | `room` | whether the next packet has a place to go |
//! | `transmit` | one packet in pieces; an error is a lost packet |
//! | `wake_source` | what to wait on |
//!
//! ```
//! use std::io::IoSlice;
//! use outcrop_base::Instant;
//! use outcrop_device::{Caps, Clock, Device, Dry, Offload, Pool, pair};
//!
//! # fn main() -> std::io::Result<()> {
//! let clock = Clock::manual();
//! let (mut here, mut there) = pair(Caps::plain(1500), &clock);
//!
//! // A packet leaves in pieces (header, payload) and arrives whole.
//! here.transmit(&[IoSlice::new(b"header "), IoSlice::new(b"payload")], Offload::default())?;
//! clock.set(Instant::from_millis(20));
//!
//! let (mut pool, mut batch) = (Pool::new(), Vec::new());
//! assert_eq!(there.receive(&mut pool, &mut batch, 64)?, Dry::Yes);
//! assert_eq!(&batch[0].bytes[..], b"header payload");
//! assert_eq!(batch[0].at, Instant::from_millis(20));
//! # Ok(())
//! # }
//! ```
//!
//! A private network needs no preparation: see [`namespace`].
//!
//! # Files, in reading order
//! `device` the seam; `clock`; `pool` the read buffers; `pair`; `tun`; `kernel` the other end's
//! addresses, by netlink; `namespace` a private network, with `namespace/wire` its holder's words;
//! `offload` the virtio header, with `offload/raw` where memory is touched raw.
//!
//! # Not here
//! Delay and loss (`netem`), what a packet means (`l3-ip`), the loop that waits (`stack`), Ethernet.

mod clock;
mod device;
pub mod kernel;
pub mod namespace;
mod offload;
mod pair;
mod pool;
mod tun;

pub use clock::Clock;
pub use device::{
    Caps, Device, Doorbell, Dry, Gso, GsoKind, Medium, Offload, PartialChecksum, Received,
    RxOffload, WakeSource,
};
pub use pair::{PairEnd, QUEUE, pair};
pub use pool::{BUFFER, KEPT, MAX_UNIT, Pool};
pub use tun::{Format, NAME_MAX, OpenError, TX_QUEUE_LEN, Tun};
