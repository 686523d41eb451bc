//! Servers while they are measured.
//!
//! Job: start one, put a load on it, and say what it cost both sides. Owns: the processes. Does not know: what the
//! figures mean, and who is compared with whom.

use core::time::Duration;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::load::{CHUNK, Of, Report, cpu_seconds};
use crate::network::{SERVER, Veth};
use crate::process::{self, Server};
use crate::scenario::{Pair, Work};
use crate::{Outcome, ourselves, peer};

/// Where everybody discards, the kernel's program sends, and ours generates characters.
const DISCARD: u16 = 9;
const SEND: u16 = 8_080;
const GENERATE: u16 = 19;
const HTTP: u16 = 80;
/// Where `outcrop serve` is, of what stays while it is measured.
pub(crate) const SERVE_DEVICE: &str = "held0";
const SERVE_ADDRESS: &str = "10.76.0.2";
/// How often an empty run is taken; the least counts.
const TRIALS: u32 = 3;
/// How much longer than its time a load may take before it counts as hanging, and how long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Processors: the server's, the client's, and both for what is not pinned.
pub(crate) const FIRST: &str = "0";
pub(crate) const SECOND: &str = "1";
const ALL: &str = "0,1";

/// Whose ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Ours,
    Http,
    /// The kernel's sockets.
    Plain,
    Peer,
}

impl Port {
    /// Where `work` is done.
    pub(crate) const fn of(self, work: Work) -> u16 {
        let pushed = matches!(work, Work::Push { .. } | Work::Pair(Pair::Push));
        match self {
            Self::Http => HTTP,
            Self::Peer => peer::port(work),
            Self::Ours | Self::Plain if pushed => DISCARD,
            Self::Plain => SEND,
            Self::Ours if matches!(work, Work::Pull { .. } | Work::Pair(Pair::Pull)) => GENERATE,
            Self::Ours => HTTP,
        }
    }
}

/// Processors of the server and of the client while `work` is done.
pub(crate) const fn processors(work: Work) -> [&'static str; 2] {
    match work {
        Work::Pair(_) => [ALL, ALL],
        Work::Requests { .. }
        | Work::Alone
        | Work::Paced { .. }
        | Work::Push { .. }
        | Work::Pull { .. }
        | Work::File { .. } => [FIRST, SECOND],
    }
}

/// The command that puts `work` on a server.
pub(crate) fn load(work: Work, seconds: u32, server: &str, port: u16) -> Outcome<Command> {
    let [_, client] = processors(work);
    let mut command = pinned(client, &ourselves()?);
    command.arg("load");
    let kind = match work {
        Work::Requests { .. } | Work::Pair(Pair::Requests) => "requests",
        Work::Alone => "spin",
        Work::Paced { .. } => "paced",
        Work::Push { .. } | Work::Pair(Pair::Push) => "push",
        Work::Pull { .. } | Work::Pair(Pair::Pull) => "pull",
        Work::File { .. } => "file",
    };
    command.arg(kind).arg(format!("{server}:{port}"));
    command.args(["--seconds", &seconds.to_string()]);
    command.args(["--connections", &work.connections().to_string()]);
    match work {
        Work::Requests {
            file,
            pipeline,
            close,
            ..
        } => {
            command.args(["--path", &format!("/{file}")]);
            command.args(["--pipeline", &pipeline.to_string()]);
            if close {
                command.arg("--close");
            }
        }
        Work::Alone => {
            command.args(["--path", "/small"]);
        }
        Work::Paced { rate, .. } => {
            command.args(["--path", "/small", "--rate", &rate.to_string()]);
        }
        Work::Pair(Pair::Requests) => {
            command.args(["--path", "/small", "--clients", "2"]);
        }
        Work::Push { .. } | Work::Pull { .. } | Work::Pair(Pair::Push | Pair::Pull) => {}
        Work::File { drops } => {
            command.args(["--path", "/huge"]);
            if drops {
                command.arg("--drops");
            }
        }
    }
    Ok(command)
}

/// Ours, which is a process with a namespace and a TUN of its own for every measurement.
#[derive(Debug)]
pub(crate) struct Run {
    program: PathBuf,
    root: PathBuf,
    options: &'static [&'static str],
    /// Processor time that its beginning and its end take: no request is charged with it, as none of a server that stays is.
    around: f64,
}

