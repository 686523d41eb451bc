//! Who answers.
//!
//! Job: say who takes part, in what, and where each is asked. Owns: the field. Does not know: how a server is run and
//! what it costs; `serving` does. Server on the first processor, client on the second, as far as there are two; two
//! queues and two clients share both.

use std::path::{Path, PathBuf};

use crate::figures::{Absent, OURS, Sample};
use crate::network::{SERVER, Veth};
use crate::peer::Who;
use crate::peer::external::External;
use crate::process::Server;
use crate::scenario::{Field, Scenario, Work};
use crate::serving::{self, Asked, Port, Run, pinned, processors};
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

/// What it is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Everything it can.
    All,
    /// One who waits for one answer: those that spin.
    Alone,
    /// Where there are many segments of 1,460 bytes: those without offload.
    Bulk,
    /// Small answers, 16 and 256 connections, and at a fixed rate: what a web framework is asked; and handlers.
    Router,
    /// Bulk alone: plain sockets.
    Sockets,
    /// Two clients alone.
    Queues,
}

#[derive(Debug)]
enum Kind {
    /// A new run for every measurement.
    Ours(Run),
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
        for (name, part, port, started) in [
            ("kernel", Part::Sockets, Port::Plain, serving::kernel()),
            (
                "nginx",
                Part::All,
                Port::Http,
                serving::nginx(&plan.out, root),
            ),
        ] {
            match started {
                Ok(server) => all.push(Self {
                    name,
                    part,
                    kind: Kind::Veth { server, port },
                }),
                Err(error) => absent.push(Absent {
                    who: name.to_owned(),
                    why: error.to_string(),
                }),
            }
        }
        Ok((all, absent))
    }

    /// One measurement of one who takes part in it.
    pub(crate) fn run(&self, scenario: &Scenario, seconds: u32, network: &Veth) -> Outcome<Sample> {
        let work = scenario.work;
        let asked = |server: &str, port| Asked::new(work, seconds, server, port);
        let (report, server_cpu) = match &self.kind {
            Kind::Ours(run) => run.measure(work, &asked(OUR_ADDRESS, Port::Ours.of(work))?)?,
            Kind::OnTun(start) => {
                let port = Port::Peer.of(work);
                let server = start.ready(work, port)?;
                asked(&peer::PEER.to_string(), port)?.of(&server)?
            }
            Kind::Veth { server, port } => asked(SERVER, port.of(work))?.over(network, server)?,
        };
        Ok(Sample::new(work, &report, server_cpu))
    }

    /// One that stays, to be looked into, with what is asked of it; `None` if it cannot be.
    pub(crate) fn stays(&self, work: Work, seconds: u32) -> Outcome<Option<(Server, Asked)>> {
        let asked = |server: &str, port| Asked::new(work, seconds, server, port);
        Ok(match &self.kind {
            Kind::Ours(run) => {
                let (server, address) = run.serve()?;
                Some((server, asked(address, Port::Ours.of(work))?))
            }
            Kind::OnTun(start) => {
                let port = Port::Peer.of(work);
                let server = start.ready(work, port)?;
                Some((server, asked(&peer::PEER.to_string(), port)?))
            }
            Kind::Veth { .. } => None,
        })
    }

    /// Whether this one does that, and it is worth knowing.
    pub(crate) fn takes_part(&self, scenario: &Scenario) -> bool {
        let bulk = matches!(scenario.work, Work::Push { .. } | Work::Pull { .. });
        let asked = match scenario.field {
            Field::Core => match self.part {
                Part::All => true,
                Part::Alone => scenario.work.connections() == 1 && !bulk,
                Part::Bulk | Part::Sockets => bulk,
                Part::Router => matches!(
                    scenario.work,
                    Work::Requests {
                        connections: 16 | 256,
                        pipeline: 1,
                        close: false,
                        file: "small",
                    }
                ),
                Part::Queues => false,
            },
            Field::Whole => matches!(self.part, Part::All | Part::Router),
            Field::Close => self.part == Part::All || bulk && self.part == Part::Sockets,
            Field::Huge if self.name == "ceiling" => true,
            Field::Files | Field::Huge => {
                self.part == Part::All && !matches!(self.kind, Kind::OnTun(_))
            }
            Field::Alone => self.part == Part::Alone || ["nginx", OURS].contains(&self.name),
            Field::Queues => self.part == Part::Queues || self.name == OURS,
            Field::Handler => self.part == Part::Router,
        };
        let able = match &self.kind {
            Kind::Ours(_) | Kind::OnTun(_) => true,
            Kind::Veth { port, .. } => bulk == matches!(port, Port::Plain),
        };
        asked && able
    }
}

