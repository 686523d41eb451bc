//! Crates on crates.
//!
//! Job: compare what cargo says a crate depends on with the table. Owns: the bans in `deny.toml` that say the same.

use core::fmt::Write as _;
use std::fs;

use super::{LABORATORY, Layer, layer};
use crate::report::{Error, Finding};
use crate::workspace::{Crate, Workspace, read, short_name};

/// The tools and the end-to-end tests may use anything.
const FREE: &[&str] = &["tools/", "tests"];

/// Where the written bans begin and end in `deny.toml`.
const BEGIN: &str = "# layering: written by `cargo xtask layering --write`\n";
const END: &str = "# end of layering\n";

/// Findings on the dependencies of every crate.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let layers = workspace.crates.iter().filter(|member| !is_free(member));
    layers
        .flat_map(|member| check_one(member, workspace))
        .collect()
}

fn is_free(member: &Crate) -> bool {
    FREE.iter().any(|prefix| member.dir.starts_with(prefix))
}

fn check_one(member: &Crate, workspace: &Workspace) -> Vec<Finding> {
    let place = format!("{}/Cargo.toml", member.dir);
    let Some(row) = layer(member.short()) else {
        return vec![Finding::new(
            place,
            "has no row in the table of layers (tools/xtask/src/layering.rs)",
        )];
    };
    let ours = |names: &[String]| -> Vec<String> {
        names
            .iter()
            .filter(|name| workspace.owns(name))
            .map(|name| short_name(name).to_owned())
            .collect()
    };
    let mut findings = Vec::new();
    for name in ours(&member.dependencies) {
        if !row.uses.contains(&name.as_str()) {
            findings.push(Finding::new(&place, not_below(row, &name)));
        }
    }
    for name in ours(&member.dev_dependencies) {
        if !may_test_with(row, &name) {
            findings.push(Finding::new(
                &place,
                format!("the tests of {} may not use {name}", row.name),
            ));
        }
    }
    findings
}

fn not_below(row: &Layer, name: &str) -> String {
    if name == "testkit" {
        return format!(
            "{} uses testkit in its library; it is for tests/ and examples/ only",
            row.name
        );
    }
    format!(
        "{} may not depend on {name}; it may use {:?}",
        row.name, row.uses
    )
}

fn may_test_with(row: &Layer, name: &str) -> bool {
    [row.uses, row.dev, LABORATORY]
        .iter()
        .any(|list| list.contains(&name))
}

/// Compares the bans in `deny.toml` with the table, or writes them.
pub(crate) fn deny_toml(workspace: &Workspace, write: bool) -> Result<Vec<Finding>, Error> {
    let path = workspace.root.join("deny.toml");
    let text = read(&path)?;
    let Some((head, tail)) = text
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)))
    else {
        return Ok(vec![Finding::new(
            "deny.toml",
            format!("lacks the lines `{}` and `{}`", BEGIN.trim(), END.trim()),
        )]);
    };
    let wanted = format!("{head}{BEGIN}{}{END}{tail}", bans(workspace));
    if wanted == text {
        return Ok(Vec::new());
    }
    if write {
        fs::write(&path, wanted).map_err(Error::io(&path))?;
        return Ok(Vec::new());
    }
    Ok(vec![Finding::new(
        "deny.toml",
        "its bans differ from the table: cargo xtask layering --write",
    )])
}

/// One entry for every layer: only those who may use it may be its direct users.
fn bans(workspace: &Workspace) -> String {
    let mut text = String::new();
    for banned in workspace.crates.iter().filter(|member| !is_free(member)) {
        let _infallible = writeln!(text, "    {{ crate = \"{}\", wrappers = [", banned.name);
        for user in &workspace.crates {
            let allowed = is_free(user)
                || layer(user.short()).is_some_and(|row| {
                    row.uses.contains(&banned.short())
                        || (row.name != banned.short() && may_test_with(row, banned.short()))
                });
            if allowed {
                let _infallible = writeln!(text, "        \"{}\",", user.name);
            }
        }
        text.push_str("    ] },\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::LAYERS;
    use super::*;

    fn member(name: &str, dependencies: &[&str], dev: &[&str]) -> Crate {
        let full = |names: &[&str]| names.iter().map(|name| format!("outcrop-{name}")).collect();
        Crate {
            name: format!("outcrop-{name}"),
            dir: format!("crates/{name}"),
            dependencies: full(dependencies),
            dev_dependencies: full(dev),
            ..Crate::default()
        }
    }

    fn findings(crates: Vec<Crate>) -> Vec<String> {
        let mut all = crates;
        for row in LAYERS {
            if !all.iter().any(|member| member.short() == row.name) {
                all.push(member(row.name, &[], &[]));
            }
        }
        let workspace = Workspace {
            target: std::path::PathBuf::new(),
            root: "/nowhere".into(),
            crates: all,
        };
        check(&workspace).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn allowed_dependencies_pass() {
        assert!(
            findings(vec![
                member("tcp", &["base"], &["testkit"]),
                member("stack", &["base", "ip", "tcp"], &[]),
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_neighbouring_layer_is_refused() {
        let found = findings(vec![member("tcp", &["base", "ip"], &[])]);
        assert_eq!(
            found,
            ["crates/tcp/Cargo.toml: tcp may not depend on ip; it may use [\"base\"]"]
        );
    }

    #[test]
    fn testkit_in_a_library_and_a_sibling_in_tests_are_refused() {
        let found = findings(vec![member("tcp", &["testkit"], &["udp"])]);
        assert!(found[0].contains("testkit in its library"), "{found:?}");
        assert!(
            found[1].contains("tests of tcp may not use udp"),
            "{found:?}"
        );
    }

    #[test]
    fn an_unknown_crate_needs_a_row() {
        let found = findings(vec![member("carrier-pigeon", &[], &[])]);
        assert!(found[0].contains("no row in the table"), "{found:?}");
    }

    #[test]
    fn the_table_has_no_cycle() {
        let mut placed: Vec<&str> = Vec::new();
        let mut waiting: Vec<&Layer> = LAYERS.iter().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|row| {
                let ready = row.uses.iter().all(|used| placed.contains(used));
                if ready {
                    placed.push(row.name);
                }
                !ready
            });
            assert!(waiting.len() < before, "rows that wait for each other");
        }
    }
}
