//! What the fuzzers throw, as plain functions of bytes.
//!
//! Job: turn any bytes into hostile input for one parser or engine, and check what must hold whatever it was.
//! Owns: the interpretation of the bytes. Does not know: who chooses them (libFuzzer, proptest, a corpus file).
//! Each function returns normally or panics with a finding; nothing else is an outcome.

mod frames;
mod shown;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use outcrop_base::{Checksum, ChunkQueue, Instant, InterfaceId, Seed};
use outcrop_device::RxOffload;
use outcrop_dhcp as dhcp;
use outcrop_http::h1::{Prepared, Server, ServerConfig, ServerEvent};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::{Listen, State};
use outcrop_stack::{Config, Core, ListenerId, PacketIn, StreamId};

pub use frames::ethernet_frames;
pub use shown::{shown_bytes, switched_frames};

const IFACE: InterfaceId = InterfaceId(0);
const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PORT: u16 = 80;
/// Packets one input may make a host send before it counts as an amplifier or a loop.
const MOST_PACKETS: usize = 100_000;

fn host(addr: Ipv4Addr, seed: u64) -> Core {
    let mut core = Core::new(Config::default(), &Seed::from_number(seed));
    let Ok(cidr) = Cidr::new(IpAddr::V4(addr), 24) else {
        return core;
    };
    let added = core.add_interface(InterfaceConfig::tun(IFACE, 1500, vec![cidr]));
    assert!(added.is_ok(), "a plain interface is accepted");
    core
}

fn feed(core: &mut Core, at: Instant, bytes: Bytes) {
    let id = core.next_packet_id();
    let _verdict = core.handle_packet(PacketIn {
        at,
        id,
        iface: IFACE,
        bytes,
        offload: RxOffload::default(),
    });
    core.tcp().check();
}

/// Everything the host sends at `now`.
fn drain(core: &mut Core, now: Instant) -> Vec<Bytes> {
    let mut sent = Vec::new();
    while core.poll_event().is_some() {}
    while core.poll_transmit(now, &mut |packet| {
        let whole: Vec<u8> = packet
            .bytes
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        sent.push(Bytes::from(whole));
    }) {
        assert!(sent.len() < MOST_PACKETS, "a host sends without end");
    }
    core.tcp().check();
    sent
}

/// Any bytes as IP packets to a host with a listener and a UDP socket: length octets cut them.
///
/// # Panics
/// With a finding.
pub fn ip_packets(mut data: &[u8]) {
    let mut core = host(US, 1);
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let listening = core.tcp_listen(SocketAddr::new(any, PORT), Listen::default());
    let bound = core.udp_bind(SocketAddr::new(any, 7));
    assert!(
        listening.is_ok() && bound.is_ok(),
        "a fresh host has free ports"
    );
    let mut now = Instant::ZERO;
    while let [high, low, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (packet, rest) = rest.split_at(len);
        feed(&mut core, now, Bytes::copy_from_slice(packet));
        // The same with its addresses and checksum made good, so that it gets past the door.
        if let Some(packet) = addressed_to_us(packet) {
            feed(&mut core, now, packet);
        }
        drain(&mut core, now);
        now += Duration::from_millis(7);
        core.handle_timeout(now);
        data = rest;
    }
    run_timers(&mut core, now);
}

fn addressed_to_us(packet: &[u8]) -> Option<Bytes> {
    let mut packet = packet.to_vec();
    let header = usize::from(packet.first()? & 15) * 4;
    if packet.first()? >> 4 != 4 || header < 20 || packet.len() < header {
        return None;
    }
    packet.get_mut(12..16)?.copy_from_slice(&PEER.octets());
    packet.get_mut(16..20)?.copy_from_slice(&US.octets());
    packet.get_mut(10..12)?.copy_from_slice(&[0, 0]);
    let mut sum = Checksum::new();
    sum.add(packet.get(..header)?);
    packet
        .get_mut(10..12)?
        .copy_from_slice(&sum.finish().to_be_bytes());
    Some(packet.into())
}

