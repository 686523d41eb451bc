//! `outcrop run`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;

use outcrop_device::namespace::Namespace;
use rustix::process::Pid;

use crate::cli;
use crate::control::place;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::news;
use crate::report::Report;
use crate::secure::Https;
use crate::server::Server;
use crate::signals;
use crate::site::Site;
use crate::stop::word;

/// Runs a command against the stack in a private network; its status becomes ours.
pub(crate) fn run(options: &cli::Run) -> Result<u8, Failure> {
    let site = Site::of(&options.serving)?;
    let net = options.serving.watched(&options.net);
    let mut host = Host::start(&net, options.tcp.config()?, Place::Private, "run")?;
    let site = site.with_watch(host.watch(&net));
    let control = host.control(options.serving.control.as_deref())?;
    let introduced = control.as_ref().map(|control| control.path().to_owned());
    let https = Https::new(&options.serving.secure, &options.net, host.shard())?;
    let (shard, serving) = (host.shard().clone(), options.serving.clone());
    let (namespace, command) = (host.namespace().cloned(), options.command.clone());
    let (tell, ended) = word();
    // On standard error, which is the command's too: only what may surprise.
    let announces = options.net.slaac;
    let done = host.run(move |tasks| async move {
        // The command starts once its server listens, and on this thread: it dies with whoever started it.
        if announces {
            tasks.spawn(news::tell(shard.clone())).detach();
        }
        let server = Server::start(&shard, &tasks, &serving, (&site, https.as_ref()))?;
        let known = Known {
            https: https.as_ref(),
            control: introduced.as_deref(),
        };
        let mut child = start(namespace.as_ref(), &command, known)?;
        signals::pass_on_to(Pid::from_child(&child))?;
        thread::spawn(move || tell.tell(child.wait()));
        let status = ended.await;
        // The file with the authority stays until nobody can want it.
        drop(https);
        Ok::<_, Failure>((status, server.stop().await))
    })?;
    drop(control);
    let remains = host.finish()?;
    let (status, served) = done?;
    if options.stats {
        eprint!(
            "{}",
            Report {
                counters: &remains.counters,
                tcp: &remains.tcp,
                served
            }
        );
    }
    if options.tcp.explain {
        eprint!("{}", remains.accounts);
    }
    let status =
        status.map_err(|error| Failure::new(format!("waiting for the command: {error}")))?;
    Ok(code_of(status))
}

/// What a command is told of the stack it runs beside.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known<'a> {
    /// Whose certificates it is to trust.
    pub(super) https: Option<&'a Https>,
    /// Where the stack can be asked.
    pub(super) control: Option<&'a Path>,
}

/// Starts `command` in the private network.
pub(super) fn start(
    namespace: Option<&Namespace>,
    command: &[OsString],
    known: Known<'_>,
) -> Result<Child, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::asked("no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(https) = known.https {
        https.introduce(&mut command);
    }
    if let Some(control) = known.control {
        command.env(place::VARIABLE, control);
    }
    let child = match namespace {
        Some(namespace) => namespace.spawn(command),
        None => command.spawn(),
    };
    child.map_err(|error| Failure::program(&program.to_string_lossy(), &error))
}

/// The status a shell would report.
pub(super) fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_passed_on_as_a_shell_would() {
        assert_eq!(code_of(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143);
    }
}
