//! Messages of DHCPv6 written and read by hand, from the figures of RFC 8415: nothing of the crate under test helps here.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests"
)]

use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::{DropReason, Instant, Seed};
use outcrop_dhcp::v6::{Client, ClientConfig, Event, Mode, Purpose, State};

pub(crate) const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const OUR_DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];
pub(crate) const SERVER: &[u8] = b"server";
pub(crate) const SECOND: &[u8] = b"second";
pub(crate) const START: Instant = Instant::from_secs(1000);
pub(crate) const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

pub(crate) const SOLICIT: u8 = 1;
pub(crate) const ADVERTISE: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const CONFIRM: u8 = 4;
pub(crate) const RENEW: u8 = 5;
pub(crate) const REBIND: u8 = 6;
pub(crate) const REPLY: u8 = 7;
pub(crate) const RELEASE: u8 = 8;
pub(crate) const DECLINE: u8 = 9;
pub(crate) const RECONFIGURE: u8 = 10;
pub(crate) const INFORMATION_REQUEST: u8 = 11;

pub(crate) const UNSPEC_FAIL: u16 = 1;
pub(crate) const NO_ADDRS_AVAIL: u16 = 2;
pub(crate) const NO_BINDING: u16 = 3;
pub(crate) const NOT_ON_LINK: u16 = 4;

pub(crate) fn secs(n: u64) -> Instant {
    START + Duration::from_secs(n)
}

pub(crate) fn since(at: Instant, from: Instant) -> f64 {
    at.saturating_since(from).as_secs_f64()
}

/// RFC 8415 21.1.
pub(crate) fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&code.to_be_bytes()[..], &len.to_be_bytes(), value].concat()
}

pub(crate) fn status(code: u16) -> Vec<u8> {
    option(13, &[&code.to_be_bytes()[..], b"because"].concat())
}

/// RFC 8415 21.6.
pub(crate) fn address(address: Ipv6Addr, preferred: u32, valid: u32) -> Vec<u8> {
    let value = [
        &address.octets()[..],
        &preferred.to_be_bytes(),
        &valid.to_be_bytes(),
    ]
    .concat();
    option(5, &value)
}

