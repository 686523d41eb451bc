//! Settings that many connections share.
//!
//! Job: keep each different value once, for as long as somebody goes by it. Owns: the values and how many go by
//! each. Does not know: connections. A server's thousands of quiet connections all have their listener's.
//! Sources: DESIGN 2.5.

use core::hash::{Hash, Hasher};

use hashbrown::HashTable;
use outcrop_base::{HashKey, Seed};

use crate::config::Settings;

/// Names a value in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SettingsId(u32);

/// Every value in use.
#[derive(Clone, Debug)]
pub(super) struct SharedSettings {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_value: HashTable<u32>,
    key: HashKey,
}

#[derive(Clone, Debug)]
struct Entry {
    settings: Settings,
    users: u32,
}

impl SharedSettings {
    /// An empty table.
    pub(super) fn new(seed: &Seed) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_value: HashTable::new(),
            key: seed.hash_key("shared settings"),
        }
    }

    /// One more goes by `settings`.
    pub(super) fn share(&mut self, settings: &Settings) -> SettingsId {
        let Self {
            entries,
            free,
            by_value,
            key,
        } = self;
        let at = |slot: u32| entries.get(slot as usize);
        let hash = hash_of(key, settings);
        let known = by_value.find(hash, |slot| {
            at(*slot).is_some_and(|entry| entry.settings == *settings)
        });
        if let Some(slot) = known.copied() {
            if let Some(entry) = entries.get_mut(slot as usize) {
                entry.users += 1;
            }
            return SettingsId(slot);
        }
        let entry = Entry {
            settings: *settings,
            users: 1,
        };
        let slot = free.pop().unwrap_or_else(|| {
            entries.push(entry.clone());
            u32::try_from(entries.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = entries.get_mut(slot as usize) {
            *place = entry;
        }
        by_value.insert_unique(hash, slot, |slot| {
            let entry = entries.get(*slot as usize);
            entry.map_or(0, |entry| hash_of(key, &entry.settings))
        });
        SettingsId(slot)
    }

    /// The value.
    pub(super) fn get(&self, id: SettingsId) -> Option<&Settings> {
        self.entries.get(id.0 as usize).map(|entry| &entry.settings)
    }

    /// One fewer goes by it; returns it.
    pub(super) fn release(&mut self, id: SettingsId) -> Option<Settings> {
        let entry = self.entries.get_mut(id.0 as usize)?;
        entry.users = entry.users.saturating_sub(1);
        let settings = entry.settings;
        if entry.users == 0 {
            let hash = hash_of(&self.key, &settings);
            if let Ok(found) = self.by_value.find_entry(hash, |slot| *slot == id.0) {
                found.remove();
                self.free.push(id.0);
            }
        }
        Some(settings)
    }
}

fn hash_of(key: &HashKey, settings: &Settings) -> u64 {
    let mut hasher = key.hasher();
    settings.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_until_the_last_lets_go() {
        let mut table = SharedSettings::new(&Seed::from_number(1));
        let usual = Settings::default();
        let own = Settings {
            nodelay: true,
            ..usual
        };
        let ids = [table.share(&usual), table.share(&own), table.share(&usual)];
        assert_eq!(ids[0], ids[2]);
        assert_ne!(ids[0], ids[1]);
        assert_eq!(table.entries.len(), 2);
        assert_eq!(table.release(ids[0]), Some(usual));
        assert_eq!(table.get(ids[2]), Some(&usual));
        table.release(ids[2]);
        // Its place is taken by the next value.
        let other = Settings {
            cork: true,
            ..usual
        };
        assert_eq!(table.share(&other), ids[0]);
        assert_eq!(table.entries.len(), 2);
    }
}
