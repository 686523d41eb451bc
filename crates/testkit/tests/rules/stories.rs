//! What neither the table nor the drill language can say: broadcasts, floods, signatures, settings of a listener.

use core::time::Duration;
use std::collections::BTreeSet;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, Flow, HeaderRoom, Instant, InterfaceId,
    MAX_SLICES, PacketId, Path, PathSignal, PathSignalKind, Seed, Transport,
};
use outcrop_tcp::auth::{AoAlgorithm, MasterKey, Prefix, Secret};
use outcrop_tcp::{
    Config, EcnPolicy, Endpoint, FastOpenCookie, Flags, Listen, Segment, SegmentHeader, SeqNum,
    Settings, Signature, SynCookies, wire,
};

const NOW: Instant = Instant::from_secs(10);
const ISN: SeqNum = SeqNum::new(1000);

/// One endpoint, and a peer with many ports.
struct Bench {
    tcp: Endpoint,
    port: u16,
    cast: Cast,
    reached: BTreeSet<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let settings = Settings {
            receive_buffer: 65_535,
            ..Settings::default()
        };
        let config = Config {
            settings,
            ..Config::default()
        };
        Self {
            tcp: Endpoint::new(config, &Seed::from_number(5)),
            port: 40_000,
            cast: Cast::Unicast,
            reached: BTreeSet::new(),
        }
    }

    fn listening(listen: Listen) -> Self {
        let mut bench = Self::new();
        bench.tcp.listen(bench.flow().local, listen).unwrap();
        bench
    }

    fn flow(&self) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], self.port).into(),
        }
    }

    fn arrives(&mut self, header: SegmentHeader, text: &'static [u8]) {
        let flow = self.flow();
        let a = Arrival {
            cast: self.cast,
            ..arrival(&flow)
        };
        let segment = Segment {
            src_port: flow.remote.port(),
            dst_port: flow.local.port(),
            header,
            payload_len: u32::try_from(text.len()).unwrap(),
            bytes: Bytes::new(),
        };
        let verdict = self
            .tcp
            .handle_segment(&a, segment, Bytes::from_static(text));
        self.reached.insert(verdict.rule.name);
        self.tcp.check();
    }

    /// The headers of what leaves now.
    fn sent(&mut self) -> Vec<SegmentHeader> {
        core::iter::from_fn(|| self.tcp.poll_transmit(NOW))
            .map(|plan| plan.header)
            .collect()
    }

    /// A SYN; returns the number after ours in the answer, if there is one.
    fn syn(&mut self) -> Option<SeqNum> {
        self.arrives(syn(), b"");
        self.sent().last().map(|answer| answer.seq + 1)
    }
}

/// How a packet of `flow`, seen from its receiver, arrives.
fn arrival(flow: &Flow) -> Arrival {
    Arrival {
        at: NOW,
        id: PacketId(1),
        iface: InterfaceId(0),
        src: flow.remote.ip(),
        dst: flow.local.ip(),
        cast: Cast::Unicast,
        ecn: Ecn::NotEct,
        hop_limit: 64,
        checksum: ChecksumState::Unverified,
        gso_size: None,
        path: Path::plain(1500),
    }
}

fn syn() -> SegmentHeader {
    SegmentHeader {
        seq: ISN,
        flags: Flags::SYN,
        wnd: u16::MAX,
        ..SegmentHeader::default()
    }
}

fn ack(offset: u32, number: Option<SeqNum>) -> SegmentHeader {
    SegmentHeader {
        seq: ISN + 1 + offset,
        ack: number,
        flags: Flags::ACK,
        wnd: u16::MAX,
        ..SegmentHeader::default()
    }
}

fn signed(signature: Signature) -> SegmentHeader {
    let mut header = syn();
    header.options.signature = Some(signature);
    header
}

fn broadcast() -> Bench {
    let mut bench = Bench::listening(Listen::default());
    bench.cast = Cast::Broadcast;
    bench.arrives(syn(), b"");
    bench
}

fn flood_without_cookies() -> Bench {
    let mut bench = Bench::listening(Listen {
        syn_backlog: 1,
        syn_cookies: SynCookies::Never,
        ..Listen::default()
    });
    for port in 1..4 {
        bench.port = port;
        bench.syn();
    }
    bench
}

fn flood_with_cookies() -> Bench {
    let mut bench = Bench::listening(Listen {
        syn_backlog: 1,
        ..Listen::default()
    });
    bench.port = 1;
    bench.syn();
    bench.port = 2;
    let cookie = bench.syn();
    bench.arrives(ack(5, cookie), b"the second half");
    bench.arrives(ack(0, cookie), b"");
    bench
}

fn text_in_a_syn() -> Bench {
    let mut bench = Bench::listening(Listen {
        fast_open: 5,
        ..Listen::default()
    });
    let mut wish = syn();
    wish.options.fast_open = FastOpenCookie::new(&[], false);
    bench.arrives(wish, b"");
    let granted = bench
        .sent()
        .last()
        .and_then(|answer| answer.options.fast_open);
    bench.port += 1;
    let mut early = syn();
    early.options.fast_open = granted;
    bench.arrives(early, b"GET /");
    bench
}

