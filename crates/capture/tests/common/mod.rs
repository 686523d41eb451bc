//! Small packets and a small run, shared by the tests of this crate.
#![allow(dead_code, reason = "each test file uses its share")]

use std::io::IoSlice;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use outcrop_base::{
    CallKind, Cause, Checksum, Describe, Direction, DropReason, Fact, FactKind, Flow, Instant,
    InterfaceId, Limit, Note, PacketId, PacketRecord, Recorder, RuleRef, TimerKind, Transport,
    Value, Verdict, WallClock, Why,
};
use outcrop_capture::{Config, Section};

pub(crate) const RULE: RuleRef = RuleRef {
    name: "tcp:window",
    source: "RFC 9293 3.10.7.4",
};

/// State of a connection, as an engine would tell it.
pub(crate) struct Told;

impl Describe for Told {
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("state", Value::Word("ESTABLISHED"));
        visit("cwnd", Value::Number(14_600));
        visit("srtt_ms", Value::Span(Duration::from_micros(58_100)));
    }
}

pub(crate) fn config() -> Config {
    Config {
        interface: "oc0".to_owned(),
        clock: WallClock::new(Duration::from_secs(1_700_000_000)),
        section: Section::new()
            .with("seed", "42")
            .with("scenario", "handshake, data, reset"),
        ..Config::default()
    }
}

pub(crate) const CLIENT: [u8; 4] = [10, 77, 0, 1];
pub(crate) const SERVER: [u8; 4] = [10, 77, 0, 2];

pub(crate) fn flow() -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: SocketAddr::new(IpAddr::from(SERVER), 80),
        remote: SocketAddr::new(IpAddr::from(CLIENT), 41_000),
    }
}

/// An IPv4 packet with a TCP segment. With `partial`, the checksum field holds only the pseudo-header's sum.
pub(crate) fn tcp4(out: bool, seq: u32, flags: u8, data: &[u8], partial: bool) -> Vec<u8> {
    let (src, dst, sport, dport) = if out {
        (SERVER, CLIENT, 80u16, 41_000u16)
    } else {
        (CLIENT, SERVER, 41_000, 80)
    };
    let len = u16::try_from(20 + data.len()).unwrap();
    let mut tcp = Vec::new();
    tcp.extend(sport.to_be_bytes());
    tcp.extend(dport.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(7u32.to_be_bytes());
    tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(data);
    let mut sum = Checksum::pseudo_header(src.into(), dst.into(), 6, len.into());
    let field = if partial {
        sum.partial()
    } else {
        sum.add(&tcp);
        sum.finish()
    };
    tcp[16..18].copy_from_slice(&field.to_be_bytes());
    let mut ip = vec![0x45, 0];
    ip.extend((len + 20).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend(src);
    ip.extend(dst);
    let mut sum = Checksum::new();
    sum.add(&ip);
    ip[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    ip.extend(tcp);
    ip
}

/// A record with nothing remarkable about it.
pub(crate) fn record<'a>(
    id: u64,
    direction: Direction,
    bytes: &'a [IoSlice<'a>],
) -> PacketRecord<'a> {
    PacketRecord {
        at: Instant::from_millis(id * 10),
        id: PacketId(id),
        iface: InterfaceId(0),
        direction,
        bytes,
        partial_checksum: None,
        gso_size: None,
        note: None,
        verdict: None,
        state: &Told,
    }
}

/// A run of five packets and three facts.
pub(crate) fn play(recorder: &mut dyn Recorder) {
    let syn = tcp4(false, 100, 0x02, b"", false);
    recorder.packet(&PacketRecord {
        verdict: Some(Verdict::taken(RULE)),
        ..record(1, Direction::In, &[IoSlice::new(&syn)])
    });
    let state = FactKind::State {
        from: "LISTEN",
        to: "SYN-RECEIVED",
    };
    let cause = Cause::Packet(PacketId(1));
    recorder.fact(
        Instant::from_millis(10),
        &Fact::new(Some(flow()), state, cause),
    );
    let syn_ack = tcp4(true, 500, 0x12, b"", true);
    recorder.packet(&PacketRecord {
        partial_checksum: Some((20, 16)),
        note: Some(Note::new(Why::SynAck, Limit::None, cause)),
        ..record(
            2,
            Direction::Out,
            &[IoSlice::new(&syn_ack[..20]), IoSlice::new(&syn_ack[20..])],
        )
    });
    let timer = TimerKind::Retransmit;
    recorder.fact(
        Instant::from_millis(25),
        &Fact::new(
            Some(flow()),
            FactKind::TimerFired { timer },
            Cause::Timer(timer),
        ),
    );
    let data = tcp4(true, 501, 0x18, b"HTTP/1.1 200 OK\r\n\r\n", false);
    recorder.packet(&PacketRecord {
        note: Some(Note::new(Why::Rto, Limit::Cwnd, Cause::Timer(timer))),
        gso_size: Some(1_460),
        ..record(3, Direction::Out, &[IoSlice::new(&data)])
    });
    let stray = tcp4(false, 9, 0x10, b"", false);
    recorder.packet(&PacketRecord {
        verdict: Some(Verdict::dropped(DropReason::TcpOutOfWindow, RULE)),
        ..record(4, Direction::In, &[IoSlice::new(&stray)])
    });
    recorder.fact(
        Instant::from_millis(45),
        &Fact::new(
            None,
            FactKind::Call { bytes: 0 },
            Cause::Call(CallKind::Abort),
        ),
    );
    let reset = tcp4(true, 520, 0x14, b"", false);
    recorder.packet(&PacketRecord {
        note: Some(Note::new(
            Why::ResetAborted,
            Limit::None,
            Cause::Call(CallKind::Abort),
        )),
        ..record(5, Direction::Out, &[IoSlice::new(&reset)])
    });
}
