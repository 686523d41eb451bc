//! A drill script drafted from a capture.
//!
//! Job: turn one connection of a capture into a script that `drill` passes: the peer's packets as they came, calls that
//! explain ours, and our packets as expectations. Owns: the guess at the calls. Does not know: the engine.
//!
//! What a stack of ours sent comes out again, so its capture's own packets are the expectations. Where another stack was
//! recorded, ours may segment, acknowledge or repair in another way that is as right: then the expectations are what
//! ours does, and every line that differs from the capture says so and quotes it. Such a script is a draft: whoever keeps
//! it decides which of the two is right.

mod program;
mod segment;

use core::time::Duration;
use std::io::Read;

use outcrop_capture::{ReadError, Reader, Record};

use crate::drill::{Family, Options, observe, parse, run};
use crate::foreign::Conversation;
use crate::foreign::Packet;
use program::{Act, Line};

/// The first packet of a script, so that calls have a time before it.
const LEAD: Duration = Duration::from_millis(100);
/// A connection longer than this is no script anybody reads.
const PACKETS_MAX: usize = 5_000;

/// Which end of the connection the script's stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that sent the SYN.
    Client,
    /// The one that answered.
    Server,
}

/// A script, and how it came about.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The script.
    pub script: String,
    /// Packets of the connection.
    pub packets: usize,
    /// Expectations that are not the capture's, and packets of the capture that ours does not send.
    pub differences: usize,
    /// Which end it is.
    pub role: Role,
    /// Whether it is run over IPv6.
    pub family: Family,
}

/// Why there is no script.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The file is damaged or no capture.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such connection.
    #[error(
        "it has {found} TCP connections that begin with their SYN, and number {wanted} was asked for"
    )]
    NoConnection {
        /// How many there are.
        found: usize,
        /// Which was asked for, from 1.
        wanted: usize,
    },
    /// It is too long.
    #[error("the connection has {0} packets; a script may have {PACKETS_MAX}: capture less")]
    TooLong(usize),
    /// The draft itself does not run.
    #[error("the draft cannot be played: {0}")]
    Unplayable(String),
}

/// Drafts a script of connection `wanted` (from 1); `role` as it is in a capture of ours, else the server.
///
/// # Errors
/// There is no such connection, or the capture is damaged.
pub fn draft(capture: impl Read, wanted: usize, role: Option<Role>) -> Result<Draft, DraftError> {
    let mut packets = Vec::new();
    let mut out_from = Vec::new();
    for record in Reader::new(capture)? {
        let Record::Packet(packet) = record? else {
            continue;
        };
        // A script's packets all have right checksums.
        if packet
            .notes
            .get("drop")
            .is_some_and(|why| why.contains("checksum"))
        {
            continue;
        }
        let parsed = packet
            .network()
            .and_then(|(_, bytes)| Packet::parse(packet.at, &bytes));
        if let Some(parsed) = parsed {
            if packet.direction == Some(outcrop_base::Direction::Out) {
                out_from.push(parsed.src);
            }
            packets.push(parsed);
        }
    }
    let all = Conversation::all(packets);
    let found = all.len();
    let missing = DraftError::NoConnection { found, wanted };
    let chosen = wanted
        .checked_sub(1)
        .and_then(|index| all.into_iter().nth(index));
    let chosen = chosen.ok_or(missing)?;
    if chosen.packets.len() > PACKETS_MAX {
        return Err(DraftError::TooLong(chosen.packets.len()));
    }
    let known = if out_from.contains(&chosen.client) {
        Role::Client
    } else {
        Role::Server
    };
    write(&chosen, role.unwrap_or(known), !out_from.is_empty())
}

fn write(conversation: &Conversation, role: Role, ours: bool) -> Result<Draft, DraftError> {
    let family = if conversation.client.is_ipv6() {
        Family::V6
    } else {
        Family::V4
    };
    let options = Options {
        family,
        ..Options::default()
    };
    let lines = program::of(conversation, role);
    let head = head(conversation, role, family);
    let mut draft = Draft {
        script: format!("{head}{}", program::text(&lines)),
        packets: conversation.packets.len(),
        differences: 0,
        role,
        family,
    };
    if run(&draft.script, &options).passed() {
        return Ok(draft);
    }
    let script = parse(&draft.script);
    let script = script
        .map_err(|error| DraftError::Unplayable(format!("line {}: {}", error.line, error.what)))?;
    let departures = observe(&script, &options).map_err(DraftError::Unplayable)?;
    let lines = program::with(&lines, &departures);
    draft.differences = lines.iter().filter(|line| line.differs()).count();
    let whose = if ours {
        "an earlier run's"
    } else {
        "the recorded stack's"
    };
    let remark = format!(
        "// {} expectations are ours and not {whose}: they are marked, and what was recorded is quoted.\n",
        draft.differences
    );
    draft.script = format!("{head}{remark}{}", program::text(&lines));
    let report = run(&draft.script, &options);
    if report.passed() {
        Ok(draft)
    } else {
        Err(DraftError::Unplayable(report.to_string()))
    }
}

fn head(conversation: &Conversation, role: Role, family: Family) -> String {
    let Conversation { client, server, .. } = conversation;
    let whose = match role {
        Role::Client => "the client",
        Role::Server => "the server",
    };
    let mut head = format!(
        "// Drafted by `outcrop to-drill` from a capture of {client} > {server}; the stack is {whose}.\n--dialect=ours\n"
    );
    if family == Family::V6 {
        head.push_str("--ip_version=ipv6\n");
    }
    head
}

impl Line {
    /// Whether it is not the capture's.
    fn differs(&self) -> bool {
        self.recorded.is_some() || matches!(self.act, Act::Unsent(_)) || self.alone
    }
}
