//! The program of a script.
//!
//! Job: make the calls a script lists, over the stack, with the results a system's sockets would give.
//! Owns: descriptors and what hangs on them. Does not know: packets, the time calls are due.
//! Sources: POSIX.1-2024 (the calls and their errors), RFC 9293 3.9.1 (what they mean to TCP).

mod early;
mod files;
mod messages;
mod names;
mod notices;
mod open;
mod options;
mod ready;
mod transfer;
mod urgent;

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use outcrop_base::Flow;
use outcrop_stack::tcp::{CloseReason, Info, Settings, State};
use outcrop_stack::{Event, ListenerId, StreamId, UdpId};

use super::ast::{Call, Value};
use super::code::Figures;
use super::host::Host;
use super::report::{Dialect, Failure, Stop};
use super::shell::System;

pub(super) use names::number;
pub(super) use options::algorithm;

/// An error as a script names it.
pub(super) type Errno = &'static str;

/// What a call gave.
#[derive(Debug)]
pub(super) enum Gave {
    Value(i64),
    /// A new descriptor: its number is the script's to choose.
    Descriptor(Box<Socket>),
    Error(Errno),
    /// It would wait; a socket that must not wait gives this error instead.
    Block(Errno),
}

pub(super) type Called = Result<Gave, Stop>;

/// What a descriptor is.
#[derive(Debug)]
enum Kind {
    /// A TCP socket that is nothing yet.
    Idle,
    Listener(ListenerId),
    Stream(StreamId),
    /// A UDP socket, bound or not.
    Datagram(Option<UdpId>),
    Epoll(Vec<ready::Watch>),
    /// Zeros without end.
    File,
    /// The end of a pipe that is read, and how much there is.
    PipeOut(i64),
    /// The end that is written; the other one.
    PipeIn(i64),
}

/// A descriptor and what hangs on it.
#[derive(Debug)]
pub(super) struct Socket {
    kind: Kind,
    bound: Option<core::net::SocketAddr>,
    nonblock: bool,
    settings: Settings,
    linger: Option<u64>,
    /// How the connection failed, until the program has been told.
    error: Option<Errno>,
    /// Whether it was taken from `error` before.
    told: bool,
    connecting: bool,
    /// The peer had finished before the last packet came.
    peer_finished: bool,
    shut_read: bool,
    /// `MSG_MORE` holds back what a call wrote.
    more: bool,
    /// What was taken from the stack and not yet asked for.
    unread: Bytes,
    /// Edges since an epoll reported last.
    edges: i64,
    /// Options that only have to be remembered.
    noted: BTreeMap<String, i64>,
    /// `SO_RCVTIMEO` and `SO_SNDTIMEO`.
    wait_read: Option<Duration>,
    wait_write: Option<Duration>,
    notices: notices::Notices,
    mark: urgent::Mark,
}

impl Socket {
    fn new(kind: Kind, settings: Settings, nonblock: bool) -> Self {
        Self {
            kind,
            bound: None,
            nonblock,
            settings,
            linger: None,
            error: None,
            told: false,
            connecting: false,
            peer_finished: false,
            shut_read: false,
            more: false,
            unread: Bytes::new(),
            edges: 0,
            noted: BTreeMap::new(),
            wait_read: None,
            wait_write: None,
            notices: notices::Notices::default(),
            mark: urgent::Mark::default(),
        }
    }

    const fn stream(&self) -> Option<StreamId> {
        if let Kind::Stream(id) = self.kind {
            Some(id)
        } else {
            None
        }
    }
}

/// The program: its descriptors, by the numbers the script gives them.
pub(super) struct Program {
    sockets: BTreeMap<i64, Socket>,
    dialect: Dialect,
    /// What new sockets start with.
    pub(super) system: System,
    /// The stream that assertions are about.
    pub(super) subject: Option<StreamId>,
    /// What the last ICMP error means to a call.
    pub(super) icmp: Errno,
    /// The key of MD5 signatures, the same for all.
    pub(super) key: Option<Vec<u8>>,
    /// How much of a waiting call is done, while it is tried again.
    progress: Option<i64>,
}

impl Program {
    pub(super) const fn new(dialect: Dialect, system: System) -> Self {
        Self {
            sockets: BTreeMap::new(),
            dialect,
            system,
            subject: None,
            icmp: "EHOSTUNREACH",
            key: None,
            progress: None,
        }
    }

