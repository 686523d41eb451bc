//! A host of several cores: what comes in at one and is for another. The kernel steers; here the test does.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::time::Duration;
use std::collections::BTreeSet;

use bytes::Bytes;
use common::{IFACE, host, host_with, icmp_error, sock, too_big, v4};
use outcrop_base::{Checksum, ChunkQueue, DropReason, Instant, Share, Verdict, Why};
use outcrop_stack::tcp::{self, Listen};
use outcrop_stack::{Config, ConnectError, Core, Echo, PacketIn, STRAYS, StreamId};

/// A packet, in one piece, and why it was sent.
type Packet = (Why, Bytes);

/// A host of several cores at 10.77.0.2, and a peer of one at 10.77.0.1.
struct World {
    now: Instant,
    peer: Core,
    cores: Vec<Core>,
    /// Where the kernel puts whatever comes next.
    steer: usize,
    /// How many packets were handed on.
    handed: usize,
    verdicts: Vec<(usize, Verdict)>,
    /// What the host sent, and which core.
    sent: Vec<(usize, Packet)>,
}

impl World {
    fn new(cores: u16) -> Self {
        let core = |index| {
            let share = Share::new(index, cores).unwrap();
            let config = Config {
                share,
                ..Config::default()
            };
            host_with(2, 100 + u64::from(index), config)
        };
        Self {
            now: Instant::ZERO,
            peer: host(1, 1),
            cores: (0..cores).map(core).collect(),
            steer: 0,
            handed: 0,
            verdicts: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn listen(&mut self, port: u16) {
        for core in &mut self.cores {
            core.tcp_listen(sock(2, port), Listen::default()).unwrap();
        }
    }

    /// Connections in each core.
    fn connections(&self) -> Vec<usize> {
        self.cores.iter().map(|core| core.tcp().len()).collect()
    }

    /// A packet comes in where the kernel puts it, and goes round as far as it must.
    fn arrive(&mut self, packet: Bytes) {
        let at = self.steer;
        let verdict = feed(&mut self.cores[at], self.now, packet);
        self.verdicts.push((at, verdict));
        self.go_round();
    }

    fn go_round(&mut self) {
        let cores = self.cores.len();
        for core in (0..cores).cycle().take(2 * cores + 1) {
            let strays: Vec<_> = self.cores[core].strays().collect();
            for stray in strays {
                self.handed += 1;
                let next = (core + 1) % cores;
                let verdict = self.cores[next].handle_stray(self.now, stray);
                self.verdicts.push((next, verdict));
            }
        }
        assert!(self.cores.iter_mut().all(|core| core.strays().count() == 0));
    }

    /// Both sides send what they have until neither has anything.
    fn settle(&mut self) {
        loop {
            self.now += Duration::from_millis(1);
            let mut quiet = true;
            for (_, packet) in sent_by(&mut self.peer, self.now) {
                self.arrive(packet);
                quiet = false;
            }
            for core in 0..self.cores.len() {
                self.cores[core].handle_timeout(self.now);
                for (why, packet) in sent_by(&mut self.cores[core], self.now) {
                    self.sent.push((core, (why, packet.clone())));
                    let _heard = feed(&mut self.peer, self.now, packet);
                    quiet = false;
                }
            }
            self.peer.handle_timeout(self.now);
            if quiet {
                return;
            }
        }
    }

    /// Core `core` opens a connection to the peer's port 80; both ends of it.
    fn opened_by(&mut self, core: usize) -> (StreamId, StreamId) {
        let listener = self.peer.tcp_listen(sock(1, 80), Listen::default());
        let ours = self.cores[core].tcp_connect(None, sock(1, 80), None);
        self.steer = core;
        self.settle();
        let theirs = self.peer.tcp_accept(listener.unwrap()).unwrap();
        (ours.unwrap(), theirs)
    }
}

fn feed(core: &mut Core, at: Instant, bytes: Bytes) -> Verdict {
    let (id, iface, offload) = (core.next_packet_id(), IFACE, Default::default());
    core.handle_packet(PacketIn {
        at,
        id,
        iface,
        bytes,
        offload,
    })
}

fn sent_by(core: &mut Core, now: Instant) -> Vec<Packet> {
    let mut sent = Vec::new();
    while core.poll_transmit(now, &mut |packet| {
        let bytes = packet.bytes.iter().flat_map(|piece| piece.to_vec());
        sent.push((packet.note.why(), bytes.collect()));
    }) {}
    sent
}

fn say(core: &mut Core, stream: StreamId, what: &'static [u8]) {
    let mut queue = ChunkQueue::from(Bytes::from_static(what));
    core.tcp_write(stream, &mut queue).unwrap();
}

fn heard(core: &mut Core, stream: StreamId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(bytes)) = core.tcp_read(stream) {
        all.extend_from_slice(&bytes);
    }
    all
}

#[test]
fn connection_we_opened_peer_speaks_after_the_kernel_forgot_the_flow_its_core_hears() {
    for cores in [2, 3] {
        let mut world = World::new(cores);
        let (ours, theirs) = world.opened_by(1);
        // To the core behind ours: that is the whole way round less one.
        world.steer = 2 % usize::from(cores);
        say(&mut world.peer, theirs, b"still there?");
        world.settle();
        assert_eq!(heard(&mut world.cores[1], ours), b"still there?");
        assert!(world.handed >= usize::from(cores) - 1);
        let resets = world
            .sent
            .iter()
            .filter(|(_, (why, _))| matches!(why, Why::ResetNoConnection));
        assert_eq!(resets.count(), 0);
    }
}

#[test]
fn peer_opens_a_connection_it_lives_where_the_kernel_put_its_syn() {
    let mut world = World::new(2);
    world.listen(80);
    world.steer = 1;
    let theirs = world.peer.tcp_connect(None, sock(2, 80), None).unwrap();
    world.settle();
    say(&mut world.peer, theirs, b"hello");
    world.settle();
    assert_eq!(world.handed, 0, "nothing went round");
    assert_eq!(world.connections(), [0, 1]);
    assert!(world.sent.iter().all(|(core, _)| *core == 1));
}

#[test]
fn segment_nobody_expects_goes_round_once_and_is_reset_where_it_came_in() {
    let mut world = World::new(3);
    world.steer = 1;
    let refused = world.peer.tcp_connect(None, sock(2, 81), None).unwrap();
    world.settle();
    assert_eq!(world.handed, 3);
    let [(core, (why, _))] = &world.sent[..] else {
        unreachable!("one answer: {:?}", world.sent)
    };
    assert_eq!((*core, *why), (1, Why::ResetNoConnection));
    assert!(world.peer.tcp_read(refused).is_err());
    let last = world.verdicts.last().unwrap();
    assert_eq!(last.1.drop_reason(), Some(DropReason::TcpNoSocket));
}

#[test]
fn path_shrinks_for_a_flow_of_another_core_that_core_hears_of_it() {
    let mut world = World::new(2);
    let (ours, _) = world.opened_by(1);
    say(&mut world.cores[1], ours, &[7; 1400]);
    world.now += Duration::from_millis(1);
    let lost = sent_by(&mut world.cores[1], world.now).remove(0).1;
    world.steer = 0;
    world.arrive(too_big(&lost, 1300));
    assert_eq!(world.handed, 1);
    let path = |core: &Core| core.ip().path(v4(1)).unwrap().mtu;
    assert_eq!((path(&world.cores[0]), path(&world.cores[1])), (1500, 1300));
}

#[test]
fn error_about_nobodys_flow_goes_round_and_ends() {
    let mut world = World::new(3);
    let (ours, _) = world.opened_by(1);
    say(&mut world.cores[1], ours, b"x");
    world.now += Duration::from_millis(1);
    let mut other = sent_by(&mut world.cores[1], world.now).remove(0).1.to_vec();
    // Another port of ours.
    other[20] ^= 0x40;
    world.steer = 0;
    world.arrive(icmp_error(&other, [3, 3], 0));
    assert_eq!(world.handed, 2, "each core but the first saw it once");
    let ends = world.verdicts.last().unwrap().1;
    assert_eq!(ends.drop_reason(), Some(DropReason::IcmpUnrelated));
}

#[test]
fn echo_asked_by_one_core_answer_comes_to_another_and_reaches_who_asked() {
    let mut world = World::new(2);
    let ping = world.cores[1].ping_open().unwrap();
    let sent = world.cores[1].ping_send(ping, v4(1), 1, &Bytes::from_static(b"?"));
    sent.unwrap();
    world.steer = 0;
    world.settle();
    assert_eq!(world.handed, 1);
    let answer = world.cores[1].ping_recv(ping);
    assert!(matches!(answer, Some(Echo::Reply(reply)) if reply.seq == 1));
}

#[test]
fn datagram_in_fragments_for_a_socket_of_another_core_is_put_together_where_it_came_and_handed_on()
{
    let mut world = World::new(2);
    let any = world.cores[1].udp_bind(sock(2, 0)).unwrap();
    let port = world.cores[1].udp_local_addr(any).unwrap().port();
    let peers = world.peer.udp_bind(sock(1, 9)).unwrap();
    let data = Bytes::from(vec![9; 4000]);
    let sent = world
        .peer
        .udp_send(peers, Some(sock(2, port)), data, &Default::default());
    sent.unwrap();
    world.settle();
    assert_eq!(world.handed, 1);
    let datagram = world.cores[1].udp_recv(any).unwrap().unwrap();
    assert_eq!((datagram.from, datagram.data.len()), (sock(1, 9), 4000));
}

#[test]
fn two_cores_choose_numbers_they_never_choose_the_same() {
    let mut world = World::new(2);
    let mut tcp = BTreeSet::new();
    let mut udp = BTreeSet::new();
    let mut pings = BTreeSet::new();
    for _ in 0..100 {
        for core in &mut world.cores {
            let stream = core.tcp_connect(None, sock(1, 80), None).unwrap();
            assert!(tcp.insert(core.tcp_flow(stream).unwrap().local));
            let socket = core.udp_bind(sock(2, 0)).unwrap();
            assert!(udp.insert(core.udp_local_addr(socket).unwrap()));
            assert!(pings.insert(core.ping_open().unwrap()));
        }
    }
}

#[test]
fn connect_from_a_port_that_another_core_may_choose_is_refused() {
    let mut world = World::new(2);
    let mut from = |port| world.cores[0].tcp_connect(Some(sock(2, port)), sock(1, 80), None);
    let other = Err(ConnectError::Tcp(tcp::ConnectError::OtherShare));
    assert_eq!(from(4001), other);
    assert!(from(4000).is_ok());
}

#[test]
fn more_strays_at_once_than_may_wait_the_rest_ends_where_it_is() {
    let mut world = World::new(2);
    let mut handed = 0;
    for port in 0..u16::try_from(STRAYS).unwrap() + 10 {
        let stray = Bytes::from(nobodys_segment(1000 + port));
        let verdict = feed(&mut world.cores[0], world.now, stray);
        handed += usize::from(verdict.drop_reason().is_none());
    }
    assert_eq!(handed, STRAYS);
    assert_eq!(world.cores[0].strays().count(), STRAYS);
}

/// An ACK for port 81 of 10.77.0.2 by RFC 791 3.1 and RFC 9293 3.1.
fn nobodys_segment(from: u16) -> Vec<u8> {
    let mut segment = from.to_be_bytes().to_vec();
    segment.extend([0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    let addresses = [10, 77, 0, 1, 10, 77, 0, 2];
    let mut sum = Checksum::new();
    sum.add(&addresses);
    sum.add(&[0, 6, 0, 20]);
    sum.add(&segment);
    segment[16..18].copy_from_slice(&sum.finish().to_be_bytes());
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    packet.extend(addresses);
    let mut sum = Checksum::new();
    sum.add(&packet);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    packet.extend(segment);
    packet
}
