//! Signed TCP against the kernel's (RFC 2385), over a real TUN in a namespace of its own, and TCP-AO against a
//! reference in Python.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use outcrop_base::{ChunkQueue, InterfaceId, Seed, WallClock};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, holder_main};
use outcrop_device::{Clock, Tun};
use outcrop_socket::{Shard, TcpListener, TcpSocket, TcpStream, timeout};
use outcrop_stack::ip::InterfaceConfig;
use outcrop_stack::tcp::Counters;
use outcrop_stack::tcp::auth::{Prefix, Secret};
use outcrop_stack::{Config, Core, Driver};

const LINK: InterfaceId = InterfaceId(0);
const PORT: u16 = 179;

/// The test harness owns `main`: the holder comes in by the door of its name.
#[test]
fn namespace_holder() {
    holder_main();
}

/// The two ends of the TUN.
#[derive(Clone, Copy)]
struct Ends {
    stack: IpAddr,
    kernel: IpAddr,
}

fn ends() -> [Ends; 2] {
    let ends = |stack: &str, kernel: &str| Ends {
        stack: stack.parse().unwrap(),
        kernel: kernel.parse().unwrap(),
    };
    [ends("10.77.0.2", "10.77.0.1"), ends("fd77::2", "fd77::1")]
}

struct World {
    namespace: Namespace,
    driver: Driver<Tun>,
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
        let driver = Driver::new(shard, LINK, tuns.pop().unwrap(), ());
        Self { namespace, driver }
    }

    /// The kernel's program; `key` of `None` leaves it without.
    fn peer(&self, how: &str, ends: Ends, key: Option<&str>) -> Child {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/md5_peer.py");
        let (own, other) = match how {
            "listen" => (ends.kernel, ends.stack),
            _ => (ends.stack, ends.stack),
        };
        let mut python = Command::new("python3");
        python.args([
            script,
            how,
            &own.to_string(),
            &PORT.to_string(),
            &other.to_string(),
        ]);
        python.args(key).stdin(Stdio::null()).stdout(Stdio::piped());
        self.namespace.spawn(python).unwrap()
    }

    fn counters(&self) -> Counters {
        self.driver.shard().call(|core| *core.tcp().counters())
    }
}

/// The last line of a program that has ended.
fn last_line(mut child: Child) -> String {
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    said.lines().last().unwrap_or_default().to_owned()
}

fn socket(shard: &Shard, peer: IpAddr, key: Option<&str>) -> TcpSocket {
    let mut socket = TcpSocket::new(shard);
    let secret = key.map(|key| Secret::new(key.as_bytes()).unwrap());
    if secret.is_some() {
        socket.set_md5sig(Prefix::from(peer), secret).unwrap();
    }
    socket
}

async fn echo(mut stream: TcpStream) -> usize {
    let mut total = 0;
    while let Some(bytes) = stream.read_chunk().await.unwrap() {
        total += bytes.len();
        let mut queue = ChunkQueue::new();
        queue.push(bytes);
        stream.write_queue(&mut queue).await.unwrap();
    }
    stream.finish().unwrap();
    total
}

/// Serves one connection, for five seconds at most; what was echoed, and what a signature costs.
async fn serve(listener: TcpListener) -> Option<(usize, u8)> {
    let shard = listener.shard().clone();
    let accepted = timeout(&shard, Duration::from_secs(5), listener.accept()).await;
    let stream = accepted.ok()?.unwrap();
    let signature = stream.info().unwrap().negotiated.unwrap().signature;
    Some((echo(stream).await, signature))
}

/// Connects, says 300 kB, hears them back.
async fn ask(shard: Shard, socket: TcpSocket, remote: SocketAddr) -> Option<usize> {
    let connect = socket.connect(remote);
    let connected = timeout(&shard, Duration::from_secs(3), connect).await;
    let mut stream = connected.ok()?.unwrap();
    let text: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let mut back = Vec::new();
    for piece in text.chunks(10_000) {
        stream.write_all(piece).await.unwrap();
        let wanted = back.len() + piece.len();
        while back.len() < wanted {
            back.extend_from_slice(&stream.read_chunk().await.unwrap().unwrap());
        }
    }
    stream.finish().unwrap();
    assert_eq!(stream.read_chunk().await.unwrap(), None);
    assert!(back == text);
    Some(back.len())
}

#[test]
fn linux_client_with_our_key_is_served_both_families() {
    for ends in ends() {
        let mut world = World::new();
        let local = SocketAddr::new(ends.stack, PORT);
        let mut socket = socket(world.driver.shard(), ends.kernel, Some("bgp secret"));
        let listener = socket.bind(local).listen().unwrap();
        let client = world.peer("connect", ends, Some("bgp secret"));
        let served = world.driver.run(|_| serve(listener)).unwrap();
        world.driver.settle(Duration::from_secs(1)).unwrap();
        assert_eq!(last_line(client), "echoed 300000");
        assert_eq!(served, Some((300_000, 20)));
        let counters = world.counters();
        assert_eq!(
            (counters.signatures_missing, counters.signatures_wrong),
            (0, 0)
        );
    }
}

#[test]
fn linux_client_with_another_key_or_none_gets_no_connection() {
    for key in [Some("another secret"), None] {
        let [ends, _] = ends();
        let mut world = World::new();
        let local = SocketAddr::new(ends.stack, PORT);
        let mut socket = socket(world.driver.shard(), ends.kernel, Some("bgp secret"));
        let listener = socket.bind(local).listen().unwrap();
        let client = world.peer("connect", ends, key);
        let served = world.driver.run(|_| serve(listener)).unwrap();
        assert_eq!(last_line(client), "no connection");
        assert_eq!(served, None);
        let counters = world.counters();
        let refused = match key {
            Some(_) => counters.signatures_wrong,
            None => counters.signatures_missing,
        };
        assert!(refused >= 2, "its SYN came at least twice: {counters:?}");
        assert_eq!(counters.resets_sent, 0);
    }
}

#[test]
fn linux_server_with_our_key_serves_us_both_families() {
    for ends in ends() {
        let mut world = World::new();
        let mut server = world.peer("listen", ends, Some("bgp secret"));
        await_line(&mut server);
        let shard = world.driver.shard().clone();
        let socket = socket(&shard, ends.kernel, Some("bgp secret"));
        let remote = SocketAddr::new(ends.kernel, PORT);
        let heard = world.driver.run(|_| ask(shard, socket, remote)).unwrap();
        world.driver.settle(Duration::from_secs(1)).unwrap();
        assert_eq!(last_line(server), "echoed 300000");
        assert_eq!(heard, Some(300_000));
    }
}

#[test]
fn linux_server_with_another_key_does_not_answer_us() {
    let [ends, _] = ends();
    let mut world = World::new();
    let mut server = world.peer("listen", ends, Some("another secret"));
    await_line(&mut server);
    let shard = world.driver.shard().clone();
    let socket = socket(&shard, ends.kernel, Some("bgp secret"));
    let remote = SocketAddr::new(ends.kernel, PORT);
    assert_eq!(
        world.driver.run(|_| ask(shard, socket, remote)).unwrap(),
        None
    );
    assert_eq!(last_line(server), "no connection");
}

/// Waits until it says that it listens.
fn await_line(server: &mut Child) {
    let mut line = String::new();
    let out = server.stdout.as_mut().unwrap();
    BufReader::with_capacity(1, out)
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "listening\n");
}
