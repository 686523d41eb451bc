//! Instructions of the hot functions.
//!
//! Job: let callgrind count what one packet, one request and their parts take. Owns: the list of what counts.
//! Does not know: how many are too many; `cargo xtask instructions` compares with `docs/bench/instructions.toml`.
//! Everything is prepared before counting begins, in memory, with virtual time: the same figures on every machine of
//! one kind.
#![forbid(unsafe_code)]
#![expect(
    missing_docs,
    unused_qualifications,
    reason = "what the macros make of a benchmark"
)]

mod engine;
mod parts;
mod request;

use iai_callgrind::{library_benchmark_group, main};

use engine::{tcp_emits_a_header, tcp_sends_a_segment, tcp_takes_a_segment, tcp_takes_text};
use parts::{checksum_of_1460_bytes, h1_answers, h1_reads_a_request, wheel_arms_and_fires};
use request::{closing_requests, kept_alive_requests, pipelined_requests};

library_benchmark_group!(
    name = parts_of_it;
    benchmarks = checksum_of_1460_bytes, wheel_arms_and_fires, h1_reads_a_request, h1_answers
);
library_benchmark_group!(
    name = tcp;
    benchmarks = tcp_takes_a_segment, tcp_emits_a_header, tcp_takes_text, tcp_sends_a_segment
);
library_benchmark_group!(
    name = requests;
    benchmarks = kept_alive_requests, pipelined_requests, closing_requests
);
main!(library_benchmark_groups = parts_of_it, tcp, requests);
