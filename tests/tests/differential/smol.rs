//! smoltcp as a host, and as a node of a wire.

use core::net::IpAddr;
use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::Instant;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::player::{Got, Host};
use crate::script::{Role, Script, Seen};
use crate::wire::{Node, Pair};

/// Bytes of its buffers where the script does not say.
const BUFFER: usize = 65_535;

#[derive(Default)]
struct Phy {
    rx: VecDeque<Bytes>,
    tx: Vec<Bytes>,
}

struct Rx(Bytes);
struct Tx<'a>(&'a mut Vec<Bytes>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet.into());
        result
    }
}

impl Device for Phy {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.rx.pop_front()?), Tx(&mut self.tx)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.tx))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = 1500;
        caps
    }
}

struct Line {
    socket: SocketHandle,
    connects: bool,
    opened: bool,
}

pub(crate) struct Smol {
    iface: Interface,
    phy: Phy,
    sockets: SocketSet<'static>,
    lines: Vec<Option<Line>>,
}

fn time(at: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(at.as_micros()).unwrap())
}

impl Smol {
    pub(crate) fn new(addresses: [IpAddr; 2]) -> Self {
        let mut phy = Phy::default();
        let config = Config::new(HardwareAddress::Ip);
        let mut iface = Interface::new(config, &mut phy, time(Instant::ZERO));
        iface.update_ip_addrs(|addrs| {
            for address in addresses {
                let prefix = if address.is_ipv4() { 24 } else { 64 };
                addrs.push(IpCidr::new(address.into(), prefix)).unwrap();
            }
        });
        Self {
            iface,
            phy,
            sockets: SocketSet::new(vec![]),
            lines: Vec::new(),
        }
    }

    fn socket(&mut self, line: usize) -> &mut tcp::Socket<'static> {
        let handle = self.lines[line].as_ref().expect("the script has it").socket;
        self.sockets.get_mut(handle)
    }
}

impl Host for Smol {
    fn opened(&mut self, line: usize) -> Option<Result<(), Seen>> {
        let state = self.socket(line).state();
        let place = self.lines[line].as_mut()?;
        match state {
            tcp::State::Listen | tcp::State::SynSent | tcp::State::SynReceived => None,
            tcp::State::Closed if place.connects && !place.opened => Some(Err(Seen::Refused)),
            _ => {
                place.opened = true;
                Some(Ok(()))
            }
        }
    }

    fn read(&mut self, line: usize, into: &mut Vec<u8>) -> Got {
        let socket = self.socket(line);
        let mut piece = [0; 4096];
        match socket.recv_slice(&mut piece) {
            Ok(0) => Got::Nothing,
            Ok(len) => {
                into.extend_from_slice(&piece[..len]);
                Got::Bytes
            }
            Err(tcp::RecvError::Finished) => Got::End(Seen::Finished),
            Err(tcp::RecvError::InvalidState) => Got::End(Seen::Reset),
        }
    }

    fn write(&mut self, line: usize, bytes: &[u8]) -> Result<usize, Seen> {
        self.socket(line).send_slice(bytes).map_err(|_| Seen::Reset)
    }

    fn finish(&mut self, line: usize) {
        self.socket(line).close();
    }

    fn abort(&mut self, line: usize) {
        self.socket(line).abort();
    }

    fn close(&mut self, line: usize) {
        self.socket(line).close();
    }
}

impl Node for Smol {
    fn begin(&mut self, script: &Script, role: Role, pair: &Pair) {
        let window = script.window.map_or(BUFFER, |window| window as usize);
        for number in 0..script.lines.len() {
            let port = pair.port(number);
            let rx = tcp::SocketBuffer::new(vec![0; window]);
            let tx = tcp::SocketBuffer::new(vec![0; BUFFER]);
            let mut socket = tcp::Socket::new(rx, tx);
            match role {
                Role::Listener if script.served => {
                    socket.listen((pair.listener, port)).unwrap();
                }
                Role::Listener => {}
                Role::Opener => {
                    let cx = self.iface.context();
                    let remote = (pair.listener, port);
                    socket.connect(cx, remote, port + 1_000).unwrap();
                }
            }
            let socket = self.sockets.add(socket);
            self.lines.push(Some(Line {
                socket,
                connects: role == Role::Opener,
                opened: false,
            }));
        }
    }

    fn host(&mut self) -> &mut dyn Host {
        self
    }

    fn handle_packet(&mut self, _now: Instant, bytes: Bytes) {
        self.phy.rx.push_back(bytes);
    }

    fn flush(&mut self, now: Instant) -> Vec<Bytes> {
        self.iface.poll(time(now), &mut self.phy, &mut self.sockets);
        core::mem::take(&mut self.phy.tx)
    }

    fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = self.iface.poll_at(time(now), &self.sockets)?;
        Some(Instant::from_micros(
            u64::try_from(at.total_micros()).unwrap(),
        ))
    }
}
