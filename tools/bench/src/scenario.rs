//! What is asked.
//!
//! Job: name every scenario and the files it needs. Owns: the list. Does not know: who answers.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The files that are served, and their bytes: a short answer, what lies between, a body that fills every buffer,
/// and one that no processor's cache holds.
const FILES: [(&str, usize); 8] = [
    ("small", 100),
    ("1k", 1 << 10),
    ("4k", 4 << 10),
    ("16k", 16 << 10),
    ("64k", 64 << 10),
    ("256k", 256 << 10),
    ("large", LARGE),
    (HUGE_NAME, HUGE),
];
/// The folder of the files.
const ROOT: &str = "root";
/// The huge file.
const HUGE_NAME: &str = "huge";
/// Its bytes.
pub(crate) const HUGE: usize = 1 << 30;
/// Bytes of the large file, and of the pieces the huge one is written in.
const LARGE: usize = 1 << 20;

/// One measurement.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// The work.
    pub(crate) work: Work,
    /// How much of the field it is for.
    pub(crate) field: Field,
}

/// Who is asked to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// Everybody; `--quick` asks it too.
    Core,
    /// The same, only in a complete run.
    Whole,
    /// Everybody, for half as long.
    Close,
    /// Ours and nginx: it needs files.
    Files,
    /// The same beside the ceiling, which has the file in memory.
    Huge,
    /// Those that wait for one answer without sleeping, the engine as it is by default, and nginx.
    Alone,
    /// Ours with one queue and with two, on both processors.
    Queues,
    /// Ours under axum, whose handlers carry more and more.
    Handler,
}

/// What a load does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Asks for a file over so many connections, as fast as it is answered.
    Requests {
        file: &'static str,
        connections: u32,
        pipeline: u32,
        close: bool,
    },
    /// Asks for the small file over one connection from a client that never sleeps, again as soon as it is answered.
    Alone,
    /// Asks for the small file so often a second, whatever becomes of it.
    Paced { rate: u32, connections: u32 },
    /// Sends as fast as it can to a program that discards.
    Push { streams: u32 },
    /// Receives as fast as it can and discards; whoever sends has it in memory.
    Pull { streams: u32 },
    /// The huge file over HTTP; the receiver copies it out of the kernel, or has the kernel drop it.
    File { drops: bool },
    /// Two clients' worth of load, on all processors, as the server is.
    Pair(Pair),
}

/// What two clients do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// The small file, over 32 connections each.
    Requests,
    /// They send, over 4 connections each.
    Push,
    /// They receive, over 4 connections each.
    Pull,
}

impl Pair {
    /// Connections of both.
    pub(crate) const fn connections(self) -> u32 {
        match self {
            Self::Requests => 64,
            Self::Push | Self::Pull => 8,
        }
    }
}

impl Work {
    /// Whether requests are counted, not bytes.
    pub(crate) const fn asks(self) -> bool {
        match self {
            Self::Requests { .. }
            | Self::Alone
            | Self::Paced { .. }
            | Self::Pair(Pair::Requests) => true,
            Self::Push { .. }
            | Self::Pull { .. }
            | Self::File { .. }
            | Self::Pair(Pair::Push | Pair::Pull) => false,
        }
    }

    /// What is counted.
    pub(crate) const fn unit(self) -> &'static str {
        if self.asks() { "requests/s" } else { "Mbit/s" }
    }

    /// What processor time is divided by: the name, and how many of what is counted are one of it.
    pub(crate) const fn cpu_unit(self) -> (&'static str, f64) {
        if self.asks() {
            ("s per million requests", 1e6)
        } else {
            ("s per GB", 1e9)
        }
    }

    /// How many connections there are at once.
    pub(crate) const fn connections(self) -> u32 {
        match self {
            Self::Requests { connections, .. } | Self::Paced { connections, .. } => connections,
            Self::Push { streams } | Self::Pull { streams } => streams,
            Self::Alone | Self::File { .. } => 1,
            Self::Pair(pair) => pair.connections(),
        }
    }
}

const fn requests(
    name: &'static str,
    file: &'static str,
    connections: u32,
    field: Field,
) -> Scenario {
    Scenario {
        name,
        work: Work::Requests {
            file,
            connections,
            pipeline: 1,
            close: false,
        },
        field,
    }
}

const fn scenario(name: &'static str, work: Work, field: Field) -> Scenario {
    Scenario { name, work, field }
}

