//! One URL, however many requests it takes.
//!
//! Job: ask, follow, try again, take what comes. Owns: where it stands. Does not know: how a connection is made (`dial`),
//! what a request says (`ask`). What is decided on the way (redirects, retries, cookies) is decided by `outcrop_web::client`.

mod ask;
mod dial;

use core::time::Duration;
use std::io;
use std::path::PathBuf;

use http::{HeaderMap, Method, StatusCode, Uri, header};
use outcrop_base::{ByteStream, Instant};
use outcrop_http::client::{Client, FetchError};
use outcrop_http::h1::{ClientConfig, ResponseHead};
use outcrop_http::{Sleep, sleeper};
use outcrop_stack::Shard;
use outcrop_tls::ClientTls;
use outcrop_web::client::jar::Jar;
use outcrop_web::client::redirect::{self, RedirectError};
use outcrop_web::client::retry::{self, Patience};
use outcrop_web::compress::Decoder;

use crate::cli::Asking;
use crate::failure::Failure;
use crate::sink::Sink;
use crate::timing::Timing;
use crate::values::{Offset, Url};
use ask::Ask;

/// What a compressed answer may grow to: a few bytes may stand for gigabytes.
const DECODED_MAX: u64 = 64 << 30;

/// How the fetching shows itself.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// No progress.
    pub(crate) quiet: bool,
    /// The head before the body.
    pub(crate) include: bool,
    /// What is asked and answered, as curl's `-v` shows it.
    pub(crate) verbose: bool,
    /// Where the body goes.
    pub(crate) output: Option<PathBuf>,
}

/// A fetch.
pub(crate) struct Fetch {
    shard: Shard,
    ask: Ask,
    asking: Asking,
    manner: Manner,
    tls: Option<ClientTls>,
    jar: Jar,
    /// With which byte of the file to begin.
    from: u64,
    begun: Instant,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Fetched {
    url: Url,
    status: StatusCode,
    location: Option<String>,
    /// Where the time went.
    pub(crate) timing: Timing,
}

impl Fetched {
    /// What the answer means for whoever asked.
    pub(crate) fn judge(&self) -> Result<u8, Failure> {
        if self.status.is_success() {
            return Ok(0);
        }
        let (url, status) = (&self.url, self.status);
        Err(Failure::new(match &self.location {
            Some(location) => {
                format!("{url}: {status}: points to {location}; -L follows redirects")
            }
            None => format!("{url}: {status}"),
        }))
    }
}

/// Why an attempt is not the last.
enum Halt {
    /// It failed, and might not the next time.
    Failed(retry::Failure, Option<Duration>, Failure),
    /// It is over.
    Over(Failure),
    /// The answer is elsewhere.
    Elsewhere(redirect::Next),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Over(failure)
    }
}

type Conversation<T> = Client<Box<dyn ByteStream>, T>;

impl Fetch {
    /// Ready to begin.
    pub(crate) fn new(
        shard: &Shard,
        url: Url,
        asking: Asking,
        manner: Manner,
        tls: Option<ClientTls>,
    ) -> Result<Self, Failure> {
        let from = match (asking.continue_at, &manner.output) {
            (Some(Offset::Byte(byte)), _) => byte,
            (Some(Offset::End), Some(path)) => std::fs::metadata(path).map_or(0, |file| file.len()),
            (Some(Offset::End) | None, _) => 0,
        };
        Ok(Self {
            shard: shard.clone(),
            ask: Ask::new(url, &asking, from)?,
            asking,
            manner,
            tls,
            jar: Jar::default(),
            from,
            begun: shard.now(),
        })
    }

