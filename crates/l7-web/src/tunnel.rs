//! Tunnels for those who ask for them (CONNECT).
//!
//! Job: decide who gets one and where to, then bytes both ways as the response's body: reading it drives everything.
//! Owns: how many there are. Does not know: sockets ([`World`] has them), what is said inside.
//! Sources: RFC 9110 sections 9.3.6, 15.4 (no tunnel without a 2xx), 15.6.3 and 15.6.5 (502 and 504).
//!
//! Whoever may open a tunnel speaks with this host's address: an open proxy sends other people's spam and looks at the
//! inside of one's own network. So there is no tunnel that is not on the list, and the list begins empty.

mod pump;

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use outcrop_http::Body;
use outcrop_http::serve::Upgrade;

use crate::client::route::Place;
use crate::client::{Pipe, World};
use crate::problem::Problem;
use pump::Pump;

/// Where a tunnel may lead: `host:port`, `*.host:port` for every host below one, `*:port` for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    Below(String),
    This(String),
}

/// Not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not HOST:PORT, *.HOST:PORT or *:PORT")]
pub struct NotAPlace(String);

impl FromStr for Allowed {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let wrong = || NotAPlace(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let host = match bare.strip_prefix('*') {
            Some("") => Host::Any,
            Some(below) if below.len() > 1 && below.starts_with('.') => {
                Host::Below(below.to_ascii_lowercase())
            }
            Some(_) => return Err(wrong()),
            None if bare.is_empty()
                || bare.contains('*')
                || (bare.contains(':') && bare == host) =>
            {
                return Err(wrong());
            }
            None => Host::This(bare.to_ascii_lowercase()),
        };
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self { host, port })
    }
}

impl Allowed {
    fn takes(&self, place: &Place) -> bool {
        let host = place.host.trim_end_matches('.');
        self.port == place.port
            && match &self.host {
                Host::Any => true,
                Host::Below(below) => host.len() > below.len() && host.ends_with(below.as_str()),
                Host::This(name) => host == name,
            }
    }
}

/// How many, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tunnels at once; 503 beyond.
    pub at_once: usize,
    /// How long it may take to get there; 504 beyond.
    pub connect: Duration,
    /// How long nothing may be said in either direction.
    pub idle: Duration,
    /// How long a tunnel may be open at all.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 64,
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            whole: Duration::from_secs(3600),
        }
    }
}

/// Who gets a tunnel. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    allowed: Arc<Vec<Allowed>>,
    limits: Limits,
    open: Arc<AtomicUsize>,
}

/// One of those that may be open at once.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tunnels {
    /// To these places and no others.
    #[must_use]
    pub fn new(allowed: Vec<Allowed>, limits: Limits) -> Self {
        Self {
            allowed: Arc::new(allowed),
            limits,
            open: Arc::default(),
        }
    }

    /// Tunnels open or being opened.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The answer to a CONNECT: a tunnel through `world`, or why not.
    ///
    /// 405 for another method, 400 if something stands in the way of the bytes to come, 403 for a place that is not
    /// allowed, 503 if there are too many, 502 and 504 if nobody is there.
    pub async fn answer<B>(&self, request: Request<B>, world: &dyn World) -> Response<Body> {
        let admitted = self.admit(&request);
        drop(request);
        match self.open_one(admitted, world).await {
            Ok(pump) => Response::new(Body::new(pump)),
            Err(status) => Problem::new(status).respond(),
        }
    }

    /// Where it is to lead, what the client says, and its seat.
    fn admit<B>(&self, request: &Request<B>) -> Result<(Place, Body, Seat), StatusCode> {
        if request.method() != Method::CONNECT {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let place = place(request).ok_or(StatusCode::BAD_REQUEST)?;
        let offered = request.extensions().get::<Upgrade>();
        let incoming = offered.and_then(Upgrade::take);
        let incoming = incoming.ok_or(StatusCode::BAD_REQUEST)?;
        if !self.allowed.iter().any(|allowed| allowed.takes(&place)) {
            return Err(StatusCode::FORBIDDEN);
        }
        let seat = self.seat().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        Ok((place, incoming, seat))
    }

    async fn open_one(
        &self,
        admitted: Result<(Place, Body, Seat), StatusCode>,
        world: &dyn World,
    ) -> Result<Pump, StatusCode> {
        let (place, incoming, seat) = admitted?;
        let pipe = self.reach(&place, world).await?;
        let timer = world.timer();
        Ok(Pump::new(incoming, pipe, timer, (self.limits, seat)))
    }

    fn seat(&self) -> Option<Seat> {
        let most = self.limits.at_once;
        let taken = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            });
        taken.ok().map(|_| Seat(Arc::clone(&self.open)))
    }

    async fn reach(&self, place: &Place, world: &dyn World) -> Result<Pipe, StatusCode> {
        let mut timer = world.timer();
        let until = timer.now() + self.limits.connect;
        let reached = crate::client::within(&mut timer, Some(until), world.connect(place)).await;
        match reached {
            None => Err(StatusCode::GATEWAY_TIMEOUT),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(StatusCode::GATEWAY_TIMEOUT)
            }
            Some(Err(_)) => Err(StatusCode::BAD_GATEWAY),
            Some(Ok((pipe, _))) => Ok(pipe),
        }
    }
}

/// Where the request wants to go: its target is `host:port` (RFC 9112 section 3.2.3).
fn place<B>(request: &Request<B>) -> Option<Place> {
    let uri = request.uri();
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    Some(Place {
        secure: false,
        host: host.to_ascii_lowercase(),
        port: uri.port_u16()?,
    })
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(f, "*:{}", self.port),
            Host::Below(below) => write!(f, "*{below}:{}", self.port),
            Host::This(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Host::This(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_allowed_only_by_a_line_that_names_its_host_and_its_port() {
        let allowed = |line: &str, host: &str, port| {
            let place = Place {
                secure: false,
                host: host.to_owned(),
                port,
            };
            line.parse::<Allowed>().unwrap().takes(&place)
        };
        for (line, host, port, want) in [
            ("a.test:443", "a.test", 443, true),
            ("A.Test:443", "a.test.", 443, true),
            ("a.test:443", "a.test", 25, false),
            ("a.test:443", "b.a.test", 443, false),
            ("*.a.test:443", "b.a.test", 443, true),
            ("*.a.test:443", "a.test", 443, false),
            ("*.a.test:443", "evila.test", 443, false),
            ("*:443", "anything", 443, true),
            ("*:443", "anything", 80, false),
            ("[fd77::1]:443", "fd77::1", 443, true),
        ] {
            assert_eq!(allowed(line, host, port), want, "{line} {host}:{port}");
        }
        for line in [
            "a.test",
            "a.test:",
            "a.test:0",
            "a.test:70000",
            ":443",
            "*x:443",
            "*.:443",
            "a.*:443",
            "::1:443",
        ] {
            assert!(line.parse::<Allowed>().is_err(), "{line}");
        }
        for line in ["a.test:443", "*.a.test:443", "*:443", "[fd77::1]:443"] {
            assert_eq!(line.parse::<Allowed>().unwrap().to_string(), line);
        }
    }
}
