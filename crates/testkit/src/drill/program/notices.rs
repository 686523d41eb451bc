//! The queue of errors.
//!
//! Job: say when what was sent without copying may be written to again. Owns: what is under way and what was not
//! asked for yet. Does not know: segments; a call's bytes are free once all of them are acknowledged.
//! Source: Linux's documentation of `MSG_ZEROCOPY` and the manual of recvmsg (`MSG_ERRQUEUE`).

use std::collections::VecDeque;

use outcrop_stack::tcp::State;

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::super::report::Stop;
use super::names::{member, text};
use super::ready::ERR;
use super::{Called, Gave, Program, Socket, failed, number};

/// What the program still has to be told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// How many calls there were.
    calls: u32,
    /// Where each call's bytes end, and its number.
    pending: VecDeque<(u64, u32)>,
    /// Numbers from .. to, as one notice.
    queue: VecDeque<(u32, u32)>,
}

impl Notices {
    /// A call sent bytes up to `end`.
    pub(super) fn on_sent(&mut self, end: u64) {
        self.pending.push_back((end, self.calls));
        self.calls = self.calls.wrapping_add(1);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The peer has everything before `una`; returns whether that is news.
    fn on_acked(&mut self, una: u64) -> bool {
        let mut news = false;
        while let Some((_, call)) = self.pending.pop_front_if(|(end, _)| *end <= una) {
            news = true;
            match self.queue.back_mut() {
                Some((_, to)) if to.wrapping_add(1) == call => *to = call,
                Some(_) | None => self.queue.push_back((call, call)),
            }
        }
        news
    }
}

impl Socket {
    /// Looks at what the peer has acknowledged since.
    pub(super) fn settle_notices(&mut self, host: &Host) {
        let Some(info) = self.stream().and_then(|id| host.core.tcp_info(id)) else {
            return;
        };
        let all = matches!(info.state, State::Closed | State::TimeWait);
        let una = if all { u64::MAX } else { info.snd_una };
        if self.notices.on_acked(una) {
            self.edges |= ERR;
        }
    }
}

impl Program {
    /// `recvmsg` from the queue of errors.
    pub(super) fn receive_error(&mut self, call: &Call) -> Called {
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let Some((from, to)) = socket.notices.queue.pop_front() else {
            return Ok(Gave::Error("EAGAIN"));
        };
        let controls = call.args.get(1).and_then(|m| member(m, "msg_control"));
        let Some(Value::List(controls)) = controls else {
            return Ok(Gave::Value(0));
        };
        for control in controls {
            let kind = member(control, "cmsg_type").map(text).unwrap_or_default();
            if !kind.ends_with("RECVERR") {
                return Err(Stop::skip(format!(
                    "the control message {kind} is not there"
                )));
            }
            let Some(data) = member(control, "cmsg_data") else {
                continue;
            };
            // The origin is zero copy, the code says that the device copied after all.
            let fields = [
                ("ee_errno", 0),
                ("ee_origin", 5),
                ("ee_type", 0),
                ("ee_code", 1),
                ("ee_info", i64::from(from)),
                ("ee_data", i64::from(to)),
            ];
            for (name, is) in fields {
                let wanted = member(data, name).and_then(number);
                if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
                    return Err(failed(call, format!("{name} is {is}, expected {wanted}")));
                }
            }
        }
        Ok(Gave::Value(0))
    }
}
