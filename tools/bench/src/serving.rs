//! Servers while they are measured.
//!
//! Job: start one, put a load on it, and say what it cost both sides. Owns: the processes. Does not know: what the
//! figures mean, and who is compared with whom.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::load::{CHUNK, Of, Report, cpu_seconds};
use crate::network::{SERVER, Veth};
use crate::scenario::Work;
use crate::{Outcome, ourselves, peer};

/// Where everybody discards, the kernel's program sends, and ours generates characters.
const DISCARD: u16 = 9;
const SEND: u16 = 8_080;
const GENERATE: u16 = 19;
const HTTP: u16 = 80;

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
        match (self, work) {
            (Self::Http, _)
            | (Self::Ours, Work::Requests { .. } | Work::Paced { .. } | Work::File { .. }) => HTTP,
            (Self::Ours | Self::Plain, Work::Push { .. }) => DISCARD,
            (Self::Ours, Work::Pull { .. }) => GENERATE,
            (
                Self::Plain,
                Work::Requests { .. } | Work::Paced { .. } | Work::Pull { .. } | Work::File { .. },
            ) => SEND,
            (Self::Peer, work) => peer::port(work),
        }
    }
}

/// A child that ends with us.
#[derive(Debug)]
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Server {
    /// Processor time it has had so far, seconds.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        cpu_seconds(&format!("/proc/{}/stat", self.0.id()), Of::Itself)
    }
}

/// The command that puts `work` on a server.
pub(crate) fn load(work: Work, seconds: u32, server: &str, port: u16) -> Outcome<Command> {
    let mut command = pinned(1, &ourselves()?);
    command.arg("load");
    let kind = match work {
        Work::Requests { .. } => "requests",
        Work::Paced { .. } => "paced",
        Work::Push { .. } => "push",
        Work::Pull { .. } => "pull",
        Work::File { .. } => "file",
    };
    command.arg(kind).arg(format!("{server}:{port}"));
    command.args(["--seconds", &seconds.to_string()]);
    match work {
        Work::Requests {
            file,
            connections,
            pipeline,
            close,
        } => {
            command.args(["--path", &format!("/{file}")]);
            command.args(["--connections", &connections.to_string()]);
            command.args(["--pipeline", &pipeline.to_string()]);
            if close {
                command.arg("--close");
            }
        }
        Work::Paced { rate, connections } => {
            command.args(["--path", "/small", "--rate", &rate.to_string()]);
            command.args(["--connections", &connections.to_string()]);
        }
        Work::Push { streams } | Work::Pull { streams } => {
            command.args(["--connections", &streams.to_string()]);
        }
        Work::File { drops } => {
            command.args(["--path", "/huge"]);
            if drops {
                command.arg("--drops");
            }
        }
    }
    Ok(command)
}

/// `outcrop run -- load`: its own namespace, its own TUN.
pub(crate) fn run_ours(
    program: &Path,
    root: &Path,
    options: &[&str],
    load: &Command,
) -> Outcome<(Report, f64)> {
    let mut command = pinned(0, &Command::new(program));
    command.arg("run").arg("--root").arg(root).arg("--tcp-echo");
    command
        .args(options)
        .arg("--")
        .arg(load.get_program())
        .args(load.get_args());
    let before = cpu_seconds("/proc/self/stat", Of::Children)?;
    let report = report(&mut command)?;
    let both = cpu_seconds("/proc/self/stat", Of::Children)? - before;
    let server = both - report.cpu;
    Ok((report, server))
}

/// One that opens a TUN in this namespace and says `ready`, and the load from here.
pub(crate) fn run_on_tun(command: &mut Command, load: &Command) -> Outcome<(Report, f64)> {
    let server = ready(command)?;
    measured(&server, Command::new(load.get_program()), load)
}

/// Starts one, and waits for its `ready`.
pub(crate) fn ready(command: &mut Command) -> Outcome<Server> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let stdout = child.stdout.take();
    let server = Server(child);
    let mut word = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut word)?;
    }
    if word.trim() != "ready" {
        return Err("it did not start".into());
    }
    Ok(server)
}

pub(crate) fn run_over_veth(
    server: &Server,
    network: &Veth,
    load: &Command,
) -> Outcome<(Report, f64)> {
    let program = load.get_program().to_string_lossy().into_owned();
    measured(server, network.enter(&program), load)
}

/// Runs `load` as `command` begins it; what it reports, and what the server spent meanwhile.
pub(crate) fn measured(
    server: &Server,
    mut command: Command,
    load: &Command,
) -> Outcome<(Report, f64)> {
    let before = server.cpu()?;
    let report = report(command.args(load.get_args()))?;
    Ok((report, server.cpu()? - before))
}

/// What a load prints.
fn report(command: &mut Command) -> Outcome<Report> {
    let output = command.stderr(Stdio::piped()).output()?;
    serde_json::from_slice(&output.stdout).map_err(|_no_report| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        format!("{last} ({})", output.status).into()
    })
}

/// `command` on one processor, if there are two.
pub(crate) fn pinned(processor: u32, command: &Command) -> Command {
    if thread::available_parallelism().map_or(1, usize::from) < 2 && processor == 1 {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", &processor.to_string()]);
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
    Ok(Server(pinned(0, &command).stderr(Stdio::null()).spawn()?))
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
