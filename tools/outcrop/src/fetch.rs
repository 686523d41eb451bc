//! What `outcrop get` does with an answer.
//!
//! Job: ask by the library's agent, take what comes to where it goes, go on where it broke off. Owns: how far it came.
//! Does not know: how a connection is made (`dial`), what a request says (`ask`), how steps are told (`voice`).

mod ask;
mod dial;
mod voice;

use core::time::Duration;
use std::io;
use std::path::PathBuf;

use http::{HeaderMap, Method, Request, StatusCode, header};
use outcrop_base::Instant;
use outcrop_stack::Shard;
use outcrop_tls::ClientTls;
use outcrop_web::client::cache::Cache;
use outcrop_web::client::retry::Patience;
use outcrop_web::client::route::Proxy;
use outcrop_web::client::{Agent, Answer, Config, Payload, redirect, resume};

use crate::cli::{Asking, Get};
use crate::failure::Failure;
use crate::sink::Sink;
use crate::timing::Timing;
use crate::values::{Offset, Url};
use dial::Outside;

/// What a compressed answer may grow to: a few bytes may stand for gigabytes.
const DECODED_MAX: u64 = 64 << 30;
/// Bytes that kept answers may take in their folder.
const CACHE_MAX: usize = 1 << 30;
/// Bytes of each body that is asked for by pipelining.
const PIPELINED_MAX: usize = 64 << 20;

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

