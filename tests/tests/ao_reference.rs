//! TCP-AO against a second implementation: a conversation of two engines, segment by segment, is judged by a program
//! in Python made from the words of RFC 5925 and RFC 5926 alone.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{IoSlice, Write as _};
use std::process::{Command, Stdio};

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, HeaderRoom, Instant, InterfaceId, MAX_SLICES,
    PacketId, Path, Seed,
};
use outcrop_tcp::auth::{AoAlgorithm, AoSelect, MasterKey, Prefix, Secret};
use outcrop_tcp::{Config, Endpoint, Listen, wire};

/// Two engines and what they said.
struct Talk {
    ends: [Endpoint; 2],
    addrs: [SocketAddr; 2],
    now: Instant,
    log: String,
}

impl Talk {
    fn new(addrs: [&str; 2], now: Instant) -> Self {
        let seed = Seed::from_number(5);
        Self {
            ends: ["server", "client"]
                .map(|end| Endpoint::new(Config::default(), &seed.split(end))),
            addrs: addrs.map(|addr| addr.parse().unwrap()),
            now,
            log: String::new(),
        }
    }

    /// Everything an end has to say reaches the other; returns whether it was anything.
    fn carry(&mut self, end: usize) -> bool {
        let mut spoke = false;
        while let Some(plan) = self.ends[end].poll_transmit(self.now) {
            let (mut slices, mut room) = ([IoSlice::new(&[]); MAX_SLICES], HeaderRoom::new());
            let used = self.ends[end].payload(&plan, &mut slices);
            self.ends[end].emit(&plan, &slices[..used], false, &mut room);
            let mut bytes = room.as_slice().to_vec();
            slices[..used]
                .iter()
                .for_each(|slice| bytes.extend_from_slice(slice));
            let (src, dst) = (self.addrs[end].ip(), self.addrs[1 - end].ip());
            write!(self.log, "segment {src} {dst} ").unwrap();
            bytes
                .iter()
                .for_each(|octet| write!(self.log, "{octet:02x}").unwrap());
            self.log.push('\n');
            let a = Arrival {
                at: self.now,
                id: PacketId(1),
                iface: InterfaceId(0),
                src,
                dst,
                cast: Cast::Unicast,
                ecn: Ecn::NotEct,
                hop_limit: 64,
                checksum: ChecksumState::Unverified,
                gso_size: None,
                path: Path::plain(1500),
            };
            let (segment, payload) = wire::parse(&a, Bytes::from(bytes)).unwrap();
            let verdict = self.ends[1 - end].handle_segment(&a, segment, payload);
            assert_eq!(verdict.drop_reason(), None, "{verdict:?}");
            spoke = true;
        }
        spoke
    }

    fn talk(&mut self) {
        while self.carry(1) | self.carry(0) {}
        self.now += Duration::from_millis(100);
        self.ends
            .iter_mut()
            .for_each(|end| end.handle_timeout(self.now));
        while self.carry(1) | self.carry(0) {}
    }

    /// A key of the client's; the server has it the other way round.
    fn key(&mut self, end: usize, (client, server): (u8, u8), of: &Kind) -> MasterKey {
        let (send_id, recv_id) = if end == 1 {
            (client, server)
        } else {
            (server, client)
        };
        let algorithm = match of.algorithm {
            AoAlgorithm::HmacSha1 => "sha1",
            AoAlgorithm::AesCmac => "aes",
        };
        let covers = if of.covers_options { "all" } else { "ao" };
        write!(self.log, "key {send_id:02x} {algorithm} {covers} ").unwrap();
        of.secret
            .bytes()
            .for_each(|octet| write!(self.log, "{octet:02x}").unwrap());
        self.log.push('\n');
        MasterKey {
            peer: Prefix::from(self.addrs[1 - end].ip()),
            send_id,
            recv_id,
            algorithm: of.algorithm,
            secret: Secret::new(of.secret.as_bytes()).unwrap(),
            covers_options: of.covers_options,
        }
    }
}

struct Kind {
    algorithm: AoAlgorithm,
    covers_options: bool,
    secret: &'static str,
}

