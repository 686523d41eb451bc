//! Where control sockets are.
//!
//! Job: a folder that only its owner can enter, a name in it for each process, and which of them are alive.
//! Owns: the names. Does not know: what is said over a socket.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::failure::Failure;

/// Names the socket to whatever the stack starts.
pub(crate) const VARIABLE: &str = "OUTCROP_CONTROL";
/// How a socket's name ends.
const ENDING: &str = "sock";
/// Sockets looked at before somebody is asked to choose.
const MAX_SHOWN: usize = 16;

/// The folder of this user's sockets.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => Path::new(&dir).join("outcrop"),
        None => std::env::temp_dir().join(format!("outcrop-{}", geteuid().as_raw())),
    }
}

/// A name for the socket of this process, in a folder that exists and is nobody else's.
pub(super) fn own() -> io::Result<PathBuf> {
    let folder = folder();
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made?;
    check(&folder)?;
    let _alive = alive(&folder);
    Ok(folder.join(format!("{}.{ENDING}", std::process::id())))
}

/// Whether a folder is ours alone: in a place where everybody writes, somebody else may have made it.
fn check(folder: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(folder)?;
    if about.is_dir() && about.uid() == geteuid().as_raw() && about.mode() & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("{} is open to others", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Makes room for a socket: takes away one that nobody listens on any more, and nothing else.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        about => about?,
    };
    if !about.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another stack answers there",
        )),
    }
}

/// The sockets of a folder that somebody listens on, in order of name; left-overs are taken away.
fn alive(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = entries.map(|entry| entry.path());
    let named = |path: &PathBuf| path.extension().is_some_and(|ending| ending == ENDING);
    let mut alive: Vec<_> = sockets
        .filter(named)
        .filter(|path| match UnixStream::connect(path) {
            Ok(_) => true,
            Err(error) => {
                if error.kind() == io::ErrorKind::ConnectionRefused {
                    let _gone = fs::remove_file(path);
                }
                false
            }
        })
        .collect();
    alive.sort();
    alive
}

/// Whom to ask: the socket named, else the one that our starter named, else the only one there is.
pub(crate) fn find(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = asked {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let folder = folder();
    match check(&folder) {
        Ok(()) => choose(alive(&folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => choose(Vec::new()),
        Err(error) => Err(Failure::new(format!("control sockets: {error}"))),
    }
}

fn choose(alive: Vec<PathBuf>) -> Result<PathBuf, Failure> {
    let names = alive.iter().take(MAX_SHOWN);
    let names: Vec<_> = names.map(|path| path.display().to_string()).collect();
    match (alive.into_iter().next(), names.as_slice()) {
        (Some(only), [_]) => Ok(only),
        (None, _) => Err(Failure::new(
            "no stack of yours runs: start one with outcrop serve, run or router, or name its socket with --control",
        )),
        (Some(_), names) => Err(Failure::asked(format!(
            "several stacks run: name one with --control: {}",
            names.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_left_over_socket_is_cleared_and_a_living_one_or_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.sock");
        clear(&path).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(clear(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(alive(folder.path()), core::slice::from_ref(&path));
        drop(listener);
        assert!(path.exists());
        clear(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "mine").unwrap();
        let refused = clear(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_folder_that_others_can_enter_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode));
        mode(0o700).unwrap();
        assert!(check(folder.path()).is_ok());
        mode(0o750).unwrap();
        let refused = check(folder.path()).unwrap_err();
        assert!(refused.to_string().contains("open to others"), "{refused}");
    }

    #[test]
    fn one_stack_is_found_and_of_several_one_is_to_be_named() {
        let (a, b) = (PathBuf::from("/a.sock"), PathBuf::from("/b.sock"));
        assert_eq!(choose(vec![a.clone()]).unwrap(), a);
        let why = choose(Vec::new()).unwrap_err().to_string();
        assert!(why.contains("no stack of yours runs"), "{why}");
        let why = choose(vec![a, b]).unwrap_err().to_string();
        assert!(why.contains("/a.sock, /b.sock"), "{why}");
    }
}
