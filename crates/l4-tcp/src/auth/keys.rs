//! What programs give.
//!
//! Job: keys for peers, as values that can be prepared before there is a socket.
//! Owns: [`Secret`], [`Prefix`], [`MasterKey`], [`Keyring`]. Does not know: flows, segments.
//! Sources: RFC 2385 4.5 (a password of up to 80 octets), RFC 5925 3.1 (master key tuples), RFC 5926 3.

use core::fmt;
use core::net::IpAddr;

use thiserror::Error;

/// The longest key (RFC 2385 4.5; Linux takes as much for TCP-AO).
pub(super) const MAX_SECRET: usize = 80;
/// The most keys of one ring: eight-bit ids allow no more for one peer, and nobody needs as many.
pub(super) const MAX_KEYS: usize = 256;

/// A password. Its `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// These octets, 1 to 80 of them.
    ///
    /// # Errors
    /// None at all, or more.
    pub fn new(octets: &[u8]) -> Result<Self, KeyError> {
        if octets.is_empty() || octets.len() > MAX_SECRET {
            return Err(KeyError::BadLength);
        }
        Ok(Self(octets.into()))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}

/// The peers whose address begins with the first `len` bits of `addr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// An address of theirs.
    pub addr: IpAddr,
    /// How many of its bits count: up to 32 or 128.
    pub len: u8,
}

impl Prefix {
    /// Whether `addr` is one of them.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (own, theirs, width) = match (self.addr, addr) {
            (IpAddr::V4(own), IpAddr::V4(theirs)) => {
                (u128::from(own.to_bits()), u128::from(theirs.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(theirs)) => (own.to_bits(), theirs.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let ignored = u32::saturating_sub(width, u32::from(self.len));
        ignored >= 128 || (own ^ theirs) >> ignored == 0
    }

    /// Whether some address is in both.
    fn overlaps(&self, other: &Self) -> bool {
        let wider = if self.len <= other.len { self } else { other };
        let narrower = if self.len <= other.len { other } else { self };
        wider.contains(narrower.addr)
    }
}

impl From<IpAddr> for Prefix {
    /// This one address.
    fn from(addr: IpAddr) -> Self {
        let len = if addr.is_ipv6() { 128 } else { 32 };
        Self { addr, len }
    }
}

/// A key derivation function with its MAC (RFC 5926 3.1, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AoAlgorithm {
    /// `KDF_HMAC_SHA1` and HMAC-SHA-1-96.
    HmacSha1,
    /// `KDF_AES_128_CMAC` and AES-128-CMAC-96.
    AesCmac,
}

/// A master key tuple (RFC 5925 3.1) for connections with these peers, whatever the ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MasterKey {
    /// With whom.
    pub peer: Prefix,
    /// `KeyID` of what we send under it.
    pub send_id: u8,
    /// `KeyID` of what we receive under it.
    pub recv_id: u8,
    /// How traffic keys and MACs are computed.
    pub algorithm: AoAlgorithm,
    /// From what.
    pub secret: Secret,
    /// Whether the MAC covers the other options; not where a middlebox changes them.
    pub covers_options: bool,
}

/// Keys by peer: of a listener, or of a connection about to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keyring {
    md5: Vec<(Prefix, Secret)>,
    ao: Vec<MasterKey>,
    /// Believe ICMP's hard errors and IPv4's "fragmentation needed" about connections under TCP-AO: off by
    /// default, as RFC 5925 7.8 says. A path with a smaller MTU than our own link then needs a smaller `mss`.
    pub accept_icmp: bool,
}

/// Why a key was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret of no octets, or of too many.
    #[error("a key has 1 to {MAX_SECRET} octets")]
    BadLength,
    /// More bits than the address has.
    #[error("the prefix is longer than its address")]
    BadPrefix,
    /// A key of the other kind is there for some of these peers (RFC 5925 2.2).
    #[error("MD5 signatures and TCP-AO exclude each other")]
    OtherKind,
    /// Another key for some of these peers has one of the two ids (RFC 5925 3.1).
    #[error("the key ids are in use towards these peers")]
    DuplicateId,
    /// No room for another key.
    #[error("no more than {MAX_KEYS} keys")]
    TooMany,
    /// No such key.
    #[error("no such key")]
    Unknown,
    /// The key to be removed is the current or the next one.
    #[error("the key is in use")]
    InUse,
    /// The connection's own SYN has left: it can neither gain nor lose its protection.
    #[error("the connection has begun otherwise")]
    TooLate,
    /// The key is for other peers than the one this connection is with.
    #[error("the key is not for this peer")]
    OtherPeer,
    /// The id names no connection or listener (any more).
    #[error("no such connection or listener")]
    Stale,
}

