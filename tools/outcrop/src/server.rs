//! The HTTP server of one host.
//!
//! Job: listen, give each connection a task, and let them finish when asked to stop. Owns: how many there are.
//! Does not know: what is served.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::rc::Rc;
use std::sync::Arc;

use outcrop_base::ByteStream;
use outcrop_http::h1::ServerConfig;
use outcrop_http::serve::{Config, Connection, ConnectionInfo, Summary};
use outcrop_http::sleeper;
use outcrop_socket::{TcpListener, TcpOption, TcpSocket, TcpStream, timeout};
use outcrop_stack::{Shard, Tasks};
use outcrop_tls::ServerTls;
use outcrop_web::crowd::{Admitted, Crowd};

use crate::cli::Serving;
use crate::example::Example;
use crate::failure::Failure;
use crate::secure::Https;
use crate::services::{self, everywhere, refused};
use crate::site::Site;
use crate::stop::Hear;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long, and how many bytes, a client that was refused may go on before it is reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_MAX: usize = 64 << 10;
/// How often those who listen are told that we are still there: well within the patience of anything between.
const BREATH: Duration = Duration::from_secs(15);
/// How long answers under way may take after the server was asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Clients that may have spoken in their SYN and not have completed the handshake, at most (RFC 7413 5.1).
const FAST_OPENS: usize = 256;

/// What the server has done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    /// Connections accepted.
    pub(crate) connections: u64,
    /// Requests begun.
    pub(crate) requests: u64,
    /// Connections whose last message was refused as malformed.
    pub(crate) refused: u64,
    /// Connections that broke.
    pub(crate) broken: u64,
    /// Connections of clients that had enough.
    pub(crate) turned_away: u64,
}

/// What runs in one shard, started on its thread.
pub(crate) type Main = Box<dyn FnOnce(Tasks) -> Running + Send>;
type Running = Pin<Box<dyn Future<Output = Result<Served, Failure>>>>;

/// A running server. It stops when it is told; dropping it changes nothing.
#[derive(Debug)]
pub(crate) struct Server {
    shard: Shard,
    example: Option<Example>,
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    stopping: Cell<bool>,
    open: Cell<u64>,
    served: Cell<Served>,
    /// Everybody who waits for `stopping`, each in a place of its own: a connection that ends or is polled
    /// disturbs no other, however many there are.
    waiting: RefCell<Vec<Option<Waker>>>,
    /// Places nobody uses.
    free: RefCell<Vec<usize>>,
    /// Who waits for `open` to become zero.
    last: RefCell<Option<Waker>>,
}

/// Waits for the stop. Asking costs one comparison; dropping it gives its place back.
#[derive(Debug)]
struct Stop {
    state: Rc<State>,
    place: Option<usize>,
}

impl Server {
    /// Starts everything that is served, in one shard.
    pub(crate) fn start(
        shard: &Shard,
        tasks: &Tasks,
        serving: &Serving,
        (site, https): (&Site, Option<&Https>),
    ) -> Result<Self, Failure> {
        services::start(shard, tasks, serving.tcp_echo, &serving.group)?;
        let state = Rc::new(State::default());
        let site = &site.at(shard);
        let plain = everywhere(serving.port).map(|address| (address, None));
        let secure = https
            .map(|https| everywhere(https.port).map(|address| (address, Some(https.tls.clone()))));
        for (address, tls) in plain.into_iter().chain(secure.into_iter().flatten()) {
            let mut socket = TcpSocket::new(shard);
            let listener = set_up(&mut socket, serving)
                .and_then(|()| socket.bind(address).listen())
                .map_err(|error| refused(address, &error))?;
            let served = (site.clone(), tls);
            let accepting = accept(tasks.clone(), listener, served, Rc::clone(&state));
            tasks.spawn(accepting).detach();
        }
        Ok(Self {
            shard: shard.clone(),
            example: site.example().cloned(),
            state,
        })
    }

    /// Looks after what all shards have in common: the certificate is kept fresh, those who listen know that we are
    /// still there.
    pub(crate) fn keep_house(&self, tasks: &Tasks, https: Option<&Https>) {
        if let Some(https) = https {
            tasks.spawn(https.renewals(&self.shard)).detach();
        }
        if let Some(example) = &self.example {
            let (example, shard) = (example.clone(), self.shard.clone());
            let breathing = async move {
                loop {
                    shard.sleep_until(shard.now() + BREATH).await;
                    example.breathe();
                }
            };
            tasks.spawn(breathing).detach();
        }
    }

