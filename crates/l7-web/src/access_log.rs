//! A line for each answer.
//!
//! Job: who asked for what and what became of it, in the formats that other programs read. Owns: the line.
//! Does not know: where it goes. The line is written when the body has gone or was given up, with the bytes that went; for
//! a client that left before it was answered it says 499, as nginx's does.
//! What a client sent is escaped: it can neither begin a line nor end a quote.

use core::net::IpAddr;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use outcrop_http::Body;
use outcrop_http::serve::About;

use crate::Pass;
use crate::chance::Now;

/// The status of a request whose client did not wait for an answer. It is never sent.
const LEFT: u16 = 499;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Common Log Format of NCSA's server.
    Common,
    /// The same with referrer and client, as Apache's `combined`.
    Combined,
    /// One JSON object a line.
    Json,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Since 1970.
    pub at: Duration,
    /// The client.
    pub remote: Option<IpAddr>,
    /// Method, target, version.
    pub line: String,
    /// The status.
    pub status: u16,
    /// Bytes of body that went out.
    pub bytes: u64,
    /// How long it took to the last of them.
    pub took: Duration,
    /// `Referer`.
    pub referer: Option<String>,
    /// `User-Agent`.
    pub agent: Option<String>,
}

impl Entry {
    /// The line, without its end.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        let remote = self
            .remote
            .map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        if format == Format::Json {
            return serde_json::json!({
                "time": self.at.as_secs_f64(),
                "remote": self.remote.map(|ip| ip.to_string()),
                "request": self.line,
                "status": self.status,
                "bytes": self.bytes,
                "seconds": self.took.as_secs_f64(),
                "referer": self.referer,
                "agent": self.agent,
            })
            .to_string();
        }
        let bytes = if self.bytes == 0 {
            "-".to_owned()
        } else {
            self.bytes.to_string()
        };
        let (line, when, status) = (escape(&self.line), stamp(self.at), self.status);
        let common = format!("{remote} - - [{when}] \"{line}\" {status} {bytes}");
        if format == Format::Common {
            return common;
        }
        let text = |field: &Option<String>| field.as_deref().map_or_else(|| "-".to_owned(), escape);
        format!(
            "{common} \"{}\" \"{}\"",
            text(&self.referer),
            text(&self.agent)
        )
    }
}

fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() || !c.is_ascii() => out.extend(c.escape_default()),
                c => out.push(c),
            }
            out
        })
}

/// `06/Nov/1994:08:49:37 +0000`.
fn stamp(at: Duration) -> String {
    // `Sun, 06 Nov 1994 08:49:37 GMT`: the same parts, already right.
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.as_secs()));
    let mut parts = date.split(' ').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (day, month, year, time) = (next(), next(), next(), next());
    format!("{day}/{month}/{year}:{time} +0000")
}

/// Writes the lines, as a [`Pass`].
#[derive(Clone)]
pub struct AccessLog {
    format: Format,
    now: Now,
    write: Arc<dyn Fn(&str) + Send + Sync>,
}

impl AccessLog {
    /// To wherever `write` puts them.
    pub fn new(format: Format, now: Now, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            format,
            now,
            write: Arc::new(write),
        }
    }
}

impl core::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Pass for AccessLog {
    type Memo = Line;

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, Line> {
        let about = request.extensions().get::<About>();
        let text = |fields: &HeaderMap, name| {
            fields
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let entry = Entry {
            at: self.now.get(),
            remote: about
                .and_then(|about| about.connection.remote)
                .map(|at| at.ip()),
            line: format!(
                "{} {} {:?}",
                request.method(),
                request.uri(),
                request.version()
            ),
            status: LEFT,
            bytes: 0,
            took: Duration::ZERO,
            referer: text(request.headers(), header::REFERER),
            agent: text(request.headers(), header::USER_AGENT),
        };
        ControlFlow::Continue(Line {
            entry,
            log: self.clone(),
        })
    }

    fn leave(&self, mut line: Line, response: Response<Body>) -> Response<Body> {
        line.entry.status = response.status().as_u16();
        response.map(|body| {
            let hint = body.size_hint();
            Body::new(Counted { body, hint, line })
        })
    }

    fn failed(&self, mut line: Line) {
        line.entry.status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
    }
}

/// A line in the making: written when it is let go of, whatever has become of its request by then.
#[derive(Debug)]
pub struct Line {
    entry: Entry,
    log: AccessLog,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.entry.took = self.log.now.get().saturating_sub(self.entry.at);
        (self.log.write)(&self.entry.render(self.log.format));
    }
}

