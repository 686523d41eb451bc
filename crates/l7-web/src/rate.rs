//! Not too many at once.
//!
//! Job: a bucket of tokens for each client, 429 when it is empty. Owns: the buckets. Does not know: what is asked for.
//! A client is an IPv4 address or an IPv6 network of 64 bits: who has one address of it has all.
//! Sources: RFC 6585 section 4 (429), RFC 9110 section 10.2.3 (`Retry-After`).

use core::net::IpAddr;
use core::ops::ControlFlow;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderValue, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_http::serve::About;

use crate::Pass;
use crate::chance::Now;
use crate::problem::Problem;

/// Buckets kept; beyond it full ones are forgotten, and if all are in use, all.
const BUCKETS: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When it will be full again: all there is to know of it.
    full_at: Duration,
}

/// The limit, as a [`Pass`]. Clones share the buckets.
#[derive(Clone, Debug)]
pub struct Rate {
    burst: u32,
    refill: Duration,
    now: Now,
    buckets: Arc<Mutex<HashMap<IpAddr, Bucket>>>,
}

impl Rate {
    /// `burst` requests at once, and one more each `refill`.
    #[must_use]
    pub fn new(burst: u32, refill: Duration, now: Now) -> Self {
        Self {
            burst: burst.max(1),
            refill,
            now,
            buckets: Arc::default(),
        }
    }

    /// Takes a token of this client's; `Err` is how long to wait for one.
    ///
    /// # Errors
    /// There is none.
    pub fn take(&self, client: IpAddr) -> Result<(), Duration> {
        let now = self.now.get();
        let whole = self.refill * self.burst;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS {
            buckets.retain(|_, bucket| bucket.full_at > now);
            if buckets.len() >= BUCKETS {
                // A flood of addresses: forgetting all costs each of them one burst, searching would cost us more.
                buckets.clear();
            }
        }
        let bucket = buckets
            .entry(network(client))
            .or_insert(Bucket { full_at: now });
        let after = bucket.full_at.max(now) + self.refill;
        match after.checked_sub(now + whole) {
            Some(wait) if !wait.is_zero() => Err(wait),
            Some(_) | None => {
                bucket.full_at = after;
                Ok(())
            }
        }
    }
}

/// What is one client: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            core::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl Pass for Rate {
    type Memo = ();

    fn enter(&self, request: &mut Request<Body>) -> ControlFlow<Response<Body>, ()> {
        let about = request.extensions().get::<About>();
        let Some(client) = about.and_then(|about| about.connection.remote) else {
            return ControlFlow::Continue(());
        };
        match self.take(client.ip()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(wait) => {
                let mut answer = Problem::new(StatusCode::TOO_MANY_REQUESTS).respond();
                // Whole seconds, upwards: sooner would be refused again.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                answer
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                ControlFlow::Break(answer)
            }
        }
    }

    fn leave(&self, (): (), response: Response<Body>) -> Response<Body> {
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::tests::clock;
    use core::sync::atomic::Ordering::Relaxed;
    use outcrop_base::Instant;
    use outcrop_http::serve::ConnectionInfo;

    #[test]
    fn burst_is_spent_then_one_comes_back_at_a_time() {
        let (now, hand) = clock();
        let rate = Rate::new(3, Duration::from_secs(10), now);
        let (one, two) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..3 {
            assert_eq!(rate.take(one), Ok(()));
        }
        assert_eq!(rate.take(one), Err(Duration::from_secs(10)));
        assert_eq!(rate.take(two), Ok(()), "each for himself");
        hand.fetch_add(9, Relaxed);
        assert_eq!(rate.take(one), Err(Duration::from_secs(1)));
        hand.fetch_add(1, Relaxed);
        assert_eq!(rate.take(one), Ok(()));
        assert!(rate.take(one).is_err());
        hand.fetch_add(1_000, Relaxed);
        let again = (0..4).filter(|_| rate.take(one).is_ok()).count();
        assert_eq!(again, 3, "no more than a burst is saved up");
    }

    #[test]
    fn one_network_of_ipv6_is_one_client() {
        let rate = Rate::new(1, Duration::from_secs(1), clock().0);
        assert!(rate.take("fd77::1".parse().unwrap()).is_ok());
        assert!(rate.take("fd77::ffff:2".parse().unwrap()).is_err());
        assert!(rate.take("fd77:0:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn table_stays_bounded_under_a_flood_of_addresses() {
        let rate = Rate::new(1, Duration::from_secs(60), clock().0);
        for n in 0..70_000_u32 {
            assert!(
                rate.take(core::net::Ipv4Addr::from(0x0a00_0000 + n).into())
                    .is_ok()
            );
        }
        assert!(rate.buckets.lock().unwrap().len() <= BUCKETS);
    }

    #[test]
    fn client_too_many_is_told_when_to_come_back() {
        let rate = Rate::new(1, Duration::from_millis(2_500), clock().0);
        let ask = || {
            let mut request = Request::new(Body::empty());
            let connection = ConnectionInfo {
                remote: Some("10.0.0.1:9".parse().unwrap()),
                ..ConnectionInfo::default()
            };
            request.extensions_mut().insert(About {
                connection,
                request: 1,
                at: Instant::ZERO,
            });
            crate::pass::tests::through(&rate, request, Response::new(Body::empty()))
        };
        assert_eq!(ask().status(), 200);
        let refused = ask();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (429, &HeaderValue::from(3))
        );
    }
}
