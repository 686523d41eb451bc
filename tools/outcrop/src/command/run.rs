//! `outcrop run`.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, mpsc};
use std::thread;

use outcrop_device::namespace::Namespace;
use outcrop_stack::Tasks;
use rustix::process::Pid;

use crate::cli;
use crate::control::place;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::news;
use crate::report::Report;
use crate::secure::Https;
use crate::server::{Main, Served, Server};
use crate::signals;
use crate::site::Site;
use crate::stop::{word, words};

/// Runs a command against the stack in a private network; its status becomes ours.
pub(crate) fn run(options: &cli::Run) -> Result<u8, Failure> {
    let site = Site::of(&options.serving)?;
    let net = options.serving.watched(&options.net);
    let (tcp, queues) = (options.tcp.config()?, options.serving.queues);
    let mut host = Host::start_shards(&net, tcp, (Place::Private, "run"), queues)?;
    let site = site.with_watch(host.watch(&net));
    let control = host.control(options.serving.control.as_deref())?;
    let introduced = control.as_ref().map(|control| control.path().to_owned());
    let https = Https::new(&options.serving.secure, &options.net, host.shard())?.map(Arc::new);
    let (end, ends) = words(queues.get() - 1);
    let others = host.shards().skip(1).zip(ends);
    let others = others.map(|(shard, over)| {
        Server::beside(shard, &options.serving, (&site, https.as_ref()), over)
    });
    let others: Vec<_> = others.collect();
    let (shard, serving) = (host.shard().clone(), options.serving.clone());
    let (namespace, command) = (host.namespace().cloned(), options.command.clone());
    let (tell, ended) = word();
    // On standard error, which is the command's too: only what may surprise.
    let announces = options.net.slaac;
    let (tell_status, status) = mpsc::channel();
    let first = move |tasks: Tasks| async move {
        // However this ends, the others end with it.
        let _end = end;
        // The command starts once its server listens, and on this thread: it dies with whoever started it.
        if announces {
            tasks.spawn(news::tell(shard.clone())).detach();
        }
        let server = Server::start(&shard, &tasks, &serving, (&site, https.as_deref()))?;
        server.keep_house(&tasks, https.as_deref());
        let known = Known {
            https: https.as_deref(),
            control: introduced.as_deref(),
        };
        let mut child = start(namespace.as_ref(), &command, known)?;
        signals::pass_on_to(Pid::from_child(&child))?;
        thread::spawn(move || tell.tell(child.wait()));
        let _told = tell_status.send(ended.await);
        // The file with the authority stays until nobody can want it.
        drop(https);
        Ok(server.stop().await)
    };
    let first: Main = Box::new(|tasks| Box::pin(first(tasks)));
    let done = host.run_shards(core::iter::once(first).chain(others).collect())?;
    drop(control);
    let remains = host.finish()?;
    let served: Vec<_> = done.into_iter().collect::<Result<_, _>>()?;
    let status = status.recv();
    if options.stats {
        eprint!(
            "{}",
            Report {
                counters: &remains.counters,
                tcp: &remains.tcp,
                served: Served::of_all(&served)
            }
        );
    }
    if options.tcp.explain {
        eprint!("{}", remains.accounts);
    }
    let status = status.map_err(|_| Failure::new("the command's status was lost"))?;
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
