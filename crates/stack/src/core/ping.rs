//! Echo requests as something a program holds.
//!
//! Job: keep the answers of each sender of echo requests apart until they are read.
//! Owns: one bounded queue an identifier. Does not know: timing; the answers carry when they arrived.
//! Sources: RFC 792 (identifier and sequence number), RFC 4443 4.1.

use core::hash::{Hash, Hasher};
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::Share;
use outcrop_ip::{EchoReply, Quote};

use super::PingId;

/// Answers kept for one sender; more are dropped, as a full socket drops datagrams.
pub const PING_QUEUE: usize = 64;

/// What became of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It was answered.
    Reply(EchoReply),
    /// An ICMP error came back instead.
    Error(Quote),
}

/// Every sender of echo requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Pings {
    open: BTreeMap<u16, Answers>,
    /// Where the search for a free identifier goes on.
    next: u16,
}

#[derive(Clone, Debug, Default)]
struct Answers {
    queue: VecDeque<Echo>,
    /// An answer has arrived that nobody was told about.
    untold: bool,
}

impl Pings {
    /// A free identifier of our share, or `None` if all are taken.
    pub(super) fn open(&mut self, share: Share) -> Option<PingId> {
        let ident = (0..=u16::MAX)
            .map(|step| self.next.wrapping_add(step))
            .find(|ident| share.owns(*ident) && !self.open.contains_key(ident))?;
        self.next = ident.wrapping_add(1);
        self.open.insert(ident, Answers::default());
        Some(PingId(ident))
    }

    pub(super) fn close(&mut self, id: PingId) {
        self.open.remove(&id.0);
    }

    pub(super) fn pop(&mut self, id: PingId) -> Option<Echo> {
        self.open.get_mut(&id.0)?.queue.pop_front()
    }

    pub(super) fn hear(&mut self, ident: u16, echo: Echo) {
        if let Some(answers) = self.open.get_mut(&ident)
            && answers.queue.len() < PING_QUEUE
        {
            answers.untold |= answers.queue.is_empty();
            answers.queue.push_back(echo);
        }
    }

    /// Whoever has an answer and was not told.
    pub(super) fn poll_event(&mut self) -> Option<PingId> {
        let (ident, answers) = self.open.iter_mut().find(|(_, a)| a.untold)?;
        answers.untold = false;
        Some(PingId(*ident))
    }

    pub(super) fn fingerprint(&self, into: &mut dyn Hasher) {
        let mut into = into;
        for (ident, answers) in &self.open {
            (ident, answers.untold, answers.queue.len()).hash(&mut into);
        }
    }
}
