//! What happens to a request before anything of ours is looked at.
//!
//! Job: redirects, rewrites, requests for other servers, tunnels, TRACE: as far as the command line asks for them.
//! Owns: the rules, and connections to other servers. Does not know: what is served here. A server without any of it has
//! no gate, and pays nothing for it. Connections begin at this stack's address, like `outcrop get`'s: what crosses is in
//! the capture, and the kernel's own network, its loopback included, is out of reach unless it is routed here.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread;

use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use outcrop_http::h1::RequestHead;
use outcrop_http::serve::Answer;
use outcrop_http::{Body, pages, sleeper, trace};
use outcrop_socket::TcpStream;
use outcrop_stack::Shard;
use outcrop_web::Pass as _;
use outcrop_web::client::route::Place;
use outcrop_web::client::{Later, Line, Pipe, Timer, World};
use outcrop_web::forward::Forward;
use outcrop_web::route::{Rule, Rules};
use outcrop_web::tunnel::{Limits, Tunnels};

use crate::cli::Serving;
use crate::example::Answering;
use crate::failure::Failure;
use crate::resolve::resolve;
use crate::stop::word;

/// Names looked up at once, each by a thread: the system's resolver waits for its answer.
const LOOKUPS: usize = 16;

/// The rules of one server. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    trace: bool,
    rules: Rules,
    tunnels: Option<Tunnels>,
    ways: Vec<(String, Uri)>,
    here: Option<Here>,
}

/// What belongs to one shard.
#[derive(Debug)]
struct Here {
    world: Outside,
    forwards: Vec<Forward>,
}

/// What becomes of a request.
pub(crate) enum Passed {
    /// It is answered.
    Answer(Answer),
    /// It is being answered.
    Answering(Answering),
    /// It is for what is served here, perhaps under another name.
    On(Request<Body>),
}

impl Gate {
    /// What was asked for; nothing if nothing was.
    pub(crate) fn of(serving: &Serving) -> Result<Option<Self>, Failure> {
        let mut rules = Vec::new();
        for (from, to) in &serving.redirect {
            rules.push(Rule::Redirect {
                from: from.clone(),
                to: to.clone(),
                status: StatusCode::TEMPORARY_REDIRECT,
            });
        }
        for (from, to) in &serving.rewrite {
            rules.push(Rule::Rewrite {
                from: from.clone(),
                to: to.clone(),
            });
        }
        let ways: Result<Vec<_>, Failure> = serving.forward.iter().map(way).collect();
        let inside = Inside {
            trace: serving.trace,
            rules: Rules::new(rules.clone()),
            tunnels: (!serving.proxy.is_empty())
                .then(|| Tunnels::new(serving.proxy.clone(), Limits::default())),
            ways: ways?,
            here: None,
        };
        if inside.tunnels.is_some() {
            let places: Vec<_> = serving.proxy.iter().map(ToString::to_string).collect();
            log::warn!(
                "--proxy: whoever reaches this server reaches {} through it",
                places.join(", ")
            );
        }
        let idle =
            !inside.trace && rules.is_empty() && inside.tunnels.is_none() && inside.ways.is_empty();
        Ok((!idle).then(|| Self(Arc::new(inside))))
    }

    /// The same, with connections of this shard.
    pub(crate) fn at(&self, shard: &Shard) -> Self {
        let world = Outside {
            shard: shard.clone(),
            lookups: Arc::default(),
        };
        let forward = |(from, to): &(String, Uri)| Forward::new(from, to, "outcrop", world.clone());
        Self(Arc::new(Inside {
            trace: self.0.trace,
            rules: self.0.rules.clone(),
            tunnels: self.0.tunnels.clone(),
            ways: self.0.ways.clone(),
            here: Some(Here {
                forwards: self.0.ways.iter().filter_map(forward).collect(),
                world,
            }),
        }))
    }

    /// Whether CONNECT is understood.
    pub(crate) fn connects(&self) -> bool {
        self.0.tunnels.is_some()
    }