/// Any bytes as IP packets for others, to a router of two narrow links that has a route for everything: length octets
/// cut them. Nothing it passes on is longer than the link, or has as many hops as it came with.
///
/// # Panics
/// With a finding.
pub fn forwarded_packets(mut data: &[u8]) {
    let mut config = Config::default();
    config.ip.forward = true;
    let mut core = Core::new(config, &Seed::from_number(1));
    for (number, net) in [(0, "10.77.0.2/24"), (1, "10.78.0.2/24")] {
        let cidr: Option<Cidr> = net.parse().ok();
        let link = InterfaceConfig::tun(InterfaceId(number), MTU, cidr.into_iter().collect());
        assert!(
            core.add_interface(link).is_ok(),
            "a plain interface is accepted"
        );
    }
    for everything in ["0.0.0.0/0", "::/0"] {
        let dest: Option<Cidr> = everything.parse().ok();
        let routed = dest.map(|dest| core.add_route(dest, None, InterfaceId(1)));
        assert_eq!(routed, Some(Ok(())), "a default route is accepted");
    }
    let mut now = Instant::ZERO;
    while let [high, low, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (packet, rest) = rest.split_at(len);
        for packet in [Some(Bytes::copy_from_slice(packet)), crossing(packet)] {
            let Some(packet) = packet else { continue };
            let hops = hops_of(&packet);
            feed(&mut core, now, packet);
            for sent in drain(&mut core, now) {
                assert!(sent.len() <= MTU as usize, "longer than the link");
                assert!(is_whole(&sent), "what leaves is no IP packet");
                let passed =
                    sent.get(12..16) == Some(&PEER.octets()) && sent.first() == Some(&0x45);
                assert!(!passed || hops_of(&sent) < hops.max(1), "a hop for nothing");
            }
        }
        now += Duration::from_millis(7);
        core.handle_timeout(now);
        data = rest;
    }
    run_timers(&mut core, now);
}

/// The MTU of the fuzzed router's links.
const MTU: u32 = 600;

/// The packet made one from a neighbour to somewhere beyond, its checksum good.
fn crossing(packet: &[u8]) -> Option<Bytes> {
    let mut packet = addressed_to_us(packet)?.to_vec();
    packet.get_mut(16..20)?.copy_from_slice(&[203, 0, 113, 9]);
    let header = usize::from(packet.first()? & 15) * 4;
    packet.get_mut(10..12)?.copy_from_slice(&[0, 0]);
    let mut sum = Checksum::new();
    sum.add(packet.get(..header)?);
    packet
        .get_mut(10..12)?
        .copy_from_slice(&sum.finish().to_be_bytes());
    Some(packet.into())
}

fn hops_of(packet: &[u8]) -> u8 {
    let at = if packet.first().is_some_and(|first| first >> 4 == 6) {
        7
    } else {
        8
    };
    packet.get(at).copied().unwrap_or(0)
}

/// Whether a packet that left is one by its own length and checksum.
fn is_whole(packet: &[u8]) -> bool {
    let len = |at: usize| {
        let pair = packet.get(at..).and_then(<[u8]>::first_chunk::<2>);
        pair.map_or(0, |pair| usize::from(u16::from_be_bytes(*pair)))
    };
    match packet.first().map(|first| first >> 4) {
        Some(4) => {
            let header = packet
                .first()
                .map_or(0, |first| usize::from(first & 15) * 4);
            let mut sum = Checksum::new();
            sum.add(packet.get(..header).unwrap_or_default());
            len(2) == packet.len() && sum.finish() == 0
        }
        Some(6) => len(4) + 40 == packet.len(),
        Some(_) | None => false,
    }
}

/// Lets the host's timers run for a simulated hour: they must come to an end or stay rare.
fn run_timers(core: &mut Core, mut now: Instant) {
    let end = now + Duration::from_secs(3600);
    let mut fired = 0;
    while let Some(at) = core.poll_timeout().filter(|at| *at <= end) {
        now = now.max(at);
        core.handle_timeout(now);
        drain(core, now);
        fired += 1;
        assert!(fired < MOST_PACKETS, "timers without end");
    }
}

/// The states a segment can meet, and how a host gets there.
const STATES: u8 = 10;

/// Segments into a connection in any state: the first byte chooses the state, the rest are segments relative
/// to what the connection expects.
///
/// # Panics
/// With a finding.
pub fn tcp_segments(data: &[u8]) {
    let Some((state, mut data)) = data.split_first() else {
        return;
    };
    let mut scene = Scene::new();
    scene.reach(*state % STATES);
    while let [flags, seq, ack, win, len, time, rest @ ..] = data {
        let options = usize::from(*len >> 5) * 4;
        let (options, rest) = rest.split_at(options.min(rest.len()) & !3);
        scene.inject(&Crafted {
            flags: *flags,
            seq: spread(*seq),
            ack: spread(*ack),
            window: u16::from(*win) << (win % 9),
            options,
            payload: usize::from(*len & 31) * 37,
        });
        scene.pass(*time);
        data = rest;
    }
    run_timers(&mut scene.us, scene.now);
}