impl Scenario {
    /// How long one measurement of it lasts: what a bar hangs on takes `seconds`, the rest half of that.
    pub(crate) fn seconds(&self, seconds: u32) -> u32 {
        match self.field {
            Field::Core | Field::Whole | Field::Huge | Field::Alone => seconds,
            Field::Close | Field::Files | Field::Queues | Field::Handler => seconds.div_ceil(2),
        }
    }

    /// Reads the huge file of `out` if it is asked for: the kernel forgets what nobody has read for some time, and what
    /// is measured is a server, not a disk.
    pub(crate) fn warm(&self, out: &Path) -> Outcome<()> {
        if matches!(self.work, Work::File { .. }) {
            io::copy(
                &mut File::open(out.join(ROOT).join(HUGE_NAME))?,
                &mut io::sink(),
            )?;
        }
        Ok(())
    }

    /// Whether `--quick` asks it.
    pub(crate) fn is_core(&self) -> bool {
        matches!(self.field, Field::Core | Field::Alone)
    }

    /// The one with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|scenario| scenario.name == name)
    }

    /// All of them, in the order of the table.
    pub(crate) const ALL: &'static [Self] = &[
        requests("small, 1 connection", "small", 1, Field::Core),
        scenario("small, 1, client spins", Work::Alone, Field::Alone),
        requests("small, 16", "small", 16, Field::Core),
        requests("small, 256", "small", 256, Field::Core),
        requests("small, 4096", "small", 4096, Field::Close),
        scenario(
            "small, 16, pipelined",
            Work::Requests {
                file: "small",
                connections: 16,
                pipeline: 16,
                close: false,
            },
            Field::Core,
        ),
        scenario(
            "small, 64, close",
            Work::Requests {
                file: "small",
                connections: 64,
                pipeline: 1,
                close: true,
            },
            Field::Core,
        ),
        scenario(
            "small, 10,000/s",
            Work::Paced {
                rate: 10_000,
                connections: 16,
            },
            Field::Whole,
        ),
        requests("handler of 100 B", "carries-100", 16, Field::Handler),
        requests("handler of 1 KiB", "carries-1k", 16, Field::Handler),
        requests("handler of 10 KiB", "carries-10k", 16, Field::Handler),
        requests("handler of 100 KiB", "carries-100k", 16, Field::Handler),
        requests("1 KiB, 16", "1k", 16, Field::Files),
        requests("4 KiB, 16", "4k", 16, Field::Files),
        requests("16 KiB, 16", "16k", 16, Field::Files),
        requests("64 KiB, 16", "64k", 16, Field::Files),
        requests("256 KiB, 16", "256k", 16, Field::Files),
        requests("1 MiB, 16", "large", 16, Field::Core),
        scenario("bulk in", Work::Push { streams: 1 }, Field::Core),
        scenario(
            "bulk in, 8 streams",
            Work::Push { streams: 8 },
            Field::Close,
        ),
        scenario(
            "bulk in, 64 streams",
            Work::Push { streams: 64 },
            Field::Close,
        ),
        scenario("bulk out", Work::Pull { streams: 1 }, Field::Core),
        scenario(
            "bulk out, 8 streams",
            Work::Pull { streams: 8 },
            Field::Close,
        ),
        scenario(
            "bulk out, 64 streams",
            Work::Pull { streams: 64 },
            Field::Close,
        ),
        scenario("1 GiB body", Work::File { drops: false }, Field::Huge),
        scenario(
            "1 GiB body, dropped",
            Work::File { drops: true },
            Field::Huge,
        ),
        scenario(
            "two clients, small",
            Work::Pair(Pair::Requests),
            Field::Queues,
        ),
        scenario(
            "two clients, bulk in",
            Work::Pair(Pair::Push),
            Field::Queues,
        ),
        scenario(
            "two clients, bulk out",
            Work::Pair(Pair::Pull),
            Field::Queues,
        ),
    ];
}

/// Makes the folder that is served.
pub(crate) fn files(out: &Path) -> Outcome<PathBuf> {
    let root = out.join(ROOT);
    fs::create_dir_all(&root)?;
    for (name, size) in FILES {
        let path = root.join(name);
        if fs::metadata(&path).is_ok_and(|file| file.len() == size as u64) {
            continue;
        }
        let mut file = File::create(&path)?;
        let block = vec![b'x'; size.min(LARGE)];
        for _ in 0..size / block.len() {
            file.write_all(&block)?;
        }
    }
    Ok(root.canonicalize()?)
}
