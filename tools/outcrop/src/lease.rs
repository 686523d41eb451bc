//! Addresses from somebody who lends them.
//!
//! Job: drive the DHCP engines over the host's sockets, and give the host what they get: addresses (checked by the
//! stack before use), routes, resolvers. Owns: the sockets, and the news of the interface's addresses.
//! Does not know: how messages look, when they are due.
//! Sources: RFC 2131 4.4.1 (check, then use), RFC 4861 4.2 (which routers' flags call for DHCPv6).

mod four;
mod six;
pub(crate) mod words;

use core::future::{Future, poll_fn};
use core::net::IpAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, Fact, Facts, Instant, Seed, TimerKind};
use outcrop_dhcp::{v4, v6};
use outcrop_socket::UdpSocket;
use outcrop_stack::ip::AddressNews;
use outcrop_stack::udp::{Datagram, SendOptions};
use outcrop_stack::{Interest, Shard};

use crate::cli::Net;
use crate::failure::Failure;
use crate::host::{TUN, seed};
use crate::news;
use crate::stop::Hear;
use four::Four;
use six::Six;
use words::Told;

/// How long the farewell may take to find its way: the server may have to be asked for by ARP.
const FAREWELL: Duration = Duration::from_millis(300);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// An IPv4 address.
    pub(crate) four: Option<v4::ClientConfig>,
    /// From DHCPv6, whatever routers say.
    pub(crate) six: Option<v6::ClientConfig>,
    /// From DHCPv6, what routers say is to be had there.
    pub(crate) as_routers_say: bool,
}

/// The engines of one interface, and their sockets.
#[derive(Debug)]
pub(crate) struct Keeper<T> {
    shard: Shard,
    seed: Seed,
    four: Option<Four>,
    six: Option<Six>,
    /// Begins when the link-local address is ours: DHCPv6 is spoken from there.
    six_waits: Option<v6::ClientConfig>,
    as_routers_say: bool,
    tell: T,
}

/// Why the task woke up.
enum Wake {
    Four(Datagram),
    Six(Datagram),
    News(AddressNews, String),
    Due,
    Stop,
}

/// A DHCP client of this interface's hardware address that begins at once: it is one host, not a building of them.
pub(crate) fn four(shard: &Shard) -> v4::ClientConfig {
    v4::ClientConfig {
        start_wait: (Duration::ZERO, Duration::ZERO),
        ..v4::ClientConfig::new(mac(shard))
    }
}

/// The same for IPv6.
pub(crate) fn six(shard: &Shard) -> v6::ClientConfig {
    v6::ClientConfig::new(mac(shard))
}

/// What a host with `--dhcp` wants, said on standard error; nothing without it.
pub(crate) fn host(
    shard: &Shard,
    net: &Net,
    stop: Hear<()>,
) -> Result<Option<impl Future<Output = ()> + use<>>, Failure> {
    if !net.dhcp {
        return Ok(None);
    }
    let wish = Wish {
        four: Some(four(shard)),
        six: None,
        as_routers_say: net.slaac,
    };
    let tell = |told: Told| eprintln!("{}", told.plain());
    let keeper = Keeper::new(shard, wish, &seed(net.seed)?, tell)?;
    Ok(Some(keeper.keep(stop)))
}

fn mac(shard: &Shard) -> [u8; 6] {
    shard.call(|core| core.mac(TUN)).unwrap_or_default()
}

impl<T: FnMut(Told)> Keeper<T> {
    /// Begins to ask; `tell` hears what becomes of it.
    pub(crate) fn new(shard: &Shard, wish: Wish, seed: &Seed, tell: T) -> Result<Self, Failure> {
        let four = wish.four.map(|config| Four::new(shard, config, seed));
        Ok(Self {
            shard: shard.clone(),
            seed: seed.clone(),
            four: four.transpose()?,
            six: None,
            six_waits: wish.six,
            as_routers_say: wish.as_routers_say,
            tell,
        })
    }

    /// Keeps what it gets until told to stop, then gives it back.
    pub(crate) async fn keep(mut self, mut stop: Hear<()>) {
        loop {
            let wake = self.wake(&mut stop).await;
            let now = self.shard.now();
            let cause = match wake {
                Wake::Four(datagram) => {
                    if let Some(four) = &mut self.four {
                        four.hear(now, &datagram.data);
                    }
                    Cause::Packet(datagram.id)
                }
                Wake::Six(datagram) => {
                    if let Some(six) = &mut self.six {
                        six.hear(now, &datagram.data);
                    }
                    Cause::Packet(datagram.id)
                }
                Wake::News(news, line) => {
                    self.news(now, news, line);
                    Cause::None
                }
                Wake::Due => Cause::Timer(TimerKind::Address),
                Wake::Stop => break,
            };
            self.act(now, cause);
        }
        let now = self.shard.now();
        if let Some(four) = &mut self.four {
            four.release();
        }
        if let Some(six) = &mut self.six {
            six.release(now);
        }
        self.act(now, Cause::Call(CallKind::Close));
        self.shard.sleep_until(now + FAREWELL).await;
    }

