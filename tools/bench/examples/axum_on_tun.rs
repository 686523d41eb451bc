//! An axum router on our sockets, on a TUN of its own: a program of others' crates, to be measured.
//!
//! Job: open the TUN in the network namespace it is started in, say `ready`, and answer until it is killed: `/small` from a
//! handler that has nothing to remember, `/carries-..` from handlers whose futures hold so many bytes while they wait.
//! Owns: the two addresses, those of every peer in the bench. Does not know: HTTP; hyper does.
//! Run: by `outcrop-bench`, or in any network namespace of one's own.
#![forbid(unsafe_code)]

#[path = "../../../crates/l5-socket/examples/listening/mod.rs"]
mod listening;

use core::error::Error;
use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::header::{ETAG, HeaderName, LAST_MODIFIED};
use axum::routing::get;
use listening::Listening;
use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::kernel::{self, Interface};
use outcrop_device::{Clock, Device as _, Format, Tun};
use outcrop_socket::TcpListener;
use outcrop_socket::tokio::drive;
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Shard};

const PROGRAM: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const PORT: u16 = 80;
const MTU: u32 = 1_500;
/// As long as the small file.
const BODY: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// A stack on a TUN whose other end the kernel has.
fn host() -> Result<Driver<Tun>, Box<dyn Error>> {
    let clock = Clock::start();
    let tun = Tun::open(Some("axum%d"), Format::Offload, &clock)?;
    let mut interface = Interface::new(tun.name()).address(IpAddr::V4(KERNEL), 24);
    interface.mtu = MTU;
    interface.format = Format::Offload;
    kernel::configure(&interface)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let mut core = Core::new(Config::default(), &Seed::from_number(1));
    let addresses = vec![Cidr::new(PROGRAM.into(), 24)?];
    let caps = tun.caps();
    core.add_interface(InterfaceConfig {
        gso_max: caps.gso_max,
        checksum_offload: caps.checksum_tx,
        ..InterfaceConfig::tun(InterfaceId(0), MTU, addresses)
    })?;
    let shard = Shard::new(core, clock, WallClock::new(now))?;
    Ok(Driver::new(shard, InterfaceId(0), tun, ()))
}

/// Fields and a body.
type Answer = ([(HeaderName, &'static str); 2], &'static str);

/// The small file, with the fields that every contender sends with it.
async fn small() -> Answer {
    let fields = [
        (ETAG, "\"0123456789abcdef-64\""),
        (LAST_MODIFIED, "Sat, 21 Nov 2026 11:00:00 GMT"),
    ];
    (fields, BODY)
}

/// The same by a handler that has `BYTES` to remember while it waits: they are part of its future, which axum has made, moves
/// and forgets for every request.
async fn carries<const BYTES: usize>() -> Answer {
    let state = black_box([1_u8; BYTES]);
    core::future::ready(()).await;
    // It is asked for after the wait: so it was there meanwhile.
    black_box(&state);
    small().await
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut driver = host()?;
    let listener = TcpListener::bind(driver.shard(), (PROGRAM, PORT).into())?;
    let router = Router::new()
        .route("/small", get(small))
        .route("/carries-100", get(carries::<100>))
        .route("/carries-1k", get(carries::<1_024>))
        .route("/carries-10k", get(carries::<10_240>))
        .route("/carries-100k", get(carries::<102_400>));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("ready");
    io::stdout().flush()?;
    runtime.block_on(async move {
        tokio::spawn(async move { axum::serve(Listening(listener), router).await });
        drive(&mut driver).await
    })?;
    Ok(())
}
