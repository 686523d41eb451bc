//! News about the way to somebody.
//!
//! Job: tell every connection to a destination that the path's MTU has changed, and tell IP which ways are doubted.
//! Owns: the news not told yet. Does not know: how IP learned it, what it does about a doubt.
//! Sources: RFC 1191 6.2 and RFC 8201 5.2 (all flows of a path learn), RFC 9293 3.8.3 MUST-20 (b).
//!
//! Connections are not kept by destination, so news means a walk past all of them. A peer can cause news as often as
//! it likes; the walks are therefore gathered to one in [`params::PATH_WALK_PAUSE`]. Who sends meanwhile hears at once,
//! because its packet does not fit.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use outcrop_base::{Cause, Instant, TimerKind};

use super::Endpoint;
use super::place::Phase;
use crate::connection::Cx;
use crate::params;
use crate::transmit::ConnId;

/// What is known about paths and not told to everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct PathNews {
    /// MTUs by destination, for the next walk.
    changed: BTreeMap<IpAddr, u32>,
    /// When the next walk is due, while there is news.
    walk_at: Option<Instant>,
    /// No walk before.
    not_before: Option<Instant>,
    /// Destinations whose path is doubted, for IP.
    doubted: VecDeque<IpAddr>,
}

impl PathNews {
    /// When somebody is to be told.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.walk_at
    }

    /// A path is doubted; once is enough until IP has asked.
    pub(super) fn doubt(&mut self, dst: IpAddr) {
        if self.doubted.len() < params::PATH_NEWS && !self.doubted.contains(&dst) {
            self.doubted.push_back(dst);
        }
    }

    /// Hashes what decides the future, times relative to `now`.
    pub(super) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let pause = self.not_before.map(|at| at.max(now) - now);
        let due = self.walk_at.map(|at| at.max(now) - now);
        (&self.changed, due, pause, &self.doubted).hash(&mut into);
    }
}

impl Endpoint {
    /// IP knows a new MTU for packets to `dst`, smaller or larger. Every connection to it hears, at once or, if there
    /// was other such news just before, within [`params::PATH_WALK_PAUSE`].
    pub fn path_changed(&mut self, now: Instant, dst: IpAddr, mtu: u32) {
        self.latest = self.latest.max(now);
        let news = &mut self.paths;
        if news.changed.len() >= params::PATH_NEWS && !news.changed.contains_key(&dst) {
            // Those flows hear when their next packet does not fit.
            return;
        }
        news.changed.insert(dst, mtu);
        match news.not_before.filter(|at| *at > now) {
            Some(later) => news.walk_at = Some(later),
            None => self.walk(now),
        }
    }

    /// A destination the way to which is in doubt: its segments went unanswered R1 times. The caller tells IP
    /// (RFC 9293 3.8.3 MUST-20 (b), RFC 1122 3.3.1.4).
    pub fn poll_doubt(&mut self) -> Option<IpAddr> {
        self.paths.doubted.pop_front()
    }

    /// Tells what is due.
    pub(super) fn tell_paths(&mut self, now: Instant) {
        if self.paths.walk_at.is_some_and(|at| at <= now) {
            self.walk(now);
        }
    }

    fn walk(&mut self, now: Instant) {
        let changed = core::mem::take(&mut self.paths.changed);
        self.paths.walk_at = None;
        self.paths.not_before = Some(now + params::PATH_WALK_PAUSE);
        let concerned = |(id, remote): (ConnId, IpAddr)| Some((id, *changed.get(&remote)?));
        let flows = self.places.iter();
        let told: Vec<_> = flows
            .filter_map(|(id, flow, _)| concerned((id, flow.remote.ip())))
            .collect();
        for (id, mtu) in told {
            self.tell_path(id, mtu);
        }
    }

    fn tell_path(&mut self, id: ConnId, mtu: u32) {
        self.wake(id);
        let Some((flow, place)) = self.places.get_mut(id) else {
            return;
        };
        match &mut place.phase {
            Phase::Open(connection) => {
                let mut cx = Cx {
                    flow,
                    facts: &mut self.facts,
                    cause: Cause::Timer(TimerKind::PathMtu),
                };
                connection.path_changed(mtu, &mut cx);
            }
            Phase::Embryo(embryo) => embryo.path.mtu = mtu,
            Phase::Dormant(_) | Phase::Ended(_) => {}
        }
        self.settle(id);
    }
}
