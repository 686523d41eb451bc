//! The agent's outside: our stack.
//!
//! Job: resolve, connect, agree on keys, tell the time. Owns: nothing that lasts. Does not know: what is asked.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;

use outcrop_http::sleeper;
use outcrop_socket::TcpStream;
use outcrop_stack::Shard;
use outcrop_tls::ClientTls;
use outcrop_web::client::route::Place;
use outcrop_web::client::{Later, Line, Pipe, Timer, World};

use crate::resolve::resolve;

/// Connections over a shard.
pub(super) struct Outside {
    pub(super) shard: Shard,
    pub(super) tls: Option<ClientTls>,
}

impl World for Outside {
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>> {
        Box::pin(connect(&self.shard, place))
    }

    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>> {
        let found = addresses(place).map(|addresses| addresses.first().map(SocketAddr::ip));
        Box::pin(async move { found?.ok_or_else(|| nothing(place)) })
    }

    fn secure<'a>(&'a self, pipe: Pipe, host: &'a str) -> Later<'a, io::Result<Line>> {
        Box::pin(secure(self.tls.as_ref(), pipe, host))
    }

    fn timer(&self) -> Timer {
        let (clock, timer) = (self.shard.clone(), self.shard.clone());
        Box::new(sleeper(
            move || clock.now(),
            move |at| timer.sleep_until(at),
        ))
    }

    fn unix(&self) -> Duration {
        self.shard.wall().unix(self.shard.now())
    }
}

fn addresses(place: &Place) -> io::Result<Vec<SocketAddr>> {
    let found = resolve(&place.host, place.port);
    found.map_err(|failure| io::Error::other(failure.to_string()))
}

fn nothing(place: &Place) -> io::Error {
    io::Error::other(format!("{}: no address", place.host))
}

/// A connection to the first address that takes one.
async fn connect(shard: &Shard, place: &Place) -> io::Result<Line> {
    let mut last = nothing(place);
    for address in addresses(place)? {
        crate::news::settled(shard, address.ip()).await;
        match TcpStream::connect(shard, address).await {
            Ok(stream) => return Ok((Box::new(stream), address.to_string())),
            Err(error) => {
                let told = format!("cannot connect to {address}: {error}");
                last = io::Error::new(error.kind(), told);
            }
        }
    }
    Err(last)
}

async fn secure(tls: Option<&ClientTls>, pipe: Pipe, host: &str) -> io::Result<Line> {
    let nobody = || io::Error::other("no authorities to trust: name a file with --cacert");
    let stream = outcrop_tls::connect(pipe, tls.ok_or_else(nobody)?, host).await?;
    let facts = stream.facts();
    let spoken = facts.protocol.unwrap_or_else(|| "no ALPN".to_owned());
    let resumed = if facts.resumed { ", resumed" } else { "" };
    let told = format!("{} / {} / {spoken}{resumed}", facts.version, facts.suite);
    Ok((Box::new(stream), told))
}
