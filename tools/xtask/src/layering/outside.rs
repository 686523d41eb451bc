//! Engines on the outside world.
//!
//! Job: no engine reads a clock, sleeps, opens a socket or a file, asks for entropy or looks at the environment.
//! Owns: the list of what counts as outside. Tests are exempt.

use std::path::PathBuf;

use super::{Engine, layer};
use crate::report::{Error, Finding};
use crate::source::{Named, Source};
use crate::workspace::{Crate, Workspace, files, read};

/// Paths that reach outside, and what an engine does instead.
const OUTSIDE: &[(&str, &str)] = &[
    (
        "std::time",
        "time is an argument: base::Instant (core::time::Duration for spans)",
    ),
    ("std::thread", "an engine has no threads"),
    ("std::process", "an engine starts nothing"),
    ("std::env", "configuration is an argument"),
    ("std::fs", "bytes are arguments"),
    ("std::os", "an engine knows no operating system"),
    ("std::net::TcpStream", "an engine has no sockets"),
    ("std::net::TcpListener", "an engine has no sockets"),
    ("std::net::UdpSocket", "an engine has no sockets"),
    ("std::net::ToSocketAddrs", "an engine asks no resolver"),
    ("std::rc", "an engine is Send and Clone: own the value"),
    ("std::sync", "an engine is single-threaded: own the value"),
    ("std::cell", "an engine changes through &mut self"),
    ("core::cell", "an engine changes through &mut self"),
    (
        "std::hash::RandomState",
        "chance is an argument: base::Seed",
    ),
    (
        "std::collections::hash_map::RandomState",
        "chance is an argument: base::Seed",
    ),
    (
        "std::collections::HashMap",
        "its order differs from run to run: BTreeMap, or hashbrown with a seeded key",
    ),
    (
        "std::collections::HashSet",
        "its order differs from run to run: BTreeSet, or hashbrown with a seeded key",
    ),
    ("rand", "chance is an argument: base::Seed"),
    ("getrandom", "chance is an argument: base::Seed"),
    ("rustix", "an engine makes no system calls"),
    ("libc", "an engine makes no system calls"),
    ("tokio", "an engine has no futures"),
];

/// Paths below those that are values, not reaches: a fixed date is no clock.
const INSIDE: &[&str] = &["std::time::UNIX_EPOCH", "std::time::Duration"];

/// Standard output and friends, in macro form, reach outside too; clippy's `print_stdout` family is not on.
const MACROS: &[&str] = &["println", "print", "eprintln", "eprint", "dbg"];

/// Findings on every engine.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    for member in &workspace.crates {
        for path in engine_files(workspace, member)? {
            let place = workspace.relative(&path);
            let paths = Source::parse(&path, &read(&path)?)?.paths();
            findings.extend(paths.iter().filter_map(|named| {
                let why = reaches(named)?;
                Some(Finding::new(
                    format!("{place}:{}", named.line),
                    format!("`{}`: {why}", named.text()),
                ))
            }));
        }
    }
    Ok(findings)
}

fn engine_files(workspace: &Workspace, member: &Crate) -> Result<Vec<PathBuf>, Error> {
    let src = workspace.root.join(&member.dir).join("src");
    let all = files(&src, "rs")?;
    let wanted = |path: &PathBuf| {
        let inside = path.strip_prefix(&src).unwrap_or(path).with_extension("");
        let mut parts = inside
            .iter()
            .map(|part| part.to_string_lossy().into_owned());
        let top = parts.clone().next().unwrap_or_default();
        let is_test = parts.any(|part| part == "tests");
        let engine = match layer(member.short()).map(|row| &row.engine) {
            Some(Engine::All) => true,
            Some(Engine::Modules(modules)) => modules.contains(&top.as_str()),
            Some(Engine::No) | None => false,
        };
        engine && !is_test && member.dir.starts_with("crates/")
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn reaches(named: &Named) -> Option<&'static str> {
    let [first, ..] = named.segments.as_slice() else {
        return None;
    };
    if named.segments.len() == 1 && MACROS.contains(&first.as_str()) {
        return Some("an engine prints nothing: say it in a Fact or a Verdict");
    }
    if INSIDE.iter().any(|path| named.starts_with(path)) {
        return None;
    }
    // A crate's own module may be called `rand`; a foreign one is named with something behind it.
    let (_, why) = OUTSIDE.iter().find(|(path, _)| {
        named.starts_with(path) && (path.contains("::") || named.segments.len() > 1)
    })?;
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn reached(text: &str) -> Vec<&'static str> {
        let paths = Source::parse(Path::new("engine.rs"), text).unwrap().paths();
        paths.iter().filter_map(reaches).collect()
    }

    #[test]
    fn clocks_threads_files_and_sockets_are_outside() {
        for text in [
            "use std::time::Instant;",
            "fn f() { std::thread::sleep(d) }",
            "use std::{io, fs::File};",
            "use std::net::{IpAddr, UdpSocket};",
            "use std::collections::HashMap;",
            "fn f() { println!(\"x\") }",
        ] {
            assert_eq!(reached(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn values_are_not() {
        assert!(reached("use std::io::IoSlice; use std::collections::{BTreeMap, VecDeque}; use core::net::IpAddr; use core::time::Duration;").is_empty());
    }
}
