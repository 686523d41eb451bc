//! Writes the book's page of what scripts and captures come past: `cargo run -p outcrop-testkit --example reached`.
//! With `--check`, only says whether it is current.

use std::path::{Path, PathBuf};
use std::{fs, io};

use outcrop_testkit::drill::Options;
use outcrop_testkit::reached::ReachedBy;

/// Files below a folder whose names end so, by name.
fn below(folder: &Path, ends: &[&str], deep: bool, into: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<_> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        let end = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && deep {
            below(&path, ends, deep, into)?;
        } else if ends.contains(&&*end) {
            into.push(path);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixtures = root.join("fixtures");
    let (mut scripts, mut captures) = (Vec::new(), Vec::new());
    below(&fixtures.join("drill"), &["pkt"], true, &mut scripts)?;
    below(&fixtures, &["pcap", "pcapng"], false, &mut captures)?;
    below(
        &fixtures.join("foreign"),
        &["pcap", "pcapng"],
        false,
        &mut captures,
    )?;
    let name = |path: &Path| {
        let inside = path.strip_prefix(&fixtures).unwrap_or(path);
        inside.display().to_string()
    };
    let mut reached = ReachedBy::new();
    for path in &scripts {
        reached.script(&name(path), &fs::read_to_string(path)?, &Options::default());
    }
    for path in &captures {
        let read = reached.capture(&name(path), &fs::read(path)?);
        read.map_err(io::Error::other)?;
    }
    let page = root.join("docs/book/src/reached.md");
    if !std::env::args().any(|argument| argument == "--check") {
        return fs::write(page, reached.page());
    }
    if fs::read_to_string(page)? == reached.page() {
        return Ok(());
    }
    Err(io::Error::other(
        "docs/book/src/reached.md is not current: cargo xtask reached",
    ))
}
