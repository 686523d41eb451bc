//! An independent second implementation as the peer: smoltcp, in memory, in virtual time.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test that meets the unexpected shall fail"
)]

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, InterfaceId, Random, Seed, Why};
use outcrop_device::RxOffload;
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::{Config, Core, ListenerId, PacketIn, StreamId};
use smoltcp::iface::{Config as SmolConfig, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
const PORT: u16 = 80;
const DELAY: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_secs(600);
const MEGABYTE: usize = 1_000_000;

/// smoltcp's device: what came, what goes.
#[derive(Default)]
struct Phy {
    rx: VecDeque<Bytes>,
    tx: Vec<Bytes>,
}

struct Rx(Bytes);
struct Tx<'a>(&'a mut Vec<Bytes>);

impl smoltcp::phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl smoltcp::phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet.into());
        result
    }
}

impl smoltcp::phy::Device for Phy {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.rx.pop_front()?), Tx(&mut self.tx)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = 1500;
        caps
    }
}

/// One stream's program, the same on both sides.
struct Program {
    out: VecDeque<u8>,
    heard: Vec<u8>,
    peer_finished: bool,
    /// Finish without waiting for the peer's finish.
    closes_first: bool,
    has_closed: bool,
}

impl Program {
    fn new(salt: u32, len: usize, closes_first: bool) -> Self {
        Self {
            out: pattern(salt, len).into(),
            heard: Vec::new(),
            peer_finished: false,
            closes_first,
            has_closed: false,
        }
    }

    /// Whether it is time to finish: all is written, all is heard, and it is our turn.
    fn wants_to_close(&self, expected: usize) -> bool {
        !self.has_closed
            && self.out.is_empty()
            && self.heard.len() == expected
            && (self.closes_first || self.peer_finished)
    }
}

fn pattern(salt: u32, len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 13) as u8)
        .collect()
}

/// Our core, smoltcp, a lossy wire between them, and a program on each.
struct World {
    now: Instant,
    core: Core,
    listener: Option<ListenerId>,
    stream: Option<StreamId>,
    ours: Program,
    iface: Interface,
    phy: Phy,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    theirs: Program,
    wire: VecDeque<(Instant, bool, Bytes)>,
    random: Random,
    loss_per_mille: u64,
    whys: Vec<Why>,
}

fn smol_time(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(at.as_micros() as i64)
}

