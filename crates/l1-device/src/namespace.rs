//! A private network, made without preparation.
//!
//! Job: a network namespace with TUNs in it, whose descriptors we hold, and programs started inside.
//! Owns: the descriptors that keep it alive; nothing is left behind when they are dropped.
//! Does not know: what runs over the TUNs.
//!
//! The stack itself never changes namespace, so threads are no obstacle: a *holder*, which is this
//! program executed once more, is born in the new namespace, makes the interfaces and passes their
//! descriptors to us. Without root the namespace belongs to a user namespace in which we are root.
//! Sources: the kernel's user_namespaces(7), network_namespaces(7), unix(7).
#![expect(
    unsafe_code,
    reason = "one of the two modules of the workspace that may: see the SAFETY lines"
)]

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use thiserror::Error;

use crate::kernel::{self, Interface};
use crate::tun::{check_name, open_fds};
use crate::{Clock, OpenError, Tun};

mod wire;

use wire::Reply;

/// What tells a program that it is the holder; the value says which interfaces to make.
const SPEC: &str = "OUTCROP_NAMESPACE";
/// The argument a holder is started with. A program with a test harness for its main function has
/// a test of this name, which calls [`holder_main`].
pub const HOLDER: &str = "namespace_holder";

/// Why a private network could not be made; the text says how to mend it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// An interface is described with a name the kernel would refuse.
    #[error(transparent)]
    Name(OpenError),
    /// This kernel or container allows no private namespace.
    #[error(
        "private network namespaces are not allowed here ({0}): run as root, or allow user namespaces \
         (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
         kernel.apparmor_restrict_unprivileged_userns)"
    )]
    Forbidden(io::Error),
    /// The holder could not make what was asked for.
    #[error("in the private network: {0}")]
    Holder(String),
    /// The holder ran another program than ours.
    #[error(
        "the program does not call namespace::holder_main() first in its main function (status {0})"
    )]
    NoHolder(process::ExitStatus),
    /// Anything else.
    #[error("cannot {step}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> NamespaceError {
    move |source| NamespaceError::Io { step, source }
}

/// A private network namespace, and the user namespace that owns it if we are not root.
///
/// It lives as long as this value, a TUN made in it, or a program started in it. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    user: Option<OwnedFd>,
    net: OwnedFd,
}

impl Namespace {
    /// Makes a private network with these interfaces, each a TUN, addressed and up, and loopback up.
    /// The TUNs are in the order of `interfaces`, one with several queues as often as it has queues, and stamp
    /// with `clock`.
    ///
    /// The running program must call [`holder_main`] first in `main`.
    ///
    /// # Errors
    /// [`NamespaceError`].
    pub fn create(
        interfaces: &[Interface],
        clock: &Clock,
    ) -> Result<(Self, Vec<Tun>), NamespaceError> {
        for interface in interfaces {
            check_name(&interface.name).map_err(NamespaceError::Name)?;
        }
        if env::var_os(SPEC).is_some() {
            // A holder that came here instead of to `holder_main` would start another, without end.
            return Err(NamespaceError::Holder(format!(
                "{SPEC} is set: this program must call namespace::holder_main() before anything else"
            )));
        }
        match Self::create_with(Birth::NetOnly, interfaces, clock) {
            Err(NamespaceError::Forbidden(_)) => {
                Self::create_with(Birth::UserAndNet, interfaces, clock)
            }
            done => done,
        }
    }

    fn create_with(
        birth: Birth,
        interfaces: &[Interface],
        clock: &Clock,
    ) -> Result<(Self, Vec<Tun>), NamespaceError> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| failed("make a socket pair")(error.into()))?;
        let mut command = Command::new("/proc/self/exe");
        command
            .args([HOLDER, "--exact", "--nocapture"])
            .env(SPEC, wire::encode(interfaces))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        born_in(&mut command, birth);
        let mut holder = command.spawn().map_err(NamespaceError::Forbidden)?;
        // Our copy of the holder's end goes with the command: a dead holder is an end of file.
        drop(command);
        let reply = wire::receive(&ours);
        let status = holder.wait().map_err(failed("wait for the holder"))?;
        match reply.map_err(failed("hear from the holder"))? {
            Some(Reply::Made { user, net, tuns }) => {
                let namespace = Self(Arc::new(Handles {
                    user: (birth == Birth::UserAndNet).then_some(user),
                    net,
                }));
                let tuns = tuns
                    .into_iter()
                    .zip(interfaces.iter().flat_map(each_queue))
                    .map(|((name, fd), interface)| {
                        Tun::from_fd(fd, &name, interface.mtu, interface.format, clock)
                    })
                    .collect::<io::Result<_>>()
                    .map_err(failed("take over a TUN"))?;
                Ok((namespace, tuns))
            }
            Some(Reply::Failed(text)) => Err(NamespaceError::Holder(text)),
            None => Err(NamespaceError::NoHolder(status)),
        }
    }

    /// Makes `command` start inside. It is killed when the thread that starts it ends: start it from
    /// one that lives as long as the program.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let handles = Arc::clone(&self.0);
        let parent = rustix::process::getpid();
        let join = move || join(&handles, parent).map_err(io::Error::from);
        // SAFETY: between fork and exec the closure makes system calls only: it allocates nothing,
        // takes no lock, and its descriptors are kept open by the handles it owns.
        unsafe { command.pre_exec(join) }
    }

    /// Starts `command` inside; see [`enter`](Self::enter).
    ///
    /// # Errors
    /// As for [`Command::spawn`], or the namespace cannot be joined.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.enter(&mut command).spawn()
    }
}

