//! A client for a whole program.
//!
//! Job: from a request to its answer, however many connections, attempts and redirects that takes. Owns: connections,
//! cookies and kept answers, shared by its clones. Does not know: sockets, TLS, clocks ([`World`] has them).
//! Each decision is made by the module that is named after it; here is the order in which they are asked:
//!
//! ```text
//!   fetch ─► redirect ─► retry ─► jar ─► cache ─► route ─► pool ─► connection ─► Answer
//!               ▲          ▲       ▲       ▲        one exchange                    │
//!               └──────────┴───────┴───────┴────────────────────────────────────────┘
//! ```

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use outcrop_base::Instant;
use outcrop_http::client::{FetchError, Timing};
use outcrop_http::h1::{ClientConfig, ResponseHead, is_idempotent};

use super::answer::{Answer, Source};
use super::ask::{Ask, Attempt};
use super::cache::{Cache, Found, Stored};
use super::depot::{Depot, Lent, Manner};
use super::digest::{Demand, Logins};
use super::error::Error;
use super::jar::Jar;
use super::keep::{Keep, Memory};
use super::news::{News, Watch};
use super::payload::Payload;
use super::pool::Bounds;
use super::redirect::{self, RedirectError};
use super::retry::{self, Failure, Patience};
use super::route::{Place, Proxy, Route, route};
use super::world::{Timer, World, within};
use crate::chance::token;
use crate::compress::Decoder;

/// How an agent behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many connections, and for how long.
    pub bounds: Bounds,
    /// How long a connection may take, with proxy and TLS.
    pub connect: Duration,
    /// How long to wait for the next piece of an answer; engine limits.
    pub http: ClientConfig,
    /// How long a request may take from first to last, body included. `None`: as long as it likes.
    pub whole: Option<Duration>,
    /// How often what failed is tried again.
    pub patience: Patience,
    /// How many redirects are followed; with none they are answers like others.
    pub redirects: usize,
    /// Through whom.
    pub proxy: Option<Proxy>,
    /// Whether to ask for compressed answers and undo it.
    pub decode: bool,
    /// What a compressed answer may grow to: a few bytes may stand for gigabytes.
    pub decoded_most: u64,
    /// Whether to keep cookies.
    pub cookies: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            connect: Duration::from_secs(30),
            http: ClientConfig::default(),
            whole: None,
            patience: Patience::default(),
            redirects: redirect::MOST,
            proxy: None,
            decode: true,
            decoded_most: 1 << 30,
            cookies: true,
        }
    }
}

/// A client. Clones share everything.
#[derive(Clone)]
pub struct Agent {
    config: Arc<Config>,
    depot: Arc<Depot>,
    keep: Keep,
}

impl core::fmt::Debug for Agent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (open, idle) = self.connections();
        f.debug_struct("Agent")
            .field("open", &open)
            .field("idle", &idle)
            .finish_non_exhaustive()
    }
}

/// An attempt that failed: why, and what that is to whoever decides on another.
type Attempted<T> = Result<T, (Error, Option<Failure>)>;

fn over(error: Error) -> (Error, Option<Failure>) {
    (error, None)
}

impl Agent {
    /// In `world`, with answers kept in `cache` if there is one.
    pub fn new(config: Config, world: impl World + 'static, cache: Option<Cache>) -> Self {
        let jar = config.cookies.then(Jar::default);
        let depot = Depot::new(Arc::new(world), config.bounds);
        Self {
            config: Arc::new(config),
            depot: Arc::new(depot),
            keep: Keep::new(Memory {
                jar,
                cache,
                logins: Logins::default(),
            }),
        }
    }

    /// From now on answers are kept in this cache.
    pub fn keep(&self, cache: Cache) {
        self.keep.lock().cache = Some(cache);
    }

