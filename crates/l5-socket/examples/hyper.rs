//! hyper serving HTTP/2 on our stack, asked by its own client over one connection.
//!
//! ```sh
//! cargo run -p outcrop-socket --features hyper --example hyper
//! ```

mod hosts;

use bytes::Bytes;
use hosts::{AnyError, SERVER, with_hosts};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outcrop_socket::TcpListener;
use outcrop_socket::tokio::Connector;

/// Says how it was asked.
async fn reflect(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let said = format!("{:?} {}", request.version(), request.uri().path());
    Ok(Response::new(Full::new(Bytes::from(said))))
}

fn main() -> Result<(), AnyError> {
    with_hosts(|one, two| async move {
        let listener = TcpListener::bind(&one, SERVER.into())?;
        tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(reflect)));
            }
        });
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build(Connector::new(two));
        for path in ["/first", "/second"] {
            let request =
                Request::get(format!("http://10.0.0.1{path}")).body(Empty::<Bytes>::new())?;
            let answer = client.request(request).await?.into_body().collect().await?;
            println!("{}", String::from_utf8_lossy(&answer.to_bytes()));
        }
        Ok(())
    })
}
