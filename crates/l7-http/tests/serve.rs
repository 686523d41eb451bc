//! Connections served and used over a pipe, in virtual time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use core::cell::RefCell;
use core::convert::Infallible;
use core::time::Duration;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use common::world::{Clock, End, World, pipe};
use futures_executor::LocalSpawner;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use outcrop_http::client::{Client, FetchError};
use outcrop_http::h1::{ClientConfig, ClientError, RequestHead, ServerConfig};
use outcrop_http::serve::{self, About, Answer, Config, ConnectionInfo, Summary};
use outcrop_http::{Body, Sleep, pages, sleeper};

type Ended = Rc<RefCell<Option<io::Result<Summary>>>>;

fn config() -> Config {
    Config {
        http: ServerConfig {
            server_name: "",
            ..ServerConfig::default()
        },
        ..Config::default()
    }
}

fn info() -> ConnectionInfo {
    ConnectionInfo {
        remote: Some("10.77.0.1:40000".parse().unwrap()),
        local: Some("10.77.0.2:80".parse().unwrap()),
        serial: 1,
    }
}

fn spawn(spawner: &LocalSpawner, future: impl Future<Output = ()> + 'static) {
    use futures_executor_spawn::spawn_local;
    spawn_local(spawner, future);
}

/// `LocalSpawner` speaks only through traits of `futures-task`; this is the one call of them needed.
mod futures_executor_spawn {
    use futures_executor::LocalSpawner;

    pub(super) fn spawn_local(spawner: &LocalSpawner, future: impl Future<Output = ()> + 'static) {
        use futures_task::LocalSpawn as _;
        let boxed = futures_task::LocalFutureObj::new(Box::new(future));
        spawner.spawn_local_obj(boxed).unwrap();
    }
}

/// Serves `end` with an inline handler; what became of it appears in the result.
fn serve_inline<H: serve::Handler + 'static>(
    world: &World,
    end: End,
    handler: H,
    config: Config,
) -> Ended {
    let ended = Ended::default();
    let into = Rc::clone(&ended);
    let connection = serve::inline(end, world.clock.clone(), handler, config, info());
    spawn(&world.pool.spawner(), async move {
        *into.borrow_mut() = Some(connection.await);
    });
    ended
}

/// A service that sends every body back, and says how long it was in a trailerless way.
fn echo() -> impl tower_service::Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future: 'static,
> {
    tower::service_fn(|request: Request<Body>| async move {
        Ok::<_, Infallible>(match request.uri().path() {
            "/echo" => Response::new(request.into_body()),
            "/count" => {
                let all = request.into_body().collect().await;
                let text = all.map_or_else(
                    |error| format!("broken: {}", error.kind()),
                    |all| all.to_bytes().len().to_string(),
                );
                Response::new(Body::from(text))
            }
            "/ignore" => Response::new(Body::from("ignored")),
            "/about" => {
                let about = request.extensions().get::<About>().unwrap();
                let remote = about.connection.remote.unwrap();
                Response::new(Body::from(format!("{remote} {}", about.request)))
            }
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        })
    })
}

fn serve_echo(world: &World, end: End) -> Ended {
    let ended = Ended::default();
    let into = Rc::clone(&ended);
    let connection = serve::service(end, world.clock.clone(), echo(), config(), info());
    spawn(&world.pool.spawner(), async move {
        *into.borrow_mut() = Some(connection.await);
    });
    ended
}

fn hello(request: &RequestHead, about: &About) -> Answer {
    let text = format!(
        "{} {} {}",
        request.method(),
        request.target(),
        about.request
    );
    Response::new(Body::from(text)).into()
}

#[test]
fn pipelined_requests_to_an_inline_handler_come_back_in_one_write() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let ended = serve_inline(&world, theirs, hello, config());
    ours.write_now(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    world.settle();
    assert_eq!(
        String::from_utf8(ours.read_now()).unwrap(),
        "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nGET /1 1\
         HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nGET /2 2"
    );
    assert!(ours.peer_closed());
    ours.close_now();
    world.settle();
    let summary = ended.borrow_mut().take().unwrap().unwrap();
    assert_eq!((summary.requests, summary.rejected), (2, None));
    assert_eq!(summary.bytes_in, 75);
}

