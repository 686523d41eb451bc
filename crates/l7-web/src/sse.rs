//! News as it happens, over a response that does not end.
//!
//! Job: events into the text that `EventSource` reads, to everybody who listens, from where they left off.
//! Owns: the listeners and the last events. Does not know: what they are about.
//! Source: HTML standard, section 9.2 (server-sent events).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use outcrop_http::Body;

use crate::outbox::Outbox;

/// Bytes that may wait for one listener before he is let go of; his browser comes back by itself.
const WAITING: usize = 64 * 1024;
/// Events kept for those who come back.
const KEPT: usize = 64;
/// Listeners at once.
const LISTENERS: usize = 10_000;

/// One event's text.
///
/// ```
/// let text = outcrop_web::sse::event("added", 7, "two\nlines");
/// assert_eq!(text, "event: added\nid: 7\ndata: two\ndata: lines\n\n");
/// ```
#[must_use]
pub fn event(name: &str, id: u64, data: &str) -> Bytes {
    // A name with a line end in it would begin another field.
    let name: String = name
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n' | '\0'))
        .collect();
    let mut text = format!("event: {name}\nid: {id}\n");
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    kept: VecDeque<(u64, Bytes)>,
    listeners: Vec<Outbox>,
}

/// Everybody who listens. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Hub(Arc<Mutex<State>>);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody; the event's number.
    pub fn tell(&self, name: &str, data: &str) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let id = state.last;
        let text = event(name, id, data);
        if state.kept.len() == KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back((id, text.clone()));
        state
            .listeners
            .retain(|listener| listener.push(text.clone()).is_ok());
        id
    }

    /// A line that says nothing, so that those between do not think the connection dead.
    pub fn breathe(&self) {
        let nothing = Bytes::from_static(b": \n\n");
        self.lock()
            .listeners
            .retain(|listener| listener.push(nothing.clone()).is_ok());
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.lock()
            .listeners
            .iter()
            .filter(|listener| listener.is_open())
            .count()
    }

    /// Ends every listener's response: the server stops.
    pub fn close(&self) {
        for listener in self.lock().listeners.drain(..) {
            listener.close();
        }
    }

    /// A response that listens; `fields` are the request's, whose `Last-Event-ID` says from where on.
    #[must_use]
    pub fn listen(&self, fields: &HeaderMap) -> Response<Body> {
        let (outbox, body) = Outbox::new(WAITING);
        let since = fields
            .get("last-event-id")
            .and_then(|id| id.to_str().ok()?.parse().ok());
        let mut state = self.lock();
        // A comment at once: the head leaves, and the browser knows it is connected.
        let _has_room = outbox.push(Bytes::from_static(b"retry: 2000\n: here\n\n"));
        if let Some(since) = since {
            for (_, text) in state.kept.iter().filter(|(id, _)| *id > since) {
                let _gone_later = outbox.push(text.clone());
            }
        }
        state.listeners.retain(Outbox::is_open);
        if state.listeners.len() < LISTENERS {
            state.listeners.push(outbox);
        } else {
            outbox.close();
        }
        drop(state);
        let mut response = Response::new(body);
        let fields = response.headers_mut();
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        );
        fields.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        );
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};
    use http_body::Body as _;

    fn read(response: &mut Response<Body>) -> Option<String> {
        let mut all = String::new();
        loop {
            let mut cx = Context::from_waker(Waker::noop());
            match Pin::new(response.body_mut()).poll_frame(&mut cx) {
                Poll::Ready(Some(frame)) => {
                    let data = frame.unwrap().into_data().unwrap();
                    all += core::str::from_utf8(&data).unwrap();
                }
                Poll::Ready(None) => return None,
                Poll::Pending => return Some(all),
            }
        }
    }

    #[test]
    fn listeners_hear_what_happens_and_those_who_come_back_what_they_missed() {
        let hub = Hub::default();
        let mut one = hub.listen(&HeaderMap::new());
        assert_eq!(one.headers()["content-type"], "text/event-stream");
        assert_eq!(read(&mut one).unwrap(), "retry: 2000\n: here\n\n");
        hub.tell("a", "1");
        hub.tell("b", "2");
        assert_eq!(
            read(&mut one).unwrap(),
            "event: a\nid: 1\ndata: 1\n\nevent: b\nid: 2\ndata: 2\n\n"
        );
        let fields =
            HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from(1))]);
        let mut back = hub.listen(&fields);
        assert!(
            read(&mut back)
                .unwrap()
                .ends_with("here\n\nevent: b\nid: 2\ndata: 2\n\n")
        );
        assert_eq!(hub.listeners(), 2);
        drop(one);
        hub.breathe();
        assert_eq!(hub.listeners(), 1);
        hub.close();
        assert_eq!(read(&mut back), None);
    }

    #[test]
    fn listener_who_does_not_keep_up_is_let_go_of() {
        let hub = Hub::default();
        let mut slow = hub.listen(&HeaderMap::new());
        let large = "x".repeat(20_000);
        for _ in 0..5 {
            hub.tell("large", &large);
        }
        assert_eq!(hub.listeners(), 0);
        assert_eq!(
            read(&mut slow),
            None,
            "after what was kept for him, the end"
        );
    }

    #[test]
    fn line_ends_of_every_kind_stay_inside_the_event() {
        let text = event("a\nid: 9", 1, "x\r\ny\rdata: z");
        assert_eq!(
            text,
            "event: aid: 9\nid: 1\ndata: x\ndata: y\ndata: data: z\n\n"
        );
    }
}