/// A body that is counted.
struct Counted {
    body: Body,
    hint: SizeHint,
    line: Line,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.line.entry.bytes += data.len() as u64;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
            .exact()
            .map_or_else(SizeHint::default, |_| self.body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::tests::clock;
    use crate::pass::tests::through;
    use std::sync::Mutex;

    fn entry() -> Entry {
        Entry {
            at: Duration::from_secs(784_111_777),
            remote: Some("10.0.0.1".parse().unwrap()),
            line: "GET /a\"b HTTP/1.1".into(),
            status: 200,
            bytes: 5,
            took: Duration::from_millis(1500),
            referer: None,
            agent: Some("curl\n\u{1b}[31m".into()),
        }
    }

    #[test]
    fn formats_are_those_that_other_programs_read() {
        let common = "10.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\\"b HTTP/1.1\" 200 5";
        assert_eq!(entry().render(Format::Common), common);
        let combined = entry().render(Format::Combined);
        assert_eq!(combined, format!("{common} \"-\" \"curl\\n\\u{{1b}}[31m\""));
        let json: serde_json::Value = serde_json::from_str(&entry().render(Format::Json)).unwrap();
        assert_eq!(
            (&json["seconds"], &json["agent"]),
            (&1.5.into(), &"curl\n\u{1b}[31m".into())
        );
    }

    #[test]
    fn client_that_leaves_before_it_is_answered_and_service_that_fails_have_their_line() {
        use tower::{Layer as _, ServiceExt as _};
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let log = AccessLog::new(Format::Common, clock().0, move |line| {
            into.lock().unwrap().push(line.to_owned())
        });
        let waits = tower::service_fn(|_: Request<Body>| core::future::pending());
        let waits = crate::Around(log.clone()).layer(waits);
        let mut waiting: Pin<Box<dyn Future<Output = io::Result<Response<Body>>>>> =
            Box::pin(waits.oneshot(Request::new(Body::empty())));
        let mut cx = Context::from_waker(core::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        assert!(lines.lock().unwrap().is_empty());
        drop(waiting);
        let fails = tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, _>(io::Error::other("ours"))
        });
        let fails = crate::Around(log).layer(fails);
        let failed = futures_executor::block_on(fails.oneshot(Request::new(Body::empty())));
        assert!(failed.is_err());
        let lines = lines.lock().unwrap();
        assert!(lines[0].ends_with("\"GET / HTTP/1.1\" 499 -"), "{lines:?}");
        assert!(lines[1].ends_with("\"GET / HTTP/1.1\" 500 -"), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn line_is_written_when_the_body_is_gone_with_what_went() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let log = AccessLog::new(Format::Common, clock().0, move |line| {
            into.lock().unwrap().push(line.to_owned())
        });
        let answer = through(
            &log,
            Request::new(Body::empty()),
            Response::new("hello".into()),
        );
        assert_eq!(answer.body().size_hint().exact(), Some(5));
        assert!(lines.lock().unwrap().is_empty());
        let read = futures_executor::block_on(http_body_util::BodyExt::collect(answer.into_body()));
        drop(read);
        let lines = lines.lock().unwrap();
        assert!(lines[0].ends_with("\"GET / HTTP/1.1\" 200 5"), "{lines:?}");
    }
}
