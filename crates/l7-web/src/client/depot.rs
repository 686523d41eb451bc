//! Connections, lent for one answer at a time.
//!
//! Job: wait for a connection's turn, make it if there is none, take it back when the answer is complete. Owns: the pool
//! and who waits. Does not know: what is asked. A connection that is dropped in the middle of an answer is closed.

use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outcrop_base::{ByteStream, ChunkQueue, Instant};
use outcrop_http::client::Client;
use outcrop_http::h1::ClientConfig;

use super::error::Error;
use super::news::{News, Watch};
use super::pool::{Bounds, Grant, Pool, Ticket};
use super::route::{Proxy, Route, opened};
use super::socks::{Socks, Step, Target};
use super::world::{Pipe, Timer, World, within};

pub(super) type Connection = Client<Pipe, Timer>;

pub(super) struct Depot {
    pub(super) world: Arc<dyn World>,
    shared: Mutex<Shared>,
}

struct Shared {
    pool: Pool<Route, Connection>,
    waiting: BTreeMap<Ticket, Waker>,
    clock: Timer,
}

/// How a new connection is to be made.
pub(super) struct Manner<'a> {
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) http: &'a ClientConfig,
    pub(super) patience: Duration,
}

/// A connection on loan, or the leave to make one.
pub(super) struct Lent {
    depot: Arc<Depot>,
    route: Route,
    connection: Option<Connection>,
    /// It was used before.
    pub(super) reused: bool,
    /// How long it took to come by it.
    pub(super) took: Vec<(&'static str, Duration)>,
}

impl Lent {
    pub(super) fn connection(&mut self) -> Result<&mut Connection, Error> {
        // There is one from `Depot::lend` on, until the drop.
        self.connection.as_mut().ok_or(Error::Busy)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let connection = self.connection.take();
        let good = connection.filter(|c| c.reusable() && c.unanswered() == 0);
        self.depot.end(&self.route, good);
    }
}

/// A place in the queue that is given up if nobody waits for it any more.
struct Queued<'a>(&'a Depot, Option<Ticket>);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.1.take() {
            let mut shared = self.0.lock();
            shared.pool.leave(ticket);
            shared.waiting.remove(&ticket);
            wake(shared);
        }
    }
}

