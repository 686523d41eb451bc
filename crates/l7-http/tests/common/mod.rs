//! What several test files share: a connection played through, a pipe, virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod story;
pub(crate) mod world;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use outcrop_base::Instant;
use outcrop_http::h1::{BodyLength, Closing, Limits, Reject, Server, ServerConfig, ServerEvent};

/// What a server made of a stream of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `METHOD target [body]{trailers}` of every complete request.
    pub(crate) requests: Vec<String>,
    /// Why the last one was refused.
    pub(crate) reject: Option<Reject>,
    /// Everything that was sent.
    pub(crate) sent: Vec<u8>,
}

impl Outcome {
    /// The status of the last response sent.
    pub(crate) fn last_status(&self) -> Option<u16> {
        let text = String::from_utf8_lossy(&self.sent);
        let line = text.rmatches("HTTP/1.1 ").next().and_then(|_| {
            text.rfind("HTTP/1.1 ")
                .map(|at| text[at + 9..at + 12].to_owned())
        })?;
        line.parse().ok()
    }
}

/// Feeds the pieces, answers every complete request with an empty 200, ends the stream.
pub(crate) fn play(config: &ServerConfig, pieces: &[&[u8]]) -> Outcome {
    let now = Instant::ZERO;
    let mut server = Server::new(config.clone(), now);
    let mut player = Player::default();
    for piece in pieces {
        let open = server.closing() == Closing::Open;
        assert!(
            server.wants_bytes() == open,
            "drained, so more is welcome: {server:?}"
        );
        let _verdict = server.handle_bytes(now, Bytes::copy_from_slice(piece));
        player.pump(&mut server);
    }
    server.handle_eof(now);
    player.pump(&mut server);
    player.outcome
}

#[derive(Default)]
struct Player {
    outcome: Outcome,
    line: String,
    body: Vec<u8>,
    trailers: String,
}

impl Player {
    fn pump(&mut self, server: &mut Server) {
        let now = Instant::ZERO;
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Request(head) => {
                    self.line = format!("{} {}", head.method(), head.target());
                    self.body.clear();
                    self.trailers.clear();
                }
                ServerEvent::Body(data) => self.body.extend_from_slice(&data),
                ServerEvent::Trailers(trailers) => {
                    for (name, value) in trailers.fields() {
                        let value = String::from_utf8_lossy(value);
                        self.trailers += &format!("{{{name}={value}}}");
                    }
                }
                ServerEvent::End => {
                    let body = String::from_utf8_lossy(&self.body);
                    let request = format!("{} [{body}]{}", self.line, self.trailers);
                    self.outcome.requests.push(request);
                    let none = BodyLength::Exact(0);
                    server
                        .respond(now, StatusCode::OK, &HeaderMap::new(), none)
                        .unwrap();
                    server.finish(None).unwrap();
                }
                ServerEvent::Rejected(reject) => self.outcome.reject = Some(reject),
            }
        }
        while let Some(bytes) = server.poll_transmit(now) {
            self.outcome.sent.extend_from_slice(&bytes);
        }
    }
}

/// Small limits, so that exceeding them is quick to write down.
pub(crate) fn small() -> ServerConfig {
    ServerConfig {
        limits: Limits {
            start_line: 200,
            head: 600,
            fields: 12,
            body: Some(1000),
            chunk_line: 40,
            chunk_extensions: 60,
            ..Limits::default()
        },
        ..ServerConfig::default()
    }
}
