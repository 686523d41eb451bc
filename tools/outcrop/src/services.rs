//! The small services beside the pages.
//!
//! Job: echo (port 7) and discard (port 9), over UDP and, if asked, TCP, on both families. Owns: their sockets.
//! Does not know: HTTP. Sources: RFC 862 (echo), RFC 863 (discard).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;

use outcrop_base::ChunkQueue;
use outcrop_socket::{TcpListener, TcpStream, UdpSocket};
use outcrop_stack::{Shard, Tasks};

use crate::failure::Failure;

const ECHO: u16 = 7;
const DISCARD: u16 = 9;
/// Services that answer whatever they hear. Answering one would never end.
const TALKATIVE: [u16; 3] = [ECHO, 17, 19];

/// Every address of either family, with `port`.
pub(crate) fn everywhere(port: u16) -> [SocketAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ]
    .map(|any| SocketAddr::new(any, port))
}

/// Starts them; they run until the host ends.
pub(crate) fn start(shard: &Shard, tasks: &Tasks, tcp: bool) -> Result<(), Failure> {
    for (port, echo) in [(ECHO, true), (DISCARD, false)] {
        for address in everywhere(port) {
            let socket =
                UdpSocket::bind(shard, address).map_err(|error| refused(address, &error))?;
            tasks.spawn(datagrams(socket, echo)).detach();
            if tcp {
                let listener =
                    TcpListener::bind(shard, address).map_err(|error| refused(address, &error))?;
                tasks
                    .spawn(connections(tasks.clone(), listener, echo))
                    .detach();
            }
        }
    }
    Ok(())
}

/// Why an address could not be served.
pub(crate) fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::new(format!("cannot listen on {address}: {error}"))
}

async fn datagrams(socket: UdpSocket, echo: bool) {
    loop {
        // What the path says about an answer is no concern of a service without memory.
        let Ok(datagram) = socket.recv().await else {
            continue;
        };
        let port = datagram.from.port();
        if echo && port != 0 && !TALKATIVE.contains(&port) {
            let data = datagram.data.clone();
            let _lost = socket.reply(&datagram, data).await;
        }
    }
}

async fn connections(tasks: Tasks, listener: TcpListener, echo: bool) {
    while let Ok(stream) = listener.accept().await {
        let conversation = async move {
            if let Err(error) = converse(stream, echo).await {
                log::debug!("a conversation ended: {error}");
            }
        };
        tasks.spawn(conversation).detach();
    }
}

async fn converse(mut stream: TcpStream, echo: bool) -> io::Result<()> {
    while let Some(bytes) = stream.read_chunk().await? {
        if echo {
            stream.write_queue(&mut ChunkQueue::from(bytes)).await?;
        }
    }
    stream.finish()
}
