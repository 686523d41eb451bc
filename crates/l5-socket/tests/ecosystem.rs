//! What others wrote for tokio's sockets, unchanged on ours: hyper (1 and 2), axum, h2, tungstenite.
#![cfg(feature = "hyper")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::future::Future;
use core::time::Duration;

use axum::extract::{Json, Path};
use axum::routing::{get, post};
use bytes::Bytes;
use common::sock;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outcrop_device::Clock;
use outcrop_socket::tokio::{Connector, drive, drive_until};
use outcrop_socket::{Shard, TcpListener, TcpStream};
use tokio::io::AsyncReadExt as _;

fn with_hosts<T, F: Future<Output = T>>(program: impl FnOnce(Shard, Shard) -> F) -> T {
    let [mut first, mut second] = common::drivers(&Clock::start());
    let program = program(first.shard().clone(), second.shard().clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(60), program).await };
    runtime
        .block_on(async move {
            tokio::spawn(async move { drive(&mut first).await });
            drive_until(&mut second, limited).await
        })
        .unwrap()
        .expect("the program ends within a minute")
}

/// Says which version and path it was asked with, and how long the body was.
async fn reflect(request: Request<hyper::body::Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let said = format!("{:?} {}", request.version(), request.uri().path());
    let body = request.into_body().collect().await?.to_bytes();
    let said = format!("{said} {}", body.len());
    Ok(Response::new(Full::new(Bytes::from(said))))
}

fn serve_hyper(shard: &Shard, http2: bool) {
    let listener = TcpListener::bind(shard, sock(1, 80)).unwrap();
    tokio::spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let io = TokioIo::new(stream);
            if http2 {
                let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service_fn(reflect));
                tokio::spawn(served);
            } else {
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service_fn(reflect));
                tokio::spawn(served);
            }
        }
    });
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn large() -> Full<Bytes> {
    Full::new(Bytes::from(vec![7; 1_000_000]))
}

#[test]
fn hyper_serves_http1_and_its_client_dials_through_the_connector() {
    with_hosts(|one, two| async move {
        serve_hyper(&one, false);
        let client = Client::builder(TokioExecutor::new()).build(Connector::new(two.clone()));
        for round in 0..3 {
            let uri = format!("http://10.77.0.1/round/{round}");
            let request = Request::post(&uri).body(large()).unwrap();
            let answer = client.request(request).await.unwrap();
            assert_eq!(
                text(answer).await,
                format!("HTTP/1.1 /round/{round} 1000000")
            );
        }
        // IPv6 in brackets, and an address that nobody answers at.
        let uri = "http://[fd77::1]:81/".parse().unwrap();
        let error = client.get(uri).await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    });
}

#[test]
fn connector_asks_the_resolver_for_names_and_refuses_them_without_one() {
    with_hosts(|one, two| async move {
        serve_hyper(&one, false);
        let get = || {
            Request::get("http://layers.test/")
                .body(Full::<Bytes>::default())
                .unwrap()
        };
        let plain = Client::builder(TokioExecutor::new()).build(Connector::new(two.clone()));
        assert!(plain.request(get()).await.unwrap_err().is_connect());
        // The first address is nobody's port; the second is the server.
        let named = Connector::new(two.clone()).with_resolver(|name| async move {
            assert_eq!(name, "layers.test");
            Ok(vec![common::v6(1), common::v4(1)])
        });
        let named = Client::builder(TokioExecutor::new()).build(named);
        assert_eq!(
            text(named.request(get()).await.unwrap()).await,
            "HTTP/1.1 / 0"
        );
    });
}

#[test]
fn hyper_speaks_http2_with_itself_over_one_connection() {
    with_hosts(|one, two| async move {
        serve_hyper(&one, true);
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build(Connector::new(two.clone()));
        let asked = (0..20).map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let uri = format!("http://10.77.0.1/{n}");
                let request = Request::post(uri).body(large()).unwrap();
                let answer = client.request(request).await.unwrap();
                assert_eq!(answer.version(), Version::HTTP_2);
                assert_eq!(text(answer).await, format!("HTTP/2.0 /{n} 1000000"));
            })
        });
        for task in asked.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

