//! Stacks in other languages, or with dependencies of their own: lwIP, gVisor, ipstack.
//!
//! Job: build each from `tools/bench/peers` with what the machine has, and become it with the TUN as its standard
//! input. Owns: the recipes. Does not know: what they do. Who cannot be built is absent, with the reason.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Who;
use crate::Outcome;

/// One of them.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) name: &'static str,
    pub(crate) who: Who,
    /// The command that builds it, without where to.
    recipe: fn(sources: &Path, into: &Path) -> Command,
    /// Where Debian has what it needs.
    package: &'static str,
}

impl External {
    pub(crate) const ALL: [Self; 3] = [
        Self {
            name: "lwIP",
            who: Who::Lwip,
            recipe: lwip,
            package: "liblwip-dev",
        },
        Self {
            name: "gVisor",
            who: Who::Gvisor,
            recipe: gvisor,
            package: "golang-go and golang-gvisor-gvisor-dev",
        },
        Self {
            name: "ipstack",
            who: Who::Ipstack,
            recipe: ipstack,
            package: "the crate ipstack",
        },
    ];

    /// Builds it below `out`, or leaves there why not. Once: a program that is there stays.
    fn build(&self, out: &Path) -> Outcome<()> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let into = out.join("peers");
        fs::create_dir_all(&into)?;
        let into = into.canonicalize()?;
        let log = self.log(&into);
        eprintln!("building {}", self.name);
        let said = match (self.recipe)(&sources, &into).output() {
            Ok(output) if output.status.success() => String::new(),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let error = text
                    .lines()
                    .find(|line| line.contains("error"))
                    .or_else(|| text.lines().last());
                let line = error.unwrap_or_default().trim();
                format!("it does not build, {} is needed: {line}", self.package)
            }
            Err(error) => format!("it does not build, {} is needed: {error}", self.package),
        };
        Ok(fs::write(log, said)?)
    }

    /// Its program, or why there is none.
    pub(crate) fn built(&self, out: &Path) -> Result<PathBuf, String> {
        let into = out
            .join("peers")
            .canonicalize()
            .map_err(|error| error.to_string())?;
        let why =
            fs::read_to_string(self.log(&into)).map_err(|error| format!("never built: {error}"))?;
        if why.is_empty() {
            return Ok(self.program(&into));
        }
        Err(why)
    }

    fn log(&self, into: &Path) -> PathBuf {
        into.join(format!("{}.log", self.who))
    }

    fn program(&self, into: &Path) -> PathBuf {
        match self.who {
            Who::Ipstack => into.join("ipstack-target/release/bench-peer-ipstack"),
            Who::Ceiling | Who::Smoltcp | Who::SmoltcpPlain | Who::Lwip | Who::Gvisor => {
                into.join(self.who.to_string())
            }
        }
    }
}

/// Builds those that are wanted.
pub(crate) fn build_all(out: &Path, wanted: &dyn Fn(&str) -> bool) -> Outcome<()> {
    let mut all = External::ALL.iter();
    all.try_for_each(|external| match wanted(external.name) {
        true => external.build(out),
        false => Ok(()),
    })
}

/// Becomes `program`, with `tun` as its standard input.
pub(super) fn become_it(program: &Path, tun: OwnedFd, port: u16) -> Outcome<()> {
    let error = Command::new(program)
        .arg(port.to_string())
        .stdin(Stdio::from(tun))
        .exec();
    Err(format!("{}: {error}", program.display()).into())
}

fn lwip(sources: &Path, into: &Path) -> Command {
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-I", "/usr/include/lwip"])
        .arg(sources.join("lwip.c"));
    cc.arg("-o")
        .arg(into.join("lwip"))
        .args(["-llwip", "-lpthread"]);
    cc
}

/// Debian's Go packages are sources below one folder, for the time before modules.
fn gvisor(sources: &Path, into: &Path) -> Command {
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", into.join("go-cache"));
    go.arg("build").arg("-o").arg(into.join("gvisor"));
    go.arg(sources.join("gvisor.go"));
    go
}

fn ipstack(sources: &Path, into: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--quiet",
        "--manifest-path",
    ]);
    cargo.arg(sources.join("ipstack/Cargo.toml"));
    cargo.arg("--target-dir").arg(into.join("ipstack-target"));
    cargo
}