    /// Goes through with it.
    pub(crate) async fn run(mut self) -> Result<Fetched, Failure> {
        let patience = Patience {
            retries: self.asking.retry,
            ..Patience::default()
        };
        let (mut tried, mut hops) = (0, 0);
        loop {
            let halt = match self.attempt(tried < self.asking.retry).await {
                Ok(fetched) => return Ok(fetched),
                Err(halt) => halt,
            };
            match halt {
                Halt::Over(failure) => return Err(failure),
                Halt::Elsewhere(next) => {
                    hops += 1;
                    if hops > redirect::MOST {
                        return Err(Failure::new(format!(
                            "{}: {}",
                            self.ask.url,
                            RedirectError::Many
                        )));
                    }
                    self.note(&format!("* goes on at {}", next.uri));
                    self.ask.follow(&next)?;
                }
                Halt::Failed(failure, asked, told) => {
                    tried += 1;
                    let wait = retry::wait(&patience, tried, &self.ask.method, true, failure);
                    let Some(wait) = wait else { return Err(told) };
                    let wait = asked.unwrap_or(wait).min(patience.most);
                    self.note(&format!("* {told}; again in {} ms", wait.as_millis()));
                    self.shard.sleep_until(self.shard.now() + wait).await;
                }
            }
        }
    }

    fn note(&self, line: &str) {
        if self.manner.verbose {
            eprintln!("{line}");
        }
    }

    fn unix_now(&self) -> Duration {
        self.shard.wall().unix(self.shard.now())
    }

    async fn attempt(&mut self, patient: bool) -> Result<Fetched, Halt> {
        let set_out = self.shard.now();
        let url = self.ask.url.clone();
        let dialled = dial::dial(
            &self.shard,
            &url,
            self.asking.proxy.as_ref(),
            self.tls.as_ref(),
        )
        .await;
        let dialled =
            dialled.map_err(|failure| Halt::Failed(retry::Failure::Connect, None, failure))?;
        self.note(&format!("* connected to {}", dialled.peer));
        let (clock, timer) = (self.shard.clone(), self.shard.clone());
        let sleep = sleeper(move || clock.now(), move |at| timer.sleep_until(at));
        let mut client = Client::new(dialled.stream, sleep, ClientConfig::default());
        let uri = self.ask.uri()?;
        let cookies = self.jar.give(&uri, self.unix_now());
        let request = self.ask.request(&uri, cookies)?;
        if self.manner.verbose {
            ask::show(&request);
        }
        let told = |error: &FetchError| Failure::new(format!("{url}: {error}"));
        let sent = client.send(request).await;
        let head =
            sent.map_err(|error| Halt::Failed(retry::Failure::Broken, None, told(&error)))?;
        let fields = head.to_http().headers().clone();
        self.jar.take(&uri, &fields, self.unix_now());
        if self.manner.verbose {
            for line in head_text(&head).split_inclusive(|b| *b == b'\n') {
                eprint!("< {}", String::from_utf8_lossy(line));
            }
        }
        self.halt(&uri, head.status(), &fields, patient)?;
        let bytes = self.receive(&mut client, &head, &fields).await?;
        let mut timing = Timing::default();
        if set_out > self.begun {
            timing.took("before", set_out - self.begun);
        }
        for (phase, took) in dialled.took {
            timing.took(phase, took);
        }
        spans(&mut timing, client.timing());
        timing.received(bytes);
        // The answer is complete: how the connection ends changes nothing about it.
        let _over = client.close().await;
        let location = fields
            .get(header::LOCATION)
            .and_then(|v| v.to_str().ok().map(str::to_owned));
        Ok(Fetched {
            url,
            status: head.status(),
            location,
            timing,
        })
    }

    /// Whether this answer is not the one to take.
    fn halt(
        &self,
        uri: &Uri,
        status: StatusCode,
        fields: &HeaderMap,
        patient: bool,
    ) -> Result<(), Halt> {
        if self.asking.location {
            match redirect::next(&self.ask.method, uri, status, fields) {
                Ok(None) => {}
                Ok(Some(next)) => return Err(Halt::Elsewhere(next)),
                Err(error) => return Err(Halt::Over(Failure::new(format!("{uri}: {error}")))),
            }
        }
        let busy = retry::Failure::Status(status);
        let one = Patience {
            retries: 1,
            ..Patience::default()
        };
        if patient && retry::wait(&one, 1, &self.ask.method, true, busy).is_some() {
            let asked = retry::retry_after(fields, self.unix_now());
            return Err(Halt::Failed(
                busy,
                asked,
                Failure::new(format!("{uri}: {status}")),
            ));
        }
        Ok(())
    }

