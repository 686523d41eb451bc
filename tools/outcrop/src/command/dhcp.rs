//! `outcrop dhcp`, and `outcrop dhcp serve`.
//!
//! Job: ask for an address and print what is granted; or lend addresses. Owns: nothing. Does not know: messages.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io::Write as _;
use std::rc::Rc;

use outcrop_base::{Cause, Instant, TimerKind};
use outcrop_dhcp::v4::{CLIENT_PORT, Change, SERVER_PORT, Server, ServerConfig, Transmit};
use outcrop_dhcp::v6;
use outcrop_socket::UdpSocket;
use outcrop_stack::ip::AddressNews;
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{Interest, Shard};

use crate::cli::{self, DhcpCommand};
use crate::failure::Failure;
use crate::host::{Host, Place, TUN, seed};
use crate::lease::words::Told;
use crate::lease::{self, Keeper, Wish};
use crate::services::refused;
use crate::signals;
use crate::stop::{Hear, word};

/// Asks, or lends.
pub(crate) fn run(options: &cli::Dhcp) -> Result<u8, Failure> {
    match &options.serve {
        Some(DhcpCommand::Serve(options)) => serve(options),
        None => ask(options),
    }
}

fn needs_tap(net: &cli::Net) -> Result<(), Failure> {
    let named = net.tap.is_some();
    named.then_some(()).ok_or_else(|| {
        Failure::asked("dhcp: no link: DHCP is spoken on Ethernet; give --tap NAME, of a TAP in a bridge for example")
    })
}

fn start(net: &cli::Net, command: &str) -> Result<Host, Failure> {
    Host::start(
        net,
        outcrop_stack::tcp::Config::default(),
        Place::Here,
        command,
    )
}

/// Prints what is granted; without --keep, gives it back then.
fn ask(options: &cli::Dhcp) -> Result<u8, Failure> {
    needs_tap(&options.net)?;
    let net = cli::Net {
        dhcp: true,
        slaac: true,
        ..options.net.clone()
    };
    let mut host = start(&net, "dhcp")?;
    let wish = wish(options, host.shard());
    let (shard, chance) = (host.shard().clone(), seed(net.seed)?);
    let stop = signals::stop()?;
    let (json, keep) = (options.json, options.keep);
    let limit = shard.now() + Duration::from_secs(options.timeout);
    let granted = host.run(move |_| async move {
        let (enough, over) = word();
        let granted = Rc::new(Cell::new(false));
        let seen = Rc::clone(&granted);
        let done = enough.clone();
        let tell = move |told: Told| {
            say(&told, json);
            if matches!(told, Told::Four(_) | Told::Six(_) | Told::Informed(_)) {
                seen.set(true);
                if !keep {
                    done.tell(());
                }
            }
        };
        let keeper = Keeper::new(&shard, wish, &chance, tell)?;
        let keeper = pin!(keeper.keep(over));
        until(&shard, keeper, stop, (limit, &granted)).await;
        enough.tell(());
        Ok::<_, Failure>(granted.get())
    })??;
    host.finish()?.say_capture();
    if granted {
        Ok(0)
    } else {
        Err(Failure::new(format!(
            "dhcp: no address within {} s: is there a server on that link?",
            options.timeout
        )))
    }
}

fn wish(options: &cli::Dhcp, shard: &Shard) -> Wish {
    let mode = if options.stateless {
        v6::Mode::Stateless
    } else {
        v6::Mode::Stateful
    };
    let four = outcrop_dhcp::v4::ClientConfig {
        previous: options.previous,
        hostname: options.hostname.clone(),
        ..lease::four(shard)
    };
    let six = v6::ClientConfig {
        mode,
        ..lease::six(shard)
    };
    Wish {
        four: (!options.v6).then_some(four),
        six: options.v6.then_some(six),
        as_routers_say: false,
    }
}

