//! Our server end against a recorded client.
//!
//! Job: run the conversation in virtual time and collect what differs. Owns: the host under test.
//! Does not know: how the capture was read.

use core::time::Duration;
use std::collections::BTreeSet;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    ChunkQueue, Direction, Instant, InterfaceId, Level, PacketRecord, Recorder as _, Seed,
};
use outcrop_capture::{Config as CaptureConfig, Writer, annotate};
use outcrop_device::RxOffload;
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::{Config, Core, ListenerId, PacketIn, StreamId};

use super::conversation::{ACK, Conversation, FIN, Packet, RST, SYN};
use super::script::{Act, Step, Stream, server_script};
use super::{Place, PlayError, Report};

/// How long a delayed acknowledgment may take (RFC 9293 3.8.6.3).
const ACK_WITHIN: Duration = Duration::from_millis(500);
/// How long we wait, in virtual time, for something the client has seen before we say it never comes.
const PATIENCE: Duration = Duration::from_secs(60);

const IFACE: InterfaceId = InterfaceId(0);

/// Runs the conversation; see the module above for what is compared.
pub(super) fn play(conversation: &Conversation) -> Result<Report, PlayError> {
    let mut stage = Stage::new(conversation)?;
    for packet in conversation.client_half() {
        if !stage.await_acknowledged(packet) {
            break;
        }
        stage.feed(packet);
    }
    stage.run_until(stage.now + PATIENCE);
    Ok(stage.judge(conversation))
}

struct Stage {
    core: Core,
    now: Instant,
    listener: ListenerId,
    stream: Option<StreamId>,
    /// What the program still has to do, next first.
    steps: std::collections::VecDeque<Step>,
    unwritten: ChunkQueue,
    read: u64,
    read_end: bool,
    /// The recorded server's initial sequence number, which the client's packets refer to.
    recorded_isn: Option<u32>,
    /// Our stream and the client's as they crossed the wire.
    ours: Stream,
    theirs: Stream,
    sent: Vec<Packet>,
    fed: usize,
    /// When each client offset was fed and not yet acknowledged.
    unacked: Vec<(u64, Instant)>,
    right_edge: Option<u64>,
    differences: Vec<String>,
    /// Timestamps of the client, fed so far.
    stamps: BTreeSet<u32>,
    /// Whether our end was the first to finish; `None` as long as nobody has.
    first_fin: Option<bool>,
    recorder: Writer<Vec<u8>>,
    /// Packets recorded, and which of them showed the first difference.
    recorded: u64,
    place: Place,
}

impl Stage {
    fn new(conversation: &Conversation) -> Result<Self, PlayError> {
        let server = conversation.server;
        let refused = |_| PlayError::Address(server);
        let mut core = Core::new(Config::default(), &Seed::from_number(1));
        let address = Cidr::host(server.ip());
        core.add_interface(InterfaceConfig::tun(IFACE, 1500, vec![address]))
            .map_err(refused)?;
        core.add_route(Cidr::host(conversation.client.ip()), None, IFACE)
            .map_err(refused)?;
        let listener = core
            .tcp_listen(server, Listen::default())
            .map_err(|_| PlayError::Address(server))?;
        Ok(Self {
            core,
            now: Instant::ZERO,
            listener,
            stream: None,
            steps: server_script(conversation).into(),
            unwritten: ChunkQueue::new(),
            read: 0,
            read_end: false,
            recorded_isn: conversation
                .server_half()
                .find(|p| p.has(SYN))
                .map(|p| p.seq),
            ours: Stream::default(),
            theirs: Stream::default(),
            sent: Vec::new(),
            fed: 0,
            unacked: Vec::new(),
            right_edge: None,
            differences: Vec::new(),
            stamps: BTreeSet::new(),
            first_fin: None,
            recorder: recorder()?,
            recorded: 0,
            place: Place::default(),
        })
    }

