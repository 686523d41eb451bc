//! What if this packet had been lost?
//!
//! Job: take a play, find which packet of the link a packet of its recording was, and play it again with one fault more.
//! Owns: faults as text, and the way from a recorded packet to the link's. Does not know: how the two are shown.
//! Only scenarios can be played again: of a live conversation the other half was never ours.
//!
//! ```text
//!   #17 of the recording ──► the client's 9th packet ──► fault ──► the same play with it ──► another future
//! ```
//! Until that packet both runs are the same to the byte: same seed, same chances (`netem` asks chance equally often
//! whatever the script says). Faults are kept by the link's numbers, not the recording's, so that they still mean the
//! same packets after a further one was added.

use core::fmt;
use core::str::FromStr;
use std::io;

use outcrop_base::Direction;
use outcrop_capture::{ReadError, Reader, Record};
use outcrop_netem::{Fault, ParseError};

use crate::Side;
use crate::scenario::{FAULTS_MAX, Placed, Play, Recording};

/// Another fate for a recorded packet: `drop:17`, `delay:17:200ms`, `duplicate:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The packet's number in the recording.
    pub packet: u64,
    /// What befalls it.
    pub fault: Fault,
}

/// A play and its other future.
#[derive(Clone, Debug)]
pub struct Futures {
    /// As it was played.
    pub before: Recording,
    /// With the change.
    pub after: Recording,
    /// The play with the change: what `after` is a recording of.
    pub play: Play,
    /// Who sent the packet in question.
    pub from: Side,
}

/// Why there is no other future.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The change could not be understood.
    #[error(
        "`{0}` is no change: give drop:PACKET, duplicate:PACKET or delay:PACKET:TIME, such as delay:17:200ms"
    )]
    NoChange(String),
    /// The fault could not be understood.
    #[error(transparent)]
    Fault(#[from] ParseError),
    /// A place could not be understood.
    #[error("`{0}` is no fault with its place, such as right:5:drop")]
    NoPlace(String),
    /// There are too many.
    #[error("a play takes {FAULTS_MAX} faults, no more")]
    TooMany,
    /// The recording has no such packet.
    #[error("it has no packet #{packet}: the last is #{last}")]
    NoPacket {
        /// What was asked for.
        packet: u64,
        /// The last there is.
        last: u64,
    },
    /// The play's own recording could not be read: a defect of ours.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Playing failed.
    #[error("playing it failed: {0}")]
    Play(#[from] io::Error),
}

impl FromStr for Change {
    type Err = WhatIfError;

    fn from_str(text: &str) -> Result<Self, WhatIfError> {
        let wrong = || WhatIfError::NoChange(text.to_owned());
        let (name, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (packet, by) = rest
            .split_once(':')
            .map_or((rest, None), |(packet, by)| (packet, Some(by)));
        let packet = packet.parse().map_err(|_| wrong())?;
        let fault = match by {
            Some(by) => format!("{name}:{by}").parse()?,
            None => name.parse()?,
        };
        Ok(Self { packet, fault })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault.to_string();
        match fault.split_once(':') {
            Some((name, by)) => write!(f, "{name}:{}:{by}", self.packet),
            None => write!(f, "{fault}:{}", self.packet),
        }
    }
}

/// Plays a scenario as it was, and as it would have been.
///
/// # Errors
/// There is no such packet, or the play has all the faults it takes.
pub fn what_if(play: &Play, change: Change) -> Result<Futures, WhatIfError> {
    if play.faults.len() >= FAULTS_MAX {
        return Err(WhatIfError::TooMany);
    }
    let before = play.run()?;
    let (from, number) = place(&before, change.packet)?;
    let mut play = play.clone();
    let same = |placed: &Placed| placed.from == from && placed.number == number;
    play.faults.retain(|placed| !same(placed));
    play.faults.push(Placed {
        from,
        number,
        fault: change.fault,
    });
    let after = play.run()?;
    Ok(Futures {
        before,
        after,
        play,
        from,
    })
}

/// Which packet of the link a recorded one was: sent by the server it is the next of its direction, received it is what
/// arrived.
fn place(recording: &Recording, packet: u64) -> Result<(Side, u64), WhatIfError> {
    let mut arrivals = recording.arrivals.iter();
    let (mut sent, mut last) = (0, 0);
    for record in Reader::new(&recording.capture[..])? {
        let Record::Packet(found) = record? else {
            continue;
        };
        let place = match found.direction {
            Some(Direction::In) => arrivals.next().map(|number| (Side::Left, *number)),
            Some(Direction::Out) => {
                sent += 1;
                Some((Side::Right, sent))
            }
            None => None,
        };
        last = found.shown_id();
        if last == packet
            && let Some(place) = place
        {
            return Ok(place);
        }
    }
    Err(WhatIfError::NoPacket { packet, last })
}

/// Faults as a capture keeps them: `left:2:delay:200ms,right:5:drop`.
#[must_use]
pub fn written(faults: &[Placed]) -> String {
    let one = |placed: &Placed| {
        let side = match placed.from {
            Side::Left => "left",
            Side::Right => "right",
        };
        format!("{side}:{}:{}", placed.number, placed.fault)
    };
    faults.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Faults out of a capture.
///
/// # Errors
/// They are too many, or make no sense.
pub fn read(text: &str) -> Result<Vec<Placed>, WhatIfError> {
    let mut faults = Vec::new();
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let wrong = || WhatIfError::NoPlace(word.to_owned());
        let mut parts = word.splitn(3, ':');
        let from = match parts.next() {
            Some("left") => Side::Left,
            Some("right") => Side::Right,
            _ => return Err(wrong()),
        };
        let number = parts.next().and_then(|number| number.parse().ok());
        let fault = parts.next().ok_or_else(wrong)?.parse()?;
        if faults.len() == FAULTS_MAX {
            return Err(WhatIfError::TooMany);
        }
        faults.push(Placed {
            from,
            number: number.ok_or_else(wrong)?,
            fault,
        });
    }
    Ok(faults)
}
