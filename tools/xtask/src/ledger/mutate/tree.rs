//! A copy of the workspace to break.
//!
//! Job: keep a copy below the target folder equal to the sources, and change one place of it at a time.
//! Owns: that copy. Does not know: why a place is changed.
//! Files that have not changed are not written, so that cargo does not build them again.

use core::hash::{Hash as _, Hasher as _};
use std::collections::BTreeSet;
use std::fs;
use std::hash::DefaultHasher;
use std::path::{Path, PathBuf};

use crate::ledger::Break;
use crate::report::Error;
use crate::workspace::read;

/// What no build needs.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];
/// What is only read by people and by this program: it may change within a long run.
const READ: [&str; 2] = ["docs", "xtask"];

/// The copy.
pub(super) struct Tree {
    /// Where the copied workspace stands.
    pub(super) root: PathBuf,
    /// Where it is built.
    pub(super) build: PathBuf,
    /// Of everything a build or a test reads.
    pub(super) digest: u64,
}

/// A place that is broken until this is dropped.
pub(super) struct Broken {
    path: PathBuf,
    whole: String,
}

impl Drop for Broken {
    fn drop(&mut self) {
        // A copy that stays broken is mended by the next refresh.
        let _written = fs::write(&self.path, &self.whole);
    }
}

impl Tree {
    /// Makes the copy in `place` equal to the workspace at `root`.
    pub(super) fn refresh(root: &Path, place: &Path) -> Result<Self, Error> {
        let copy = place.join("tree");
        let mut digest = DefaultHasher::new();
        mirror(root, &copy, &mut digest)?;
        Ok(Self {
            root: copy,
            build: place.join("build"),
            digest: digest.finish(),
        })
    }

    /// Breaks one place; `None` if it is not there.
    pub(super) fn apply(&self, change: &Break) -> Result<Option<Broken>, Error> {
        let path = self.root.join(&change.file);
        let whole = read(&path)?;
        if !whole.contains(&change.find) {
            return Ok(None);
        }
        let broken = whole.replacen(&change.find, &change.replace, 1);
        fs::write(&path, broken).map_err(Error::io(&path))?;
        Ok(Some(Broken { path, whole }))
    }
}

fn mirror(from: &Path, to: &Path, digest: &mut DefaultHasher) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io(to))?;
    let mut entries = BTreeSet::new();
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let name = entry.map_err(Error::io(from))?.file_name();
        if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            entries.insert(name);
        }
    }
    for name in &entries {
        let (source, copy) = (from.join(name), to.join(name));
        if source.is_dir() {
            mirror(&source, &copy, digest)?;
        } else {
            let bytes = fs::read(&source).map_err(Error::io(&source))?;
            // The book and the ledgers tell of the code; no test runs them.
            if !READ
                .iter()
                .any(|part| source.iter().any(|name| name == *part))
            {
                (name, &bytes).hash(digest);
            }
            copy_if_new(&source, &copy, &bytes)?;
        }
    }
    for entry in fs::read_dir(to).map_err(Error::io(to))? {
        let entry = entry.map_err(Error::io(to))?;
        if !entries.contains(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn copy_if_new(source: &Path, copy: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(copy).is_ok_and(|have| have == bytes) {
        return Ok(());
    }
    fs::write(copy, bytes).map_err(Error::io(copy))?;
    // Scripts stay executable.
    let mode = fs::metadata(source).map_err(Error::io(source))?;
    fs::set_permissions(copy, mode.permissions()).map_err(Error::io(copy))
}

fn remove(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        fs::remove_dir_all(path).map_err(Error::io(path))
    } else {
        fs::remove_file(path).map_err(Error::io(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_follows_the_sources_and_a_break_lasts_as_long_as_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let (root, place) = (dir.path().join("root"), dir.path().join("place"));
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join("target")).unwrap();
        fs::write(root.join("src/a.rs"), "one + one").unwrap();
        fs::write(root.join("old"), "").unwrap();
        Tree::refresh(&root, &place).unwrap();
        fs::remove_file(root.join("old")).unwrap();
        let tree = Tree::refresh(&root, &place).unwrap();
        assert!(!tree.root.join("old").exists() && !tree.root.join("target").exists());
        let change = Break {
            file: "src/a.rs".to_owned(),
            find: "+".to_owned(),
            replace: "-".to_owned(),
        };
        let text = || fs::read_to_string(tree.root.join("src/a.rs")).unwrap();
        let broken = tree.apply(&change).unwrap().unwrap();
        assert_eq!(text(), "one - one");
        drop(broken);
        assert_eq!(text(), "one + one");
        let nowhere = Break {
            find: "*".to_owned(),
            ..change
        };
        assert!(tree.apply(&nowhere).unwrap().is_none());
    }
}
