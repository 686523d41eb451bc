//! The capture a run leaves.
//!
//! Job: begin the file asked for, or record nothing; finish it so that every tool opens it. Owns: the file.
//! Does not know: what is worth recording; the level decides that.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use outcrop_base::{Fact, Instant, Level, PacketRecord, Recorder, Seed, WallClock};
use outcrop_capture::{Config, Section, Writer};
use outcrop_device::{Device as _, Tun};

use crate::cli::Net;
use crate::failure::Failure;

/// A file being written, or nothing.
#[derive(Debug)]
pub(crate) struct Recording(Option<(PathBuf, Writer<BufWriter<File>>)>);

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
        let Some(path) = net.capture.as_ref().filter(|_| level != Level::Off) else {
            return Ok(Self(None));
        };
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
            clock: wall,
            section,
            ..Config::default()
        };
        // Creating it ourselves keeps the system's reason apart from the format's.
        let file = File::create(path).map_err(|error| Failure::file("--capture", path, &error))?;
        let writer = Writer::with_room_for_secrets(BufWriter::new(file), config);
        let writer = writer.map_err(|error| unwritten(path, &error))?;
        Ok(Self(Some((path.clone(), writer))))
    }

    /// Completes the file; its path, if there is one.
    pub(crate) fn finish(self) -> Result<Option<PathBuf>, Failure> {
        let Some((path, mut writer)) = self.0 else {
            return Ok(None);
        };
        writer.finish().map_err(|error| unwritten(&path, &error))?;
        Ok(Some(path))
    }

    fn inner(&mut self) -> Option<&mut Writer<BufWriter<File>>> {
        self.0.as_mut().map(|(_, writer)| writer)
    }
}

fn unwritten(path: &Path, error: &dyn core::fmt::Display) -> Failure {
    Failure::new(format!("--capture: {}: {error}", path.display()))
}

fn hex(seed: &Seed) -> String {
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
        self.0
            .as_ref()
            .map_or(Level::Off, |(_, writer)| writer.level())
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        if let Some(writer) = self.inner() {
            writer.packet(record);
        }
    }

    fn fact(&mut self, at: Instant, fact: &Fact) {
        if let Some(writer) = self.inner() {
            writer.fact(at, fact);
        }
    }

    fn secret(&mut self, line: &str) {
        if let Some(writer) = self.inner() {
            writer.secret(line);
        }
    }
}