    /// Lets time pass until everything this packet acknowledges has come out of our end.
    fn await_acknowledged(&mut self, packet: &Packet) -> bool {
        let recorded = Instant::ZERO + packet.at;
        self.run_until(self.now.max(recorded));
        let wanted = self.wanted(packet);
        let deadline = self.now + PATIENCE;
        while self.sent_end() < wanted {
            match self.core.poll_timeout() {
                Some(at) if at <= deadline => self.run_until(at),
                _ => {
                    let have = self.sent_end();
                    self.differ(format!(
                        "the client acknowledges {wanted} sequence numbers of the server at {}, but only {have} came out and no more will: \
                         our end waits for something that the capture does not hold",
                        self.now
                    ));
                    return false;
                }
            }
        }
        true
    }

    /// Sequence numbers of the server that the packet acknowledges, counted from its SYN.
    fn wanted(&self, packet: &Packet) -> u32 {
        let isn = self.recorded_isn.filter(|_| packet.has(ACK));
        isn.map_or(0, |isn| packet.ack.wrapping_sub(isn))
    }

    /// Sequence numbers that came out of our end, counted from our SYN.
    fn sent_end(&self) -> u32 {
        let ends = self.sent.iter().filter_map(|packet| {
            let from_isn = packet.seq.wrapping_sub(self.ours.isn?);
            Some(from_isn.wrapping_add(packet.seq_len()))
        });
        ends.max().unwrap_or(0)
    }

    fn feed(&mut self, packet: &Packet) {
        let shift = match (self.ours.isn, self.recorded_isn) {
            (Some(ours), Some(recorded)) => ours.wrapping_sub(recorded),
            _ => 0,
        };
        let echoed = packet.options.timestamps.filter(|(_, ecr)| *ecr != 0);
        let last = self.sent.last().and_then(|sent| sent.options.timestamps);
        let ecr = echoed.and(last).map(|(val, _)| val);
        self.theirs.take(packet);
        if packet.seq_len() > 0
            && let Some(offset) = self.theirs.offset(packet.seq)
        {
            let end = offset + u64::from(packet.seq_len()) - u64::from(packet.has(SYN));
            self.unacked.push((end, self.now));
        }
        self.fed += 1;
        self.stamps
            .extend(packet.options.timestamps.map(|(val, _)| val));
        if packet.has(FIN) {
            self.first_fin.get_or_insert(false);
        }
        let id = self.core.next_packet_id();
        let bytes: Bytes = packet.rebased(shift, ecr).into();
        let verdict = self.core.handle_packet(PacketIn {
            at: self.now,
            id,
            iface: IFACE,
            bytes: bytes.clone(),
            offload: RxOffload::default(),
        });
        self.recorded += 1;
        self.recorder.packet(&PacketRecord {
            at: self.now,
            id,
            iface: IFACE,
            direction: Direction::In,
            bytes: &[IoSlice::new(&bytes)],
            partial_checksum: None,
            gso_size: None,
            note: None,
            verdict: Some(verdict),
            state: self.core.met(),
        });
        self.settle();
    }

    /// Lets timers and the program act up to `until`.
    fn run_until(&mut self, until: Instant) {
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
        self.settle();
    }

    /// The program acts on what it can see, then everything that can leave does.
    fn settle(&mut self) {
        while self.core.poll_event().is_some() {}
        if self.stream.is_none() {
            self.stream = self.core.tcp_accept(self.listener);
        }
        if let Some(stream) = self.stream {
            self.act(stream);
        }
        let mut out = Vec::new();
        let (now, recorder) = (self.now, &mut self.recorder);
        while self.core.poll_transmit(now, &mut |packet| {
            recorder.packet(&PacketRecord {
                at: now,
                id: packet.id,
                iface: packet.iface,
                direction: Direction::Out,
                bytes: packet.bytes,
                partial_checksum: None,
                gso_size: None,
                note: Some(packet.note),
                verdict: None,
                state: packet.state,
            });
            let pieces = packet.bytes.iter().flat_map(|piece| piece.iter().copied());
            out.push(pieces.collect::<Vec<u8>>());
        }) {}
        for bytes in out {
            self.recorded += 1;
            self.came_out(&bytes);
        }
    }

