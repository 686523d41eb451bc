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

use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, connect, recv, socket_with,
};

use super::paced::whole;
use super::{Load, Report};
use crate::Outcome;

/// The first port that is used.
const FIRST: u16 = 2_048;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens, says `held` with how long that took, waits, and says how many the server has closed meanwhile.
pub(super) fn run(load: &Load) -> Outcome<Report> {
    let source = load.source.ok_or("hold: whose address? --source")?;
    let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", load.path);
    let began = Instant::now();
    let held = (0..load.connections)
        .map(|number| {
            open(
                source,
                FIRST + u16::try_from(number)?,
                load.server,
                &request,
            )
        })
        .collect::<Outcome<Vec<_>>>()?;
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

fn open(source: IpAddr, port: u16, server: SocketAddr, request: &str) -> Outcome<TcpStream> {
    let socket = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddr::new(source, port))?;
    connect(&socket, &server)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while whole(&heard)?.is_none() {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Err(format!("{server} closed a connection").into());
        }
        heard.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    Ok(stream)
}