    /// What runs in a further shard: the same server, until it is `over`.
    pub(crate) fn beside(
        shard: Shard,
        serving: &Serving,
        (site, https): (&Site, Option<&Arc<Https>>),
        over: Hear<()>,
    ) -> Main {
        let (serving, site) = (serving.clone(), site.clone());
        let https = https.map(Arc::clone);
        Box::new(move |tasks| {
            Box::pin(async move {
                let server = Self::start(&shard, &tasks, &serving, (&site, https.as_deref()))?;
                over.await;
                Ok(server.stop().await)
            })
        })
    }

    /// Accepts no more, lets answers under way finish, and says what was served.
    pub(crate) async fn stop(self) -> Served {
        if let Some(example) = &self.example {
            example.close();
        }
        self.state.stop();
        let _late = timeout(&self.shard, GRACE, self.state.emptied()).await;
        self.state.served.get()
    }
}

impl Served {
    /// What was done in every shard.
    pub(crate) fn of_all(shards: &[Self]) -> Self {
        shards.iter().fold(Self::default(), |all, shard| Self {
            connections: all.connections + shard.connections,
            requests: all.requests + shard.requests,
            refused: all.refused + shard.refused,
            broken: all.broken + shard.broken,
            turned_away: all.turned_away + shard.turned_away,
        })
    }
}

impl Stop {
    const fn of(state: Rc<State>) -> Self {
        Self { state, place: None }
    }

    /// Whether the server stops; if not, the task of `cx` is woken when it does.
    fn poll(&mut self, cx: &Context<'_>) -> bool {
        if self.state.stopping.get() {
            return true;
        }
        let mut waiting = self.state.waiting.borrow_mut();
        let place = *self.place.get_or_insert_with(|| {
            self.state.free.borrow_mut().pop().unwrap_or_else(|| {
                waiting.push(None);
                waiting.len() - 1
            })
        });
        match waiting.get_mut(place) {
            Some(Some(known)) => known.clone_from(cx.waker()),
            Some(empty) => *empty = Some(cx.waker().clone()),
            None => {}
        }
        false
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            if let Some(waker) = self.state.waiting.borrow_mut().get_mut(place) {
                *waker = None;
            }
            self.state.free.borrow_mut().push(place);
        }
    }
}

