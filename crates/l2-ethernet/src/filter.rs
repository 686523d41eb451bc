//! Whose frames a station takes.
//!
//! Job: judge a destination. Owns: the groups joined. Does not know: why they were.

use std::collections::BTreeMap;

use outcrop_base::Cast;

use crate::MacAddr;

/// Groups one station may join; beyond, it takes all groups, as hardware does.
pub(crate) const MAX_GROUPS: usize = 256;

/// How exactly a station chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Our address, everybody's, and the groups joined.
    #[default]
    Exact,
    /// All groups besides.
    AllGroups,
    /// Everything on the link.
    Promiscuous,
}

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Groups {
    /// Several IP groups share an address: it is left when the last is.
    joined: BTreeMap<MacAddr, u32>,
    /// How many found no room.
    beyond: u32,
}

impl Groups {
    pub(crate) fn join(&mut self, group: MacAddr) {
        if self.joined.contains_key(&group) || self.joined.len() < MAX_GROUPS {
            *self.joined.entry(group).or_insert(0) += 1;
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    pub(crate) fn leave(&mut self, group: MacAddr) {
        match self.joined.get_mut(&group) {
            Some(1) => {
                self.joined.remove(&group);
            }
            Some(count) => *count -= 1,
            None => self.beyond = self.beyond.saturating_sub(1),
        }
    }

    /// How a frame to `dst` concerns the station `mac`; `None` if it does not.
    pub(crate) fn judge(&self, filter: Filter, mac: MacAddr, dst: MacAddr) -> Option<Cast> {
        if dst == MacAddr::BROADCAST {
            return Some(Cast::Broadcast);
        }
        let wide = match filter {
            Filter::Exact => dst.is_group() && self.beyond > 0,
            Filter::AllGroups => dst.is_group(),
            Filter::Promiscuous => true,
        };
        let taken = wide || dst == mac || self.joined.contains_key(&dst);
        taken.then_some(if dst.is_group() {
            Cast::Multicast
        } else {
            Cast::Unicast
        })
    }
}
