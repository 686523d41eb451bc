//! `outcrop get`.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;

use outcrop_base::{ByteStream, Instant};
use outcrop_http::client::{Client, FetchError};
use outcrop_http::h1::{ClientConfig, ResponseHead};
use outcrop_http::{Body, sleeper};
use outcrop_socket::{TcpStream, timeout};
use outcrop_stack::Shard;
use outcrop_tls::ClientTls;

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::resolve::resolve;
use crate::secure;
use crate::sink::Sink;
use crate::timing::Timing;
use crate::values::Url;

/// Fetches a URL; status 0 if the server gave it.
pub(crate) fn run(options: &cli::Get) -> Result<u8, Failure> {
    let addresses = resolve(&options.url.host, options.url.port)?;
    let mut host = Host::start(&options.net, options.tcp.config()?, Place::Here, "get")?;
    let shard = host.shard().clone();
    let fetch = Fetch {
        shard: shard.clone(),
        addresses,
        url: options.url.clone(),
        quiet: options.quiet,
        include: options.include,
        tls: secure::client(options, &shard)?,
        sink: Sink::open(options.output.as_deref())?,
    };
    let limit = Duration::from_secs(options.timeout);
    let fetched = host.run(move |_| async move { timeout(&shard, limit, fetch.run()).await })?;
    let remains = host.finish()?;
    let late = |_| {
        Failure::new(format!(
            "{}: not done within {} s",
            options.url, options.timeout
        ))
    };
    let fetched = fetched.map_err(late)??;
    if options.tcp.explain {
        eprint!("{}", remains.accounts);
    }
    if !options.quiet {
        eprintln!("{}", fetched.timing);
        remains.say_capture();
    }
    fetched.judge(&options.url)
}

struct Fetch {
    shard: Shard,
    addresses: Vec<SocketAddr>,
    url: Url,
    quiet: bool,
    include: bool,
    tls: Option<ClientTls>,
    sink: Sink,
}

struct Fetched {
    status: http::StatusCode,
    location: Option<String>,
    timing: Timing,
}

impl Fetched {
    /// What the answer means for whoever asked.
    fn judge(&self, url: &Url) -> Result<u8, Failure> {
        if self.status.is_success() {
            return Ok(0);
        }
        let status = self.status;
        Err(Failure::new(match &self.location {
            Some(location) => {
                format!("{url}: {status}: points to {location}; redirects are not followed")
            }
            None => format!("{url}: {status}"),
        }))
    }
}

impl Fetch {
    async fn run(mut self) -> Result<Fetched, Failure> {
        let begun = self.shard.now();
        let stream = self.connect().await?;
        let connected = self.shard.now();
        let stream: Box<dyn ByteStream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let shaken = outcrop_tls::connect(stream, tls, &self.url.host).await;
                let told = |error| Failure::new(format!("{}: TLS: {error}", self.url));
                Box::new(shaken.map_err(told)?)
            }
        };
        let agreed = self.shard.now();
        let (clock, timer) = (self.shard.clone(), self.shard.clone());
        let sleep = sleeper(move || clock.now(), move |at| timer.sleep_until(at));
        let mut client = Client::new(stream, sleep, ClientConfig::default());
        let head = client
            .send(self.request()?)
            .await
            .map_err(|error| self.failed(&error))?;
        self.take_head(&head)?;
        while let Some(bytes) = client.chunk().await.map_err(|error| self.failed(&error))? {
            self.sink.write(&bytes).map_err(|error| unwritten(&error))?;
        }
        let mut timing = Timing::default();
        timing.took("connect", connected - begun);
        if self.tls.is_some() {
            timing.took("tls", agreed - connected);
        }
        let spans = client.timing();
        let span = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map(|(from, to)| to - from).unwrap_or_default()
        };
        timing.took("send", span(spans.begun, spans.sent));
        timing.took("wait", span(spans.sent, spans.first_byte));
        timing.took("receive", span(spans.first_byte, spans.end));
        // The answer is complete: how the connection ends changes nothing about it.
        let _over = client.close().await;
        timing.received(self.sink.finish()?);
        let location = head
            .to_http()
            .headers()
            .get(http::header::LOCATION)
            .and_then(|value| value.to_str().ok().map(str::to_owned));
        Ok(Fetched {
            status: head.status(),
            location,
            timing,
        })
    }

    /// A connection to the first address that takes one.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let mut last = None;
        for address in &self.addresses {
            match TcpStream::connect(&self.shard, *address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    last = Some(Failure::new(format!(
                        "{}: cannot connect to {address}: {error}",
                        self.url
                    )))
                }
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(format!("{}: no address", self.url))))
    }

    fn request(&self) -> Result<http::Request<Body>, Failure> {
        let request = http::Request::get(self.url.to_string())
            .header(
                http::header::USER_AGENT,
                concat!("outcrop/", env!("CARGO_PKG_VERSION")),
            )
            .header(http::header::ACCEPT, "*/*")
            .header(http::header::CONNECTION, "close")
            .body(Body::empty());
        request.map_err(|error| Failure::asked(format!("{}: {error}", self.url)))
    }

    fn take_head(&mut self, head: &ResponseHead) -> Result<(), Failure> {
        if self.include {
            let text = head_text(head);
            self.sink.write(&text).map_err(|error| unwritten(&error))?;
        }
        if !self.quiet {
            let length = head
                .fields()
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length =
                length.and_then(|(_, value)| core::str::from_utf8(value).ok()?.trim().parse().ok());
            self.sink.show_progress(length);
        }
        Ok(())
    }

    fn failed(&self, error: &FetchError) -> Failure {
        Failure::new(format!("{}: {error}", self.url))
    }
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
