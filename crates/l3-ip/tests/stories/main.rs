//! Stories of one host: what it answers, what it says, what it keeps quiet about.
//! Packets are built and read with `etherparse`, so that ours is never the only reading.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "tests"
)]

mod advertising;
mod echo;
mod errors;
mod group_sources;
mod groups;
mod host;
mod judged;
mod labels;
mod numbers;
mod passed_groups;
mod redirects;
mod router;
mod sending;
