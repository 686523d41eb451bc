//! Where the time of a conversation went.
//!
//! Job: lay each pause between two packets at somebody's door: the network, the peer, our program, a timer.
//! Owns: the rule by which. Does not know: markup.
//! The rule: what ends a pause is what was waited for. An arrival ends a round trip if bytes of ours were under
//! way, and the peer's own pause if none were; a packet of ours says itself what it waited for.

use core::time::Duration;

use crate::story::{Point, Waited};

/// Whom a pause belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Bytes of ours were under way: a round trip.
    Network,
    /// Bytes of ours were under way for the second time: what a loss cost.
    Repair,
    /// Nothing of ours was: the peer had nothing to say.
    Peer,
    /// The program had nothing to say.
    Program,
    /// A timer had to run out.
    Timer,
    /// Everything was there: our own work.
    Us,
    /// In a capture of others, the end taken for ours.
    ThisEnd,
}

impl Whose {
    pub(super) const ALL: [Self; 7] = [
        Self::Network,
        Self::Repair,
        Self::Peer,
        Self::Program,
        Self::Timer,
        Self::Us,
        Self::ThisEnd,
    ];

    /// Its class.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Network => "t-net",
            Self::Repair => "t-again",
            Self::Peer => "t-peer",
            Self::Program => "t-app",
            Self::Timer => "t-timer",
            Self::Us => "t-us",
            Self::ThisEnd => "t-end",
        }
    }

    /// What was waited for, in words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Network => "a round trip: something of ours was under way",
            Self::Repair => "a round trip more: a loss was being repaired",
            Self::Peer => "the peer: nothing of ours was under way",
            Self::Program => "our program",
            Self::Timer => "a timer of ours",
            Self::Us => "our stack at work",
            Self::ThisEnd => "this end",
        }
    }
}

/// A pause, and the packet that ended it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) whose: Whose,
    pub(super) length: Duration,
    /// The packet's number.
    pub(super) ended_by: u64,
}

/// The pauses of a conversation, in order.
pub(super) fn pauses(points: &[&Point], known: bool) -> Vec<Pause> {
    let mut pauses = Vec::new();
    let mut last: Option<Duration> = None;
    // The farthest we sent and the farthest we know to have arrived.
    let (mut sent, mut heard) = (0, 0);
    // The end of what was sent again.
    let mut repaired = 0;
    let mut asked = false;
    for point in points {
        if let Some(last) = last {
            pauses.push(Pause {
                whose: whose(point, known, (sent > heard || asked, repaired > heard)),
                length: point.at.saturating_sub(last),
                ended_by: point.id,
            });
        }
        last = Some(point.at);
        match (point.tcp, point.inbound) {
            (Some(tcp), false) => {
                sent = sent.max(tcp.end);
                if point.again {
                    repaired = repaired.max(tcp.end);
                }
            }
            (Some(tcp), true) => heard = heard.max(tcp.ack.unwrap_or(0)),
            // A ping or a datagram: an answer is awaited until one comes.
            (None, inbound) => asked = !inbound && !point.answers,
        }
    }
    pauses
}

const fn whose(point: &Point, known: bool, (outstanding, repair): (bool, bool)) -> Whose {
    match (point.inbound, point.waited) {
        (true, _) if repair => Whose::Repair,
        (true, _) if outstanding => Whose::Network,
        (true, _) => Whose::Peer,
        (false, Waited::Call) => Whose::Program,
        (false, Waited::Timer) => Whose::Timer,
        (false, Waited::Nothing) if known => Whose::Us,
        (false, Waited::Nothing) => Whose::ThisEnd,
    }
}

/// How much of the time was whose, in the order of [`Whose::ALL`].
pub(super) fn shares(pauses: &[Pause]) -> [(Whose, Duration); 7] {
    Whose::ALL.map(|whose| {
        let same = pauses.iter().filter(|pause| pause.whose == whose);
        (whose, same.map(|pause| pause.length).sum())
    })
}
