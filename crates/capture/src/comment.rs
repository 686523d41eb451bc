//! The first comment of a packet: its state as `key=value` words.
//!
//! Job: write that line from a record and read it back.
//! Owns: the grammar (`key=value` joined by single spaces, keys `[a-z][a-z0-9_]*`, no space in a value).
//! Does not know: pcapng, or which keys an engine tells.

use core::fmt::{Display, Write};
use core::panic::Location;

use outcrop_base::{CallKind, Cause, DropReason, Limit, PacketId, PacketRecord, TimerKind, Why};

/// The parsed first comment of a packet.
///
/// ```
/// use outcrop_capture::Annotations;
/// use outcrop_base::Why;
/// let notes = Annotations::parse("state=ESTABLISHED cwnd=14600 why=data cause=app:write").unwrap();
/// assert_eq!(notes.get("cwnd"), Some("14600"));
/// assert_eq!(notes.number("cwnd"), Some(14_600));
/// assert_eq!(notes.why(), Some(Why::Data));
/// assert!(Annotations::parse("Just a remark by somebody.").is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    line: String,
}

impl Annotations {
    /// Reads a comment; `None` if it is not of this grammar.
    #[must_use]
    pub fn parse(comment: &str) -> Option<Self> {
        let mut words = comment.split_ascii_whitespace().peekable();
        words.peek()?;
        words.all(is_pair).then(|| Self {
            line: comment.to_owned(),
        })
    }

    /// All pairs, in the order written.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.line
            .split_ascii_whitespace()
            .filter_map(|word| word.split_once('='))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| value)
    }

    /// The value of a key, if it is a whole number.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Why the packet left.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        Why::from_name(self.get("why")?)
    }

    /// What kept the sender from sending more.
    #[must_use]
    pub fn lim(&self) -> Option<Limit> {
        Limit::from_name(self.get("lim")?)
    }

    /// What made the packet leave.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.get("cause").map_or(Cause::None, parse_cause)
    }

    /// Why it was dropped.
    #[must_use]
    pub fn drop_reason(&self) -> Option<DropReason> {
        DropReason::from_name(self.get("drop")?)
    }

    /// The line itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.line
    }
}

fn is_pair(word: &str) -> bool {
    let Some((key, _)) = word.split_once('=') else {
        return false;
    };
    let mut letters = key.bytes();
    letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Reads what `Cause` displays; anything else is `Cause::None`.
#[must_use]
pub fn parse_cause(text: &str) -> Cause {
    let parsed = match text.split_once(':') {
        Some(("pkt", id)) => id.parse().ok().map(|id| Cause::Packet(PacketId(id))),
        Some(("timer", name)) => TimerKind::from_name(name).map(Cause::Timer),
        Some(("app", name)) => CallKind::from_name(name).map(Cause::Call),
        _ => None,
    };
    parsed.unwrap_or(Cause::None)
}

/// Writes the state line of a packet to `out`, which is empty.
pub(crate) fn write_state_line(record: &PacketRecord<'_>, out: &mut String) {
    record
        .state
        .describe(&mut |key, value| push_pair(out, key, &value));
    if let Some(size) = record.gso_size {
        push_pair(out, "gso", &size);
    }
    write_reason(record, out);
}

/// Writes why a packet left or was dropped: what remains of the line at `Level::Events`.
pub(crate) fn write_reason(record: &PacketRecord<'_>, out: &mut String) {
    if let Some(note) = &record.note {
        if note.lim() != Limit::None {
            push_pair(out, "lim", &note.lim());
        }
        push_pair(out, "why", &note.why());
        if note.cause() != Cause::None {
            push_pair(out, "cause", &note.cause());
        }
        push_pair(out, "src", &SourceLine(note.src()));
    }
    if let Some(verdict) = &record.verdict {
        push_pair(out, "rule", &verdict.rule.name);
        if let Some(reason) = verdict.drop_reason() {
            push_pair(out, "drop", &reason);
        }
    }
}

/// Appends ` key=value`; whatever would break the grammar in the value becomes `_`.
fn push_pair(out: &mut String, key: &str, value: &dyn Display) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(key);
    out.push('=');
    // Writing to a String cannot fail.
    let _infallible = write!(Word(out), "{value}");
}

