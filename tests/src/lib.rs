//! The bench on which the built program meets real ones.
//!
//! Job: build `outcrop` once, run it with a command inside its private namespace, judge what came out and what
//! tshark says of the capture. Owns: temporary folders and time limits. Does not know: how the stack works.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench for tests: it fails loudly"
)]

mod alone;
pub mod corpus;
mod fields;
pub mod fuzz;
mod lan;
pub mod matrix;
mod memory;

pub use alone::alone;
pub use fields::assert_fields_agree;
pub use lan::Lan;
pub use memory::{MEMORY, assert_bounded, numbers};

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The stack's IPv4 address inside `outcrop run`.
pub const STACK4: &str = "10.77.0.2";
/// The kernel's IPv4 address inside `outcrop run`.
pub const KERNEL4: &str = "10.77.0.1";
/// The stack's IPv6 address inside `outcrop run`.
pub const STACK6: &str = "fd77::2";
/// Seconds after which a run is killed: far above any honest run, so that a hang is a failure, not a wait.
const TIME_LIMIT: &str = "300";

/// The program, built once by the cargo that runs the tests.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn outcrop() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "outcrop",
                "--bin",
                "outcrop",
            ])
            .current_dir(root)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "outcrop does not build");
        // .../target/debug/deps/this-test -> .../target/debug/outcrop
        let deps = std::env::current_exe().unwrap();
        deps.ancestors().nth(2).unwrap().join("outcrop")
    })
}

/// Where a program of ours for the other end lies, by its name in `tests/peers`.
#[must_use]
pub fn peer(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// One run of the stack with a command beside it.
#[derive(Debug)]
pub struct Bench {
    folder: TempDir,
    options: Vec<String>,
    files: bool,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A bench with an empty folder to serve, and nothing special.
    ///
    /// # Panics
    /// If no temporary folder can be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        Self {
            folder,
            options: Vec::new(),
            files: true,
        }
    }

    /// A bench on which an application is served instead of a folder.
    #[must_use]
    pub fn example(name: &str) -> Self {
        Self {
            files: false,
            ..Self::new()
        }
        .options(&["--example", name])
    }

    /// Puts a file into the folder served.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.folder.path().join("root").join(name), content).unwrap();
        self
    }

    /// Adds options of `outcrop run`.
    #[must_use]
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(ToString::to_string));
        self
    }

    /// Where the capture goes.
    #[must_use]
    pub fn capture(&self) -> PathBuf {
        self.folder.path().join("run.pcapng")
    }

    /// A scratch path beside the folder served.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `script` by `sh -euc` inside `outcrop run`, in the scratch folder, with `$STACK` and `$STACK6` set.
    ///
    /// # Panics
    /// If the program does not start.
    #[must_use]
    pub fn sh(&self, script: &str) -> Outcome {
        let root = self.folder.path().join("root");
        let root = ["--root".as_ref(), root.as_os_str()];
        let output = Command::new("timeout")
            .args(["-k", "5", TIME_LIMIT])
            .arg(outcrop())
            .arg("run")
            .args(root.iter().filter(|_| self.files))
            .arg("--capture")
            .arg(self.capture())
            .args(&self.options)
            .args(["--", "sh", "-euc", script])
            .current_dir(self.folder.path())
            .env("STACK", STACK4)
            .env("STACK6", format!("[{STACK6}]"))
            .env("KERNEL", KERNEL4)
            .stdin(Stdio::null())
            .output()
            .expect("timeout(1) runs");
        Outcome { output }
    }
}

/// What a run left.
#[derive(Debug)]
pub struct Outcome {
    output: Output,
}

impl Outcome {
    /// Standard output, if the run succeeded.
    ///
    /// # Panics
    /// If it did not, with both outputs.
    #[must_use]
    pub fn stdout(&self) -> String {
        assert!(self.output.status.success(), "{}", self.report());
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// The exit code; 124 after the time limit.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Everything, for a failure message.
    #[must_use]
    pub fn report(&self) -> String {
        format!(
            "{}\n-- stdout\n{}\n-- stderr\n{}",
            self.output.status,
            String::from_utf8_lossy(&self.output.stdout),
            self.stderr()
        )
    }
}

/// Runs a program of the system and returns its standard output.
///
/// # Panics
/// If it is missing (says what to install) or fails.
#[must_use]
pub fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}: `make setup` installs what the tests need"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines `tshark` prints for `fields` of the frames that match `filter`, checksums verified.
#[must_use]
pub fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let capture = capture.to_string_lossy();
    let mut args = vec![
        "-n",
        "-r",
        &capture,
        "-Y",
        filter,
        "-T",
        "fields",
        "-o",
        "tcp.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ];
    for field in fields {
        args.extend(["-e", field]);
    }
    tool("tshark", &args).lines().map(str::to_owned).collect()
}

/// Asserts that an independent reader finds nothing wrong with a capture: nothing malformed, no wrong
/// checksum on what was taken, a comment on every packet; tcpdump reads it, and editcap keeps the comments.
///
/// # Panics
/// With the offending frames.
pub fn assert_capture_is_sound(capture: &Path) {
    let bad = "_ws.malformed || ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0";
    let bad = tshark(capture, bad, &["frame.number", "_ws.col.Info"]);
    assert!(bad.is_empty(), "tshark objects to {bad:#?}");
    let mute = "(ip || ipv6) && !frame.comment";
    let mute = tshark(capture, mute, &["frame.number", "_ws.col.Info"]);
    assert!(mute.is_empty(), "packets without a comment: {mute:#?}");
    let comments = tshark(capture, "frame.comment", &["frame.comment"]);
    assert!(!comments.is_empty(), "an empty capture");
    let shown = capture.to_string_lossy();
    let packets = tool("tcpdump", &["-nr", &shown]);
    assert!(!packets.is_empty(), "tcpdump reads nothing");
    let copy = capture.with_extension("copy.pcapng");
    let _silent = tool("editcap", &[&shown, &copy.to_string_lossy()]);
    let kept = tshark(&copy, "frame.comment", &["frame.comment"]);
    assert_eq!(kept, comments, "editcap keeps every comment");
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Bytes without a pattern that a shifted or repeated block would hide, from a xorshift generator.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