#[test]
fn h2_alone_opens_streams_and_sends_trailers() {
    with_hosts(|one, two| async move {
        let listener = TcpListener::bind(&one, sock(1, 80)).unwrap();
        tokio::spawn(async move {
            let stream = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(request) = connection.accept().await {
                let (_, mut respond) = request.unwrap();
                let mut send = respond.send_response(Response::new(()), false).unwrap();
                send.send_data(Bytes::from_static(b"layer"), false).unwrap();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("check", "sum".parse().unwrap());
                send.send_trailers(trailers).unwrap();
            }
        });
        let stream = TcpStream::connect(&two, sock(1, 80)).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = Request::get("http://10.77.0.1/").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "layer");
        assert_eq!(body.trailers().await.unwrap().unwrap()["check"], "sum");
    });
}

/// axum's own `serve` takes any listener: ours gets the few lines it asks for.
struct Listening(TcpListener);

impl axum::serve::Listener for Listening {
    type Io = TcpStream;
    type Addr = core::net::SocketAddr;

    async fn accept(&mut self) -> (TcpStream, Self::Addr) {
        loop {
            if let Ok(stream) = self.0.accept().await
                && let Ok(peer) = stream.peer_addr()
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(sock(1, 80))
    }
}

#[test]
fn axum_routes_over_our_listener() {
    with_hosts(|one, two| async move {
        let router =
            axum::Router::new()
                .route(
                    "/hello/{name}",
                    get(|Path(name): Path<String>| async move { format!("hello {name}") }),
                )
                .route(
                    "/sum",
                    post(|Json(numbers): Json<Vec<u32>>| async move {
                        Json(numbers.iter().sum::<u32>())
                    }),
                );
        let listener = TcpListener::bind(&one, sock(1, 80)).unwrap();
        tokio::spawn(async move { axum::serve(Listening(listener), router).await });
        let client = Client::builder(TokioExecutor::new()).build(Connector::new(two.clone()));
        let ask = |request: Request<Full<Bytes>>| client.request(request);
        let hello = Request::get("http://10.77.0.1/hello/rock").body(Full::default());
        let answer = ask(hello.unwrap()).await.unwrap();
        assert_eq!(text(answer).await, "hello rock");
        let sum = |body: &'static str| {
            Request::post("http://10.77.0.1/sum")
                .header("content-type", "application/json")
                .body(Full::from(body))
                .unwrap()
        };
        assert_eq!(text(ask(sum("[1,2,3]")).await.unwrap()).await, "6");
        let refused = ask(sum("[1,\"x\"]")).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    });
}

#[test]
fn tungstenite_shakes_hands_and_talks_both_ways() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tungstenite::Message;

    with_hosts(|one, two| async move {
        let listener = TcpListener::bind(&one, sock(1, 80)).unwrap();
        tokio::spawn(async move {
            let stream = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        let stream = TcpStream::connect(&two, sock(1, 80)).await.unwrap();
        let (mut socket, answer) = tokio_tungstenite::client_async("ws://10.77.0.1/chat", stream)
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        for message in [
            Message::text("hello"),
            Message::binary(vec![9; 300_000]),
            Message::text(""),
        ] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        assert!(matches!(
            socket.next().await,
            Some(Ok(Message::Close(None)))
        ));
        assert!(socket.next().await.is_none());
    });
}

/// Half-closed by hyper's side: our stream passes the end on and the peer reads to it.
#[test]
fn hyper_closes_after_a_request_that_asked_for_it() {
    with_hosts(|one, two| async move {
        serve_hyper(&one, false);
        let mut stream = TcpStream::connect(&two, sock(1, 80)).await.unwrap();
        stream
            .write_all(b"GET /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).await.unwrap();
        assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.ends_with("HTTP/1.1 /x 0"));
    });
}
