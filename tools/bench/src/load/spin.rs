//! One connection, and a client that never sleeps.
//!
//! Job: a closed loop. Ask, look at the socket until the answer is whole, ask again; each answer's latency counts from the
//! asking. Owns: the socket and the clock. Does not know: who answers. `wrk` waits in epoll, so what it says of one
//! connection is largely how long the kernel takes to wake it; here nobody has to be woken but, where it sleeps, the
//! server. With one request under way at a time nothing else is due meanwhile: nothing is omitted.

use core::time::Duration;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use super::paced::{micros, whole};
use super::{Load, Of, Report, cpu_seconds};
use crate::Outcome;
use crate::statistics::percentile;

/// How long at the start nothing counts.
const WARM_UP: Duration = Duration::from_millis(100);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes read at once.
const PIECE: usize = 16 << 10;

/// Asks for `load.path` until the time is up.
pub(super) fn run(load: &Load) -> Outcome<Report> {
    let mut stream = TcpStream::connect_timeout(&load.server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", load.path).into_bytes();
    let began = Instant::now();
    let until = began + WARM_UP + Duration::from_secs(load.seconds.into());
    let (mut latencies, mut all) = (Vec::new(), 0_u32);
    let mut heard = Vec::with_capacity(PIECE);
    loop {
        let asked = Instant::now();
        if asked > until {
            break;
        }
        stream.write_all(&request)?;
        hear(&mut stream, &mut heard, asked)?;
        all = all.saturating_add(1);
        if asked > began + WARM_UP {
            latencies.push(u64::try_from(asked.elapsed().as_nanos())?);
        }
    }
    let took = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share| micros(percentile(&latencies, share));
    Ok(Report {
        count: f64::from(all),
        rate: f64::from(all) / took,
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: at(0.999),
        cpu: cpu_seconds("/proc/self/stat", Of::Itself)?,
        ..Report::default()
    })
}

/// Reads one answer, whole and nothing more, without ever sleeping.
fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>, asked: Instant) -> Outcome<()> {
    let mut piece = [0; PIECE];
    heard.clear();
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(length) => heard.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                if asked.elapsed() > PATIENCE {
                    return Err(format!("no answer in {} s", PATIENCE.as_secs()).into());
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        match whole(heard)? {
            Some(length) if length == heard.len() => return Ok(()),
            Some(_) => return Err("more than was asked for".into()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that answers `times` in two pieces, and closes.
    fn server(times: usize) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..times {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap();
                stream.write_all(b"ngth: 2\r\n\r\nok").unwrap();
            }
        });
        stream
    }

    #[test]
    fn an_answer_in_two_pieces_is_one_answer() {
        let mut heard = Vec::new();
        hear(&mut server(1), &mut heard, Instant::now()).unwrap();
        assert!(heard.ends_with(b"\r\n\r\nok"));
    }

    #[test]
    fn a_server_that_closes_is_an_error() {
        let closed = hear(&mut server(0), &mut Vec::new(), Instant::now());
        assert!(closed.unwrap_err().to_string().contains("closed"));
    }
}
