//! Is an address free?
//!
//! Job: duplicate address detection, one small machine an address: wait a little, ask, wait, take it.
//! Owns: its times and nonces. Does not know: how a question is sent.
//! Sources: RFC 4862 5.4 (the procedure), RFC 7527 4.2 (a question that comes back to us proves nothing).

use core::hash::{Hash, Hasher};
use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::{Instant, InterfaceId, Random};

use crate::wire::nd::NONCE_LEN;

/// RFC 4861 10: the first question waits so long at most, so that hosts switched on together do not ask together.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// RFC 4862 5.1: questions.
const TRANSMITS: u8 = 1;
/// RFC 4861 10: time for an answer.
const RETRANSMIT: Duration = Duration::from_secs(1);

/// One address in question.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) iface: InterfaceId,
    pub(crate) addr: Ipv6Addr,
    nonce: [u8; NONCE_LEN],
    sent: u8,
    next: Instant,
}

/// What a check wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ask(InterfaceId, Ipv6Addr, [u8; NONCE_LEN]),
    Free(InterfaceId, Ipv6Addr),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        iface: InterfaceId,
        addr: Ipv6Addr,
        random: &mut Random,
    ) {
        let [nonce @ .., _, _] = random.next_u64().to_be_bytes();
        let check = Check {
            iface,
            addr,
            nonce,
            sent: 0,
            next: now + MAX_DELAY.mul_f64(random.unit()),
        };
        self.forget(iface, addr);
        self.0.push(check);
    }

    pub(crate) fn forget(&mut self, iface: InterfaceId, addr: Ipv6Addr) {
        self.0
            .retain(|check| (check.iface, check.addr) != (iface, addr));
    }

    /// Whether `nonce` is that of our own question for `addr`: the link sent it back.
    pub(crate) fn is_ours(
        &self,
        iface: InterfaceId,
        addr: Ipv6Addr,
        nonce: Option<[u8; NONCE_LEN]>,
    ) -> bool {
        let mut all = self.0.iter();
        all.any(|check| (check.iface, check.addr, Some(check.nonce)) == (iface, addr, nonce))
    }

    pub(crate) fn due(&mut self, now: Instant) -> Option<Outcome> {
        let at = self.0.iter().position(|check| check.next <= now)?;
        let check = self.0.get_mut(at)?;
        let (iface, addr) = (check.iface, check.addr);
        if check.sent < TRANSMITS {
            check.sent += 1;
            check.next = now + RETRANSMIT;
            return Some(Outcome::Ask(iface, addr, check.nonce));
        }
        self.0.remove(at);
        Some(Outcome::Free(iface, addr))
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|check| check.next).min()
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for Check {
            iface,
            addr,
            nonce,
            sent,
            next,
        } in &self.0
        {
            (iface, addr, nonce, sent, next.saturating_since(now)).hash(&mut into);
        }
    }
}