    /// What is due, what is to be sent, what is to be told.
    fn act(&mut self, now: Instant, cause: Cause) {
        if let Some(four) = &mut self.four {
            four.act(&self.shard, (now, cause), &mut self.tell);
        }
        if let Some(six) = &mut self.six {
            six.act(&self.shard, (now, cause), &mut self.tell);
        }
    }

    fn news(&mut self, now: Instant, news: AddressNews, line: String) {
        (self.tell)(Told::News(line));
        if let AddressNews::Router { managed, other } = news {
            self.router(managed, other);
        }
        let may_begin =
            matches!(news, AddressNews::Ready(IpAddr::V6(ours)) if ours.is_unicast_link_local());
        if let Some(config) = self.six_waits.take_if(|_| may_begin) {
            self.begin_six(config);
        }
        if let Some(four) = &mut self.four {
            four.news(&self.shard, now, news, &mut self.tell);
        }
        if let Some(six) = &mut self.six {
            six.news(now, news, &mut self.tell);
        }
    }

    /// A router spoke: what it leaves to DHCPv6 is asked for there, once.
    fn router(&mut self, managed: bool, other: bool) {
        let mode = match (managed, other) {
            (true, _) => v6::Mode::Stateful,
            (false, true) => v6::Mode::Stateless,
            (false, false) => return,
        };
        let known = self
            .six
            .as_ref()
            .is_some_and(|six| six.mode == mode || six.mode == v6::Mode::Stateful);
        if !self.as_routers_say || known {
            return;
        }
        let config = v6::ClientConfig {
            mode,
            ..six(&self.shard)
        };
        self.begin_six(config);
    }

    fn begin_six(&mut self, config: v6::ClientConfig) {
        // The socket of the one before is closed first.
        self.six = None;
        match Six::new(&self.shard, config, &self.seed) {
            Ok(six) => self.six = Some(six),
            Err(failure) => log::warn!("{failure}"),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let four = self.four.as_ref().and_then(Four::poll_timeout);
        let six = self.six.as_ref().and_then(Six::poll_timeout);
        four.into_iter().chain(six).min()
    }

    async fn wake(&self, stop: &mut Hear<()>) -> Wake {
        let mut sleep = self.deadline().map(|at| self.shard.sleep_until(at));
        poll_fn(|cx| {
            if Pin::new(&mut *stop).poll(cx).is_ready() {
                return Poll::Ready(Wake::Stop);
            }
            let four = self.four.as_ref().map(|four| &four.socket);
            if let Some(datagram) = received(four, cx) {
                return Poll::Ready(Wake::Four(datagram));
            }
            let six = self.six.as_ref().map(|six| &six.socket);
            if let Some(datagram) = received(six, cx) {
                return Poll::Ready(Wake::Six(datagram));
            }
            let news = self.shard.poll(Interest::Address(TUN), cx, |core| {
                let news = core.take_address_news(TUN);
                news.map_or(Poll::Pending, |news| {
                    Poll::Ready((news, news::say(core, news)))
                })
            });
            if let Poll::Ready((news, line)) = news {
                return Poll::Ready(Wake::News(news, line));
            }
            match &mut sleep {
                Some(sleep) => Pin::new(sleep).poll(cx).map(|()| Wake::Due),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// Writes down what an engine stated, with what made it act.
fn record(shard: &Shard, facts: &mut Facts, cause: Cause) {
    let mut stated = Vec::new();
    facts.drain_into(&mut stated);
    shard.call(|core| {
        for fact in stated {
            core.tell(Fact { cause, ..fact });
        }
    });
}

/// The next datagram; what the path said of one of ours is passed over.
fn received(socket: Option<&UdpSocket>, cx: &mut Context<'_>) -> Option<Datagram> {
    loop {
        match socket?.poll_recv(cx) {
            Poll::Ready(Ok(datagram)) => return Some(datagram),
            Poll::Ready(Err(error)) => log::debug!("DHCP: {error}"),
            Poll::Pending => return None,
        }
    }
}

/// Sends, or loses.
pub(crate) fn send(
    socket: &UdpSocket,
    (to, payload): (Option<core::net::SocketAddr>, &Bytes),
    options: &SendOptions,
) {
    let mut nobody = Context::from_waker(Waker::noop());
    match socket.poll_send(&mut nobody, payload, to, options) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(error)) => log::info!("DHCP: not sent: {error}"),
        Poll::Pending => log::info!("DHCP: not sent: too much waits for the device"),
    }
}
