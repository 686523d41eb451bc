//! Congestion marks against the kernel's TCP, over a real TUN that marks on the way: accurate ECN (RFC 9768) in both roles
//! and both families, and what is left of it with a kernel that knows the classic kind or none.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{self, BufRead, BufReader, IoSlice, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use outcrop_base::{
    Cause, ChunkQueue, FieldValue, Flow, HeaderRoom, InterfaceId, IpFields, Limit, Note, Seed,
    Transport, WallClock, Why,
};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, holder_main};
use outcrop_device::{Caps, Clock, Device, Dry, Offload, Pool, Received, Tun, WakeSource};
use outcrop_socket::{Shard, TcpListener, TcpSocket, TcpStream, timeout};
use outcrop_stack::ip::InterfaceConfig;
use outcrop_stack::{Config, Core, Driver};
use outcrop_tcp::segment::AccurateOption;
use outcrop_tcp::{
    EcnPolicy, EcnTerms, Flags, Info, Listen, Options, SegmentHeader, SeqNum, Settings,
    StreamRange, Timestamps, Transmit, wire,
};
use outcrop_tests::tshark;

const LINK: InterfaceId = InterfaceId(0);
const PORT: u16 = 4711;
/// Every so many packets that may be marked, one is.
const EVERY: u32 = 20;

/// The test harness owns `main`: the holder comes in by the door of its name.
#[test]
fn namespace_holder() {
    holder_main();
}

/// What crossed the wire.
#[derive(Debug, Default)]
struct Seen {
    packets: Vec<Vec<u8>>,
    /// Packets of either direction (in, out) that could be marked so far, and that were.
    able: [u32; 2],
    marked: [u32; 2],
}

impl Seen {
    /// The packet as it goes on: marked, if it is its turn.
    fn pass(&mut self, way: usize, mut packet: Vec<u8>) -> Vec<u8> {
        let v4 = packet[0] >> 4 == 4;
        let (at, shift) = if v4 { (1, 0) } else { (1, 4) };
        let ecn = packet[at] >> shift & 0b11;
        if matches!(ecn, 0b01 | 0b10) {
            self.able[way] += 1;
            if self.able[way].is_multiple_of(EVERY) {
                self.marked[way] += 1;
                packet[at] |= 0b11 << shift;
                if v4 {
                    mend_checksum(&mut packet);
                }
            }
        }
        self.packets.push(packet.clone());
        packet
    }
}

fn mend_checksum(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let words = packet[..20].chunks(2);
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// A TUN whose link marks.
struct Marking {
    tun: Tun,
    seen: Arc<Mutex<Seen>>,
}

impl Device for Marking {
    fn caps(&self) -> Caps {
        self.tun.caps()
    }
    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        let before = out.len();
        let dry = self.tun.receive(pool, out, max)?;
        let mut seen = self.seen.lock().unwrap();
        for received in &mut out[before..] {
            received.bytes = Bytes::from(seen.pass(0, received.bytes.to_vec()));
        }
        Ok(dry)
    }
    fn room(&self) -> bool {
        self.tun.room()
    }
    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        let whole: Vec<u8> = packet.iter().flat_map(|piece| piece.to_vec()).collect();
        let whole = self.seen.lock().unwrap().pass(1, whole);
        self.tun.transmit(&[IoSlice::new(&whole)], offload)
    }
    fn wake_source(&self) -> WakeSource<'_> {
        self.tun.wake_source()
    }
}

struct World {
    namespace: Namespace,
    driver: Driver<Marking>,
    seen: Arc<Mutex<Seen>>,
}

fn accurate() -> Settings {
    Settings {
        ecn: EcnPolicy::Accurate,
        ..Settings::default()
    }
}

