//! A gateway that keeps answers: what it is asked it asks another server, or finds in its cache. On the kernel's own
//! sockets, to show that an agent's `World` may be anybody's.
//!
//! ```sh
//! cargo run -p outcrop-web --example relay -- 127.0.0.1:8002 http://127.0.0.1:8000
//! ```

use core::convert::Infallible;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use outcrop_base::Instant;
use outcrop_http::serve::{self, ConnectionInfo};
use outcrop_http::{Body, Sleep, pages, sleeper};
use outcrop_socket::tokio::Compat;
use outcrop_web::client::cache::{Cache, end_to_end};
use outcrop_web::client::retry::Patience;
use outcrop_web::client::route::Place;
use outcrop_web::client::{Agent, Config, Later, Line, Payload, Timer, World};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of answers that are kept, and of a request's body that is passed on.
const KEPT: usize = 64 << 20;
const BODY: usize = 1 << 20;

/// The kernel's sockets and clock.
#[derive(Clone)]
struct Kernel(std::time::Instant);

impl Kernel {
    fn clock(&self) -> impl Sleep + Send + use<> {
        let begun = self.0;
        let nanoseconds = move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        sleeper(
            move || Instant::ZERO + Duration::from_nanos(nanoseconds()),
            move |at| tokio::time::sleep_until((begun + (at - Instant::ZERO)).into()),
        )
    }
}

impl World for Kernel {
    fn connect<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<Line>> {
        Box::pin(async move {
            let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr()?.to_string();
            Ok((Box::new(Compat::new(stream)) as _, peer))
        })
    }

    fn resolve<'a>(&'a self, place: &'a Place) -> Later<'a, io::Result<IpAddr>> {
        Box::pin(async move {
            let mut all = tokio::net::lookup_host((place.host.as_str(), place.port)).await?;
            let first = all.next().map(|address| address.ip());
            first.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn secure<'a>(
        &'a self,
        _: outcrop_web::client::Pipe,
        _: &'a str,
    ) -> Later<'a, io::Result<Line>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn timer(&self) -> Timer {
        Box::new(self.clock())
    }

    fn unix(&self) -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

/// The same request, to the server behind us.
async fn ask(
    agent: &Agent,
    behind: &str,
    request: Request<Body>,
) -> Result<Response<Body>, StatusCode> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri: Uri = format!("{behind}{path}")
        .parse()
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let payload = if body.is_end_stream() {
        Payload::empty()
    } else {
        let all = Limited::new(body, BODY).collect().await;
        let all = all.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        Payload::from(all.to_bytes())
    };
    let mut asked = Request::new(payload);
    (*asked.method_mut(), *asked.uri_mut()) = (head.method, uri);
    *asked.headers_mut() = end_to_end(&head.headers);
    for name in [header::HOST, header::CONTENT_LENGTH] {
        asked.headers_mut().remove(name);
    }
    let via = HeaderValue::from_static("1.1 relay");
    asked.headers_mut().append(header::VIA, via.clone());
    let answer = agent.fetch(asked).await.map_err(|error| {
        eprintln!("{error}");
        StatusCode::BAD_GATEWAY
    })?;
    let (status, mut fields) = (answer.status, end_to_end(&answer.fields));
    fields.append(header::VIA, via);
    let mut response = Response::new(Body::new(answer));
    (*response.status_mut(), *response.headers_mut()) = (status, fields);
    Ok(response)
}

async fn connection(stream: TcpStream, kernel: Kernel, agent: Agent, behind: Arc<str>) {
    let service = tower::service_fn(move |request| {
        let (agent, behind) = (agent.clone(), Arc::clone(&behind));
        async move {
            let answer = ask(&agent, &behind, request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|status| pages::error(status).to_http(false)))
        }
    });
    let (config, info) = (serve::Config::default(), ConnectionInfo::default());
    let served = serve::service(Compat::new(stream), kernel.clock(), service, config, info);
    // Whatever ends a connection ends that one only.
    let _ended = served.await;
}

/// Every connection on the one thread.
fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(behind)) = (arguments.next(), arguments.next()) else {
        return Err("usage: relay ADDRESS:PORT http://SERVER".into());
    };
    let listen: SocketAddr = listen.parse()?;
    let behind: Arc<str> = behind.trim_end_matches('/').into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve_all(listen, behind))
}

async fn serve_all(
    listen: SocketAddr,
    behind: Arc<str>,
) -> Result<(), Box<dyn core::error::Error>> {
    let kernel = Kernel(std::time::Instant::now());
    // What goes through stays as it is: nothing decoded, followed, tried again or remembered of anybody.
    let config = Config {
        patience: Patience {
            retries: 0,
            ..Patience::default()
        },
        redirects: 0,
        decode: false,
        cookies: false,
        ..Config::default()
    };
    let agent = Agent::new(config, kernel.clone(), Some(Cache::new(KEPT).shared()));
    let listener = TcpListener::bind(listen).await?;
    println!("listening at {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let task = connection(stream, kernel.clone(), agent.clone(), Arc::clone(&behind));
        tokio::task::spawn_local(task);
    }
}
