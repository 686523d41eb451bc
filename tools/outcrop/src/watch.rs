//! The stack, seen by those it serves.
//!
//! Job: keep the last packets in memory, and answer `/_inspect` with them as a live page and `/_self` with the page's own
//! packets. Owns: the memory, bounded; who looks on, so that nobody watches himself watching.
//! Does not know: how a page is drawn.
//!
//! ```text
//!   driver ──record──► Kept ──────► /_inspect          everything but the onlookers
//!                       │ wakes     /_inspect/events   "it has changed", at most four times a second
//!                       ├─────────► /_self             this very connection, now and once it is over
//!                       └           /_inspect/what-if  recorded scenarios, played again with other fates
//! ```

mod what_if;

use core::future::Future as _;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use outcrop_base::{Direction, Fact, Instant, Level, PacketRecord, Recorder};
use outcrop_capture::{Config, Reader, WriteError, Writer};
use outcrop_http::h1::RequestHead;
use outcrop_http::serve::{About, Answer};
use outcrop_http::{Body, pages};
use outcrop_inspect::dissect::Network;
use outcrop_inspect::{Conversation, Follow, PageOptions, page_with};
use outcrop_stack::{Shard, Sleep};
use what_if::WHAT_IF;

/// The live page.
const INSPECT: &str = "/_inspect";
/// What tells it of changes.
const EVENTS: &str = "/_inspect/events";
/// What it shows, as a file.
const CAPTURE: &str = "/_inspect/capture.pcapng";
/// The page that shows how it came.
const SELF: &str = "/_self";
/// Where a page leads on to.
const LINKS: [(&str, &str); 4] = [
    (INSPECT, "live"),
    (SELF, "how this page came to you"),
    (WHAT_IF, "what if a packet were lost"),
    (CAPTURE, "as a capture"),
];
/// Packets kept: a page draws no more than 5,000.
const PACKETS_MAX: usize = 3_000;
/// Bytes kept.
const BYTES_MAX: usize = 4 << 20;
/// Onlookers remembered.
const ONLOOKERS_MAX: usize = 1_024;
/// A page is written anew no more often than this.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes of a packet looked at to tell whose it is: both headers with all options.
const HEADERS: usize = 140;

/// The last packets, shared between the driver that records and the pages that show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// What every capture begins with.
    head: Vec<u8>,
    /// A record each.
    records: VecDeque<Bytes>,
    bytes: usize,
    /// The record being written.
    pending: Vec<u8>,
    /// Grows with every packet of others than onlookers.
    changes: u64,
    onlookers: VecDeque<SocketAddr>,
    wakers: Vec<Waker>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic elsewhere leaves at worst a record cut short, which a reader reports.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything kept, as a capture.
    fn capture(&self) -> Vec<u8> {
        let memory = self.lock();
        let mut file = memory.head.clone();
        for record in &memory.records {
            file.extend_from_slice(record);
        }
        file
    }

    fn look_on(&self, who: SocketAddr) {
        let mut memory = self.lock();
        if !memory.onlookers.contains(&who) {
            memory.onlookers.push_back(who);
            if memory.onlookers.len() > ONLOOKERS_MAX {
                memory.onlookers.pop_front();
            }
        }
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    /// The record written is complete.
    fn seal(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let record = Bytes::copy_from_slice(&self.pending);
        self.pending.clear();
        self.bytes += record.len();
        self.records.push_back(record);
        while self.records.len() > PACKETS_MAX || self.bytes > BYTES_MAX {
            let gone = self.records.pop_front();
            self.bytes -= gone.map_or(0, |record| record.len());
        }
    }
}

/// Records into a [`Kept`].
#[derive(Debug)]
pub(crate) struct Keeper {
    writer: Writer<Kept>,
    kept: Kept,
}

impl Keeper {
    /// Begins to keep, into `kept`.
    pub(crate) fn begin(kept: &Kept, config: Config) -> Result<Self, WriteError> {
        let writer = Writer::new(kept.clone(), config)?;
        let mut memory = kept.lock();
        memory.head = core::mem::take(&mut memory.pending);
        drop(memory);
        Ok(Self {
            writer,
            kept: kept.clone(),
        })
    }

