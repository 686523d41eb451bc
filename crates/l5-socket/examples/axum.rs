//! An axum program on our stack, and hyper's client dialling it: nothing in either knows what is below.
//!
//! ```sh
//! cargo run -p outcrop-socket --features hyper --example axum
//! ```

mod listening;

use core::net::SocketAddr;
use core::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use listening::Listening;
use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::{Caps, Clock, PairEnd, pair};
use outcrop_socket::TcpListener;
use outcrop_socket::tokio::{Connector, drive, drive_until};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Shard};

type AnyError = Box<dyn core::error::Error + Send + Sync>;

const SERVER: [u8; 4] = [10, 0, 0, 1];

fn host(last: u8, device: PairEnd, clock: &Clock) -> Result<Driver<PairEnd>, AnyError> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    let addresses = vec![Cidr::new([10, 0, 0, last].into(), 24)?];
    core.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, addresses))?;
    let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO))?;
    Ok(Driver::new(shard, InterfaceId(0), device, ()))
}

async fn ask(shard: Shard) -> Result<(), AnyError> {
    let client = Client::builder(TokioExecutor::new()).build(Connector::new(shard));
    for path in ["/", "/elsewhere"] {
        let uri = format!("http://10.0.0.1{path}");
        let request = http::Request::get(&uri).body(Empty::<Bytes>::new())?;
        let answer = client.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        println!("{uri}: {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let clock = Clock::start();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let (mut one, mut two) = (host(1, a, &clock)?, host(2, b, &clock)?);
    let listener = TcpListener::bind(one.shard(), SocketAddr::from((SERVER, 80)))?;
    let router = Router::new().route("/", get(|| async { "served by axum over Outcrop" }));
    let client = ask(two.shard().clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        tokio::spawn(async move { axum::serve(Listening(listener), router).await });
        tokio::spawn(async move { drive(&mut one).await });
        drive_until(&mut two, client).await?
    })
}