/// A small signed byte becomes an offset: near the expected number, around the window's edges, or far away.
fn spread(byte: u8) -> u32 {
    let near = i32::from(i8::from_ne_bytes([byte]));
    let far = match byte & 3 {
        0 => near / 4,
        1 => near * 37,
        2 => near * 1_000,
        _ => near.wrapping_mul(16_909_320),
    };
    u32::from_ne_bytes(far.to_ne_bytes())
}

struct Crafted<'a> {
    flags: u8,
    seq: u32,
    ack: u32,
    window: u16,
    options: &'a [u8],
    payload: usize,
}

/// A host under attack and the honest peer that helped it into its state.
struct Scene {
    us: Core,
    peer: Core,
    now: Instant,
    listener: Option<ListenerId>,
    ours: Option<StreamId>,
    theirs: Option<StreamId>,
    /// Ports (peer's, ours), and what we said last: the attacker sees it all.
    ports: (u16, u16),
    expected: (u32, u32),
}

impl Scene {
    fn new() -> Self {
        Self {
            us: host(US, 1),
            peer: host(PEER, 2),
            now: Instant::from_millis(1),
            listener: None,
            ours: None,
            theirs: None,
            ports: (1024, PORT),
            expected: (0, 0),
        }
    }

    /// Brings our host into a state of RFC 9293 figure 5 by honest means.
    fn reach(&mut self, state: u8) {
        const SYN_SENT: u8 = 1;
        const SYN_RECEIVED: u8 = 2;
        if state == SYN_SENT {
            let to = SocketAddr::new(PEER.into(), PORT);
            self.ours = self.us.tcp_connect(None, to, None).ok();
            self.observe();
            return;
        }
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT);
        self.listener = self.us.tcp_listen(any, Listen::default()).ok();
        if state == 0 {
            return;
        }
        let to = SocketAddr::new(US.into(), PORT);
        self.theirs = self.peer.tcp_connect(None, to, None).ok();
        if state == SYN_RECEIVED {
            self.deliver_to_us();
            return;
        }
        self.exchange();
        self.ours = self
            .listener
            .and_then(|listener| self.us.tcp_accept(listener));
        assert!(self.ours.is_some(), "an honest handshake completes");
        self.close_as_far_as(state);
        self.observe();
        let reached = self
            .ours
            .and_then(|ours| self.us.tcp_info(ours))
            .map(|info| info.state);
        let wanted = [
            State::Established,
            State::FinWait1,
            State::FinWait2,
            State::CloseWait,
            State::Closing,
            State::LastAck,
            State::TimeWait,
        ];
        if let (Some(reached), Some(wanted)) = (reached, wanted.get(usize::from(state - 3))) {
            assert_eq!(reached, *wanted, "honest means lead there");
        }
    }

    fn close_as_far_as(&mut self, state: u8) {
        let (Some(ours), Some(theirs)) = (self.ours, self.theirs) else {
            return;
        };
        let finish_us = |us: &mut Core| assert_eq!(us.tcp_shutdown(ours), Ok(()));
        let finish_peer = |peer: &mut Core| assert_eq!(peer.tcp_shutdown(theirs), Ok(()));
        match state {
            // ESTABLISHED, with data on the way.
            3 => {
                let mut data = ChunkQueue::from(Bytes::from(vec![1; 20_000]));
                assert_eq!(self.us.tcp_write(ours, &mut data), Ok(20_000));
            }
            // FIN-WAIT-1: the FIN is not delivered.
            4 => finish_us(&mut self.us),
            // FIN-WAIT-2.
            5 => {
                finish_us(&mut self.us);
                self.exchange();
            }
            // CLOSE-WAIT.
            6 => {
                finish_peer(&mut self.peer);
                self.exchange();
            }
            // CLOSING: both FINs cross.
            7 => {
                finish_us(&mut self.us);
                finish_peer(&mut self.peer);
                self.observe();
                self.deliver_to_us();
            }
            // LAST-ACK.
            8 => {
                finish_peer(&mut self.peer);
                self.exchange();
                finish_us(&mut self.us);
            }
            // TIME-WAIT.
            _ => {
                finish_us(&mut self.us);
                self.exchange();
                finish_peer(&mut self.peer);
                self.exchange();
            }
        }
    }

    /// The peer's packets reach us; ours reach nobody.
    fn deliver_to_us(&mut self) {
        for packet in drain(&mut self.peer, self.now) {
            feed(&mut self.us, self.now, packet);
        }
        self.observe();
    }

    /// Both sides talk until silent.
    fn exchange(&mut self) {
        for _ in 0..50 {
            let mut quiet = true;
            for packet in drain(&mut self.peer, self.now) {
                quiet = false;
                feed(&mut self.us, self.now, packet);
            }
            for packet in self.observe() {
                quiet = false;
                feed(&mut self.peer, self.now, packet);
            }
            if quiet {
                match [self.us.poll_timeout(), self.peer.poll_timeout()]
                    .into_iter()
                    .flatten()
                    .min()
                {
                    // Delayed acknowledgments; not the minute of TIME-WAIT.
                    Some(at) if at < self.now + Duration::from_secs(1) => {
                        self.now = self.now.max(at);
                        self.us.handle_timeout(self.now);
                        self.peer.handle_timeout(self.now);
                    }
                    _ => return,
                }
            }
        }
    }

    /// Takes what we send, and notes the numbers an attacker on the path would.
    fn observe(&mut self) -> Vec<Bytes> {
        let sent = drain(&mut self.us, self.now);
        for packet in &sent {
            let word = |at: usize| {
                let bytes = packet.get(at..at + 4).and_then(|bytes| bytes.as_array());
                bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
            };
            if packet.get(9) == Some(&6) {
                let [ours_high, ours_low, peer_high, peer_low] = word(20).to_be_bytes();
                self.ports = (
                    u16::from_be_bytes([peer_high, peer_low]),
                    u16::from_be_bytes([ours_high, ours_low]),
                );
                self.expected = (word(28), word(24));
            }
        }
        sent
    }

    fn inject(&mut self, crafted: &Crafted<'_>) {
        let (seq, ack) = self.expected;
        let mut tcp = Vec::new();
        tcp.extend(self.ports.0.to_be_bytes());
        tcp.extend(self.ports.1.to_be_bytes());
        tcp.extend(seq.wrapping_add(crafted.seq).to_be_bytes());
        tcp.extend(ack.wrapping_add(crafted.ack).to_be_bytes());
        let words = u8::try_from(5 + crafted.options.len() / 4).unwrap_or(15);
        tcp.extend([words << 4, crafted.flags]);
        tcp.extend(crafted.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(crafted.options);
        tcp.extend(core::iter::repeat_n(b'x', crafted.payload));
        let len = u32::try_from(tcp.len()).unwrap_or(u32::MAX);
        let mut sum = Checksum::pseudo_header(PEER.into(), US.into(), 6, len);
        sum.add(&tcp);
        let sum = sum.finish().to_be_bytes();
        if let Some(field) = tcp.get_mut(16..18) {
            field.copy_from_slice(&sum);
        }
        let total = u16::try_from(20 + tcp.len()).unwrap_or(u16::MAX);
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend(PEER.octets());
        packet.extend(US.octets());
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&total.to_be_bytes());
        }
        packet.extend(tcp);
        if let Some(packet) = addressed_to_us(&packet) {
            feed(&mut self.us, self.now, packet);
        }
        if let Some(ours) = self.ours {
            while matches!(self.us.tcp_read(ours), Ok(Some(_))) {}
        }
        self.observe();
    }

    fn pass(&mut self, time: u8) {
        self.now += Duration::from_millis(u64::from(time) * u64::from(time));
        self.us.handle_timeout(self.now);
        self.observe();
    }
}