/// Passes text through with spaces and control characters replaced.
struct Word<'a>(&'a mut String);

impl Write for Word<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        if text.bytes().all(|b| b.is_ascii_graphic()) {
            self.0.push_str(text);
        } else {
            let clean = |c: char| {
                if c.is_whitespace() || c.is_control() {
                    '_'
                } else {
                    c
                }
            };
            self.0.extend(text.chars().map(clean));
        }
        Ok(())
    }
}

/// A line of the source, relative to the repository.
pub(crate) struct SourceLine(pub(crate) &'static Location<'static>);

impl Display for SourceLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", repo_relative(self.0.file()), self.0.line())
    }
}

/// Cuts a path of the compiler down to what every checkout has in common.
///
/// `/home/ann/outcrop/crates/l4-tcp/src/seq.rs` and the workspace's own spelling both become
/// `crates/l4-tcp/src/seq.rs`; out of a registry it is `outcrop-tcp-0.1.0/src/seq.rs`.
pub(crate) fn repo_relative(path: &str) -> &str {
    for root in ["crates/", "tools/", "tests/"] {
        if let Some(at) = component_start(path, root) {
            return path.get(at..).unwrap_or(path);
        }
    }
    if !path.starts_with('/') {
        return path;
    }
    let Some(src) = path.rfind("/src/") else {
        return path.rsplit('/').next().unwrap_or(path);
    };
    let start = path
        .get(..src)
        .and_then(|head| head.rfind('/'))
        .map_or(0, |at| at + 1);
    path.get(start..).unwrap_or(path)
}

/// Where `root` last begins a path component.
fn component_start(path: &str, root: &str) -> Option<usize> {
    path.rmatch_indices(root)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || path.as_bytes().get(at - 1) == Some(&b'/'))
}

/// The crate a source line belongs to: `l4-tcp`.
pub(crate) fn crate_of(path: &str) -> &str {
    let relative = repo_relative(path);
    let inner = relative.strip_prefix("crates/").unwrap_or(relative);
    inner.split('/').next().unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_cut_to_the_repository() {
        for (path, relative, owner) in [
            (
                "crates/l4-tcp/src/seq.rs",
                "crates/l4-tcp/src/seq.rs",
                "l4-tcp",
            ),
            (
                "/home/ann/my-crates/outcrop/crates/l3-ip/src/a.rs",
                "crates/l3-ip/src/a.rs",
                "l3-ip",
            ),
            (
                "/home/reader/.cargo/registry/src/index-1/outcrop-tcp-0.1.0/src/recv/window.rs",
                "outcrop-tcp-0.1.0/src/recv/window.rs",
                "outcrop-tcp-0.1.0",
            ),
            ("/tmp/x.rs", "x.rs", "x.rs"),
            ("src/main.rs", "src/main.rs", "src"),
        ] {
            assert_eq!(repo_relative(path), relative);
            assert_eq!(crate_of(path), owner);
        }
    }

    #[test]
    fn every_cause_is_read_back() {
        let mut causes = vec![Cause::None, Cause::Packet(PacketId(193))];
        causes.extend(TimerKind::ALL.iter().map(|t| Cause::Timer(*t)));
        causes.extend(CallKind::ALL.iter().map(|c| Cause::Call(*c)));
        for cause in causes {
            assert_eq!(parse_cause(&cause.to_string()), cause);
        }
        assert_eq!(parse_cause("pkt:many"), Cause::None);
    }

    #[test]
    fn value_with_a_space_does_not_break_the_line() {
        let mut line = String::new();
        push_pair(&mut line, "a", &"two words\n");
        push_pair(&mut line, "b", &7);
        assert_eq!(line, "a=two_words_ b=7");
        assert!(Annotations::parse(&line).is_some());
    }
}
