//! Who answers.
//!
//! Job: start each contender, put a scenario's load on it, and say what it cost both sides. Owns: the servers.
//! Does not know: what the figures mean. Server on the first processor, client on the second, as far as there are two.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::figures::Sample;
use crate::load::{CHUNK, Of, Report, cpu_seconds};
use crate::network::{SERVER, Veth};
use crate::scenario::{Scenario, Work};
use crate::{Outcome, Plan, ourselves, peer};

/// Ours when it spins before it sleeps.
const SPIN: &str = "outcrop, spin";
/// Ours and smoltcp without offload, at MTU 1,500.
const PLAIN: &str = "outcrop, plain";
const SMOLTCP_PLAIN: &str = "smoltcp, plain";
/// Where `outcrop run` answers.
const OURS: &str = "10.77.0.2";
/// Where everybody discards, the kernel's program sends, and ours generates characters.
const DISCARD: u16 = 9;
const SEND: u16 = 8_080;
const GENERATE: u16 = 19;

/// One who answers.
#[derive(Debug)]
pub(crate) struct Contender {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A new run for every measurement.
    Ours {
        program: PathBuf,
        root: PathBuf,
        options: &'static [&'static str],
    },
    /// A server over the veth pair that stays.
    Kernel(Server),
    Nginx(Server),
    /// A stack of `peer`, on a TUN of its own, started for every measurement.
    Peer {
        who: &'static str,
        spin: bool,
    },
}

/// A child that ends with us.
#[derive(Debug)]
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Contender {
    /// Everybody who can be had on this machine; who cannot is named as absent.
    pub(crate) fn all(plan: &Plan, root: &Path, _network: &mut Veth) -> Outcome<Vec<Self>> {
        let ours = |name, program: &Path, options| Self {
            name,
            kind: Kind::Ours {
                program: program.to_owned(),
                root: root.to_owned(),
                options,
            },
        };
        let peer = |name, who, spin| Self {
            name,
            kind: Kind::Peer { who, spin },
        };
        let beside = std::env::current_exe()?.with_file_name("outcrop");
        let outcrop = plan.outcrop.as_deref().unwrap_or(&beside);
        let mut all = vec![
            ours("outcrop", outcrop, &[]),
            ours(SPIN, outcrop, &["--busy-poll", "50"]),
            ours(PLAIN, outcrop, &["--no-offload"]),
            peer("ceiling", "ceiling", false),
            peer("ceiling, spin", "ceiling", true),
            peer("smoltcp", "smoltcp", false),
            peer(SMOLTCP_PLAIN, "smoltcp-plain", false),
        ];
        if let Some(against) = &plan.against {
            all.push(ours("outcrop, other", against, &[]));
        }
        let kernel = pinned(0, &ourselves()?)
            .arg("kernel")
            .stdin(Stdio::null())
            .spawn()?;
        all.push(Self {
            name: "kernel, veth",
            kind: Kind::Kernel(Server(kernel)),
        });
        match nginx(&plan.out, root) {
            Ok(child) => all.push(Self {
                name: "nginx, veth",
                kind: Kind::Nginx(Server(child)),
            }),
            Err(error) => eprintln!("nginx: absent ({error})"),
        }
        thread::sleep(core::time::Duration::from_millis(300));
        Ok(all)
    }

    /// One measurement; `None` if this one does not do that.
    pub(crate) fn run(
        &mut self,
        scenario: &Scenario,
        seconds: u32,
        network: &Veth,
    ) -> Outcome<Option<Sample>> {
        let work = scenario.work;
        if !self.takes_part(work) {
            return Ok(None);
        }
        let (report, server_cpu) = match &mut self.kind {
            Kind::Ours {
                program,
                root,
                options,
            } => {
                let port = match work {
                    Work::Push => DISCARD,
                    Work::Pull => GENERATE,
                    Work::Requests { .. } | Work::File => 80,
                };
                run_ours(program, root, options, &load(work, seconds, OURS, port)?)?
            }
            Kind::Peer { who, spin } => run_peer(who, *spin, work, seconds)?,
            Kind::Kernel(server) => {
                let port = if matches!(work, Work::Push) {
                    DISCARD
                } else {
                    SEND
                };
                run_over_veth(server, network, &load(work, seconds, SERVER, port)?)?
            }
            Kind::Nginx(server) => {
                run_over_veth(server, network, &load(work, seconds, SERVER, 80)?)?
            }
        };
        Ok(Some(Sample::new(scenario, &report, server_cpu)))
    }
}

