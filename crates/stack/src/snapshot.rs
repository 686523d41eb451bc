//! State that outlives the borrow it was told under.
//!
//! Job: keep what a visitor told, so that it can be told again. Owns: the pairs.
//! Does not know: whose state it is. Needed because an arriving packet is recorded after its verdict,
//! with the state it met before.

use core::net::IpAddr;
use core::time::Duration;

use outcrop_base::{Describe, Value};

/// Keys and values, told once and kept.
///
/// ```
/// use outcrop_base::{Describe, Value};
/// let mut met = outcrop_stack::Snapshot::default();
/// met.push("state", Value::Word("LISTEN"));
/// met.describe(&mut |key, value| assert_eq!(format!("{key}={value}"), "state=LISTEN"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot(Vec<(&'static str, Kept)>);

#[derive(Clone, Debug, PartialEq)]
enum Kept {
    Number(u64),
    Flag(bool),
    Word(String),
    Span(Duration),
    Address(IpAddr),
}

impl Snapshot {
    /// Keeps one more pair.
    pub fn push(&mut self, key: &'static str, value: Value<'_>) {
        let kept = match value {
            Value::Number(number) => Kept::Number(number),
            Value::Flag(flag) => Kept::Flag(flag),
            Value::Word(word) => Kept::Word(word.to_owned()),
            Value::Span(span) => Kept::Span(span),
            Value::Address(addr) => Kept::Address(addr),
        };
        self.0.push((key, kept));
    }

    /// Forgets every pair.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nothing is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Describe for Snapshot {
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        for (key, kept) in &self.0 {
            let value = match kept {
                Kept::Number(number) => Value::Number(*number),
                Kept::Flag(flag) => Value::Flag(*flag),
                Kept::Word(word) => Value::Word(word),
                Kept::Span(span) => Value::Span(*span),
                Kept::Address(addr) => Value::Address(*addr),
            };
            visit(key, value);
        }
    }
}
