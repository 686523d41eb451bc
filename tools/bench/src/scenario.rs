//! What is asked.
//!
//! Job: name every scenario and the files it needs. Owns: the list. Does not know: who answers.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Bytes of the small file: what a button or a short answer weighs.
const SMALL: usize = 100;
/// Bytes of the large file.
const LARGE: usize = 1 << 20;
/// Bytes of the file for bulk; no processor's cache holds it.
const HUGE: usize = 1 << 30;

/// One measurement.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// The work.
    pub(crate) work: Work,
    /// What is counted.
    pub(crate) unit: &'static str,
}

/// What a load does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Asks for a file over so many connections.
    Requests {
        file: &'static str,
        connections: u32,
        pipeline: u32,
        close: bool,
    },
    /// Sends as fast as it can to a program that discards.
    Push,
    /// Receives as fast as it can and discards; whoever sends has it in memory.
    Pull,
    /// The same, of a file over HTTP.
    File,
}

const fn requests(name: &'static str, connections: u32) -> Scenario {
    Scenario {
        name,
        work: Work::Requests {
            file: "small",
            connections,
            pipeline: 1,
            close: false,
        },
        unit: "requests/s",
    }
}

impl Scenario {
    /// All of them, in the order of the table.
    pub(crate) const ALL: &'static [Self] = &[
        requests("small, 1 connection", 1),
        requests("small, 16", 16),
        requests("small, 256", 256),
        Self {
            name: "small, 16, pipelined",
            work: Work::Requests {
                file: "small",
                connections: 16,
                pipeline: 16,
                close: false,
            },
            unit: "requests/s",
        },
        Self {
            name: "small, 64, close",
            work: Work::Requests {
                file: "small",
                connections: 64,
                pipeline: 1,
                close: true,
            },
            unit: "requests/s",
        },
        Self {
            name: "1 MiB, 16",
            work: Work::Requests {
                file: "large",
                connections: 16,
                pipeline: 1,
                close: false,
            },
            unit: "requests/s",
        },
        Self {
            name: "bulk in",
            work: Work::Push,
            unit: "Mbit/s",
        },
        Self {
            name: "bulk out",
            work: Work::Pull,
            unit: "Mbit/s",
        },
        Self {
            name: "1 GiB body",
            work: Work::File,
            unit: "Mbit/s",
        },
    ];
}

/// Makes the folder that is served.
pub(crate) fn files(out: &Path) -> Outcome<PathBuf> {
    let root = out.join("root");
    fs::create_dir_all(&root)?;
    for (name, size) in [("small", SMALL), ("large", LARGE), ("huge", HUGE)] {
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