/// What an HTTP server engine made of a stream of bytes: its events in words, and what it sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Transcript {
    events: Vec<String>,
    body: Vec<u8>,
    sent: Vec<u8>,
}

/// Any bytes as an HTTP/1.1 stream, whole and in pieces: both must be understood alike.
///
/// # Panics
/// With a finding.
pub fn http_bytes(data: &[u8]) {
    let Some((pieces, data)) = data.split_first() else {
        return;
    };
    let whole = serve_http(&[data]);
    let step = usize::from(pieces % 61) + 1;
    let cut: Vec<_> = data.chunks(step).collect();
    assert_eq!(
        whole,
        serve_http(&cut),
        "in pieces of {step} bytes it is another stream"
    );
}

fn serve_http(pieces: &[&[u8]]) -> Transcript {
    let now = Instant::from_millis(1);
    let mut server = Server::new(ServerConfig::default(), now);
    let mut transcript = Transcript::default();
    for piece in pieces {
        // The application reads every body as it comes.
        server.accept_body();
        answer(&mut server, now, &mut transcript);
        if !server.wants_bytes() {
            break;
        }
        let _verdict = server.handle_bytes(now, Bytes::copy_from_slice(piece));
        answer(&mut server, now, &mut transcript);
    }
    transcript
}

fn answer(server: &mut Server, now: Instant, transcript: &mut Transcript) {
    while let Some(event) = {
        server.accept_body();
        server.poll_event()
    } {
        match event {
            ServerEvent::Request(head) => {
                transcript
                    .events
                    .push(format!("{:?} {}", head.method(), head.target()));
            }
            // How a body is cut follows how it arrived; what it says does not.
            ServerEvent::Body(bytes) => transcript.body.extend_from_slice(&bytes),
            ServerEvent::Trailers(trailers) => {
                transcript.events.push(format!("{:?}", trailers.to_map()))
            }
            ServerEvent::End => {
                transcript
                    .events
                    .push(format!("end after {}", transcript.body.len()));
                let page =
                    Prepared::new(StatusCode::OK, &HeaderMap::new(), Bytes::from_static(b"ok"));
                let answered = server.respond_prepared(now, &page);
                transcript.events.push(format!("{answered:?}"));
            }
            ServerEvent::Rejected(reject) => transcript.events.push(format!("{reject:?}")),
        }
    }
    while let Some(bytes) = server.poll_transmit(now) {
        transcript.sent.extend_from_slice(&bytes);
    }
}