    /// Makes a call, or tries one again that has been waiting since.
    pub(super) fn call(&mut self, host: &mut Host, call: &Call, again: &mut Option<i64>) -> Called {
        self.progress = *again;
        let gave = self.dispatch(host, call);
        host.flush();
        self.hear(host);
        *again = self.progress.or(Some(0));
        if let Ok(Gave::Block(errno)) = gave
            && call.name != "close"
            && (self.never_waits(call) || has_flag(call, "MSG_DONTWAIT"))
        {
            return Ok(Gave::Error(errno));
        }
        gave
    }

    fn never_waits(&self, call: &Call) -> bool {
        let fd = call.args.first().and_then(number);
        fd.and_then(|fd| self.sockets.get(&fd))
            .is_some_and(|socket| socket.nonblock)
    }

    fn dispatch(&mut self, host: &mut Host, call: &Call) -> Called {
        match call.name.as_str() {
            "socket" => self.socket(call),
            "bind" => self.bind(host, call),
            "listen" => self.listen(host, call),
            "accept" | "accept4" => self.accept(host, call),
            "connect" => self.connect(host, call),
            "read" | "recv" | "recvfrom" | "recvmsg" | "readv" => self.receive(host, call),
            "write" | "send" | "sendto" | "sendmsg" | "writev" => self.send_or_open(host, call),
            "open" | "openat" => Ok(self.open()),
            "pipe" => self.pipe(call),
            "sendfile" => self.sendfile(host, call),
            "splice" => self.splice(host, call),
            "close" => self.close(host, call),
            "shutdown" => self.shutdown(host, call),
            "fcntl" => self.fcntl(call),
            "ioctl" => self.ioctl(host, call),
            "setsockopt" => self.setsockopt(host, call),
            "getsockopt" => self.getsockopt(host, call),
            "poll" => self.poll(host, call),
            "epoll_create" | "epoll_create1" => Ok(Gave::Descriptor(Box::new(Socket::new(
                Kind::Epoll(Vec::new()),
                self.system.start(),
                false,
            )))),
            "epoll_ctl" => self.epoll_ctl(call),
            "epoll_wait" => self.epoll_wait(host, call),
            other => Err(Stop::skip(format!("the call {other} is not there"))),
        }
    }

    /// Gives a new descriptor its number.
    pub(super) fn adopt(&mut self, fd: i64, mut socket: Socket) {
        let asked = socket.noted.contains_key("SO_OOBINLINE");
        socket.mark.unknown = self.dialect == Dialect::Ours && !asked;
        if let Some(stream) = socket.stream() {
            self.subject = Some(stream);
        }
        self.sockets.insert(fd, socket);
    }

    /// A packet is about to arrive: what it meets decides how its effect is told.
    pub(super) fn before_packet(&mut self, host: &Host) {
        for socket in self.sockets.values_mut() {
            let info = socket.stream().and_then(|id| host.core.tcp_info(id));
            socket.peer_finished = info.is_some_and(|info| info.state == State::CloseWait);
        }
    }

    /// Listens to the stack's news.
    pub(super) fn hear(&mut self, host: &mut Host) {
        self.look(host);
        for event in core::mem::take(&mut host.news) {
            let (id, reason) = match event {
                Event::Closed(id, reason) => (id, Some(reason)),
                Event::Readable(id)
                | Event::Writable(id)
                | Event::Connected(id)
                | Event::Urgent(id)
                | Event::Doubtful(id) => (id, None),
                Event::Acceptable(id) => {
                    let listeners = self.sockets.values_mut();
                    for socket in
                        listeners.filter(|s| matches!(s.kind, Kind::Listener(l) if l == id))
                    {
                        socket.edges |= ready::IN;
                    }
                    continue;
                }
                Event::Datagram(_) | Event::DatagramRoom(_) | Event::Echo(_) | Event::Raw(_) => {
                    continue;
                }
            };
            let (icmp, dialect) = (self.icmp, self.dialect);
            let streams = self.sockets.values_mut();
            for socket in streams.filter(|socket| socket.stream() == Some(id)) {
                socket.edges |= ready::edge_of(event);
                if let Some(reason) = reason.filter(|_| !socket.told) {
                    // Linux tells a reset after the end from one before it.
                    let after_end = socket.peer_finished && dialect == Dialect::Linux;
                    socket.error = if after_end && reason == CloseReason::Reset {
                        Some("EPIPE")
                    } else {
                        errno_of(reason, icmp)
                    };
                }
            }
        }
    }

