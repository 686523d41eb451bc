//! A program of your own on the stack, and the system's curl as its client, in a private network.
//!
//! `cargo run -p outcrop --example own_program`

use core::error::Error;
use core::time::Duration;
use std::io;
use std::process::Command;

use http::Response;
use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{self, Namespace};
use outcrop_device::{Clock, Tun};
use outcrop_http::serve::{Config as HttpConfig, ConnectionInfo, inline};
use outcrop_http::{Body, sleeper};
use outcrop_socket::{TcpListener, TcpStream};
use outcrop_stack::ip::InterfaceConfig;
use outcrop_stack::{Config, Core, Driver, Shard};

const LINK: InterfaceId = InterfaceId(0);

/// A host at 10.77.0.2 over `tun`. Everything random follows from the seed: give it entropy outside of an example.
fn host(tun: Tun, clock: Clock) -> Result<Driver<Tun>, Box<dyn Error>> {
    let mut core = Core::new(Config::default(), &Seed::from_number(1));
    core.add_interface(InterfaceConfig::tun(
        LINK,
        1500,
        vec!["10.77.0.2/24".parse()?],
    ))?;
    let shard = Shard::new(core, clock, WallClock::new(Duration::ZERO))?;
    Ok(Driver::new(shard, LINK, tun, ()))
}

/// One connection: any handler, or any tower service, over any stream.
async fn greet(stream: TcpStream) -> io::Result<()> {
    let (clock, timer) = (stream.shard().clone(), stream.shard().clone());
    let sleep = sleeper(move || clock.now(), move |at| timer.sleep_until(at));
    let hello =
        |_: &_, _: &_| Response::new(Body::from("hello from the other side of the kernel\n"));
    inline(
        stream,
        sleep,
        hello,
        HttpConfig::default(),
        ConnectionInfo::default(),
    )
    .await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // First of all: the private network is made by this program, started again.
    namespace::holder_main();
    let clock = Clock::start();
    let kernels_end = Interface::new("own0").address("10.77.0.1".parse()?, 24);
    let (network, tuns) = Namespace::create(&[kernels_end], &clock)?;
    let tun = tuns.into_iter().next().ok_or("no TUN")?;
    let mut driver = host(tun, clock)?;
    let listener = TcpListener::bind(driver.shard(), "10.77.0.2:80".parse()?)?;
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "http://10.77.0.2/"]);
    let mut curl = network.spawn(curl)?;
    driver.run(|_| async move { greet(listener.accept().await?).await })??;
    driver.settle(Duration::from_secs(1))?;
    curl.wait()?;
    Ok(())
}