    fn act(&mut self, stream: StreamId) {
        while let Ok(read) = self.core.tcp_read(stream) {
            match read {
                Some(bytes) => self.read += bytes.len() as u64,
                None => {
                    self.read_end = true;
                    break;
                }
            }
        }
        loop {
            let _room = self.core.tcp_write(stream, &mut self.unwritten);
            let due = self.steps.front().is_some_and(|step| {
                step.after_bytes <= self.read && (!step.after_fin || self.read_end)
            });
            if !due || !self.unwritten.is_empty() {
                return;
            }
            match self.steps.pop_front().map(|step| step.act) {
                Some(Act::Write(bytes)) => self.unwritten.push(bytes.into()),
                Some(Act::Finish) => drop(self.core.tcp_shutdown(stream)),
                Some(Act::Abort) => drop(self.core.tcp_abort(stream)),
                None => return,
            }
        }
    }

    /// Checks one packet of ours against what holds for every packet.
    fn came_out(&mut self, bytes: &[u8]) {
        let Some(packet) = Packet::parse(self.now.saturating_since(Instant::ZERO), bytes) else {
            return self.differ("a packet of ours is no TCP packet".to_owned());
        };
        if !packet.checksum_is_right() {
            self.differ(format!("a wrong checksum left at {}", self.now));
        }
        if packet.ttl == 0 {
            self.differ(format!("a hop limit of zero left at {}", self.now));
        }
        if packet.has(FIN) {
            self.first_fin.get_or_insert(true);
        }
        if let Some((_, ecr)) = packet.options.timestamps
            && packet.has(ACK)
            && !self.stamps.contains(&ecr)
        {
            self.differ(format!(
                "a timestamp {ecr} was echoed that the client never sent, at {}",
                self.now
            ));
        }
        self.ours.take(&packet);
        self.check_acknowledgment(&packet);
        self.sent.push(packet);
    }

    fn check_acknowledgment(&mut self, packet: &Packet) {
        let Some(acked) = self.theirs.offset(packet.ack).filter(|_| packet.has(ACK)) else {
            return;
        };
        let received = self.theirs.bytes.len() as u64 + u64::from(self.theirs.fin.is_some());
        if acked > received {
            self.differ(format!(
                "offset {acked} was acknowledged, {received} had been sent, at {}",
                self.now
            ));
        }
        let now = self.now;
        let late = self
            .unacked
            .iter()
            .find(|(end, fed)| *end <= acked && now - *fed > ACK_WITHIN);
        if let Some((end, fed)) = late.copied() {
            self.differ(format!(
                "offset {end} arrived at {fed} and was acknowledged only at {now}"
            ));
        }
        self.unacked.retain(|(end, _)| *end > acked);
        if !packet.has(SYN | RST) {
            let scale = self.scale();
            let edge = acked + (u64::from(packet.window) << scale);
            if self.right_edge.is_some_and(|before| edge < before) {
                self.differ(format!("the window's right edge moved left at {now}"));
            }
            self.right_edge = Some(edge);
        }
    }

    /// Our window scale, if both SYNs offered one.
    fn scale(&self) -> u8 {
        let syn_ack = self.sent.iter().find(|packet| packet.has(SYN));
        syn_ack
            .and_then(|packet| packet.options.window_scale)
            .unwrap_or(0)
    }

    fn differ(&mut self, what: String) {
        if self.differences.is_empty() {
            self.place.ours = Some(self.recorded).filter(|number| *number > 0);
        }
        self.differences.push(what);
    }

    /// The first difference shows in the recorded packet that `is_it`, and in ours that is the same.
    fn point(&mut self, conversation: &Conversation, is_it: impl Fn(&Packet, Option<u32>) -> bool) {
        if !self.differences.is_empty() {
            return;
        }
        let recorded = conversation
            .server_half()
            .find(|packet| is_it(packet, self.recorded_isn));
        self.place.recorded = recorded.map(|packet| (packet.at, packet.seq));
    }