/// One agent for all that is fetched.
pub(crate) struct Fetch {
    shard: Shard,
    agent: Agent,
    asking: Asking,
    manner: Manner,
    /// With which byte of the file to begin.
    from: u64,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Fetched {
    url: String,
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

fn location(fields: &HeaderMap) -> Option<String> {
    let location = fields.get(header::LOCATION)?;
    location.to_str().ok().map(str::to_owned)
}

/// The agent that the options describe.
fn agent(shard: &Shard, options: &Get, tls: Option<ClientTls>) -> Result<Agent, Failure> {
    let asking = &options.asking;
    let config = Config {
        connect: Duration::from_secs(options.connect_timeout),
        patience: Patience {
            retries: asking.retry,
            ..Patience::default()
        },
        redirects: if asking.location { redirect::MOST } else { 0 },
        proxy: proxy(asking),
        decode: asking.compressed,
        decoded_most: DECODED_MAX,
        ..Config::default()
    };
    let cache = options.cache.as_ref().map(|folder| {
        let opened = Cache::in_folder(folder, CACHE_MAX);
        opened.map_err(|error| Failure::file("--cache", folder, &error))
    });
    let outside = Outside {
        shard: shard.clone(),
        tls,
    };
    Ok(Agent::new(config, outside, cache.transpose()?))
}

fn proxy(asking: &Asking) -> Option<Proxy> {
    let except: Vec<&str> = asking.noproxy.iter().map(String::as_str).collect();
    let mut proxy = asking.proxy.clone()?.except(&except);
    if let Some(user) = &asking.proxy_user {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        proxy = proxy.user(user, password);
    }
    Some(if asking.proxytunnel {
        proxy.always_tunnel()
    } else {
        proxy
    })
}

impl Fetch {
    /// Ready to begin.
    pub(crate) fn new(
        shard: &Shard,
        options: &Get,
        manner: Manner,
        tls: Option<ClientTls>,
    ) -> Result<Self, Failure> {
        let from = match (options.asking.continue_at, &manner.output) {
            (Some(Offset::Byte(byte)), _) => byte,
            (Some(Offset::End), Some(path)) => std::fs::metadata(path).map_or(0, |file| file.len()),
            (Some(Offset::End) | None, _) => 0,
        };
        Ok(Self {
            shard: shard.clone(),
            agent: agent(shard, options, tls)?,
            asking: options.asking.clone(),
            manner,
            from,
        })
    }

    /// All of these at once.
    pub(crate) async fn pipeline(self, urls: Vec<Url>) -> Result<Vec<Fetched>, Failure> {
        let begun = self.shard.now();
        let requests = urls.iter().map(|url| ask::request(url, &self.asking, 0));
        let requests: Vec<Request<Payload>> = requests.collect::<Result<_, _>>()?;
        let bare: Vec<Request<()>> = requests.into_iter().map(|r| r.map(drop)).collect();
        let answers = self.agent.pipeline(&bare, PIPELINED_MAX).await;
        let took = self.shard.now() - begun;
        let mut all = Vec::new();
        for (url, answer) in urls.iter().zip(answers) {
            let answer = answer.map_err(|error| Failure::new(format!("{url}: {error}")))?;
            let mut sink = Sink::open(None)?;
            sink.write(answer.body())
                .map_err(|error| unwritten(&error))?;
            let mut timing = Timing::default();
            timing.took("all", took);
            timing.received(sink.finish()?);
            all.push(Fetched {
                url: url.to_string(),
                status: answer.status(),
                location: location(answer.headers()),
                timing,
            });
        }
        Ok(all)
    }

    /// Goes through with one of them.
    pub(crate) async fn run(&self, url: &Url) -> Result<Fetched, Failure> {
        let begun = self.shard.now();
        let request = ask::request(url, &self.asking, self.from)?;
        let method = request.method().clone();
        let mut answer = self.ask(url, request).await?;
        let bytes = self.receive(url, &mut answer, &method).await?;
        Ok(Fetched {
            url: answer.uri.to_string(),
            status: answer.status,
            location: location(&answer.fields),
            timing: timing(&answer, begun, bytes),
        })
    }

    async fn ask(&self, url: &Url, request: Request<Payload>) -> Result<Answer, Failure> {
        let verbose = self.manner.verbose;
        let mut watch = |news: outcrop_web::client::News<'_>| {
            if verbose {
                voice::say(news);
            }
        };
        let asked = self.agent.watch(request, &mut watch).await;
        asked.map_err(|error| Failure::new(format!("{url}: {error}")))
    }

    /// The body, to where it goes; its bytes.
    async fn receive(
        &self,
        url: &Url,
        answer: &mut Answer,
        method: &Method,
    ) -> Result<u64, Failure> {
        let Some(mut sink) = self.sink(url, answer)? else {
            return Ok(0);
        };
        if self.manner.include {
            sink.write(&head_text(answer))
                .map_err(|error| unwritten(&error))?;
        }
        if !self.manner.quiet {
            let length = answer.fields.get(header::CONTENT_LENGTH);
            let length = length.and_then(|v| v.to_str().ok()?.parse().ok());
            let coded =
                answer.fields.contains_key(header::CONTENT_ENCODING) && self.asking.compressed;
            sink.show_progress(length.filter(|_| !coded));
        }
        let (mut have, mut left) = (self.first_byte(answer), self.asking.retry);
        loop {
            match answer.chunk().await {
                Ok(None) => return sink.finish(),
                Ok(Some(bytes)) => {
                    sink.write(&bytes).map_err(|error| unwritten(&error))?;
                    have += bytes.len() as u64;
                }
                Err(error) => {
                    let told = Failure::new(format!("{url}: {error}"));
                    let rest = resume::fields(&answer.fields, have);
                    let (Some(rest), true, true) = (rest, left > 0, *method == Method::GET) else {
                        return Err(told);
                    };
                    left -= 1;
                    if self.manner.verbose {
                        eprintln!("* {error}; going on at byte {have}");
                    }
                    self.go_on(url, answer, (rest, have)).await?.ok_or(told)?;
                }
            }
        }
    }

    /// The rest of an answer that broke off, in its place; nothing if something else came.
    async fn go_on(
        &self,
        url: &Url,
        answer: &mut Answer,
        (rest, have): (HeaderMap, u64),
    ) -> Result<Option<()>, Failure> {
        let mut request = ask::request(url, &self.asking, 0)?;
        *request.uri_mut() = answer.uri.clone();
        request.headers_mut().extend(rest);
        let next = self.ask(url, request).await?;
        let fits = resume::continues(next.status, &next.fields, have);
        if fits {
            let (status, fields) = (answer.status, answer.fields.clone());
            *answer = next;
            (answer.status, answer.fields) = (status, fields);
        }
        Ok(fits.then_some(()))
    }

    /// The byte of the file that the first of this answer's body is.
    fn first_byte(&self, answer: &Answer) -> u64 {
        if resume::continues(answer.status, &answer.fields, self.from) {
            self.from
        } else {
            0
        }
    }

    /// Where this answer's body goes; nowhere if all of it is there already.
    fn sink(&self, url: &Url, answer: &Answer) -> Result<Option<Sink>, Failure> {
        let path = self.manner.output.as_deref();
        let (Some(path), true) = (path, self.from > 0) else {
            return Sink::open(path).map(Some);
        };
        let (status, fields) = (answer.status, &answer.fields);
        if resume::continues(status, fields, self.from) {
            return Sink::resume(path, self.from).map(Some);
        }
        if status == StatusCode::PARTIAL_CONTENT {
            return Err(Failure::new(format!(
                "{url}: another part came than was asked for"
            )));
        }
        if resume::is_all(status, fields, self.from) && self.manner.verbose {
            eprintln!("* the file is complete");
        }
        // An error's page is no part of the file.
        let whole = status.is_success().then(|| Sink::open(Some(path)));
        whole.transpose()
    }
}

fn timing(answer: &Answer, begun: Instant, bytes: u64) -> Timing {
    let (mut timing, spans) = (Timing::default(), answer.timing());
    let span = |from: Option<Instant>, to: Option<Instant>| {
        from.zip(to).map(|(from, to)| to - from).unwrap_or_default()
    };
    let made: Duration = answer.took.iter().map(|(_, took)| *took).sum();
    let before = span(Some(begun), spans.begun).saturating_sub(made);
    if before > Duration::ZERO {
        timing.took("before", before);
    }
    for (phase, took) in &answer.took {
        timing.took(phase, *took);
    }
    timing.took("send", span(spans.begun, spans.sent));
    timing.took("wait", span(spans.sent, spans.first_byte));
    timing.took("receive", span(spans.first_byte, spans.end));
    timing.received(bytes);
    timing
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(format!("writing the body: {error}"))
}

/// The head as a terminal shows it.
fn head_text(answer: &Answer) -> Vec<u8> {
    let mut text = format!("{:?} {}\r\n", answer.version, answer.status).into_bytes();
    for (name, value) in &answer.fields {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
