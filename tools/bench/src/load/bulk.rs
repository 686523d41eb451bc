//! Bytes, as fast as they are taken: plain sockets, a thread a stream.
//!
//! Job: send or receive until the time is up. Owns: the client's sockets. Does not know: who is at the other end.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Instant;

use rustix::net::{RecvFlags, recv};

use super::{CHUNK, Of, Report, cpu_seconds};
use crate::Outcome;

/// Bytes after which a stream ends even if its time is not up.
const MOST: u64 = 64 << 30;
/// How long a socket may stand still before somebody looks at the clock.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is done with a stream.
#[derive(Clone, Debug)]
pub(super) enum Transfer {
    Push,
    Pull,
    /// This path, over HTTP, once and once more; whether the kernel drops what comes.
    Get {
        path: String,
        drops: bool,
    },
}

/// So many streams for so many seconds.
pub(super) fn run(
    server: SocketAddr,
    streams: u32,
    seconds: u32,
    transfer: &Transfer,
) -> Outcome<Report> {
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds.into());
    let workers: Vec<_> = (0..streams)
        .map(|_| {
            let transfer = transfer.clone();
            thread::spawn(move || again_and_again(server, until, &transfer))
        })
        .collect();
    let mut bytes = 0;
    for worker in workers {
        bytes += worker
            .join()
            .map_err(|_| "a stream's thread ended early")??;
    }
    if bytes == 0 {
        return Err(format!("not a byte passed to or from {server}").into());
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let count = bytes as f64;
    Ok(Report {
        count,
        rate: count * 8.0 / 1e6 / begun.elapsed().as_secs_f64(),
        cpu: cpu_seconds("/proc/self/stat", Of::Itself)?,
        ..Report::default()
    })
}

fn again_and_again(server: SocketAddr, until: Instant, transfer: &Transfer) -> io::Result<u64> {
    let mut bytes = 0;
    while bytes < MOST && Instant::now() < until {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        bytes += match transfer {
            Transfer::Push => push(stream, until)?,
            // Some of those who send want to be asked first; nobody minds.
            Transfer::Pull => ask(stream, "?\r\n\r\n", until, false)?,
            Transfer::Get { path, drops } => {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
                ask(stream, &request, until, *drops)?
            }
        };
    }
    Ok(bytes)
}

fn push(mut stream: TcpStream, until: Instant) -> io::Result<u64> {
    let block = vec![0; CHUNK];
    let mut sent = 0;
    while Instant::now() < until && sent < MOST {
        sent += moved(stream.write(&block))?.unwrap_or(0);
    }
    // What the other end has not taken does not count for much: one window.
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn ask(mut stream: TcpStream, request: &str, until: Instant, drops: bool) -> io::Result<u64> {
    stream.write_all(request.as_bytes())?;
    let mut block = vec![0; CHUNK];
    let mut received = 0;
    while Instant::now() < until {
        let came = if drops {
            // The kernel counts and frees what has come and copies none of it (tcp(7), MSG_TRUNC).
            recv(&stream, &mut block[..], RecvFlags::TRUNC)
                .map(|(_, length)| length)
                .map_err(io::Error::from)
        } else {
            stream.read(&mut block)
        };
        match moved(came)? {
            Some(0) => break,
            Some(count) => received += count,
            None => {}
        }
    }
    Ok(received)
}

/// How many bytes; `None` if it is time to look at the clock.
fn moved(done: io::Result<usize>) -> io::Result<Option<u64>> {
    match done {
        Ok(count) => Ok(Some(count as u64)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
