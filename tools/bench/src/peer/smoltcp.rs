//! smoltcp as a server, with a device as good as ours.
//!
//! Job: answer on the same ports as everybody. Owns: its sockets, as many as there will be connections and half as many
//! again. Does not know: HTTP beyond the end of a head. Nagle and delayed acknowledgment are off, and a socket listens
//! again as soon as its connection has ended: no TIME-WAIT is kept, which is in its favour.

use std::io::IoSlice;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Instant as Clock;

use outcrop_device::{Format, Tun};
use rustix::io::Errno;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};

use super::{CLOSE, DISCARD, HEADER, KERNEL, LARGE, MOST, PEER, SEND, answer, requests, wait};
use crate::Outcome;

/// Bytes of a socket's buffers for small answers, and for bulk.
const SMALL_BUFFER: usize = 16 << 10;
const BULK_BUFFER: usize = 1 << 20;
/// Bytes that end a head.
const END: usize = 4;
/// Sockets beyond one and a half a connection.
const SPARE: usize = 8;

/// Serves for ever.
pub(super) fn run(tun: &Tun, format: Format, mtu: usize, asked: (u16, usize)) -> Outcome<()> {
    let mut phy = Phy::new(tun.as_fd(), format, mtu);
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = 1;
    let mut interface = Interface::new(config, &mut phy, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // A list of at least one place.
        let _full = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(PEER, 24)));
    });
    interface
        .routes_mut()
        .add_default_ipv4_route(KERNEL)
        .map_err(|error| format!("smoltcp: {error:?}"))?;
    let mut sockets = SocketSet::new(Vec::new());
    let mut servers = Vec::new();
    let (port, connections) = asked;
    let buffer = match port {
        LARGE | SEND | DISCARD => BULK_BUFFER,
        _ => SMALL_BUFFER,
    };
    for _ in 0..connections + connections / 2 + SPARE {
        servers.push(Server::new(&mut sockets, port, buffer)?);
    }
    let begun = Clock::now();
    loop {
        let now = Instant::from_micros(i64::try_from(begun.elapsed().as_micros())?);
        let changed = interface.poll(now, &mut phy, &mut sockets);
        if changed == smoltcp::iface::PollResult::SocketStateChanged {
            for server in &mut servers {
                server.turn(sockets.get_mut(server.handle))?;
            }
            continue;
        }
        let delay = interface.poll_delay(now, &sockets);
        wait(tun.as_fd(), delay.map(Into::into))?;
    }
}

/// One socket and what it does.
struct Server {
    handle: SocketHandle,
    port: u16,
    answer: Vec<u8>,
    /// Bytes of the answer, or answers, still to be written.
    left: usize,
    heads: Heads,
}

/// Ends of heads in a stream that comes by slices: where the ring of a socket begins again, one may be cut.
#[derive(Debug, Default)]
struct Heads {
    /// What came last, as much as may be a part of an end.
    tail: Vec<u8>,
}

impl Heads {
    /// How many end in `bytes`.
    fn count(&mut self, bytes: &[u8]) -> u32 {
        let first = bytes.get(..END - 1).unwrap_or(bytes);
        self.tail.extend_from_slice(first);
        // Of either side alone there is less than an end.
        let cut = requests(&self.tail);
        if bytes.len() >= END {
            self.tail.clear();
            let last = bytes.len() - (END - 1);
            self.tail
                .extend_from_slice(bytes.get(last..).unwrap_or_default());
        } else {
            let more = self.tail.len().saturating_sub(END - 1);
            self.tail.drain(..more);
        }
        cut + requests(bytes)
    }
}

impl Server {
    fn new(sockets: &mut SocketSet<'_>, port: u16, buffer: usize) -> Outcome<Self> {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        listen(&mut socket, port)?;
        Ok(Self {
            handle: sockets.add(socket),
            port,
            answer: match port {
                LARGE => answer(1 << 20, false),
                SEND => vec![b'x'; 64 << 10],
                _ => answer(100, port == CLOSE),
            },
            left: 0,
            heads: Heads::default(),
        })
    }

