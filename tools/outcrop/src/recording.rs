//! The capture a run leaves.
//!
//! Job: begin the file asked for, or record nothing; finish it so that every tool opens it. Owns: the file.
//! Does not know: what is worth recording; the level decides that.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use outcrop_base::{Fact, Instant, InterfaceId, Level, PacketRecord, Recorder, Seed, WallClock};
use outcrop_capture::{Config, Section, Writer};
use outcrop_device::{Device as _, Medium, Tun};

use crate::cli::Net;
use crate::failure::Failure;
use crate::watch::Keeper;

/// What `--capture` calls standard output: somebody reads along, `wireshark -k -i -` for instance.
const STANDARD_OUTPUT: &str = "-";

/// Whether a run's capture goes to standard output, which then holds nothing else.
pub(crate) fn is_live(net: &Net) -> bool {
    let path = net.capture.as_deref();
    path.is_some_and(|path| path.as_os_str() == STANDARD_OUTPUT)
}

/// A file being written, or nothing.
#[derive(Debug)]
pub(crate) struct Recording {
    open: Option<Open>,
    /// What pages show of the run itself.
    keeper: Option<Keeper>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    /// Each record leaves at once.
    live: bool,
}

impl Recording {
    /// Begins what `net` asks for. The file says how the run was made: seed, addresses, command.
    pub(crate) fn begin(
        net: &Net,
        tun: &Tun,
        seed: &Seed,
        wall: WallClock,
        command: &str,
    ) -> Result<Self, Failure> {
        let level = Level::from(net.capture_level);
        let section = Section::new()
            .with("seed", &hex(seed))
            .with("command", command)
            .with("addr", &net.addr.to_string())
            .with("addr6", &net.addr6.to_string())
            .with("mtu", &net.mtu.to_string())
            .with("gso_max", &tun.caps().gso_max.to_string());
        let config = Config {
            level,
            interface: tun.name().to_owned(),
            link: link_of(tun.caps().medium),
            clock: wall,
            section,
            ..Config::default()
        };
        let keeper = net.kept.as_ref().map(|kept| {
            let full = Config {
                level: Level::Full,
                ..config.clone()
            };
            Keeper::begin(kept, full).map_err(|error| Failure::new(format!("--inspect: {error}")))
        });
        let path = net.capture.as_ref().filter(|_| level != Level::Off);
        let open = path.map(|path| begin(path, config, command));
        Ok(Self {
            open: open.transpose()?,
            keeper: keeper.transpose()?,
        })
    }

    /// Completes the file; its path, if there is one.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, Failure> {
        let Some(mut open) = self.open else {
            return Ok(None);
        };
        let finished = open.writer.finish();
        finished.map_err(|error| unwritten(&open.path, &error))?;
        Ok(Some(open.path).filter(|_| !open.live))
    }

    fn record(&mut self, record: impl FnOnce(&mut Writer<BufWriter<File>>)) {
        let Some(open) = &mut self.open else {
            return;
        };
        record(&mut open.writer);
        if open.live
            && let Err(error) = open.writer.flush()
        {
            // A viewer was closed: serving goes on.
            log::warn!("capture: the reader of standard output is gone: {error}");
            self.open = None;
        }
    }
}

const fn link_of(medium: Medium) -> outcrop_capture::Link {
    match medium {
        Medium::Ip => outcrop_capture::Link::Raw,
        Medium::Ethernet => outcrop_capture::Link::Ethernet,
    }
}

/// Begins the file.
fn begin(path: &Path, config: Config, command: &str) -> Result<Open, Failure> {
    if path.as_os_str() == STANDARD_OUTPUT {
        return begin_live(path, config, command);
    }
    // Creating it ourselves keeps the system's reason apart from the format's.
    let file = File::create(path).map_err(|error| Failure::file("--capture", path, &error))?;
    let writer = Writer::with_room_for_secrets(BufWriter::new(file), config);
    Ok(Open {
        path: path.to_owned(),
        writer: writer.map_err(|error| unwritten(path, &error))?,
        live: false,
    })
}