impl Run {
    pub(crate) fn new(
        program: &Path,
        root: &Path,
        options: &'static [&'static str],
    ) -> Outcome<Self> {
        let mut run = Self::unmeasured(program, root, options);
        let spent = (0..TRIALS)
            .map(|_| run.empty())
            .collect::<Outcome<Vec<_>>>()?;
        run.around = spent.into_iter().fold(f64::MAX, f64::min);
        Ok(run)
    }

    /// One whose beginning and end are still charged to what it answers.
    pub(crate) fn unmeasured(
        program: &Path,
        root: &Path,
        options: &'static [&'static str],
    ) -> Self {
        Self {
            program: program.to_owned(),
            root: root.to_owned(),
            options,
            around: 0.0,
        }
    }

    /// `outcrop run --`, for a command to follow.
    fn command(&self, processors: &str) -> Command {
        let mut command = pinned(processors, &Command::new(&self.program));
        command.arg("run").arg("--root").arg(&self.root);
        command.arg("--tcp-echo").args(self.options).arg("--");
        command
    }

    fn empty(&self) -> Outcome<f64> {
        let before = cpu_seconds("/proc/self/stat", Of::Children)?;
        let mut command = self.command(FIRST);
        let output = process::output(command.arg("true"), PATIENCE)
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {said}", self.program.display()).into());
        }
        Ok(cpu_seconds("/proc/self/stat", Of::Children)? - before)
    }

    pub(crate) fn measure(&self, work: Work, asked: &Asked) -> Outcome<(Report, f64)> {
        let [server, _] = processors(work);
        let mut command = self.command(server);
        let load = &asked.load;
        command.arg(load.get_program()).args(load.get_args());
        let before = cpu_seconds("/proc/self/stat", Of::Children)?;
        let report = report(&mut command, asked.limit())?;
        let both = cpu_seconds("/proc/self/stat", Of::Children)? - before;
        let server = both - report.cpu - self.around;
        Ok((report, server.max(0.0)))
    }

    /// The same as a program that stays, on a TUN in this namespace; and where it answers.
    pub(crate) fn serve(&self) -> Outcome<(Server, &'static str)> {
        let mut command = pinned(FIRST, &Command::new(&self.program));
        command.args(["serve", "--dev", SERVE_DEVICE]);
        command.args(["--addr", &format!("{SERVE_ADDRESS}/24")]);
        command.args(["--tcp-echo"]).args(self.options);
        command.arg("--root").arg(&self.root);
        let server = Server(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        );
        let (began, http) = (Instant::now(), format!("{SERVE_ADDRESS}:{HTTP}").parse()?);
        while TcpStream::connect_timeout(&http, Duration::from_millis(200)).is_err() {
            if began.elapsed() > PATIENCE {
                return Err("outcrop serve did not come up".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok((server, SERVE_ADDRESS))
    }
}

/// A load, and how long it lasts.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) load: Command,
    seconds: u32,
}

impl Asked {
    pub(crate) fn new(work: Work, seconds: u32, server: &str, port: u16) -> Outcome<Self> {
        let load = load(work, seconds, server, port)?;
        Ok(Self { load, seconds })
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds.into()) + PATIENCE
    }

    /// Puts it on `server` from here; what it reports, and what the server spent meanwhile.
    pub(crate) fn of(&self, server: &Server) -> Outcome<(Report, f64)> {
        self.begun_by(server, Command::new(self.load.get_program()))
    }

    /// The same, from the client's end of the veth pair.
    pub(crate) fn over(&self, network: &Veth, server: &Server) -> Outcome<(Report, f64)> {
        let program = self.load.get_program().to_string_lossy();
        self.begun_by(server, network.enter(&program))
    }

    fn begun_by(&self, server: &Server, mut command: Command) -> Outcome<(Report, f64)> {
        let before = server.cpu()?;
        let report = report(command.args(self.load.get_args()), self.limit())?;
        Ok((report, server.cpu()? - before))
    }
}

/// Starts one that opens a TUN in this namespace and says `ready`.
pub(crate) fn ready(command: &mut Command) -> Outcome<Server> {
    Server::ready(command, PATIENCE)
}

/// What a load prints.
fn report(command: &mut Command, limit: Duration) -> Outcome<Report> {
    let output = process::output(command, limit)?;
    serde_json::from_slice(&output.stdout).map_err(|_no_report| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        format!("{last} ({})", output.status).into()
    })
}

/// `command` on these processors, if there are two.
pub(crate) fn pinned(processors: &str, command: &Command) -> Command {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", processors]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned
}

/// nginx as it is fastest: one process, no log, files and their descriptors kept.
pub(crate) fn nginx(out: &Path, root: &Path) -> Outcome<Server> {
    let scratch = out.canonicalize()?;
    let path = scratch.join("nginx.conf");
    let (scratch, root) = (scratch.display(), root.display());
    fs::write(
        &path,
        format!(
            "user root; daemon off; master_process off; pid {scratch}/nginx.pid; error_log {scratch}/nginx.log crit;\n\
             events {{ worker_connections 8192; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;\n\
             open_file_cache max=1000 inactive=60s; default_type text/plain;\n\
             client_body_temp_path {scratch}/ng1; proxy_temp_path {scratch}/ng2; fastcgi_temp_path {scratch}/ng3;\n\
             uwsgi_temp_path {scratch}/ng4; scgi_temp_path {scratch}/ng5;\n\
             server {{ listen 80 backlog=4096; root {root}; }} }}\n"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&path);
    Ok(Server(
        pinned(FIRST, &command).stderr(Stdio::null()).spawn()?,
    ))
}

/// Plain sockets of the kernel's: this program, started again.
pub(crate) fn kernel() -> Outcome<Server> {
    let mut command = pinned(FIRST, &ourselves()?);
    Ok(Server(command.arg("kernel").stdin(Stdio::null()).spawn()?))
}

/// Discards on one port, and on the other sends a head and then bytes until nobody wants more.
pub(crate) fn kernel_server() -> Outcome<()> {
    let discard = TcpListener::bind((SERVER, DISCARD))?;
    let send = TcpListener::bind((SERVER, SEND))?;
    thread::spawn(move || each(&discard, discard_all));
    each(&send, send_all);
    Ok(())
}

fn each(listener: &TcpListener, serve: fn(TcpStream) -> std::io::Result<()>) {
    for stream in listener.incoming().flatten() {
        // A client that has enough closes: an error here is how a measurement ends.
        thread::spawn(move || serve(stream));
    }
}

fn discard_all(mut stream: TcpStream) -> std::io::Result<()> {
    let mut block = vec![0; CHUNK];
    while stream.read(&mut block)? > 0 {}
    Ok(())
}

fn send_all(mut stream: TcpStream) -> std::io::Result<()> {
    let block = vec![b'x'; CHUNK];
    loop {
        stream.write_all(&block)?;
    }
}
