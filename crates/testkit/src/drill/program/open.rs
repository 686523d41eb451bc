//! Opening: socket, bind, listen, accept, connect.
//!
//! Job: the calls that make connections. Owns: nothing. Does not know: what is sent over them.
//! Sources: POSIX.1-2024; RFC 9293 3.9.1.1 (OPEN).

use core::net::{IpAddr, SocketAddr};

use outcrop_stack::ConnectError;
use outcrop_stack::tcp::{self, Listen, ListenError, State};
use outcrop_tcp::auth::{Keyring, Prefix, Secret};

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::super::numbers::PORT;
use super::super::report::Stop;
use super::names::{member, text};
use super::{Called, Gave, Kind, Program, Socket, errno_of, has_flag, number};

impl Program {
    pub(super) fn socket(&self, call: &Call) -> Called {
        let words: Vec<String> = call.args.iter().map(text).collect();
        let kind = words.get(1).map_or("", String::as_str);
        let nonblock = kind.contains("SOCK_NONBLOCK");
        let kind = if kind.contains("SOCK_STREAM") {
            Kind::Idle
        } else if kind.contains("SOCK_DGRAM") {
            Kind::Datagram(None)
        } else {
            return Err(Stop::skip(format!("no sockets of type {kind:?}")));
        };
        let protocol = words.get(2).map_or("", String::as_str);
        if !matches!(
            protocol,
            "IPPROTO_TCP" | "IPPROTO_UDP" | "0" | "IPPROTO_IP" | "..." | ""
        ) {
            return Err(Stop::skip(format!("no sockets of protocol {protocol}")));
        }
        Ok(Gave::Descriptor(Box::new(Socket::new(
            kind,
            self.system.start(),
            nonblock,
        ))))
    }

    pub(super) fn bind(&mut self, host: &mut Host, call: &Call) -> Called {
        let local = address(call.args.get(1), host.local);
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        if socket.bound.is_some() || matches!(socket.kind, Kind::Stream(_) | Kind::Listener(_)) {
            return Ok(Gave::Error("EINVAL"));
        }
        if let Kind::Datagram(id) = &mut socket.kind {
            match host.core.udp_bind(local) {
                Ok(bound) => *id = Some(bound),
                Err(_) => return Ok(Gave::Error("EADDRINUSE")),
            }
        }
        socket.bound = Some(local);
        Ok(Gave::Value(0))
    }

    pub(super) fn listen(&mut self, host: &mut Host, call: &Call) -> Called {
        let backlog = call.args.get(1).and_then(number).unwrap_or(0);
        let local = SocketAddr::new(host.local, PORT);
        let secret = self.secret();
        let (allowed, syn_cookies) = (self.system.fast_open(), self.system.syn_cookies());
        let syn_with_fin = self.system.syn_with_fin();
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let backlog = usize::try_from(backlog).unwrap_or(0);
        let asked = socket.noted.get("TCP_FASTOPEN");
        let asked = asked.map(|queue| usize::try_from(*queue).unwrap_or(0));
        let queue = asked.or_else(|| allowed.every_listener.then_some(backlog.max(1)));
        match socket.kind {
            Kind::Idle => {}
            Kind::Listener(_) => return Ok(Gave::Value(0)),
            Kind::Stream(_) => return Ok(Gave::Error("EINVAL")),
            Kind::Datagram(_) | Kind::Epoll(_) => return Ok(Gave::Error("EOPNOTSUPP")),
            Kind::File | Kind::PipeIn(_) | Kind::PipeOut(_) => return Ok(Gave::Error("ENOTSOCK")),
        }
        let listen = Listen {
            // One more than the number given, as everywhere since 4.2BSD.
            accept_backlog: backlog.saturating_add(1),
            settings: Some(socket.settings),
            syn_cookies,
            fast_open: queue.filter(|_| allowed.server).unwrap_or(0),
            defer_accept: socket.noted.get("TCP_DEFER_ACCEPT").and_then(|seconds| {
                let seconds = u64::try_from(*seconds).ok().filter(|seconds| *seconds > 0);
                seconds.map(core::time::Duration::from_secs)
            }),
            syn_with_fin,
            ..Listen::default()
        };
        Ok(
            match host.core.tcp_listen(socket.bound.unwrap_or(local), listen) {
                Ok(id) => {
                    socket.kind = Kind::Listener(id);
                    if let Some(secret) = secret {
                        let _set =
                            host.core
                                .tcp_set_md5sig(id, everybody(host.remote), Some(secret));
                    }
                    Gave::Value(0)
                }
                Err(ListenError::AddressInUse) => Gave::Error("EADDRINUSE"),
                Err(_) => Gave::Error("EINVAL"),
            },
        )
    }

    pub(super) fn accept(&mut self, host: &mut Host, call: &Call) -> Called {
        let nonblock = has_flag(call, "SOCK_NONBLOCK");
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let id = match &socket.kind {
            Kind::Listener(id) => *id,
            Kind::Idle | Kind::Stream(_) => return Ok(Gave::Error("EINVAL")),
            Kind::Datagram(_) | Kind::Epoll(_) => return Ok(Gave::Error("EOPNOTSUPP")),
            Kind::File | Kind::PipeIn(_) | Kind::PipeOut(_) => return Ok(Gave::Error("ENOTSOCK")),
        };
        let Some(stream) = host.core.tcp_accept(id) else {
            socket.edges &= !super::ready::IN;
            return Ok(Gave::Block("EAGAIN"));
        };
        let mut accepted = Socket::new(Kind::Stream(stream), socket.settings, nonblock);
        accepted.linger = socket.linger;
        accepted.noted = socket.noted.clone();
        (accepted.wait_read, accepted.wait_write) = (socket.wait_read, socket.wait_write);
        Ok(Gave::Descriptor(Box::new(accepted)))
    }