    fn judge(mut self, conversation: &Conversation) -> Report {
        let mut recorded = Stream::default();
        for packet in conversation.server_half() {
            recorded.take(packet);
        }
        if self.ours.bytes != recorded.bytes {
            let pairs = self.ours.bytes.iter().zip(&recorded.bytes);
            let same = pairs.take_while(|(a, b)| a == b).count();
            self.point(conversation, |packet, isn| {
                let from = packet.seq.wrapping_sub(isn.unwrap_or(0).wrapping_add(1));
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                from <= same && same < from.saturating_add(packet.payload().len())
            });
            let (ours, theirs) = (self.ours.bytes.len(), recorded.bytes.len());
            self.differ(format!("the streams differ from byte {same} on: {ours} bytes came out, {theirs} were recorded"));
        }
        self.judge_ends(conversation);
        if let Some((end, _)) = self.unacked.first().copied() {
            self.differ(format!("offset {end} of the client was never acknowledged"));
        }
        let remark = self
            .differences
            .first()
            .map(|what| format!("Here: {what}."));
        let mut capture = self.recorder.into_inner().unwrap_or_default();
        if let (Some(remark), Some(number)) = (remark, self.place.ours) {
            capture = annotate(&capture, number, &remark).unwrap_or(capture);
        }
        Report {
            fed: self.fed,
            sent: self.sent.len(),
            stream: self.ours.bytes.len(),
            differences: self.differences,
            place: self.place,
            capture,
        }
    }

    /// How the connection was opened and closed.
    fn judge_ends(&mut self, conversation: &Conversation) {
        let offered = |packet: &Packet| {
            let options = &packet.options;
            [
                ("MSS", options.mss),
                ("window scale", options.window_scale.is_some()),
                ("SACK permitted", options.sack_permitted),
                ("timestamps", options.timestamps.is_some()),
            ]
        };
        let recorded = conversation.server_half().find(|packet| packet.has(SYN));
        let ours = self.sent.iter().find(|packet| packet.has(SYN)).cloned();
        match (recorded, ours) {
            (Some(recorded), Some(ours)) => {
                for ((name, theirs), (_, ours)) in offered(recorded).into_iter().zip(offered(&ours))
                {
                    if theirs != ours {
                        self.differ(format!(
                            "the SYN-ACK's {name} option: recorded {theirs}, ours {ours}"
                        ));
                    }
                }
            }
            (None, None) => {}
            (recorded, ours) => {
                let (recorded, ours) = (recorded.is_some(), ours.is_some());
                self.differ(format!("a SYN-ACK: recorded {recorded}, ours {ours}"));
            }
        }
        self.judge_first(conversation);
        for (name, flag) in [("FIN", FIN), ("RST", RST)] {
            let recorded = conversation.server_half().any(|packet| packet.has(flag));
            let ours = self.sent.iter().any(|packet| packet.has(flag));
            if recorded != ours {
                self.differ(format!(
                    "a {name} of the server: recorded {recorded}, ours {ours}"
                ));
            }
        }
    }

    /// Who finished first. Where both did so at once, either may come out first.
    fn judge_first(&mut self, conversation: &Conversation) {
        let fins: Vec<&Packet> = conversation.packets.iter().filter(|p| p.has(FIN)).collect();
        let Some(first) = fins.first() else {
            return;
        };
        let server = first.src == conversation.server;
        let other = fins.iter().find(|fin| fin.src != first.src);
        let after = first.seq.wrapping_add(first.seq_len());
        // The second FIN acknowledges the first, or both were under way together.
        let together = other.is_some_and(|fin| fin.ack != after);
        if let Some(ours) = self.first_fin.filter(|ours| *ours != server && !together) {
            let who = |server| if server { "the server" } else { "the client" };
            let (seq, at) = (first.seq, first.at);
            self.point(conversation, |packet, _| {
                (packet.seq, packet.at) == (seq, at)
            });
            self.differ(format!(
                "who finishes first: recorded {}, now {}",
                who(server),
                who(ours)
            ));
        }
    }
}

/// A recorder in memory, of everything.
fn recorder() -> Result<Writer<Vec<u8>>, PlayError> {
    let config = CaptureConfig {
        level: Level::Full,
        ..CaptureConfig::default()
    };
    Ok(Writer::new(Vec::new(), config)?)
}