impl World {
    fn new() -> Self {
        let clock = Clock::start();
        let interface = Interface::new("tun0")
            .address("10.77.0.1".parse().unwrap(), 24)
            .address("fd77::1".parse().unwrap(), 64);
        let (namespace, mut tuns) = match Namespace::create(&[interface], &clock) {
            Ok(made) => made,
            Err(error) => panic!("these tests need a private network: {error}"),
        };
        let mut core = Core::new(Config::default(), &Seed::from_number(1));
        let addresses = vec![
            "10.77.0.2/24".parse().unwrap(),
            "fd77::2/64".parse().unwrap(),
        ];
        core.add_interface(InterfaceConfig::tun(LINK, 1500, addresses))
            .unwrap();
        let shard = Shard::new(core, clock, WallClock::new(Duration::ZERO)).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let tun = tuns.pop().unwrap();
        let device = Marking {
            tun,
            seen: Arc::clone(&seen),
        };
        Self {
            namespace,
            driver: Driver::new(shard, LINK, device, ()),
            seen,
        }
    }

    /// The kernel's program, under this `net.ipv4.tcp_ecn`.
    fn peer(&self, how: &str, address: IpAddr, policy: u8) -> Child {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/ecn_peer.py");
        let mut python = Command::new("python3");
        let (address, port, policy) = (address.to_string(), PORT.to_string(), policy.to_string());
        python.args([script, how, &address, &port, &policy]);
        python.stdin(Stdio::null()).stdout(Stdio::piped());
        self.namespace.spawn(python).unwrap()
    }

    /// Whether this kernel knows accurate ECN: `tcp_ecn` above 2, which Linux 6.18 does not take yet.
    fn kernel_counts(&self) -> bool {
        let mut child = self.peer("probe", ends()[0][1], 3);
        let mut said = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        let known = said == "known\n";
        if !known {
            println!("this kernel has no accurate ECN: nothing to meet");
        }
        known
    }

    /// The kernel connects to us; how that went here and there.
    fn serve_the_kernel(&mut self, policy: u8, local: IpAddr) -> (Info, u32) {
        let listen = Listen {
            settings: Some(accurate()),
            ..Listen::default()
        };
        let local = SocketAddr::new(local, PORT);
        let listener = TcpListener::bind_with(self.driver.shard(), local, listen).unwrap();
        let client = self.peer("connect", local.ip(), policy);
        let info = self.driver.run(|_| serve(listener)).unwrap();
        (info, self.delivered_ce(client))
    }

    /// We connect to the kernel.
    fn ask_the_kernel(&mut self, policy: u8, remote: IpAddr) -> (Info, u32) {
        let mut server = self.peer("listen", remote, policy);
        await_line(&mut server);
        let shard = self.driver.shard().clone();
        let remote = SocketAddr::new(remote, PORT);
        let info = self.driver.run(|_| ask(shard, remote)).unwrap();
        (info, self.delivered_ce(server))
    }

    /// What the kernel's program said: all went well, and how many of its packets we reported as marked.
    fn delivered_ce(&mut self, mut child: Child) -> u32 {
        self.driver.settle(Duration::from_secs(1)).unwrap();
        let mut said = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        let last = said.lines().last().unwrap_or_default();
        let count = last.strip_prefix("echoed 300000 delivered_ce ");
        count.unwrap_or_else(|| panic!("{said}")).parse().unwrap()
    }
}

/// Writes packets where tshark can read them.
fn capture(packets: &[Vec<u8>]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ecn.pcap");
    // pcap's file header, version 2.4, link type 101: raw IP.
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for (second, packet) in (0u32..).zip(packets) {
        let len = u32::try_from(packet.len()).unwrap();
        for word in [second, 0, len, len] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(packet);
    }
    std::fs::write(&path, file).unwrap();
    (folder, path)
}

/// tshark shows the three bits as one number once it has seen the option.
const FIELDS: [&str; 7] = [
    "tcp.flags.ace",
    "tcp.flags.ae",
    "tcp.flags.cwr",
    "tcp.flags.ece",
    "tcp.options.acc_ecn.ee0b",
    "tcp.options.acc_ecn.eceb",
    "tcp.options.acc_ecn.ee1b",
];

