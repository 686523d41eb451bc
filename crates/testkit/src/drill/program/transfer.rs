//! Reading and writing.
//!
//! Job: the calls that move bytes, and what can be asked about bytes not yet moved. Owns: nothing.
//! Does not know: segments. What is written is zeros; what is read is only counted.
//! Sources: POSIX.1-2024; RFC 9293 3.9.1.2 and 3.9.1.3 (SEND, RECEIVE).

use bytes::Bytes;
use outcrop_base::ChunkQueue;
use outcrop_stack::StreamId;
use outcrop_stack::tcp::{ReadError, State, WriteError};

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::super::report::{Dialect, Stop};
use super::names::{member, text};
use super::{Called, Errno, Gave, Kind, Program, Socket, errno_of, failed, has_flag, number};

/// How many bytes a call is about.
pub(super) fn length(call: &Call) -> Option<i64> {
    if matches!(call.name.as_str(), "read" | "recv" | "recvfrom")
        && matches!(call.args.get(2), Some(Value::Any))
    {
        // As large as it needs to be.
        return number(&call.result).map(|len| len.max(1));
    }
    match call.name.as_str() {
        "readv" | "writev" => vectors(call.args.get(1)?),
        "recvmsg" | "sendmsg" => vectors(member(call.args.get(1)?, "msg_iov")?),
        _ => call.args.get(2).and_then(number),
    }
}

/// `[{..., 10}, {..., 20}]`
fn vectors(value: &Value) -> Option<i64> {
    let Value::List(vectors) = value else {
        return None;
    };
    let len = |vector: &Value| {
        let Value::Struct(members) = vector else {
            return None;
        };
        members.last().and_then(|(_, value)| number(value))
    };
    vectors.iter().map(len).sum()
}

fn is_null(call: &Call) -> bool {
    matches!(call.args.get(1), Some(Value::Symbol(name)) if name == "NULL")
}

impl Program {
    pub(super) fn receive(&mut self, host: &mut Host, call: &Call) -> Called {
        if has_flag(call, "MSG_ERRQUEUE") {
            return self.receive_error(call);
        }
        if has_flag(call, "MSG_OOB") {
            return self.receive_urgent(host, call, has_flag(call, "MSG_PEEK"));
        }
        let wanted = length(call).ok_or_else(|| failed(call, "how many bytes?"))?;
        let (peek, all) = (has_flag(call, "MSG_PEEK"), has_flag(call, "MSG_WAITALL"));
        let icmp = self.icmp;
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let id = match &mut socket.kind {
            Kind::Stream(id) => *id,
            Kind::Datagram(Some(id)) => {
                return Ok(match host.core.udp_recv(*id) {
                    Ok(Some(datagram)) => Gave::Value(count(datagram.data.len()).min(wanted)),
                    Ok(None) => Gave::Block("EAGAIN"),
                    Err(_) => Gave::Error("EBADF"),
                });
            }
            Kind::Idle | Kind::Listener(_) | Kind::Datagram(None) => {
                return Ok(Gave::Error("ENOTCONN"));
            }
            Kind::Epoll(_) => return Ok(Gave::Error("EINVAL")),
            Kind::File => return Ok(Gave::Value(wanted)),
            Kind::PipeIn(_) | Kind::PipeOut(_) => {
                return Err(Stop::skip("reading a pipe is not there"));
            }
        };
        if is_null(call) && wanted > 0 {
            return Ok(Gave::Error("EFAULT"));
        }
        let wanted = usize::try_from(wanted).unwrap_or(0);
        // The urgent byte may have to be passed over.
        if socket.before_mark(host, id) == Some(0) {
            let _held = socket.fill(host, id, wanted.saturating_add(1), icmp);
        }
        let wanted = socket.up_to_mark(host, id, wanted);
        let (ready, end) = socket.fill(host, id, wanted, icmp);
        let least = socket.noted.get("SO_RCVLOWAT").copied().unwrap_or(1);
        let least = usize::try_from(least).unwrap_or(1).min(wanted);
        if (all && ready < wanted || ready > 0 && ready < least) && !end {
            return Ok(Gave::Block("EAGAIN"));
        }
        if ready > 0 || wanted == 0 {
            if !peek {
                let _read = socket.unread.split_to(ready);
            }
            if ready > 0 {
                self.check_messages(host, call)?;
            }
            return Ok(Gave::Value(count(ready)));
        }
        if let Some(errno) = socket.take_error() {
            return Ok(Gave::Error(errno));
        }
        let over = end || socket.shut_read;
        Ok(if over {
            Gave::Value(0)
        } else {
            Gave::Block("EAGAIN")
        })
    }

