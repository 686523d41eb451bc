//! Modules on modules, inside l4-tcp.
//!
//! Job: hold every `crate::` path against the order of modules in the design: a module imports only from those
//! before it. Owns: that order and the bans it does not imply. Tests are exempt.

use std::collections::BTreeMap;
use std::path::Path;

use crate::report::{Error, Finding};
use crate::source::{Named, Source};
use crate::workspace::{Workspace, files, read};

const CRATE: &str = "crates/l4-tcp/src";

/// The modules in reading order. Each may use those before it, and itself. Against the first drawing of the
/// design, the tables and the values that name their entries stand early, since everybody names connections.
const ORDER: &[&str] = &[
    "span",
    "seq",
    "segment",
    "range_set",
    "ecn",
    "transmit",
    "wire",
    "rule",
    "table",
    "event",
    "error",
    "params",
    "state",
    "timers",
    "budget",
    "rtt",
    "tx_record",
    "rate",
    "congestion",
    "pacing",
    "config",
    "auth",
    "account",
    "info",
    "recv",
    "send",
    "recovery",
    "challenge",
    "handshake",
    "connection",
    "time_wait",
    "listener",
    "endpoint",
];

/// What the order alone would allow: (module, what it must not know, why).
const BANS: &[(&str, &str, &str)] = &[
    ("send", "recv", "the sender does not know the receiver"),
    (
        "congestion",
        "seq",
        "a controller sees events and sizes, never sequence numbers",
    ),
    (
        "congestion",
        "segment",
        "a controller sees events and sizes, never segments",
    ),
    (
        "recovery",
        "recv",
        "loss recovery does not know the receiver",
    ),
];

/// Findings on every file of l4-tcp.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Error> {
    let src = workspace.root.join(CRATE);
    let exports = exports(&src)?;
    let mut findings = Vec::new();
    for path in files(&src, "rs")? {
        let module = module_path(&src, &path);
        if module.is_empty()
            || module
                .iter()
                .any(|part| part == "tests" || part == "testing")
        {
            continue;
        }
        let place = workspace.relative(&path);
        let paths = Source::parse(&path, &read(&path)?)?.paths();
        findings.extend(paths.iter().filter_map(|named| {
            let target = target(named, &module, &exports)?;
            let what = refuse(module.first()?, &target)?;
            Some(Finding::new(
                format!("{place}:{}", named.line),
                format!("`{}`: {what}", named.text()),
            ))
        }));
    }
    Ok(findings)
}

/// Which module each name re-exported by lib.rs comes from.
fn exports(src: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = src.join("lib.rs");
    let exports = Source::parse(&path, &read(&path)?)?.exports();
    let module = |named: Named| {
        let first = named
            .segments
            .iter()
            .find(|segment| !matches!(segment.as_str(), "crate" | "self"))?;
        Some(first.clone())
    };
    Ok(exports
        .into_iter()
        .filter_map(|(name, named)| Some((name, module(named)?)))
        .collect())
}

/// `["recv", "window"]` for `src/recv/window.rs`; empty for lib.rs.
fn module_path(src: &Path, file: &Path) -> Vec<String> {
    let inside = file.strip_prefix(src).unwrap_or(file).with_extension("");
    let mut parts: Vec<_> = inside
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts
}

/// The top-level module that `named` reaches from `module`, if it stays in this crate.
fn target(named: &Named, module: &[String], exports: &BTreeMap<String, String>) -> Option<String> {
    let mut segments = named.segments.iter();
    let first = segments.next()?;
    let absolute = match first.as_str() {
        "crate" => segments.next().cloned(),
        // `super` of a top-level module is the crate; deeper ones stay in their own top-level module.
        "super" => {
            let ups = 1 + segments
                .clone()
                .take_while(|segment| *segment == "super")
                .count();
            let inside = module.len().checked_sub(ups)?;
            (inside == 0)
                .then(|| segments.nth(ups - 1).cloned())
                .flatten()
        }
        _ => None,
    }?;
    Some(exports.get(&absolute).cloned().unwrap_or(absolute))
}

/// Why `module` must not import from `target`.
fn refuse(module: &str, target: &str) -> Option<String> {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    if module == target {
        return None;
    }
    let Some(at) = place(module) else {
        return Some(format!(
            "module {module} has no place in the order (tools/xtask/src/layering/modules.rs)"
        ));
    };
    if let Some((.., why)) = BANS
        .iter()
        .find(|(who, whom, _)| (*who, *whom) == (module, target))
    {
        return Some((*why).to_owned());
    }
    // Not a module: a macro or a name of the crate root.
    let target_at = place(target)?;
    (target_at > at).then(|| format!("{module} comes before {target} and may not know it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(file: &str, text: &str) -> Vec<String> {
        let path = Path::new("src").join(file);
        let module = module_path(Path::new("src"), &path);
        let exports = BTreeMap::from([("Assembler".to_owned(), "recv".to_owned())]);
        let paths = Source::parse(&path, text).unwrap().paths();
        paths
            .iter()
            .filter_map(|named| refuse(module.first()?, &target(named, &module, &exports)?))
            .collect()
    }

    #[test]
    fn a_later_module_may_use_an_earlier_one() {
        assert!(
            verdict(
                "recv/window.rs",
                "use crate::seq::SeqNum; use super::assembler::A;"
            )
            .is_empty()
        );
    }

    #[test]
    fn an_earlier_module_may_not_use_a_later_one() {
        assert_eq!(
            verdict("wire.rs", "use crate::state::State;"),
            ["wire comes before state and may not know it"]
        );
        assert_eq!(
            verdict("seq.rs", "fn f() { super::endpoint::g() }").len(),
            1
        );
    }

    #[test]
    fn a_re_export_counts_as_its_module() {
        assert_eq!(verdict("rtt.rs", "use crate::Assembler;").len(), 1);
    }

    #[test]
    fn send_does_not_know_recv_nor_congestion_sequence_numbers() {
        assert_eq!(verdict("send/sws.rs", "use crate::recv::Window;").len(), 1);
        assert_eq!(
            verdict("congestion/cubic.rs", "use crate::seq::SeqNum;").len(),
            1
        );
    }

    #[test]
    fn a_module_outside_the_order_is_asked_for_its_place() {
        assert!(
            verdict("pigeon.rs", "use crate::seq::SeqNum;")[0].contains("no place in the order")
        );
    }
}