    /// What a program that waits for it would find.
    fn look(&mut self, host: &Host) {
        for socket in self.sockets.values_mut() {
            socket.settle_notices(host);
            if let Some(id) = socket.stream() {
                socket.look_for_mark(host, id);
            }
        }
    }

    /// The sockets as `sockstat` lists them; `flows` may have more: handshakes nobody accepted, tuples at rest.
    pub(super) fn table(&self, host: &Host, flows: &[Flow]) -> Vec<String> {
        let family = if host.local.is_ipv4() { 4 } else { 6 };
        let line = |who: &str, local: String, remote: String, state: State| {
            let state = match state {
                State::SynReceived => "SYN_RCVD".to_owned(),
                other => other.name().replace('-', "_"),
            };
            format!("{who} tcp{family} {local} {remote} {state}")
        };
        let mut lines = Vec::new();
        let mut seen = Vec::new();
        for (fd, socket) in &self.sockets {
            let who = format!("root test 1 {fd}");
            if let Kind::Listener(id) = socket.kind {
                let local = host.core.tcp_listener_addr(id);
                let local = local.map_or_else(String::new, |addr| addr.to_string());
                lines.push(line(&who, local, "*:*".to_owned(), State::Listen));
            }
            if let Some(info) = socket.stream().and_then(|id| host.core.tcp_info(id)) {
                let flow = info.flow;
                seen.push(flow);
                lines.push(line(
                    &who,
                    flow.local.to_string(),
                    flow.remote.to_string(),
                    info.state,
                ));
            }
        }
        for flow in flows.iter().filter(|flow| !seen.contains(flow)) {
            let state = host.core.tcp().state_of(flow);
            if !matches!(state, State::Closed | State::Listen) {
                lines.push(line(
                    "? ? ? ?",
                    flow.local.to_string(),
                    flow.remote.to_string(),
                    state,
                ));
            }
        }
        lines
    }

    /// What the stack knows of the stream that assertions are about.
    pub(super) fn info(&self, host: &Host) -> Option<Info> {
        host.core.tcp_info(self.subject?)
    }

    /// The same, with what explains it.
    pub(super) fn figures(&self, host: &Host) -> Option<Figures> {
        let id = self.subject?;
        Some(Figures {
            info: host.core.tcp_info(id)?,
            why: host.core.tcp_explain(host.now, id),
            now: host.now,
            mtu: self.system.mtu(),
        })
    }

    /// How long a call waits before it gives up by itself.
    pub(super) fn patience(&self, call: &Call) -> Option<Duration> {
        let millis = |at: usize| {
            let wait = call.args.get(at).and_then(number)?;
            u64::try_from(wait).ok().map(Duration::from_millis)
        };
        let fd = call.args.first().and_then(number);
        let socket = fd.and_then(|fd| self.sockets.get(&fd));
        match call.name.as_str() {
            "close" => socket?.linger.map(Duration::from_secs),
            "poll" => millis(2),
            "epoll_wait" => millis(3),
            "read" | "recv" | "recvfrom" | "recvmsg" | "readv" | "accept" | "accept4" => {
                socket?.wait_read
            }
            "write" | "send" | "sendto" | "sendmsg" | "writev" | "connect" => socket?.wait_write,
            _ => None,
        }
    }

    fn entry(&mut self, call: &Call) -> Result<&mut Socket, Errno> {
        let fd = call.args.first().and_then(number).unwrap_or(-1);
        self.sockets.get_mut(&fd).ok_or("EBADF")
    }

    /// POSIX: with `SO_LINGER` the call waits until the peer has everything, the FIN included, or its time is up.
    fn lingers(&mut self, host: &mut Host, call: &Call) -> bool {
        let Ok(socket) = self.entry(call) else {
            return false;
        };
        let Some(id) = socket.stream().filter(|_| socket.linger > Some(0)) else {
            return false;
        };
        if !socket.unread.is_empty() {
            return false;
        }
        let _told = host.core.tcp_shutdown(id);
        host.flush();
        let state = host.core.tcp_info(id).map(|info| info.state);
        matches!(
            state,
            Some(State::FinWait1 | State::Closing | State::LastAck)
        )
    }