impl Keyring {
    /// No key at all.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            md5: Vec::new(),
            ao: Vec::new(),
            accept_icmp: false,
        }
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.md5.is_empty() && self.ao.is_empty()
    }

    /// Sets the MD5 key of these peers, or with `None` takes it away (Linux: `TCP_MD5SIG_EXT`). Where prefixes
    /// overlap, the longest decides.
    ///
    /// # Errors
    /// An impossible prefix, a TCP-AO key for some of these peers, too many keys, none to take away.
    pub fn set_md5sig(&mut self, peer: Prefix, secret: Option<Secret>) -> Result<(), KeyError> {
        check_prefix(&peer)?;
        let at = self.md5.iter().position(|(known, _)| *known == peer);
        match (at, secret) {
            (Some(at), None) => {
                self.md5.remove(at);
            }
            (None, None) => return Err(KeyError::Unknown),
            (Some(at), Some(secret)) => {
                if let Some((_, known)) = self.md5.get_mut(at) {
                    *known = secret;
                }
            }
            (None, Some(secret)) => {
                if self.ao.iter().any(|key| key.peer.overlaps(&peer)) {
                    return Err(KeyError::OtherKind);
                }
                self.has_room()?;
                self.md5.push((peer, secret));
            }
        }
        Ok(())
    }

    /// Adds a master key tuple (Linux: `TCP_AO_ADD_KEY`). The first for a peer is the one connections begin with.
    ///
    /// # Errors
    /// An impossible prefix, an MD5 key for some of these peers, ids in use towards some of them, too many keys.
    pub fn add_ao_key(&mut self, key: MasterKey) -> Result<(), KeyError> {
        check_prefix(&key.peer)?;
        if self.md5.iter().any(|(peer, _)| peer.overlaps(&key.peer)) {
            return Err(KeyError::OtherKind);
        }
        let clash = |known: &MasterKey| {
            known.peer.overlaps(&key.peer)
                && (known.send_id == key.send_id || known.recv_id == key.recv_id)
        };
        if self.ao.iter().any(clash) {
            return Err(KeyError::DuplicateId);
        }
        self.has_room()?;
        self.ao.push(key);
        Ok(())
    }

    /// Takes a master key tuple away (Linux: `TCP_AO_DEL_KEY`). Connections under it keep it.
    ///
    /// # Errors
    /// No such key.
    pub fn remove_ao_key(
        &mut self,
        peer: Prefix,
        send_id: u8,
        recv_id: u8,
    ) -> Result<(), KeyError> {
        let is_it =
            |key: &MasterKey| (key.peer, key.send_id, key.recv_id) == (peer, send_id, recv_id);
        let at = self.ao.iter().position(is_it).ok_or(KeyError::Unknown)?;
        self.ao.remove(at);
        Ok(())
    }

    const fn has_room(&self) -> Result<(), KeyError> {
        if self.md5.len() + self.ao.len() < MAX_KEYS {
            Ok(())
        } else {
            Err(KeyError::TooMany)
        }
    }

    /// The MD5 key for a peer.
    pub(super) fn md5_for(&self, peer: IpAddr) -> Option<&Secret> {
        let matching = self.md5.iter().filter(|(known, _)| known.contains(peer));
        matching
            .max_by_key(|(known, _)| known.len)
            .map(|(_, key)| key)
    }

    /// The TCP-AO keys for a peer.
    pub(super) fn ao_for(&self, peer: IpAddr) -> impl Iterator<Item = &MasterKey> {
        self.ao.iter().filter(move |key| key.peer.contains(peer))
    }
}

