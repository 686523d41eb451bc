//! The trial of one cell.
//!
//! Job: bring an engine into a state, let the segment arrive, look at what left. Owns: nothing.

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Flow, Instant, Path, Seed, Transport, Verdict};
use outcrop_tcp::{
    Config, ConnId, Endpoint, Flags, Listen, Rule, Segment, SegmentHeader, SeqNum, Settings, State,
    Transmit,
};

use super::{Ack, Cell, Outcome, Reply, Seq};
use crate::wire;

/// What an engine made of a cell.
#[derive(Clone, Debug)]
pub struct Observed {
    /// In the table's terms.
    pub outcome: Outcome,
    /// Every packet that left, for a message.
    pub left: String,
}

/// The peer's ISN: everything wraps.
const PEER_ISN: SeqNum = SeqNum::new(u32::MAX - 1);
const WINDOW: u32 = 65_535;
const TEXT: &[u8] = b"0123456789";

struct Lab {
    tcp: Endpoint,
    flow: Flow,
    now: Instant,
    iss: SeqNum,
    /// RCV.NXT as an offset from the peer's ISN.
    rcv: u32,
    /// SND.UNA and SND.NXT as offsets from our ISN.
    una: u32,
    nxt: u32,
    /// RCV.WND, as last advertised.
    window: u32,
    packets: u64,
}

/// Puts a cell to a real engine.
#[must_use]
pub fn observed(cell: &Cell) -> Observed {
    let mut lab = Lab::in_state(cell.state);
    let seq = PEER_ISN
        + match cell.seq {
            Seq::Left => lab.rcv.wrapping_sub(100),
            Seq::At => lab.rcv,
            Seq::Inside => lab.rcv + 50,
            Seq::Edge => lab.rcv + lab.window - 1,
            Seq::Beyond => lab.rcv + lab.window,
        };
    let ack = match cell.ack {
        Ack::Absent => None,
        Ack::Old => Some(lab.iss + lab.una.wrapping_sub(1)),
        Ack::Acceptable => Some(lab.iss + lab.nxt),
        Ack::Future => Some(lab.iss + (lab.nxt + 1_000)),
    };
    let text = if cell.data { TEXT } else { &[] };
    let verdict = lab.arrives(cell.flags, seq, ack, text);
    let sent = lab.sent();
    let length = u32::from(cell.flags.syn()) + u32::from(cell.flags.fin());
    let length = length + u32::try_from(text.len()).unwrap_or(0);
    let reply = match sent.as_slice() {
        [] => Reply::Nothing,
        [one] => lab.name(cell, one, (seq, ack, length)),
        _ => Reply::Other,
    };
    let left = sent.iter().map(|t| format!("{:?}", t.header));
    Observed {
        outcome: Outcome {
            reply,
            next: lab.tcp.state_of(&lab.flow),
            rule: Rule::from_name(verdict.rule.name).unwrap_or(Rule::BadAddress),
        },
        left: left.collect::<Vec<_>>().join("; "),
    }
}

impl Lab {
    fn new() -> Self {
        let settings = Settings {
            window_scale: false,
            timestamps: false,
            sack: false,
            receive_buffer: WINDOW,
            // So that what may be delayed shows at once.
            delayed_ack: Duration::ZERO,
            ..Settings::default()
        };
        let config = Config {
            settings,
            ..Config::default()
        };
        Self {
            tcp: Endpoint::new(config, &Seed::from_number(9)),
            flow: Flow {
                transport: Transport::Tcp,
                local: ([10, 0, 0, 1], 80).into(),
                remote: ([10, 0, 0, 2], 40_000).into(),
            },
            now: Instant::from_secs(1),
            iss: SeqNum::new(0),
            rcv: 1,
            una: 0,
            nxt: 1,
            window: WINDOW,
            packets: 0,
        }
    }

    fn in_state(state: State) -> Self {
        let mut lab = Self::new();
        match state {
            State::Closed => {}
            State::SynSent => {
                let path = Path::plain(1500);
                let _id = lab.tcp.connect(lab.flow.local, lab.flow.remote, path, None);
                lab.sent();
            }
            State::Listen => {
                let _listener = lab.tcp.listen(lab.flow.local, Listen::default());
            }
            State::SynReceived => lab.half_open(),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => lab.open_and(state),
        }
        debug_assert_eq!(lab.tcp.state_of(&lab.flow), state, "the way there");
        lab
    }

    fn half_open(&mut self) {
        let _listener = self.tcp.listen(self.flow.local, Listen::default());
        let _verdict = self.arrives(Flags::SYN, PEER_ISN, None, &[]);
        self.sent();
    }

