//! Connections of one client at a time.
//!
//! Job: say whether one more may come in. Owns: how many each client has. Does not know: connections.
//! A client is an IPv4 address or an IPv6 network of 64 bits, which is what one subscriber is given. What is remembered
//! is bounded by the connections that are open.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rate::network;

/// The doorkeeper. Clones are the same.
#[derive(Clone, Debug)]
pub struct Crowd {
    most: usize,
    inside: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// A connection that came in; its drop is its leaving.
#[derive(Debug)]
pub struct Admitted {
    crowd: Crowd,
    client: IpAddr,
}

impl Crowd {
    /// At most so many of each client.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            inside: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one more of this client's in; `None` if it has as many as it may have.
    #[must_use]
    pub fn enter(&self, client: IpAddr) -> Option<Admitted> {
        let client = network(client);
        let mut inside = self.lock();
        let count = inside.entry(client).or_insert(0);
        if *count >= self.most {
            if *count == 0 {
                inside.remove(&client);
            }
            return None;
        }
        *count += 1;
        Some(Admitted {
            crowd: self.clone(),
            client,
        })
    }

    /// Clients that have at least one.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.lock().len()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut inside = self.crowd.lock();
        if let Some(count) = inside.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_with_all_it_may_have_waits_for_one_of_its_own_to_leave() {
        let crowd = Crowd::new(2);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = crowd.enter(ip("10.0.0.1")).unwrap();
        let _second = crowd.enter(ip("::ffff:10.0.0.1")).unwrap();
        assert!(crowd.enter(ip("10.0.0.1")).is_none());
        let other = crowd.enter(ip("10.0.0.2")).unwrap();
        assert_eq!(crowd.clients(), 2);
        drop(other);
        assert!(
            crowd.enter(ip("10.0.0.1")).is_none(),
            "another's leaving is of no use"
        );
        drop(first);
        assert!(crowd.enter(ip("10.0.0.1")).is_some());
    }

    #[test]
    fn one_network_of_ipv6_is_one_client_and_nothing_is_left_behind() {
        let crowd = Crowd::new(1);
        let ip = |n: u16| IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, n]);
        let inside = crowd.enter(ip(1)).unwrap();
        assert!((2..1000).all(|n| crowd.enter(ip(n)).is_none()));
        drop(inside);
        assert_eq!(crowd.clients(), 0);
        assert!(Crowd::new(0).enter(ip(1)).is_none());
    }
}
