//! wip
#![forbid(unsafe_code)]
pub mod dissect;
pub mod http;
mod paint;
mod print;

pub use paint::{ColorChoice, Paint};
pub use print::{PrintOptions, Printer};

/// `#193` for `pkt:193`; timers and calls as they are.
pub(crate) fn shown_cause(cause: &str) -> String {
    cause
        .strip_prefix("pkt:")
        .map_or_else(|| cause.to_owned(), |id| format!("#{id}"))
}
