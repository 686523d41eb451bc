//! Urgent data out of line.
//!
//! Job: what BSD's sockets make of the urgent pointer: the byte before it is taken out of the stream, and reads stop
//! there. Owns: where the mark is. Does not know: the pointer itself; the engine keeps everything in line.
//! Sources: POSIX.1-2024 (`MSG_OOB`, `SO_OOBINLINE`), RFC 6093 3.1 (what systems do), `tcp_stdurg` = 0.

use outcrop_stack::StreamId;
use outcrop_stack::tcp::{Info, State};

use super::super::ast::Call;
use super::super::host::Host;
use super::{Called, Gave, Program, Socket};

/// The urgent byte of a stream that the program has not got past.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    /// The offset of the byte.
    at: Option<u64>,
    /// It was read out of line.
    taken: bool,
    /// Sockets of this dialect know no mark unless a program asks (RFC 6093 4).
    pub(super) unknown: bool,
}

/// Bytes in order that left the engine or wait in it.
fn arrived(info: &Info) -> u64 {
    let finished = matches!(
        info.state,
        State::CloseWait | State::LastAck | State::Closing | State::TimeWait
    );
    info.rcv_nxt.saturating_sub(u64::from(finished))
}

impl Socket {
    /// Learns of a new mark; before anything is taken from the engine, which forgets it then.
    pub(super) fn look_for_mark(&mut self, host: &Host, id: StreamId) {
        let (left, info) = (host.core.tcp_urgent_left(id), host.core.tcp_info(id));
        let Some(info) = info.filter(|_| left > 0 && !self.mark.unknown) else {
            return;
        };
        let consumed = arrived(&info).saturating_sub(info.receive_queued);
        let at = Some((consumed + left).saturating_sub(1));
        if self.mark.at != at {
            (self.mark.at, self.mark.taken) = (at, false);
        }
    }

    /// The offset of the next byte the program reads.
    fn position(&self, host: &Host, id: StreamId) -> u64 {
        let taken = |info: Info| arrived(&info).saturating_sub(info.receive_queued);
        let consumed = host.core.tcp_info(id).map_or(0, taken);
        consumed.saturating_sub(self.unread.len() as u64)
    }

    fn is_inline(&self) -> bool {
        self.noted.get("SO_OOBINLINE").is_some_and(|on| *on != 0)
    }

    /// How many bytes lie before the mark; `None` without one.
    pub(super) fn before_mark(&self, host: &Host, id: StreamId) -> Option<u64> {
        self.mark.at?.checked_sub(self.position(host, id))
    }

    /// Reads stop at the mark; one that begins there goes on behind it, without the byte unless it is in line. Returns
    /// how many bytes a read may bring.
    pub(super) fn up_to_mark(&mut self, host: &Host, id: StreamId, wanted: usize) -> usize {
        let Some(before) = self.before_mark(host, id) else {
            return wanted;
        };
        if before > 0 {
            return wanted.min(usize::try_from(before).unwrap_or(usize::MAX));
        }
        if !self.is_inline() && !self.unread.is_empty() {
            let _urgent = self.unread.split_to(1);
            self.mark.at = None;
        }
        wanted
    }

    /// Whether the urgent byte can be read out of line.
    pub(super) fn has_urgent(&self, host: &Host, id: StreamId) -> bool {
        let here = host.core.tcp_info(id).map_or(0, |info| arrived(&info));
        let waits = self.before_mark(host, id).is_some() && !self.mark.taken;
        waits && self.mark.at.is_some_and(|at| at < here)
    }
}

impl Program {
    /// `recv(.., MSG_OOB)`
    pub(super) fn receive_urgent(&mut self, host: &Host, call: &Call, peek: bool) -> Called {
        let socket = match self.entry(call) {
            Ok(socket) => socket,
            Err(errno) => return Ok(Gave::Error(errno)),
        };
        let Some(id) = socket.stream() else {
            return Ok(Gave::Error("ENOTCONN"));
        };
        socket.look_for_mark(host, id);
        let announced = socket.before_mark(host, id).is_some() && !socket.mark.taken;
        if !announced || socket.is_inline() {
            return Ok(Gave::Error("EINVAL"));
        }
        if !socket.has_urgent(host, id) {
            return Ok(Gave::Error("EAGAIN"));
        }
        socket.mark.taken = !peek;
        Ok(Gave::Value(1))
    }
}