impl State {
    fn stop(&self) {
        self.stopping.set(true);
        let wakers: Vec<_> = self
            .waiting
            .borrow_mut()
            .iter_mut()
            .map(Option::take)
            .collect();
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until no connection is open.
    async fn emptied(&self) {
        poll_fn(|cx| {
            if self.open.get() == 0 {
                return Poll::Ready(());
            }
            *self.last.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// A connection has ended.
    fn end(&self) {
        self.open.set(self.open.get() - 1);
        let last = if self.open.get() == 0 {
            self.last.take()
        } else {
            None
        };
        if let Some(waker) = last {
            waker.wake();
        }
    }

    fn count(&self, change: impl FnOnce(&mut Served)) {
        let mut served = self.served.get();
        change(&mut served);
        self.served.set(served);
    }
}

/// What every connection of the server starts with: answers are written whole, so waiting to gather more would only
/// delay them.
fn set_up(socket: &mut TcpSocket, serving: &Serving) -> std::io::Result<()> {
    socket.set(TcpOption::NoDelay(true))?;
    socket.set(TcpOption::Backlog(usize::from(serving.backlog)))?;
    let early = if serving.fast_open { FAST_OPENS } else { 0 };
    socket.set(TcpOption::FastOpenQueue(early))?;
    Ok(())
}

async fn accept(
    tasks: Tasks,
    listener: TcpListener,
    (site, tls): (Site, Option<ServerTls>),
    state: Rc<State>,
) {
    let mut stop = Stop::of(Rc::clone(&state));
    loop {
        let next = poll_fn(|cx| {
            if stop.poll(cx) {
                return Poll::Ready(None);
            }
            listener.poll_accept(cx).map(Result::ok)
        });
        let Some(stream) = next.await else { return };
        let Some(admitted) = admit(site.crowd(), &stream) else {
            // One who has enough is told by the reset, which costs nobody anything.
            stream.abort();
            state.count(|served| served.turned_away += 1);
            continue;
        };
        state.count(|served| served.connections += 1);
        state.open.set(state.open.get() + 1);
        let (site, state) = (site.clone(), Rc::clone(&state));
        let serving: Pin<Box<dyn Future<Output = ()>>> = match tls.clone() {
            None => Box::pin(serve(stream, site, state)),
            Some(tls) => Box::pin(serve_secure(stream, tls, site, state)),
        };
        tasks
            .spawn(async move {
                serving.await;
                drop(admitted);
            })
            .detach();
    }
}

/// Whether one more of this client's may come in; the inner nothing is for a server that does not count.
fn admit(crowd: Option<&Crowd>, stream: &TcpStream) -> Option<Option<Admitted>> {
    let (Some(crowd), Ok(client)) = (crowd, stream.peer_addr()) else {
        return Some(None);
    };
    crowd.enter(client.ip()).map(Some)
}

async fn serve(stream: TcpStream, site: Site, state: Rc<State>) {
    let (info, shard) = (begin(&stream, &state), stream.shard().clone());
    converse(stream, (info, shard), site, &state).await;
    state.end();
}

async fn serve_secure(mut stream: TcpStream, tls: ServerTls, site: Site, state: Rc<State>) {
    let (info, shard) = (begin(&stream, &state), stream.shard().clone());
    let shaken = timeout(&shard, HANDSHAKE, outcrop_tls::accept(&mut stream, &tls)).await;
    match shaken {
        Ok(Ok(stream)) => converse(stream, (info, shard), site, &state).await,
        failed => {
            let why = failed.map_or_else(
                |late| late.to_string(),
                |done| {
                    done.err()
                        .map_or_else(String::new, |error| error.to_string())
                },
            );
            log::debug!("connection {}: no TLS: {why}", info.serial);
            state.count(|served| served.broken += 1);
            let _gone_or_late = timeout(&shard, LINGER, linger(&mut stream)).await;
        }
    }
    state.end();
}

/// Ends our side and lets what the client still says pass: whoever closes while bytes wait unread sends a reset
/// (RFC 2525 section 2.17), and that takes the alert from the client before it is read.
async fn linger(stream: &mut TcpStream) {
    let mut passed = 0;
    poll_fn(|cx| {
        let _gone = ready!(stream.poll_close(cx));
        while passed < LINGER_MAX {
            match ready!(stream.poll_read(cx)) {
                Ok(Some(bytes)) => passed += bytes.len(),
                Ok(None) | Err(_) => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}

fn begin(stream: &TcpStream, state: &State) -> ConnectionInfo {
    ConnectionInfo {
        remote: stream.peer_addr().ok(),
        local: stream.local_addr().ok(),
        serial: state.served.get().connections,
    }
}

/// HTTP over whatever carries it.
async fn converse<S: ByteStream>(
    stream: S,
    (info, shard): (ConnectionInfo, Shard),
    site: Site,
    state: &Rc<State>,
) {
    let (clock, timer) = (shard.clone(), shard.clone());
    // These tasks run within the driver's turns.
    let sleep = sleeper(move || clock.turn(), move |at| timer.sleep_until(at));
    let config = Config {
        http: ServerConfig {
            wall_clock: Some(shard.wall()),
            connect: site.connects(),
            http09: site.simple(),
            ..ServerConfig::default()
        },
        ..Config::default()
    };
    let mut connection = Connection::new(stream, sleep, site, config, info).concurrent();
    let mut stop = Stop::of(Rc::clone(state));
    let (mut told, mut counted) = (false, 0);
    let ended = poll_fn(|cx| {
        if !told && stop.poll(cx) {
            told = true;
            connection.shutdown();
        }
        let polled = pin!(&mut connection).poll(cx);
        let requests = u64::from(connection.summary().requests);
        state.count(|served| served.requests += requests - counted);
        counted = requests;
        polled
    })
    .await;
    state.count(|served| note(served, &ended, info));
}

fn note(served: &mut Served, ended: &std::io::Result<Summary>, info: ConnectionInfo) {
    match ended {
        Ok(summary) => {
            served.refused += u64::from(summary.rejected.is_some());
            log::debug!("connection {}: {} requests", info.serial, summary.requests);
        }
        Err(error) => {
            served.broken += 1;
            log::debug!("connection {}: {error}", info.serial);
        }
    }
}
