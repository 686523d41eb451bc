//! Scripts in the packetdrill language, against the stack in virtual time.
//!
//! A script is a dialogue: packets that arrive (`<`), packets that must leave (`>`), calls of the program with
//! their results, and the moment of each. [`run()`] plays it and says whether it went as written.
//!
//! ```
//! use outcrop_testkit::drill::{Options, run};
//! let script = "
//! 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//! +0 bind(3, ..., ...) = 0
//! +0 listen(3, 1) = 0
//! +0 < S 0:0(0) win 1000 <mss 1000>
//! +0 > S. 0:0(0) ack 1 <mss 1460>
//! +.1 < . 1:1(0) ack 1 win 1000
//! +0 accept(3, ..., ...) = 4
//! +0 write(4, ..., 10) = 10
//! +0 > P. 1:11(10) ack 1
//! +.1 < . 1:1(0) ack 11 win 1000
//! ";
//! let report = run(script, &Options::default());
//! assert!(report.passed(), "{report}");
//! ```
//!
//! Files, in reading order: `ast` says what a script is, `lex` and `parse` read one, `run` plays it;
//! `host` is the stack and its clock, `program` makes the calls, `numbers` translates sequence numbers and
//! timestamps, `wire` and `icmp` know bytes, `compare` holds packets against each other, `code` evaluates
//! assertions, `shell`, `sockstat` and `rules` know what a script asks of the system, `signature` signs, `report` words the verdict.

pub mod ast;
mod code;
mod compare;
mod host;
mod icmp;
mod lex;
mod numbers;
mod parse;
mod program;
mod report;
mod rules;
mod run;
mod shell;
mod signature;
mod sockstat;
mod text;
mod wire;

pub use parse::{ParseError, parse};
pub use report::{Dialect, Failure, Family, Options, Outcome, Report};
pub(crate) use run::{Departure, observe};
pub use run::{run, run_script};
