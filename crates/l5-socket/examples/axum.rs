//! An axum program on our stack, and hyper's client dialling it: nothing in either knows what is below.
//!
//! ```sh
//! cargo run -p outcrop-socket --features hyper --example axum
//! ```

mod hosts;
mod listening;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use hosts::{AnyError, SERVER, with_hosts};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use listening::Listening;
use outcrop_socket::tokio::Connector;
use outcrop_socket::{Shard, TcpListener};

async fn ask(shard: Shard) -> Result<(), AnyError> {
    let client = Client::builder(TokioExecutor::new()).build(Connector::new(shard));
    for path in ["/", "/elsewhere"] {
        let uri = format!("http://10.0.0.1{path}");
        let request = http::Request::get(&uri).body(Empty::<Bytes>::new())?;
        let answer = client.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        println!("{uri}: {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

fn main() -> Result<(), AnyError> {
    with_hosts(|one, two| async move {
        let listener = TcpListener::bind(&one, SERVER.into())?;
        let router = Router::new().route("/", get(|| async { "served by axum over Outcrop" }));
        tokio::spawn(async move { axum::serve(Listening(listener), router).await });
        ask(two).await
    })
}
