//! stub
use std::io::IoSlice;
use core::time::Duration;
use core::hash::Hasher;
use bytes::Bytes;
use outcrop_base::*;
use crate::{*, time_wait::TimeWait, event::Edges, handshake::negotiate::PeerSyn};

/// What a connection is lent for one call.
pub(crate) struct Cx<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) facts: &'a mut Facts,
    pub(crate) cause: Cause,
}
impl Cx<'_> {
    /// States a change of state.
    pub(crate) fn emit_state(&mut self, from: State, to: State) {
        let kind = FactKind::State { from: from.name(), to: to.name() };
        self.emit(kind);
    }
    #[track_caller]
    pub(crate) fn emit(&mut self, kind: FactKind) {
        let (flow, cause) = (Some(*self.flow), self.cause);
        let fact = Fact::new(flow, kind, cause);
        self.facts.emit(|| fact);
    }
}
pub(crate) struct Opening {
    pub(crate) iss: SeqNum,
    pub(crate) theirs: PeerSyn,
    pub(crate) negotiated: Negotiated,
    pub(crate) ts_offset: u32,
    pub(crate) path: Path,
    pub(crate) settings: Settings,
    pub(crate) at: Instant,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) syn_repeated: bool,
    pub(crate) early: Option<ChunkQueue>,
}
#[derive(Clone, Debug)]
pub(crate) struct Connection {}
impl Connection {
    pub(crate) fn new(flow: &Flow, o: Opening) -> Self { todo!() }
    pub(crate) fn state(&self) -> State { todo!() }
    pub(crate) fn next_timeout(&self) -> Option<Instant> { todo!() }
    pub(crate) fn handle_path(&mut self, now: Instant, s: &PathSignal, cx: &mut Cx<'_>) -> Verdict { todo!() }
    pub(crate) fn handle_timeout(&mut self, now: Instant, cx: &mut Cx<'_>) { todo!() }
    pub(crate) fn poll_transmit(&mut self, now: Instant, cx: &mut Cx<'_>) -> Option<Transmit> { todo!() }
    pub(crate) fn payload<'a>(&'a self, r: StreamRange, out: &mut [IoSlice<'a>]) -> usize { todo!() }
    pub(crate) fn take_edges(&mut self) -> Edges { todo!() }
    pub(crate) fn over(&self) -> Option<CloseReason> { todo!() }
    pub(crate) fn time_wait(&self, now: Instant) -> Option<TimeWait> { todo!() }
    pub(crate) fn take_readable(&mut self) -> ChunkQueue { todo!() }
    pub(crate) fn peer_finished(&self) -> bool { todo!() }
    pub(crate) fn info(&self, f: &Flow) -> Info { todo!() }
    pub(crate) fn segment_arrives(&mut self, a: &Arrival, s: &Segment, p: Bytes, cx: &mut Cx<'_>) -> Verdict { todo!() }
    pub(crate) fn rest_of_syn_arrives(&mut self, a: &Arrival, s: &Segment, p: Bytes, cx: &mut Cx<'_>) -> Verdict { todo!() }
    pub(crate) fn shutdown(&mut self, cx: &mut Cx<'_>) { todo!() }
    pub(crate) fn let_go(&mut self, cx: &mut Cx<'_>) { todo!() }
    pub(crate) fn abort(&mut self, cx: &mut Cx<'_>) { todo!() }
    pub(crate) fn read(&mut self) -> Result<Option<Bytes>, ReadError> { todo!() }
    pub(crate) fn write(&mut self, d: &mut ChunkQueue) -> Result<usize, WriteError> { todo!() }
    pub(crate) fn settings(&self) -> &Settings { todo!() }
    pub(crate) fn configure(&mut self, s: Settings) { todo!() }
    pub(crate) fn fingerprint(&self, now: Instant, into: &mut dyn Hasher) { todo!() }
    pub(crate) fn check(&self, flow: &Flow, in_ready: bool) { todo!() }
}
