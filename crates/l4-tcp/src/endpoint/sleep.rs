//! Who sleeps.
//!
//! Job: put quiet connections to sleep, and wake whoever is called. Owns: nothing. Does not know: what a
//! connection keeps of itself; `connection::dormant` does.

use outcrop_base::Instant;

use super::Endpoint;
use super::place::{Phase, Place, Sleeper};
use super::shared::SharedSettings;
use crate::budget::Budget;
use crate::connection::Connection;
use crate::transmit::ConnId;

impl Endpoint {
    /// Makes a sleeping connection whole again; one that is about to be called learns how scarce memory is.
    pub(super) fn wake(&mut self, id: ConnId) {
        let pressure = self.budget.pressure();
        match self.places.get_mut(id).map(|(_, place)| &mut place.phase) {
            Some(Phase::Open(connection)) => connection.set_pressure(pressure),
            Some(Phase::Dormant(_)) => self.rouse(id),
            Some(Phase::Embryo(_) | Phase::Ended(_)) | None => {}
        }
    }

    #[cold]
    fn rouse(&mut self, id: ConnId) {
        let latest = self.latest;
        let Some((_, place)) = self.places.get_mut(id) else {
            return;
        };
        if let Phase::Dormant(sleeper) = &place.phase
            && let Some(settings) = self.shared.release(sleeper.settings)
        {
            let mut connection = sleeper.dormant.clone().wake(settings);
            connection.stir(latest);
            connection.set_pressure(self.budget.pressure());
            place.phase = Phase::Open(Box::new(connection));
            // Whatever woke it may come to nothing: a write that is refused, for one.
            self.file_timer(id);
        }
    }

    /// Puts a connection to sleep that has been quiet for long enough; returns whether it sleeps now.
    pub(super) fn doze(&mut self, now: Instant, id: ConnId) -> bool {
        let after = self.config.quiet;
        let Some((_, place)) = self.places.get_mut(id) else {
            return false;
        };
        let Phase::Open(connection) = &place.phase else {
            return false;
        };
        let due = connection.quiet_at(after).is_some_and(|at| at <= now);
        if place.in_ready || !due {
            return false;
        }
        let Some(dormant) = connection.doze() else {
            return false;
        };
        let settings = self.shared.share(connection.settings());
        place.phase = Phase::Dormant(Box::new(Sleeper { dormant, settings }));
        true
    }
}

impl Endpoint {
    /// Brings the budget up to date with what a place queues.
    pub(super) fn count(&mut self, id: ConnId) {
        if let Some((_, place)) = self.places.get_mut(id) {
            self.budget.count(place);
        }
    }

    /// Empties a place; its id is stale from now on.
    pub(super) fn vacate(&mut self, id: ConnId) {
        if let Some(place) = self.places.remove(id) {
            self.budget.change(u64::from(place.counted), 0);
        }
    }
}

impl Place {
    /// What `look` sees of the connection, awake or not; `None` if there is none.
    pub(super) fn with_connection<T>(
        &self,
        shared: &SharedSettings,
        look: impl FnOnce(&Connection) -> T,
    ) -> Option<T> {
        match &self.phase {
            Phase::Open(connection) => Some(look(connection)),
            Phase::Dormant(sleeper) => {
                let settings = *shared.get(sleeper.settings)?;
                Some(look(&sleeper.dormant.clone().wake(settings)))
            }
            Phase::Embryo(_) | Phase::Ended(_) => None,
        }
    }
}

impl Budget {
    /// Is brought up to date with what `place` queues.
    pub(super) fn count(&mut self, place: &mut Place) {
        let queued = place.queued();
        if u64::from(place.counted) != queued {
            self.change(u64::from(place.counted), queued);
            place.counted = u32::try_from(queued).unwrap_or(u32::MAX);
        }
    }
}
