//! What the program asks of a connection.
//!
//! Job: SEND, RECEIVE, CLOSE and ABORT of RFC 9293 3.10 for the synchronised states.
//! Owns: nothing. Does not know: time; what a call causes leaves at the next flush.
//! Sources: RFC 9293 3.10.2 to 3.10.5, 3.6.1 (a program that lets go); RFC 1122 4.2.2.13 (unread data).

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, ChunkQueue, Why};

use super::{Connection, Cx};
use crate::budget::Pressure;
use crate::config::Settings;
use crate::error::{ReadError, WriteError};
use crate::event::{CloseReason, Edges};
use crate::params;
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
        let room = self.write_room();
        let taken = self.send.buffer_mut().write_up_to(data, room);
        self.life.blocked |= !data.is_empty();
        self.life.cause = Cause::Call(CallKind::Write);
        Ok(taken)
    }

    /// Acknowledgments wait for a ride from now on.
    pub(crate) const fn leave_quick_acks(&mut self) {
        self.recv.leave_quick_acks();
    }

    /// What was written so far ends a record.
    pub(crate) fn end_record(&mut self) {
        self.send.buffer_mut().end_record();
    }

    /// Bytes a write may bring: what the buffer takes, and no more unsent than the program wants to wait.
    fn write_room(&self) -> usize {
        let buffer = self.send.buffer();
        let mut room = buffer.room();
        if let Some(mark) = self.settings.notsent_lowat {
            let left = u64::from(mark.max(1)).saturating_sub(buffer.unsent());
            room = room.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if self.recv.pressure() == Pressure::Full {
            // A few segments always: what is acknowledged of them makes room again.
            let most = usize::from(self.way.mss) * params::LAST_SEGMENTS as usize;
            room = room.min(most.saturating_sub(buffer.len()));
        }
        room
    }

    /// Tells a program whose write found no room that there is some: a third of the buffer, and with a mark on
    /// unsent bytes half of that, so that it is not woken for every segment.
    pub(super) fn tell_writable(&mut self) {
        if !self.life.blocked {
            return;
        }
        let buffer = self.send.buffer();
        let mark = self.settings.notsent_lowat.unwrap_or(u32::MAX).max(1);
        let below = buffer.unsent() <= u64::from(mark / 2);
        let third = (buffer.capacity() / 3).max(1);
        let roomy = buffer.room() >= third && self.write_room() > 0;
        if below && roomy {
            self.life.blocked = false;
            self.life.edges.insert(Edges::WRITABLE);
        }
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

    /// Drops what was written and has not left; returns how many bytes.
    pub(crate) fn discard_unsent(&mut self) -> u64 {
        let dropped = self.send.buffer_mut().discard_unsent();
        self.tell_writable();
        dropped
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
        if self.settings.linger == Some(Duration::ZERO) {
            self.reset(Why::ResetAborted, cx);
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
            CloseReason::of_silence(self.way.doubt)
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
        // A buffer that has grown keeps its size while the program changes something else.
        if settings.send_buffer != self.settings.send_buffer {
            self.send.buffer_mut().set_capacity(send);
        }
        if settings.window_limit() != self.settings.window_limit() {
            self.recv.set_capacity(settings.window_limit());
        }
        self.recv.set_delayed_ack(settings.ack_delay());
        if settings.congestion != self.settings.congestion {
            let before = self.way.congestion.snapshot();
            self.way.congestion = super::controller(&settings, self.way.mss, None);
            self.way.congestion.on_takeover(&before);
        }
        let min_rtt = self.recovery.rtt().min();
        self.way.congestion.adopt(super::habits(&settings, min_rtt));
        self.recovery
            .keep_unused_window(settings.keep_unused_window);
        self.recovery.set_means(super::means(&settings));
        if self.settings.keep_alive != settings.keep_alive {
            // Armed for the old interval; the next flush arms it for the new one.
            self.timers.stop(Timer::KeepAlive);
        }
        let before = self.settings;
        self.settings = settings;
        self.user_timeout_configured(&before);
        self.life.cause = Cause::Call(CallKind::Configure);
        self.life.keep_alive_probes = 0;
    }
}
