//! Children that end.
//!
//! Job: run a command to its end, but not longer than it may take, and end all of its kin with it. Owns: the limit.
//! Does not know: what is run. One who hangs costs a run its limit, and never the run.

use core::time::Duration;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::Outcome;
use crate::load::{Of, cpu_seconds};

/// A child that ends with us.
#[derive(Debug)]
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        // What it has started ends with it, if it leads a group; otherwise there is no such group.
        let _none = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Server {
    /// Processor time it has had so far, seconds.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        cpu_seconds(&format!("/proc/{}/stat", self.0.id()), Of::Itself)
    }

    /// Starts one, and waits for the line `ready` on its standard output.
    pub(crate) fn ready(command: &mut Command, limit: Duration) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let limit = Limit::on(&child, limit);
        let stdout = child.stdout.take();
        let server = Self(child);
        let mut word = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut word)?;
        }
        limit.lifted();
        if word.trim() != "ready" {
            return Err("it did not start".into());
        }
        Ok(server)
    }
}

/// Runs `command` to its end and returns what it said; after `limit` it and all that it has started are killed.
pub(crate) fn output(command: &mut Command, limit: Duration) -> io::Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let guard = Limit::on(&child, limit);
    let output = child.wait_with_output();
    if guard.lifted() {
        return Err(io::Error::other(format!(
            "it had not ended after {} s",
            limit.as_secs()
        )));
    }
    output
}

/// Kills a child and its group after a while, unless it is lifted before.
struct Limit {
    lift: Sender<()>,
    watch: JoinHandle<bool>,
}

impl Limit {
    fn on(child: &Child, limit: Duration) -> Self {
        let (lift, lifted) = channel();
        let group = Pid::from_child(child);
        let watch = thread::spawn(move || {
            let over = lifted.recv_timeout(limit).is_err();
            if over {
                let _gone = kill_process_group(group, Signal::KILL);
            }
            over
        });
        Self { lift, watch }
    }

    /// Whether it was too late.
    fn lifted(self) -> bool {
        let _over = self.lift.send(());
        self.watch.join().unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn one_who_hangs_is_ended_with_its_children() {
        let began = Instant::now();
        let mut command = Command::new("sh");
        // The child holds the output open: the end of the shell alone would not be one.
        command.args(["-c", "sleep 1000 & sleep 1000"]);
        let error = output(&mut command, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "it had not ended after 0 s");
        assert!(began.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn one_who_ends_says_what_it_says() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = output(&mut command, Duration::from_secs(60)).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn a_server_that_is_not_ready_has_not_started() {
        let limit = Duration::from_secs(60);
        let mut silent = Command::new("true");
        assert!(Server::ready(&mut silent, limit).is_err());
        let mut ready = Command::new("sh");
        ready.args(["-c", "echo ready; sleep 1000"]);
        assert!(Server::ready(&mut ready, limit).is_ok());
        assert!(Server::ready(&mut Command::new("no such program"), limit).is_err());
    }
}
