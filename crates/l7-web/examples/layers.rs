//! A page with everything around it, asked in several ways; no socket anywhere.
//!
//! ```sh
//! cargo run -p outcrop-web --example layers
//! ```

use core::convert::Infallible;
use core::time::Duration;

use futures_executor::block_on;
use http::{Method, Request, Response, header};
use outcrop_http::Body;
use outcrop_web::Around;
use outcrop_web::access_log::{AccessLog, Format};
use outcrop_web::chance::Now;
use outcrop_web::compress::Compress;
use outcrop_web::cors::{Cors, Origins};
use outcrop_web::harden::Harden;
use outcrop_web::session::{Lifetimes, MemoryStore, Session, Sessions};
use tower::{Layer as _, ServiceExt as _};

/// Counts visits, in the session.
async fn page(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let session = Session::of(&request).unwrap_or_default();
    let visits: u32 = session
        .get("visits")
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
        + 1;
    session.set("visits", visits.to_string());
    let text = format!("visit {visits}\n{}", "layer upon layer\n".repeat(100));
    let mut response = Response::new(Body::from(text));
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let now = Now::system();
    let log = AccessLog::new(Format::Combined, now.clone(), |line| {
        println!("log: {line}")
    });
    let cors = Cors::new(Origins::These(vec!["https://friend.test".into()]))
        .methods(&[Method::GET, Method::PUT]);
    let sessions = Sessions::new(
        MemoryStore::new(100),
        Lifetimes {
            idle: Duration::from_secs(60),
            ..Lifetimes::default()
        },
        now,
    )
    .plain();
    let inner = Around(sessions).layer(Around(Compress).layer(tower::service_fn(page)));
    let service = Around(log).layer(Around(Harden::default()).layer(Around(cors).layer(inner)));

    let mut cookie = String::new();
    for (method, accept, origin) in [
        (Method::GET, "identity", ""),
        (Method::GET, "gzip;q=0.5, br", "https://friend.test"),
        (Method::OPTIONS, "", "https://friend.test"),
        (Method::GET, "zstd", "https://stranger.test"),
    ] {
        let mut request = Request::builder()
            .method(method.clone())
            .uri("/")
            .header(header::COOKIE, &cookie);
        for (name, value) in [("accept-encoding", accept), ("origin", origin)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        if method == Method::OPTIONS {
            request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "PUT");
        }
        let answer = block_on(service.clone().oneshot(request.body(Body::empty())?))?;
        println!(
            "{method} from '{origin}', reads '{accept}': {}",
            answer.status()
        );
        for (name, value) in answer.headers() {
            println!("    {name}: {}", value.to_str()?);
        }
        if let Some(set) = answer.headers().get(header::SET_COOKIE) {
            cookie = set
                .to_str()?
                .split(';')
                .next()
                .unwrap_or_default()
                .to_owned();
        }
    }
    Ok(())
}
