//! The laboratory of the Outcrop stack.
#![forbid(unsafe_code)]

pub mod drill;
