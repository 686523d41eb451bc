//! Where it happens.
//!
//! Job: private network namespaces, and a veth pair between two of them for the kernel's own TCP. Owns: the process
//! that keeps the second one. Does not know: what is measured. All of it is gone when this program is.
//! The machine's own network is never touched: nothing in here runs unless [`only_inside`] allows it.

use std::fs;
use std::io::{Read as _, stdin};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::{Outcome, ourselves};

/// Set for everything that runs in a namespace of ours.
const INSIDE: &str = "OUTCROP_BENCH_INSIDE";
/// The server's end of the veth pair; the client has the next address.
pub(crate) const SERVER: &str = "10.98.0.1";
const CLIENT: &str = "10.98.0.2";

/// Starts this program again in a private namespace, with `command` and what was said to us. It ends with us: our end of
/// its standard input is then closed ([`end_with_the_outside`]).
pub(crate) fn enter(command: &[&str]) -> Outcome<()> {
    let us = ourselves()?;
    let mut inside = unshare(&PROCESSES).or_else(|_| unshare(&[]))?;
    inside.arg(us.get_program()).args(command);
    inside.args(std::env::args_os().skip(1));
    let mut child = inside.env(INSIDE, "1").stdin(Stdio::piped()).spawn()?;
    let open = child.stdin.take();
    let status = child.wait()?;
    drop(open);
    if status.success() {
        return Ok(());
    }
    Err(format!("the measurement ended with {status}").into())
}

/// Where processes are numbered anew, and all of them end with the first.
const PROCESSES: [&str; 2] = ["--pid", "--mount-proc"];

/// `unshare` into a network, and `more`, of our own; an error if the machine does not allow it.
fn unshare(more: &[&str]) -> Outcome<Command> {
    let make = || -> Outcome<Command> {
        let mut command = Command::new("unshare");
        let me = fs::metadata("/proc/self")?;
        if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--net").args(more);
        command.args(["--kill-child", "--fork", "--"]);
        Ok(command)
    };
    let tried = make()?.arg("true").stderr(Stdio::piped()).output()?;
    if !tried.status.success() {
        let said = String::from_utf8_lossy(&tried.stderr);
        return Err(format!("no private namespace: {}", said.trim()).into());
    }
    make()
}

/// Ends this process, and in a namespace of its own all others, when whoever started it has gone.
pub(crate) fn end_with_the_outside() {
    std::thread::spawn(|| {
        let _end = stdin().read_to_end(&mut Vec::new());
        eprintln!("outcrop-bench: interrupted");
        std::process::exit(1);
    });
}

/// Whether this is the process inside.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Refuses to go on in a network that is not ours; in ours, makes the kernel's senders comparable.
pub(crate) fn only_inside() -> Outcome<()> {
    if !is_inside() {
        return Err("this runs only in a namespace that the program has made".into());
    }
    cubic();
    Ok(())
}

/// The kernel's senders over each network here use CUBIC. Some machines' default is BBR, which without the fq queue
/// measures its own timers; a namespace may not choose CUBIC for all if the machine does not allow it to everybody, but
/// may for a route. What is refused is said, and stays.
fn cubic() {
    let shown = Command::new("ip").args(["-4", "route", "show"]).output();
    let routes = shown.map(|shown| shown.stdout).unwrap_or_default();
    for route in String::from_utf8_lossy(&routes).lines() {
        let words = route.split_whitespace().filter(|word| *word != "linkdown");
        if words.clone().any(|word| word == "congctl") {
            continue;
        }
        let mut command = Command::new("ip");
        command.args(["-4", "route", "replace"]).args(words);
        if let Err(error) = done(command.args(["congctl", "cubic"])) {
            eprintln!("outcrop-bench: the kernel's senders are not CUBIC: {error}");
        }
    }
}

/// While it lives, clients here keep no TIME-WAIT. Where a server's FIN comes behind its answer the client closes first, and
/// the port is gone for a minute: after 28,000 connections the client would be what is measured. A server of the kernel's
/// that is measured has another network, and keeps its own.
#[derive(Debug)]
pub(crate) struct NoTimeWait(Vec<u8>);

/// How many connections in TIME-WAIT the kernel keeps.
const KEPT: &str = "/proc/sys/net/ipv4/tcp_max_tw_buckets";

impl NoTimeWait {
    pub(crate) fn begin() -> Outcome<Self> {
        let before = fs::read(KEPT)?;
        fs::write(KEPT, "0")?;
        Ok(Self(before))
    }
}

impl Drop for NoTimeWait {
    fn drop(&mut self) {
        // The network ends soon anyway.
        let _restored = fs::write(KEPT, &self.0);
    }
}

/// Keeps the namespace it was started in.
pub(crate) fn hold() -> Outcome<()> {
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A veth pair from here to a second namespace.
#[derive(Debug)]
pub(crate) struct Veth {
    holder: Child,
    /// Closed, it ends the holder.
    _open: Option<ChildStdin>,
}

impl Veth {
    pub(crate) fn new() -> Outcome<Self> {
        let us = ourselves()?;
        let mut holder = Command::new("unshare")
            .args(["--net", "--"])
            .arg(us.get_program())
            .arg("hold")
            .stdin(Stdio::piped())
            .spawn()?;
        let pid = holder.id().to_string();
        let open = holder.stdin.take();
        let veth = Self {
            holder,
            _open: open,
        };
        veth.wait_for_holder()?;
        ip(&["link", "set", "lo", "up"])?;
        ip(&[
            "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid,
        ])?;
        ip(&["addr", "add", &format!("{SERVER}/24"), "dev", "here"])?;
        ip(&["link", "set", "here", "up"])?;
        cubic();
        for arguments in [
            vec!["addr", "add", &format!("{CLIENT}/24"), "dev", "there"],
            vec!["link", "set", "there", "up"],
            vec!["link", "set", "lo", "up"],
        ] {
            done(veth.enter("ip").args(arguments))?;
        }
        Ok(veth)
    }

    /// Until the holder has left the namespace it was started in.
    fn wait_for_holder(&self) -> Outcome<()> {
        let here = fs::read_link("/proc/self/ns/net")?;
        let there = format!("/proc/{}/ns/net", self.holder.id());
        for _ in 0..200 {
            if fs::read_link(&there).is_ok_and(|there| there != here) {
                return Ok(());
            }
            std::thread::sleep(core::time::Duration::from_millis(10));
        }
        Err("the second namespace did not come up".into())
    }

    /// A command that will run at the client's end.
    pub(crate) fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id()));
        command.arg("--").arg(program);
        command
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _status = self.holder.wait();
    }
}

/// The kernel's side is a matter of the program `ip`.
pub(crate) fn ip(arguments: &[&str]) -> Outcome<()> {
    done(Command::new("ip").args(arguments))
}

fn done(command: &mut Command) -> Outcome<()> {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {status}").into())
}
