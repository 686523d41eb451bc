//! One connection of the HTTP server.
//!
//! Job: HTTP over whatever carries it, until it ends or the server stops. Owns: the connection, as one future without
//! copies of its parts: a thousand that wait are a thousand of these. Does not know: what is served, how many there are.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::io;
use std::rc::Rc;

use outcrop_base::{ByteStream, Instant};
use outcrop_http::h1::ServerConfig;
use outcrop_http::serve::{Config, Connection, ConnectionInfo, Summary};
use outcrop_socket::TcpStream;
use outcrop_stack::{Shard, Sleep};
use outcrop_web::crowd::Admitted;

use super::{Served, State, Stop};
use crate::site::Site;

/// Who was let in: counted as long as this lives.
pub(super) struct Guest {
    pub(super) shard: Shard,
    pub(super) state: Rc<State>,
    /// Which connection of the server's it is.
    pub(super) serial: u64,
    _admitted: Option<Admitted>,
}

impl Guest {
    pub(super) fn new(stream: &TcpStream, state: Rc<State>, admitted: Option<Admitted>) -> Self {
        state.count(|served| served.connections += 1);
        state.open.set(state.open.get() + 1);
        let serial = state.served.get().connections;
        Self {
            shard: stream.shard().clone(),
            state,
            serial,
            _admitted: admitted,
        }
    }

    /// Both ends of its connection.
    pub(super) fn info(&self, stream: &TcpStream) -> ConnectionInfo {
        ConnectionInfo {
            remote: stream.peer_addr().ok(),
            local: stream.local_addr().ok(),
            serial: self.serial,
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.state.end();
    }
}

/// The host's time; one place among its sleepers, kept for the life of a connection.
struct Clock {
    shard: Shard,
    sleep: Option<Sleep>,
}

impl outcrop_http::Sleep for Clock {
    /// These tasks run within the driver's turns.
    fn now(&self) -> Instant {
        self.shard.turn()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let shard = &self.shard;
        let sleep = self.sleep.get_or_insert_with(|| shard.sleep_until(at));
        sleep.reset(at);
        pin!(sleep).poll(cx)
    }
}

/// HTTP over `stream`: a future that is ready when it is over.
pub(super) fn converse<S: ByteStream>(
    stream: S,
    info: ConnectionInfo,
    site: Site,
    guest: Guest,
) -> Conversation<S> {
    let clock = Clock {
        shard: guest.shard.clone(),
        sleep: None,
    };
    let config = Config {
        http: ServerConfig {
            wall_clock: Some(guest.shard.wall()),
            connect: site.connects(),
            http09: site.simple(),
            ..ServerConfig::default()
        },
        ..Config::default()
    };
    let stop = Stop::of(Rc::clone(&guest.state));
    Conversation {
        connection: Connection::new(stream, clock, site, config, info).concurrent(),
        stop: Some(stop),
        counted: 0,
        guest,
    }
}

/// What [`converse`] makes.
pub(super) struct Conversation<S> {
    connection: Connection<S, Clock, Site>,
    /// Until it was told.
    stop: Option<Stop>,
    /// Requests that the server's account knows of.
    counted: u32,
    guest: Guest,
}

// Nothing inside is pinned in place.
impl<S> Unpin for Conversation<S> {}

impl<S: ByteStream> Future for Conversation<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.stop.as_mut().is_some_and(|stop| stop.poll(cx)) {
            this.stop = None;
            this.connection.shutdown();
        }
        let polled = pin!(&mut this.connection).poll(cx);
        let requests = this.connection.summary().requests;
        let state = &this.guest.state;
        state.count(|served| served.requests += u64::from(requests - this.counted));
        this.counted = requests;
        polled.map(|ended| state.count(|served| note(served, &ended, this.guest.serial)))
    }
}

fn note(served: &mut Served, ended: &io::Result<Summary>, serial: u64) {
    match ended {
        Ok(summary) => {
            served.refused += u64::from(summary.rejected.is_some());
            log::debug!("connection {serial}: {} requests", summary.requests);
        }
        Err(error) => {
            served.broken += 1;
            log::debug!("connection {serial}: {error}");
        }
    }
}