/// tshark and we read bits and options alike, packet by packet; returns them: `ACE ECT(0) CE ECT(1)`.
fn assert_tshark_agrees(packets: &[Vec<u8>]) -> Vec<String> {
    let (_folder, path) = capture(packets);
    let lines = tshark(&path, "tcp", &FIELDS);
    let theirs: Vec<String> = lines.iter().map(|line| joined(line.split('\t'))).collect();
    let ours: Vec<String> = packets.iter().map(|packet| line(packet)).collect();
    assert_eq!(theirs, ours);
    ours
}

/// The bits as one number, whichever way they are told, and the counters.
fn joined<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.collect();
    let bit = |place: usize| values[place].parse().unwrap_or(0);
    let number = values[0]
        .parse()
        .unwrap_or_else(|_| 4 * bit(1) + 2 * bit(2) + bit(3));
    format!("{number:03b} {}", values[4..].join(" "))
}

fn line(packet: &[u8]) -> String {
    let header = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let mut told = [const { String::new() }; FIELDS.len()];
    wire::fields(&packet[header..], &mut |field| {
        let place = FIELDS.iter().position(|key| *key == field.key);
        if let (Some(place), FieldValue::Number(value)) = (place, field.value) {
            told[place] = value.to_string();
        }
    });
    joined(told.iter().map(String::as_str))
}

// Every value of the three bits, and the option in both orders and every length.
#[test]
fn tshark_reads_the_bits_and_options_we_write() {
    let counters = [1, 0x00ab_cdef, 0x0100_0007];
    let mut packets = Vec::new();
    for bits in 0..8 {
        for order_1 in [false, true] {
            for count in 0..=3 {
                let header = SegmentHeader {
                    ack: Some(SeqNum::new(1)),
                    flags: Flags::ACK | Flags::from_bits(bits << 6),
                    options: Options {
                        accurate: Some(AccurateOption::new(order_1, &counters[..count])),
                        timestamps: Some(Timestamps::default()),
                        ..Options::default()
                    },
                    ..SegmentHeader::default()
                };
                packets.push(in_ipv4(&header));
            }
        }
    }
    let lines = assert_tshark_agrees(&packets);
    assert_eq!(lines[3], "000 1 11259375 7");
    assert_eq!(lines[63], "111 7 11259375 1");
}

/// A segment without payload in a packet of its own.
fn in_ipv4(header: &SegmentHeader) -> Vec<u8> {
    let flow = Flow {
        transport: Transport::Tcp,
        local: "10.77.0.2:4711".parse().unwrap(),
        remote: "10.77.0.1:40000".parse().unwrap(),
    };
    let transmit = Transmit {
        conn: None,
        flow,
        header: *header,
        fields: IpFields::default(),
        range: StreamRange::default(),
        gso: None,
        mac: None,
        note: Note::new(Why::PureAck, Limit::None, Cause::None),
    };
    let mut room = HeaderRoom::new();
    wire::emit(&transmit, &[], false, &mut room);
    let len = u8::try_from(20 + room.len()).unwrap();
    let mut packet = vec![
        0x45, 0, 0, len, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1,
    ];
    mend_checksum(&mut packet);
    packet.extend_from_slice(room.as_slice());
    packet
}

fn await_line(server: &mut Child) {
    let mut line = String::new();
    let out = server.stdout.as_mut().unwrap();
    BufReader::with_capacity(1, out)
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "listening\n");
}

async fn serve(listener: TcpListener) -> Info {
    let shard = listener.shard().clone();
    let accepted = timeout(&shard, Duration::from_secs(5), listener.accept()).await;
    let mut stream: TcpStream = accepted.expect("a connection in time").unwrap();
    while let Some(bytes) = stream.read_chunk().await.unwrap() {
        let mut queue = ChunkQueue::new();
        queue.push(bytes);
        stream.write_queue(&mut queue).await.unwrap();
    }
    let info = stream.info().unwrap();
    stream.finish().unwrap();
    info
}

