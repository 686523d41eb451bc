//! Our engine behind a front, over sockets of the file system.
//!
//! A front uses a connection for one request, so the end of the connection is where the front sees the request's end: what
//! our engine reads must be one request to the last byte, or refused.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use outcrop_base::Instant;
use outcrop_http::h1::{BodyLength, Closing, Server, ServerConfig, ServerEvent};

/// In every answer of ours that is not a refusal.
pub(crate) const MARK: &str = "x-back";
/// What the test itself says here, to hear when everybody before it was heard.
const LAST: &[u8] = b"LAST\n";

/// What came on one connection, and what we made of it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) raw: Vec<u8>,
    pub(crate) requests: usize,
    pub(crate) refused: bool,
}

impl Seen {
    /// Whether there are not two readings of it: one request and nothing more, or a refusal, or the beginning of one.
    pub(crate) const fn is_one(&self) -> bool {
        self.requests + self.refused as usize <= 1
    }
}

/// The listener.
pub(crate) struct Back {
    path: PathBuf,
    seen: Receiver<Option<Seen>>,
}

impl Back {
    pub(crate) fn listen(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket is made");
        let (tell, seen) = channel();
        thread::spawn(move || accept(&listener, &tell));
        Self {
            path: path.to_owned(),
            seen,
        }
    }

    /// Everything that was said since the last call by those who have come by now, to its end.
    pub(crate) fn heard(&self) -> Vec<Seen> {
        let mut last = UnixStream::connect(&self.path).expect("it listens");
        last.write_all(LAST).expect("it listens");
        drop(last);
        let known = self.seen.iter().map_while(|seen| seen);
        known.collect()
    }
}

/// One after another in the order in which they came: a front that asks for more than one at a time is given time.
fn accept(listener: &UnixListener, tell: &Sender<Option<Seen>>) {
    for stream in listener.incoming() {
        let seen = converse(stream.expect("a connection"));
        let seen = (seen.raw != LAST).then_some(seen);
        if tell.send(seen).is_err() {
            return;
        }
    }
}

fn converse(mut stream: UnixStream) -> Seen {
    let mut server = Server::new(ServerConfig::default(), Instant::ZERO);
    let mut seen = Seen::default();
    let mut piece = [0; 4096];
    // A front that has gone has gone.
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        let new = piece.get(..n).unwrap_or_default();
        seen.raw.extend_from_slice(new);
        if seen.raw == LAST {
            break;
        }
        let _verdict = server.handle_bytes(Instant::ZERO, Bytes::copy_from_slice(new));
        answer(&mut server, &mut stream, &mut seen);
    }
    seen
}

fn answer(server: &mut Server, stream: &mut UnixStream, seen: &mut Seen) {
    while let Some(event) = server.poll_event() {
        match event {
            ServerEvent::Request(_) | ServerEvent::Body(_) | ServerEvent::Trailers(_) => {}
            ServerEvent::Rejected(_) => seen.refused = true,
            ServerEvent::End => {
                seen.requests += 1;
                let mut fields = HeaderMap::new();
                fields.insert(HeaderName::from_static(MARK), HeaderValue::from_static("1"));
                let length = BodyLength::Exact(0);
                server
                    .respond(Instant::ZERO, StatusCode::OK, &fields, length)
                    .expect("it is its turn");
                server.finish(None).expect("nothing was promised");
            }
        }
    }
    while let Some(bytes) = server.poll_transmit(Instant::ZERO) {
        let _gone = stream.write_all(&bytes);
    }
    if server.closing() != Closing::Open {
        let _gone = stream.shutdown(std::net::Shutdown::Write);
    }
}
