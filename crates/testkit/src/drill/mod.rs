//! Scripts in the packetdrill language, against the stack in virtual time.
//!
//! `ast` says what a script is, `lex` and `parse` read one.

pub mod ast;
mod lex;
mod parse;

pub use parse::{ParseError, parse};