/// Polls the keeper until it ends, somebody says stop, or nothing was granted in time. A stop lets it end.
async fn until(
    shard: &Shard,
    mut keeper: Pin<&mut impl Future<Output = ()>>,
    mut stop: Hear<()>,
    (limit, granted): (Instant, &Cell<bool>),
) {
    let mut late = shard.sleep_until(limit);
    poll_fn(|cx| {
        if keeper.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let too_late = !granted.get() && Pin::new(&mut late).poll(cx).is_ready();
        if too_late || Pin::new(&mut stop).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

fn say(told: &Told, json: bool) {
    let line = if json {
        told.json()
    } else {
        Some(told.plain())
    };
    let Some(line) = line else {
        return;
    };
    let mut out = std::io::stdout().lock();
    // Who reads may have gone.
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Lends addresses until Ctrl-C.
fn serve(options: &cli::DhcpServe) -> Result<u8, Failure> {
    needs_tap(&options.net)?;
    let mut server = Server::new(config(options)?)
        .map_err(|error| Failure::asked(format!("dhcp serve: {error}")))?;
    let mut host = start(&options.net, "dhcp serve")?;
    let shard = host.shard().clone();
    let mut stop = signals::stop()?;
    let (first, last) = options.pool;
    let ours = options.net.addr.address;
    println!("checking that {ours} is free");
    host.run(move |_| async move {
        if !checked(&shard, ours, &mut stop).await? {
            return Ok(());
        }
        println!("lending {first} to {last} until Ctrl-C");
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER_PORT);
        let socket = UdpSocket::bind(&shard, local).map_err(|error| refused(local, &error))?;
        loop {
            let mut sleep = server.poll_timeout().map(|at| shard.sleep_until(at));
            let heard = poll_fn(|cx| {
                if Pin::new(&mut stop).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if let Poll::Ready(heard) = socket.poll_recv(cx) {
                    return Poll::Ready(Some(heard.ok()));
                }
                let due = sleep.as_mut().map(|sleep| Pin::new(sleep).poll(cx));
                due.map_or(Poll::Pending, |due| due.map(|()| Some(None)))
            });
            let Some(heard) = heard.await else {
                return Ok(());
            };
            let now = shard.now();
            server.handle_timeout(now);
            let mut cause = Cause::Timer(TimerKind::Address);
            if let Some(datagram) = heard {
                cause = Cause::Packet(datagram.id);
                let verdict = server.handle_datagram(now, &datagram.data);
                if let Some(reason) = verdict.drop_reason() {
                    log::info!("{reason}, by {}", verdict.rule);
                }
            }
            while let Some(transmit) = server.poll_transmit(now) {
                reply(&socket, &transmit, cause);
            }
            tell(&mut server);
        }
    })??;
    host.finish()?.say_capture();
    Ok(0)
}

/// Waits until the server's own address is checked; false if somebody says stop before.
async fn checked(shard: &Shard, ours: IpAddr, stop: &mut Hear<()>) -> Result<bool, Failure> {
    poll_fn(|cx| {
        if Pin::new(&mut *stop).poll(cx).is_ready() {
            return Poll::Ready(Ok(false));
        }
        shard.poll(Interest::Address(TUN), cx, |core| {
            while let Some(news) = core.take_address_news(TUN) {
                if news == AddressNews::Ready(ours) {
                    return Poll::Ready(Ok(true));
                }
                if news == AddressNews::Duplicate(ours) {
                    return Poll::Ready(Err(Failure::new(format!(
                        "dhcp serve: {ours}: another station has it"
                    ))));
                }
            }
            Poll::Pending
        })
    })
    .await
}

fn config(options: &cli::DhcpServe) -> Result<ServerConfig, Failure> {
    let IpAddr::V4(address) = options.net.addr.address else {
        return Err(Failure::asked("--addr: must be an IPv4 address"));
    };
    let (first, last) = options.pool;
    Ok(ServerConfig {
        lease_time: Duration::from_secs(options.lease_time),
        routers: options.router.clone(),
        dns: options.dns.clone(),
        domain: options.domain.clone(),
        reservations: options.reserve.clone(),
        ..ServerConfig::new(address, options.net.addr.prefix, first, last)
    })
}

/// A client that does not answer ARP yet is answered by a broadcast (RFC 2131 4.1).
fn reply(socket: &UdpSocket, transmit: &Transmit, cause: Cause) {
    let everybody = transmit.is_broadcast() || transmit.station.is_some();
    let to = if everybody {
        SocketAddr::from((Ipv4Addr::BROADCAST, CLIENT_PORT))
    } else {
        SocketAddr::V4(transmit.to)
    };
    let options = SendOptions {
        source: Some(IpAddr::V4(*transmit.from.ip())),
        iface: everybody.then_some(TUN),
        note: Some(transmit.note.caused_by(cause)),
        ..SendOptions::default()
    };
    log::info!("{} to {to}", transmit.note.why());
    lease::send(socket, (Some(to), &transmit.payload), &options);
}

fn tell(server: &mut Server) {
    while let Some(change) = server.poll_event() {
        let line = match change {
            Change::Leased(address) => {
                let all = server.bindings();
                let theirs = all
                    .filter(|(at, _)| *at == address)
                    .map(|(_, row)| station(row.hardware()));
                format!("{address} lent to {}", theirs.collect::<String>())
            }
            Change::Released(address) => format!("{address} given back"),
            Change::Expired(address) => format!("{address} free: its time is over"),
            Change::Declined(address) => {
                format!("{address} kept aside: its client found it in use")
            }
        };
        println!("{line}");
    }
}

fn station(hardware: &[u8]) -> String {
    let pairs: Vec<_> = hardware
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    pairs.join(":")
}
