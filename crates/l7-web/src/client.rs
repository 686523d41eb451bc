//! What a program that fetches needs beyond one request on one connection.
//!
//! Job: cookies kept, redirects followed, failures tried again, answers kept: each as a decision without I/O.
//! Owns: what is remembered. Does not know: connections. Sources: each file's own.

pub mod cache;
pub mod jar;
pub mod payload;
pub mod pool;
pub mod redirect;
pub mod retry;
pub mod route;