/// Any bytes to every DHCP engine, as an answer to its own question too: the first octets choose which.
///
/// # Panics
/// With a finding.
pub fn dhcp_messages(data: &[u8]) {
    let now = Instant::from_secs(1);
    let seed = Seed::from_number(1);
    let hardware = [2, 0, 0, 0, 0, 1];
    let mut four = dhcp::v4::Client::new(now, dhcp::v4::ClientConfig::new(hardware), &seed);
    let mut six = dhcp::v6::Client::new(now, dhcp::v6::ClientConfig::new(hardware), &seed);
    let pool = Ipv4Addr::new(10, 77, 0, 9);
    let config = dhcp::v4::ServerConfig::new(US, 24, pool, pool);
    let mut server = dhcp::v4::Server::new(config).unwrap();
    let mut at = now;
    for piece in data.chunks(600) {
        let due = [four.poll_timeout(), six.poll_timeout()];
        at = due.into_iter().flatten().min().unwrap_or(at).max(at);
        four.handle_timeout(at);
        six.handle_timeout(at);
        let asked = four.poll_transmit(at).map(|transmit| transmit.payload);
        let asked6 = six.poll_transmit(at).map(|transmit| transmit.payload);
        // The question's own number and names, so that the rest is looked at.
        let part = |asked: &[u8], until| asked.get(1..until).unwrap_or_default().to_vec();
        let answer = asked.map(|asked| [&[2], &*part(&asked, 240), piece].concat());
        let answer6 = asked6.map(|asked| {
            let kind = 2 + 5 * (piece.first().copied().unwrap_or(0) & 1);
            [&[kind], &*part(&asked, 18), b"\0\x02\0\x04serv", piece].concat()
        });
        for bytes in [Some(piece.to_vec()), answer] {
            let bytes = bytes.unwrap_or_default();
            let _verdict = four.handle_datagram(at, &bytes);
            let _verdict = server.handle_datagram(at, &bytes);
        }
        for bytes in [Some(piece.to_vec()), answer6] {
            let _verdict = six.handle_datagram(at, &bytes.unwrap_or_default());
        }
        while let Some(reply) = server.poll_transmit(at) {
            assert!(
                dhcp::v4::wire::parse(&reply.payload).is_ok(),
                "we cannot read ourselves"
            );
        }
        assert!(server.bindings().count() <= 1, "more lent than there is");
    }
}
