//! A laboratory for agents: servers in memory, virtual time, and who heard what.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "test words; not every test file uses them all"
)]

#[path = "../../../l7-http/tests/common/world.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod world;

use core::cell::RefCell;
use core::convert::Infallible;
use core::net::IpAddr;
use core::task::Waker;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_task::{LocalFutureObj, LocalSpawn as _};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use outcrop_http::serve::{self, About, Config as Serving, ConnectionInfo};
use outcrop_http::{Body, h1::ServerConfig};
use outcrop_web::client::cache::Cache;
use outcrop_web::client::retry::Patience;
use outcrop_web::client::route::Place;
use outcrop_web::client::{Agent, Answer, Config, Later, Line, Payload, Pipe, Timer, World};
use world::{Clock, End, World as Tasks, pipe};

pub(crate) const BEGUN: u64 = 784_111_777;

#[derive(Default)]
pub(crate) struct Arrivals {
    pub(crate) ends: VecDeque<(Place, End)>,
    waker: Option<Waker>,
}

/// Connections lead to whoever takes the other end.
#[derive(Clone)]
pub(crate) struct Memory {
    clock: Clock,
    pub(crate) arrivals: Arc<Mutex<Arrivals>>,
    /// Nobody answers.
    pub(crate) deaf: bool,
}

impl World for Memory {
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>> {
        Box::pin(async move {
            if place.port == 9 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            if self.deaf {
                core::future::pending::<()>().await;
            }
            let (here, there) = pipe(1 << 16);
            let mut arrivals = self.arrivals.lock().unwrap();
            arrivals.ends.push_back((place.clone(), there));
            if let Some(waker) = arrivals.waker.take() {
                waker.wake();
            }
            Ok((Box::new(here) as Pipe, place.authority()))
        })
    }

    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>> {
        Box::pin(async move {
            Ok(IpAddr::from([
                192,
                0,
                2,
                u8::try_from(place.host.len()).unwrap(),
            ]))
        })
    }

    fn secure<'a>(&'a self, pipe: Pipe, host: &'a str) -> Later<'a, io::Result<Line>> {
        Box::pin(async move { Ok((pipe, format!("keys of {host}"))) })
    }

    fn timer(&self) -> Timer {
        Box::new(self.clock.clone())
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(BEGUN) + (self.clock.now() - outcrop_base::Instant::ZERO)
    }
}

/// One end of a connection.
pub(crate) type Wire = End;

/// Both ends of one that leads to nobody in particular.
pub(crate) fn wire() -> (Wire, Wire) {
    pipe(1 << 16)
}

pub(crate) struct Lab {
    pub(crate) tasks: Tasks,
    pub(crate) memory: Memory,
    heard: Rc<RefCell<Vec<String>>>,
}

pub(crate) fn spawn(tasks: &Tasks, future: impl Future<Output = ()> + 'static) {
    let future = LocalFutureObj::new(Box::new(future));
    tasks.pool.spawner().spawn_local_obj(future).unwrap();
}

impl Lab {
    pub(crate) fn new() -> Self {
        let tasks = Tasks::new();
        let memory = Memory {
            clock: tasks.clock.clone(),
            arrivals: Arc::default(),
            deaf: false,
        };
        Self {
            tasks,
            memory,
            heard: Rc::default(),
        }
    }

    pub(crate) fn agent(&self, config: Config) -> Agent {
        Agent::new(config, self.memory.clone(), Some(Cache::new(1 << 20)))
    }

