//! Two ends under TCP-AO.

use core::time::Duration;

use outcrop_base::{DropReason, Verdict};
use outcrop_tcp::auth::{AoAlgorithm, Keyring, MasterKey, Prefix, Secret};
use outcrop_tcp::{Config, ConnId, Listen, Rule, Settings, Signature};

use super::pair::{Packet, Pair};

/// The key that one end calls `(send, recv)`; the other calls it the other way round.
pub(crate) fn key(peer: Prefix, ids: (u8, u8), secret: &str) -> MasterKey {
    MasterKey {
        peer,
        send_id: ids.0,
        recv_id: ids.1,
        algorithm: AoAlgorithm::HmacSha1,
        secret: Secret::new(secret.as_bytes()).unwrap(),
        covers_options: true,
    }
}

/// Puts both ends under keys: `of` makes them for a peer, and whether they are the client's.
pub(crate) fn keyed(
    listen: Listen,
    v6: bool,
    of: impl Fn(Prefix, bool) -> Vec<MasterKey>,
) -> (Pair, ConnId) {
    let settings = Settings {
        nodelay: true,
        delayed_ack: Duration::ZERO,
        ..Settings::default()
    };
    let config = Config {
        settings,
        ..Config::default()
    };
    let mut pair = Pair::new(config, listen, v6);
    let id = protect(&mut pair, of);
    (pair, id)
}

pub(crate) fn protect(pair: &mut Pair, of: impl Fn(Prefix, bool) -> Vec<MasterKey>) -> ConnId {
    let peers = pair.addrs.map(|addr| Prefix::from(addr.ip()));
    let ring = |keys: Vec<MasterKey>| {
        let mut ring = Keyring::new();
        keys.into_iter()
            .for_each(|key| ring.add_ao_key(key).unwrap());
        ring
    };
    pair.ends[0]
        .set_keys(pair.listener, ring(of(peers[1], false)))
        .unwrap();
    let id = pair.connect();
    pair.ends[1].set_keys(id, ring(of(peers[0], true))).unwrap();
    id
}

/// One key: the client sends under 61 and receives under 84.
pub(crate) fn one_key(peer: Prefix, client: bool) -> Vec<MasterKey> {
    let ids = if client { (61, 84) } else { (84, 61) };
    vec![key(peer, ids, "testvector")]
}

pub(crate) fn simple() -> (Pair, ConnId) {
    keyed(Listen::default(), false, one_key)
}

pub(crate) fn refused_by(rule: Rule) -> Verdict {
    Verdict::dropped(DropReason::TcpUnauthenticated, rule.into())
}

pub(crate) fn ids(packet: &Packet) -> (u8, u8) {
    match packet.options().signature {
        Some(Signature::Ao { key_id, next_id }) => (key_id, next_id),
        other => panic!("not under TCP-AO: {other:?}"),
    }
}

/// Where the option stands.
pub(crate) fn ao_at(packet: &Packet) -> usize {
    packet
        .bytes
        .windows(2)
        .position(|head| head == [29, 16])
        .unwrap()
}

pub(crate) fn stripped(packet: &Packet) -> Vec<u8> {
    let mut bytes = packet.bytes.clone();
    bytes[ao_at(packet)] = 200;
    bytes
}