    /// Establishes, and closes as far as `state`. The program holds the connection; where a connection ends, no
    /// listener is left, except in TIME-WAIT, which a fresh SYN may leave only for one.
    fn open_and(&mut self, state: State) {
        let listener = self.tcp.listen(self.flow.local, Listen::default());
        let _verdict = self.arrives(Flags::SYN, PEER_ISN, None, &[]);
        self.sent();
        self.una = 1;
        self.peer(Flags::ACK);
        let (Ok(listener), true) = (listener, self.sent().is_empty()) else {
            return;
        };
        let Some(id) = self.tcp.accept(listener) else {
            return;
        };
        if state != State::TimeWait {
            let _gone = self.tcp.unlisten(listener);
        }
        match state {
            State::FinWait1 => self.shutdown(id),
            State::FinWait2 => {
                self.shutdown(id);
                self.una = 2;
                self.peer(Flags::ACK);
            }
            State::CloseWait => self.peer_fin(),
            State::LastAck => {
                self.peer_fin();
                self.shutdown(id);
            }
            State::Closing => {
                self.shutdown(id);
                self.peer_fin();
            }
            State::TimeWait => {
                self.shutdown(id);
                self.una = 2;
                self.peer_fin();
            }
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established => {}
        }
        self.sent();
    }

    fn shutdown(&mut self, id: ConnId) {
        let _done = self.tcp.shutdown(id);
        self.sent();
        self.nxt = 2;
    }

    fn peer_fin(&mut self) {
        self.peer(Flags::FIN | Flags::ACK);
        self.sent();
        self.rcv += 1;
    }

    /// A segment in order, acknowledging up to SND.UNA.
    fn peer(&mut self, flags: Flags) {
        let ack = Some(self.iss + self.una);
        let _verdict = self.arrives(flags, PEER_ISN + self.rcv, ack, &[]);
    }

    fn arrives(&mut self, flags: Flags, seq: SeqNum, ack: Option<SeqNum>, text: &[u8]) -> Verdict {
        self.packets += 1;
        let theirs = Flow {
            local: self.flow.remote,
            remote: self.flow.local,
            ..self.flow
        };
        let a = wire::arrival(self.now, self.packets, &theirs, Path::plain(1500));
        let segment = Segment {
            src_port: theirs.local.port(),
            dst_port: theirs.remote.port(),
            header: SegmentHeader {
                seq,
                ack,
                flags,
                wnd: u16::MAX,
                ..SegmentHeader::default()
            },
            payload_len: u32::try_from(text.len()).unwrap_or(0),
            bytes: Bytes::new(),
        };
        let payload = Bytes::copy_from_slice(text);
        let verdict = self.tcp.handle_segment(&a, segment, payload);
        self.tcp.check();
        verdict
    }

    fn sent(&mut self) -> Vec<Transmit> {
        let sent: Vec<_> = core::iter::from_fn(|| self.tcp.poll_transmit(self.now)).collect();
        self.tcp.check();
        if let Some(last) = sent.last() {
            self.window = u32::from(last.header.wnd);
        }
        if let Some(syn) = sent.iter().find(|t| t.header.flags.syn()) {
            self.iss = syn.header.seq;
        }
        sent
    }

    /// What a packet is in the RFC's notation; anything not exactly so is [`Reply::Other`].
    fn name(
        &self,
        cell: &Cell,
        sent: &Transmit,
        (seq, ack, length): (SeqNum, Option<SeqNum>, u32),
    ) -> Reply {
        let header = &sent.header;
        // What the window takes moves RCV.NXT; in SYN-SENT the peer's numbers begin with the segment.
        let rcv = if cell.state == State::SynSent || header.flags.syn() {
            let all = header.ack == Some(seq + length) && ack.is_some();
            if all { seq + length } else { seq + 1 }
        } else if cell.seq == Seq::At && self.takes(cell) {
            seq + length
        } else {
            PEER_ISN + self.rcv
        };
        let control = header.flags;
        if control == Flags::RST && Some(header.seq) == ack {
            Reply::Reset
        } else if control == Flags::RST | Flags::ACK
            && header.seq == SeqNum::new(0)
            && header.ack == Some(seq + length)
        {
            Reply::ResetAck
        } else if control == Flags::ACK
            && header.seq == self.iss + self.nxt
            && header.ack == Some(rcv)
        {
            Reply::Ack
        } else if control == Flags::SYN | Flags::ACK && header.ack == Some(rcv) {
            Reply::SynAck
        } else {
            Reply::Other
        }
    }

    /// Whether a segment in order is taken whole: RFC 9293 3.10.7.4, steps two to eight.
    const fn takes(&self, cell: &Cell) -> bool {
        let plain = !cell.flags.rst() && !cell.flags.syn();
        let acked = matches!(cell.ack, Ack::Acceptable)
            || matches!(cell.ack, Ack::Old) && !matches!(cell.state, State::SynReceived);
        let expects = matches!(
            cell.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        );
        plain && acked && expects
    }
}
