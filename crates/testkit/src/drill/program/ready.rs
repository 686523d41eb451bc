//! Readiness: poll and epoll.
//!
//! Job: say what a descriptor is ready for, by level or by edge. Owns: the watches of epoll sets.
//! Does not know: who waits, or for how long.
//! Sources: POSIX.1-2024 (poll), the epoll manual.

use outcrop_stack::Event;
use outcrop_stack::tcp::State;

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::names::member;
use super::{Called, Gave, Kind, Program, Socket, failed, number};

pub(super) const IN: i64 = 1;
const PRI: i64 = 2;
const OUT: i64 = 4;
pub(super) const ERR: i64 = 8;
const HUP: i64 = 0x10;
const RDNORM: i64 = 0x40;
const WRNORM: i64 = 0x100;
const RDHUP: i64 = 0x2000;
const ONESHOT: i64 = 1 << 30;
const EDGE: i64 = 1 << 31;

/// One descriptor of an epoll set.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    fd: i64,
    events: i64,
    data: i64,
    armed: bool,
    /// What was reported last, for edges.
    last: i64,
}

/// What an event of the stack makes of readiness.
pub(super) const fn edge_of(event: Event) -> i64 {
    match event {
        Event::Readable(_) => IN | RDNORM | RDHUP,
        Event::Writable(_) | Event::Connected(_) => OUT | WRNORM,
        Event::Closed(..) => IN | OUT | HUP | ERR | RDHUP,
        Event::Urgent(_) => PRI,
        Event::Doubtful(_) => 0,
        Event::Acceptable(_)
        | Event::Datagram(_)
        | Event::DatagramRoom(_)
        | Event::Echo(_)
        | Event::Raw(_) => IN,
    }
}

impl Socket {
    fn readiness(&self, host: &Host) -> i64 {
        let id = match &self.kind {
            Kind::Stream(id) => *id,
            Kind::Listener(_) => return self.edges & IN,
            Kind::Idle => return OUT | HUP,
            Kind::Datagram(_) => return OUT,
            Kind::Epoll(_) => return 0,
            Kind::File | Kind::PipeIn(_) | Kind::PipeOut(_) => return IN | OUT,
        };
        let Some(info) = host.core.tcp_info(id) else {
            return HUP;
        };
        if host.core.tcp_holds_syn(id) {
            return OUT | WRNORM;
        }
        let opening = info.state == State::SynReceived && self.connecting;
        if info.state == State::SynSent || opening {
            return 0;
        }
        let peer_done = matches!(
            info.state,
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait | State::Closed
        );
        let we_done = !matches!(info.state, State::Established | State::CloseWait);
        let over = info.state == State::Closed || (peer_done && we_done);
        let mut ready = 0;
        if info.receive_queued > 0 || !self.unread.is_empty() || peer_done || self.shut_read {
            ready |= IN | RDNORM;
        }
        if peer_done || self.shut_read {
            ready |= RDHUP;
        }
        let room = u64::from(self.settings.send_buffer).saturating_sub(info.send_queued);
        if over || we_done || room > u64::from(self.settings.send_buffer) / 3 {
            ready |= OUT | WRNORM;
        }
        if over {
            ready |= HUP;
        }
        if self.error.is_some() || !self.notices.is_empty() {
            ready |= ERR;
        }
        if self.has_urgent(host, id) {
            ready |= PRI;
        }
        ready
    }
}

impl Program {
    pub(super) fn poll(&self, host: &Host, call: &Call) -> Called {
        let Some(Value::List(fds)) = call.args.first() else {
            return Ok(Gave::Error("EFAULT"));
        };
        let part = |entry, name| member(entry, name).and_then(number).unwrap_or(0);
        let mut ready = 0;
        let mut wrong = None;
        for entry in fds {
            let wanted = part(entry, "events") | ERR | HUP;
            let socket = self.sockets.get(&part(entry, "fd"));
            let got = socket.map_or(0x20, |socket| socket.readiness(host) & wanted);
            ready += i64::from(got != 0);
            let expected = part(entry, "revents");
            if got != expected {
                wrong = Some(format!("revents is {got:#x}, expected {expected:#x}"));
            }
        }
        let waits = call.args.get(2).and_then(number) != Some(0);
        if ready == 0 && waits && self.progress.is_some() {
            return Ok(Gave::Block("EAGAIN"));
        }
        if ready == 0 && waits && call.result != Value::Number(0) {
            return Ok(Gave::Block("EAGAIN"));
        }
        wrong.map_or(Ok(Gave::Value(ready)), |what| Err(failed(call, what)))
    }

