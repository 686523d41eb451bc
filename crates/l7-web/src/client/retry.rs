//! Trying again.
//!
//! Job: whether a failed request may be sent again, and when. Owns: nothing. Does not know: clocks, connections.
//! Only what has the same effect done twice is done twice (RFC 9110 section 9.2.2), unless nothing can have been done: the
//! connection was never made. A server that closed an idle connection may have read the request all the same.
//! Sources: RFC 9110 sections 9.2.2, 10.2.3; RFC 9112 section 9.3.1.

use core::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect,
    /// A connection that had served before was closed without a byte of an answer.
    Stale,
    /// The answer broke off, or none came.
    Broken,
    /// An answer that asks for patience.
    Status(StatusCode),
}

/// How often and how patiently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts after the first.
    pub retries: u32,
    /// The wait before the second attempt; it doubles.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 2,
            first: Duration::from_millis(500),
            most: Duration::from_secs(30),
        }
    }
}

pub use outcrop_http::h1::is_idempotent;

/// How long to wait before attempt `tried + 1`; `None`: do not. `replayable`: whether the body can be sent again.
#[must_use]
pub fn wait(
    patience: &Patience,
    tried: u32,
    method: &Method,
    replayable: bool,
    failure: Failure,
) -> Option<Duration> {
    if tried == 0 || tried > patience.retries || !replayable {
        return None;
    }
    let may = match failure {
        Failure::Connect => true,
        Failure::Stale | Failure::Broken => is_idempotent(method),
        Failure::Status(status) => {
            is_idempotent(method)
                && matches!(
                    status,
                    StatusCode::REQUEST_TIMEOUT
                        | StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                )
        }
    };
    if !may {
        return None;
    }
    if failure == Failure::Stale {
        return Some(Duration::ZERO);
    }
    let doubled = patience.first.saturating_mul(1 << (tried - 1).min(16));
    Some(doubled.min(patience.most))
}

/// How long `Retry-After` asks to wait: seconds, or until a date.
#[must_use]
pub fn retry_after(fields: &HeaderMap, now: Duration) -> Option<Duration> {
    let text = fields.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let at = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_twice_is_tried_twice() {
        let patience = Patience::default();
        let may = |method: Method, failure| wait(&patience, 1, &method, true, failure).is_some();
        let busy = Failure::Status(StatusCode::SERVICE_UNAVAILABLE);
        for method in [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
        ] {
            assert!(may(method.clone(), Failure::Broken) && may(method.clone(), busy));
            assert!(may(method, Failure::Stale));
        }
        for method in [Method::POST, Method::PATCH] {
            assert!(!may(method.clone(), Failure::Broken) && !may(method.clone(), busy));
            assert!(may(method.clone(), Failure::Connect) && !may(method, Failure::Stale));
        }
        assert!(!may(Method::GET, Failure::Status(StatusCode::NOT_FOUND)));
        assert!(!may(
            Method::GET,
            Failure::Status(StatusCode::INTERNAL_SERVER_ERROR)
        ));
        assert_eq!(
            wait(&patience, 1, &Method::GET, false, Failure::Connect),
            None
        );
    }

    #[test]
    fn waits_double_up_to_their_bound_and_end() {
        let patience = Patience {
            retries: 10,
            ..Patience::default()
        };
        let at = |tried| wait(&patience, tried, &Method::GET, true, Failure::Connect);
        assert_eq!(at(1), Some(Duration::from_millis(500)));
        assert_eq!(at(3), Some(Duration::from_secs(2)));
        assert_eq!(at(10), Some(Duration::from_secs(30)));
        assert_eq!(at(11), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of = |text: &str| {
            retry_after(
                &HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]),
                Duration::from_secs(784_111_767),
            )
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            of("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(of("Tue, 06 Nov 1984 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(of("soon"), None);
    }
}
