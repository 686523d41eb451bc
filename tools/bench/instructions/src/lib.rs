//! Instructions of the hot functions, under callgrind: all of it is in `benches/instructions`, run by `cargo xtask
//! instructions`.
//!
//! A package of its own, since CI compiles it with optimisation and it needs a fifth of what `tools/bench` does.
#![forbid(unsafe_code)]