    pub(super) fn connect(&mut self, host: &mut Host, call: &Call) -> Called {
        let remote = address(call.args.get(1), host.remote);
        let apart = call
            .args
            .get(1)
            .and_then(|value| member(value, "sa_family"));
        let apart = apart.is_some_and(|family| text(family) == "AF_UNSPEC");
        let (waiting, icmp, secret) = (self.progress.is_some(), self.icmp, self.secret());
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        match socket.kind {
            Kind::Idle => {
                let settings = Some(socket.settings);
                match host.core.tcp_connect(socket.bound, remote, settings) {
                    Ok(id) => {
                        if let Some(secret) = secret {
                            let mut keys = Keyring::default();
                            let _set = keys.set_md5sig(everybody(host.remote), Some(secret));
                            let _set = host.core.tcp_set_keys(id, keys);
                        }
                        socket.kind = Kind::Stream(id);
                        let holds = host.core.tcp_holds_syn(id);
                        socket.connecting = !holds;
                        self.subject = Some(id);
                        Ok(if holds {
                            Gave::Value(0)
                        } else {
                            Gave::Block("EINPROGRESS")
                        })
                    }
                    Err(error) => Ok(Gave::Error(connect_errno(error))),
                }
            }
            Kind::Stream(id) if apart => {
                let _gone = host.core.tcp_abort(id);
                let _let_go = host.core.tcp_close(id);
                socket.kind = Kind::Idle;
                Ok(Gave::Value(0))
            }
            Kind::Stream(id) => {
                let state = host
                    .core
                    .tcp_info(id)
                    .map_or(State::Closed, |info| info.state);
                if matches!(state, State::SynSent | State::SynReceived) {
                    let block = Gave::Block("EINPROGRESS");
                    return Ok(if waiting {
                        block
                    } else {
                        Gave::Error("EALREADY")
                    });
                }
                let reason = host.core.tcp_close_reason(id);
                let error = reason.and_then(|reason| errno_of(reason, icmp));
                let error = error.filter(|_| !socket.told);
                if let Some(error) = error {
                    (socket.told, socket.error) = (true, None);
                    return Ok(Gave::Error(error));
                }
                let first = core::mem::take(&mut socket.connecting);
                Ok(if first {
                    Gave::Value(0)
                } else {
                    Gave::Error("EISCONN")
                })
            }
            Kind::Datagram(id) => {
                let local = socket.bound.unwrap_or_else(|| unspecified(host.local));
                let id = match id {
                    Some(id) => id,
                    None => match host.core.udp_bind(local) {
                        Ok(id) => id,
                        Err(_) => return Ok(Gave::Error("EADDRINUSE")),
                    },
                };
                socket.kind = Kind::Datagram(Some(id));
                let connected = host.core.udp_connect(id, remote);
                Ok(connected.map_or(Gave::Error("EADDRNOTAVAIL"), |()| Gave::Value(0)))
            }
            Kind::Listener(_) | Kind::Epoll(_) => Ok(Gave::Error("EISCONN")),
            Kind::File | Kind::PipeIn(_) | Kind::PipeOut(_) => Ok(Gave::Error("ENOTSOCK")),
        }
    }
}

impl Program {
    fn secret(&self) -> Option<Secret> {
        Secret::new(self.key.as_deref()?).ok()
    }
}

/// Every peer of this family.
const fn everybody(like: IpAddr) -> Prefix {
    Prefix { addr: like, len: 0 }
}

const fn connect_errno(error: ConnectError) -> super::Errno {
    match error {
        ConnectError::Tcp(tcp::ConnectError::AlreadyExists | tcp::ConnectError::NoPortFree) => {
            "EADDRNOTAVAIL"
        }
        ConnectError::NoRoute | ConnectError::Tcp(_) | _ => "ENETUNREACH",
    }
}

const fn unspecified(like: IpAddr) -> SocketAddr {
    match like {
        IpAddr::V4(_) => SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0),
        IpAddr::V6(_) => SocketAddr::new(IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED), 0),
    }
}

/// An address argument; what the script leaves open is the address under test and its port.
fn address(value: Option<&Value>, usual: IpAddr) -> SocketAddr {
    let port = value.and_then(|value| {
        member(value, "sin_port")
            .or_else(|| member(value, "sin6_port"))
            .and_then(number)
    });
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(PORT);
    let named = value.and_then(|value| {
        let addr = member(value, "sin_addr").or_else(|| member(value, "sin6_addr"))?;
        named_address(addr)
    });
    let addr = named.filter(|addr| addr.is_ipv4() == usual.is_ipv4());
    SocketAddr::new(addr.unwrap_or(usual), port)
}

/// `inet_addr("..")` and `inet_pton(AF, "..")`.
fn named_address(value: &Value) -> Option<IpAddr> {
    let Value::Call(_, args) = value else {
        return None;
    };
    args.iter().find_map(|arg| text(arg).parse().ok())
}
