//! What a server asks to be told, read by its grammar.
//!
//! Job: `WWW-Authenticate` into schemes and their parameters. Owns: nothing. Does not know: any scheme. Several challenges
//! may share a field and are told apart only by what follows a word: an equals sign, or not.
//! Sources: RFC 9110 sections 5.6.3, 11.2, 11.3, 11.6.1.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};

/// A challenge: what kind, and its parameters by their names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    pub(super) parameters: BTreeMap<String, String>,
}

/// All challenges in the fields of this name, as far as they can be read.
pub(super) fn challenges(fields: &HeaderMap, name: &HeaderName) -> Vec<Challenge> {
    let texts = fields.get_all(name).iter();
    texts
        .filter_map(|value| core::str::from_utf8(value.as_bytes()).ok())
        .flat_map(|text| read(text).challenges)
        .collect()
}

/// `name=value, ..` without a scheme before, as `Authentication-Info` has it (RFC 7615).
pub(super) fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut reader = Reader {
        rest: text,
        challenges: vec![Challenge::default()],
    };
    while reader.one().is_some() {}
    reader.challenges.swap_remove(0).parameters
}

struct Reader<'a> {
    rest: &'a str,
    challenges: Vec<Challenge>,
}

fn read(text: &str) -> Reader<'_> {
    let mut reader = Reader {
        rest: text,
        challenges: Vec::new(),
    };
    while reader.one().is_some() {}
    reader
}

impl<'a> Reader<'a> {
    /// One word and what belongs to it; `None` at the end, or where nothing makes sense any more.
    fn one(&mut self) -> Option<()> {
        self.skip(|c| matches!(c, ' ' | '\t' | ','));
        let word = self.word()?;
        self.skip(|c| matches!(c, ' ' | '\t'));
        let Some(after) = self.rest.strip_prefix('=') else {
            self.challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                ..Challenge::default()
            });
            return self.token68();
        };
        self.rest = after;
        self.skip(|c| matches!(c, ' ' | '\t'));
        let value = match self.rest.strip_prefix('"') {
            Some(after) => self.quoted(after)?,
            None => self.word()?.to_owned(),
        };
        let parameters = &mut self.challenges.last_mut()?.parameters;
        // Twice is once too often: who reads the first and who reads the last would differ.
        match parameters.insert(word.to_ascii_lowercase(), value) {
            None => Some(()),
            Some(_) => self.challenges.pop().and(None),
        }
    }

    fn skip(&mut self, which: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(which);
    }

    /// A token (RFC 9110 section 5.6.2).
    fn word(&mut self) -> Option<&'a str> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.rest.find(|c| !token(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// What may stand after a scheme instead of parameters; it is passed over.
    fn token68(&mut self) -> Option<()> {
        let charset = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
        let after = self.rest.trim_start_matches(charset);
        let padded = after.trim_start_matches('=');
        let ends = padded.trim_start_matches([' ', '\t']);
        let whole = ends.is_empty() || ends.starts_with(',');
        if whole && (after.len() != padded.len() || after.len() != self.rest.len()) {
            self.rest = ends;
        }
        Some(())
    }

    /// After the first quote (RFC 9110 section 5.6.4).
    fn quoted(&mut self, text: &'a str) -> Option<String> {
        let mut value = String::new();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = text.get(at + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(letters.next()?.1),
                _ => value.push(letter),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let told = |one: &Challenge| format!("{} {:?}", one.scheme, one.parameters);
        read(text).challenges.iter().map(told).collect()
    }

    /// The examples of RFC 9110 section 11.6.1, and of section 11.3 with padding.
    #[test]
    fn challenges_in_one_field_are_told_apart() {
        assert_eq!(
            of(
                "Basic realm=\"simple\", Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\""
            ),
            [
                "basic {\"realm\": \"simple\"}",
                "newauth {\"realm\": \"apps\", \"title\": \"Login to \\\"apps\\\"\", \"type\": \"1\"}"
            ]
        );
        assert_eq!(of("Negotiate, NTLM"), ["negotiate {}", "ntlm {}"]);
        assert_eq!(of("Negotiate YWJj=="), ["negotiate {}"]);
        assert_eq!(
            of("Negotiate YWJj, a b=c"),
            ["negotiate {}", "a {\"b\": \"c\"}"]
        );
        assert_eq!(
            of(" ,, A x = \"1, B y=2\" ,z=3,"),
            ["a {\"x\": \"1, B y=2\", \"z\": \"3\"}"]
        );
    }

    #[test]
    fn what_is_broken_ends_the_reading_and_what_is_doubled_counts_for_nothing() {
        assert_eq!(of("A x=1, B y=\"never"), ["a {\"x\": \"1\"}", "b {}"]);
        assert_eq!(of("A x=1, x=2, C"), Vec::<String>::new());
        assert_eq!(of("x=1"), Vec::<String>::new());
        assert_eq!(of("A =1"), Vec::<String>::new());
        assert_eq!(of("A x=\"\\"), ["a {}"]);
        assert!(of("").is_empty() && of(",").is_empty() && of("\u{e4}").is_empty());
    }

    #[test]
    fn parameters_stand_alone_too() {
        let said = parameters("nextnonce=\"a,b\", qop=auth");
        assert_eq!(said["nextnonce"], "a,b");
        assert_eq!(said["qop"], "auth");
    }
}