/// An interface, as often as it has queues.
fn each_queue(interface: &Interface) -> impl Iterator<Item = &Interface> {
    core::iter::repeat_n(interface, usize::from(interface.queues.get()))
}

/// Joins the namespaces, first the one that gives the right to join the other; then dies with `parent`.
/// The order matters: a change of credentials clears the death signal.
fn join(handles: &Handles, parent: Pid) -> Result<(), Errno> {
    if let Some(user) = &handles.user {
        rustix::thread::move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
    }
    rustix::thread::move_into_link_name_space(
        handles.net.as_fd(),
        Some(LinkNameSpaceType::Network),
    )?;
    die_with(parent)
}

fn die_with(parent: Pid) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before that call; then nobody will ever send the signal.
    match rustix::process::getppid() {
        Some(pid) if pid == parent => Ok(()),
        _ => Err(Errno::SRCH),
    }
}

/// Which namespaces a holder is born in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Birth {
    /// For root: a network namespace.
    NetOnly,
    /// For everybody: a user namespace in which we are root, and a network namespace of it.
    UserAndNet,
}

/// Makes `command` start in new namespaces.
fn born_in(command: &mut Command, birth: Birth) {
    let parent = rustix::process::getpid();
    let uid_map = format!("0 {} 1\n", rustix::process::geteuid().as_raw());
    let gid_map = format!("0 {} 1\n", rustix::process::getegid().as_raw());
    let unshare = move || {
        let flags = match birth {
            Birth::NetOnly => UnshareFlags::NEWNET,
            Birth::UserAndNet => UnshareFlags::NEWUSER | UnshareFlags::NEWNET,
        };
        // SAFETY: only unsharing the descriptor table is unsafe, and that is not asked for.
        unsafe { rustix::thread::unshare_unsafe(flags) }?;
        if birth == Birth::UserAndNet {
            // Before exec: a program started with an unmapped user loses its capabilities.
            write_proc(c"/proc/self/setgroups", b"deny\n")?;
            write_proc(c"/proc/self/uid_map", uid_map.as_bytes())?;
            write_proc(c"/proc/self/gid_map", gid_map.as_bytes())?;
        }
        Ok(die_with(parent)?)
    };
    // SAFETY: between fork and exec the closure makes system calls only; the strings it writes were
    // made before.
    unsafe { command.pre_exec(unshare) };
}

fn write_proc(path: &core::ffi::CStr, bytes: &[u8]) -> Result<(), Errno> {
    let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&fd, bytes).map(|_| ())
}

/// Call this first in `main`: if this process was started to hold a namespace, it does its work here
/// and exits; otherwise this returns at once.
///
/// Where a test harness owns `main`, a test named [`HOLDER`] calls it instead: a file of tests that
/// uses namespaces has `#[test] fn namespace_holder() { holder_main(); }`.
pub fn holder_main() {
    let Ok(spec) = env::var(SPEC) else { return };
    let reply = match make(&spec) {
        Ok(reply) => reply,
        Err(text) => Reply::Failed(text),
    };
    let done = wire::send(io::stdin().as_fd(), &reply);
    process::exit(i32::from(done.is_err()));
}

/// What a holder makes: the interfaces of the spec, in the namespace it was born in.
fn make(spec: &str) -> Result<Reply, String> {
    let interfaces = wire::decode(spec).ok_or("the description of the interfaces is damaged")?;
    kernel::loopback_up().map_err(|error| error.to_string())?;
    let mut tuns = Vec::new();
    for mut interface in interfaces {
        let opened = open_fds(Some(&interface.name), interface.format, interface.queues)
            .map_err(|error| error.to_string())?;
        for (fd, name) in opened {
            interface.name.clone_from(&name);
            tuns.push((name, fd));
        }
        kernel::configure(&interface).map_err(|error| error.to_string())?;
    }
    let open = |path: &str| {
        std::fs::File::open(path)
            .map(OwnedFd::from)
            .map_err(|error| format!("cannot open {path}: {error}"))
    };
    Ok(Reply::Made {
        user: open("/proc/self/ns/user")?,
        net: open("/proc/self/ns/net")?,
        tuns,
    })
}
