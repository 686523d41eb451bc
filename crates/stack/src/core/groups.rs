//! Which sockets hear which groups, and from whom.
//!
//! Job: keep each socket's filter, tell IP what all of them come to, and hold a datagram to a group against the filter of
//! the socket it is for. Owns: the filters. Does not know: who tells routers, or how filters are merged.
//! Sources: RFC 3376 3.1 and 3.2, RFC 3810 4.1 and 4.2, RFC 3678 (the calls).

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use outcrop_base::{Cast, DropReason, Flow, InterfaceId, RuleRef, Transport, Verdict};
use outcrop_ip::{GroupError, Listening, SourceFilter, Up};

use super::Core;
use crate::UdpId;

/// A socket hears of a group what its own filter lets through.
const SOURCE: RuleRef = RuleRef {
    name: "udp:group-source",
    source: "RFC 3376 3.2, RFC 3810 4.2",
};

/// What one socket wants of one group on one interface.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    socket: UdpId,
    iface: InterfaceId,
    group: IpAddr,
    filter: SourceFilter,
}

impl Listener {
    fn is(&self, socket: UdpId, iface: InterfaceId, group: IpAddr) -> bool {
        self.socket == socket && self.is_of(iface, group)
    }

    fn is_of(&self, iface: InterfaceId, group: IpAddr) -> bool {
        self.iface == iface && self.group == group
    }

    pub(super) fn fingerprint(&self, into: &mut impl Hasher) {
        let Self {
            socket,
            iface,
            group,
            filter,
        } = self;
        (socket, iface, group, filter).hash(into);
    }
}

impl Core {
    /// Lets a socket hear `group` on `iface`; the routers there are told. Joining twice is once.
    ///
    /// # Errors
    /// Not a group, no such interface, or too many groups; named sources are heard already.
    pub fn udp_join(
        &mut self,
        id: UdpId,
        iface: InterfaceId,
        group: IpAddr,
    ) -> Result<(), GroupError> {
        self.udp_listen(id, (iface, group), &Listening::Join)
    }

    /// Takes a join back, whatever sources it was for. Closing a socket does so too.
    ///
    /// # Errors
    /// The socket has not joined it.
    pub fn udp_leave(
        &mut self,
        id: UdpId,
        iface: InterfaceId,
        group: IpAddr,
    ) -> Result<(), GroupError> {
        self.udp_listen(id, (iface, group), &Listening::Leave)
    }

    /// Changes from whom a socket hears a group on an interface; the routers there are told.
    ///
    /// # Errors
    /// What is wrong with the group, the interface or a source, or with asking for it now; nothing is changed then.
    pub fn udp_listen(
        &mut self,
        id: UdpId,
        (iface, group): (InterfaceId, IpAddr),
        call: &Listening,
    ) -> Result<(), GroupError> {
        let new = self.udp_filter(id, iface, group).changed(group, call)?;
        let here = self.listeners.iter().filter(|l| l.is_of(iface, group));
        let others = here.filter(|l| l.socket != id).map(|l| &l.filter);
        let wanted = SourceFilter::merge(others.chain([&new]));
        self.ip.listen(iface, group, wanted)?;
        self.listeners.retain(|l| !l.is(id, iface, group));
        if !new.is_nobody() {
            self.listeners.push(Listener {
                socket: id,
                iface,
                group,
                filter: new,
            });
        }
        self.touched = true;
        Ok(())
    }

    /// From whom a socket hears a group on an interface.
    #[must_use]
    pub fn udp_filter(&self, id: UdpId, iface: InterfaceId, group: IpAddr) -> SourceFilter {
        let listener = self.listeners.iter().find(|l| l.is(id, iface, group));
        listener.map_or(SourceFilter::NOBODY, |listener| listener.filter.clone())
    }

    /// A socket closes.
    pub(super) fn leave_all(&mut self, id: UdpId) {
        while let Some(listener) = self.listeners.iter().find(|l| l.socket == id) {
            let (iface, group) = (listener.iface, listener.group);
            if self.udp_leave(id, iface, group).is_err() {
                return;
            }
        }
    }

    /// Whether the socket that a datagram to a group is for has joined it there, and hears its source. The group of all
    /// hosts is everybody's (RFC 1112 7.2, RFC 4291 2.7.1).
    pub(super) fn hears_source(&self, up: &Up) -> Result<(), Verdict> {
        let arrival = &up.arrival;
        let Some(&[s0, s1, d0, d1]) = up.payload().first_chunk() else {
            return Ok(());
        };
        if arrival.cast != Cast::Multicast || outcrop_ip::is_all_hosts(arrival.dst) {
            return Ok(());
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: (arrival.dst, u16::from_be_bytes([d0, d1])).into(),
            remote: (arrival.src, u16::from_be_bytes([s0, s1])).into(),
        };
        let Some(id) = self.udp.socket_of(&flow).map(UdpId) else {
            return Ok(());
        };
        let filter = self.udp_filter(id, arrival.iface, arrival.dst);
        match filter {
            filter if filter.passes(arrival.src) => Ok(()),
            filter if filter.is_nobody() => Err(Verdict::dropped(DropReason::UdpNoSocket, SOURCE)),
            _ => Err(Verdict::dropped(DropReason::IpSourceFiltered, SOURCE)),
        }
    }
}
