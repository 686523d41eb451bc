//! Two hosts in one program, joined by memory: one echoes, the other asks.
//! `cargo run -p outcrop-socket --example echo`
//!
//! No root, no device, no network. Each host has a driver on a thread of its own; the server's program
//! is a task of its driver, the client's is an ordinary thread with blocking sockets.

use core::error::Error;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{Read, Write};

use outcrop_base::{InterfaceId, Seed, WallClock};
use outcrop_device::{Caps, Clock, PairEnd, pair};
use outcrop_socket::{TcpListener, blocking};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Shard};

fn host(addr: IpAddr, device: PairEnd, clock: &Clock) -> Result<Driver<PairEnd>, Box<dyn Error>> {
    let iface = InterfaceId(0);
    let mut core = Core::new(Config::default(), &Seed::from_number(1));
    core.add_interface(InterfaceConfig::tun(
        iface,
        1500,
        vec![Cidr::new(addr, 24)?],
    ))?;
    let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO))?;
    Ok(Driver::new(shard, iface, device, ()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let clock = Clock::start();
    let (here, there) = pair(Caps::plain(1500), &clock);
    let (server, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    let mut serving = host(server, there, &clock)?;
    let mut asking = host(client, here, &clock)?;
    let (one, two) = (serving.shard().clone(), asking.shard().clone());

    let address = SocketAddr::new(server, 7);
    let listener = TcpListener::bind(&one, address)?;
    std::thread::spawn(move || {
        serving.run(|tasks| async move {
            loop {
                let mut stream = listener.accept().await?;
                let echo = async move {
                    while let Some(bytes) = stream.read_chunk().await? {
                        stream.write_all(&bytes).await?;
                    }
                    std::io::Result::Ok(())
                };
                tasks.spawn(echo).detach();
            }
            #[expect(unreachable_code, reason = "says what type the loop would have")]
            std::io::Result::Ok(())
        })
    });
    std::thread::spawn(move || asking.run(|_| core::future::pending::<()>()));

    let mut stream = blocking::TcpStream::connect(&two, address, Some(Duration::from_secs(5)))?;
    println!("connected: {}", stream.get_ref().info()?.flow);
    for line in ["hello", "who is there?"] {
        let asked = stream.get_ref().now();
        stream.write_all(line.as_bytes())?;
        let mut answer = vec![0; line.len()];
        stream.read_exact(&mut answer)?;
        let took = stream.get_ref().now() - asked;
        println!("{:?} after {took:?}", String::from_utf8_lossy(&answer));
    }
    stream.finish()?;
    let info = stream.get_ref().info()?;
    println!("state {}, smoothed round trip {:?}", info.state, info.srtt);
    Ok(())
}
