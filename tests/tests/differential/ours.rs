//! Our stack as a host, and as a node of a wire.

use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, InterfaceId, Seed};
use outcrop_device::RxOffload;
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::{self, CloseReason, Listen, ReadError, WriteError};
use outcrop_stack::{Config, Core, ListenerId, PacketIn, StreamId};

use crate::player::{Got, Host};
use crate::script::{Role, Script, Seen};
use crate::wire::{Node, Pair};

const IFACE: InterfaceId = InterfaceId(0);

#[derive(Debug, Default)]
struct Line {
    listener: Option<ListenerId>,
    stream: Option<StreamId>,
    connects: bool,
}

pub(crate) struct Ours {
    core: Core,
    lines: Vec<Line>,
}

impl Ours {
    pub(crate) fn new(addresses: [IpAddr; 2], seed: u64) -> Self {
        let mut core = Core::new(Config::default(), &Seed::from_number(seed));
        let prefix = |addr: IpAddr| if addr.is_ipv4() { 24 } else { 64 };
        let cidrs = addresses.map(|addr| Cidr::new(addr, prefix(addr)).unwrap());
        let interface = InterfaceConfig::tun(IFACE, 1500, cidrs.to_vec());
        core.add_interface(interface).unwrap();
        Self {
            core,
            lines: Vec::new(),
        }
    }

    fn settings(script: &Script) -> tcp::Settings {
        let mut settings = tcp::Settings::default();
        if let Some(window) = script.window {
            settings.receive_buffer = window;
            settings.receive_buffer_max = None;
        }
        settings
    }

    fn stream(&self, line: usize) -> StreamId {
        self.lines[line].stream.expect("the line is open")
    }
}

fn seen(reason: CloseReason) -> Seen {
    match reason {
        CloseReason::Finished => Seen::Finished,
        CloseReason::Reset => Seen::Reset,
        CloseReason::Refused => Seen::Refused,
        CloseReason::TimedOut | CloseReason::Unreachable | CloseReason::Aborted => Seen::Lost,
    }
}

impl Host for Ours {
    fn opened(&mut self, line: usize) -> Option<Result<(), Seen>> {
        let place = &mut self.lines[line];
        if let Some(listener) = place.listener {
            place.stream = place.stream.or_else(|| self.core.tcp_accept(listener));
        }
        let stream = place.stream?;
        if let Some(reason) = self.core.tcp_close_reason(stream) {
            // A connection that was open before it was reset is one that was open.
            let failed = place.connects && reason == CloseReason::Refused;
            return Some(if failed { Err(seen(reason)) } else { Ok(()) });
        }
        let state = self.core.tcp_info(stream)?.state;
        (!matches!(state, tcp::State::SynSent | tcp::State::SynReceived)).then_some(Ok(()))
    }

    fn read(&mut self, line: usize, into: &mut Vec<u8>) -> Got {
        let stream = self.stream(line);
        match self.core.tcp_read(stream) {
            Ok(Some(bytes)) => {
                into.extend_from_slice(&bytes);
                Got::Bytes
            }
            Ok(None) => Got::End(Seen::Finished),
            Err(ReadError::WouldBlock) => Got::Nothing,
            Err(ReadError::Closed(reason)) => Got::End(seen(reason)),
            Err(other) => panic!("read: {other}"),
        }
    }

    fn write(&mut self, line: usize, bytes: &[u8]) -> Result<usize, Seen> {
        let stream = self.stream(line);
        let mut data = ChunkQueue::new();
        data.push_slice(bytes);
        match self.core.tcp_write(stream, &mut data) {
            Ok(taken) => Ok(taken),
            Err(WriteError::Closed(reason)) => Err(seen(reason)),
            Err(other) => panic!("write: {other}"),
        }
    }

    fn finish(&mut self, line: usize) {
        let stream = self.stream(line);
        self.core.tcp_shutdown(stream).unwrap();
    }

    fn abort(&mut self, line: usize) {
        let stream = self.stream(line);
        self.core.tcp_abort(stream).unwrap();
    }

    fn close(&mut self, line: usize) {
        if let Some(stream) = self.lines[line].stream.take() {
            self.core.tcp_close(stream).unwrap();
        }
        if let Some(listener) = self.lines[line].listener.take() {
            self.core.tcp_unlisten(listener).unwrap();
        }
    }
}

impl Node for Ours {
    fn begin(&mut self, script: &Script, role: Role, pair: &Pair) {
        let settings = Self::settings(script);
        self.lines.clear();
        for number in 0..script.lines.len() {
            let port = pair.port(number);
            let mut line = Line::default();
            match role {
                Role::Listener if script.served => {
                    let listen = Listen {
                        settings: Some(settings),
                        ..Listen::default()
                    };
                    let local = SocketAddr::new(pair.listener, port);
                    line.listener = Some(self.core.tcp_listen(local, listen).unwrap());
                }
                Role::Listener => {}
                Role::Opener => {
                    let remote = SocketAddr::new(pair.listener, port);
                    let opened = self.core.tcp_connect(None, remote, Some(settings));
                    line.stream = Some(opened.unwrap());
                    line.connects = true;
                }
            }
            self.lines.push(line);
        }
    }

    fn host(&mut self) -> &mut dyn Host {
        self
    }

    fn handle_packet(&mut self, now: Instant, bytes: Bytes) {
        let packet = PacketIn {
            at: now,
            id: self.core.next_packet_id(),
            iface: IFACE,
            bytes,
            offload: RxOffload::default(),
        };
        let _verdict = self.core.handle_packet(packet);
        self.core.check();
    }

    fn flush(&mut self, now: Instant) -> Vec<Bytes> {
        self.core.handle_timeout(now);
        while self.core.poll_event().is_some() {}
        let mut packets = Vec::new();
        while self.core.poll_transmit(now, &mut |packet| {
            let bytes = packet.bytes.iter().flat_map(|piece| piece.iter().copied());
            packets.push(bytes.collect());
        }) {}
        self.core.check();
        packets
    }

    fn next(&mut self, _now: Instant) -> Option<Instant> {
        self.core.poll_timeout()
    }
}
