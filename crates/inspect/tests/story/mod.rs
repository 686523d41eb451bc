//! A made-up connection: a page is fetched, a segment is lost and sent again, a stray is dropped.
#![allow(dead_code, reason = "tests and the example use their share")]

use std::io::IoSlice;

use core::net::SocketAddr;
use core::time::Duration;

use etherparse::PacketBuilder;
use outcrop_base::{
    CallKind, Cause, Describe, Direction, DropReason, Fact, FactKind, Flow, Instant, InterfaceId,
    Limit, Note, PacketId, PacketRecord, Recorder, RuleRef, TimerKind, Transport, Value, Verdict,
    WallClock, Why,
};
use outcrop_capture::{Config, Section, Writer};

const RULE: RuleRef = RuleRef {
    name: "tcp:segment-text",
    source: "RFC 9293 3.10.7.4",
};
const PEER: SocketAddr = SocketAddr::new(
    core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 77, 0, 1)),
    41_000,
);
const OURS: SocketAddr = SocketAddr::new(
    core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 77, 0, 2)),
    80,
);
const CALL: fn(CallKind) -> Cause = Cause::Call;
const PACKET: fn(u64) -> Cause = |id| Cause::Packet(PacketId(id));

/// What our end tells of itself.
struct State(&'static str, u64);

impl Describe for State {
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("state", Value::Word(self.0));
        if self.1 > 0 {
            visit("cwnd", Value::Number(self.1));
        }
    }
}

/// Control bits and numbers of a segment.
#[derive(Clone, Copy)]
struct Tcp {
    flags: &'static str,
    seq: u32,
    ack: u32,
    syn: bool,
}

/// What is known about a packet.
enum Told {
    Left(Note),
    Came(Verdict),
}

struct Tape {
    writer: Writer<Vec<u8>>,
    micros: u64,
    id: u64,
    state: State,
}

impl Tape {
    fn after(&mut self, micros: u64) -> &mut Self {
        self.micros += micros;
        self
    }

    fn state(&mut self, from: &'static str, to: &'static str, cause: Cause) {
        self.state.0 = to;
        self.fact(FactKind::State { from, to }, cause);
    }

    fn fact(&mut self, kind: FactKind, cause: Cause) {
        let flow = Flow {
            transport: Transport::Tcp,
            local: OURS,
            remote: PEER,
        };
        let at = Instant::from_micros(self.micros);
        self.writer.fact(at, &Fact::new(Some(flow), kind, cause));
    }

    fn take(&mut self, tcp: Tcp, payload: &[u8]) {
        self.packet(tcp, payload, Told::Came(Verdict::taken(RULE)));
    }

    fn send(&mut self, tcp: Tcp, payload: &[u8], note: Note) {
        self.packet(tcp, payload, Told::Left(note));
    }

    fn packet(&mut self, tcp: Tcp, payload: &[u8], told: Told) {
        self.id += 1;
        let (direction, note, verdict) = match told {
            Told::Left(note) => (Direction::Out, Some(note), None),
            Told::Came(verdict) => (Direction::In, None, Some(verdict)),
        };
        let bytes = segment(direction, tcp, payload);
        self.writer.packet(&PacketRecord {
            at: Instant::from_micros(self.micros),
            id: PacketId(self.id),
            iface: InterfaceId(0),
            direction,
            bytes: &[IoSlice::new(&bytes)],
            partial_checksum: None,
            gso_size: None,
            note,
            verdict,
            state: &self.state,
        });
    }
}

fn segment(direction: Direction, tcp: Tcp, payload: &[u8]) -> Vec<u8> {
    let (src, dst) = match direction {
        Direction::In => (PEER, OURS),
        Direction::Out => (OURS, PEER),
    };
    let (SocketAddr::V4(src), SocketAddr::V4(dst)) = (src, dst) else {
        unreachable!("both are IPv4")
    };
    let mut builder = PacketBuilder::ipv4(src.ip().octets(), dst.ip().octets(), 64).tcp(
        src.port(),
        dst.port(),
        tcp.seq,
        if tcp.syn { 64_240 } else { 502 },
    );
    for flag in tcp.flags.bytes() {
        builder = match flag {
            b'S' => builder.syn(),
            b'F' => builder.fin(),
            b'R' => builder.rst(),
            b'P' => builder.psh(),
            _ => builder.ack(tcp.ack),
        };
    }
    if tcp.syn {
        builder = builder
            .options_raw(&[2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 0, 0, 0])
            .expect("twelve bytes of options");
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).expect("a small packet");
    bytes
}

