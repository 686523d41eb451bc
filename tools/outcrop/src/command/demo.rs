//! `outcrop demo`: the front door.
//!
//! Four scenes in a private network, all with real programs: ping, two pages over one connection which the client
//! closes, two pipelined requests over another which the server closes. Then the ladder of what was recorded.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use outcrop_device::namespace::Namespace;
use outcrop_http::files::Options;
use outcrop_inspect::{LadderOptions, Paint, WhatIf};
use outcrop_netem::Fault;
use outcrop_testkit::scenario::{Play, Scenario};
use outcrop_testkit::what_if::Change;

use super::{inspect, show};
use crate::cli::{self, Cli, Command as Asked};
use crate::failure::Failure;
use crate::future::Future;
use crate::host::{Host, Place};
use crate::server::Server;
use crate::site::Site;
use crate::stop::word;

/// How long one scene may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// The page of another future, beside the demo's own.
const OTHER: &str = "what-if.html";

/// Shows everything at once.
pub(crate) fn run(options: &cli::Demo) -> Result<u8, Failure> {
    let begun = Instant::now();
    fs::create_dir_all(&options.out)
        .map_err(|error| Failure::file("--out", &options.out, &error))?;
    let capture = options.out.join("demo.pcapng");
    let asked = as_if_asked(&capture)?;
    let site = Site::new(None, Options::default())?;
    let mut host = Host::start(&asked.net, asked.tcp.config()?, Place::Private, "demo")?;
    let (shard, serving) = (host.shard().clone(), asked.serving.clone());
    let stage = Stage {
        namespace: host.namespace().cloned(),
        stack: asked.net.addr.address.to_string(),
        out: options.out.clone(),
        paint: show::paint(options.color),
    };
    let (tell, played) = word();
    let done = host.run(move |tasks| async move {
        let server = Server::start(&shard, &tasks, &serving, (&site, None))?;
        thread::spawn(move || tell.tell(stage.play()));
        let played = played.await;
        server.stop().await;
        played
    })?;
    host.finish()?;
    done?;
    let paint = show::paint(options.color);
    heading(paint, "What crossed the wire, in which state, and why");
    show::draw(
        &capture,
        LadderOptions {
            paint,
            ..LadderOptions::default()
        },
    )?;
    heading(paint, "Look for yourself");
    let page = options.out.join("demo.html");
    inspect::write(&capture, &page, 1, &[(OTHER, "what if a packet were lost")])?;
    what_if(&options.out.join(OTHER))?;
    how_to_open(&capture);
    println!(
        "  {}   # all of it on one page: open it in a browser",
        page.display()
    );
    println!("\n{:.1} s", begun.elapsed().as_secs_f64());
    Ok(0)
}

/// A recorded scenario, had one packet more been lost: the demo's own link loses nothing.
fn what_if(into: &Path) -> Result<(), Failure> {
    let play = Play {
        scenario: Scenario::Retransmission,
        seed: 1,
        faults: Vec::new(),
    };
    let change = Change {
        packet: 7,
        fault: Fault::Drop,
    };
    let said = |error| Failure::new(format!("what if: {error}"));
    let future = Future::of(&play, &[change]).map_err(said)?;
    let page = future.page("What if a packet were lost", WhatIf::No);
    fs::write(into, page.map_err(said)?).map_err(|error| Failure::file("--out", into, &error))
}

/// The demo runs what `outcrop serve` runs, with its defaults but one: packets as they cross a wire.
fn as_if_asked(capture: &Path) -> Result<cli::Serve, Failure> {
    use clap::Parser as _;
    let mut arguments: Vec<std::ffi::OsString> = ["outcrop", "serve", "--no-offload", "--capture"]
        .map(Into::into)
        .to_vec();
    arguments.push(capture.into());
    let cli = Cli::try_parse_from(arguments).map_err(|error| Failure::usage(&error))?;
    if let Asked::Serve(serve) = cli.command {
        return Ok(serve);
    }
    Err(Failure::new("the demo's own options are wrong"))
}

fn heading(paint: Paint, text: &str) {
    match paint {
        Paint::Color => println!("\n\x1b[1m{text}\x1b[0m"),
        Paint::Plain => println!("\n{text}"),
    }
}

fn how_to_open(capture: &Path) {
    let capture = capture.display();
    // As it was called: it may well not be installed.
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "outcrop".to_owned());
    println!("  wireshark {capture}");
    println!("  tshark -r {capture} -Y 'frame.comment contains \"why=fin\"'   # who closed");
    println!("  {program} ladder --every-event {capture}   # every timer too");
    println!("  {program} print {capture}   # tcpdump's grammar, with state and reason");
}

/// Where the scenes are played.
struct Stage {
    namespace: Option<Namespace>,
    stack: String,
    out: PathBuf,
    paint: Paint,
}

impl Stage {
    fn play(&self) -> Result<(), Failure> {
        self.scene(
            "Ping: the kernel asks, our ICMP answers",
            "ping",
            &["-c", "2", "-i", "0.2", &self.stack],
        )?;
        let page = self.out.join("page.html");
        let picture = self.out.join("layers.svg");
        let (page, picture) = (page.to_string_lossy(), picture.to_string_lossy());
        let (first, second) = (
            format!("http://{}/", self.stack),
            format!("http://{}/layers.svg", self.stack),
        );
        self.scene(
            "Two pages over one connection, which the client closes",
            "curl",
            &[
                "-sS",
                "--fail",
                "-w",
                "%{http_code} %{url_effective}: %{size_download} bytes in %{time_total} s over %{num_connects} new connection(s)\\n",
                "-o",
                &page,
                &first,
                "-o",
                &picture,
                &second,
            ],
        )?;
        let ourselves = std::env::current_exe()
            .map_err(|error| Failure::new(format!("the program itself: {error}")))?;
        let ourselves = ourselves.to_string_lossy();
        let server = format!("{}:80", self.stack);
        self.scene(
            "Two requests sent at once, then the server closes",
            &ourselves,
            &["pipeline", &server],
        )
    }

    fn scene(&self, title: &str, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        heading(self.paint, title);
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let child = match &self.namespace {
            Some(namespace) => namespace.spawn(command),
            None => command.spawn(),
        };
        let status = child
            .and_then(|mut child| child.wait())
            .map_err(|error| Failure::program(program, &error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("{program}: {status}")))
        }
    }
}

/// The client of the last scene, in a process of its own: two requests in one write, both answers, end of stream.
pub(crate) fn run_pipeline(options: &cli::Pipeline) -> Result<u8, Failure> {
    let server = options.server;
    let failed = |error: io::Error| Failure::new(format!("{server}: {error}"));
    let answer = pipeline(server).map_err(failed)?;
    let text = String::from_utf8_lossy(&answer);
    for line in text.lines().filter(|line| line.starts_with("HTTP/1.1 ")) {
        println!("{line}");
    }
    println!("{} bytes, then the server's FIN", answer.len());
    Ok(u8::from(text.matches("HTTP/1.1 200").count() != 2))
}

fn pipeline(server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = |more: &str| format!("HEAD / HTTP/1.1\r\nHost: {server}\r\n{more}\r\n");
    let both = request("") + &request("Connection: close\r\n");
    stream.write_all(both.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
