//! A front: nginx or haproxy between two sockets of the file system, alone with its configuration.

use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::back::{Back, MARK, Seen};

/// Longer than any honest answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything is forwarded that can be: fields it does not know, odd names, paths as they came.
const NGINX: &str = "daemon off; master_process off; pid nginx.pid; error_log error.log; events {}
    http { access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    ignore_invalid_headers off; underscores_in_headers on; merge_slashes off; proxy_ignore_client_abort on; 
    server { listen unix:front; location / { proxy_pass http://unix:back:; proxy_http_version 1.1; proxy_request_buffering off;
    proxy_set_header Host $http_host;  } } }";

const HAPROXY: &str = "defaults\n mode http\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n option http-server-close\n\
    frontend f\n bind unix@front\n default_backend b\nbackend b\n http-reuse never\n server s unix@back\n";

/// Which front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    /// With its switch for clients that cannot be mended.
    Lenient,
}

/// What became of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Requests that came to us and were answered.
    pub(crate) forwarded: usize,
    /// The first status of another kind: the front's, or our refusal.
    pub(crate) refused: Option<u16>,
    /// What came to us.
    pub(crate) seen: Vec<Seen>,
}

impl Outcome {
    /// What was read in two ways.
    pub(crate) fn misread(&self) -> Vec<String> {
        let odd = self.seen.iter().filter(|seen| !seen.is_one());
        let odd = odd.map(|seen| String::from_utf8_lossy(&seen.raw).into_owned());
        // It waits for us and we for it: we took the request to be longer than the front did.
        odd.chain((self.refused == Some(504)).then(|| "both waited".to_owned()))
            .collect()
    }
}

pub(crate) struct Front {
    folder: TempDir,
    child: Child,
    back: Back,
}

impl Front {
    pub(crate) fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let back = Back::listen(&folder.path().join("back"));
        let lenient = "frontend f\n option accept-invalid-http-request\n";
        let (program, config, arguments) = match kind {
            Kind::Nginx => (
                "nginx",
                NGINX.to_owned(),
                ["-c", "conf", "-e", "error.log", "-p", "."].as_slice(),
            ),
            Kind::Haproxy => (
                "haproxy",
                HAPROXY.to_owned(),
                ["-db", "-f", "conf"].as_slice(),
            ),
            Kind::Lenient => (
                "haproxy",
                HAPROXY.replace("frontend f\n", lenient),
                ["-db", "-f", "conf"].as_slice(),
            ),
        };
        let config = config.replace(
            "unix:back",
            &format!("unix:{}", folder.path().join("back").display()),
        );
        std::fs::write(folder.path().join("conf"), config).expect("a file is written");
        let child = tool(program)
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`make test` installs the fronts");
        let front = Self {
            folder,
            child,
            back,
        };
        let begin = Instant::now();
        while UnixStream::connect(front.path()).is_err() {
            assert!(begin.elapsed() < PATIENCE, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        front
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("front")
    }

    /// Says the bytes, ends its side, and hears everything out.
    pub(crate) fn ask(&self, bytes: &[u8]) -> Outcome {
        let mut stream = UnixStream::connect(self.path()).expect("it listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time is set");
        // It may have refused the first half already.
        let _refused = stream
            .write_all(bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        let seen = self.back.heard();
        let mut outcome = Outcome {
            seen,
            ..Outcome::default()
        };
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        for head in text.split("http/1.").skip(1) {
            let status = head
                .get(2..5)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0);
            match status {
                100..200 => {}
                _ if head.contains(MARK) => outcome.forwarded += 1,
                _ => outcome.refused = outcome.refused.or(Some(status)),
            }
        }
        // nginx closes without a word where it thinks there was no request at all.
        if answer.is_empty() && outcome.seen.is_empty() {
            outcome.refused = Some(0);
        }
        outcome
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Servers live where a plain user does not look.
fn tool(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let found = path
        .split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| PathBuf::from(folder).join(program));
    match found.into_iter().find(|path| path.exists()) {
        Some(path) => {
            let mut command = Command::new(path);
            command.env_clear();
            command
        }
        None => command,
    }
}

/// `1.22.1` of a program that says it by `-v`.
pub(crate) fn version(program: &str) -> String {
    let said = tool(program).arg("-v").output().expect("it is installed");
    let text =
        String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
    let rest = text.get(start..).unwrap_or_default();
    rest.chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect()
}
