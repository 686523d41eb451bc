//! Captures for the tools of others.
//!
//! Job: choose what to tell, and tell it in their formats. Owns: the choice of a conversation.
//! Does not know: files. One format, one file.
//!
//! | format | told | shown by |
//! |---|---|---|
//! | HAR 1.2 | every HTTP exchange | browsers' developer tools |
//! | xplot | sequence numbers of one connection over time | xplot, xplot.org's heirs |
//! | qlog, JSON-SEQ | packets, windows, losses and states of one connection | qvis |

mod har;
mod qlog;
mod xplot;

use std::io::{self, Read};

use outcrop_capture::{ReadError, Reader, Record};

use crate::conversation::{Conversation, Conversations, Talk};
use crate::dissect::Upper;

pub use har::har;
pub use qlog::qlog;
pub use xplot::xplot;

/// Why a capture could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The capture is bad; what came before was written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output was refused.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// There is nothing of the kind that the format tells.
    #[error("the capture holds no {0}")]
    Nothing(&'static str),
}

/// A connection of a capture, and which way most of its bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The conversation, by index.
    pub conversation: usize,
    /// Whether the peer sent more than we did.
    pub inbound: bool,
}

/// The TCP connection that carried the most, or the one of this index.
///
/// # Errors
/// The capture is damaged, or holds no such connection.
pub fn choose<R: Read>(
    reader: &mut Reader<R>,
    wanted: Option<usize>,
) -> Result<Chosen, ExportError> {
    let mut conversations = Conversations::new();
    // Bytes to us, from us.
    let mut carried: Vec<[u64; 2]> = Vec::new();
    for record in reader {
        let Record::Packet(packet) = record? else {
            continue;
        };
        let seen = conversations.packet(&packet);
        let (Upper::Tcp(tcp), Some(index)) = (&seen.upper, seen.conversation) else {
            continue;
        };
        if carried.len() <= index {
            carried.resize(index + 1, [0; 2]);
        }
        let sums = carried
            .get_mut(index)
            .and_then(|both| both.get_mut(usize::from(!seen.inbound)));
        if let Some(sum) = sums {
            *sum += u64::try_from(tcp.payload.wire_len).unwrap_or(0);
        }
    }
    let is_tcp = |index: usize| {
        let conversation: Option<&Conversation> = conversations.get(index);
        conversation.is_some_and(|conversation| conversation.talk == Talk::Tcp)
    };
    let (conversation, [to_us, from_us]) = carried
        .iter()
        .enumerate()
        .filter(|(index, _)| is_tcp(*index) && wanted.is_none_or(|wanted| wanted == *index))
        // Of equals the first.
        .max_by_key(|(index, sums)| (sums.iter().sum::<u64>(), core::cmp::Reverse(*index)))
        .ok_or(ExportError::Nothing("such TCP connection"))?;
    Ok(Chosen {
        conversation,
        inbound: to_us > from_us,
    })
}
