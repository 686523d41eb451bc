//! A stream to the server of a URL.
//!
//! Job: resolve, connect, go through a proxy, agree on keys. Owns: how long each took. Does not know: what is asked.
//! Sources: RFC 9110 section 9.3.6 (CONNECT).

use core::future::poll_fn;
use core::net::SocketAddr;
use core::time::Duration;

use outcrop_base::{ByteStream, ChunkQueue};
use outcrop_http::wire;
use outcrop_socket::TcpStream;
use outcrop_stack::Shard;
use outcrop_tls::ClientTls;

use crate::failure::Failure;
use crate::resolve::resolve;
use crate::values::Url;

/// Bytes of a proxy's answer that are read.
const PROXY_HEAD: usize = 16 * 1024;

/// A way to the server.
pub(super) struct Dialled {
    pub(super) stream: Box<dyn ByteStream>,
    pub(super) peer: SocketAddr,
    pub(super) took: Vec<(&'static str, Duration)>,
}

pub(super) async fn dial(
    shard: &Shard,
    url: &Url,
    proxy: Option<&Url>,
    tls: Option<&ClientTls>,
) -> Result<Dialled, Failure> {
    let mut from = shard.now();
    let mut took = Vec::new();
    let mut phase = |name| {
        let now = shard.now();
        took.push((name, now - from));
        from = now;
    };
    let first = proxy.unwrap_or(url);
    if first.secure && proxy.is_some() {
        return Err(Failure::asked(format!(
            "--proxy {first}: only http:// proxies are spoken to"
        )));
    }
    let (mut tcp, peer) = connect(shard, first).await?;
    phase("connect");
    if proxy.is_some() {
        tunnel(&mut tcp, url).await?;
        phase("proxy");
    }
    let stream: Box<dyn ByteStream> = match (url.secure, tls) {
        (false, _) => Box::new(tcp),
        (true, None) => {
            return Err(Failure::new(format!(
                "{url}: TLS: no authorities to trust: name a file with --cacert"
            )));
        }
        (true, Some(tls)) => {
            let shaken = outcrop_tls::connect(tcp, tls, &url.host).await;
            phase("tls");
            Box::new(shaken.map_err(|error| Failure::new(format!("{url}: TLS: {error}")))?)
        }
    };
    Ok(Dialled { stream, peer, took })
}

/// A connection to the first address that takes one.
async fn connect(shard: &Shard, url: &Url) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = None;
    for address in resolve(&url.host, url.port)? {
        match TcpStream::connect(shard, address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => {
                last = Some(Failure::new(format!(
                    "{url}: cannot connect to {address}: {error}"
                )))
            }
        }
    }
    Err(last.unwrap_or_else(|| Failure::new(format!("{url}: no address"))))
}

/// Asks a proxy for a way to the server. What follows its 2xx is the server's.
async fn tunnel(stream: &mut TcpStream, url: &Url) -> Result<(), Failure> {
    let refused = |why: &str| Failure::new(format!("{url}: the proxy {why}"));
    let host = if url.host.contains(':') {
        format!("[{}]", url.host)
    } else {
        url.host.clone()
    };
    let authority = format!("{host}:{}", url.port);
    let mut request = ChunkQueue::new();
    request.push_slice(
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes(),
    );
    let broke = |error: std::io::Error| refused(&format!("broke off: {error}"));
    poll_fn(|cx| ByteStream::poll_write(stream, cx, &mut request))
        .await
        .map_err(broke)?;
    let mut head = Vec::new();
    loop {
        let bytes = stream.read_chunk().await.map_err(broke)?;
        head.extend_from_slice(&bytes.ok_or_else(|| refused("closed the connection"))?);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
        if head.len() > PROXY_HEAD {
            return Err(refused("answers without end"));
        }
    }
    let message = wire::message(&head).filter(|message| message.kind == wire::Kind::Response);
    let message = message.ok_or_else(|| refused("does not speak HTTP"))?;
    let [_, status, _] = &message.parts;
    let status = String::from_utf8_lossy(head.get(status.clone()).unwrap_or_default()).into_owned();
    if !status.starts_with('2') {
        return Err(refused(&format!("says {status}")));
    }
    // In what we ask the client speaks first, so nothing can have followed yet.
    if head.len() > message.body {
        return Err(refused("sends more than was asked for"));
    }
    Ok(())
}
