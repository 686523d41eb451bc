//! Where one connection lives, whatever its phase.
//!
//! Job: hold an embryo, a connection or what is left of one, and what the endpoint must remember about it.
//! Owns: the phase, who holds the id, which edges were not told, which timer was filed.
//! Does not know: other places.

use core::time::Duration;

use outcrop_base::{ChunkQueue, Instant};

use super::shared::SettingsId;
use crate::account::Explanation;
use crate::connection::Connection;
use crate::connection::dormant::Dormant;
use crate::event::{CloseReason, Edges};
use crate::handshake::Embryo;
use crate::info::Info;
use crate::state::State;
use crate::table::ListenerId;

/// One slot of the table.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) phase: Phase,
    pub(super) holder: Holder,
    /// What the program has not been told yet.
    pub(super) edges: Edges,
    /// Whether the slot waits in the event queue.
    pub(super) in_events: bool,
    /// Whether the slot waits in the output queue.
    pub(super) in_ready: bool,
    /// Bytes of it the budget counts.
    pub(super) counted: u32,
    /// The earliest deadline filed in the wheel.
    pub(super) filed: Option<Instant>,
}

/// What lives in a slot.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// SYN-SENT or SYN-RECEIVED.
    Embryo(Box<Embryo>),
    /// Synchronised.
    Open(Box<Connection>),
    /// Synchronised and quiet. Whatever touches it wakes it first.
    Dormant(Box<Sleeper>),
    /// Over, but still held by the program.
    Ended(Box<Ended>),
}

/// Who holds the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A program.
    Program,
    /// A listener: not accepted yet.
    Listener(ListenerId),
    /// Nobody: the engine finishes alone.
    Nobody,
}

/// A quiet connection.
#[derive(Clone, Debug)]
pub(super) struct Sleeper {
    /// What it keeps.
    pub(super) dormant: Dormant,
    /// What it goes by.
    pub(super) settings: SettingsId,
}

/// What is left of a connection for the program that still holds it.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// How it ended.
    pub(super) reason: CloseReason,
    /// Received in order before the end, and not read yet.
    pub(super) readable: ChunkQueue,
    /// Whether the peer had finished.
    pub(super) peer_finished: bool,
    /// The last figures.
    pub(super) info: Info,
    /// The final account; of a connection whose handshake never ended there is none.
    pub(super) explanation: Option<Box<Explanation>>,
}

impl Place {
    /// A slot with this phase and holder, nothing told, nothing queued.
    pub(super) const fn new(phase: Phase, holder: Holder) -> Self {
        Self {
            phase,
            holder,
            edges: Edges::NONE,
            in_events: false,
            in_ready: false,
            counted: 0,
            filed: None,
        }
    }

    /// The state by its name in the RFC.
    pub(super) fn state(&self) -> State {
        match &self.phase {
            Phase::Embryo(embryo) => embryo.state(),
            Phase::Open(connection) => connection.state(),
            Phase::Dormant(sleeper) => sleeper.dormant.state(),
            Phase::Ended(_) => State::Closed,
        }
    }

    /// Whether it is to be queued for events; it counts as queued from then on.
    pub(super) fn owes_event(&mut self) -> bool {
        let owes = self.holder == Holder::Program && !self.edges.is_empty() && !self.in_events;
        self.in_events |= owes;
        owes
    }

    /// Bytes it queues.
    pub(super) fn queued(&self) -> u64 {
        match &self.phase {
            Phase::Embryo(embryo) => embryo.queued(),
            Phase::Open(connection) => connection.queued(),
            Phase::Dormant(_) => 0,
            Phase::Ended(ended) => ended.readable.len() as u64,
        }
    }

    /// Its deadline, if that is earlier than what the wheel has of it, and counts as filed from then on. One that is due
    /// already (`latest`: what time anybody knew last) acts at the flush, for which the place is queued; filed, it
    /// would fire again at once, for ever.
    pub(super) fn to_file(&mut self, quiet: Duration, latest: Instant) -> Option<Instant> {
        let next = self.next_timeout(quiet)?;
        let waits = next > latest || !self.in_ready;
        if !waits || self.filed.is_some_and(|filed| filed <= next) {
            return None;
        }
        self.filed = Some(next);
        Some(next)
    }

    /// When the phase next wants to be called, `quiet` being the time after which it may sleep.
    pub(super) fn next_timeout(&self, quiet: Duration) -> Option<Instant> {
        match &self.phase {
            Phase::Embryo(embryo) => embryo.next_timeout(),
            Phase::Open(connection) => {
                Instant::first_of([connection.next_timeout(), connection.quiet_at(quiet)])
            }
            Phase::Dormant(sleeper) => sleeper.dormant.next_timeout(),
            Phase::Ended(_) => None,
        }
    }
}