    pub(super) fn send(&mut self, host: &mut Host, call: &Call) -> Called {
        let wanted = length(call).ok_or_else(|| failed(call, "how many bytes?"))?;
        let more = has_flag(call, "MSG_MORE");
        let (done, dialect) = (self.progress.unwrap_or(0), self.dialect);
        let remote = core::net::SocketAddr::new(host.remote, super::super::numbers::PORT);
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let id = match socket.kind {
            Kind::Stream(id) => id,
            Kind::Datagram(id) => return Ok(send_datagram(host, id, remote, wanted)),
            Kind::File | Kind::PipeIn(_) | Kind::PipeOut(_) => {
                return Err(Stop::skip("writing to files and pipes is not there"));
            }
            Kind::Idle | Kind::Listener(_) | Kind::Epoll(_) => {
                let errno = if dialect == Dialect::FreeBsd {
                    "ENOTCONN"
                } else {
                    "EPIPE"
                };
                return Ok(Gave::Error(errno));
            }
        };
        if let Some(errno) = socket.take_error() {
            return Ok(Gave::Error(errno));
        }
        if is_null(call) && wanted > 0 {
            return Ok(Gave::Error("EFAULT"));
        }
        let state = host
            .core
            .tcp_info(id)
            .map_or(State::Closed, |info| info.state);
        // Opened early by a peer that spoke in its SYN, it may be answered in SYN-RECEIVED.
        let opening = state == State::SynReceived && socket.connecting;
        if state == State::SynSent || opening {
            return Ok(Gave::Block("EAGAIN"));
        }
        socket.hold_back(host, id, more);
        let mut data = ChunkQueue::new();
        let left = usize::try_from(wanted - done).unwrap_or(0);
        data.push(Bytes::from(vec![0; left]));
        let written = if has_flag(call, "MSG_OOB") {
            host.core.tcp_write_urgent(id, &mut data)
        } else if has_flag(call, "MSG_EOR") {
            host.core.tcp_write_record(id, &mut data)
        } else {
            host.core.tcp_write(id, &mut data)
        };
        let taken = match written {
            Ok(taken) => count(taken),
            Err(WriteError::Shutdown | WriteError::Closed(_)) => return Ok(Gave::Error("EPIPE")),
            Err(error) => return Err(failed(call, error.to_string())),
        };
        if !more && socket.more {
            socket.hold_back(host, id, false);
        }
        let nonblock = socket.nonblock || has_flag(call, "MSG_DONTWAIT");
        let over = done + taken == wanted || (nonblock && taken > 0);
        let zero_copy = socket.noted.get("SO_ZEROCOPY").is_some_and(|on| *on != 0);
        if over && zero_copy && has_flag(call, "MSG_ZEROCOPY") {
            let info = host.core.tcp_info(id);
            let end = info.map_or(0, |info| info.snd_una + info.send_queued);
            socket.notices.on_sent(end);
        }
        self.progress = Some(done + taken);
        Ok(if over {
            Gave::Value(done + taken)
        } else {
            Gave::Block("EAGAIN")
        })
    }

    pub(super) fn ioctl(&mut self, host: &Host, call: &Call) -> Called {
        let request = call.args.get(1).map(text).unwrap_or_default();
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let Some(info) = socket.stream().and_then(|id| host.core.tcp_info(id)) else {
            return Ok(Gave::Error("EINVAL"));
        };
        let actual = match request.as_str() {
            "SIOCINQ" | "FIONREAD" => {
                let all = info.receive_queued + socket.unread.len() as u64;
                let id = socket.stream();
                let mark = id.and_then(|id| socket.before_mark(host, id));
                mark.filter(|before| *before > 0)
                    .map_or(all, |before| all.min(before))
            }
            "SIOCATMARK" => {
                let id = socket.stream();
                u64::from(id.and_then(|id| socket.before_mark(host, id)) == Some(0))
            }
            "SIOCOUTQ" | "TIOCOUTQ" => info.send_queued,
            "SIOCOUTQNSD" => info
                .send_queued
                .saturating_sub(info.snd_nxt.saturating_sub(info.snd_una)),
            other => return Err(Stop::skip(format!("ioctl {other} is not there"))),
        };
        let expected = call.args.get(2).and_then(number);
        let actual = i64::try_from(actual).unwrap_or(i64::MAX);
        match expected {
            Some(expected) if expected != actual => Err(failed(
                call,
                format!("{request} gives {actual}, expected {expected}"),
            )),
            Some(_) | None => Ok(Gave::Value(0)),
        }
    }
}

impl Socket {
    /// Takes from the stack what a read of `wanted` bytes needs; returns how many of them there are,
    /// and whether no more will come.
    fn fill(&mut self, host: &mut Host, id: StreamId, wanted: usize, icmp: Errno) -> (usize, bool) {
        let mut end = false;
        while self.unread.len() < wanted && !end {
            match host.core.tcp_read(id) {
                Ok(Some(bytes)) => {
                    let joined = [self.unread.as_ref(), bytes.as_ref()].concat();
                    self.unread = Bytes::from(joined);
                }
                Ok(None) | Err(ReadError::Stale) => end = true,
                Err(ReadError::Closed(reason)) => {
                    if !self.told {
                        self.error = errno_of(reason, icmp);
                    }
                    end = true;
                }
                Err(_) => break,
            }
        }
        (self.unread.len().min(wanted), end)
    }

    /// The error of the connection, once.
    pub(super) fn take_error(&mut self) -> Option<Errno> {
        let error = self.error.take();
        self.told |= error.is_some();
        error
    }

    /// `MSG_MORE` is a cork for as long as calls carry it.
    fn hold_back(&mut self, host: &mut Host, id: StreamId, more: bool) {
        if more || self.more {
            let cork = more || self.settings.cork;
            let _done = host
                .core
                .tcp_configure(id, |settings| settings.cork = cork || more);
        }
        self.more = more;
    }
}

fn send_datagram(
    host: &mut Host,
    id: Option<outcrop_stack::UdpId>,
    remote: core::net::SocketAddr,
    wanted: i64,
) -> Gave {
    let Some(id) = id else {
        return Gave::Error("EDESTADDRREQ");
    };
    let data = Bytes::from(vec![0; usize::try_from(wanted).unwrap_or(0)]);
    let to = host.core.udp_remote_addr(id).is_none().then_some(remote);
    let options = outcrop_stack::udp::SendOptions::default();
    match host.core.udp_send(id, to, data, &options) {
        Ok(()) => Gave::Value(wanted),
        Err(_) => Gave::Error("EMSGSIZE"),
    }
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
