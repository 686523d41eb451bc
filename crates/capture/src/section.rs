//! What a file says about the run it holds.
//!
//! Job: seed, configuration, scenario and the like, as the comment of the section header.
//! Owns: its grammar: one `key=value` a line; `\`, line feeds and returns in values are escaped.
//! Does not know: what the values mean to a replay.

use core::time::Duration;

use outcrop_base::{Instant, WallClock};

/// The key under which the wall clock at the run's start is kept, in nanoseconds.
const EPOCH: &str = "epoch_ns";

/// Facts about a whole run: ordered keys and values.
///
/// ```
/// use outcrop_capture::Section;
/// let section = Section::new().with("seed", "42").with("scenario", "get, twice\nthen close");
/// let again = Section::parse(&section.to_comment());
/// assert_eq!(again.get("scenario"), Some("get, twice\nthen close"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pairs: Vec<(String, String)>,
    /// A comment of another grammar, by somebody else.
    remark: Option<String>,
}

impl Section {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more pair. The usual keys are `seed`, `config`, `scenario`, `commit`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.set(key, value);
        self
    }

    /// Adds or replaces a pair.
    pub fn set(&mut self, key: &str, value: &str) {
        match self.pairs.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.pairs.push((key.to_owned(), value.to_owned())),
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(k, _)| k == key)?;
        Some(value)
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// A section comment that is not of our grammar.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// The comment as it stands in the file.
    #[must_use]
    pub fn to_comment(&self) -> String {
        let line = |(k, v): &(String, String)| format!("{k}={}", escape(v));
        let lines: Vec<_> = self.pairs.iter().map(line).collect();
        lines.join("\n")
    }

    /// Reads a comment; one of another grammar becomes [`Section::remark`].
    #[must_use]
    pub fn parse(comment: &str) -> Self {
        let pair = |line: &str| {
            let (key, value) = line.split_once('=')?;
            let word = !key.is_empty() && !key.contains(char::is_whitespace);
            word.then(|| (key.to_owned(), unescape(value)))
        };
        let pairs: Option<Vec<_>> = comment.lines().map(pair).collect();
        match pairs {
            Some(pairs) => Self {
                pairs,
                remark: None,
            },
            None => Self {
                pairs: Vec::new(),
                remark: Some(comment.to_owned()),
            },
        }
    }

    /// Keeps the wall clock at instant zero.
    pub(crate) fn set_clock(&mut self, clock: WallClock) {
        self.set(EPOCH, &clock.unix(Instant::ZERO).as_nanos().to_string());
    }

    /// The wall clock of the run, if this file is ours.
    #[must_use]
    pub fn clock(&self) -> Option<WallClock> {
        let nanos = self.get(EPOCH)?.parse().ok()?;
        Some(WallClock::new(Duration::from_nanos(nanos)))
    }

    /// The instant of the run at this civil time (since 1970), if this file is ours.
    #[must_use]
    pub fn instant(&self, unix: Duration) -> Option<Instant> {
        let zero = self.clock()?.unix(Instant::ZERO);
        let since = unix.checked_sub(zero)?.as_nanos();
        Some(Instant::from_nanos(u64::try_from(since).ok()?))
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clock_turns_civil_time_back_into_the_runs_time() {
        let mut section = Section::new();
        section.set_clock(WallClock::new(Duration::from_secs(1_700_000_000)));
        let at = Duration::new(1_700_000_001, 5);
        assert_eq!(
            section.instant(at),
            Some(Instant::from_nanos(1_000_000_005))
        );
        assert_eq!(section.instant(Duration::from_secs(1)), None);
    }

    #[test]
    fn foreign_comment_is_kept_as_a_remark() {
        let section = Section::parse("captured on the train");
        assert_eq!(section.remark(), Some("captured on the train"));
        assert_eq!(section.pairs().count(), 0);
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in "(?s).*") {
            let section = Section::new().with("config", &value);
            let again = Section::parse(&section.to_comment());
            prop_assert_eq!(again.get("config"), Some(value.as_str()));
        }
    }
}
