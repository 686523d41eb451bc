//! A peer made of segments: one endpoint under test, virtual time, numbers relative to both ISNs.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod keys;
pub(crate) mod pair;
pub(crate) mod world;

use core::net::SocketAddr;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, Fact, FactKind, Flow, Instant, InterfaceId,
    Level, MAX_SLICES, PacketId, Path, Seed, Transport, Verdict, Why,
};
use outcrop_tcp::{
    Config, ConnId, Endpoint, Event, Flags, Listen, ListenerId, Options, SackBlock, Segment,
    SegmentHeader, SeqNum, Settings, State, Timestamps, Transmit,
};

pub(crate) const LOCAL: &str = "10.0.0.1:80";
pub(crate) const REMOTE: &str = "10.0.0.2:40000";
/// The peer's ISN; close to the end of the circle, so that every story wraps.
pub(crate) const PEER_ISN: u32 = u32::MAX - 2;

/// What left, in relative numbers.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) ack: Option<u32>,
    pub(crate) wnd: u16,
    pub(crate) options: Options,
    pub(crate) data: Vec<u8>,
    pub(crate) gso: Option<u16>,
    pub(crate) why: Why,
    pub(crate) ecn: Ecn,
    pub(crate) raw: SegmentHeader,
}

impl Sent {
    /// `P. 1:11(10) ack 1 data`: flags, numbers, why.
    pub(crate) fn line(&self) -> String {
        let seq_len = self.data.len() as u32;
        let numbers = match seq_len {
            0 => format!("{}", self.seq),
            len => format!("{}:{}({len})", self.seq, self.seq.wrapping_add(len)),
        };
        let ack = self.ack.map_or(String::new(), |ack| format!(" ack {ack}"));
        format!("{} {numbers}{ack} {}", self.flags, self.why)
    }
}

/// One segment of the peer.
#[derive(Clone, Debug)]
pub(crate) struct Seg {
    pub(crate) header: SegmentHeader,
    pub(crate) data: Vec<u8>,
    rel_seq: u32,
    rel_ack: Option<u32>,
}

/// A segment with these flags (`S`, `S.`, `.`, `P.`, `F.`, `R`, `R.`), number 0, window 65,535.
pub(crate) fn seg(flags: &str) -> Seg {
    let mut bits = Flags::NONE;
    for flag in flags.chars() {
        bits = bits
            | match flag {
                'S' => Flags::SYN,
                'F' => Flags::FIN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                'U' => Flags::URG,
                '.' => Flags::ACK,
                'E' => Flags::ECE,
                'W' => Flags::CWR,
                'e' => Flags::AE,
                other => panic!("no such flag: {other}"),
            };
    }
    Seg {
        header: SegmentHeader {
            flags: bits,
            wnd: 65_535,
            ..SegmentHeader::default()
        },
        data: Vec::new(),
        rel_seq: 0,
        rel_ack: None,
    }
}

impl Seg {
    pub(crate) fn seq(mut self, seq: u32) -> Self {
        self.rel_seq = seq;
        self
    }
    pub(crate) fn ack(mut self, ack: u32) -> Self {
        self.rel_ack = Some(ack);
        self
    }
    pub(crate) fn wnd(mut self, wnd: u16) -> Self {
        self.header.wnd = wnd;
        self
    }
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.data = data.to_vec();
        self
    }
    pub(crate) fn zeros(mut self, len: usize) -> Self {
        self.data = vec![0; len];
        self
    }
    pub(crate) fn mss(mut self, mss: u16) -> Self {
        self.header.options.mss = Some(mss);
        self
    }
    pub(crate) fn wscale(mut self, shift: u8) -> Self {
        self.header.options.wscale = Some(shift);
        self
    }
    pub(crate) fn ts(mut self, val: u32, ecr: u32) -> Self {
        self.header.options.timestamps = Some(Timestamps { val, ecr });
        self
    }
    pub(crate) fn sackok(mut self) -> Self {
        self.header.options.sack_permitted = true;
        self
    }
}