    /// Where `request`, whose head is `head`, goes.
    pub(crate) fn pass(&self, head: &RequestHead, mut request: Request<Body>) -> Passed {
        let method = request.method();
        if method == Method::TRACE && self.0.trace && head.path() != "*" {
            return Passed::Answer(trace::answer(head).into());
        }
        if method == Method::CONNECT {
            return self.tunnel(request);
        }
        if let core::ops::ControlFlow::Break(response) = self.0.rules.enter(&mut request) {
            return Passed::Answer(response.into());
        }
        let forwards = self.0.here.iter().flat_map(|here| &here.forwards);
        let mut forwards = forwards.filter(|way| way.takes(request.uri().path()));
        match forwards.next().cloned() {
            Some(way) => Passed::Answering(Box::pin(async move { way.answer(request).await })),
            None => Passed::On(request),
        }
    }

    fn tunnel(&self, request: Request<Body>) -> Passed {
        let (Some(tunnels), Some(here)) = (&self.0.tunnels, &self.0.here) else {
            return Passed::Answer(pages::error(StatusCode::NOT_IMPLEMENTED).into());
        };
        let (tunnels, world) = (tunnels.clone(), here.world.clone());
        Passed::Answering(Box::pin(
            async move { tunnels.answer(request, &world).await },
        ))
    }

    /// An answer to OPTIONS says what the gate takes as well.
    pub(crate) fn add_methods(&self, answer: Answer) -> Answer {
        let page = match answer {
            Answer::Prepared(page) if page.status() == StatusCode::NO_CONTENT => page,
            Answer::Prepared(_) | Answer::Response(_) => return answer,
        };
        let mut response = page.to_http(false);
        let known = response.headers().get(header::ALLOW);
        let known = known
            .and_then(|known| known.to_str().ok())
            .unwrap_or_default();
        let more = if self.0.trace { ", TRACE" } else { "" };
        if let Ok(value) = HeaderValue::try_from(format!("{known}{more}")) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        response.into()
    }
}

/// A server to ask must be named in full, and is asked in the open: its certificate would have to be somebody's.
fn way((from, to): &(String, String)) -> Result<(String, Uri), Failure> {
    let uri: Option<Uri> = to.parse().ok();
    let good = |uri: &Uri| Place::of(uri).is_some_and(|place| !place.secure);
    match uri.filter(good) {
        Some(uri) => Ok((from.clone(), uri)),
        None => Err(Failure::asked(format!(
            "--forward {from}={to}: not an http:// URL"
        ))),
    }
}

/// The shard's clock, for whoever answers later.
pub(crate) fn timer(shard: &Shard) -> Timer {
    let (clock, timer) = (shard.clone(), shard.clone());
    Box::new(sleeper(
        move || clock.now(),
        move |at| timer.sleep_until(at),
    ))
}

/// Connections over a shard, from a task that must not wait for the system.
#[derive(Clone, Debug)]
struct Outside {
    shard: Shard,
    lookups: Arc<core::sync::atomic::AtomicUsize>,
}

impl World for Outside {
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>> {
        Box::pin(async move {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for address in self.addresses(place).await? {
                match TcpStream::connect(&self.shard, address).await {
                    Ok(stream) => return Ok((Box::new(stream) as Pipe, address.to_string())),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }

    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>> {
        Box::pin(async move {
            let addresses = self.addresses(place).await?;
            let first = addresses.first().map(SocketAddr::ip);
            first.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn secure<'a>(&'a self, _: Pipe, _: &'a str) -> Later<'a, io::Result<Line>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn timer(&self) -> Timer {
        timer(&self.shard)
    }

    fn unix(&self) -> Duration {
        self.shard.wall().unix(self.shard.now())
    }
}

impl Outside {
    async fn addresses(&self, place: &Place) -> io::Result<Vec<SocketAddr>> {
        use core::sync::atomic::Ordering::Relaxed;
        if let Ok(address) = place.host.parse() {
            return Ok(vec![SocketAddr::new(address, place.port)]);
        }
        let more = |count| (count < LOOKUPS).then_some(count + 1);
        if self.lookups.fetch_update(Relaxed, Relaxed, more).is_err() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let (tell, told) = word();
        let (host, port, lookups) = (place.host.clone(), place.port, Arc::clone(&self.lookups));
        thread::spawn(move || {
            let found =
                resolve(&host, port).map_err(|failure| io::Error::other(failure.to_string()));
            lookups.fetch_sub(1, Relaxed);
            tell.tell(found);
        });
        told.await
    }
}
