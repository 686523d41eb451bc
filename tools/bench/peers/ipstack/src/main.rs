//! ipstack as a server on a TUN: one thread of tokio, a task a connection.
//!
//! Job: answer as `src/peer` of the bench says: by port, without HTTP beyond the end of a head. The TUN is standard
//! input. Owns: the answers. Does not know: addresses; ipstack takes whatever comes.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ipstack::{IpStack, IpStackConfig, IpStackStream, IpStackTcpStream, TcpConfig, TcpOptions};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

const CLOSE: u16 = 81;
const LARGE: u16 = 82;
const SEND: u16 = 8_080;
const DISCARD: u16 = 9;
const MTU: u16 = 1_500;

/// A packet a read, a packet a write.
struct Tun(AsyncFd<File>);

impl AsyncRead for Tun {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            match guard.try_io(|fd| fd.get_ref().read(room)) {
                Ok(length) => {
                    buf.advance(length?);
                    return Poll::Ready(Ok(()));
                }
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Tun {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(done) = guard.try_io(|fd| fd.get_ref().write(packet)) {
                return Poll::Ready(done);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn answer(port: u16) -> Vec<u8> {
    let body = if port == LARGE { 1 << 20 } else { 100 };
    if port == SEND {
        return vec![b'x'; 64 << 10];
    }
    let connection = if port == CLOSE { "Connection: close\r\n" } else { "" };
    let mut text = format!(
        "HTTP/1.1 200 OK\r\nServer: peer\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n\
         ETag: \"0123456789abcdef-64\"\r\nLast-Modified: Sat, 21 Nov 2026 11:00:00 GMT\r\nAccept-Ranges: bytes\r\n\
         Content-Length: {body}\r\n{connection}\r\n"
    )
    .into_bytes();
    text.resize(text.len() + body, b'x');
    text
}

/// Until the client has enough: how a measurement ends is no failure.
async fn serve(mut stream: IpStackTcpStream, port: u16, answer: Arc<Vec<u8>>) -> io::Result<()> {
    let mut heard = vec![0; 64 << 10];
    let mut answers = Vec::new();
    loop {
        let length = stream.read(&mut heard).await?;
        if length == 0 {
            return stream.shutdown().await;
        }
        if port == DISCARD {
            continue;
        }
        let bytes = &heard[..length];
        let asked = bytes.windows(4).filter(|four| four == b"\r\n\r\n").count();
        loop {
            answers.clear();
            for _ in 0..asked {
                answers.extend_from_slice(&answer);
            }
            stream.write_all(&answers).await?;
            if port != SEND || asked == 0 {
                break;
            }
        }
        if port == CLOSE {
            return stream.shutdown().await;
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: ipstack PORT <TUN")?.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let tun = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut tcp = TcpConfig::default();
        tcp.options = Some(vec![TcpOptions::MaximumSegmentSize(MTU - 40)]);
        tcp.max_unacked_bytes = 256 << 10;
        let mut config = IpStackConfig::default();
        config.mtu(MTU)?;
        config.with_tcp_config(tcp);
        // Its successor is unsafe; the file is nobody else's.
        #[expect(deprecated)]
        let tun = AsyncFd::new(tun)?;
        let mut stack = IpStack::new(config, Tun(tun));
        let answer = Arc::new(answer(port));
        loop {
            if let IpStackStream::Tcp(stream) = stack.accept().await? {
                tokio::spawn(serve(stream, port, Arc::clone(&answer)));
            }
        }
    })
}
