//! A connection that is quiet.
//!
//! Job: keep of an idle connection what it cannot do without, in a third of the memory, and make it whole again
//! when it is needed. Owns: that remainder. Does not know: who touches it next.
//! Nothing can tell from outside: a connection that slept does what one that stayed awake would have done. So
//! only one that owes nothing, waits for nothing and holds no byte may sleep, and it stays awake for
//! a while (`Config::quiet`) after the last thing that happened, so that a busy one never goes to and fro.
//! Sources: none; RFC 9293 3.3.1 names what a connection is.

use core::time::Duration;

use outcrop_base::{Cause, Instant, Path};

use super::urgent::Urgent;
use super::user_timeout::Agreement;
use super::{Clock, Connection, Life, Way};
use crate::account::Account;
use crate::challenge::Challenges;
use crate::config::Settings;
use crate::congestion::Parked;
use crate::ecn::Echo;
use crate::event::Edges;
use crate::info::Negotiated;
use crate::pacing::Pacer;
use crate::plpmtud::Search;
use crate::seq::SeqSpace;
use crate::state::{PeerFin, State};
use crate::timers::{Timer, TimerTable};
use crate::{params, recovery, recv, send};

/// What is kept of a quiet connection.
#[derive(Clone, Debug)]
pub(crate) struct Dormant {
    who: Who,
    path: Path,
    mss: u16,
    /// What is known of larger sizes, if anything is.
    search: Option<Box<Search>>,
    congestion: Parked,
    send: send::dormant::Dormant,
    window_from: (i64, u64),
    recv: recv::dormant::Dormant,
    recovery: recovery::dormant::Dormant,
    ecn: Echo,
    account: Account,
    /// If anything ever was urgent.
    urgent: Option<Box<Urgent>>,
    /// The only timer that may run.
    keep_alive: Option<Instant>,
    life: Habits,
}

/// What was agreed on, and where both streams began.
#[derive(Clone, Copy, Debug)]
struct Who {
    state: State,
    peer_fin: PeerFin,
    snd_space: SeqSpace,
    rcv_space: SeqSpace,
    terms: Negotiated,
    clock: Clock,
}

/// What stays of [`Life`].
#[derive(Clone, Copy, Debug)]
struct Habits {
    held: bool,
    orphaned: bool,
    keep_alive_probes: u8,
    heard_at: Instant,
    active_at: Instant,
    retransmitted: u64,
    user_timeout: Agreement,
}

impl Connection {
    /// When the connection may sleep if nothing happens until then, `after` being how long it must have been
    /// quiet; `None` while it has something to do, or if it never may.
    pub(crate) fn quiet_at(&self, after: Duration) -> Option<Instant> {
        let may = after < Duration::MAX && self.is_quiet();
        // What limits challenges is forgotten, so its second must have passed.
        may.then(|| self.life.active_at + after.max(params::CHALLENGE_WINDOW))
    }

    /// Whether nothing is held, owed, outstanding or waited for but the keep-alive timer.
    fn is_quiet(&self) -> bool {
        // Who is busy mostly has something outstanding: asked first.
        self.send.is_quiet()
            && self.recv.is_quiet()
            && self.recovery.is_quiet()
            && self.timers.only(Timer::KeepAlive)
            && !self.is_opening()
            && self.way.doubt.is_none()
            && self.life.is_quiet()
    }

    /// What to keep, if it is quiet.
    pub(crate) fn doze(&self) -> Option<Dormant> {
        debug_assert_eq!(self.send.una(), self.recovery.records().una());
        self.is_quiet().then(|| Dormant {
            who: Who {
                state: self.state,
                peer_fin: self.peer_fin,
                snd_space: self.snd_space,
                rcv_space: self.rcv_space,
                terms: self.terms,
                clock: self.clock,
            },
            path: self.way.path,
            mss: self.way.mss,
            search: self.way.search.clone(),
            congestion: self.way.congestion.park(),
            send: self.send.doze(),
            window_from: self.window_from,
            recv: self.recv.doze(),
            recovery: self.recovery.doze(),
            ecn: self.ecn.clone(),
            account: self.account,
            urgent: (self.urgent != Urgent::default()).then(|| Box::new(self.urgent)),
            keep_alive: self.timers.get(Timer::KeepAlive),
            life: Habits {
                held: self.life.held,
                orphaned: self.life.orphaned,
                keep_alive_probes: self.life.keep_alive_probes,
                heard_at: self.life.heard_at,
                active_at: self.life.active_at,
                retransmitted: self.life.retransmitted,
                user_timeout: self.life.user_timeout,
            },
        })
    }

    /// Something happened: it stays awake for a while.
    pub(crate) const fn stir(&mut self, now: Instant) {
        self.life.active_at = now;
    }
}

impl Dormant {
    /// The connection as it was, with the settings it had.
    pub(crate) fn wake(self, settings: Settings) -> Connection {
        let mut timers = TimerTable::default();
        timers.set(Timer::KeepAlive, self.keep_alive);
        let mut recovery = self.recovery.wake(self.send.una());
        recovery.set_means(super::means(&settings));
        Connection {
            state: self.who.state,
            syn: None,
            peer_fin: self.who.peer_fin,
            snd_space: self.who.snd_space,
            rcv_space: self.who.rcv_space,
            terms: self.who.terms,
            clock: self.who.clock,
            way: Way {
                path: self.path,
                mss: self.mss,
                doubt: None,
                search: self.search,
                congestion: self.congestion.wake(),
                // What was paced has left long ago.
                pacer: Pacer::new(),
            },
            send: self.send.wake(),
            window_from: self.window_from,
            recv: self.recv.wake(settings.ack_delay(), settings.ack_style),
            recovery,
            ecn: self.ecn,
            account: self.account,
            timers,
            urgent: self.urgent.map(|urgent| *urgent).unwrap_or_default(),
            life: self.life.wake(),
            settings,
        }
    }

    /// The state by its name in the RFC.
    pub(crate) const fn state(&self) -> State {
        self.who.state
    }

    /// Whether the peer's FIN is in.
    pub(crate) const fn peer_finished(&self) -> bool {
        self.recv.finished()
    }

    /// When it must be woken at the latest.
    pub(crate) const fn next_timeout(&self) -> Option<Instant> {
        self.keep_alive
    }
}

impl Life {
    /// Whether nothing is owed to anybody.
    fn is_quiet(&self) -> bool {
        let waits = self.blocked || self.handshake_ack || self.keep_alive_due;
        let ends = self.over.is_some() || self.reset.is_some() || self.challenge_due.is_some();
        !waits && !ends && self.edges == Edges::NONE
    }
}

impl Habits {
    const fn wake(self) -> Life {
        Life {
            held: self.held,
            orphaned: self.orphaned,
            blocked: false,
            handshake_ack: false,
            over: None,
            reset: None,
            challenge_due: None,
            paced: false,
            keep_alive_due: false,
            keep_alive_probes: self.keep_alive_probes,
            // The second in which any were sent has passed.
            challenges: Challenges::new(),
            edges: Edges::NONE,
            heard_at: self.heard_at,
            active_at: self.active_at,
            retransmitted: self.retransmitted,
            user_timeout: self.user_timeout,
            cause: Cause::None,
        }
    }
}
