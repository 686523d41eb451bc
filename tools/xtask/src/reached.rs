//! The book's page of what scripts and captures come past.
//!
//! Job: let testkit write it, or say whether it is current. Owns: nothing. Does not know: what is on the page.

use std::process::Command;

use crate::report::{Error, Finding};
use crate::workspace::Workspace;

/// Writes the page, or checks it.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<Vec<Finding>, Error> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "run",
        "--quiet",
        "--package",
        "outcrop-testkit",
        "--example",
        "reached",
    ]);
    if check {
        cargo.args(["--", "--check"]);
    }
    let status = cargo.current_dir(&workspace.root).status();
    let status = status.map_err(Error::io(&workspace.root))?;
    Ok(if status.success() {
        Vec::new()
    } else {
        let what = "is not current: cargo xtask reached";
        vec![Finding::new("docs/book/src/reached.md", what)]
    })
}
