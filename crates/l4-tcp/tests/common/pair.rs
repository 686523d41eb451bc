//! Two endpoints, and somebody in between who holds every packet in his hand.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, Flow, HeaderRoom, Instant, InterfaceId,
    MAX_SLICES, PacketId, Path, Seed, Transport, Verdict,
};
use outcrop_tcp::{
    Config, ConnId, Endpoint, Event, Listen, ListenerId, Options, Segment, SegmentHeader, State,
    Transmit, wire,
};

/// One packet, as its plan and as the bytes of its segment.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) plan: Transmit,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    pub(crate) fn header(&self) -> SegmentHeader {
        self.plan.header
    }

    pub(crate) fn options(&self) -> Options {
        self.plan.header.options
    }
}

/// End 0 listens, end 1 connects.
pub(crate) struct Pair {
    pub(crate) ends: [Endpoint; 2],
    pub(crate) addrs: [SocketAddr; 2],
    pub(crate) now: Instant,
    pub(crate) path: Path,
    pub(crate) listener: ListenerId,
    packets: u64,
}

impl Pair {
    pub(crate) fn new(mut config: Config, listen: Listen, v6: bool) -> Self {
        // A story may write all it has to say at once.
        config.settings.send_buffer = 1 << 20;
        let addrs = if v6 {
            ["[fd00::1]:179", "[fd00::2]:40000"]
        } else {
            ["10.0.0.1:179", "10.0.0.2:40000"]
        };
        let addrs = addrs.map(|addr| addr.parse().unwrap());
        let seed = Seed::from_number(11);
        let mut ends = [
            Endpoint::new(config.clone(), &seed.split("server")),
            Endpoint::new(config, &seed.split("client")),
        ];
        let listener = ends[0].listen(addrs[0], listen).unwrap();
        Self {
            ends,
            addrs,
            now: Instant::from_secs(10),
            path: Path::plain(1500),
            listener,
            packets: 0,
        }
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        let (local, remote) = (self.addrs[1], self.addrs[0]);
        self.ends[1]
            .connect(local, remote, self.path, None)
            .unwrap()
    }

    pub(crate) fn flow(&self, end: usize) -> Flow {
        Flow {
            transport: Transport::Tcp,
            local: self.addrs[end],
            remote: self.addrs[1 - end],
        }
    }

    pub(crate) fn state(&self, end: usize) -> State {
        self.ends[end].state_of(&self.flow(end))
    }

    /// Everything an end wants to send now.
    pub(crate) fn take(&mut self, end: usize) -> Vec<Packet> {
        let tcp = &mut self.ends[end];
        let mut packets = Vec::new();
        while let Some(plan) = tcp.poll_transmit(self.now) {
            let (mut slices, mut room) = ([IoSlice::new(&[]); MAX_SLICES], HeaderRoom::new());
            let used = tcp.payload(&plan, &mut slices);
            tcp.emit(&plan, &slices[..used], false, &mut room);
            let mut bytes = room.as_slice().to_vec();
            slices[..used]
                .iter()
                .for_each(|slice| bytes.extend_from_slice(slice));
            packets.push(Packet { plan, bytes });
        }
        tcp.check();
        packets
    }

    /// The only packet an end wants to send now.
    pub(crate) fn one(&mut self, end: usize) -> Packet {
        let mut packets = self.take(end);
        assert_eq!(packets.len(), 1, "{packets:#?}");
        packets.remove(0)
    }

    pub(crate) fn arrival(&mut self, end: usize) -> Arrival {
        self.packets += 1;
        Arrival {
            at: self.now,
            id: PacketId(self.packets),
            iface: InterfaceId(0),
            src: self.addrs[1 - end].ip(),
            dst: self.addrs[end].ip(),
            cast: Cast::Unicast,
            ecn: Ecn::NotEct,
            hop_limit: 64,
            checksum: ChecksumState::Unverified,
            gso_size: None,
            path: self.path,
        }
    }

    /// A packet arrives at an end as it left.
    pub(crate) fn give(&mut self, end: usize, packet: &Packet) -> Verdict {
        let a = self.arrival(end);
        let (segment, payload) = wire::parse(&a, Bytes::from(packet.bytes.clone())).unwrap();
        self.arrives(end, &a, segment, payload)
    }

    /// A packet arrives at an end as it left, and has its effect.
    pub(crate) fn pass_on(&mut self, end: usize, packet: &Packet) {
        let verdict = self.give(end, packet);
        assert_eq!(verdict.drop_reason(), None, "{verdict:?} {packet:?}");
    }

    /// Somebody changed it on the way, and mended the checksum.
    pub(crate) fn give_forged(&mut self, end: usize, bytes: Vec<u8>) -> Verdict {
        let a = Arrival {
            checksum: ChecksumState::Verified,
            ..self.arrival(end)
        };
        let (segment, payload) = wire::parse(&a, Bytes::from(bytes)).unwrap();
        self.arrives(end, &a, segment, payload)
    }

    fn arrives(&mut self, end: usize, a: &Arrival, segment: Segment, payload: Bytes) -> Verdict {
        let verdict = self.ends[end].handle_segment(a, segment, payload);
        self.ends[end].check();
        verdict
    }

    /// Lets both talk until neither has anything to say; returns all that was said.
    pub(crate) fn talk(&mut self) -> Vec<Packet> {
        let mut all = Vec::new();
        for _ in 0..100 {
            let before = all.len();
            for end in [1, 0] {
                for packet in self.take(end) {
                    self.pass_on(1 - end, &packet);
                    all.push(packet);
                }
            }
            if all.len() == before {
                return all;
            }
        }
        panic!("they never stop: {all:#?}");
    }

    /// Time passes, timers act.
    pub(crate) fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        for end in &mut self.ends {
            while let Some(due) = end.poll_timeout().filter(|due| *due <= then) {
                end.handle_timeout(due);
                end.check();
                if end.clone().poll_transmit(due).is_some() {
                    break;
                }
            }
        }
        self.now = then;
    }

    pub(crate) fn write(&mut self, end: usize, id: ConnId, data: &[u8]) {
        let mut queue = ChunkQueue::from(Bytes::copy_from_slice(data));
        assert_eq!(self.ends[end].write(id, &mut queue).unwrap(), data.len());
    }

    pub(crate) fn read(&mut self, end: usize, id: ConnId) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(Some(piece)) = self.ends[end].read(id) {
            all.extend_from_slice(&piece);
        }
        all
    }

    pub(crate) fn events(&mut self, end: usize) -> Vec<Event> {
        core::iter::from_fn(|| self.ends[end].poll_event()).collect()
    }

    /// A handshake, without a hand on anything: (accepted, connected), and what was said.
    pub(crate) fn establish(&mut self, id: ConnId) -> (ConnId, Vec<Packet>) {
        let said = self.talk();
        let accepted = self.ends[0].accept(self.listener).unwrap();
        assert_eq!(self.ends[1].info(id).unwrap().state, State::Established);
        self.events(0);
        self.events(1);
        (accepted, said)
    }
}
