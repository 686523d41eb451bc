//! Real programs against our server, as tables in the book: what was tried is what is written there.
//!
//! `UPDATE=1 cargo test -p outcrop-tests --test interop` writes the tables anew.

mod browser;
mod fetch;
mod sealed;
mod tools;
