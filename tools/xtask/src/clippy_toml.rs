//! One clippy.toml for every crate.
//!
//! Job: a crate's own clippy.toml replaces the root's, so each is written from one template: the root's
//! thresholds, plus, for engines, the calls that reach outside. Owns: the template. Does not know: the lints
//! themselves; those are in the workspace's Cargo.toml.

use std::fs;

use crate::layering::{Engine, layer};
use crate::report::{Error, Finding};
use crate::workspace::{Crate, Workspace, read};

const HEAD: &str = "# Written by `cargo xtask clippy-toml` from the workspace's clippy.toml; change that one, or the template.\n";

/// Calls that no engine makes, and what it does instead. The import scan of `cargo xtask layering` finds the
/// same by name, types included (clippy would find those in proptest's macros too); this finds calls by type,
/// however they are spelled.
const METHODS: &[(&str, &str)] = &[
    ("std::time::Instant::now", "time is an argument"),
    ("std::time::SystemTime::now", "time is an argument"),
    ("std::thread::sleep", "an engine never waits"),
    ("std::thread::spawn", "an engine has no threads"),
    ("std::env::var", "configuration is an argument"),
    ("std::env::var_os", "configuration is an argument"),
    ("std::fs::read", "bytes are arguments"),
    ("std::fs::read_to_string", "bytes are arguments"),
    ("std::fs::write", "bytes are results"),
    ("std::fs::File::open", "bytes are arguments"),
    ("std::fs::File::create", "bytes are results"),
    ("std::process::Command::new", "an engine starts nothing"),
    ("std::net::TcpStream::connect", "an engine has no sockets"),
    ("std::net::TcpListener::bind", "an engine has no sockets"),
    ("std::net::UdpSocket::bind", "an engine has no sockets"),
];

/// Writes what differs, or says so.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<Vec<Finding>, Error> {
    let root = read(&workspace.root.join("clippy.toml"))?;
    let mut findings = Vec::new();
    for member in workspace.crates.iter().filter(|member| is_engine(member)) {
        let path = workspace.root.join(&member.dir).join("clippy.toml");
        let wanted = template(&root);
        if fs::read_to_string(&path).is_ok_and(|have| have == wanted) {
            continue;
        }
        if check {
            findings.push(Finding::new(
                workspace.relative(&path),
                "differs from the template: cargo xtask clippy-toml",
            ));
        } else {
            fs::write(&path, wanted).map_err(Error::io(&path))?;
        }
    }
    Ok(findings)
}

/// Only crates that are engines throughout: clippy knows no finer grain.
fn is_engine(member: &Crate) -> bool {
    member.dir.starts_with("crates/")
        && layer(member.short()).is_some_and(|row| matches!(row.engine, Engine::All))
}

fn template(root: &str) -> String {
    let rows: String = METHODS
        .iter()
        .map(|(path, reason)| format!("    {{ path = \"{path}\", reason = \"{reason}\" }},\n"))
        .collect();
    format!(
        "{HEAD}{}\ndisallowed-methods = [\n{rows}]\n",
        root.trim_end()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_keeps_the_roots_thresholds_and_adds_what_engines_do_not_do() {
        let text = template("too-many-arguments-threshold = 5\n");
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["too-many-arguments-threshold"].as_integer(), Some(5));
        assert_eq!(
            table["disallowed-methods"].as_array().unwrap().len(),
            METHODS.len()
        );
    }
}
