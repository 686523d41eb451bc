//! From text to script.
//!
//! Job: read the packetdrill language. Owns: the grammar. Does not know: what any call or packet does.
//! Anything it cannot read is an error with its line; nothing is guessed or skipped.
//! Source: the language as the public suites write it; the subset that covers them is in the book.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "tokens are the words of a language, not a protocol"
)]

mod packet;

use core::time::Duration;

use super::ast::{Action, Call, Event, Script, Time, Value, When};
use super::lex::{Kind, Token, lex};

/// Why a script could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl ParseError {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

type Result<T> = core::result::Result<T, ParseError>;

/// Reads a script.
///
/// # Errors
/// The first thing that is not part of the language, with its line.
pub fn parse(text: &str) -> Result<Script> {
    let mut parser = Parser {
        tokens: lex(text)?,
        next: 0,
    };
    let mut script = Script::default();
    loop {
        match parser.peek().clone() {
            Kind::End => return Ok(script),
            Kind::Option(name, value) => {
                parser.next += 1;
                script.options.push((name, value));
            }
            // Commands before the first event carry no time.
            Kind::Shell(command) if script.events.iter().all(is_shell) => {
                let line = parser.line();
                parser.next += 1;
                script.events.push(Event {
                    line,
                    when: When::At(Time::Relative(Duration::ZERO)),
                    action: Action::Shell(command),
                });
            }
            Kind::Word(_)
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Ellipsis
            | Kind::Shell(_)
            | Kind::Code(_)
            | Kind::Sign(_) => script.events.push(parser.event()?),
        }
    }
}