impl Contender {
    /// Whether this one does that, and it is worth knowing.
    fn takes_part(&self, work: Work) -> bool {
        let bulk = matches!(work, Work::Push | Work::Pull);
        let file = matches!(work, Work::File);
        // Spinning is for one who waits for one answer; segments of 1,460 bytes count where there are many.
        let alone = matches!(work, Work::Requests { connections: 1, .. });
        match &self.kind {
            Kind::Kernel(_) => bulk,
            Kind::Nginx(_) => !bulk,
            Kind::Peer { .. } if file => false,
            Kind::Peer { spin: true, .. } => alone,
            Kind::Ours { .. } | Kind::Peer { .. } => match self.name {
                SPIN => alone,
                PLAIN | SMOLTCP_PLAIN => bulk,
                _ => true,
            },
        }
    }
}

/// The command that puts `work` on a server.
fn load(work: Work, seconds: u32, server: &str, port: u16) -> Outcome<Command> {
    let mut command = pinned(1, &ourselves()?);
    command.arg("load");
    let kind = match work {
        Work::Requests { .. } => "requests",
        Work::Push => "push",
        Work::Pull => "pull",
        Work::File => "file",
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
        Work::Push | Work::Pull => {}
        Work::File => {
            command.args(["--path", "/huge"]);
        }
    }
    Ok(command)
}

/// `outcrop run -- load`: its own namespace, its own TUN.
fn run_ours(
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
    let output = command.stderr(Stdio::inherit()).output()?;
    let both = cpu_seconds("/proc/self/stat", Of::Children)? - before;
    let report: Report = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{command:?}: {}: {error}", output.status))?;
    let server = both - report.cpu;
    Ok((report, server))
}

/// A peer on a TUN in this namespace, and the load from here.
fn run_peer(who: &str, spin: bool, work: Work, seconds: u32) -> Outcome<(Report, f64)> {
    let (port, connections) = match work {
        Work::Push => (peer::DISCARD, 1),
        Work::Pull | Work::File => (peer::SEND, 1),
        Work::Requests {
            close: true,
            connections,
            ..
        } => (peer::CLOSE, connections),
        Work::Requests {
            file, connections, ..
        } => {
            let port = if file == "large" {
                peer::LARGE
            } else {
                peer::SMALL
            };
            (port, connections)
        }
    };
    let mut command = pinned(0, &ourselves()?);
    command.args(["peer", who, "--port", &port.to_string()]);
    command.args(["--connections", &connections.to_string()]);
    if spin {
        command.arg("--spin");
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take();
    let server = Server(child);
    let mut ready = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut ready)?;
    }
    if ready.trim() != "ready" {
        return Err(format!("{who}: it did not start").into());
    }
    let load = load(work, seconds, &peer::PEER.to_string(), port)?;
    measured(&server, Command::new(load.get_program()), &load)
}

fn run_over_veth(server: &Server, network: &Veth, load: &Command) -> Outcome<(Report, f64)> {
    let program = load.get_program().to_string_lossy().into_owned();
    measured(server, network.enter(&program), load)
}

/// Runs `load` as `command` begins it; what it reports, and what the server spent meanwhile.
fn measured(server: &Server, mut command: Command, load: &Command) -> Outcome<(Report, f64)> {
    let stat = format!("/proc/{}/stat", server.0.id());
    let before = cpu_seconds(&stat, Of::Itself)?;
    let output = command
        .args(load.get_args())
        .stderr(Stdio::inherit())
        .output()?;
    let spent = cpu_seconds(&stat, Of::Itself)? - before;
    let report = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{command:?}: {}: {error}", output.status))?;
    Ok((report, spent))
}

/// `command` on one processor, if there are two.
fn pinned(processor: u32, command: &Command) -> Command {
    if thread::available_parallelism().map_or(1, usize::from) < 2 && processor == 1 {
        return Command::new(command.get_program());
    }
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", &processor.to_string()]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned
}

/// nginx as it is fastest: one process, no log, files and their descriptors kept.
fn nginx(out: &Path, root: &Path) -> Outcome<Child> {
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
    Ok(pinned(0, &command).stderr(Stdio::null()).spawn()?)
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
