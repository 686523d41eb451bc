//! One conversation between our client and our server, byte by byte, with no network anywhere.
//!
//! `cargo run -p outcrop-http --example conversation`

use core::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use outcrop_base::{Instant, WallClock};
use outcrop_http::h1::{
    BodyLength, Client, ClientConfig, ClientEvent, Server, ServerConfig, ServerEvent,
};
use outcrop_http::serve::{About, Answer, ConnectionInfo, Handler as _};
use outcrop_http::{Body, pages};

fn show(arrow: &str, bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).split_inclusive("\r\n") {
        println!("{arrow} {}", line.escape_debug());
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let now = Instant::from_millis(20);
    let config = ServerConfig {
        wall_clock: Some(WallClock::new(Duration::from_secs(784_111_777))),
        ..ServerConfig::default()
    };
    let mut server = Server::new(config, now);
    let mut client = Client::new(ClientConfig::default(), now);

    for path in ["/layers", "/nowhere"] {
        let request = Request::get(format!("http://outcrop.test{path}")).body(())?;
        client.request(now, &request, BodyLength::Exact(0))?;
        client.finish(None)?;
        while let Some(bytes) = client.poll_transmit(now) {
            show("client >", &bytes);
            let verdict = server.handle_bytes(now, bytes);
            println!(
                "         verdict: {} by {}",
                verdict.rule.name, verdict.rule.source
            );
        }
        while let Some(event) = server.poll_event() {
            if let ServerEvent::Request(head) = event {
                answer(&mut server, &head, now)?;
            }
        }
        while let Some(bytes) = server.poll_transmit(now) {
            show("< server", &bytes);
            let _verdict = client.handle_bytes(now, bytes);
        }
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Response(head) => {
                    println!("         the client hears {}", head.status())
                }
                ClientEvent::Body(data) => println!("         .. {} bytes of body", data.len()),
                ClientEvent::End => println!("         .. and that it is complete\n"),
                ClientEvent::Informational(_)
                | ClientEvent::Trailers(_)
                | ClientEvent::Failed(_) => println!("         {event:?}"),
            }
        }
    }

    println!("And what is no HTTP is refused by name:");
    let verdict = server.handle_bytes(
        now,
        Bytes::from_static(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    );
    println!("         {}", verdict.rule);
    Ok(())
}

fn answer(
    server: &mut Server,
    head: &outcrop_http::h1::RequestHead,
    now: Instant,
) -> Result<(), outcrop_http::h1::SendError> {
    if head.path() == "/layers" {
        server.respond(
            now,
            StatusCode::OK,
            &http::HeaderMap::new(),
            BodyLength::Unknown,
        )?;
        server.write(Bytes::from_static(b"device, ip, tcp, "))?;
        server.write(Bytes::from_static(b"socket, http\n"))?;
        return server.finish(None);
    }
    // The built-in site knows nothing of this address, and says so on a page.
    let about = About {
        connection: ConnectionInfo::default(),
        request: server.requests(),
        at: now,
    };
    match pages::Welcome.answer(head, &about) {
        Answer::Prepared(page) => server.respond_prepared(now, &page),
        Answer::Response(response) => {
            let (parts, _body): (_, Body) = response.into_parts();
            server.respond(now, parts.status, &parts.headers, BodyLength::Exact(0))?;
            server.finish(None)
        }
    }
}
