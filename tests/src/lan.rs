//! A LAN of the kernel's, with a place for the stack.
//!
//! Job: a network namespace with a bridge, the kernel on it and a TAP in it; run a script there, and keep what it left.
//! Owns: the folder. Does not know: which programs meet.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::alone::{As, alone_as};

/// A bridge with the kernel on it, and a TAP in it for the stack. `says FILE WORDS` waits until they are there, `until
/// COMMAND` until it succeeds.
const LAN: &str = r#"
    says() {
        n=0
        until grep -q -- "$2" "$1" 2>/dev/null; do
            n=$((n + 1))
            if [ $n -ge 600 ]; then echo "$1 never says $2:" >&2; cat "$1" >&2; exit 9; fi
            sleep 0.1
        done
    }
    until_() {
        n=0
        until sh -c "$1" >/dev/null 2>&1; do
            n=$((n + 1))
            if [ $n -ge 300 ]; then echo "never: $1" >&2; exit 9; fi
            sleep 0.2
        done
    }
    ip link set lo up
    ip link add br0 type bridge
    ip addr add 10.9.0.1/24 dev br0
    ip -6 addr add 2001:db8:9::1/64 dev br0 nodad
    ip link set br0 up
    ip tuntap add tap0 mode tap
    ip link set tap0 master br0 up
"#;

/// What a run on a LAN left.
#[derive(Debug)]
pub struct Lan {
    folder: TempDir,
    /// Standard output of the script.
    pub stdout: String,
    /// Everything, for a failure message.
    pub report: String,
}

impl Lan {
    /// Runs a script on such a LAN, in a folder of its own with these files; `$OUTCROP` is the program. Everything it
    /// started ends with it.
    ///
    /// # Panics
    /// If the script fails, with all it said.
    #[must_use]
    pub fn run(files: &[(&str, &str)], script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let outcome = alone_as(As::Caller, folder.path(), &format!("{LAN}\n{script}"));
        Self {
            stdout: outcome.stdout(),
            report: outcome.report(),
            folder,
        }
    }

    /// A file the script left.
    ///
    /// # Panics
    /// If it did not.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}\n{}", self.report));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The capture, where the script asked for one into `run.pcapng`.
    #[must_use]
    pub fn capture(&self) -> PathBuf {
        self.folder.path().join("run.pcapng")
    }
}
