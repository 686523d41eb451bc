//! The algorithms of TCP-AO.
//!
//! Job: a traffic key from a master key and a connection, a MAC from a traffic key and a segment.
//! Owns: nothing. Does not know: which key applies, extensions of sequence numbers.
//! Sources: RFC 5925 5.1, 5.2 (what goes in), RFC 5926 3.1, 3.2 (how).

use core::net::SocketAddr;

use aes::Aes128;
use cmac::{Cmac, KeyInit as _, Mac as _};
use hmac::Hmac;
use sha1::Sha1;

use super::covered::{Covered, Options};
use super::keys::{AoAlgorithm, MasterKey, Secret};
use super::octets;
use crate::seq::SeqNum;

/// Octets of a MAC: both are cut to 96 bits.
pub(super) const MAC_LEN: usize = 12;
/// The label of both derivation functions (RFC 5926 3.1.1).
const LABEL: &[u8] = b"TCP-AO";

/// Who sends to whom, and where both began: what makes a traffic key this connection's (RFC 5925 5.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) src_isn: SeqNum,
    /// Zero while it is not known: in a SYN without ACK.
    pub(super) dst_isn: SeqNum,
}

/// A traffic key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrafficKey {
    Sha1([u8; 20]),
    Aes([u8; 16]),
}

#[cfg(test)]
impl TrafficKey {
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::Sha1(key) => key,
            Self::Aes(key) => key,
        }
    }
}

/// The traffic key of one direction.
pub(super) fn derive(key: &MasterKey, context: &Context) -> TrafficKey {
    match key.algorithm {
        AoAlgorithm::HmacSha1 => {
            let mut mac = hmac_sha1(key.secret.octets());
            feed(context, 160, |octets| mac.update(octets));
            TrafficKey::Sha1(mac.finalize().into_bytes().into())
        }
        AoAlgorithm::AesCmac => {
            let mut mac = aes_cmac(&sixteen(&key.secret));
            feed(context, 128, |octets| mac.update(octets));
            TrafficKey::Aes(mac.finalize().into_bytes().into())
        }
    }
}

/// The one iteration of either function: counter, label, context, bits of output.
fn feed(context: &Context, bits: u16, mut visit: impl FnMut(&[u8])) {
    visit(&[1]);
    visit(LABEL);
    octets(context.src.ip(), &mut visit);
    octets(context.dst.ip(), &mut visit);
    visit(&context.src.port().to_be_bytes());
    visit(&context.dst.port().to_be_bytes());
    visit(&context.src_isn.value().to_be_bytes());
    visit(&context.dst_isn.value().to_be_bytes());
    visit(&bits.to_be_bytes());
}

/// An AES key of any master key (RFC 5926 3.1.1.2): itself, if it has 16 octets, else its CMAC under zero.
fn sixteen(secret: &Secret) -> [u8; 16] {
    secret.octets().try_into().unwrap_or_else(|_| {
        let mut mac = aes_cmac(&[0; 16]);
        mac.update(secret.octets());
        mac.finalize().into_bytes().into()
    })
}

/// The MAC of a segment: extension, pseudo-header, header, payload.
pub(super) fn mac(
    key: &TrafficKey,
    sne: u32,
    covers_options: bool,
    covered: &Covered<'_>,
) -> [u8; MAC_LEN] {
    let options = if covers_options {
        Options::All
    } else {
        Options::AoOnly
    };
    match key {
        TrafficKey::Sha1(key) => {
            let mut mac = hmac_sha1(key);
            mac.update(&sne.to_be_bytes());
            covered.feed(options, &mut |octets| mac.update(octets));
            first(&mac.finalize().into_bytes())
        }
        TrafficKey::Aes(key) => {
            let mut mac = aes_cmac(key);
            mac.update(&sne.to_be_bytes());
            covered.feed(options, &mut |octets| mac.update(octets));
            first(&mac.finalize().into_bytes())
        }
    }
}

fn first(whole: &[u8]) -> [u8; MAC_LEN] {
    whole.first_chunk().copied().unwrap_or_default()
}

/// HMAC takes keys of any length: the other arm is never taken.
fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

fn aes_cmac(key: &[u8; 16]) -> Cmac<Aes128> {
    Cmac::new(&(*key).into())
}