impl Start {
    /// Starts it for `work`; what goes wrong is said with its name.
    fn ready(&self, work: Work, port: u16) -> Outcome<Server> {
        let [processors, _] = processors(work);
        match self {
            Self::Program(program) => serving::ready(&mut pinned(
                processors,
                &std::process::Command::new(program),
            )),
            Self::Peer { who, program, spin } => {
                let mut command = pinned(processors, &ourselves()?);
                let name = who.to_string();
                command.args(["peer", &name, "--port", &port.to_string()]);
                command.args(["--connections", &work.connections().to_string()]);
                if *spin {
                    command.arg("--spin");
                }
                if let Some(program) = program {
                    command.arg("--program").arg(program);
                }
                serving::ready(&mut command)
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

/// An example of this package, as it was built with this program.
pub(crate) fn example(name: &str) -> Outcome<PathBuf> {
    let beside = std::env::current_exe()?;
    Ok(beside.with_file_name("examples").join(name))
}

/// Our own, in every way that is compared: a name, what it is measured for, and options.
const OURS_IN_WAYS: [(&str, Part, &[&str]); 4] = [
    (OURS, Part::All, &["--backlog", "4096"]),
    ("outcrop, spinning", Part::Alone, &["--busy-poll", "50"]),
    ("outcrop, plain", Part::Bulk, &["--no-offload"]),
    (
        "outcrop, 2 queues",
        Part::Queues,
        &["--queues", "2", "--backlog", "4096"],
    ),
];

fn ours(plan: &Plan, root: &Path) -> Outcome<Vec<Contender>> {
    let outcrop = &plan.outcrop()?;
    let run = |program: &Path, (name, part, options)| -> Outcome<Contender> {
        let kind = Kind::Ours(Run::new(program, root, options)?);
        Ok(Contender { name, part, kind })
    };
    let mut all = Vec::new();
    for way in OURS_IN_WAYS {
        all.push(run(outcrop, way)?);
    }
    if let Some(against) = &plan.against {
        let other = ("outcrop, other", Part::All, OURS_IN_WAYS[0].2);
        all.push(run(against, other)?);
    }
    let axum = Start::Program(example("axum_on_tun")?);
    all.push(on_tun("outcrop, axum", Part::Router, axum));
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

#[cfg(test)]
impl Contender {
    /// Everybody there is on a machine that has all of them; none of them can be run.
    pub(crate) fn drawn() -> Vec<Self> {
        let program = || Start::Program(PathBuf::new());
        let mut all: Vec<_> = OURS_IN_WAYS
            .into_iter()
            .map(|(name, part, options)| Self {
                name,
                part,
                kind: Kind::Ours(Run::unmeasured(Path::new(""), Path::new(""), options)),
            })
            .collect();
        all.extend(peers());
        let others = External::ALL.map(|external| on_tun(external.name, Part::All, program()));
        all.extend(others);
        all.push(on_tun("outcrop, axum", Part::Router, program()));
        for (name, part, port) in [
            ("kernel", Part::Sockets, Port::Plain),
            ("nginx", Part::All, Port::Http),
        ] {
            let server = Server(std::process::Command::new("true").spawn().unwrap());
            let kind = Kind::Veth { server, port };
            all.push(Self { name, part, kind });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(scenario: &str) -> Vec<&'static str> {
        let scenario = Scenario::named(scenario).unwrap();
        let all = Contender::drawn();
        let asked = all.iter().filter(|one| one.takes_part(scenario));
        asked.map(|one| one.name).collect()
    }

    #[test]
    fn everybody_does_what_it_can() {
        let on_tun = ["ceiling", "smoltcp", "lwIP", "gVisor", "ipstack"];
        let peers =
            |before: &[&'static str], after: &[&'static str]| [before, &on_tun, after].concat();
        assert_eq!(
            who("small, 16"),
            peers(&[OURS], &["outcrop, axum", "nginx"])
        );
        assert_eq!(who("small, 4096"), peers(&[OURS], &["nginx"]));
        assert_eq!(who("bulk in, 8 streams"), peers(&[OURS], &["kernel"]));
        assert_eq!(who("1 MiB, 16"), peers(&[OURS], &["nginx"]));
        assert_eq!(who("256 KiB, 16"), [OURS, "nginx"]);
        assert_eq!(who("1 GiB body"), [OURS, "ceiling", "nginx"]);
        assert_eq!(who("two clients, small"), [OURS, "outcrop, 2 queues"]);
        assert_eq!(who("handler of 1 KiB"), ["outcrop, axum"]);
    }

    #[test]
    fn those_that_spin_are_beside_nginx_where_the_client_spins() {
        let [one, two, three, four] = who("small, 1, client spins").try_into().unwrap();
        assert_eq!([one, two], [OURS, "outcrop, spinning"]);
        assert_eq!([three, four], ["ceiling, spinning", "nginx"]);
    }
}