    /// A call gave up waiting.
    pub(super) fn give_up(&mut self, host: &mut Host, call: &Call, errno: Errno) -> Called {
        match call.name.as_str() {
            "poll" | "epoll_wait" => Ok(Gave::Value(0)),
            "close" => self.let_go(host, call),
            _ => Ok(Gave::Error(errno)),
        }
    }

    fn close(&mut self, host: &mut Host, call: &Call) -> Called {
        if self.lingers(host, call) {
            return Ok(Gave::Block("EAGAIN"));
        }
        self.let_go(host, call)
    }

    fn let_go(&mut self, host: &mut Host, call: &Call) -> Called {
        let fd = call.args.first().and_then(number).unwrap_or(-1);
        let Some(socket) = self.sockets.remove(&fd) else {
            return Ok(Gave::Error("EBADF"));
        };
        let done = match socket.kind {
            Kind::Listener(id) => host.core.tcp_unlisten(id),
            Kind::Stream(id) => {
                if socket.linger == Some(0) {
                    let _gone = host.core.tcp_abort(id);
                } else if !socket.unread.is_empty() {
                    // What this program took from the stack nobody has read.
                    let _gone = host.core.tcp_abort(id);
                }
                host.core.tcp_close(id)
            }
            Kind::Datagram(Some(id)) => {
                host.core.udp_close(id);
                Ok(())
            }
            Kind::Datagram(None)
            | Kind::Idle
            | Kind::Epoll(_)
            | Kind::File
            | Kind::PipeIn(_)
            | Kind::PipeOut(_) => Ok(()),
        };
        Ok(match done {
            Ok(()) => Gave::Value(0),
            Err(stale) => return Err(failed(call, format!("close: {stale}"))),
        })
    }

    fn shutdown(&mut self, host: &mut Host, call: &Call) -> Called {
        let how = call.args.get(1).and_then(number);
        let dialect = self.dialect;
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let Some(id) = socket.stream() else {
            return Ok(Gave::Error("ENOTCONN"));
        };
        let state = host
            .core
            .tcp_info(id)
            .map_or(State::Closed, |info| info.state);
        if matches!(state, State::Closed | State::TimeWait) {
            return Ok(Gave::Error("ENOTCONN"));
        }
        let (read, write) = match how {
            Some(0) => (true, false),
            Some(1) => (false, true),
            Some(2) => (true, true),
            _ => return Ok(Gave::Error("EINVAL")),
        };
        socket.shut_read |= read;
        if read && dialect == Dialect::Linux {
            socket.settings.deaf = true;
            let _ended = host.core.tcp_configure(id, |settings| settings.deaf = true);
        }
        if write {
            let _done = host.core.tcp_shutdown(id);
        }
        Ok(Gave::Value(0))
    }

    fn fcntl(&mut self, call: &Call) -> Called {
        const RDWR: i64 = 2;
        let bit = if self.dialect == Dialect::FreeBsd {
            4
        } else {
            0x800
        };
        let command = call.args.get(1).map(names::text).unwrap_or_default();
        let flags = call
            .args
            .get(2)
            .map(|value| (names::text(value), number(value)));
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        match (command.as_str(), flags) {
            ("F_GETFL", _) => Ok(Gave::Value(RDWR | if socket.nonblock { bit } else { 0 })),
            ("F_SETFL", Some((words, value))) => {
                let by_number = value.is_some_and(|value| value & bit != 0);
                socket.nonblock = words.contains("NONBLOCK") || by_number;
                Ok(Gave::Value(0))
            }
            _ => Err(Stop::skip(format!("fcntl {command} is not there"))),
        }
    }
}

/// How the end of a connection reads to a program.
const fn errno_of(reason: CloseReason, icmp: Errno) -> Option<Errno> {
    match reason {
        CloseReason::Finished | CloseReason::Aborted => None,
        CloseReason::Reset => Some("ECONNRESET"),
        CloseReason::Refused => Some("ECONNREFUSED"),
        CloseReason::TimedOut => Some("ETIMEDOUT"),
        CloseReason::Unreachable => Some(icmp),
    }
}

/// Whether one of the arguments names this flag.
fn has_flag(call: &Call, flag: &str) -> bool {
    call.args
        .iter()
        .any(|arg| matches!(arg, Value::Symbol(words) if words.split('|').any(|word| word == flag)))
}

fn failed(call: &Call, what: impl Into<String>) -> Stop {
    let what = what.into();
    Stop::Fail(Failure::new(0, format!("{}: {what}", call.name)))
}
