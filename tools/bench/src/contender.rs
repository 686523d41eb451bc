//! Who answers.
//!
//! Job: say who takes part, in what, and where each is asked. Owns: the field. Does not know: how a server is run and
//! what it costs; `serving` does. Server on the first processor, client on the second, as far as there are two.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::figures::{Absent, OURS, Sample};
use crate::network::{SERVER, Veth};
use crate::peer::Who;
use crate::peer::external::External;
use crate::scenario::{Field, Scenario, Work};
use crate::serving::{self, Port, Server, pinned};
use crate::{Outcome, Plan, ourselves, peer};

/// Where `outcrop run` answers.
const OUR_ADDRESS: &str = "10.77.0.2";

/// One who answers.
#[derive(Debug)]
pub(crate) struct Contender {
    /// What it is called in the table: who, and how after a comma.
    pub(crate) name: &'static str,
    part: Part,
    kind: Kind,
}

/// What it is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Everything it can.
    All,
    /// One who waits for one answer: those that spin.
    Alone,
    /// Where there are many segments of 1,460 bytes: those without offload.
    Bulk,
    /// Small answers, 16 and 256 connections, and at a fixed rate: what a web framework is asked.
    Router,
    /// Bulk alone: plain sockets.
    Sockets,
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
    Veth { server: Server, port: Port },
    /// One that opens a TUN of its own in the namespace of the measurement, started for each.
    OnTun(Start),
}

/// How one that is started for a measurement is started.
#[derive(Debug)]
enum Start {
    Peer {
        who: Who,
        program: Option<PathBuf>,
        spin: bool,
    },
    /// This program opens the TUN itself.
    Program(PathBuf),
}

impl Contender {
    /// Everybody who can be had on this machine, and who cannot.
    pub(crate) fn all(plan: &Plan, root: &Path) -> Outcome<(Vec<Self>, Vec<Absent>)> {
        let (mut all, mut absent) = (ours(plan, root)?, Vec::new());
        all.extend(peers());
        for external in External::ALL.iter().filter(|_| !plan.quick) {
            match external.built(&plan.out) {
                Ok(program) => all.push(on_tun(
                    external.name,
                    Part::All,
                    Start::Peer {
                        who: external.who,
                        program: Some(program),
                        spin: false,
                    },
                )),
                Err(why) => absent.push(Absent {
                    who: external.name.to_owned(),
                    why,
                }),
            }
        }
        let kernel = pinned(0, &ourselves()?)
            .arg("kernel")
            .stdin(Stdio::null())
            .spawn()?;
        all.push(Self {
            name: "kernel",
            part: Part::Sockets,
            kind: Kind::Veth {
                server: Server(kernel),
                port: Port::Plain,
            },
        });
        // The one that is never absent.
        let nginx = serving::nginx(&plan.out, root).map_err(|error| format!("nginx: {error}"))?;
        all.push(Self {
            name: "nginx",
            part: Part::All,
            kind: Kind::Veth {
                server: nginx,
                port: Port::Http,
            },
        });
        Ok((all, absent))
    }

    /// One measurement; `None` if this one does not do that.
    pub(crate) fn run(
        &self,
        scenario: &Scenario,
        seconds: u32,
        network: &Veth,
    ) -> Outcome<Option<Sample>> {
        let work = scenario.work;
        if !self.takes_part(scenario) {
            return Ok(None);
        }
        let (report, server_cpu) = match &self.kind {
            Kind::Ours {
                program,
                root,
                options,
            } => {
                let load = serving::load(work, seconds, OUR_ADDRESS, Port::Ours.of(work))?;
                serving::run_ours(program, root, options, &load)?
            }
            Kind::OnTun(start) => {
                let port = Port::Peer.of(work);
                let (mut command, rule) = start.command(work, port)?;
                let load = serving::load(work, seconds, &peer::PEER.to_string(), port)?;
                serving::run_on_tun(&mut command, &load)
                    .map_err(|error| format!("{rule}{error}"))?
            }
            Kind::Veth { server, port } => {
                let load = serving::load(work, seconds, SERVER, port.of(work))?;
                serving::run_over_veth(server, network, &load)?
            }
        };
        Ok(Some(Sample::new(work, &report, server_cpu)))
    }

