//! Recordings played again.
//!
//! Job: play a capture's scenario once more, or its foreign client against our server, and find the first difference.
//! Owns: what makes two packets the same: bytes, direction, time, reason and cause. Does not know: how a
//! difference is shown. The line of code that decided a packet is never compared: an edit moves it.

use core::time::Duration;
use std::io::{self, Read};

use outcrop_base::{Cause, Direction, Why};
use outcrop_capture::{Packet, ReadError, Reader, Record, Section};

use crate::foreign::{self, PlayError};
use crate::scenario::{Play, Scenario};
use crate::what_if;

/// What a replay found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A recording of ours came out the same, packet by packet.
    Identical {
        /// Which.
        scenario: Scenario,
        /// How many packets.
        packets: usize,
    },
    /// A recording of ours came out differently.
    Diverged(Box<Divergence>),
    /// A capture of other stacks was played against our server.
    Foreign(foreign::Report),
}

/// The first difference between a recording and its replay.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Which scenario.
    pub scenario: Scenario,
    /// The packet's place in the recording, from 1.
    pub number: usize,
    /// What differs: `time`, `direction`, `bytes`, `why`, `cause`, or that one of them ended.
    pub what: Vec<&'static str>,
    /// All packets before it, the same in both.
    pub before: Vec<Packet>,
    /// What was recorded.
    pub expected: Option<Packet>,
    /// What came out.
    pub actual: Option<Packet>,
    /// The whole replay, pcapng.
    pub capture: Vec<u8>,
}

/// Why a capture could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file is damaged or no capture.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A capture of other stacks that cannot be played.
    #[error(transparent)]
    Foreign(#[from] PlayError),
    /// The scenario named in the capture is not one of this version.
    #[error("its scenario {0:?} is unknown to this version: one of {known}", known = known())]
    UnknownScenario(String),
    /// The seed named in the capture is no number.
    #[error("its seed {0:?} is no number")]
    BadSeed(String),
    /// What befell its packets makes no sense.
    #[error("its faults: {0}")]
    BadFaults(String),
    /// A live recording of ours: half of the conversation was not ours to repeat.
    #[error(
        "it was recorded live, and the other end was not ours: only scenarios and foreign captures can be replayed; \
         `outcrop print` and `outcrop ladder` show it"
    )]
    Live,
    /// Playing failed.
    #[error("playing it failed: {0}")]
    Play(#[from] io::Error),
}

fn known() -> String {
    let names: Vec<_> = Scenario::ALL
        .iter()
        .map(|scenario| scenario.name())
        .collect();
    names.join(", ")
}

/// Replays a capture: its scenario if it is a recording of ours, its client's half otherwise.
///
/// # Errors
/// The capture is damaged, or cannot be replayed. A difference is an outcome, not an error.
pub fn replay(capture: &[u8]) -> Result<Outcome, ReplayError> {
    let reader = Reader::new(capture)?;
    let section = reader.section().clone();
    let ours = reader.is_ours();
    let Some(play) = played(&section)? else {
        return if ours {
            Err(ReplayError::Live)
        } else {
            Ok(Outcome::Foreign(foreign::play(capture)?))
        };
    };
    let expected = packets(reader)?;
    let recording = play.run()?;
    let actual = packets(Reader::new(&recording.capture[..])?)?;
    Ok(compare(play.scenario, expected, actual, recording.capture))
}

/// The play a capture is of, if it is of one.
///
/// # Errors
/// It names what this version does not know.
pub fn played(section: &Section) -> Result<Option<Play>, ReplayError> {
    let Some(name) = section.get("scenario") else {
        return Ok(None);
    };
    let scenario = Scenario::from_name(name);
    let scenario = scenario.ok_or_else(|| ReplayError::UnknownScenario(name.to_owned()))?;
    let seed = section.get("seed").unwrap_or_default();
    let seed = seed
        .parse()
        .map_err(|_| ReplayError::BadSeed(seed.to_owned()))?;
    let faults = what_if::read(section.get("faults").unwrap_or_default())
        .map_err(|error| ReplayError::BadFaults(error.to_string()))?;
    Ok(Some(Play {
        scenario,
        seed,
        faults,
    }))
}

