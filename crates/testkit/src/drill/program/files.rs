//! Files and pipes beside sockets.
//!
//! Job: `open`, `pipe`, `sendfile` and `splice`, as reads and writes of their sockets. Owns: how much a pipe holds.
//! Does not know: what is in a file: zeros, as in everything a script writes.
//! Sources: POSIX.1-2024, the manuals of sendfile and splice.

use super::super::ast::{Call, Value};
use super::super::host::Host;
use super::super::report::Stop;
use super::{Called, Gave, Kind, Program, Socket, failed, has_flag, number};

/// What a pipe holds at most.
const PIPE: i64 = 65_536;

impl Program {
    pub(super) fn open(&self) -> Gave {
        let start = self.system.start();
        Gave::Descriptor(Box::new(Socket::new(Kind::File, start, false)))
    }

    /// `pipe([3, 4])`
    pub(super) fn pipe(&mut self, call: &Call) -> Called {
        let Some(Value::List(ends)) = call.args.first() else {
            return Ok(Gave::Error("EFAULT"));
        };
        let mut ends = ends.iter().map(number);
        let (Some(Some(out)), Some(Some(into))) = (ends.next(), ends.next()) else {
            return Err(failed(call, "two descriptors, which?"));
        };
        let start = self.system.start();
        let kinds = [(out, Kind::PipeOut(0)), (into, Kind::PipeIn(out))];
        for (fd, kind) in kinds {
            self.sockets.insert(fd, Socket::new(kind, start, false));
        }
        Ok(Gave::Value(0))
    }

    /// `sendfile(socket, file, [offset], count)`
    pub(super) fn sendfile(&mut self, host: &mut Host, call: &Call) -> Called {
        let file = call.args.get(1).and_then(number).unwrap_or(-1);
        let is_file = self.sockets.get(&file).map(|file| &file.kind);
        if !matches!(is_file, Some(Kind::File)) {
            return Ok(Gave::Error("EBADF"));
        }
        let count = call.args.get(3).cloned().unwrap_or(Value::Any);
        let to = call.args.first().cloned().unwrap_or(Value::Any);
        self.send(host, &moved(call, "write", (to, count), "0"))
    }

    /// `splice(from, NULL, to, NULL, count, flags)`
    pub(super) fn splice(&mut self, host: &mut Host, call: &Call) -> Called {
        let end = |at: usize| call.args.get(at).and_then(number).unwrap_or(-1);
        let kind = |fd| self.sockets.get(&fd).map(|socket| &socket.kind);
        let (from, to, count) = (end(0), end(2), end(4));
        match (kind(from), kind(to)) {
            (Some(Kind::PipeOut(held)), Some(Kind::Stream(_))) => {
                let count = count.min(*held);
                if count == 0 {
                    return Ok(Gave::Block("EAGAIN"));
                }
                let more = has_flag(call, "SPLICE_F_MORE");
                let flags = if more { "MSG_MORE" } else { "0" };
                let ends = (Value::Number(to), Value::Number(count));
                let gave = self.send(host, &moved(call, "send", ends, flags))?;
                if let Gave::Value(sent) = gave {
                    self.fill_pipe(from, -sent);
                }
                Ok(gave)
            }
            (Some(Kind::Stream(_)), Some(Kind::PipeIn(out))) => {
                let out = *out;
                let ends = (Value::Number(from), Value::Number(count.min(PIPE)));
                let gave = self.receive(host, &moved(call, "recv", ends, "0"))?;
                if let Gave::Value(read) = gave {
                    self.fill_pipe(out, read);
                }
                Ok(gave)
            }
            (Some(Kind::File), Some(Kind::PipeIn(out))) => {
                let (out, count) = (*out, count.min(PIPE));
                self.fill_pipe(out, count);
                Ok(Gave::Value(count))
            }
            (Some(_), Some(_)) => Err(Stop::skip("splice between these is not there")),
            (None, _) | (_, None) => Ok(Gave::Error("EBADF")),
        }
    }

    fn fill_pipe(&mut self, fd: i64, by: i64) {
        if let Some(Socket {
            kind: Kind::PipeOut(held),
            ..
        }) = self.sockets.get_mut(&fd)
        {
            *held += by;
        }
    }
}

/// The call on a socket that moves the bytes.
fn moved(call: &Call, name: &str, (fd, count): (Value, Value), flags: &str) -> Call {
    Call {
        name: name.to_owned(),
        args: vec![fd, Value::Any, count, Value::Symbol(flags.to_owned())],
        ..call.clone()
    }
}