/// Wakes whoever may have something now.
fn wake(mut shared: MutexGuard<'_, Shared>) {
    let next = shared.pool.next();
    let waker = next.and_then(|ticket| shared.waiting.remove(&ticket));
    drop(shared);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Depot {
    pub(super) fn new(world: Arc<dyn World>, bounds: Bounds) -> Self {
        let shared = Shared {
            pool: Pool::new(bounds),
            waiting: BTreeMap::new(),
            clock: world.timer(),
        };
        Self {
            world,
            shared: Mutex::new(shared),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open, and idle ones among them.
    pub(super) fn count(&self) -> (usize, usize) {
        let shared = self.lock();
        (shared.pool.open(), shared.pool.idle())
    }

    /// Closes what has been idle for too long; when to look again.
    pub(super) fn sweep(&self) -> Option<Instant> {
        let mut shared = self.lock();
        let now = shared.clock.now();
        let old = shared.pool.expire(now);
        let next = shared.pool.poll_timeout();
        wake(shared);
        drop(old);
        next
    }

    fn end(&self, route: &Route, connection: Option<Connection>) {
        let mut shared = self.lock();
        let now = shared.clock.now();
        match connection {
            Some(connection) => shared.pool.give_back(route, connection, now),
            None => shared.pool.gone(route),
        }
        wake(shared);
    }

    /// A connection on this way, when it is its turn.
    pub(super) async fn lend(
        self: &Arc<Self>,
        route: &Route,
        manner: &Manner<'_>,
        watch: Watch<'_>,
    ) -> Result<Lent, Error> {
        self.sweep();
        loop {
            let grant = self.wait(route).await?;
            let mut lent = Lent {
                depot: Arc::clone(self),
                route: route.clone(),
                connection: None,
                reused: false,
                took: Vec::new(),
            };
            match grant {
                Grant::Reuse(mut connection) => {
                    if !poll_fn(|cx| Poll::Ready(connection.poll_usable(cx))).await {
                        // Closed while it was idle: as if it had not been there.
                        continue;
                    }
                    lent.connection = Some(connection);
                    lent.reused = true;
                    watch(News::Reused(route.first()));
                }
                Grant::Dial(evicted) => {
                    drop(evicted);
                    let mut timer = self.world.timer();
                    let until = timer.now() + manner.patience;
                    let dialled = self.dial(&mut lent, manner, watch);
                    let dialled = within(&mut timer, Some(until), dialled).await;
                    dialled
                        .unwrap_or_else(|| Err(Error::Connect(io::ErrorKind::TimedOut.into())))?;
                }
            }
            return Ok(lent);
        }
    }

    async fn wait(&self, route: &Route) -> Result<Grant<Connection>, Error> {
        let ticket = self.lock().pool.join(route.clone()).ok_or(Error::Busy)?;
        let mut queued = Queued(self, Some(ticket));
        let grant = poll_fn(|cx| {
            let mut shared = self.lock();
            let now = shared.clock.now();
            match shared.pool.grant(ticket, now) {
                Some(grant) => {
                    shared.waiting.remove(&ticket);
                    wake(shared);
                    Poll::Ready(grant)
                }
                None => {
                    shared.waiting.insert(ticket, cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let grant = grant.await;
        queued.1 = None;
        Ok(grant)
    }

    async fn dial(
        &self,
        lent: &mut Lent,
        manner: &Manner<'_>,
        watch: Watch<'_>,
    ) -> Result<(), Error> {
        let mut laps = Laps::begin(self.world.timer());
        let route = lent.route.clone();
        watch(News::Connecting(route.first()));
        let (mut pipe, peer) = self
            .world
            .connect(route.first())
            .await
            .map_err(Error::Connect)?;
        watch(News::Connected(&peer));
        laps.end("connect");
        if let Route::Forward(proxy) | Route::Tunnel(proxy, _) = &route
            && proxy.secure
        {
            pipe = self.secure(pipe, &proxy.host, watch).await?;
            laps.end("proxy tls");
        }
        if let (Route::Tunnel(_, to) | Route::Socks(_, to), Some(proxy)) = (&route, manner.proxy) {
            self.pass(&mut pipe, &route, proxy).await?;
            watch(News::Tunnelled(to));
            laps.end("proxy");
        }
        if let Route::Direct(to) | Route::Tunnel(_, to) | Route::Socks(_, to) = &route
            && to.secure
        {
            pipe = self.secure(pipe, &to.host, watch).await?;
            laps.end("tls");
        }
        let config = ClientConfig {
            to_proxy: matches!(route, Route::Forward(_)),
            ..manner.http.clone()
        };
        lent.took = laps.took;
        lent.connection = Some(Client::new(pipe, laps.timer, config));
        Ok(())
    }

    async fn secure(&self, pipe: Pipe, host: &str, watch: Watch<'_>) -> Result<Pipe, Error> {
        let secured = self.world.secure(pipe, host).await;
        let (secured, what) = secured.map_err(Error::Secure)?;
        watch(News::Secured(&what));
        Ok(secured)
    }

    /// Through the proxy.
    async fn pass(&self, pipe: &mut Pipe, route: &Route, proxy: &Proxy) -> Result<(), Error> {
        match route {
            Route::Direct(_) | Route::Forward(_) => Ok(()),
            Route::Tunnel(_, to) => tunnel(pipe, &proxy.connect(to)).await,
            Route::Socks(_, to) => {
                let target = match to.host.parse() {
                    Ok(address) => Target::Address(address),
                    Err(_) if proxy.looks_up() => Target::Name(to.host.clone()),
                    Err(_) => {
                        let found = self.world.resolve(to).await;
                        Target::Address(found.map_err(Error::Connect)?)
                    }
                };
                let talk = Socks::new(&target, to.port, proxy.login());
                socks(pipe, talk.map_err(Error::Proxy)?).await
            }
        }
    }
}

/// How long each part of something takes.
struct Laps {
    timer: Timer,
    from: Instant,
    took: Vec<(&'static str, Duration)>,
}

impl Laps {
    fn begin(timer: Timer) -> Self {
        Self {
            from: timer.now(),
            timer,
            took: Vec::new(),
        }
    }

    fn end(&mut self, lap: &'static str) {
        let now = self.timer.now();
        self.took.push((lap, now - self.from));
        self.from = now;
    }
}

/// Asks a proxy for a tunnel.
async fn tunnel(pipe: &mut Pipe, request: &[u8]) -> Result<(), Error> {
    say(pipe, request).await?;
    let mut answer = Vec::new();
    loop {
        answer.extend_from_slice(&hear(pipe).await?);
        if let Some(outcome) = opened(&answer) {
            return outcome.map_err(Error::Proxy);
        }
    }
}

/// The same by SOCKS.
async fn socks(pipe: &mut Pipe, mut talk: Socks) -> Result<(), Error> {
    say(pipe, &talk.greeting()).await?;
    loop {
        match talk.hear(&hear(pipe).await?) {
            Step::Say(bytes) => say(pipe, &bytes).await?,
            Step::Wait => {}
            Step::Open => return Ok(()),
            Step::Refused(why) => return Err(Error::Proxy(why)),
        }
    }
}

fn broke(error: &io::Error) -> Error {
    Error::Proxy(format!("broke off: {error}"))
}

async fn say(pipe: &mut Pipe, bytes: &[u8]) -> Result<(), Error> {
    let mut out = ChunkQueue::new();
    out.push_slice(bytes);
    let written = poll_fn(|cx| pipe.poll_write(cx, &mut out)).await;
    written.map_err(|error| broke(&error))
}

async fn hear(pipe: &mut Pipe) -> Result<Bytes, Error> {
    let heard = poll_fn(|cx| pipe.poll_read(cx)).await;
    let heard = heard.map_err(|error| broke(&error))?;
    heard.ok_or_else(|| Error::Proxy("closed the connection".to_owned()))
}