pub(crate) struct Story {
    pub(crate) tcp: Endpoint,
    pub(crate) now: Instant,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) path: Path,
    /// How the peer's packets arrive marked.
    pub(crate) mark: Ecn,
    /// Our ISN as it was last seen in a SYN.
    pub(crate) iss: SeqNum,
    pub(crate) listener: Option<ListenerId>,
    packets: u64,
    pub(crate) rules: Vec<&'static str>,
    pub(crate) facts: Vec<Fact>,
}

/// Settings without options in the SYN: plain 9293 numbers.
pub(crate) fn plain() -> Settings {
    Settings {
        window_scale: false,
        timestamps: false,
        sack: false,
        receive_buffer: 65_535,
        receive_buffer_max: None,
        send_buffer: 1 << 20,
        send_buffer_max: None,
        pacing: false,
        ..Settings::default()
    }
}

impl Story {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_config(Config {
            settings,
            ..Config::default()
        })
    }

    pub(crate) fn with_config(config: Config) -> Self {
        let mut tcp = Endpoint::new(config, &Seed::from_number(7));
        tcp.facts().set_level(Level::Full);
        Self {
            tcp,
            now: Instant::from_secs(10),
            local: LOCAL.parse().unwrap(),
            remote: REMOTE.parse().unwrap(),
            path: Path::plain(1040),
            mark: Ecn::NotEct,
            iss: SeqNum::new(0),
            listener: None,
            packets: 0,
            rules: Vec::new(),
            facts: Vec::new(),
        }
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: self.local,
            remote: self.remote,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.tcp.state_of(&self.flow())
    }

    pub(crate) fn listen(&mut self) -> ListenerId {
        let id = self.tcp.listen(self.local, Listen::default()).unwrap();
        self.listener = Some(id);
        id
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        self.tcp
            .connect(self.local, self.remote, self.path, None)
            .unwrap()
    }

    /// Listens, completes a handshake with a bare SYN of MSS 1000, accepts.
    pub(crate) fn established(settings: Settings) -> (Self, ConnId) {
        Self::established_by(settings, seg("S").mss(1000))
    }

    /// The same with this SYN of the peer.
    pub(crate) fn established_by(settings: Settings, syn: Seg) -> (Self, ConnId) {
        let mut story = Self::new(settings);
        let listener = story.listen();
        let timestamps = syn.header.options.timestamps;
        story.recv(syn);
        assert_eq!(story.out().len(), 1);
        let mut ack = seg(".").seq(1).ack(1);
        ack.header.options.timestamps = timestamps;
        story.recv(ack);
        assert!(story.out().is_empty());
        let id = story.tcp.accept(listener).unwrap();
        while story.tcp.poll_event().is_some() {}
        story.facts.clear();
        (story, id)
    }

    /// Lets time pass to `ms` after the story's start, firing every timer on its way.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        let then = Instant::from_secs(10) + core::time::Duration::from_millis(ms);
        while let Some(due) = self.tcp.poll_timeout().filter(|due| *due <= then) {
            self.now = self.now.max(due);
            self.tcp.handle_timeout(self.now);
            self.check();
            if !self.is_quiet() {
                break;
            }
        }
        if self.is_quiet() {
            self.now = self.now.max(then);
        }
        self
    }

    /// Lets time pass until something leaves or `ms` is reached; returns when, in ms, and what.
    pub(crate) fn wait_output(&mut self, ms: u64) -> Option<(u64, Sent)> {
        let end = Instant::from_secs(10) + core::time::Duration::from_millis(ms);
        loop {
            if let Some(sent) = self.next_out() {
                let elapsed = self.now - Instant::from_secs(10);
                return Some((elapsed.as_millis() as u64, sent));
            }
            let due = self.tcp.poll_timeout().filter(|due| *due <= end)?;
            self.now = self.now.max(due);
            self.tcp.handle_timeout(self.now);
            self.check();
        }
    }

    fn is_quiet(&self) -> bool {
        self.tcp.clone().poll_transmit(self.now).is_none()
    }

    pub(crate) fn check(&mut self) {
        self.tcp.check();
        let mut new = Vec::new();
        self.tcp.facts().drain_into(&mut new);
        self.facts.append(&mut new);
    }

    pub(crate) fn arrival(&mut self) -> Arrival {
        self.packets += 1;
        Arrival {
            at: self.now,
            id: PacketId(self.packets),
            iface: InterfaceId(0),
            src: self.remote.ip(),
            dst: self.local.ip(),
            cast: Cast::Unicast,
            ecn: self.mark,
            hop_limit: 64,
            checksum: ChecksumState::Verified,
            gso_size: None,
            path: self.path,
        }
    }

    pub(crate) fn build(&self, seg: &Seg) -> (Segment, Bytes) {
        let mut header = seg.header;
        header.seq = SeqNum::new(PEER_ISN) + seg.rel_seq;
        header.ack = seg.rel_ack.map(|ack| self.iss + ack);
        let segment = Segment {
            src_port: self.remote.port(),
            dst_port: self.local.port(),
            header,
            payload_len: seg.data.len() as u32,
            bytes: Bytes::new(),
        };
        (segment, Bytes::from(seg.data.clone()))
    }

    /// The peer's segment arrives.
    pub(crate) fn recv(&mut self, seg: Seg) -> &mut Self {
        let _verdict = self.judge(seg);
        self
    }

    /// The peer's segment arrives; what became of it.
    pub(crate) fn judge(&mut self, seg: Seg) -> Verdict {
        let (segment, payload) = self.build(&seg);
        let arrival = self.arrival();
        let verdict = self.tcp.handle_segment(&arrival, segment, payload);
        self.rules.push(verdict.rule.name);
        self.check();
        verdict
    }

    fn next_out(&mut self) -> Option<Sent> {
        let transmit = self.tcp.poll_transmit(self.now)?;
        let sent = self.read(&transmit);
        self.check();
        Some(sent)
    }

    pub(crate) fn read(&mut self, t: &Transmit) -> Sent {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = self.tcp.payload(t, &mut slices);
        let data: Vec<u8> = slices[..used].iter().flat_map(|s| s.to_vec()).collect();
        assert_eq!(data.len() as u64, t.range.len(), "payload is complete");
        if t.header.flags.syn() {
            self.iss = t.header.seq;
        }
        let relative = |ack: SeqNum| ack.value().wrapping_sub(PEER_ISN);
        assert_eq!(t.header.ack.is_some(), t.header.flags.ack());
        Sent {
            flags: t.header.flags,
            seq: t.header.seq.value().wrapping_sub(self.iss.value()),
            ack: t.header.ack.map(relative),
            wnd: t.header.wnd,
            options: t.header.options,
            data,
            gso: t.gso,
            why: t.note.why(),
            ecn: t.fields.ecn,
            raw: t.header,
        }
    }

    /// Everything that leaves now.
    pub(crate) fn out(&mut self) -> Vec<Sent> {
        let out: Vec<_> = core::iter::from_fn(|| self.next_out()).collect();
        self.check();
        out
    }

    /// Everything that leaves now, as lines.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.out().iter().map(Sent::line).collect()
    }

    /// Asserts what leaves now.
    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) -> &mut Self {
        assert_eq!(self.lines(), lines);
        self
    }

    #[track_caller]
    pub(crate) fn expect_state(&mut self, state: State) -> &mut Self {
        assert_eq!(self.state(), state);
        self
    }

    pub(crate) fn write(&mut self, id: ConnId, len: usize) -> usize {
        let mut data = ChunkQueue::from(Bytes::from(vec![b'x'; len]));
        let taken = self.tcp.write(id, &mut data).unwrap();
        self.check();
        taken
    }

    pub(crate) fn read_all(&mut self, id: ConnId) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(Some(bytes)) = self.tcp.read(id) {
            all.extend_from_slice(&bytes);
        }
        self.check();
        all
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        let events = core::iter::from_fn(|| self.tcp.poll_event()).collect();
        self.check();
        events
    }

    /// The states it went through since the handshake, by its facts.
    pub(crate) fn path_of_states(&self) -> Vec<&'static str> {
        self.facts
            .iter()
            .filter_map(|fact| {
                if let FactKind::State { to, .. } = fact.kind {
                    Some(to)
                } else {
                    None
                }
            })
            .collect()
    }
}

pub(crate) fn sack(left: u32, right: u32) -> SackBlock {
    SackBlock {
        left: SeqNum::new(PEER_ISN) + left,
        right: SeqNum::new(PEER_ISN) + right,
    }
}