fn program_that_does_not_accept() -> Bench {
    let mut bench = Bench::listening(Listen {
        accept_backlog: 1,
        ..Listen::default()
    });
    let answers = [1, 2, 3].map(|port| {
        bench.port = port;
        bench.syn()
    });
    for (port, answer) in (1..).zip(answers) {
        bench.port = port;
        bench.arrives(ack(0, answer), b"");
    }
    bench
}

fn program_that_waits_for_text() -> Bench {
    let mut bench = Bench::listening(Listen {
        defer_accept: Some(Duration::from_secs(5)),
        ..Listen::default()
    });
    let answer = bench.syn();
    bench.arrives(ack(0, answer), b"");
    bench
}

fn crumbs_by_the_thousand() -> Bench {
    let mut bench = Bench::listening(Listen::default());
    let answer = bench.syn();
    for n in 1..1_200 {
        bench.arrives(ack(2 * n, answer), b"x");
    }
    bench
}

fn keys(peer: [u8; 4]) -> MasterKey {
    MasterKey {
        peer: Prefix::from(core::net::IpAddr::from(peer)),
        send_id: 1,
        recv_id: 1,
        algorithm: AoAlgorithm::HmacSha1,
        secret: Secret::new(b"secret").unwrap(),
        covers_options: true,
    }
}

fn signatures_of_every_wrong_kind() -> Bench {
    let mut bench = Bench::listening(Listen::default());
    bench.arrives(signed(Signature::Md5), b"");
    bench.arrives(signed(Signature::Conflict), b"");
    let mut bench2 = Bench::new();
    let listener = bench2.tcp.listen(bench.flow().local, Listen::default());
    let key = keys([10, 0, 0, 2]);
    bench2.tcp.add_ao_key(listener.unwrap(), key).unwrap();
    bench2.arrives(syn(), b"");
    for key_id in [1, 77] {
        let ao = Signature::Ao { key_id, next_id: 1 };
        bench2.arrives(signed(ao), b"");
    }
    bench2.reached.append(&mut bench.reached);
    bench2
}

/// Two endpoints under one key; then anybody says that the peer cannot be reached.
fn news_about_a_signed_connection() -> Bench {
    let mut bench = Bench::new();
    let (mut peer, flow) = (Bench::new().tcp, bench.flow());
    let listener = peer.listen(flow.remote, Listen::default()).unwrap();
    peer.add_ao_key(listener, keys([10, 0, 0, 1])).unwrap();
    let path = Path::plain(1500);
    let id = bench
        .tcp
        .connect(flow.local, flow.remote, path, None)
        .unwrap();
    bench.tcp.add_ao_key(id, keys([10, 0, 0, 2])).unwrap();
    let theirs = Flow {
        local: flow.remote,
        remote: flow.local,
        ..flow
    };
    for _ in 0..2 {
        carry(&mut bench.tcp, &mut peer, &theirs);
        carry(&mut peer, &mut bench.tcp, &flow);
    }
    let mut text = ChunkQueue::from(Bytes::from_static(b"text"));
    bench.tcp.write(id, &mut text).unwrap();
    let seq = bench.sent().last().map(|header| header.seq.value());
    let signal = PathSignal {
        flow,
        seq,
        kind: PathSignalKind::Hard,
        id: PacketId(9),
    };
    let verdict = bench.tcp.handle_path(NOW, &signal);
    bench.reached.insert(verdict.rule.name);
    bench
}

/// A SYN that asks for accurate ECN, and then for the classic kind.
fn two_kinds_of_marks_in_one_handshake() -> Bench {
    let settings = Settings {
        ecn: EcnPolicy::Accurate,
        ..Settings::default()
    };
    let mut bench = Bench::listening(Listen {
        settings: Some(settings),
        ..Listen::default()
    });
    let classic = Flags::ECE | Flags::CWR;
    for bits in [classic | Flags::AE, classic] {
        let mut header = syn();
        header.flags = header.flags | bits;
        bench.arrives(header, b"");
    }
    bench
}

/// Everything one end wants to send arrives at the other, whose view of the connection is `flow`.
fn carry(from: &mut Endpoint, to: &mut Endpoint, flow: &Flow) {
    while let Some(plan) = from.poll_transmit(NOW) {
        let (mut slices, mut room) = ([IoSlice::new(&[]); MAX_SLICES], HeaderRoom::new());
        let used = from.payload(&plan, &mut slices);
        from.emit(&plan, &slices[..used], false, &mut room);
        let mut bytes = room.as_slice().to_vec();
        slices[..used]
            .iter()
            .for_each(|slice| bytes.extend_from_slice(slice));
        let a = arrival(flow);
        let (segment, payload) = wire::parse(&a, Bytes::from(bytes)).unwrap();
        let verdict = to.handle_segment(&a, segment, payload);
        assert_eq!(verdict.drop_reason(), None, "{verdict:?}");
    }
}

/// The rules all of them reach.
pub(crate) fn reached() -> BTreeSet<&'static str> {
    [
        broadcast(),
        flood_without_cookies(),
        flood_with_cookies(),
        text_in_a_syn(),
        program_that_does_not_accept(),
        program_that_waits_for_text(),
        crumbs_by_the_thousand(),
        signatures_of_every_wrong_kind(),
        news_about_a_signed_connection(),
        two_kinds_of_marks_in_one_handshake(),
    ]
    .into_iter()
    .flat_map(|bench| bench.reached)
    .collect()
}