const fn is_shell(event: &Event) -> bool {
    matches!(event.action, Action::Shell(_))
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.next).or_else(|| self.tokens.last())
    }

    fn peek(&self) -> &Kind {
        self.token().map_or(&Kind::End, |token| &token.kind)
    }

    fn peek_after(&self, skip: usize) -> &Kind {
        self.tokens
            .get(self.next + skip)
            .map_or(&Kind::End, |token| &token.kind)
    }

    fn line(&self) -> usize {
        self.token().map_or(0, |token| token.line)
    }

    fn spaced(&self) -> bool {
        self.token().is_none_or(|token| token.spaced)
    }

    fn fail<T>(&self, wanted: &str) -> Result<T> {
        Err(ParseError::new(
            self.line(),
            format!("expected {wanted}, found {}", name(self.peek())),
        ))
    }

    fn is(&self, sign: char) -> bool {
        *self.peek() == Kind::Sign(sign)
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn want(&mut self, sign: char) -> Result<()> {
        if self.eat(sign) {
            Ok(())
        } else {
            self.fail(&format!("{sign:?}"))
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(found) if found == word);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self) -> Result<String> {
        let Kind::Word(word) = self.peek().clone() else {
            return self.fail("a name");
        };
        self.next += 1;
        Ok(word)
    }

    fn integer(&mut self) -> Result<i64> {
        let negative = self.eat('-');
        let Kind::Number(digits) = self.peek().clone() else {
            return self.fail("a number");
        };
        let parsed = match digits
            .strip_prefix("0x")
            .or_else(|| digits.strip_prefix("0X"))
        {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        let Ok(value) = parsed else {
            return self.fail("a whole number");
        };
        self.next += 1;
        Ok(if negative { -value } else { value })
    }

    fn unsigned<T: TryFrom<i64>>(&mut self, what: &str) -> Result<T> {
        let line = self.line();
        let value = self.integer()?;
        T::try_from(value)
            .map_err(|_| ParseError::new(line, format!("{value} does not fit {what}")))
    }

    fn event(&mut self) -> Result<Event> {
        let line = self.line();
        let when = self.when()?;
        let action = match self.peek().clone() {
            Kind::Sign('<') => {
                self.next += 1;
                Action::Inject(self.packet(true)?)
            }
            Kind::Sign('>') => {
                self.next += 1;
                Action::Expect(self.packet(false)?)
            }
            Kind::Shell(command) => {
                self.next += 1;
                Action::Shell(command)
            }
            Kind::Code(code) => {
                self.next += 1;
                Action::Code(code)
            }
            Kind::Word(_) => Action::Call(self.call()?),
            Kind::Number(_)
            | Kind::Text(_)
            | Kind::Ellipsis
            | Kind::Option(..)
            | Kind::Sign(_)
            | Kind::End => return self.fail("a packet, a call, `command` or %{ code }%"),
        };
        Ok(Event { line, when, action })
    }

    fn when(&mut self) -> Result<When> {
        if self.eat('*') {
            return Ok(When::Any);
        }
        let first = self.time()?;
        if self.eat('~') {
            return Ok(When::Between(first, self.time()?));
        }
        if *self.peek() == Kind::Ellipsis {
            self.next += 1;
            return Ok(When::Blocking(first, self.time()?));
        }
        Ok(When::At(first))
    }

    fn time(&mut self) -> Result<Time> {
        let relative = self.eat('+');
        let line = self.line();
        // `.25`
        let bare = self.is('.') && matches!(self.peek_after(1), Kind::Number(_));
        self.next += usize::from(bare);
        let Kind::Number(text) = self.peek().clone() else {
            return self.fail("a time in seconds");
        };
        self.next += 1;
        let text = if bare { format!("0.{text}") } else { text };
        let span = seconds(&text)
            .ok_or_else(|| ParseError::new(line, format!("{text} is no time in seconds")))?;
        Ok(if relative {
            Time::Relative(span)
        } else {
            Time::Absolute(span)
        })
    }

    fn call(&mut self) -> Result<Call> {
        let name = self.word()?;
        self.want('(')?;
        let args = self.values(')')?;
        self.want('=')?;
        let result = self.value()?;
        let errno = match self.peek().clone() {
            Kind::Word(errno) if errno.starts_with('E') => {
                self.next += 1;
                Some(errno)
            }
            _ => None,
        };
        let note = if self.is('(') {
            Some(self.note()?)
        } else {
            None
        };
        Ok(Call {
            name,
            args,
            result,
            errno,
            note,
        })
    }

    /// The remark after an error: any tokens up to the closing parenthesis.
    fn note(&mut self) -> Result<String> {
        self.want('(')?;
        let mut words = Vec::new();
        while !self.eat(')') {
            if *self.peek() == Kind::End {
                return self.fail("')' after the remark");
            }
            words.push(text(self.peek()));
            self.next += 1;
        }
        Ok(words.join(" "))
    }

    fn values(&mut self, close: char) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        while !self.eat(close) {
            values.push(self.value()?);
            if !self.eat(',') && !self.is(close) {
                return self.fail(&format!("',' or {close:?}"));
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value> {
        match self.peek().clone() {
            Kind::Ellipsis => {
                self.next += 1;
                Ok(Value::Any)
            }
            Kind::Text(text) => {
                self.next += 1;
                // Adjacent pieces are one text; `"text"...` is a text of which the beginning is given.
                let mut whole = text;
                while let Kind::Text(more) = self.peek().clone() {
                    self.next += 1;
                    whole.push_str(&more);
                }
                self.next += usize::from(*self.peek() == Kind::Ellipsis);
                Ok(Value::Text(whole))
            }
            Kind::Sign('[') => {
                self.next += 1;
                Ok(Value::List(self.values(']')?))
            }
            Kind::Sign('{') => {
                self.next += 1;
                self.members().map(Value::Struct)
            }
            Kind::Word(_) => self.symbol(),
            Kind::Number(_) | Kind::Sign('-') => self.number_or_flags(),
            Kind::Shell(_) | Kind::Code(_) | Kind::Option(..) | Kind::Sign(_) | Kind::End => {
                self.fail("a value")
            }
        }
    }

    fn number_or_flags(&mut self) -> Result<Value> {
        let number = self.integer()?;
        if !self.is('|') {
            return Ok(Value::Number(number));
        }
        let mut joined = number.to_string();
        self.joined(&mut joined)?;
        Ok(Value::Symbol(joined))
    }

    fn joined(&mut self, joined: &mut String) -> Result<()> {
        while self.eat('|') {
            joined.push('|');
            match self.peek() {
                Kind::Number(_) => joined.push_str(&self.integer()?.to_string()),
                _ => joined.push_str(&self.word()?),
            }
        }
        Ok(())
    }

    fn symbol(&mut self) -> Result<Value> {
        let word = self.word()?;
        if self.eat('(') {
            return Ok(Value::Call(word, self.values(')')?));
        }
        let mut joined = word;
        self.joined(&mut joined)?;
        Ok(Value::Symbol(joined))
    }

    /// `name=`, or `name(length)=` whose length nobody needs; empty for a member without a name.
    fn member_name(&mut self) -> Result<String> {
        let plain = matches!(
            (self.peek(), self.peek_after(1)),
            (Kind::Word(_), Kind::Sign('='))
        );
        let sized = matches!(
            (self.peek(), self.peek_after(1), self.peek_after(3)),
            (Kind::Word(_), Kind::Sign('('), Kind::Sign(')'))
        ) && *self.peek_after(4) == Kind::Sign('=');
        if !plain && !sized {
            return Ok(String::new());
        }
        let name = self.word()?;
        self.next += if sized { 3 } else { 0 };
        self.want('=')?;
        Ok(name)
    }

    fn members(&mut self) -> Result<Vec<(String, Value)>> {
        let mut members = Vec::new();
        while !self.eat('}') {
            members.push((self.member_name()?, self.value()?));
            if !self.eat(',') && !self.is('}') {
                return self.fail("',' or '}'");
            }
        }
        Ok(members)
    }
}

/// Decimal seconds, exactly to the nanosecond.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    Some(Duration::new(whole.parse().ok()?, nanos.parse().ok()?))
}

fn text(kind: &Kind) -> String {
    match kind {
        Kind::Word(text) | Kind::Number(text) | Kind::Text(text) => text.clone(),
        Kind::Ellipsis => "...".to_owned(),
        Kind::Shell(text) => format!("`{text}`"),
        Kind::Code(_) => "%{ }%".to_owned(),
        Kind::Option(name, _) => format!("--{name}"),
        Kind::Sign(sign) => sign.to_string(),
        Kind::End => String::new(),
    }
}

fn name(kind: &Kind) -> String {
    match kind {
        Kind::End => "the end of the script".to_owned(),
        Kind::Word(_)
        | Kind::Number(_)
        | Kind::Text(_)
        | Kind::Ellipsis
        | Kind::Shell(_)
        | Kind::Code(_)
        | Kind::Option(..)
        | Kind::Sign(_) => format!("{:?}", text(kind)),
    }
}

#[cfg(test)]
mod tests;
