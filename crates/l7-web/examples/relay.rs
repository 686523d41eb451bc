//! A gateway that keeps answers: what it is asked it asks another server, or finds in its cache. On the kernel's own
//! sockets, to show that an agent's `World` may be anybody's.
//!
//! ```sh
//! cargo run -p outcrop-web --example relay -- 127.0.0.1:8002 http://127.0.0.1:8000
//! ```

use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::time::SystemTime;

use http::Uri;
use outcrop_base::Instant;
use outcrop_http::serve::{self, ConnectionInfo};
use outcrop_http::{Sleep, sleeper};
use outcrop_socket::tokio::Compat;
use outcrop_web::client::cache::Cache;
use outcrop_web::client::route::Place;
use outcrop_web::client::{Later, Line, Pipe, Timer, World};
use outcrop_web::forward::Forward;
use tokio::net::{TcpListener, TcpStream};

/// Bytes of answers that are kept.
const KEPT: usize = 64 << 20;

/// The kernel's sockets and clock.
#[derive(Clone)]
struct Kernel(std::time::Instant);

impl Kernel {
    fn clock(&self) -> impl Sleep + Send + use<> {
        let begun = self.0;
        let nanoseconds = move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        sleeper(
            move || Instant::ZERO + Duration::from_nanos(nanoseconds()),
            move |at| tokio::time::sleep_until((begun + (at - Instant::ZERO)).into()),
        )
    }
}

impl World for Kernel {
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>> {
        Box::pin(async move {
            let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr()?.to_string();
            Ok((Box::new(Compat::new(stream)) as _, peer))
        })
    }

    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>> {
        Box::pin(async move {
            let mut all = tokio::net::lookup_host((place.host.as_str(), place.port)).await?;
            let first = all.next().map(|address| address.ip());
            first.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn secure<'a>(&'a self, _: Pipe, _: &'a str) -> Later<'a, io::Result<Line>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn timer(&self) -> Timer {
        Box::new(self.clock())
    }

    fn unix(&self) -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

async fn connection(stream: TcpStream, kernel: Kernel, forward: Forward) {
    let service = tower::service_fn(move |request| {
        let forward = forward.clone();
        async move { Ok::<_, Infallible>(forward.answer(request).await) }
    });
    let (config, info) = (serve::Config::default(), ConnectionInfo::default());
    let served = serve::service(Compat::new(stream), kernel.clock(), service, config, info);
    // Whatever ends a connection ends that one only.
    let _ended = served.await;
}

/// Every connection on the one thread.
fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(behind)) = (arguments.next(), arguments.next()) else {
        return Err("usage: relay ADDRESS:PORT http://SERVER".into());
    };
    let (listen, behind) = (listen.parse()?, behind.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve_all(listen, behind))
}

async fn serve_all(listen: SocketAddr, behind: Uri) -> Result<(), Box<dyn core::error::Error>> {
    let kernel = Kernel(std::time::Instant::now());
    let forward = Forward::new("/", &behind, "relay", kernel.clone());
    let forward = forward.ok_or("not an http:// URL")?;
    let forward = forward.keeping(Cache::new(KEPT));
    let listener = TcpListener::bind(listen).await?;
    println!("listening at {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let task = connection(stream, kernel.clone(), forward.clone());
        tokio::task::spawn_local(task);
    }
}