/// RFC 8415 21.4.
pub(crate) fn association(t1: u32, t2: u32, inside: &[u8]) -> Vec<u8> {
    let head = [
        &[0, 0, 0, 1][..],
        &t1.to_be_bytes(),
        &t2.to_be_bytes(),
        inside,
    ];
    option(3, &head.concat())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msg {
    pub(crate) kind: u8,
    pub(crate) xid: [u8; 3],
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

impl Msg {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut rest = &bytes[4..];
        let mut options = Vec::new();
        while let [c1, c2, l1, l2, after @ ..] = rest {
            let (value, after) = after.split_at(usize::from(u16::from_be_bytes([*l1, *l2])));
            options.push((u16::from_be_bytes([*c1, *c2]), value.to_vec()));
            rest = after;
        }
        assert!(rest.is_empty());
        Self {
            kind: bytes[0],
            xid: bytes[1..4].try_into().unwrap(),
            options,
        }
    }

    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        let found = self.options.iter().find(|(other, _)| *other == code);
        found.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn elapsed(&self) -> u16 {
        u16::from_be_bytes(self.option(8).unwrap().try_into().unwrap())
    }

    /// The addresses in its association.
    pub(crate) fn addresses(&self) -> Vec<Ipv6Addr> {
        let inside = &self.option(3).unwrap()[12..];
        let each = inside.chunks(28).map(|one| {
            assert_eq!(one[..4], [0, 5, 0, 24]);
            assert_eq!(one[20..], [0; 8], "lifetimes are the server's to say");
            Ipv6Addr::from(<[u8; 16]>::try_from(&one[4..20]).unwrap())
        });
        each.collect()
    }

    /// An answer by this server with these options.
    pub(crate) fn answer(&self, kind: u8, server: &[u8], options: &[Vec<u8>]) -> Vec<u8> {
        let [a, b, c] = self.xid;
        let head = [vec![kind, a, b, c], option(1, &OUR_DUID), option(2, server)];
        [head.concat(), options.concat()].concat()
    }

    /// A grant of [`ADDRESS`] with these times.
    pub(crate) fn grant(
        &self,
        kind: u8,
        server: &[u8],
        (t1, t2): (u32, u32),
        (preferred, valid): (u32, u32),
    ) -> Vec<u8> {
        self.answer(
            kind,
            server,
            &[association(t1, t2, &address(ADDRESS, preferred, valid))],
        )
    }
}

pub(crate) fn client_with(change: fn(&mut ClientConfig)) -> Client {
    let mut config = ClientConfig::new(US);
    change(&mut config);
    Client::new(START, config, &Seed::from_number(1))
}

pub(crate) fn client() -> Client {
    client_with(|_| ())
}

pub(crate) fn said(client: &mut Client, now: Instant) -> Option<(Purpose, Msg)> {
    let transmit = client.poll_transmit(now)?;
    assert_eq!(client.poll_transmit(now), None);
    assert_eq!(transmit.to(), "[ff02::1:2]:547".parse().unwrap());
    let msg = Msg::read(&transmit.payload);
    assert_eq!(msg.option(1), Some(&OUR_DUID[..]), "every message says who");
    Some((transmit.purpose, msg))
}

/// The next message, however long it takes.
pub(crate) fn next(client: &mut Client) -> (Instant, Purpose, Msg) {
    for _ in 0..20 {
        let at = client.poll_timeout().expect("a deadline");
        client.handle_timeout(at);
        if let Some((purpose, msg)) = said(client, at) {
            return (at, purpose, msg);
        }
    }
    panic!("nothing is said");
}

pub(crate) fn hear(client: &mut Client, now: Instant, bytes: &[u8]) -> Option<DropReason> {
    client.handle_datagram(now, bytes).drop_reason()
}

/// Through all four messages, bound at the instant that is returned.
pub(crate) fn bound(client: &mut Client, times: (u32, u32), lives: (u32, u32)) -> Instant {
    let (at, _, solicit) = next(client);
    let urgent = [
        solicit.grant(ADVERTISE, SERVER, times, lives),
        option(7, &[255]),
    ]
    .concat();
    assert_eq!(hear(client, at, &urgent), None);
    let (_, request) = said(client, at).expect("asked at once");
    assert_eq!(
        hear(client, at, &request.grant(REPLY, SERVER, times, lives)),
        None
    );
    assert!(matches!(client.poll_event(), Some(Event::Bound(_))));
    at
}

/// A client in this state, what it last said, and when.
pub(crate) fn client_in(state: State) -> (Client, Msg, Instant) {
    let mut client = client_with(|_| ());
    if matches!(state, State::Asking | State::Informed) {
        client = client_with(|config| config.mode = Mode::Stateless);
    }
    if matches!(state, State::Soliciting | State::Asking | State::Informed) {
        let (at, _, msg) = next(&mut client);
        if state == State::Informed {
            assert_eq!(hear(&mut client, at, &msg.answer(REPLY, SERVER, &[])), None);
        }
        return (client, msg, at);
    }
    if state == State::Requesting {
        let (at, _, solicit) = next(&mut client);
        let urgent = [
            solicit.grant(ADVERTISE, SERVER, (0, 0), (100, 200)),
            option(7, &[255]),
        ]
        .concat();
        assert_eq!(hear(&mut client, at, &urgent), None);
        let (_, msg) = said(&mut client, at).unwrap();
        return (client, msg, at);
    }
    let at = bound(&mut client, (50, 80), (100, 200));
    match state {
        State::Declining => client.decline(at, ADDRESS),
        State::Releasing | State::Ended => client.release(at),
        State::Confirming => client.confirm(at),
        State::Soliciting
        | State::Requesting
        | State::Bound
        | State::Renewing
        | State::Rebinding
        | State::Asking
        | State::Informed => {}
    }
    let mut msg = said(&mut client, at);
    let mut now = at;
    if state == State::Ended {
        let reply = msg.as_ref().unwrap().1.answer(REPLY, SERVER, &[]);
        assert_eq!(hear(&mut client, at, &reply), None);
    }
    while client.state() != state || (msg.is_none() && state != State::Bound) {
        let (at, purpose, next) = next(&mut client);
        (now, msg) = (at, Some((purpose, next)));
    }
    let nothing = Msg {
        kind: 0,
        xid: [0; 3],
        options: Vec::new(),
    };
    (client, msg.map_or(nothing, |(_, msg)| msg), now)
}