    pub(super) fn epoll_ctl(&mut self, call: &Call) -> Called {
        let fd = call.args.get(2).and_then(number).unwrap_or(-1);
        let part = |name| {
            call.args
                .get(3)
                .and_then(|set| member(set, name))
                .and_then(number)
        };
        let watch = Watch {
            fd,
            events: part("events").unwrap_or(0),
            data: part("fd")
                .or_else(|| part("u32"))
                .or_else(|| part("u64"))
                .unwrap_or(fd),
            armed: true,
            last: 0,
        };
        let operation = call.args.get(1).map(super::names::text).unwrap_or_default();
        let known = self.sockets.contains_key(&fd);
        let Ok(Socket {
            kind: Kind::Epoll(watches),
            ..
        }) = self.entry(call)
        else {
            return Ok(Gave::Error("EINVAL"));
        };
        let at = watches.iter().position(|watch| watch.fd == fd);
        Ok(match (operation.as_str(), at) {
            _ if !known => Gave::Error("EBADF"),
            ("EPOLL_CTL_ADD", Some(_)) => Gave::Error("EEXIST"),
            ("EPOLL_CTL_ADD", None) => {
                watches.push(watch);
                Gave::Value(0)
            }
            ("EPOLL_CTL_MOD", Some(at)) => {
                watches.splice(at..=at, [watch]);
                Gave::Value(0)
            }
            ("EPOLL_CTL_DEL", Some(at)) => {
                watches.remove(at);
                Gave::Value(0)
            }
            (_, None) => Gave::Error("ENOENT"),
            _ => Gave::Error("EINVAL"),
        })
    }

    pub(super) fn epoll_wait(&mut self, host: &Host, call: &Call) -> Called {
        let set = call.args.first().and_then(number).unwrap_or(-1);
        let Some(Kind::Epoll(watches)) = self.sockets.get(&set).map(|socket| &socket.kind) else {
            return Ok(Gave::Error("EBADF"));
        };
        let mut watches = watches.clone();
        let mut found = Vec::new();
        for watch in watches.iter_mut().filter(|watch| watch.armed) {
            let Some(socket) = self.sockets.get_mut(&watch.fd) else {
                continue;
            };
            let level = socket.readiness(host) & (watch.events | ERR | HUP);
            let fresh = level & (!watch.last | socket.edges);
            let got = if watch.events & EDGE != 0 && fresh == 0 {
                0
            } else {
                level
            };
            watch.last = level;
            if got != 0 {
                if !matches!(socket.kind, Kind::Listener(_)) {
                    socket.edges = 0;
                }
                watch.armed = watch.events & ONESHOT == 0;
                found.push((watch.data, got));
            }
        }
        if let Some(Socket {
            kind: Kind::Epoll(kept),
            ..
        }) = self.sockets.get_mut(&set)
        {
            *kept = watches;
        }
        let waits = call.args.get(3).and_then(number) != Some(0);
        if found.is_empty() && waits && (self.progress.is_some() || call.result != Value::Number(0))
        {
            return Ok(Gave::Block("EAGAIN"));
        }
        let listed = call.args.get(1).map(listed).unwrap_or_default();
        let wrong = listed
            .iter()
            .zip(&found)
            .find(|(wanted, got)| wanted != got);
        if let Some((wanted, got)) = wrong {
            let what = format!(
                "descriptor {} is ready for {:#x}, expected {} for {:#x}",
                got.0, got.1, wanted.0, wanted.1
            );
            return Err(failed(call, what));
        }
        Ok(Gave::Value(i64::try_from(found.len()).unwrap_or(0)))
    }
}

/// `{events=.., fd=..}`, or a list of them.
fn listed(value: &Value) -> Vec<(i64, i64)> {
    let one = |set: &Value| {
        let part = |name| member(set, name).and_then(number);
        let data = part("fd").or_else(|| part("ptr")).unwrap_or(-1);
        Some((data, part("events")?))
    };
    if let Value::List(sets) = value {
        sets.iter().filter_map(one).collect()
    } else {
        one(value).into_iter().collect()
    }
}