fn packets<R: Read>(reader: Reader<R>) -> Result<Vec<Packet>, ReadError> {
    let mut packets = Vec::new();
    for record in reader {
        if let Record::Packet(packet) = record? {
            packets.push(packet);
        }
    }
    Ok(packets)
}

fn compare(
    scenario: Scenario,
    expected: Vec<Packet>,
    actual: Vec<Packet>,
    capture: Vec<u8>,
) -> Outcome {
    let count = expected.len().max(actual.len());
    for index in 0..count {
        let (recorded, replayed) = (expected.get(index), actual.get(index));
        let what = differences(recorded, replayed);
        if !what.is_empty() {
            let before = expected.get(..index).unwrap_or_default().to_vec();
            return Outcome::Diverged(Box::new(Divergence {
                scenario,
                number: index + 1,
                what,
                before,
                expected: recorded.cloned(),
                actual: replayed.cloned(),
                capture,
            }));
        }
    }
    Outcome::Identical {
        scenario,
        packets: count,
    }
}

/// What makes a packet of a recording itself.
fn identity(packet: &Packet) -> (Duration, Option<Direction>, &[u8], Option<Why>, Cause) {
    (
        packet.at,
        packet.direction,
        &packet.bytes,
        packet.why(),
        packet.cause(),
    )
}

fn differences(recorded: Option<&Packet>, replayed: Option<&Packet>) -> Vec<&'static str> {
    let (Some(recorded), Some(replayed)) = (recorded, replayed) else {
        return vec![if recorded.is_some() {
            "the replay ends here"
        } else {
            "the recording ends here"
        }];
    };
    let (recorded, replayed) = (identity(recorded), identity(replayed));
    let fields = [
        ("time", recorded.0 == replayed.0),
        ("direction", recorded.1 == replayed.1),
        ("bytes", recorded.2 == replayed.2),
        ("why", recorded.3 == replayed.3),
        ("cause", recorded.4 == replayed.4),
    ];
    fields
        .iter()
        .filter(|(_, same)| !same)
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use outcrop_capture::Annotations;

    /// The SYN-ACK of a recording, and the same with its comment changed.
    fn syn_ack(from: &str, to: &str) -> (Packet, Packet) {
        let recording = scenario::play(Scenario::Get, 1).unwrap().capture;
        let packets = packets(Reader::new(&recording[..]).unwrap()).unwrap();
        let packet = packets[1].clone();
        let notes = packet.notes.as_str().replace(from, to);
        let mut other = packet.clone();
        other.notes = Annotations::parse(&notes).unwrap();
        assert_ne!(
            other.notes.as_str(),
            packet.notes.as_str(),
            "the comment has {from}"
        );
        (packet, other)
    }

    #[test]
    fn line_of_source_moved_makes_no_difference() {
        let (packet, moved) = syn_ack("src=crates/", "src=elsewhere/");
        assert!(differences(Some(&packet), Some(&moved)).is_empty());
    }

    #[test]
    fn another_reason_cause_or_time_makes_a_difference_and_is_named() {
        let (packet, other) = syn_ack("why=syn-ack", "why=rto");
        assert_eq!(differences(Some(&packet), Some(&other)), ["why"]);
        let (packet, other) = syn_ack("cause=pkt:1", "cause=pkt:9");
        assert_eq!(differences(Some(&packet), Some(&other)), ["cause"]);
        let mut later = packet.clone();
        later.at += Duration::from_nanos(1);
        assert_eq!(differences(Some(&packet), Some(&later)), ["time"]);
        assert_eq!(differences(Some(&packet), None), ["the replay ends here"]);
    }
}