#[test]
fn idle_connection_ends_after_a_minute_and_its_linger() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let ended = serve_inline(&world, theirs, hello, config());
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(Duration::from_millis(59_999));
    assert!(!ours.peer_closed());
    world.pass(Duration::from_millis(2));
    assert!(ours.peer_closed());
    assert!(
        ended.borrow().is_none(),
        "still reading, should something be under way"
    );
    world.pass(Duration::from_secs(2));
    assert!(ended.borrow_mut().take().unwrap().is_ok());
}

#[test]
fn client_that_takes_nothing_is_given_up() {
    let mut world = World::new();
    let (ours, theirs) = pipe(100);
    let large = |_: &RequestHead, _: &About| Response::new(Body::from(Bytes::from(vec![0; 5000])));
    let mut config = config();
    config.reading.bytes = 100;
    let ended = serve_inline(&world, theirs, large, config);
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(Duration::from_secs(50));
    assert_eq!(ours.read_now().len(), 100);
    world.pass(Duration::from_secs(59));
    assert!(ended.borrow().is_none(), "taking some bought time");
    world.pass(Duration::from_secs(2));
    let error = ended.borrow_mut().take().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// Slow reading on purpose: a hundred bytes every ten seconds are a sign of life and no more.
#[test]
fn client_that_takes_next_to_nothing_is_given_up_and_a_slow_one_is_not() {
    for (pause, taken) in [(10, false), (1, true)] {
        let mut world = World::new();
        let (ours, theirs) = pipe(300);
        let large =
            |_: &RequestHead, _: &About| Response::new(Body::from(Bytes::from(vec![0; 30_000])));
        let ended = serve_inline(&world, theirs, large, config());
        ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut bytes = 0;
        while ended.borrow().is_none() && bytes < 30_000 {
            world.pass(Duration::from_secs(pause));
            bytes += ours.read_now().len();
        }
        world.pass(Duration::from_secs(5));
        assert_eq!(bytes >= 30_000, taken, "{pause} s");
        let how = ended
            .borrow_mut()
            .take()
            .unwrap()
            .map(drop)
            .map_err(|error| error.kind());
        assert_eq!(
            how,
            if taken {
                Ok(())
            } else {
                Err(io::ErrorKind::TimedOut)
            }
        );
    }
}

/// Slow posting: a byte every twenty seconds buys no time from the whole, though each comes before the body's timeout.
#[test]
fn body_that_drips_in_is_given_up_and_one_that_flows_is_not() {
    for (piece, pause, whole) in [(1, 20, false), (4000, 10, true)] {
        let mut world = World::new();
        let (ours, theirs) = pipe(1 << 20);
        let ended = Ended::default();
        let into = Rc::clone(&ended);
        let served = serve::service(theirs, world.clock.clone(), echo(), config(), info());
        spawn(&world.pool.spawner(), async move {
            *into.borrow_mut() = Some(served.await);
        });
        ours.write_now(
            b"POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 40000\r\n\r\n",
        );
        for _ in 0..10 {
            ours.write_now(&vec![b'x'; piece]);
            world.pass(Duration::from_secs(pause));
        }
        let said = ours.read_now();
        assert_eq!(said.starts_with(b"HTTP/1.1 200 "), whole, "{piece}");
        let error = ended
            .borrow_mut()
            .take()
            .and_then(Result::err)
            .map(|error| error.kind());
        assert_eq!(
            error,
            (!whole).then_some(io::ErrorKind::TimedOut),
            "{piece}"
        );
    }
}

#[test]
fn exchange_with_an_end_set_is_over_by_then_whoever_is_slow() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let ended = Ended::default();
    let into = Rc::clone(&ended);
    let never = tower::service_fn(|_: Request<Body>| {
        core::future::pending::<Result<Response<Body>, Infallible>>()
    });
    let config = Config {
        whole: Some(Duration::from_secs(90)),
        ..config()
    };
    let served = serve::service(theirs, world.clock.clone(), never, config, info());
    spawn(&world.pool.spawner(), async move {
        *into.borrow_mut() = Some(served.await);
    });
    world.pass(Duration::from_secs(30));
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.pass(Duration::from_secs(89));
    assert!(ended.borrow().is_none());
    world.pass(Duration::from_secs(2));
    let error = ended.borrow_mut().take().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn service_that_never_answers_is_dropped_when_the_stream_breaks() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let alive = Rc::new(());
    let held = Rc::clone(&alive);
    let never = tower::service_fn(move |_: Request<Body>| {
        let held = Rc::clone(&held);
        async move {
            let _held = held;
            core::future::pending::<Result<Response<Body>, Infallible>>().await
        }
    });
    let ended = Ended::default();
    let into = Rc::clone(&ended);
    let connection = serve::service(theirs, world.clock.clone(), never, config(), info());
    spawn(&world.pool.spawner(), async move {
        *into.borrow_mut() = Some(connection.await);
    });
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    assert_eq!(Rc::strong_count(&alive), 3);
    drop(ours);
    // The end of the stream alone is no reason to stop: a half-closed client still wants its answer.
    world.settle();
    assert!(ended.borrow().is_none());
}

