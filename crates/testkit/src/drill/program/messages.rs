//! What comes beside the bytes.
//!
//! Job: hold the flags and control messages of `recvmsg` against those a script lists. Owns: nothing.
//! Does not know: who reads. A control message that is not there skips the script.
//! Source: the manual of recvmsg; Linux's `TCP_CM_INQ`.

use outcrop_stack::tcp::State;

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::super::report::Stop;
use super::names::{member, text};
use super::{Program, failed, number};

impl Program {
    /// After a `recvmsg` that read something.
    pub(super) fn check_messages(&mut self, host: &Host, call: &Call) -> Result<(), Stop> {
        let Some(message) = call.args.get(1).filter(|_| call.name == "recvmsg") else {
            return Ok(());
        };
        if let Some(flags) = member(message, "msg_flags").and_then(number)
            && flags != 0
        {
            return Err(failed(call, format!("msg_flags is 0, expected {flags:#x}")));
        }
        let Some(Value::List(controls)) = member(message, "msg_control") else {
            return Ok(());
        };
        for control in controls {
            let kind = member(control, "cmsg_type").map(text).unwrap_or_default();
            if kind != "TCP_CM_INQ" {
                return Err(Stop::skip(format!(
                    "the control message {kind} is not there"
                )));
            }
            let left = self.left_to_read(host, call);
            let wanted = member(control, "cmsg_data").and_then(number);
            if wanted.is_some_and(|wanted| wanted != left) {
                let wanted = wanted.unwrap_or(0);
                return Err(failed(
                    call,
                    format!("{kind} says {left}, expected {wanted}"),
                ));
            }
        }
        Ok(())
    }

    /// Bytes in order that nobody has read; one for an end that has come and nobody has seen.
    fn left_to_read(&mut self, host: &Host, call: &Call) -> i64 {
        let Ok(socket) = self.entry(call) else {
            return 0;
        };
        let info = socket.stream().and_then(|id| host.core.tcp_info(id));
        let queued = info.map_or(0, |info| info.receive_queued) + socket.unread.len() as u64;
        let ended = info.is_some_and(|info| {
            matches!(
                info.state,
                State::CloseWait | State::LastAck | State::Closing | State::TimeWait
            )
        });
        i64::try_from(if queued == 0 && ended { 1 } else { queued }).unwrap_or(i64::MAX)
    }
}
