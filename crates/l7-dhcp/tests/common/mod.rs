//! Messages written and read by hand, from the figures of RFC 2131: nothing of the crate under test helps here.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

use core::net::Ipv4Addr;
use core::time::Duration;

use outcrop_base::{Instant, Seed};
use outcrop_dhcp::v4::{Client, ClientConfig, Event, Lease, Transmit};

pub(crate) const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
pub(crate) const START: Instant = Instant::from_secs(1000);

pub(crate) const DISCOVER: u8 = 1;
pub(crate) const OFFER: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const DECLINE: u8 = 4;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;
pub(crate) const RELEASE: u8 = 7;
pub(crate) const INFORM: u8 = 8;

pub(crate) fn secs(n: u64) -> Instant {
    START + Duration::from_secs(n)
}

/// A message, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msg {
    pub(crate) op: u8,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 6],
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

impl Msg {
    pub(crate) fn new(op: u8, kind: u8, xid: u32, chaddr: [u8; 6]) -> Self {
        let nobody = Ipv4Addr::UNSPECIFIED;
        Self {
            op,
            xid,
            secs: 0,
            flags: 0,
            ciaddr: nobody,
            yiaddr: nobody,
            giaddr: nobody,
            chaddr,
            options: vec![(53, vec![kind])],
        }
    }

    /// A server's answer to `of`.
    pub(crate) fn answer(of: &Self, kind: u8, server: Ipv4Addr) -> Self {
        Self::new(2, kind, of.xid, of.chaddr).with(54, &server.octets())
    }

    /// An offer or a grant of [`ADDRESS`] for `time` seconds.
    pub(crate) fn lease(of: &Self, kind: u8, server: Ipv4Addr, time: u32) -> Self {
        let mut msg = Self::answer(of, kind, server)
            .with(51, &time.to_be_bytes())
            .with(1, &[255, 255, 255, 0]);
        msg.yiaddr = ADDRESS;
        msg
    }

    /// What a client sends.
    pub(crate) fn request(kind: u8, chaddr: [u8; 6]) -> Self {
        Self::new(1, kind, 0x1234_5678, chaddr)
    }

    pub(crate) fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self.options.push((code, value.to_vec()));
        self
    }

    pub(crate) fn without(mut self, code: u8) -> Self {
        self.options.retain(|(other, _)| *other != code);
        self
    }

    pub(crate) fn from(mut self, ciaddr: Ipv4Addr) -> Self {
        self.ciaddr = ciaddr;
        self
    }

    pub(crate) fn option(&self, code: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|(other, _)| *other == code);
        found.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(octets.into())
    }

    pub(crate) fn number(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(code)?.try_into().ok()?))
    }

    pub(crate) fn kind(&self) -> u8 {
        self.option(53).expect("a kind")[0]
    }

    /// RFC 2131 figure 1.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, 1, 6, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.resize(236, 0);
        bytes.extend([99, 130, 83, 99]);
        for (code, value) in &self.options {
            bytes.extend([*code, u8::try_from(value.len()).expect("short")]);
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let address =
            |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        let number = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        assert_eq!(bytes[1..4], [1, 6, 0], "Ethernet, six octets, no relay");
        assert_eq!(bytes[236..240], [99, 130, 83, 99], "the cookie");
        let mut options = Vec::new();
        let mut rest = &bytes[240..];
        loop {
            match rest {
                [0, after @ ..] => rest = after,
                [255, after @ ..] => {
                    assert!(
                        after.iter().all(|octet| *octet == 0),
                        "nothing behind the end"
                    );
                    break;
                }
                [code, len, after @ ..] => {
                    let (value, after) = after.split_at(usize::from(*len));
                    options.push((*code, value.to_vec()));
                    rest = after;
                }
                _ => panic!("options end with 255"),
            }
        }
        Self {
            op: bytes[0],
            xid: u32::from_be_bytes(bytes[4..8].try_into().expect("four")),
            secs: number(8),
            flags: number(10),
            ciaddr: address(12),
            yiaddr: address(16),
            giaddr: address(24),
            chaddr: bytes[28..34].try_into().expect("six"),
            options,
        }
    }
}

/// A client without the wait at the start.
pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        start_wait: (Duration::ZERO, Duration::ZERO),
        ..ClientConfig::new(US)
    }
}

pub(crate) fn client() -> Client {
    client_with(config())
}

pub(crate) fn client_with(config: ClientConfig) -> Client {
    Client::new(START, config, &Seed::from_number(1))
}

/// Lets time come to the client's next deadline; what it then says, and when.
pub(crate) fn step(client: &mut Client) -> (Instant, Option<(Transmit, Msg)>) {
    let at = client.poll_timeout().expect("a deadline");
    client.handle_timeout(at);
    (at, said(client, at))
}

/// The one datagram that waits to leave, if there is one.
pub(crate) fn said(client: &mut Client, now: Instant) -> Option<(Transmit, Msg)> {
    let transmit = client.poll_transmit(now)?;
    assert_eq!(client.poll_transmit(now), None, "one message at a time");
    let msg = Msg::read(&transmit.payload);
    Some((transmit, msg))
}

/// The client's next message, however long it takes.
pub(crate) fn next(client: &mut Client) -> (Instant, Transmit, Msg) {
    for _ in 0..20 {
        if let (at, Some((transmit, msg))) = step(client) {
            return (at, transmit, msg);
        }
    }
    panic!("the client has nothing to say");
}

/// Through DISCOVER, OFFER, REQUEST, ACK to BOUND at [`START`], for `time` seconds.
pub(crate) fn bound_for(client: &mut Client, time: u32, extra: &[(u8, &[u8])]) -> Lease {
    let (at, _, discover) = next(client);
    let offer = Msg::lease(&discover, OFFER, SERVER, time);
    assert_eq!(
        client.handle_datagram(at, &offer.bytes()).drop_reason(),
        None
    );
    let (_, request) = said(client, at).expect("a request at once");
    let mut ack = Msg::lease(&request, ACK, SERVER, time);
    for (code, value) in extra {
        ack = ack.with(*code, value);
    }
    assert_eq!(client.handle_datagram(at, &ack.bytes()).drop_reason(), None);
    match client.poll_event() {
        Some(Event::Bound(lease)) => lease,
        other => panic!("not bound but {other:?}"),
    }
}
