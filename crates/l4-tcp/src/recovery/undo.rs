//! Finding out that nothing had been lost.
//!
//! Job: from timestamps, D-SACKs and acknowledgments of what was sent once, tell that the last reduction was a
//! mistake. Owns: when and what was first sent again since then. Does not know: how the window goes back.
//! Sources: RFC 3522 and RFC 4015 (Eifel), RFC 3708 (D-SACK), RFC 5682 3.1 (F-RTO with SACK).

use core::hash::{Hash, Hasher};

use outcrop_base::Instant;

use crate::segment::StreamRange;

/// By what evidence a reduction was a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The acknowledgment echoes a time before the retransmission.
    Eifel,
    /// Every retransmission was reported as a duplicate.
    DSack,
    /// After a timeout, something that had not been sent again was acknowledged.
    FRto,
}

impl Evidence {
    /// The name facts use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eifel => "eifel",
            Self::DSack => "d-sack",
            Self::FRto => "f-rto",
        }
    }
}

/// What one acknowledgment shows.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// When what it echoes was sent (RFC 7323), to the millisecond.
    pub echo: Option<Instant>,
    /// SND.UNA after it.
    pub una: u64,
    /// Whether SND.UNA moved.
    pub progress: bool,
    /// What a D-SACK reports.
    pub duplicate: Option<StreamRange>,
    /// Whether it newly acknowledges bytes that were declared lost and not sent again.
    pub original: bool,
    /// Whether SACK is in use.
    pub sack: bool,
}

/// The reduction that may yet be undone.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    active: Option<Active>,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    timeout: bool,
    /// When something was first sent again, and where it begins.
    first: Option<(Instant, u64)>,
    /// Bytes sent again and not yet reported as duplicates.
    resent: u64,
    /// From the first to the last byte sent again: what else arrives twice, the path has doubled (RFC 3708 2).
    hull: StreamRange,
    /// Whether the first retransmission, or its original, has been acknowledged.
    answered: bool,
}

impl Undo {
    /// The window was reduced, by a timeout or not.
    pub const fn begin(&mut self, timeout: bool) {
        self.active = Some(Active {
            timeout,
            first: None,
            resent: 0,
            hull: StreamRange::new(0, 0),
            answered: false,
        });
    }

    /// Nothing can be undone any more.
    pub const fn end(&mut self) {
        self.active = None;
    }

    /// Whether there is a reduction that may yet be undone.
    pub(crate) const fn is_open(&self) -> bool {
        self.active.is_some()
    }

    /// Whether what may be undone is a timeout's.
    #[must_use]
    pub fn after_timeout(&self) -> bool {
        self.active.is_some_and(|active| active.timeout)
    }

    /// `range` was sent again.
    pub fn on_resent(&mut self, now: Instant, range: StreamRange) {
        if let Some(active) = &mut self.active {
            active.first.get_or_insert((now, range.start));
            active.hull = if active.hull.is_empty() {
                range
            } else {
                let hull = active.hull;
                StreamRange::new(hull.start.min(range.start), hull.end.max(range.end))
            };
            active.resent += range.len();
        }
    }

    /// An acknowledgment arrived: whether it shows that the reduction was a mistake.
    pub fn on_ack(&mut self, s: &Shown) -> Option<Evidence> {
        let active = self.active.as_mut()?;
        let (resent_at, start) = active.first?;
        // RFC 3522 speaks of the oldest segment outstanding. What an earlier recovery has sent again may still
        // be before it, and its acknowledgment echoes an earlier time with good reason.
        let first_answer = s.progress && s.una > start && !active.answered;
        active.answered |= first_answer;
        let duplicate = s.duplicate.map_or(0, |d| d.intersection(active.hull).len());
        let evidence = if first_answer
            && s.echo
                .is_some_and(|echo| echo.as_millis() < resent_at.as_millis())
        {
            Some(Evidence::Eifel)
        } else if active.timeout && s.sack && s.original {
            Some(Evidence::FRto)
        } else if duplicate > 0 && active.resent > 0 {
            active.resent = active.resent.saturating_sub(duplicate);
            (active.resent == 0).then_some(Evidence::DSack)
        } else {
            None
        };
        if evidence.is_some() {
            self.active = None;
        }
        evidence
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let active = self.active.map(|a| {
            let since = a.first.map(|(at, start)| (now - at, start));
            (a.timeout, since, a.resent, a.hull, a.answered)
        });
        active.hash(&mut into);
    }
}
