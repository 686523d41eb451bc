//! A raw socket as programs hold it.
//!
//! Job: packets of one IP protocol, payloads built and read by the program. Owns: the handle.
//! Does not know: what they say. Source: RFC 3542 3 (checksums of ICMPv6 cover the source, so that can be asked for).

use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;
use std::io;

use bytes::Bytes;
use outcrop_stack::ip::{RawPacket, Unresolved};
use outcrop_stack::{Interest, RawId, RawOptions, Shard};

/// Sends and hears packets of one protocol.
#[derive(Debug)]
pub struct RawSocket {
    shard: Shard,
    id: RawId,
}

impl RawSocket {
    /// Hears every whole packet of `protocol` that arrives for the host from now on.
    ///
    /// # Errors
    /// `AddrNotAvailable` if there are 65,536 already.
    pub fn open(shard: &Shard, protocol: u8) -> io::Result<Self> {
        let id = shard.call(|core| core.raw_open(protocol));
        Ok(Self {
            shard: shard.clone(),
            id: id.ok_or(io::ErrorKind::AddrNotAvailable)?,
        })
    }

    /// The address from which the host speaks to `dst`.
    #[must_use]
    pub fn source_for(&self, dst: IpAddr) -> Option<IpAddr> {
        self.shard.call(|core| core.ip().source_for(dst))
    }

    /// Sends one packet; checksums in `payload` are the caller's.
    ///
    /// # Errors
    /// `NetworkUnreachable` without a route, `InvalidInput` for too much data, `WouldBlock` while too many packets
    /// wait for the device.
    pub fn send_to(&self, dst: IpAddr, payload: &Bytes, options: &RawOptions) -> io::Result<()> {
        let sent = self
            .shard
            .call(|core| core.raw_send(self.id, dst, payload, options));
        sent.map_err(|why| {
            let kind = match why {
                Unresolved::NoRoute => io::ErrorKind::NetworkUnreachable,
                Unresolved::QueueFull => io::ErrorKind::WouldBlock,
                Unresolved::TooBig { .. } | Unresolved::TooLong | Unresolved::MixedFamilies => {
                    io::ErrorKind::InvalidInput
                }
            };
            io::Error::new(kind, why)
        })
    }

    /// The next packet.
    pub async fn recv(&self) -> RawPacket {
        poll_fn(|cx| {
            let interest = Interest::Raw(self.id);
            let taken = |core: &mut outcrop_stack::Core| core.raw_recv(self.id);
            self.shard.poll(interest, cx, |core| {
                taken(core).map_or(Poll::Pending, Poll::Ready)
            })
        })
        .await
    }
}

impl Drop for RawSocket {
    fn drop(&mut self) {
        self.shard.call(|core| core.raw_close(self.id));
    }
}
