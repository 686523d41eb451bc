//! How long data may stay unacknowledged, and what both ends tell each other about it.
//!
//! Job: the user timeout in force, from the program's, the peer's and the limits; when ours is to be told.
//! Owns: the peer's value, whether ours is to be told. Does not know: what happens when it has passed; `timeouts` does.
//! Sources: RFC 9293 3.8.3 (R2), RFC 5482 3.1 (the formula), 3.2 (whose word counts), 3.3 (when it is told), 4.2.

use core::time::Duration;

use outcrop_base::Instant;

use super::Connection;
use crate::config::{KeepAlive, Settings};
use crate::params;
use crate::segment::UserTimeout;
use crate::timers::Timer;

/// The user timeout option's part of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Agreement {
    /// What the peer said last: `REMOTE_UTO`.
    theirs: Option<UserTimeout>,
    /// Whether ours is to be told by the next segment.
    pub(super) owed: bool,
}

impl Agreement {
    /// Nothing heard, nothing to tell.
    pub(super) const NONE: Self = Self {
        theirs: None,
        owed: false,
    };

    /// After the handshake: the SYN's value, which the first segment behind it repeats, because a SYN may have been
    /// answered without memory (RFC 5482 3.3).
    pub(super) fn new(settings: &Settings, theirs: Option<UserTimeout>) -> Self {
        Self {
            theirs: theirs.filter(|_| settings.user_timeout_option),
            owed: settings.user_timeout_option,
        }
    }
}

impl Connection {
    /// How long sent data may stay unacknowledged. A program that set its own limit is not overruled
    /// (`CHANGEABLE`, RFC 5482 3.2).
    pub(super) fn user_timeout(&self) -> Duration {
        match (self.settings.user_timeout, self.life.user_timeout.theirs) {
            (Some(set), _) => set,
            (None, None) => params::R2,
            (None, Some(theirs)) => theirs
                .span()
                .max(params::R2)
                .max(params::USER_TIMEOUT_MIN)
                .min(params::USER_TIMEOUT_MAX),
        }
    }

    /// The peer told its own, in an acceptable segment.
    pub(super) fn hear_user_timeout(&mut self, now: Instant, theirs: Option<UserTimeout>) {
        if theirs.is_none() || !self.settings.user_timeout_option {
            return;
        }
        let before = self.user_timeout();
        self.life.user_timeout.theirs = theirs;
        let after = self.user_timeout();
        if let Some(at) = self.timers.get(Timer::UserTimeout) {
            // What was waited already counts.
            let waited = before.saturating_sub(at.saturating_since(now));
            let left = after.saturating_sub(waited);
            self.timers.set(Timer::UserTimeout, Some(now + left));
        }
    }

    /// The program changed its settings from `before`.
    pub(super) fn user_timeout_configured(&mut self, before: &Settings) {
        if before.told_user_timeout() != self.settings.told_user_timeout() {
            self.life.user_timeout.owed = self.settings.user_timeout_option;
        }
    }

    /// What keep-alive goes by: it waits longer than the user timeout the two ends agreed on (RFC 5482 4.2).
    pub(super) fn keep_alive(&self) -> Option<KeepAlive> {
        let mut wanted = self.settings.keep_alive?;
        if self.life.user_timeout.theirs.is_some() {
            let longer = self.user_timeout().saturating_add(Duration::from_secs(1));
            wanted.idle = wanted.idle.max(longer);
        }
        Some(wanted)
    }

    /// Octets the next segment spends on telling ours.
    pub(super) const fn user_timeout_len(&self) -> usize {
        if self.life.user_timeout.owed { 4 } else { 0 }
    }
}