fn begin_live(path: &Path, config: Config, command: &str) -> Result<Open, Failure> {
    if command != "serve" {
        return Err(Failure::new(format!(
            "--capture -: standard output is not free with `outcrop {command}`; name a file, or use `outcrop serve`"
        )));
    }
    let output = rustix::io::dup(std::io::stdout());
    let file = File::from(output.map_err(|error| unwritten(path, &error))?);
    // What was written cannot be gone back to: keys stand where they become known.
    let writer = Writer::new(BufWriter::new(file), config);
    let mut open = Open {
        path: path.to_owned(),
        writer: writer.map_err(|error| unwritten(path, &error))?,
        live: true,
    };
    // The reader learns at once what the packets will be.
    let begun = open.writer.flush();
    begun.map_err(|error| unwritten(path, &error))?;
    Ok(open)
}

/// One file for each link of a router, each port of a switch: a file holds one tap.
#[derive(Debug)]
pub(crate) struct Taps(Vec<Recording>);

impl Taps {
    /// Begins a file for each of the links `names`, or nothing.
    pub(crate) fn begin<'a>(
        (path, level): (Option<&Path>, Level),
        links: impl Iterator<Item = (&'a str, Medium)>,
        section: &Section,
        wall: WallClock,
    ) -> Result<Self, Failure> {
        let Some(path) = path.filter(|_| level != Level::Off) else {
            return Ok(Self(Vec::new()));
        };
        let mut taps = Vec::new();
        for (number, (name, medium)) in (0..).zip(links) {
            let path = beside(path, name);
            let config = Config {
                level,
                interface: name.to_owned(),
                link: link_of(medium),
                tap: Some(InterfaceId(number)),
                clock: wall,
                section: section.clone(),
            };
            taps.push(Recording {
                open: Some(begin(&path, config, "this")?),
                keeper: None,
            });
        }
        Ok(Self(taps))
    }

    /// Completes the files and says where they are.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        for tap in self.0 {
            if let Some(path) = tap.finish()? {
                let path = path.display();
                eprintln!("capture: {path} (outcrop ladder {path})");
            }
        }
        Ok(())
    }
}

/// `run.pcapng` and `left`: `run-left.pcapng`.
pub(crate) fn beside(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let ending = ending.map_or_else(String::new, |ending| format!(".{ending}"));
    path.with_file_name(format!("{stem}-{name}{ending}"))
}

impl Recorder for Taps {
    fn level(&self) -> Level {
        self.0.first().map_or(Level::Off, Recorder::level)
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        for tap in &mut self.0 {
            tap.packet(record);
        }
    }

    /// What happened without a packet belongs to no link: it stands in the first file.
    fn fact(&mut self, at: Instant, fact: &Fact) {
        if let Some(tap) = self.0.first_mut() {
            tap.fact(at, fact);
        }
    }

    fn secret(&mut self, line: &str) {
        if let Some(tap) = self.0.first_mut() {
            tap.secret(line);
        }
    }
}

fn unwritten(path: &Path, error: &dyn core::fmt::Display) -> Failure {
    Failure::new(format!("--capture: {}: {error}", path.display()))
}

pub(crate) fn hex(seed: &Seed) -> String {
    use core::fmt::Write as _;
    seed.as_bytes()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

impl Recorder for Recording {
    fn level(&self) -> Level {
        if self.keeper.is_some() {
            return Level::Full;
        }
        self.open
            .as_ref()
            .map_or(Level::Off, |open| open.writer.level())
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        self.record(|writer| writer.packet(record));
        if let Some(keeper) = &mut self.keeper {
            keeper.packet(record);
        }
    }

    fn fact(&mut self, at: Instant, fact: &Fact) {
        self.record(|writer| writer.fact(at, fact));
        if let Some(keeper) = &mut self.keeper {
            keeper.fact(at, fact);
        }
    }

    fn secret(&mut self, line: &str) {
        self.record(|writer| writer.secret(line));
        if let Some(keeper) = &mut self.keeper {
            keeper.secret(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_links_stand_beside_each_other() {
        let path = beside(Path::new("out/run.pcapng"), "left");
        assert_eq!(path, Path::new("out/run-left.pcapng"));
    }
}
