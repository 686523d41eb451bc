//! The plan of one packet that leaves.
//!
//! Job: say in a `Copy` value what the layers below need to build the packet. Owns: [`Transmit`], [`ConnId`], [`MacPlan`].
//! Does not know: where the bytes are kept; the endpoint hands them out as slices for the plan's range.

use outcrop_base::{Flow, IpFields, Note};

use crate::segment::{SegmentHeader, StreamRange};

/// A connection of one endpoint. Stale ids are an error, never another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Where it is kept.
    pub slot: u32,
    /// Which of the connections that were kept there.
    pub generation: u32,
}

/// How the endpoint will sign a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacPlan {
    /// What guards the flow.
    pub(crate) guard: ConnId,
    /// The sequence number extension of the segment (RFC 5925 6.2).
    pub(crate) sne: u32,
}

/// One segment, or one super-segment for the device to cut, as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose payload it is; `None` for stateless answers, which have none.
    pub conn: Option<ConnId>,
    /// Both ends, from our side.
    pub flow: Flow,
    /// The header's values.
    pub header: SegmentHeader,
    /// What to tell IP.
    pub fields: IpFields,
    /// The payload, as offsets of our sending stream; may be empty.
    pub range: StreamRange,
    /// Payload bytes of each segment the device shall cut; `None` if this is one segment.
    pub gso: Option<u16>,
    /// With what it is to be signed, if it is: [`Endpoint::emit`](crate::Endpoint::emit) knows how. Such a plan
    /// is never a super-segment.
    pub mac: Option<MacPlan>,
    /// Why it leaves.
    pub note: Note,
}
