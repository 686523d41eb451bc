//! What is due when.
//!
//! Job: begin exchanges, repeat their messages, end them; the end of each lifetime. Owns: nothing.
//! Does not know: what messages look like. Source: RFC 8415 18.2.1 to 18.2.8.

use core::net::Ipv6Addr;
use core::time::Duration;

use outcrop_base::Instant;

use super::{Client, Event, Mode, State};
use crate::Loss;
use crate::v6::Purpose;
use crate::v6::retry::{self, Pace, Retry};

/// What a second refusal in a row costs; each further one doubles it, up to two minutes.
const SLOW_DOWN: Duration = Duration::from_secs(1);

/// Something is due.
pub(super) fn due(client: &mut Client, now: Instant) {
    if expire(client, now) {
        return;
    }
    match client.state {
        State::Bound => client.extend(now),
        State::Informed => client.begin(now),
        State::Ended => client.due = None,
        // The wait for the best advertisement is over (RFC 8415 18.2.1).
        State::Soliciting if client.best.is_some() => client.request(now),
        State::Soliciting
        | State::Requesting
        | State::Confirming
        | State::Renewing
        | State::Rebinding
        | State::Declining
        | State::Releasing
        | State::Asking => {
            if client.retry.is_over(now) {
                over(client, now);
            } else {
                client.say(now);
            }
        }
    }
}

/// Nobody answered.
fn over(client: &mut Client, now: Instant) {
    match client.state {
        // RFC 8415 18.2.3: then they are kept, with the times they have.
        State::Confirming => client.settle(now),
        State::Renewing => client.extend(now),
        State::Releasing => client.end(),
        State::Soliciting
        | State::Requesting
        | State::Bound
        | State::Rebinding
        | State::Declining
        | State::Asking
        | State::Informed
        | State::Ended => client.begin(now),
    }
}

/// Addresses whose time is over; true if the last one is.
fn expire(client: &mut Client, now: Instant) -> bool {
    let Some(held) = client.held.as_mut() else {
        return false;
    };
    let before = held.addresses.len();
    held.addresses
        .retain(|_, until| until.valid.is_none_or(|valid| valid > now));
    if held.addresses.is_empty() {
        client.lose(Loss::Expired);
        client.begin(now);
        return true;
    }
    if held.addresses.len() < before {
        client.events.granted = Some(Event::Renewed(held.lease(now)));
    }
    false
}

impl Client {
    /// From the start.
    pub(super) fn begin(&mut self, now: Instant) {
        self.best = None;
        self.parting = None;
        let [solicit, information] = self.slowest;
        let (state, pace, slowest) = match self.config.mode {
            Mode::Stateful => (State::Soliciting, retry::SOLICIT, solicit),
            Mode::Stateless => (State::Asking, retry::INFORMATION, information),
        };
        let longest = slowest.or(pace.longest);
        self.exchange(now, state, (Pace { longest, ..pace }, None));
    }

    /// From the start, after a refusal: the first time at once, then ever more slowly, whatever servers do
    /// (RFC 8415 14.1).
    pub(super) fn again(&mut self, now: Instant) {
        self.lose(Loss::Refused);
        self.begin(now);
        if self.refused > 0 {
            let wait = SLOW_DOWN.saturating_mul(1 << self.refused.min(7));
            self.due = self.due.map(|due| due + wait);
        }
        self.refused = self.refused.saturating_add(1);
    }

    /// Begins an exchange: a new number, and the first message at once or after its delay.
    #[track_caller]
    pub(super) fn exchange(
        &mut self,
        now: Instant,
        state: State,
        (pace, until): (Pace, Option<Instant>),
    ) {
        self.enter(state);
        self.outgoing = None;
        self.retry = Retry::new(now, pace, until);
        let [_, a, b, c] = self.random.next_u32().to_be_bytes();
        self.xid = [a, b, c];
        if pace.delay.is_zero() {
            self.say(now);
        } else {
            self.due = Some(now + pace.delay.mul_f64(self.random.unit()));
        }
    }

    /// Asks the server that advertised best.
    pub(super) fn request(&mut self, now: Instant) {
        self.exchange(now, State::Requesting, (retry::REQUEST, None));
    }

    /// Says it, once more.
    pub(super) fn say(&mut self, now: Instant) {
        let purpose = match self.state {
            State::Soliciting => Purpose::Solicit,
            State::Requesting => Purpose::Request,
            State::Confirming => Purpose::Confirm,
            State::Renewing => Purpose::Renew,
            State::Rebinding => Purpose::Rebind,
            State::Declining => Purpose::Decline,
            State::Releasing => Purpose::Release,
            State::Asking => Purpose::InformationRequest,
            State::Bound | State::Informed | State::Ended => return,
        };
        self.outgoing = Some(purpose);
        let next = self.retry.again(now, &mut self.random);
        // A lifetime may end before.
        let ends = self.held.as_ref().and_then(super::Held::first_end);
        self.due = Some(ends.map_or(next, |ends| ends.min(next)));
    }

    /// More time: from its server until T2, from any server until the end.
    pub(super) fn extend(&mut self, now: Instant) {
        let Some(held) = &self.held else {
            return self.begin(now);
        };
        let (renew, rebind, end) = (held.renew, held.rebind, held.end());
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(rebind) {
            self.exchange(now, State::Rebinding, (retry::RENEW, end));
        } else if passed(renew) {
            self.exchange(now, State::Renewing, (retry::RENEW, rebind));
        } else {
            self.settle(now);
        }
    }

    /// BOUND until something is due.
    pub(super) fn settle(&mut self, now: Instant) {
        self.enter(State::Bound);
        self.outgoing = None;
        self.best = None;
        let held = self.held.as_ref();
        let times = held.map(|held| [held.renew.or(held.rebind), held.first_end()]);
        let next = times.into_iter().flatten().flatten().min();
        self.due = next.map(|at| at.max(now));
    }

    /// What a message names: the addresses held, or those of a farewell.
    pub(super) fn named(&self) -> Vec<Ipv6Addr> {
        match (&self.parting, &self.held) {
            (Some((_, addresses)), _) => addresses.clone(),
            (None, Some(held)) => held.addresses.keys().copied().collect(),
            (None, None) => Vec::new(),
        }
    }
}