    /// Everybody who connects is answered by `site`, which gets the request and its body.
    pub(crate) fn serve(
        &self,
        site: impl Fn(&Request<()>, &str) -> Response<Body> + Clone + 'static,
    ) {
        let (memory, spawner) = (self.memory.clone(), self.tasks.pool.spawner());
        let heard = Rc::clone(&self.heard);
        let accepting = async move {
            loop {
                let next = core::future::poll_fn(|cx| {
                    let mut arrivals = memory.arrivals.lock().unwrap();
                    arrivals.waker = Some(cx.waker().clone());
                    arrivals
                        .ends
                        .pop_front()
                        .map_or(core::task::Poll::Pending, core::task::Poll::Ready)
                });
                let (place, end) = next.await;
                heard.borrow_mut().push(format!("+{}", place.host));
                let (site, heard) = (site.clone(), Rc::clone(&heard));
                let app = tower::service_fn(move |request: Request<Body>| {
                    let (site, heard) = (site.clone(), Rc::clone(&heard));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let body = String::from_utf8_lossy(&body).into_owned();
                        let number = head.extensions.get::<About>().unwrap().request;
                        heard
                            .borrow_mut()
                            .push(format!("{} {}#{number}", head.method, head.uri));
                        Ok::<_, Infallible>(site(&Request::from_parts(head, ()), &body))
                    }
                });
                let config = Serving {
                    http: ServerConfig {
                        idle: Duration::from_secs(20),
                        ..ServerConfig::default()
                    },
                    ..Serving::default()
                };
                let served = serve::service(
                    end,
                    memory.clock.clone(),
                    app,
                    config,
                    ConnectionInfo::default(),
                );
                let served = LocalFutureObj::new(Box::new(async move { drop(served.await) }));
                spawner.spawn_local_obj(served).unwrap();
            }
        };
        spawn(&self.tasks, accepting);
    }

    /// The next connection's other end, to be played by hand.
    pub(crate) fn end(&mut self) -> End {
        self.tasks.settle();
        self.memory
            .arrivals
            .lock()
            .unwrap()
            .ends
            .pop_front()
            .unwrap()
            .1
    }

    /// Begins a fetch; what came of it appears in time.
    pub(crate) fn begin(&self, agent: &Agent, request: Request<Payload>) -> Said {
        let said = Said::default();
        let (into, agent) = (Rc::clone(&said), agent.clone());
        spawn(&self.tasks, async move {
            let told = match agent.fetch(request).await {
                Ok(answer) => tell(answer).await,
                Err(error) => format!("! {error}"),
            };
            *into.borrow_mut() = told;
        });
        said
    }

    /// One fetch, and five seconds for it.
    pub(crate) fn fetch(&mut self, agent: &Agent, request: Request<Payload>) -> String {
        let said = self.begin(agent, request);
        self.tasks.pass(Duration::from_secs(5));
        said.take()
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.take()
    }
}

pub(crate) type Said = Rc<RefCell<String>>;

pub(crate) async fn tell(mut answer: Answer) -> String {
    let age = answer
        .fields
        .get("age")
        .map(|age| format!(" age={}", age.to_str().unwrap()));
    let (status, age) = (answer.status.as_u16(), age.unwrap_or_default());
    match answer.bytes(10_000).await {
        Ok(body) => format!("{status} {}{age}", String::from_utf8_lossy(&body)),
        Err(error) => format!("{status} ! {error}"),
    }
}

pub(crate) fn get(uri: &str) -> Request<Payload> {
    Request::get(uri).body(Payload::empty()).unwrap()
}

pub(crate) fn post(uri: &str, body: &'static str) -> Request<Payload> {
    Request::post(uri).body(body.into()).unwrap()
}

pub(crate) fn answer(
    status: u16,
    fields: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.into())).unwrap()
}

pub(crate) fn echo(request: &Request<()>, body: &str) -> Response<Body> {
    answer(200, &[], told(request, body))
}

/// What came, and of its fields those that matter here.
pub(crate) fn told(request: &Request<()>, body: &str) -> String {
    let mut said = format!("{} {} [{body}]", request.method(), request.uri().path());
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "if-none-match",
    ] {
        if let Some(value) = request.headers().get(name) {
            said += &format!(" {name}={}", value.to_str().unwrap());
        }
    }
    said
}

pub(crate) fn once(patience: Patience) -> Config {
    Config {
        patience,
        ..Config::default()
    }
}

pub(crate) fn never() -> Config {
    once(Patience {
        retries: 0,
        ..Patience::default()
    })
}
