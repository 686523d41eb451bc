//! Layer 7 of the Outcrop stack: HTTP/1.1 as a sans-IO engine.
#![forbid(unsafe_code)]

pub mod h1;
pub mod pages;