    /// Connections open, and idle ones among them.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        self.depot.count()
    }

    /// Closes connections that have been idle for too long, which every request does as well; when there is something
    /// to do again. For programs that may fall silent.
    #[must_use]
    pub fn sweep(&self) -> Option<Instant> {
        self.depot.sweep()
    }

    /// Asks, and gives the answer once its head has come.
    ///
    /// # Errors
    /// There is no answer, for the reason told.
    pub async fn fetch(&self, request: Request<Payload>) -> Result<Answer, Error> {
        self.watch(request, &mut |_| {}).await
    }

    /// The same for somebody who wants to hear what happens on the way.
    ///
    /// # Errors
    /// As for [`Agent::fetch`].
    pub async fn watch(
        &self,
        request: Request<Payload>,
        watch: Watch<'_>,
    ) -> Result<Answer, Error> {
        let mut ask = Ask::new(request, self.config.decode)?;
        let mut timer = self.depot.world.timer();
        let until = self.config.whole.map(|whole| timer.now() + whole);
        let answer = within(&mut timer, until, self.follow(&mut ask, watch)).await;
        let mut answer = answer.unwrap_or(Err(Error::Late))?;
        answer.deadline = until.map(|at| (at, timer));
        Ok(answer)
    }

    /// Until the answer neither asks for a proof nor is a redirect.
    async fn follow(&self, ask: &mut Ask, watch: Watch<'_>) -> Result<Answer, Error> {
        let mut hops = 0;
        loop {
            let answer = self.persist(ask, watch).await?;
            if let Some(demand) = ask.challenged(&answer) {
                watch(News::Challenged(&demand.realm));
                answer.discard().await;
                self.agree(ask, demand)?;
                continue;
            }
            if self.config.redirects == 0 {
                return Ok(answer);
            }
            let next = redirect::next(&ask.method, &ask.uri, answer.status, &answer.fields)?;
            let Some(next) = next else { return Ok(answer) };
            if next.keeps_body && !ask.payload.replayable() {
                // What was sent cannot be sent there: the redirect is the answer.
                return Ok(answer);
            }
            hops += 1;
            if hops > self.config.redirects {
                return Err(RedirectError::Many.into());
            }
            watch(News::Redirected(&next.uri));
            answer.discard().await;
            ask.follow(next)?;
        }
    }

    /// From now on this place gets the proof it asks for.
    fn agree(&self, ask: &Ask, demand: Demand) -> Result<(), Error> {
        let cnonce = token().map_err(|error| Error::Chance(error.to_string()))?;
        if let (Some(login), Some(place)) = (&ask.login, Place::of(&ask.uri)) {
            let mut memory = self.keep.lock();
            memory.logins.agree(place, login, demand, cnonce);
        }
        Ok(())
    }

    /// Until an attempt succeeds, or no further one is worth it.
    async fn persist(&self, ask: &Ask, watch: Watch<'_>) -> Result<Answer, Error> {
        let patience = &self.config.patience;
        let mut tried = 0;
        loop {
            let wait = |tried, failure| {
                retry::wait(
                    patience,
                    tried,
                    &ask.method,
                    ask.payload.replayable(),
                    failure,
                )
            };
            match self.attempt(ask, watch).await {
                Ok(answer) => {
                    tried += 1;
                    let Some(least) = wait(tried, Failure::Status(answer.status)) else {
                        return Ok(answer);
                    };
                    let asked = retry::retry_after(&answer.fields, self.depot.world.unix());
                    let pause = asked.unwrap_or(least).min(patience.most);
                    watch(News::Busy(answer.status, pause));
                    answer.discard().await;
                    self.pause(pause).await;
                }
                // The server had closed it already: that was no attempt. Each time there is one connection less.
                Err((error, Some(Failure::Stale)))
                    if is_idempotent(&ask.method) && ask.payload.replayable() =>
                {
                    watch(News::Again(&error, Duration::ZERO));
                }
                Err((error, failure)) => {
                    tried += 1;
                    let pause = failure.and_then(|failure| wait(tried, failure));
                    let Some(pause) = pause else {
                        return Err(error);
                    };
                    watch(News::Again(&error, pause));
                    self.pause(pause).await;
                }
            }
        }
    }

    async fn pause(&self, pause: Duration) {
        let mut timer: Timer = self.depot.world.timer();
        let until = timer.now() + pause;
        within(&mut timer, Some(until), core::future::pending::<()>()).await;
    }

    /// One exchange, or none if the answer is there already.
    async fn attempt(&self, ask: &Ask, watch: Watch<'_>) -> Attempted<Answer> {
        let asked = self.depot.world.unix();
        let Attempt { mut fields, found } = ask.attempt(&mut self.keep.lock(), asked);
        let stale = match found {
            Found::Fresh(stored, age) => {
                watch(News::Fresh(age));
                return self.kept(ask, *stored, age).map_err(over);
            }
            Found::Nothing | Found::Stale(..) if ask.only_if_cached() => {
                let mut answer = self.empty(ask, StatusCode::GATEWAY_TIMEOUT);
                answer.kept = true;
                return Ok(answer);
            }
            Found::Nothing => None,
            Found::Stale(stored, conditions) => {
                fields.extend(conditions);
                Some(stored)
            }
        };
        let wrong = || over(Error::Uri(ask.uri.to_string()));
        let way = route(&ask.uri, self.config.proxy.as_ref()).ok_or_else(wrong)?;
        let lent = self.lend(&way, watch).await;
        let mut lent = lent.map_err(|error| {
            let failure = error.failure(false);
            (error, failure)
        })?;
        if let (Route::Forward(_), Some(proxy)) = (&way, &self.config.proxy) {
            proxy.introduce(&mut fields);
        }
        let head = exchange(ask, &fields, &mut lent, watch).await?;
        let came = self.depot.world.unix();
        let mut answer = self.answer(ask, &head, lent);
        self.remember(ask, &answer, came);
        if let Some(stored) = stale.filter(|_| answer.status == StatusCode::NOT_MODIFIED) {
            watch(News::Confirmed);
            return self
                .confirmed(ask, *stored, answer, (asked, came))
                .await
                .map_err(over);
        }
        answer.keeper = ask.keeper(&self.keep, &fields, &answer, (asked, came));
        self.decode(ask, &mut answer).map_err(over)?;
        Ok(answer)
    }

    async fn lend(&self, way: &Route, watch: Watch<'_>) -> Result<Lent, Error> {
        let manner = Manner {
            proxy: self.config.proxy.as_ref(),
            http: &self.config.http,
            patience: self.config.connect,
        };
        self.depot.lend(way, &manner, watch).await
    }

    fn empty(&self, ask: &Ask, status: StatusCode) -> Answer {
        Answer {
            status,
            version: http::Version::HTTP_11,
            fields: http::HeaderMap::new(),
            uri: ask.uri.clone(),
            kept: false,
            reused: false,
            took: Vec::new(),
            source: Source::Over,
            left: None,
            decoder: None,
            keeper: None,
            timing: Timing::default(),
            deadline: None,
        }
    }

    fn answer(&self, ask: &Ask, head: &ResponseHead, mut lent: Lent) -> Answer {
        let (took, reused) = (core::mem::take(&mut lent.took), lent.reused);
        Answer {
            version: head.version(),
            fields: head.to_http().headers().clone(),
            took,
            reused,
            source: Source::Wire(Box::new(lent)),
            left: ask.length(head),
            ..self.empty(ask, head.status())
        }
    }

    fn decode(&self, ask: &Ask, answer: &mut Answer) -> Result<(), Error> {
        if let Some(coding) = ask.decodes(answer).filter(|_| self.config.decode) {
            let decoder = Decoder::new(&coding, self.config.decoded_most);
            answer.decoder = Some(decoder.map_err(Error::Coding)?);
        }
        Ok(())
    }

    fn kept(&self, ask: &Ask, stored: Stored, age: u64) -> Result<Answer, Error> {
        let mut answer = self.empty(ask, stored.status);
        answer.fields = stored.fields;
        // RFC 9111 section 5.1.
        answer.fields.insert(header::AGE, HeaderValue::from(age));
        answer.source = Source::Kept(stored.body);
        answer.kept = true;
        self.decode(ask, &mut answer)?;
        Ok(answer)
    }

    /// The answer that was kept, with what the 304 says of it.
    async fn confirmed(
        &self,
        ask: &Ask,
        stored: Stored,
        answer: Answer,
        times: (Duration, Duration),
    ) -> Result<Answer, Error> {
        let refreshed = match &mut self.keep.lock().cache {
            Some(cache) => cache.refresh(&ask.uri, stored, &answer.fields, times),
            None => stored,
        };
        let (took, reused) = (answer.took.clone(), answer.reused);
        answer.discard().await;
        let mut kept = self.kept(ask, refreshed, 0)?;
        (kept.took, kept.reused) = (took, reused);
        Ok(kept)
    }

    fn remember(&self, ask: &Ask, answer: &Answer, now: Duration) {
        let mut memory = self.keep.lock();
        if let Some(jar) = &mut memory.jar {
            jar.take(&ask.uri, &answer.fields, now);
        }
        if let Some(login) = &ask.login {
            memory.logins.hear(login, &ask.uri, &answer.fields);
        }
        if let Some(cache) = &mut memory.cache {
            cache.invalidate(&ask.method, &ask.uri, answer.status, &answer.fields);
        }
    }

    /// Asks all of these, as many as may be at once over one connection (RFC 9112 section 9.3.2), and gives each answer
    /// with a body of at most `most` bytes. What a connection leaves unanswered is asked again by itself; so is what may
    /// not be pipelined. Answers pipelined are as they came: not kept, not decoded, not followed.
    pub async fn pipeline(
        &self,
        requests: &[Request<()>],
        most: usize,
    ) -> Vec<Result<Response<Bytes>, Error>> {
        let mut answers = Vec::new();
        while let Some(rest) = requests
            .get(answers.len()..)
            .filter(|rest| !rest.is_empty())
        {
            let before = answers.len();
            if rest.len() > 1 {
                // Why it ended does not matter: whoever is left is asked again.
                let _ended = self.burst(rest, most, &mut answers).await;
            }
            if answers.len() == before
                && let Some(first) = rest.first()
            {
                answers.push(self.alone(first, most).await);
            }
        }
        answers
    }

    async fn alone(&self, request: &Request<()>, most: usize) -> Result<Response<Bytes>, Error> {
        let request = request.clone().map(|()| Payload::empty());
        let mut answer = self.fetch(request).await?;
        let body = answer.bytes(most).await?;
        Ok(response(answer.status, answer.fields, body))
    }

    /// Over one connection, as far as it goes.
    async fn burst(
        &self,
        requests: &[Request<()>],
        most: usize,
        answers: &mut Vec<Result<Response<Bytes>, Error>>,
    ) -> Result<(), Error> {
        let of = |request: &Request<()>| route(request.uri(), self.config.proxy.as_ref());
        let first = requests
            .first()
            .filter(|first| is_idempotent(first.method()));
        let Some(way) = first.and_then(of) else {
            return Ok(());
        };
        let mut lent = self.lend(&way, &mut |_| {}).await?;
        let connection = lent.connection()?;
        let mut waiting = requests
            .iter()
            .take_while(|request| of(request).as_ref() == Some(&way))
            .peekable();
        let mut sent = requests.iter();
        loop {
            while let Some(request) = waiting.peek() {
                let ask = Ask::new((*request).clone().map(|()| Payload::empty()), false)?;
                let cookies = ask
                    .attempt(&mut self.keep.lock(), self.depot.world.unix())
                    .fields;
                let mut request = Request::new(());
                (*request.method_mut(), *request.uri_mut()) = (ask.method, ask.uri);
                *request.headers_mut() = cookies;
                if connection.pipeline(&request).is_err() {
                    break;
                }
                waiting.next();
            }
            if connection.unanswered() == 0 {
                return Ok(());
            }
            let head = connection.answer().await?;
            let fields = head.to_http().headers().clone();
            let mut body = bytes::BytesMut::new();
            while let Some(piece) = connection.chunk().await? {
                body.extend_from_slice(&piece);
                if body.len() > most {
                    answers.push(Err(Error::TooLong));
                    return Ok(());
                }
            }
            if let (Some(jar), Some(request)) = (&mut self.keep.lock().jar, sent.next()) {
                jar.take(request.uri(), &fields, self.depot.world.unix());
            }
            answers.push(Ok(response(head.status(), fields, body.freeze())));
        }
    }
}

fn response(status: StatusCode, fields: http::HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// The request out, the head of its answer in.
async fn exchange(
    ask: &Ask,
    fields: &http::HeaderMap,
    lent: &mut Lent,
    watch: Watch<'_>,
) -> Attempted<ResponseHead> {
    let body = ask
        .payload
        .open()
        .map_err(|error| over(Error::Payload(error)))?;
    let mut request = Request::new(body);
    *request.method_mut() = ask.method.clone();
    *request.uri_mut() = ask.uri.clone();
    *request.headers_mut() = fields.clone();
    watch(News::Asked(&ask.method, &ask.uri, fields));
    let reused = lent.reused;
    let connection = lent.connection().map_err(over)?;
    match connection.send(request).await {
        Ok(head) => {
            watch(News::Answered(&head));
            Ok(head)
        }
        Err(error) => {
            let unheard = connection.timing().first_byte.is_none();
            // A server that took its time and said nothing had heard us.
            let late = matches!(
                &error,
                FetchError::Answer(outcrop_http::h1::ClientError::Timeout)
            );
            let error = Error::from(error);
            let failure = error.failure(reused && unheard && !late);
            Err((error, failure))
        }
    }
}
