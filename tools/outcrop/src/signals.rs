//! Being asked to stop.
//!
//! Job: turn Ctrl-C and `kill` into a word for a task, or pass them on to a child. Owns: a thread that listens,
//! for as long as the process lives. Does not know: what stopping takes.

use core::ffi::c_int;
use std::io;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::failure::Failure;
use crate::stop::{Hear, word};

/// Told at the first request to stop. A second one ends the process at once.
pub(crate) fn stop() -> Result<Hear<()>, Failure> {
    let (tell, hear) = word();
    let mut asked = false;
    listen(move |signal| {
        if asked {
            low_level::exit(128 + signal);
        }
        asked = true;
        tell.tell(());
    })?;
    Ok(hear)
}

/// Passes requests to stop on to `child`, whose end is then ours. Ctrl-C it has had from the terminal already.
pub(crate) fn pass_on_to(child: Pid) -> Result<(), Failure> {
    listen(move |signal| {
        if signal != SIGINT {
            // It may have ended by itself a moment ago.
            let _gone = kill_process(child, Signal::TERM);
        }
    })
}

fn listen(mut each: impl FnMut(c_int) + Send + 'static) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot listen for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let thread = thread::Builder::new().name("signals".to_owned());
    let listening = move || signals.forever().for_each(&mut each);
    thread.spawn(listening).map_err(failed)?;
    Ok(())
}

/// Ends quietly when whoever reads our output has gone, as other programs do: `outcrop print .. | head`.
pub(crate) fn end_with_reader() {
    let always = std::sync::Arc::new(true.into());
    // Without it the program would end with an error message instead.
    let _worse = flag::register_conditional_default(SIGPIPE, always);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_signal_is_heard() {
        let (heard, hears) = mpsc::channel();
        listen(move |signal| heard.send(signal).unwrap()).unwrap();
        low_level::raise(SIGTERM).unwrap();
        assert_eq!(hears.recv().unwrap(), SIGTERM);
    }
}