async fn ask(shard: Shard, remote: SocketAddr) -> Info {
    let mut socket = TcpSocket::new(&shard);
    *socket.settings() = accurate();
    let connect = socket.connect(remote);
    let connected = timeout(&shard, Duration::from_secs(5), connect).await;
    let mut stream = connected.expect("a connection in time").unwrap();
    let text: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let mut back = Vec::new();
    for piece in text.chunks(30_000) {
        stream.write_all(piece).await.unwrap();
        let wanted = back.len() + piece.len();
        while back.len() < wanted {
            back.extend_from_slice(&stream.read_chunk().await.unwrap().unwrap());
        }
    }
    assert!(back == text);
    let info = stream.info().unwrap();
    stream.finish().unwrap();
    while stream.read_chunk().await.unwrap().is_some() {}
    info
}

/// What the SYN and its answer said, and that tshark and we read every option alike.
fn assert_handshake(world: &World, answer: &str) {
    let seen = world.seen.lock().unwrap();
    let lines = assert_tshark_agrees(&seen.packets);
    assert!(lines[0].starts_with("111"), "{}", lines[0]);
    assert!(lines[1].starts_with(answer), "{}", lines[1]);
    assert!(
        lines.iter().any(|line| line.len() > 10),
        "options did cross"
    );
}

fn ends() -> [[IpAddr; 2]; 2] {
    [["10.77.0.2", "10.77.0.1"], ["fd77::2", "fd77::1"]]
        .map(|ends| ends.map(|end| end.parse().unwrap()))
}

/// Every mark was fed back: those on the kernel's packets to the kernel, those on ours to us.
fn assert_all_marks_told(world: &World, info: &Info, delivered_ce: u32) {
    let [inward, outward] = world.seen.lock().unwrap().marked;
    assert!(inward > 3 && outward > 3, "{inward} {outward}");
    assert_eq!(info.totals.marks_in, inward, "we saw");
    assert!(
        delivered_ce.abs_diff(inward) <= 1,
        "the kernel heard {delivered_ce} of {inward}"
    );
    let heard = info.totals.echoes_in;
    assert!(
        heard.abs_diff(outward) <= 1,
        "we heard {heard} of {outward}"
    );
    assert!(info.delivered_marked.ce > 0, "by the option as well");
}

#[test]
fn the_kernel_connects_accurate_ecn_is_agreed_upon_and_every_mark_fed_back() {
    for [ours, _] in ends() {
        let mut world = World::new();
        if !world.kernel_counts() {
            return;
        }
        let (info, delivered_ce) = world.serve_the_kernel(3, ours);
        assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Accurate);
        assert_all_marks_told(&world, &info, delivered_ce);
        assert_handshake(&world, "010");
    }
}

#[test]
fn we_connect_to_the_kernel_accurate_ecn_is_agreed_upon_and_every_mark_fed_back() {
    for [_, theirs] in ends() {
        let mut world = World::new();
        if !world.kernel_counts() {
            return;
        }
        let (info, delivered_ce) = world.ask_the_kernel(5, theirs);
        assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Accurate);
        assert_all_marks_told(&world, &info, delivered_ce);
        assert_handshake(&world, "010");
    }
}

#[test]
fn the_kernel_knows_the_classic_kind_that_is_what_is_used_in_both_roles() {
    let [[ours, theirs], _] = ends();
    let mut world = World::new();
    let (info, delivered_ce) = world.serve_the_kernel(1, ours);
    assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Both);
    assert!(
        info.totals.echoes_in > 0 && delivered_ce > 0,
        "both slowed down"
    );
    let mut world = World::new();
    let (info, delivered_ce) = world.ask_the_kernel(1, theirs);
    assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Both);
    assert!(
        info.totals.echoes_in > 0 && delivered_ce > 0,
        "both slowed down"
    );
}

#[test]
fn the_kernel_knows_no_ecn_none_is_used_in_both_roles() {
    let [[ours, theirs], _] = ends();
    let mut world = World::new();
    let (info, _) = world.serve_the_kernel(0, ours);
    assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Off);
    assert_eq!(world.seen.lock().unwrap().able, [0, 0]);
    let mut world = World::new();
    let (info, _) = world.ask_the_kernel(0, theirs);
    assert_eq!(info.negotiated.unwrap().ecn, EcnTerms::Off);
    assert_eq!(world.seen.lock().unwrap().able, [0, 0]);
}
