//! Being asked to stop.
//!
//! Job: turn Ctrl-C and `kill` into something that can be waited for. Owns: the handlers, for as long as the
//! process lives. A second Ctrl-C ends the process at once. Does not know: what stopping takes.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// Signals that ask the program to stop.
#[derive(Debug)]
pub(crate) struct Signals {
    arrivals: UnixStream,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn catch() -> io::Result<Self> {
        let (arrivals, handler) = UnixStream::pair()?;
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the first arrival finds the flag down, raises it and writes; the next one ends us.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stopping))?;
            flag::register(signal, Arc::clone(&stopping))?;
            low_level::pipe::register(signal, handler.try_clone()?)?;
        }
        Ok(Self { arrivals })
    }

    /// Waits for the first.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.arrivals.read_exact(&mut [0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_ends_the_wait() {
        let mut signals = Signals::catch().unwrap();
        low_level::raise(SIGTERM).unwrap();
        signals.wait().unwrap();
    }
}
