//! Bytes between a connection and tungstenite.
//!
//! Job: `Read` and `Write` over two buffers. Owns: them. Does not know: what they carry.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};

#[derive(Debug, Default)]
pub(super) struct Pipe {
    inward: Bytes,
    outward: Vec<u8>,
    ended: bool,
}

impl Pipe {
    /// Bytes came. Everything before them was read.
    pub(super) fn came(&mut self, data: Bytes) {
        if self.inward.is_empty() {
            self.inward = data;
        } else {
            self.inward = [&self.inward[..], &data[..]].concat().into();
        }
    }

    /// No more will come.
    pub(super) const fn ended(&mut self) {
        self.ended = true;
    }

    /// What is to be sent.
    pub(super) fn take(&mut self) -> Bytes {
        core::mem::take(&mut self.outward).into()
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.inward.is_empty() {
            return if self.ended {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        }
        let count = self.inward.len().min(into.len());
        if let Some(into) = into.get_mut(..count) {
            self.inward.copy_to_slice(into);
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.outward.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
