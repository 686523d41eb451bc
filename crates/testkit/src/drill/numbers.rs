//! From the script's numbers to those on the wire, and back.
//!
//! Job: a script counts sequence numbers from each side's SYN and names timestamps as it likes; the wire
//! has initial numbers and a clock. Owns: the offsets, per flow. Does not know: what a packet means.

/// One flow, by its ports.
#[derive(Clone, Debug, Default)]
struct Flow {
    local: u16,
    remote: u16,
    /// What to add to a number of ours in the script; known since our SYN was matched.
    ours: Option<u32>,
    /// The initial number of our last SYN.
    isn: Option<u32>,
    /// Timestamps of ours, as the script names them and as they were.
    stamps: Vec<(u32, u32)>,
    /// The last timestamp of ours on the wire.
    last_stamp: Option<u32>,
}

/// Every flow of a run. One is under test at a time.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// What to add to a number of the peer in the script.
    peer: u32,
    flows: Vec<Flow>,
    current: usize,
    /// The next SYN that arrives opens a flow of its own.
    fresh: bool,
}

/// The port that scripts listen on, and that they connect to.
pub(super) const PORT: u16 = 8080;
/// The peer's first port.
const PEER_PORT: u16 = 40_001;

impl Numbers {
    pub(super) const fn new(peer: u32) -> Self {
        Self {
            peer,
            flows: Vec::new(),
            current: 0,
            fresh: true,
        }
    }

    /// A listener was opened: the next SYN is the first packet of another connection.
    pub(super) const fn expect_another(&mut self) {
        self.fresh = true;
    }

    /// The ports (ours, theirs) for a packet of the peer; `port` if the script names one.
    pub(super) fn for_arrival(&mut self, opens: bool, port: Option<u16>) -> (u16, u16) {
        if let Some(port) = port {
            let known = self.flows.iter().position(|flow| flow.remote == port);
            self.current = known.unwrap_or_else(|| self.add(PORT, port));
            self.fresh = false;
        } else if self.flows.is_empty() || (opens && self.fresh) {
            let used = u16::try_from(self.flows.len()).unwrap_or(0);
            self.current = self.add(PORT, PEER_PORT.saturating_add(used));
            self.fresh = false;
        }
        self.flow()
            .map_or((PORT, PEER_PORT), |flow| (flow.local, flow.remote))
    }

    /// A packet of ours left between these ports; `syn` with its number if it is a SYN.
    pub(super) fn on_departure(&mut self, local: u16, remote: u16, syn: Option<u32>) {
        let known = self
            .flows
            .iter()
            .position(|flow| (flow.local, flow.remote) == (local, remote));
        let at = known.unwrap_or_else(|| self.add(local, remote));
        self.current = at;
        self.fresh &= known.is_some();
        if let (Some(flow), Some(isn)) = (self.flows.get_mut(at), syn)
            && flow.isn != Some(isn)
        {
            flow.isn = Some(isn);
            flow.ours = None;
        }
    }

    fn add(&mut self, local: u16, remote: u16) -> usize {
        self.flows.push(Flow {
            local,
            remote,
            ..Flow::default()
        });
        self.flows.len() - 1
    }

    /// The ports of every flow: ours, theirs.
    pub(super) fn ports(&self) -> impl Iterator<Item = (u16, u16)> {
        self.flows.iter().map(|flow| (flow.local, flow.remote))
    }

    fn flow(&self) -> Option<&Flow> {
        self.flows.get(self.current)
    }

    fn flow_to(&mut self, remote: u16) -> Option<&mut Flow> {
        let at = self.place(remote)?;
        self.flows.get_mut(at)
    }

    /// The flow of a peer's port; of several, as a client has to one server, the latest.
    fn place(&self, remote: u16) -> Option<usize> {
        let is_it = |flow: &Flow| flow.remote == remote;
        if self.flow().is_some_and(is_it) {
            return Some(self.current);
        }
        self.flows.iter().rposition(is_it)
    }

    fn known(&self, remote: u16) -> Option<&Flow> {
        self.flows.get(self.place(remote)?)
    }

    /// Our SYN was expected as `script` and is `live`.
    pub(super) fn fix_ours(&mut self, remote: u16, script: u32, live: u32) {
        if let Some(flow) = self.flow_to(remote)
            && flow.ours.is_none()
        {
            flow.ours = Some(live.wrapping_sub(script));
        }
    }

    fn our_offset(&self, remote: u16) -> u32 {
        let flow = self.known(remote);
        flow.and_then(|flow| flow.ours.or(flow.isn)).unwrap_or(0)
    }

    /// A number of ours in the script, live.
    pub(super) fn ours_live(&self, remote: u16, script: u32) -> u32 {
        script.wrapping_add(self.our_offset(remote))
    }

    /// A live number of ours, as the script counts.
    pub(super) fn ours_script(&self, remote: u16, live: u32) -> u32 {
        live.wrapping_sub(self.our_offset(remote))
    }

    /// A number of the peer in the script, live.
    pub(super) const fn theirs_live(&self, script: u32) -> u32 {
        script.wrapping_add(self.peer)
    }

    /// A live number of the peer, as the script counts.
    pub(super) const fn theirs_script(&self, live: u32) -> u32 {
        live.wrapping_sub(self.peer)
    }

    /// A timestamp of ours left as `live`.
    pub(super) fn on_stamp(&mut self, remote: u16, live: u32) {
        if let Some(flow) = self.flow_to(remote) {
            flow.last_stamp = Some(live);
        }
    }

    /// A timestamp of ours that the script calls `script` was `live`.
    pub(super) fn pair_stamps(&mut self, remote: u16, script: u32, live: u32) {
        if let Some(flow) = self.flow_to(remote) {
            flow.stamps.push((script, live));
        }
    }

    /// What a timestamp of ours should be called if the clock runs as the script says; `None` before
    /// the first.
    pub(super) fn stamp_script(&self, remote: u16, live: u32) -> Option<u32> {
        let flow = self.known(remote)?;
        let (script, first) = flow.stamps.first()?;
        Some(script.wrapping_add(live.wrapping_sub(*first)))
    }

    /// What the peer echoes when the script says `ecr`.
    pub(super) fn ecr_live(&self, remote: u16, ecr: u32) -> u32 {
        let Some(flow) = self.known(remote) else {
            return ecr;
        };
        let same = flow.stamps.iter().rev().find(|(script, _)| *script == ecr);
        match (same, flow.stamps.last(), flow.last_stamp) {
            (Some((_, live)), _, _) => *live,
            (None, _, _) if ecr == 0 => 0,
            (None, Some((script, live)), _) => live.wrapping_add(ecr.wrapping_sub(*script)),
            (None, None, Some(live)) => live,
            (None, None, None) => ecr,
        }
    }
}
