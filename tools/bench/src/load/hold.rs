//! Connections that are opened, served once, and then only held.
//!
//! Job: open so many from one address, each port chosen by us, and keep them until standard input ends. Owns: the
//! sockets. Does not know: what they cost. One process holds what one address and its own limits allow; the caller
//! starts as many as it needs.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{Read as _, Write as _, stdin, stdout};
use std::net::TcpStream;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, connect, recv, socket_with,
};

use super::paced::whole;
use super::{Load, Report};
use crate::Outcome;

/// The first port that is used.
const FIRST: u16 = 2_048;
/// Connections that are opened together: fewer than a listener lets wait, and than the TUN's queue holds.
const AT_ONCE: usize = 200;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens, says `held` with how long that took, waits, and says how many the server has closed meanwhile.
pub(super) fn run(load: &Load) -> Outcome<Report> {
    let source = load.source.ok_or("hold: whose address? --source")?;
    let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", load.path);
    let began = Instant::now();
    let mut held = Vec::new();
    while held.len() < load.connections as usize {
        let left = load.connections as usize - held.len();
        let port = FIRST + u16::try_from(held.len())?;
        held.extend(open(
            (source, port),
            left.min(AT_ONCE),
            load.server,
            &request,
        )?);
    }
    println!("held {}", began.elapsed().as_secs_f64());
    stdout().flush()?;
    stdin().read_to_end(&mut Vec::new())?;
    let mut piece = [0];
    let closed = held
        .iter()
        .filter(|stream| recv(stream, &mut piece, RecvFlags::DONTWAIT | RecvFlags::PEEK).is_ok())
        .count();
    Ok(Report {
        count: f64::from(load.connections),
        errors: f64::from(u32::try_from(closed)?),
        ..Report::default()
    })
}

/// Opens so many, each step for all of them: on a busy machine an exchange waits for its turn, and they wait together.
fn open(
    (source, first): (IpAddr, u16),
    count: usize,
    server: SocketAddr,
    request: &str,
) -> Outcome<Vec<TcpStream>> {
    let mut streams = (first..)
        .take(count)
        .map(|port| begin(SocketAddr::new(source, port), server))
        .collect::<Outcome<Vec<_>>>()?;
    for stream in &mut streams {
        let mut fds = [PollFd::new(stream, PollFlags::OUT)];
        let limit = Timespec::try_from(PATIENCE)?;
        poll(&mut fds, Some(&limit))?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
    }
    streams
        .iter_mut()
        .try_for_each(|stream| hear(stream, server))?;
    Ok(streams)
}

/// A connection that is being opened.
fn begin(source: SocketAddr, server: SocketAddr) -> Outcome<TcpStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &source)?;
    match connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(format!("{source} to {server}: {error}").into()),
    }
}

/// Its answer, whole.
fn hear(stream: &mut TcpStream, server: SocketAddr) -> Outcome<()> {
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while whole(&heard)?.is_none() {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(format!("{server} closed a connection").into());
        }
        heard.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    Ok(())
}