/// Client numbers count from 1000, ours from 5000.
const fn tcp(flags: &'static str, seq: u32, ack: u32) -> Tcp {
    let syn = seq == 1000 || seq == 5000;
    Tcp {
        flags,
        seq,
        ack,
        syn,
    }
}

/// The story, as a capture.
pub(crate) fn told() -> Vec<u8> {
    let config = Config {
        clock: WallClock::new(Duration::from_secs(1_700_000_000)),
        section: Section::new().with("scenario", "story"),
        ..Config::default()
    };
    let mut tape = Tape {
        writer: Writer::new(Vec::new(), config).expect("memory takes everything"),
        micros: 0,
        id: 0,
        state: State("LISTEN", 0),
    };
    handshake_and_page(&mut tape);
    loss_and_repair(&mut tape);
    farewell(&mut tape);
    tape.writer.into_inner().expect("memory takes everything")
}

fn handshake_and_page(tape: &mut Tape) {
    tape.take(tcp("S", 1000, 0), b"");
    tape.state("LISTEN", "SYN-RECEIVED", PACKET(1));
    tape.state.1 = 14_600;
    let note = Note::new(Why::SynAck, Limit::None, PACKET(1));
    tape.after(42).send(tcp("SA", 5000, 1001), b"", note);
    tape.after(210).take(tcp("A", 1001, 5001), b"");
    tape.state("SYN-RECEIVED", "ESTABLISHED", PACKET(3));
    tape.fact(FactKind::Call { bytes: 0 }, CALL(CallKind::Accept));
    let request = b"GET / HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\nGET /style.css HTTP/1.1\r\nHost: 10.77.0.2\r\n\r\n";
    tape.after(33).take(tcp("PA", 1001, 5001), request);
    tape.fact(FactKind::Call { bytes: 1_500 }, CALL(CallKind::Write));
}

fn loss_and_repair(tape: &mut Tape) {
    let mut page = b"HTTP/1.1 200 OK\r\nContent-Length: 1461\r\n\r\n".to_vec();
    page.resize(1_460, b'x');
    let note = Note::new(Why::Data, Limit::Segment, CALL(CallKind::Write));
    tape.after(120).send(tcp("A", 5001, 1080), &page, note);
    let note = Note::new(Why::Data, Limit::App, CALL(CallKind::Write));
    tape.send(tcp("PA", 6461, 1080), &[b'x'; 40], note);
    let timer = TimerKind::Retransmit;
    tape.after(203_000);
    tape.fact(FactKind::TimerFired { timer }, Cause::Timer(timer));
    let (start, len, how) = (0, 1_460, "rto");
    tape.fact(FactKind::Lost { start, len, how }, Cause::Timer(timer));
    tape.state.1 = 1_460;
    let note = Note::new(Why::Rto, Limit::Cwnd, Cause::Timer(timer));
    tape.after(9).send(tcp("A", 5001, 1080), &page, note);
    tape.after(350).take(tcp("A", 1080, 6501), b"");
    let stray = Verdict::dropped(DropReason::TcpOutOfWindow, RULE);
    tape.after(500)
        .packet(tcp("PA", 900, 6501), b"old", Told::Came(stray));
    let note = Note::new(Why::DupAck, Limit::None, PACKET(9));
    tape.after(11).send(tcp("A", 6501, 1080), b"", note);
}

fn farewell(tape: &mut Tape) {
    tape.after(1_250_000).take(tcp("FA", 1080, 6501), b"");
    tape.state("ESTABLISHED", "CLOSE-WAIT", PACKET(11));
    tape.state("CLOSE-WAIT", "LAST-ACK", CALL(CallKind::Close));
    let note = Note::new(Why::Fin, Limit::None, CALL(CallKind::Close));
    tape.after(60).send(tcp("FA", 6501, 1081), b"", note);
    tape.after(180).take(tcp("A", 1081, 6502), b"");
    tape.state("LAST-ACK", "CLOSED", PACKET(13));
    let reason = "finished";
    tape.fact(FactKind::Closed { reason }, PACKET(13));
}
