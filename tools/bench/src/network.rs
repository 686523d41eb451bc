//! Where it happens.
//!
//! Job: private network namespaces, and a veth pair between two of them for the kernel's own TCP. Owns: the process
//! that keeps the second one. Does not know: what is measured. All of it is gone when this program is.
//! The machine's own network is never touched: nothing in here runs unless [`only_inside`] allows it.

use std::fs;
use std::io::{Read as _, stdin};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::peer::external;
use crate::{Outcome, Plan, ourselves};

/// Set for everything that runs in a namespace of ours.
const INSIDE: &str = "OUTCROP_BENCH_INSIDE";
/// The server's end of the veth pair; the client has the next address.
pub(crate) const SERVER: &str = "10.98.0.1";
const CLIENT: &str = "10.98.0.2";

/// Starts this program again in a private namespace, to measure there.
pub(crate) fn enter(plan: &Plan) -> Outcome<()> {
    if !plan.quick {
        external::build_all(&plan.out)?;
    }
    let mut command = Command::new("unshare");
    if fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me))? != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "--kill-child", "--fork", "--"]);
    let us = ourselves()?;
    command.arg(us.get_program()).arg("measure");
    // What it is to measure, as it was said to us.
    command.args(std::env::args_os().skip(1));
    let status = command.env(INSIDE, "1").status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("the measurement ended with {status}").into())
}

/// Refuses to go on in a network that is not ours; in ours, makes the kernel's senders comparable.
pub(crate) fn only_inside() -> Outcome<()> {
    if std::env::var_os(INSIDE).is_none() {
        return Err("this runs only in a namespace that the program has made".into());
    }
    // BBR without fq, some machines' default, would measure its timers. As good as can be had.
    let _kept = fs::write("/proc/sys/net/ipv4/tcp_congestion_control", "cubic");
    Ok(())
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
