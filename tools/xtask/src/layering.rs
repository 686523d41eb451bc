//! Who may know whom.
//!
//! Job: hold the house rules on dependencies against cargo's and the compiler's view of the source.
//! Owns: the table of layers below. Does not know: why a crate wants what it wants.
//! Three checks: crates on crates (`crates`), modules on modules inside l4-tcp (`modules`), and engines on the
//! outside world (`outside`). The same table is written into `deny.toml` for whoever has cargo-deny.

mod crates;
mod modules;
mod outside;

use crate::report::{Error, Finding};
use crate::workspace::Workspace;

/// One row of the table: a crate, and which of our crates its library may use.
pub(crate) struct Layer {
    /// Name without `outcrop-`.
    pub(crate) name: &'static str,
    /// What it may use.
    pub(crate) uses: &'static [&'static str],
    /// What its tests and examples may use besides.
    pub(crate) dev: &'static [&'static str],
    /// Which of its modules are engines: none, all, or the folders named.
    pub(crate) engine: Engine,
}

/// Which part of a crate is sans-IO.
pub(crate) enum Engine {
    /// The whole crate.
    All,
    /// These modules of it.
    Modules(&'static [&'static str]),
    /// Nothing: it owns some of the outside.
    No,
}

/// What tests and examples of every layer may use: the laboratory and its instruments.
const LABORATORY: &[&str] = &["base", "testkit", "netem", "capture"];

/// The layers, from the ground up. A crate below `crates/` without a row here is a finding.
pub(crate) const LAYERS: &[Layer] = &[
    Layer {
        name: "base",
        uses: &[],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "device",
        uses: &["base"],
        dev: &[],
        engine: Engine::No,
    },
    Layer {
        name: "ethernet",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "ip",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "udp",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "tcp",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "stack",
        uses: &["base", "device", "ethernet", "ip", "udp", "tcp"],
        dev: &[],
        engine: Engine::Modules(&["core"]),
    },
    Layer {
        name: "socket",
        uses: &["base", "stack"],
        dev: &["device"],
        engine: Engine::No,
    },
    Layer {
        name: "tls",
        uses: &["base"],
        dev: &["socket", "stack", "device"],
        engine: Engine::No,
    },
    Layer {
        name: "http",
        uses: &["base"],
        dev: &["socket", "stack", "device"],
        engine: Engine::Modules(&["h1"]),
    },
    Layer {
        name: "web",
        uses: &["base", "http"],
        dev: &["socket", "stack", "device"],
        engine: Engine::No,
    },
    Layer {
        name: "dns",
        uses: &["base"],
        dev: &["socket", "stack", "device"],
        engine: Engine::No,
    },
    Layer {
        name: "dhcp",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "capture",
        uses: &["base"],
        dev: &[],
        engine: Engine::No,
    },
    Layer {
        name: "inspect",
        uses: &[
            "base", "capture", "ethernet", "ip", "udp", "tcp", "http", "dhcp",
        ],
        dev: &[],
        engine: Engine::No,
    },
    Layer {
        name: "netem",
        uses: &["base"],
        dev: &[],
        engine: Engine::All,
    },
    Layer {
        name: "testkit",
        uses: &[
            "base", "device", "ethernet", "ip", "udp", "tcp", "stack", "socket", "http", "capture",
            "netem",
        ],
        dev: &["inspect"],
        engine: Engine::No,
    },
];

/// The row of a crate.
pub(crate) fn layer(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// All three checks, and the copy in `deny.toml`.
pub(crate) fn run(workspace: &Workspace, write: bool) -> Result<Vec<Finding>, Error> {
    let mut findings = crates::check(workspace);
    findings.extend(crates::deny_toml(workspace, write)?);
    findings.extend(modules::check(workspace)?);
    findings.extend(outside::check(workspace)?);
    findings.sort();
    findings.dedup();
    Ok(findings)
}