#[test]
fn failing_service_is_a_500_that_reveals_nothing() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let failing = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(io::Error::other("secret"))
    });
    let connection = serve::service(theirs, world.clock.clone(), failing, config(), info());
    spawn(&world.pool.spawner(), async move {
        connection.await.unwrap();
    });
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    let text = String::from_utf8(ours.read_now()).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 500 Internal Server Error\r\n"),
        "{text}"
    );
    assert!(!text.contains("secret"));
}

/// Runs a client's conversation against the echo service over a pipe; returns what it returned.
fn converse<R: 'static, F>(room: usize, cut: usize, talk: impl FnOnce(Client<End, Clock>) -> F) -> R
where
    F: Future<Output = R> + 'static,
{
    let mut world = World::new();
    let (ours, theirs) = pipe(room);
    serve_echo(&world, theirs.cut_at(cut));
    let client = Client::new(
        ours.cut_at(cut),
        world.clock.clone(),
        ClientConfig::default(),
    );
    let result = Rc::new(RefCell::new(None));
    let into = Rc::clone(&result);
    let talking = talk(client);
    spawn(&world.pool.spawner(), async move {
        *into.borrow_mut() = Some(talking.await);
    });
    world.pass(Duration::from_secs(300));
    result.borrow_mut().take().expect("the conversation ended")
}

async fn all(client: &mut Client<End, Clock>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = client.chunk().await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    all
}

fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let uri = format!("http://outcrop.test{path}");
    Request::builder()
        .method(method)
        .uri(uri)
        .body(body)
        .unwrap()
}

#[test]
fn bodies_go_round_whole_through_pipes_of_every_width() {
    let data: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
    for (room, cut) in [(1 << 20, usize::MAX), (1000, 333), (70_000, 4096)] {
        for chunked in [false, true] {
            let data = data.clone();
            let sent = data.clone();
            let got = converse(room, cut, |mut client| async move {
                let body = if chunked {
                    let pieces: Vec<_> = sent.chunks(7777).map(Bytes::copy_from_slice).collect();
                    Body::from_pieces(pieces.into_iter())
                } else {
                    Body::from(Bytes::from(sent))
                };
                let head = client
                    .send(request(Method::PUT, "/echo", body))
                    .await
                    .unwrap();
                assert_eq!(head.status(), StatusCode::OK);
                assert_eq!(head.fields().get("content-length").is_none(), chunked);
                all(&mut client).await
            });
            assert!(got == data, "room {room}, cut {cut}, chunked {chunked}");
        }
    }
}

#[test]
fn several_requests_use_one_connection_and_services_learn_who_asks() {
    let texts = converse(1 << 20, usize::MAX, |mut client| async move {
        let mut texts = Vec::new();
        for _ in 0..3 {
            client
                .send(request(Method::GET, "/about", Body::empty()))
                .await
                .unwrap();
            texts.push(String::from_utf8(all(&mut client).await).unwrap());
            assert!(client.reusable());
        }
        texts
    });
    assert_eq!(
        texts,
        [
            "10.77.0.1:40000 1",
            "10.77.0.1:40000 2",
            "10.77.0.1:40000 3"
        ]
    );
}

#[test]
fn body_that_is_asked_for_first_is_sent_after_100() {
    let (text, timing) = converse(1 << 20, usize::MAX, |mut client| async move {
        let mut put = request(Method::PUT, "/count", Body::from("hello"));
        put.headers_mut()
            .insert("expect", "100-continue".parse().unwrap());
        client.send(put).await.unwrap();
        (all(&mut client).await, client.timing())
    });
    assert_eq!(text, b"5");
    // No time passed: the 100 came at once, and nobody waited for the second to be over.
    assert_eq!(timing.end, timing.begun);
}

