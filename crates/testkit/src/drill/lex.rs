//! Words of a drill script.
//!
//! Job: cut text into tokens with their places. Owns: comments, numbers, quoted pieces. Does not know: what
//! an event is. Source: the packetdrill language as its published scripts write it.

use std::collections::BTreeMap;

use super::ParseError;

/// A token and the line it is on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) line: usize,
    /// Whether white space came before: `S .` is two words, `S.` one.
    pub(super) spaced: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Letters, digits and underscores, beginning with a letter or underscore.
    Word(String),
    /// Digits with an optional fraction, as written; hexadecimal too.
    Number(String),
    Text(String),
    /// `...`
    Ellipsis,
    /// Between backquotes.
    Shell(String),
    /// Between `%{` and `}%`.
    Code(String),
    /// `--name=value` on a line of its own.
    Option(String, String),
    /// One of `<>(),:=[]{}|+-~*.&`
    Sign(char),
    /// End of a line that may end an event. Lines end events nowhere in the language; kept for options only.
    End,
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    /// Words that stand for others: `--define=NAME=value`.
    defined: BTreeMap<String, Kind>,
}

pub(super) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        tokens: Vec::new(),
        defined: BTreeMap::new(),
    };
    loop {
        let spaced = lexer.skip_space()?;
        if lexer.rest.is_empty() {
            break;
        }
        let line = lexer.line;
        let kind = lexer.token()?;
        lexer.tokens.push(Token { line, spaced, kind });
    }
    let line = lexer.line;
    lexer.tokens.push(Token {
        line,
        spaced: true,
        kind: Kind::End,
    });
    Ok(lexer.tokens)
}

impl<'a> Lexer<'a> {
    fn skip_space(&mut self) -> Result<bool, ParseError> {
        let before = self.rest.len();
        loop {
            let trimmed = self.rest.trim_start();
            let space = self.take(self.rest.len() - trimmed.len());
            self.line += space.matches('\n').count();
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end);
            } else if self.rest.starts_with("/*") {
                self.delimited("/*", "*/")?;
            } else {
                return Ok(self.rest.len() != before || before == 0);
            }
        }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// The text between two marks; lines inside are counted.
    fn delimited(&mut self, open: &str, close: &str) -> Result<&'a str, ParseError> {
        let line = self.line;
        self.take(open.len());
        let Some(end) = self.rest.find(close) else {
            return Err(ParseError::new(
                line,
                format!("no {close:?} closes this {open:?}"),
            ));
        };
        let inner = self.take(end);
        self.take(close.len());
        self.line += inner.matches('\n').count();
        Ok(inner)
    }

    fn token(&mut self) -> Result<Kind, ParseError> {
        let line = self.line;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Kind::End);
        };
        if self.rest.starts_with("--") && self.at_line_start() {
            return self.option();
        }
        if self.rest.starts_with("...") {
            self.take(3);
            return Ok(Kind::Ellipsis);
        }
        if self.rest.starts_with("%{") {
            return Ok(Kind::Code(self.delimited("%{", "}%")?.to_owned()));
        }
        match first {
            '`' => Ok(Kind::Shell(self.delimited("`", "`")?.trim().to_owned())),
            '"' => Ok(Kind::Text(self.delimited("\"", "\"")?.to_owned())),
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = self.word().to_owned();
                Ok(self.defined.get(&word).cloned().unwrap_or(Kind::Word(word)))
            }
            '0'..='9' => Ok(Kind::Number(self.number().to_owned())),
            '<' | '>' | '(' | ')' | ',' | ':' | '=' | '[' | ']' | '{' | '}' | '|' | '+' | '-'
            | '~' | '*' | '.' | '&' | '/' | ';' | '!' | '\'' | '?' | '%' | '$' => {
                self.take(first.len_utf8());
                Ok(Kind::Sign(first))
            }
            other => Err(ParseError::new(line, format!("unexpected {other:?}"))),
        }
    }

    fn at_line_start(&self) -> bool {
        self.tokens
            .last()
            .is_none_or(|token| token.line < self.line || matches!(token.kind, Kind::Option(..)))
    }

    fn option(&mut self) -> Result<Kind, ParseError> {
        let end = self
            .rest
            .find(char::is_whitespace)
            .unwrap_or(self.rest.len());
        let text = self.take(end).trim_start_matches('-');
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(ParseError::new(self.line, "an option without a name"));
        }
        if let ("define", Some((word, meaning))) = (name, value.split_once('=')) {
            let inside = |mark| {
                meaning
                    .strip_prefix(mark)
                    .and_then(|rest| rest.strip_suffix(mark))
            };
            let meaning = match (inside('"'), inside('`')) {
                (Some(text), _) => Kind::Text(text.to_owned()),
                (None, Some(command)) => Kind::Shell(command.to_owned()),
                (None, None) if meaning.starts_with(|c: char| c.is_ascii_digit()) => {
                    Kind::Number(meaning.to_owned())
                }
                (None, None) => Kind::Word(meaning.to_owned()),
            };
            self.defined.insert(word.to_owned(), meaning);
        }
        Ok(Kind::Option(name.to_owned(), value.to_owned()))
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// `12`, `0x1f`, `0.25`; a second dot, or `..`, ends it, so that `0...1` is a range.
    fn number(&mut self) -> &'a str {
        let hex = self.rest.starts_with("0x") || self.rest.starts_with("0X");
        let digits = |text: &str, hex: bool| {
            text.find(|c: char| {
                !(if hex {
                    c.is_ascii_hexdigit()
                } else {
                    c.is_ascii_digit()
                })
            })
            .unwrap_or(text.len())
        };
        if hex {
            let len = digits(self.rest.get(2..).unwrap_or_default(), true);
            return self.take(2 + len);
        }
        let whole = digits(self.rest, false);
        let after = self.rest.get(whole..).unwrap_or_default();
        let fraction = match after.strip_prefix('.') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => 1 + digits(rest, false),
            _ => 0,
        };
        self.take(whole + fraction)
    }
}