const fn check_prefix(prefix: &Prefix) -> Result<(), KeyError> {
    let width = if prefix.addr.is_ipv6() { 128 } else { 32 };
    if prefix.len <= width {
        Ok(())
    } else {
        Err(KeyError::BadPrefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> Prefix {
        Prefix {
            addr: text.parse().unwrap(),
            len,
        }
    }

    fn key(peer: Prefix, send_id: u8, recv_id: u8) -> MasterKey {
        MasterKey {
            peer,
            send_id,
            recv_id,
            algorithm: AoAlgorithm::HmacSha1,
            secret: Secret::new(b"k").unwrap(),
            covers_options: true,
        }
    }

    #[test]
    fn prefix_contains_what_shares_its_bits_and_its_family() {
        let net = prefix("10.1.2.0", 24);
        assert!(net.contains("10.1.2.255".parse().unwrap()));
        assert!(!net.contains("10.1.3.0".parse().unwrap()));
        assert!(prefix("0.0.0.0", 0).contains("255.1.1.1".parse().unwrap()));
        assert!(!prefix("0.0.0.0", 0).contains("::1".parse().unwrap()));
        assert!(prefix("::", 0).contains("fd00::1".parse().unwrap()));
        assert!(prefix("fd00::2", 127).contains("fd00::3".parse().unwrap()));
        assert!(!prefix("fd00::2", 128).contains("fd00::3".parse().unwrap()));
    }

    #[test]
    fn longest_prefix_has_the_md5_key() {
        let mut ring = Keyring::new();
        let (wide, narrow) = (
            Secret::new(b"wide").unwrap(),
            Secret::new(b"narrow").unwrap(),
        );
        ring.set_md5sig(prefix("10.0.0.1", 32), Some(narrow.clone()))
            .unwrap();
        ring.set_md5sig(prefix("10.0.0.0", 8), Some(wide.clone()))
            .unwrap();
        assert_eq!(ring.md5_for("10.0.0.1".parse().unwrap()), Some(&narrow));
        assert_eq!(ring.md5_for("10.9.9.9".parse().unwrap()), Some(&wide));
        assert_eq!(ring.md5_for("11.0.0.1".parse().unwrap()), None);
        ring.set_md5sig(prefix("10.0.0.1", 32), None).unwrap();
        assert_eq!(ring.md5_for("10.0.0.1".parse().unwrap()), Some(&wide));
        assert_eq!(
            ring.set_md5sig(prefix("10.0.0.1", 32), None),
            Err(KeyError::Unknown)
        );
    }

    // RFC 5925 3.1: the ids of tuples must not overlap where their connection identifiers do.
    #[test]
    fn ids_are_unique_where_prefixes_overlap_and_kinds_exclude_each_other() {
        let mut ring = Keyring::new();
        ring.add_ao_key(key(prefix("10.0.0.0", 8), 1, 2)).unwrap();
        let same_send = key(prefix("10.0.0.1", 32), 1, 3);
        assert_eq!(ring.add_ao_key(same_send), Err(KeyError::DuplicateId));
        let same_recv = key(prefix("0.0.0.0", 0), 3, 2);
        assert_eq!(ring.add_ao_key(same_recv), Err(KeyError::DuplicateId));
        ring.add_ao_key(key(prefix("11.0.0.0", 8), 1, 2)).unwrap();
        let md5 = Secret::new(b"md5").unwrap();
        let clash = ring.set_md5sig(prefix("10.5.0.0", 16), Some(md5.clone()));
        assert_eq!(clash, Err(KeyError::OtherKind));
        ring.set_md5sig(prefix("12.0.0.0", 8), Some(md5)).unwrap();
        let other = key(prefix("12.1.1.1", 32), 7, 7);
        assert_eq!(ring.add_ao_key(other), Err(KeyError::OtherKind));
    }

    #[test]
    fn secrets_are_neither_empty_nor_long_nor_printed() {
        assert_eq!(Secret::new(b""), Err(KeyError::BadLength));
        assert_eq!(Secret::new(&[1; 81]), Err(KeyError::BadLength));
        let secret = Secret::new(b"hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(7 octets)");
        assert_eq!(
            Keyring::new().add_ao_key(key(prefix("10.0.0.1", 33), 1, 1)),
            Err(KeyError::BadPrefix)
        );
    }
}
