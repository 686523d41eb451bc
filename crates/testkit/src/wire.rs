//! Between two TCP engines: plans as bytes, bytes as segments.
//!
//! Job: what a stack does around the engine, for worlds that are made of engines alone.
//! Owns: nothing. Does not know: links, time.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use outcrop_base::{
    Arrival, Cast, ChecksumState, DropReason, Ecn, Flow, HeaderRoom, Instant, InterfaceId,
    MAX_SLICES, PacketId, Path, Verdict,
};
use outcrop_tcp::{Endpoint, Transmit, wire};

/// The IP header that a packet between two IPv4 hosts would have, in bytes.
pub(crate) const IP_HEADER: usize = 20;

/// The bytes of a plan: header and payload.
pub(crate) fn emit(from: &Endpoint, plan: &Transmit) -> Bytes {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let used = from.payload(plan, &mut slices);
    let payload = slices.get(..used).unwrap_or_default();
    let mut room = HeaderRoom::new();
    from.emit(plan, payload, false, &mut room);
    let mut bytes = BytesMut::from(room.as_slice());
    payload
        .iter()
        .for_each(|slice| bytes.extend_from_slice(slice));
    bytes.freeze()
}

/// How a segment of `flow`, seen from its sender, arrives at the other end.
pub(crate) fn arrival(at: Instant, id: u64, flow: &Flow, path: Path) -> Arrival {
    Arrival {
        at,
        id: PacketId(id),
        iface: InterfaceId(0),
        src: flow.local.ip(),
        dst: flow.remote.ip(),
        cast: Cast::Unicast,
        ecn: Ecn::NotEct,
        hop_limit: 64,
        checksum: ChecksumState::Unverified,
        gso_size: None,
        path,
    }
}

/// Lets the bytes arrive.
///
/// # Errors
/// The bytes are no segment: a bit was flipped.
pub(crate) fn deliver(to: &mut Endpoint, a: &Arrival, bytes: Bytes) -> Result<Verdict, DropReason> {
    let (segment, payload) = wire::parse(a, bytes)?;
    Ok(to.handle_segment(a, segment, payload))
}
