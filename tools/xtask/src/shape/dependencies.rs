//! Libraries of others.
//!
//! Job: every one has its line in `docs/dependencies.md`, and somebody who uses it. Owns: nothing.

use std::collections::BTreeSet;

use crate::report::{Error, Finding};
use crate::workspace::{Workspace, read};

const LIST: &str = "docs/dependencies.md";

/// Findings on the root's `[workspace.dependencies]`.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<Finding>, Error> {
    let path = workspace.root.join("Cargo.toml");
    let manifest: toml::Table = read(&path)?
        .parse()
        .map_err(|error| Error::parse(&path, error))?;
    let declared = manifest
        .get("workspace")
        .and_then(|table| table.get("dependencies"));
    let declared = declared
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(toml::Table::keys);
    let foreign: Vec<_> = declared
        .filter(|name| !workspace.owns(name))
        .cloned()
        .collect();
    let members = workspace.crates.iter();
    let used =
        members.flat_map(|member| member.dependencies.iter().chain(&member.dev_dependencies));
    Ok(judge(
        &foreign,
        &used.cloned().collect(),
        &read(&workspace.root.join(LIST))?,
    ))
}

fn judge(foreign: &[String], used: &BTreeSet<String>, list: &str) -> Vec<Finding> {
    let explained = explained(list);
    let mut findings = Vec::new();
    for name in foreign {
        if !explained.contains(name.as_str()) {
            findings.push(Finding::new(LIST, format!("lacks a line for {name}")));
        }
        if !used.contains(name) {
            findings.push(Finding::new(
                "Cargo.toml",
                format!("nobody uses {name}: drop it, and its line in {LIST}"),
            ));
        }
    }
    findings
}

/// The names in the first column of the tables; several may share a line.
fn explained(list: &str) -> BTreeSet<&str> {
    let rows = list
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    rows.flat_map(|cell| cell.split(", "))
        .map(str::trim)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_needs_a_line_and_a_user() {
        let foreign = ["bytes", "http", "stranger"].map(str::to_owned);
        let used = ["bytes", "stranger"].map(str::to_owned).into();
        let said: Vec<_> = judge(&foreign, &used, "| bytes, http | pieces | .. | alive |\n")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("nobody uses http") && said[1].contains("lacks a line for stranger"),
            "{said:?}"
        );
    }
}
