//! hyper's client, dialling through the stack.
//!
//! Job: the `tower` service that hyper-util's client asks for connections. Owns: which shard, and how names become
//! addresses. Does not know: HTTP. A host that is an address needs no resolver; the first address that takes the
//! connection is used.

use core::future::Future;
use core::net::{IpAddr, SocketAddr};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::{Shard, TcpStream};

type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
type Resolve = dyn Fn(String) -> Addresses + Send + Sync;

/// Connections through a shard, for `hyper_util::client::legacy::Client`. Plain `http` only: TLS goes between.
#[derive(Clone)]
pub struct Connector {
    shard: Shard,
    resolve: Option<Arc<Resolve>>,
}

impl Connector {
    /// Dials addresses; a name is an error.
    #[must_use]
    pub const fn new(shard: Shard) -> Self {
        Self {
            shard,
            resolve: None,
        }
    }

    /// Dials names as well, which `resolve` turns into addresses.
    #[must_use]
    pub fn with_resolver<F, R>(mut self, resolve: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        self.resolve = Some(Arc::new(move |name| Box::pin(resolve(name))));
        self
    }

    async fn connect(self, uri: Uri) -> io::Result<TokioIo<TcpStream>> {
        let refused = |why: &'static str| io::Error::new(io::ErrorKind::InvalidInput, why);
        let port = match (uri.port_u16(), uri.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("https")) => 443,
            (None, _) => 80,
        };
        let host = uri.host().ok_or_else(|| refused("a URI without a host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = match (host.parse::<IpAddr>(), self.resolve) {
            (Ok(address), _) => vec![address],
            (Err(_), Some(resolve)) => resolve(host.to_owned()).await?,
            (Err(_), None) => return Err(refused("a name, and no resolver")),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match TcpStream::connect(&self.shard, SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(TokioIo::new(stream)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl core::fmt::Debug for Connector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connector")
            .field("resolves", &self.resolve.is_some())
            .finish_non_exhaustive()
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for TcpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