    /// Whether this one does that, and it is worth knowing.
    fn takes_part(&self, scenario: &Scenario) -> bool {
        let bulk = matches!(scenario.work, Work::Push { .. } | Work::Pull { .. });
        let file = matches!(scenario.work, Work::File { .. }) || scenario.field == Field::Files;
        let external = matches!(
            &self.kind,
            Kind::OnTun(Start::Peer {
                program: Some(_),
                ..
            })
        );
        let asked = match self.part {
            Part::All => true,
            Part::Alone => matches!(scenario.work, Work::Requests { connections: 1, .. }),
            Part::Bulk => bulk && scenario.field == Field::Core,
            Part::Sockets => bulk,
            Part::Router => match scenario.work {
                Work::Requests {
                    connections: 16 | 256,
                    pipeline: 1,
                    close: false,
                    file: "small",
                }
                | Work::Paced { .. } => true,
                Work::Requests { .. }
                | Work::Push { .. }
                | Work::Pull { .. }
                | Work::File { .. } => false,
            },
        };
        let able = match &self.kind {
            Kind::Ours { .. } => true,
            Kind::Veth { port, .. } => bulk == matches!(port, Port::Plain),
            Kind::OnTun(_) => !file,
        };
        asked && able && !(external && scenario.field == Field::Close)
    }
}

impl Start {
    /// The command, and what is to be said before an error of it.
    fn command(&self, work: Work, port: u16) -> Outcome<(std::process::Command, String)> {
        match self {
            Self::Program(program) => {
                let command = pinned(0, &std::process::Command::new(program));
                Ok((command, String::new()))
            }
            Self::Peer { who, program, spin } => {
                let connections = match work {
                    Work::Requests { connections, .. } | Work::Paced { connections, .. } => {
                        connections
                    }
                    Work::Push { streams } | Work::Pull { streams } => streams,
                    Work::File { .. } => 1,
                };
                let mut command = pinned(0, &ourselves()?);
                let name = who.to_string();
                command.args(["peer", &name, "--port", &port.to_string()]);
                command.args(["--connections", &connections.to_string()]);
                if *spin {
                    command.arg("--spin");
                }
                if let Some(program) = program {
                    command.arg("--program").arg(program);
                }
                Ok((command, format!("{name}: ")))
            }
        }
    }
}

const fn on_tun(name: &'static str, part: Part, start: Start) -> Contender {
    Contender {
        name,
        part,
        kind: Kind::OnTun(start),
    }
}

/// Our own, in every way that is compared.
fn ours(plan: &Plan, root: &Path) -> Outcome<Vec<Contender>> {
    let beside = std::env::current_exe()?.with_file_name("outcrop");
    let outcrop = plan.outcrop.as_deref().unwrap_or(&beside);
    let ours = |name, part, program: &Path, options| Contender {
        name,
        part,
        kind: Kind::Ours {
            program: program.to_owned(),
            root: root.to_owned(),
            options,
        },
    };
    let mut all = vec![
        ours(OURS, Part::All, outcrop, &["--backlog", "4096"]),
        ours(
            "outcrop, spinning",
            Part::Alone,
            outcrop,
            &["--busy-poll", "50"],
        ),
        ours("outcrop, plain", Part::Bulk, outcrop, &["--no-offload"]),
    ];
    if let Some(against) = &plan.against {
        all.push(ours(
            "outcrop, other",
            Part::All,
            against,
            &["--backlog", "4096"],
        ));
    }
    let axum = beside.with_file_name("examples").join("axum_on_tun");
    all.push(on_tun("outcrop, axum", Part::Router, Start::Program(axum)));
    Ok(all)
}

/// The stacks that are part of this program.
fn peers() -> [Contender; 4] {
    let peer = |name, part, who, spin| {
        on_tun(
            name,
            part,
            Start::Peer {
                who,
                program: None,
                spin,
            },
        )
    };
    [
        peer("ceiling", Part::All, Who::Ceiling, false),
        peer("ceiling, spinning", Part::Alone, Who::Ceiling, true),
        peer("smoltcp", Part::All, Who::Smoltcp, false),
        peer("smoltcp, plain", Part::Bulk, Who::SmoltcpPlain, false),
    ]
}