    fn sealed(&self, changed: bool) {
        let mut memory = self.kept.lock();
        memory.seal();
        memory.changes += u64::from(changed);
        let wakers = if changed {
            core::mem::take(&mut memory.wakers)
        } else {
            Vec::new()
        };
        drop(memory);
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Recorder for Keeper {
    fn level(&self) -> Level {
        self.writer.level()
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        let peer = peer(record);
        let own = peer.is_some_and(|peer| self.kept.lock().onlookers.contains(&peer));
        if !own {
            self.writer.packet(record);
        }
        self.sealed(!own);
    }

    fn fact(&mut self, at: Instant, fact: &Fact) {
        self.writer.fact(at, fact);
        self.sealed(false);
    }

    fn secret(&mut self, line: &str) {
        self.writer.secret(line);
        self.sealed(false);
    }
}

/// Who is at the other end of a packet.
fn peer(record: &PacketRecord<'_>) -> Option<SocketAddr> {
    let pieces = record.bytes.iter().flat_map(|piece: &IoSlice<'_>| &**piece);
    let start: Vec<u8> = pieces.take(HEADERS).copied().collect();
    let network = Network::by_version(&Bytes::from(start));
    let ends = network.addresses().zip(network.upper().ports());
    let ((src, dst), (from, to)) = ends?;
    Some(match record.direction {
        Direction::In => SocketAddr::new(src, from),
        Direction::Out => SocketAddr::new(dst, to),
    })
}

/// The answers to `/_inspect` and `/_self`.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    kept: Kept,
    shard: Shard,
}

impl Watch {
    /// Shows what is in `kept`.
    pub(crate) const fn new(kept: Kept, shard: Shard) -> Self {
        Self { kept, shard }
    }

    /// The answer, if it is ours to give.
    pub(crate) fn answer(&self, head: &RequestHead, about: &About) -> Option<Answer> {
        if !matches!(*head.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let remote = about.connection.remote;
        match head.path() {
            SELF => Some(self.own(head, remote)),
            INSPECT | EVENTS | CAPTURE | WHAT_IF => {
                if let Some(remote) = remote {
                    self.kept.look_on(remote);
                }
                Some(match head.path() {
                    EVENTS => self.events(),
                    WHAT_IF => match what_if::page(head.query().unwrap_or_default()) {
                        Some(page) => {
                            typed("text/html; charset=utf-8", Body::from(Bytes::from(page)))
                        }
                        None => pages::error(StatusCode::BAD_REQUEST).into(),
                    },
                    CAPTURE => typed(
                        "application/octet-stream",
                        Body::from(Bytes::from(self.kept.capture())),
                    ),
                    _ => self.drawn(
                        "What crosses this stack",
                        Follow::Events(EVENTS),
                        &|conversation| !self.is_onlooker(conversation),
                    ),
                })
            }
            _ => None,
        }
    }

    fn is_onlooker(&self, conversation: &Conversation) -> bool {
        let peer = address(conversation);
        peer.is_some_and(|peer| self.kept.lock().onlookers.contains(&peer))
    }

    /// The packets of the connection that asks, or of the one named.
    fn own(&self, head: &RequestHead, remote: Option<SocketAddr>) -> Answer {
        let query = head.query().unwrap_or_default();
        let name = "How this page came to you";
        match query.strip_prefix("of=").map(str::parse::<SocketAddr>) {
            Some(Ok(of)) => {
                // Who asks for the rest looks on.
                if let Some(remote) = remote.filter(|remote| *remote != of) {
                    self.kept.look_on(remote);
                }
                self.drawn(name, Follow::Not, &|conversation| {
                    address(conversation) == Some(of)
                })
            }
            Some(Err(_)) => pages::error(StatusCode::BAD_REQUEST).into(),
            None => {
                let rest = remote.map(|remote| format!("{SELF}?of={remote}"));
                let follow = rest.as_deref().map_or(Follow::Not, Follow::Once);
                let mut answer = self.drawn(name, follow, &|conversation| {
                    remote.is_some() && address(conversation) == remote
                });
                // The story ends with this answer.
                if let Answer::Response(response) = &mut answer {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                answer
            }
        }
    }

    fn drawn(
        &self,
        name: &str,
        follow: Follow<'_>,
        keep: &dyn Fn(&Conversation) -> bool,
    ) -> Answer {
        let capture = self.kept.capture();
        let mut text = Vec::new();
        let options = PageOptions {
            keep,
            follow,
            links: &LINKS,
            ..PageOptions::named(name)
        };
        let drawn = Reader::new(&capture[..]).map(|mut reader| {
            // What is damaged is said on the page.
            let _said = page_with(&mut reader, &options, &mut text);
        });
        if drawn.is_err() {
            return pages::error(StatusCode::INTERNAL_SERVER_ERROR).into();
        }
        typed("text/html; charset=utf-8", Body::from(Bytes::from(text)))
    }

    fn events(&self) -> Answer {
        let changes = Changes {
            kept: self.kept.clone(),
            shard: self.shard.clone(),
            seen: self.kept.lock().changes,
            pause: None,
        };
        typed("text/event-stream", Body::new(changes))
    }
}

/// What a conversation's other end is.
fn address(conversation: &Conversation) -> Option<SocketAddr> {
    let peer = conversation.peer;
    Some(SocketAddr::new(peer.addr, peer.port?))
}

/// Fresh each time: no cache may keep it.
fn typed(kind: &'static str, body: Body) -> Answer {
    let mut response = http::Response::new(body);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.into()
}

/// A stream of events (WHATWG HTML 9.2.6), one whenever something has changed.
struct Changes {
    kept: Kept,
    shard: Shard,
    seen: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Changes {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        let mut memory = self.kept.lock();
        let changes = memory.changes;
        if changes == self.seen {
            if !memory
                .wakers
                .iter()
                .any(|known| known.will_wake(cx.waker()))
            {
                memory.wakers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        drop(memory);
        self.seen = changes;
        let until = self.shard.now() + PAUSE;
        self.pause = Some(Box::pin(self.shard.sleep_until(until)));
        let event = Bytes::from(format!("data: {changes}\n\n"));
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}