impl World {
    fn new(we_connect: bool, we_close_first: bool, loss_per_mille: u64, seed: u64) -> Self {
        let seed = Seed::from_number(seed);
        let mut core = Core::new(Config::default(), &seed);
        let ours = Cidr::new(IpAddr::V4(OURS), 24).unwrap();
        core.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, vec![ours]))
            .unwrap();
        let mut phy = Phy::default();
        let config = SmolConfig::new(HardwareAddress::Ip);
        let mut iface = Interface::new(config, &mut phy, smol_time(Instant::ZERO));
        iface.update_ip_addrs(|addrs| {
            addrs
                .push(IpCidr::new(IpAddress::Ipv4(THEIRS), 24))
                .unwrap();
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_535]);
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        let mut world = Self {
            now: Instant::ZERO,
            core,
            listener: None,
            stream: None,
            ours: Program::new(1, MEGABYTE, we_close_first),
            iface,
            phy,
            sockets,
            socket,
            theirs: Program::new(2, MEGABYTE, !we_close_first),
            wire: VecDeque::new(),
            random: seed.random("loss"),
            loss_per_mille,
            whys: Vec::new(),
        };
        world.open(we_connect);
        world
    }

    fn open(&mut self, we_connect: bool) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        if we_connect {
            socket.listen(PORT).unwrap();
            let remote = (THEIRS, PORT).into();
            self.stream = Some(self.core.tcp_connect(None, remote, None).unwrap());
        } else {
            let local = (OURS, PORT).into();
            self.listener = Some(self.core.tcp_listen(local, Listen::default()).unwrap());
            let cx = self.iface.context();
            socket.connect(cx, (OURS, PORT), 50_000).unwrap();
        }
    }

    fn put_on_wire(&mut self, to_us: bool, bytes: Bytes) {
        if self.random.below(1000) >= self.loss_per_mille {
            self.wire.push_back((self.now + DELAY, to_us, bytes));
        }
    }

    fn run_our_program(&mut self) {
        if let Some(listener) = self.listener {
            self.stream = self.stream.or_else(|| self.core.tcp_accept(listener));
        }
        let Some(stream) = self.stream else { return };
        let mut data = ChunkQueue::new();
        data.push_slice(self.ours.out.make_contiguous());
        let written = self.core.tcp_write(stream, &mut data).unwrap_or(0);
        self.ours.out.drain(..written);
        while let Ok(read) = self.core.tcp_read(stream) {
            let Some(bytes) = read else {
                self.ours.peer_finished = true;
                break;
            };
            self.ours.heard.extend_from_slice(&bytes);
        }
        if self.ours.wants_to_close(MEGABYTE) {
            self.ours.has_closed = true;
            self.core.tcp_shutdown(stream).unwrap();
        }
        while self.core.poll_event().is_some() {}
    }

    fn run_their_program(&mut self) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        if socket.may_send() {
            let written = socket.send_slice(self.theirs.out.make_contiguous());
            self.theirs.out.drain(..written.unwrap());
        }
        let mut buffer = [0; 4096];
        while socket.can_recv() {
            let len = socket.recv_slice(&mut buffer).unwrap();
            self.theirs.heard.extend_from_slice(&buffer[..len]);
        }
        let opened = !matches!(
            socket.state(),
            tcp::State::Listen | tcp::State::SynSent | tcp::State::SynReceived
        );
        self.theirs.peer_finished |= opened && !socket.may_recv();
        if self.theirs.wants_to_close(MEGABYTE) {
            self.theirs.has_closed = true;
            socket.close();
        }
    }

    fn flush(&mut self) {
        let mut packets: Vec<Bytes> = Vec::new();
        let whys = &mut self.whys;
        while self.core.poll_transmit(self.now, &mut |packet| {
            whys.push(packet.note.why());
            let bytes = packet.bytes.iter().flat_map(|piece| piece.iter().copied());
            packets.push(bytes.collect());
        }) {}
        self.core.check();
        for bytes in packets {
            self.put_on_wire(false, bytes);
        }
        self.iface
            .poll(smol_time(self.now), &mut self.phy, &mut self.sockets);
        for bytes in core::mem::take(&mut self.phy.tx) {
            self.put_on_wire(true, bytes);
        }
    }

    /// Lets whatever is due next happen; returns false when nothing will.
    fn step(&mut self) -> bool {
        self.run_our_program();
        self.run_their_program();
        self.flush();
        let smol = self.iface.poll_at(smol_time(self.now), &self.sockets);
        let smol = smol.map(|at| Instant::from_micros(at.total_micros() as u64));
        let arrival = self.wire.front().map(|(at, _, _)| *at);
        let next = [self.core.poll_timeout(), smol, arrival];
        let Some(next) = next.into_iter().flatten().min() else {
            return false;
        };
        self.now = self.now.max(next);
        let arrived = |(at, _, _): &mut (Instant, bool, Bytes)| *at <= self.now;
        if let Some((at, to_us, bytes)) = self.wire.pop_front_if(arrived) {
            if to_us {
                let packet = PacketIn {
                    at,
                    id: self.core.next_packet_id(),
                    iface: InterfaceId(0),
                    bytes,
                    offload: RxOffload::default(),
                };
                let _verdict = self.core.handle_packet(packet);
            } else {
                self.phy.rx.push_back(bytes);
            }
        }
        self.core.handle_timeout(self.now);
        true
    }

    fn both_finished(&self) -> bool {
        self.ours.peer_finished && self.theirs.peer_finished
    }

    /// Runs until both programs have heard the other's finish.
    fn run(&mut self) {
        while !self.both_finished() {
            assert!(self.step(), "nothing will ever happen again");
            let heard = (self.ours.heard.len(), self.theirs.heard.len());
            assert!(self.now < Instant::ZERO + LIMIT, "stalled after {heard:?}");
        }
        assert!(self.ours.heard == pattern(2, MEGABYTE));
        assert!(self.theirs.heard == pattern(1, MEGABYTE));
    }

    /// How many segments we sent again.
    fn repaired(&self) -> usize {
        let again = |why: &&Why| matches!(why, Why::Rto | Why::FastRetransmit | Why::TailLossProbe);
        self.whys.iter().filter(again).count()
    }

    /// Runs on until neither side has anything left of the connection.
    fn run_to_rest(&mut self) {
        let stream = self.stream.unwrap();
        self.core.tcp_close(stream).unwrap();
        let end = self.now + Duration::from_secs(300);
        while self.now < end && self.step() {}
        assert!(self.core.tcp().is_empty());
        assert_eq!(self.core.tcp().time_wait_len(), 0);
        let socket = self.sockets.get::<tcp::Socket<'_>>(self.socket);
        assert_eq!(socket.state(), tcp::State::Closed);
    }
}

#[test]
fn we_connect_and_close_first_a_megabyte_goes_each_way() {
    let mut world = World::new(true, true, 0, 1);
    world.run();
    assert_eq!(world.repaired(), 0, "nothing was lost");
    world.run_to_rest();
}

#[test]
fn we_connect_and_they_close_first_a_megabyte_goes_each_way() {
    let mut world = World::new(true, false, 0, 2);
    world.run();
    assert_eq!(world.repaired(), 0, "nothing was lost");
    world.run_to_rest();
}

#[test]
fn they_connect_and_we_close_first_a_megabyte_goes_each_way() {
    let mut world = World::new(false, true, 0, 3);
    world.run();
    assert_eq!(world.repaired(), 0, "nothing was lost");
    world.run_to_rest();
}

#[test]
fn they_connect_and_close_first_a_megabyte_goes_each_way() {
    let mut world = World::new(false, false, 0, 4);
    world.run();
    assert_eq!(world.repaired(), 0, "nothing was lost");
    world.run_to_rest();
}

#[test]
fn one_in_a_hundred_lost_everything_arrives_in_every_arrangement() {
    for (seed, (we_connect, we_close_first)) in
        [(true, true), (true, false), (false, true), (false, false)]
            .into_iter()
            .enumerate()
    {
        let mut world = World::new(we_connect, we_close_first, 10, 10 + seed as u64);
        world.run();
        assert!(world.repaired() > 0);
        world.run_to_rest();
    }
}