/// What the reference says of a conversation.
fn judged(log: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/ao_reference.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python
        .spawn()
        .unwrap_or_else(|e| panic!("python3: {e}: `make setup`"));
    // A failing reference stops reading: what it says matters, not the broken pipe.
    let _read = child.stdin.take().unwrap().write_all(log.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        said.trim().to_owned()
    } else {
        String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Handshake, text both ways beyond the end of the circle of sequence numbers, a change of keys, the end.
fn conversation(addrs: [&str; 2], first: &Kind, second: &Kind) -> Talk {
    // The client's numbers follow a clock of 4 microseconds: wait until they are about to wrap.
    let mut probe = Talk::new(addrs, Instant::from_secs(10));
    let (server, client) = (probe.addrs[0], probe.addrs[1]);
    probe.ends[1]
        .connect(client, server, Path::plain(1500), None)
        .unwrap();
    let isn = probe.ends[1]
        .poll_transmit(probe.now)
        .unwrap()
        .header
        .seq
        .value();
    let ahead = (u32::MAX - 2_000).wrapping_sub(isn);
    let mut talk = Talk::new(addrs, probe.now + Duration::from_micros(4) * ahead);

    let listener = talk.ends[0].listen(server, Listen::default()).unwrap();
    let key = talk.key(0, (61, 84), first);
    talk.ends[0].add_ao_key(listener, key).unwrap();
    let id = talk.ends[1]
        .connect(client, server, Path::plain(1500), None)
        .unwrap();
    let key = talk.key(1, (61, 84), first);
    talk.ends[1].add_ao_key(id, key).unwrap();
    talk.talk();
    let accepted = talk.ends[0].accept(listener).unwrap();
    let text = |len: usize| ChunkQueue::from(Bytes::from(vec![0x5a; len]));
    talk.ends[1].write(id, &mut text(10_000)).unwrap();
    talk.ends[0].write(accepted, &mut text(3_001)).unwrap();
    talk.talk();
    let key = talk.key(0, (7, 8), second);
    talk.ends[0].add_ao_key(accepted, key).unwrap();
    let key = talk.key(1, (7, 8), second);
    talk.ends[1].add_ao_key(id, key).unwrap();
    let next = |id| AoSelect {
        current: None,
        next: Some(id),
    };
    talk.ends[0].select_ao_keys(accepted, next(7)).unwrap();
    talk.ends[1].select_ao_keys(id, next(8)).unwrap();
    for _ in 0..2 {
        talk.ends[1].write(id, &mut text(1_001)).unwrap();
        talk.ends[0].write(accepted, &mut text(999)).unwrap();
        talk.talk();
    }
    assert_eq!(talk.ends[1].ao_info(id).unwrap().current, 7);
    assert_eq!(talk.ends[0].ao_info(accepted).unwrap().current, 8);
    for (end, id) in [(1, id), (0, accepted)] {
        while let Ok(Some(_)) = talk.ends[end].read(id) {}
        talk.ends[end].close(id).unwrap();
        talk.talk();
    }
    talk
}

#[test]
fn every_segment_of_a_conversation_is_what_the_reference_would_send() {
    let v4 = ["10.77.0.1:179", "10.77.0.2:40000"];
    let v6 = ["[fd77::1]:179", "[fd77::2]:40000"];
    for (addrs, covers_options) in [(v4, true), (v6, true), (v4, false), (v6, false)] {
        let sha1 = Kind {
            algorithm: AoAlgorithm::HmacSha1,
            covers_options,
            secret: "testvector",
        };
        let aes = Kind {
            algorithm: AoAlgorithm::AesCmac,
            covers_options: !covers_options,
            secret: "sixteen octets!!",
        };
        let short = Kind {
            secret: "short",
            ..aes
        };
        for (first, second) in [(&sha1, &aes), (&short, &sha1)] {
            let talk = conversation(addrs, first, second);
            let segments = talk
                .log
                .lines()
                .filter(|line| line.starts_with("segment"))
                .count();
            assert!(segments > 20);
            assert_eq!(
                judged(&talk.log),
                format!("{segments} good, extension up to 1")
            );
        }
    }
}

/// The reference itself is not easily pleased.
#[test]
fn one_bit_wrong_the_reference_says_so() {
    let kind = Kind {
        algorithm: AoAlgorithm::HmacSha1,
        covers_options: true,
        secret: "testvector",
    };
    let talk = conversation(["10.77.0.1:179", "10.77.0.2:40000"], &kind, &kind);
    let end = talk.log.trim_end().len();
    let mut log = talk.log[..end - 1].to_owned();
    log.push(if talk.log[..end].ends_with('0') {
        '1'
    } else {
        '0'
    });
    assert!(
        judged(&log).starts_with("AssertionError"),
        "{}",
        judged(&log)
    );
}
