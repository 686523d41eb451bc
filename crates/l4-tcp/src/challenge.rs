//! How often a suspicious segment is answered.
//!
//! Job: a small allowance of answers per connection. Owns: a count and the second it belongs to.
//! Does not know: what is being answered. Never asked about acknowledgments of data.
//! Sources: RFC 5961 7 (throttling); per connection, because a limit shared between connections tells
//! a stranger about other people's (CVE-2016-5696).

use outcrop_base::Instant;

use crate::params;

/// The allowance of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Challenges {
    since: Option<Instant>,
    sent: u8,
}

impl Challenges {
    /// A full allowance.
    pub(crate) const fn new() -> Self {
        Self {
            since: None,
            sent: 0,
        }
    }

    /// Takes one answer out of the allowance; `false` if it is used up.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let fresh = self
            .since
            .is_none_or(|since| now - since >= params::CHALLENGE_WINDOW);
        if fresh {
            self.since = Some(now);
            self.sent = 0;
        }
        if self.sent >= params::CHALLENGES {
            return false;
        }
        self.sent += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_suspicious_segments_in_a_second_five_are_answered() {
        let mut challenges = Challenges::new();
        let answered = |challenges: &mut Challenges, at| {
            (0..100)
                .filter(|_| challenges.take(Instant::from_millis(at)))
                .count()
        };
        assert_eq!(answered(&mut challenges, 0), 5);
        assert_eq!(answered(&mut challenges, 999), 0);
        assert_eq!(answered(&mut challenges, 1000), 5);
    }
}
