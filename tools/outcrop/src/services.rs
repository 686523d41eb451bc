//! The small services beside the pages.
//!
//! Job: echo (port 7) and discard (port 9), over UDP and, if asked, TCP; then characters for ever (port 19) as well.
//! On both families; echo for multicast groups too. Owns: their sockets. Does not know: HTTP.
//! Sources: RFC 862 (echo), RFC 863 (discard), RFC 864 (character generator).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;

use bytes::Bytes;
use outcrop_base::ChunkQueue;
use outcrop_socket::{TcpListener, TcpStream, UdpSocket};
use outcrop_stack::{Shard, Tasks};

use crate::failure::Failure;
use crate::host::TUN;
use crate::values::HeardGroup;

const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const GENERATE: u16 = 19;
/// Printable characters, and how many of them make a line (RFC 864).
const PRINTABLE: core::ops::RangeInclusive<u8> = b' '..=b'~';
const LINE: usize = 72;
/// What the generator writes at once; it stays in the processor's cache.
const GENERATED: usize = 256 << 10;
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
pub(crate) fn start(
    shard: &Shard,
    tasks: &Tasks,
    tcp: bool,
    groups: &[HeardGroup],
) -> Result<(), Failure> {
    if tcp {
        let block = generated();
        for address in everywhere(GENERATE) {
            let listener =
                TcpListener::bind(shard, address).map_err(|error| refused(address, &error))?;
            tasks
                .spawn(generators(tasks.clone(), listener, block.clone()))
                .detach();
        }
    }
    for (port, echo) in [(ECHO, true), (DISCARD, false)] {
        for address in everywhere(port) {
            let socket =
                UdpSocket::bind(shard, address).map_err(|error| refused(address, &error))?;
            let heard = groups
                .iter()
                .filter(|heard| echo && heard.group.is_ipv4() == address.is_ipv4());
            for HeardGroup { group, filter } in heard {
                socket
                    .set_source_filter(TUN, *group, filter.clone())
                    .map_err(|error| Failure::asked(format!("--group: {group}: {error}")))?;
            }
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

/// Lines of 72 characters, each beginning one character later than the last; whole rounds of them.
fn generated() -> Bytes {
    let ring: Vec<u8> = PRINTABLE.collect();
    let line = |first: usize| {
        let characters = ring.iter().cycle().skip(first).take(LINE);
        characters.chain(b"\r\n").copied()
    };
    let round: Vec<u8> = (0..ring.len()).flat_map(line).collect();
    round.repeat(GENERATED / round.len()).into()
}

async fn generators(tasks: Tasks, listener: TcpListener, block: Bytes) {
    while let Ok(stream) = listener.accept().await {
        tasks.spawn(generate(stream, block.clone())).detach();
    }
}

/// Until the peer has enough, which it says by closing: the error is the end.
async fn generate(mut stream: TcpStream, block: Bytes) {
    while stream
        .write_queue(&mut ChunkQueue::from(block.clone()))
        .await
        .is_ok()
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 864: the ring in order, 72 to a line, moved on by one each line.
    #[test]
    fn generated_lines_are_those_of_the_rfc() {
        let block = generated();
        let text = core::str::from_utf8(&block).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert!(lines[0].starts_with(" !\"#$%&'()*+,-./0123456789"));
        assert!(lines[0].ends_with("defg"));
        assert!(lines[1].starts_with("!\"#") && lines[1].ends_with("efgh"));
        assert!(lines.iter().all(|line| line.len() == LINE));
        assert_eq!(lines.len() % 95, 0, "whole rounds");
        assert_eq!(lines[94][..3], *"~ !");
    }
}