    /// The body, to where it goes; its bytes.
    async fn receive<T: Sleep>(
        &self,
        client: &mut Conversation<T>,
        head: &ResponseHead,
        fields: &HeaderMap,
    ) -> Result<u64, Failure> {
        let url = &self.ask.url;
        let Some(mut sink) = self.sink(head.status(), fields)? else {
            return Ok(0);
        };
        if self.manner.include {
            sink.write(&head_text(head))
                .map_err(|error| unwritten(&error))?;
        }
        let coding = fields
            .get(header::CONTENT_ENCODING)
            .and_then(|value| value.to_str().ok());
        let coding = coding.filter(|_| self.asking.compressed);
        let decoder = coding
            .map(|coding| Decoder::new(coding.trim(), DECODED_MAX))
            .transpose();
        let mut decoder =
            decoder.map_err(|error| Failure::new(format!("{url}: content-encoding: {error}")))?;
        if !self.manner.quiet {
            let length = fields
                .get(header::CONTENT_LENGTH)
                .and_then(|v| v.to_str().ok()?.parse().ok());
            sink.show_progress(length.filter(|_| decoder.is_none()));
        }
        let undone = |error: io::Error| Failure::new(format!("{url}: decompressing: {error}"));
        while let Some(bytes) = client
            .chunk()
            .await
            .map_err(|error| Failure::new(format!("{url}: {error}")))?
        {
            let bytes = match &mut decoder {
                Some(decoder) => decoder.write(&bytes).map_err(undone)?,
                None => bytes,
            };
            sink.write(&bytes).map_err(|error| unwritten(&error))?;
        }
        // The answer to HEAD says how it would be coded, and holds nothing.
        if let Some(decoder) = decoder.filter(|_| self.ask.method != Method::HEAD) {
            let rest = decoder.finish().map_err(undone)?;
            sink.write(&rest).map_err(|error| unwritten(&error))?;
        }
        sink.finish()
    }

    /// Where this answer's body goes; nowhere if all of it is there already.
    fn sink(&self, status: StatusCode, fields: &HeaderMap) -> Result<Option<Sink>, Failure> {
        let path = self.manner.output.as_deref();
        let (Some(path), true) = (path, self.from > 0) else {
            return Sink::open(path).map(Some);
        };
        let range = fields
            .get(header::CONTENT_RANGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match status {
            StatusCode::PARTIAL_CONTENT if range.starts_with(&format!("bytes {}-", self.from)) => {
                Sink::resume(path, self.from).map(Some)
            }
            StatusCode::PARTIAL_CONTENT => Err(Failure::new(format!(
                "{}: another part came than was asked for",
                self.ask.url
            ))),
            StatusCode::RANGE_NOT_SATISFIABLE if range == format!("bytes */{}", self.from) => {
                self.note("* the file is complete");
                Ok(None)
            }
            status if status.is_success() => Sink::open(Some(path)).map(Some),
            // An error's page is no part of the file.
            _ => Ok(None),
        }
    }
}

fn spans(timing: &mut Timing, spans: outcrop_http::client::Timing) {
    let span = |from: Option<Instant>, to: Option<Instant>| {
        from.zip(to).map(|(from, to)| to - from).unwrap_or_default()
    };
    timing.took("send", span(spans.begun, spans.sent));
    timing.took("wait", span(spans.sent, spans.first_byte));
    timing.took("receive", span(spans.first_byte, spans.end));
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(format!("writing the body: {error}"))
}

/// The head as a terminal shows it.
fn head_text(head: &ResponseHead) -> Vec<u8> {
    let mut text = format!("{:?} {}\r\n", head.version(), head.status()).into_bytes();
    for (name, value) in head.fields().iter() {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
