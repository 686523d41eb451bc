//! lwIP as a host, where it is installed: `lwip.c` against Debian's library, in a process of its own.
//!
//! Job: compile it, start it, and be the cable. Owns: the socket its packets come through.
//! Does not know: lwIP. Where it is not installed, says so in words and compares nothing.

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with,
    bind, listen, recv, send, socket_with,
};

use crate::real::{Cable, Peer};

/// Where Debian's `liblwip-dev` puts it.
const HEADERS: &str = "/usr/include/lwip";

pub(crate) struct SocketCable(OwnedFd);

impl Cable for SocketCable {
    fn receive(&mut self) -> Vec<Bytes> {
        let mut packets = Vec::new();
        let mut packet = [0; 2048];
        while let Ok((len, _)) = recv(&self.0, &mut packet, RecvFlags::DONTWAIT)
            && len > 0
        {
            packets.push(Bytes::copy_from_slice(&packet[..len]));
        }
        packets
    }

    fn send(&mut self, packet: &[u8]) {
        // Waits for room, as a real cable paces: a loss here would prove nothing.
        send(&self.0, packet, SendFlags::empty()).unwrap();
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The program, compiled once a test run.
fn program() -> Option<PathBuf> {
    if !Path::new(HEADERS).join("lwip/tcpip.h").exists() {
        let mut out = std::io::stderr();
        writeln!(
            out,
            "lwIP: absent (Debian: liblwip-dev): nothing was compared with it"
        )
        .unwrap();
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/lwip.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lwip-peer");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-I", HEADERS])
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .args(["-llwip", "-lpthread"])
        .status()
        .expect("cc runs");
    assert!(built.success(), "{} does not compile", source.display());
    Some(program)
}

/// Starts it as the host whose addresses end in `last`; `None` where it is not installed.
pub(crate) fn start(last: &str) -> Option<(SocketCable, Peer)> {
    let program = program()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cable");
    let flags = SocketFlags::CLOEXEC;
    let door = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    bind(&door, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&door, 1).unwrap();
    let child = Command::new(program)
        .arg(&path)
        .arg(last)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let cable = accept_with(&door, flags).unwrap();
    Some((SocketCable(cable), Peer::new(child)))
}
