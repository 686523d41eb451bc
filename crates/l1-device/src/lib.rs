//! Layer 1 of the Outcrop stack: TUN devices, in-memory pairs, read buffers, private namespaces.

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
pub use tun::{NAME_MAX, OpenError, TX_QUEUE_LEN, Tun};
