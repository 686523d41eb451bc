//! Opening by the first words.
//!
//! Job: `sendto` with `MSG_FASTOPEN`, and the first write after a `connect` that kept its SYN back. Owns: nothing.
//! Does not know: cookies; the engine says whether it has one.
//! Sources: RFC 7413 4.2.1, A (the calls as Linux and FreeBSD have them).

use bytes::Bytes;
use outcrop_base::ChunkQueue;
use outcrop_stack::StreamId;

use super::super::ast::Call;
use super::super::host::Host;
use super::super::report::{Dialect, Stop};
use super::super::wire::{self, Inside};
use super::{Called, Gave, Kind, Program, failed, has_flag};

impl Program {
    /// A write that may have to open the connection first.
    pub(super) fn send_or_open(&mut self, host: &mut Host, call: &Call) -> Called {
        let opens = has_flag(call, "MSG_FASTOPEN");
        let (allowed, dialect) = (self.system.fast_open().client, self.dialect);
        let (retried, nonblock) = (
            self.progress.is_some_and(|done| done > 0),
            self.never_waits(call),
        );
        let nonblock = nonblock || has_flag(call, "MSG_DONTWAIT");
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let implied =
            dialect == Dialect::FreeBsd && call.name == "sendto" && socket.settings.fast_open;
        let id = match socket.kind {
            Kind::Idle if opens || implied => {
                if !allowed {
                    return Ok(Gave::Error("EOPNOTSUPP"));
                }
                socket.settings.fast_open = true;
                socket.settings.hold_syn = true;
                match self.connect(host, call)? {
                    Gave::Value(_) => {}
                    // No cookie yet: the SYN asks for one, and the words come after the handshake.
                    Gave::Block(errno) if nonblock => return Ok(Gave::Error(errno)),
                    Gave::Block(errno) => return Ok(Gave::Block(errno)),
                    other @ (Gave::Descriptor(_) | Gave::Error(_)) => return Ok(other),
                }
                self.entry(call).ok().and_then(|socket| socket.stream())
            }
            Kind::Stream(id) if opens && !retried && !host.core.tcp_holds_syn(id) => {
                return self.opened_before(host, call, id);
            }
            Kind::Stream(id) => Some(id),
            Kind::Idle
            | Kind::Listener(_)
            | Kind::Datagram(_)
            | Kind::Epoll(_)
            | Kind::File
            | Kind::PipeIn(_)
            | Kind::PipeOut(_) => None,
        };
        match id.filter(|id| host.core.tcp_holds_syn(*id)) {
            Some(id) => self.first_words(host, call, id, nonblock),
            None => self.send(host, call),
        }
    }

    /// `MSG_FASTOPEN` on a socket that is not fresh.
    fn opened_before(&mut self, host: &mut Host, call: &Call, id: StreamId) -> Called {
        use outcrop_stack::tcp::State;
        let state = host
            .core
            .tcp_info(id)
            .map_or(State::Closed, |info| info.state);
        let waits = self.progress.is_some();
        match state {
            State::SynSent | State::SynReceived if waits => Ok(Gave::Block("EINPROGRESS")),
            State::SynSent | State::SynReceived => Ok(Gave::Error("EALREADY")),
            State::Closed
            | State::Listen
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                if let Ok(socket) = self.entry(call)
                    && let Some(errno) = socket.take_error()
                {
                    return Ok(Gave::Error(errno));
                }
                if waits {
                    return self.send(host, call);
                }
                Ok(Gave::Error("EISCONN"))
            }
        }
    }

    /// With a cookie: what fits goes into the SYN, and that much is the result if the call may not wait.
    fn first_words(
        &mut self,
        host: &mut Host,
        call: &Call,
        id: StreamId,
        nonblock: bool,
    ) -> Called {
        let wanted =
            super::transfer::length(call).ok_or_else(|| failed(call, "how many bytes?"))?;
        let all = Bytes::from(vec![0; usize::try_from(wanted).unwrap_or(0)]);
        let fits = in_syn(host, id, &all);
        let len = if nonblock {
            fits.min(all.len())
        } else {
            all.len()
        };
        let mut data = ChunkQueue::new();
        data.push(all.slice(..len));
        let taken = host.core.tcp_write(id, &mut data);
        if let Ok(socket) = self.entry(call) {
            socket.connecting = true;
        }
        let taken = taken.map_err(|error| Stop::skip(format!("an early write: {error}")))?;
        let taken = i64::try_from(taken).unwrap_or(i64::MAX);
        self.progress = Some(taken);
        Ok(if nonblock || taken == wanted {
            Gave::Value(taken)
        } else {
            Gave::Block("EAGAIN")
        })
    }
}

/// How much of `all` the SYN would carry: tried on a copy of the host.
fn in_syn(host: &Host, id: StreamId, all: &Bytes) -> usize {
    let mut copy = host.core.clone();
    let mut data = ChunkQueue::new();
    data.push(all.clone());
    let _taken = copy.tcp_write(id, &mut data);
    let (now, mut most) = (host.now, 0);
    while copy.poll_transmit(now, &mut |packet| {
        let bytes: Vec<u8> = packet
            .bytes
            .iter()
            .flat_map(|piece| piece.to_vec())
            .collect();
        if let Inside::Tcp(segment) = wire::dissect(now, &bytes).inside
            && segment.flags.syn
        {
            most = segment.len;
        }
    }) {}
    most
}
