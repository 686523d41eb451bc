//! What is asked, from one redirect to the next.
//!
//! Job: the request as it leaves, with what the agent adds; what of it survives a redirect. Owns: it. Does not know:
//! connections.

use bytes::BytesMut;
use http::uri::{Authority, Parts};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use outcrop_http::h1::ResponseHead;

use super::answer::Answer;
use super::cache::Found;
use super::digest::{Demand, Login};
use super::error::Error;
use super::keep::{Keep, Keeper, Memory};
use super::payload::Payload;
use super::redirect::{self, Next};
use super::route::credentials;
use crate::compress::CODINGS;

/// Challenges that are answered in a row.
const PROOFS: u32 = 3;

pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) fields: HeaderMap,
    pub(super) payload: Payload,
    /// Who we are, where that is to be proved.
    pub(super) login: Option<Login>,
    /// Challenges answered since the last redirect.
    proofs: u32,
}

/// One attempt: the fields it leaves with, and what is already there for it.
pub(super) struct Attempt {
    pub(super) fields: HeaderMap,
    pub(super) found: Found,
}

impl Ask {
    /// `coded`: whether a compressed answer is understood.
    pub(super) fn new(request: Request<Payload>, coded: bool) -> Result<Self, Error> {
        let (head, payload) = request.into_parts();
        let mut fields = head.headers;
        if let Some(credentials) = credentials(&head.uri) {
            fields.entry(header::AUTHORIZATION).or_insert(credentials);
        }
        // A part of a file is a part of the file itself, not of what it is compressed to.
        if coded && !fields.contains_key(header::RANGE) {
            let codings = HeaderValue::try_from(CODINGS.join(", "));
            if let Ok(codings) = codings {
                fields.entry(header::ACCEPT_ENCODING).or_insert(codings);
            }
        }
        Ok(Self {
            method: head.method,
            uri: anonymous(head.uri)?,
            fields,
            payload,
            login: head.extensions.get::<Login>().cloned(),
            proofs: 0,
        })
    }

    /// What a 401 asks for, if it is worth being answered: the first time, and again if only the nonce was too old
    /// (RFC 7616 section 3.3, `stale`).
    pub(super) fn challenged(&mut self, answer: &Answer) -> Option<Demand> {
        if answer.status != StatusCode::UNAUTHORIZED
            || self.login.is_none()
            || !self.payload.replayable()
        {
            return None;
        }
        let demand = Demand::of(&answer.fields)?;
        let again = demand.stale && self.proofs < PROOFS;
        (self.proofs == 0 || again).then(|| {
            self.proofs += 1;
            demand
        })
    }

    /// Goes on with `next`.
    pub(super) fn follow(&mut self, next: Next) -> Result<(), Error> {
        redirect::strip(&mut self.fields, &next);
        self.proofs = 0;
        if !next.same_origin {
            self.login = None;
        }
        self.method = next.method;
        self.uri = anonymous(next.uri)?;
        if !next.keeps_body {
            self.payload = Payload::empty();
        }
        Ok(())
    }

    /// What cookies and cache make of it.
    pub(super) fn attempt(&self, memory: &mut Memory, now: core::time::Duration) -> Attempt {
        let mut fields = self.fields.clone();
        let cookies = memory.jar.as_mut().and_then(|jar| jar.give(&self.uri, now));
        if let Some(cookies) = cookies {
            // Those of the caller and those of the jar are one field (RFC 6265bis section 5.8.3).
            let own = fields.get(header::COOKIE).map(HeaderValue::as_bytes);
            let all = own.map_or_else(
                || cookies.as_bytes().to_vec(),
                |own| [own, b"; ", cookies.as_bytes()].concat(),
            );
            if let Ok(all) = HeaderValue::from_bytes(&all) {
                fields.insert(header::COOKIE, all);
            }
        }
        if let Some(login) = &self.login
            && let Some(proof) = memory.logins.prove(login, &self.method, &self.uri)
        {
            fields.insert(header::AUTHORIZATION, proof);
        }
        let found = match &mut memory.cache {
            Some(cache) => cache.find(&self.method, &self.uri, &fields, now),
            None => Found::Nothing,
        };
        Attempt { fields, found }
    }

    /// Collects `answer` for the cache while it is read, if it might be kept.
    pub(super) fn keeper(
        &self,
        keep: &Keep,
        asked_with: &HeaderMap,
        answer: &Answer,
        times: (core::time::Duration, core::time::Duration),
    ) -> Option<Keeper> {
        let memory = keep.lock();
        let cache = memory.cache.as_ref()?;
        let might = cache.might_keep(&self.method, asked_with, &answer.fields);
        might.then(|| Keeper {
            keep: keep.clone(),
            uri: self.uri.clone(),
            asked_with: asked_with.clone(),
            status: answer.status,
            fields: answer.fields.clone(),
            times,
            body: BytesMut::new(),
            most: cache.largest(),
        })
    }

    /// Whether it wants an answer from the cache or none (RFC 9111 section 5.2.1.7).
    pub(super) fn only_if_cached(&self) -> bool {
        let said = self.fields.get_all(header::CACHE_CONTROL).iter();
        said.filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case("only-if-cached"))
    }

    /// Bytes of an answer's body, if it says so.
    pub(super) fn length(&self, head: &ResponseHead) -> Option<u64> {
        if self.method == Method::HEAD || head.status() == StatusCode::NOT_MODIFIED {
            return Some(0);
        }
        let fields = head.to_http().headers().clone();
        let chunked = fields.contains_key(header::TRANSFER_ENCODING);
        let length = fields.get(header::CONTENT_LENGTH).filter(|_| !chunked)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Whether an answer's body is to be decoded.
    pub(super) fn decodes(&self, answer: &Answer) -> Option<String> {
        let none = self.method == Method::HEAD
            || matches!(
                answer.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
            )
            || answer
                .fields
                .get(header::CONTENT_LENGTH)
                .is_some_and(|length| length == "0");
        let coding = answer
            .fields
            .get(header::CONTENT_ENCODING)?
            .to_str()
            .ok()?
            .trim();
        (!none && !coding.eq_ignore_ascii_case("identity")).then(|| coding.to_owned())
    }
}

/// The URI without user and password, which are nobody's business but `Authorization`'s.
fn anonymous(uri: Uri) -> Result<Uri, Error> {
    let wrong = || Error::Uri(uri.to_string());
    let authority = uri.authority().ok_or_else(wrong)?.as_str();
    let Some((_, host)) = authority.rsplit_once('@') else {
        return Ok(uri);
    };
    let host = Authority::try_from(host).map_err(|_| wrong())?;
    let mut parts: Parts = uri.clone().into_parts();
    parts.authority = Some(host);
    Uri::from_parts(parts).map_err(|_| wrong())
}
