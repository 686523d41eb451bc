//! A sender of echo requests as programs hold it.
//!
//! Job: ask a host for an echo and wait for it. Owns: the identifier its requests carry.
//! Does not know: how often to ask. Source: RFC 792, RFC 4443 4.

use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;
use core::time::Duration;
use std::io;

use bytes::Bytes;
use outcrop_stack::ip::{EchoReply, Quoted};
use outcrop_stack::{Echo, Interest, PingId, Shard};

use crate::{error, timeout};

/// Sends ICMP echo requests with an identifier of its own.
#[derive(Debug)]
pub struct Ping {
    shard: Shard,
    id: PingId,
}

impl Ping {
    /// A new sender.
    ///
    /// # Errors
    /// `AddrNotAvailable` if every identifier is taken.
    pub fn new(shard: &Shard) -> io::Result<Self> {
        let id = shard
            .call(outcrop_stack::Core::ping_open)
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self {
            shard: shard.clone(),
            id,
        })
    }

    /// Sends a request with this sequence number and data, and waits at most `limit` for its answer.
    /// Answers to earlier requests are passed over. Returns the answer and how long it took.
    ///
    /// # Errors
    /// `TimedOut`, `NetworkUnreachable` without a route, `HostUnreachable` or `ConnectionRefused` if
    /// an ICMP error came instead, `InvalidInput` for too much data.
    pub async fn ping(
        &mut self,
        remote: IpAddr,
        seq: u16,
        data: Bytes,
        limit: Duration,
    ) -> io::Result<(EchoReply, Duration)> {
        let sent = self.shard.now();
        self.shard
            .call(|core| core.ping_send(self.id, remote, seq, &data))
            .map_err(error::ping)?;
        let answer = timeout(&self.shard, limit, self.answer(seq)).await??;
        Ok((answer, answer.at - sent))
    }

    async fn answer(&self, seq: u16) -> io::Result<EchoReply> {
        loop {
            let echo = poll_fn(|cx| {
                self.shard.poll(Interest::Echo(self.id), cx, |core| {
                    match core.ping_recv(self.id) {
                        Some(echo) => Poll::Ready(echo),
                        None => Poll::Pending,
                    }
                })
            })
            .await;
            match echo {
                Echo::Reply(reply) if reply.seq == seq => return Ok(reply),
                Echo::Error(quote) if matches!(quote.inner, Quoted::Echo { seq: s, .. } if s == seq) =>
                {
                    return Err(error::quoted(&quote));
                }
                // To a request that was given up before.
                Echo::Reply(_) | Echo::Error(_) => {}
            }
        }
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        self.shard.call(|core| core.ping_close(self.id));
    }
}