    fn turn(&mut self, socket: &mut tcp::Socket<'_>) -> Outcome<()> {
        if !socket.is_open() {
            self.left = 0;
            self.heads = Heads::default();
            return listen(socket, self.port);
        }
        while socket.can_recv() {
            let (port, heads) = (self.port, &mut self.heads);
            let asked = socket
                .recv(|bytes| {
                    let asked = if port == DISCARD {
                        0
                    } else {
                        heads.count(bytes)
                    };
                    (bytes.len(), asked)
                })
                .map_err(|error| format!("smoltcp: {error:?}"))?;
            self.left = if port == SEND {
                usize::MAX
            } else {
                self.left + asked as usize * self.answer.len()
            };
        }
        let writing = self.left > 0;
        while self.left > 0 && socket.can_send() {
            // All answers are alike, so the place in the stream is known from what is left of it.
            let start = (self.answer.len() - self.left % self.answer.len()) % self.answer.len();
            let most = self.answer.get(start..).unwrap_or_default();
            let piece = most.get(..most.len().min(self.left)).unwrap_or_default();
            let written = socket
                .send_slice(piece)
                .map_err(|error| format!("smoltcp: {error:?}"))?;
            self.left -= written;
            if written == 0 {
                break;
            }
        }
        let done = self.port == CLOSE && writing && self.left == 0;
        if done || (socket.may_send() && !socket.may_recv()) {
            socket.close();
        }
        Ok(())
    }
}

fn listen(socket: &mut tcp::Socket<'_>, port: u16) -> Outcome<()> {
    socket.abort();
    socket
        .listen(port)
        .map_err(|error| format!("smoltcp: {error:?}").into())
}

/// The TUN: one buffer to read into, one to write from.
struct Phy<'a> {
    tun: BorrowedFd<'a>,
    header: usize,
    mtu: usize,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl<'a> Phy<'a> {
    fn new(tun: BorrowedFd<'a>, format: Format, mtu: usize) -> Self {
        Self {
            tun,
            header: if format == Format::Offload { HEADER } else { 0 },
            mtu,
            incoming: vec![0; MOST],
            outgoing: vec![0; MOST],
        }
    }
}

/// What was read.
struct Rx<'a>(&'a [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for what is to be written.
struct Tx<'a> {
    tun: BorrowedFd<'a>,
    header: usize,
    buffer: &'a mut [u8],
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut header = [0; HEADER];
        if self.header > 0 {
            // The kernel completes the checksum: TCP begins at 20, its field is at 16.
            let ([start0, start1], [at0, at1]) = (20u16.to_ne_bytes(), 16u16.to_ne_bytes());
            header = [1, 0, 0, 0, 0, 0, start0, start1, at0, at1];
        }
        let packet = self.buffer.get_mut(..length).unwrap_or_default();
        let result = f(packet);
        let head = header.get(..self.header).unwrap_or_default();
        // As on a wire: what cannot be sent is lost.
        let _sent = rustix::io::writev(self.tun, &[IoSlice::new(head), IoSlice::new(packet)]);
        result
    }
}

impl Device for Phy<'_> {
    type RxToken<'b>
        = Rx<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Tx<'b>
    where
        Self: 'b;

    fn receive(&mut self, _now: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let length = loop {
            match rustix::io::read(self.tun, &mut self.incoming[..]) {
                Ok(length) => break length,
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        };
        let packet = self.incoming.get(self.header..length)?;
        Some((
            Rx(packet),
            Tx {
                tun: self.tun,
                header: self.header,
                buffer: &mut self.outgoing,
            },
        ))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Tx<'_>> {
        Some(Tx {
            tun: self.tun,
            header: self.header,
            buffer: &mut self.outgoing,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu;
        if self.header > 0 {
            caps.checksum.tcp = Checksum::None;
        }
        caps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_heads_are_counted_wherever_the_stream_is_cut() {
        let stream = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut heads = Heads::default();
                let slices = [&stream[..first], &stream[first..second], &stream[second..]];
                let counted: u32 = slices.iter().map(|slice| heads.count(slice)).sum();
                assert_eq!(counted, 2, "cut at {first} and {second}");
            }
        }
    }
}