#[test]
fn body_that_nobody_reads_does_not_hold_up_the_next_request() {
    let texts = converse(1000, 500, |mut client| async move {
        let body = Body::from(Bytes::from(vec![b'x'; 50_000]));
        client
            .send(request(Method::PUT, "/ignore", body))
            .await
            .unwrap();
        let first = all(&mut client).await;
        assert_eq!(
            client
                .send(request(Method::GET, "/", Body::empty()))
                .await
                .is_ok(),
            client.reusable()
        );
        first
    });
    assert_eq!(texts, b"ignored");
}

#[test]
fn broken_upload_reaches_the_service_as_an_error() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    let ended = serve_echo(&world, theirs);
    ours.write_now(
        b"PUT /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    );
    world.settle();
    let text = String::from_utf8(ours.read_now()).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    ours.close_now();
    world.settle();
    let summary = ended.borrow_mut().take().unwrap().unwrap();
    assert_eq!(summary.rejected.unwrap().name(), "http:chunk-size");
}

#[test]
fn client_of_a_silent_server_gives_up_in_time() {
    let mut world = World::new();
    let (ours, _theirs) = pipe(1 << 20);
    let mut client = Client::new(ours, world.clock.clone(), ClientConfig::default());
    let result = Rc::new(RefCell::new(None));
    let into = Rc::clone(&result);
    spawn(&world.pool.spawner(), async move {
        let got = client.send(request(Method::GET, "/", Body::empty())).await;
        *into.borrow_mut() = Some(got.map(|_| ()));
    });
    world.pass(Duration::from_secs(59));
    assert!(result.borrow().is_none());
    world.pass(Duration::from_secs(1));
    let got = result.borrow_mut().take().unwrap();
    assert!(
        matches!(got, Err(FetchError::Answer(ClientError::Timeout))),
        "{got:?}"
    );
}

#[test]
fn built_in_page_tells_what_happened_and_lets_nothing_in() {
    let mut world = World::new();
    let (ours, theirs) = pipe(1 << 20);
    serve_inline(&world, theirs, pages::Welcome, config());
    ours.write_now(b"GET / HTTP/1.1\r\nHost: a\r\nX: <script>{{line}}\r\n\r\n");
    world.settle();
    let page = String::from_utf8(ours.read_now()).unwrap();
    assert!(page.contains("10.77.0.1:40000"), "{page}");
    assert!(
        page.contains("&lt;script&gt;{{line}}"),
        "neither markup nor a place to fill in"
    );
    assert!(!page.contains("<script"), "self-contained: no scripts");
    assert!(page.contains("prefers-color-scheme: dark"));
    ours.write_now(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\nPUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    let pages = String::from_utf8(ours.read_now()).unwrap();
    assert!(pages.contains("HTTP/1.1 404 Not Found\r\n"));
    assert!(pages.contains("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert!(pages.contains("allow: GET, HEAD, OPTIONS\r\n"));
}

#[test]
fn sleeper_of_two_closures_keeps_its_future_for_a_later_deadline() {
    let mut world = World::new();
    let clock = world.clock.clone();
    let made = Rc::new(RefCell::new(0));
    let count = Rc::clone(&made);
    let timer = world.clock.clone();
    let mut sleeper = sleeper(
        move || clock.now(),
        move |at| {
            *count.borrow_mut() += 1;
            let mut timer = timer.clone();
            core::future::poll_fn(move |cx| timer.poll_until(cx, at))
        },
    );
    let woken = Rc::new(RefCell::new(None));
    let into = Rc::clone(&woken);
    spawn(&world.pool.spawner(), async move {
        let at = outcrop_base::Instant::from_secs;
        let mut asked = 0;
        core::future::poll_fn(|cx| {
            // Each poll asks for a later time, as a connection does that is not idle after all.
            asked = 3.min(asked + 1);
            sleeper.poll_until(cx, at(asked))
        })
        .await;
        *into.borrow_mut() = Some(sleeper.now());
    });
    world.pass(Duration::from_secs(10));
    assert_eq!(*woken.borrow(), Some(outcrop_base::Instant::from_secs(3)));
    assert!(*made.borrow() <= 3);
}
