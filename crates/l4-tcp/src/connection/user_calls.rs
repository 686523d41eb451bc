//! What the program asks of a connection.
//!
//! Job: SEND, RECEIVE, CLOSE and ABORT of RFC 9293 3.10 for the synchronised states.
//! Owns: nothing. Does not know: time; what a call causes leaves at the next flush.
//! Sources: RFC 9293 3.10.2 to 3.10.5, 3.6.1 (a program that lets go); RFC 1122 4.2.2.13 (unread data).

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, ChunkQueue, Why};

use super::{Connection, Cx};
use crate::config::Settings;
use crate::error::{ReadError, WriteError};
use crate::event::CloseReason;
use crate::send::buffer::FinState;
use crate::state::{State, Trigger};
use crate::timers::Timer;

impl Connection {
    /// Takes bytes from the front of `data` as room allows.
    pub(crate) fn write(&mut self, data: &mut ChunkQueue) -> Result<usize, WriteError> {
        if let Some(reason) = self.life.over.filter(|how| *how != CloseReason::Finished) {
            return Err(WriteError::Closed(reason));
        }
        if self.send.buffer().fin() != FinState::Open {
            return Err(WriteError::Shutdown);
        }
        let taken = self.send.buffer_mut().write(data);
        self.life.blocked |= !data.is_empty();
        self.life.cause = Cause::Call(CallKind::Write);
        Ok(taken)
    }

    /// The next bytes; `None` after the peer's FIN.
    pub(crate) fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        if let Some(bytes) = self.recv.read() {
            return Ok(Some(bytes));
        }
        if self.recv.finished() {
            return Ok(None);
        }
        match self.life.over {
            Some(reason) => Err(ReadError::Closed(reason)),
            None => Err(ReadError::WouldBlock),
        }
    }

    /// No more to send: the FIN follows the last byte written, and rides on it if that has not left.
    pub(crate) fn shutdown(&mut self, cx: &mut Cx<'_>) {
        if self.life.over.is_some() || self.send.buffer().fin() != FinState::Open {
            return;
        }
        self.life.cause = cx.cause;
        self.send.buffer_mut().close();
        self.transition(Trigger::Close, cx);
    }

    /// The program lets go. What it has not read is lost to it, and the peer must not believe
    /// otherwise: a reset says so. Otherwise it is a shutdown, and the engine finishes alone.
    pub(crate) fn let_go(&mut self, cx: &mut Cx<'_>) {
        self.life.held = false;
        if self.life.over.is_some() {
            return;
        }
        if self.recv.queued() > 0 {
            self.reset(Why::ResetUnreadData, cx);
            return;
        }
        self.shutdown(cx);
        // In FIN-WAIT-2 already: the limit on orphans starts with the next flush.
        self.life.orphaned = true;
    }

    /// Ends at once by a reset.
    pub(crate) fn abort(&mut self, cx: &mut Cx<'_>) {
        if self.life.over.is_some() {
            return;
        }
        match self.state {
            // RFC 9293 3.10.5: both sides have said all; there is nobody to tell.
            State::Closing | State::LastAck | State::TimeWait => {
                self.end(CloseReason::Aborted, cx);
            }
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait => self.reset(Why::ResetAborted, cx),
        }
    }

    /// Sends a reset at the next flush, and ends.
    pub(super) fn reset(&mut self, why: Why, cx: &mut Cx<'_>) {
        self.life.reset = Some((why, cx.cause));
        let reason = if why == Why::ResetTimedOut {
            CloseReason::TimedOut
        } else {
            CloseReason::Aborted
        };
        self.end(reason, cx);
    }

    /// The settings.
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes changed settings.
    pub(crate) fn configure(&mut self, settings: Settings) {
        let send = usize::try_from(settings.send_buffer).unwrap_or(usize::MAX);
        self.send.buffer_mut().set_capacity(send);
        self.recv.set_capacity(settings.receive_buffer);
        self.recv.set_delayed_ack(settings.delayed_ack);
        if self.settings.keep_alive != settings.keep_alive {
            // Armed for the old interval; the next flush arms it for the new one.
            self.timers.stop(Timer::KeepAlive);
        }
        self.settings = settings;
        self.life.cause = Cause::Call(CallKind::Configure);
        self.life.keep_alive_probes = 0;
    }
}
