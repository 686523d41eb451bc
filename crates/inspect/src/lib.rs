//! wip
#![forbid(unsafe_code)]

mod conversation;
pub mod dissect;
mod http;
mod identity;
mod ladder;
mod paint;
mod print;
mod run;

pub use conversation::{Conversation, Conversations, End, Relative, Seen, Talk};
pub use http::start_lines;
pub use identity::Identity;
pub use ladder::{Ladder, LadderOptions};
pub use paint::{ColorChoice, Paint};
pub use print::{PrintOptions, Printer};
pub use run::{InspectError, ladder, print};

/// `#193` for `pkt:193`; timers and calls as they are.
fn shown_cause(cause: &str) -> String {
    cause
        .strip_prefix("pkt:")
        .map_or_else(|| cause.to_owned(), |id| format!("#{id}"))
}
