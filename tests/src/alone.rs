//! Network namespaces for tests.
//!
//! Job: run a script with a network of its own, and end everything it started. Owns: the time limit, `$OUTCROP`. Does not
//! know: what the script plays.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Outcome, TIME_LIMIT, outcrop};

/// Servers live where a plain user does not look.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Who a script is in its namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// The caller, called root there: any user may.
    Root,
    /// The caller as he is: some servers change user and group, which takes the real root.
    Caller,
}

/// Runs `script` by `sh -euc` in `folder`, in a network of its own where it is root; whatever it started ends with it.
/// `$OUTCROP` is the program.
///
/// # Panics
/// If timeout(1) is missing.
#[must_use]
pub fn alone(folder: &Path, script: &str) -> Outcome {
    alone_as(As::Root, folder, script)
}

pub(crate) fn alone_as(who: As, folder: &Path, script: &str) -> Outcome {
    let spaces: &[&str] = match who {
        As::Root => &["--map-root-user"],
        As::Caller => &["--mount"],
    };
    let output = Command::new("timeout")
        .args(["-k", "5", TIME_LIMIT, "unshare", "--net", "--pid"])
        .args(spaces)
        .args(["--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-euc", script])
        .current_dir(folder)
        .env("OUTCROP", outcrop())
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) runs");
    Outcome { output }
}
