//! Multicast groups: what a host tells routers, and what it hears from them.
//!
//! Job: join and leave, take queries and others' reports, put our reports into packets. Owns: who may ask.
//! Does not know: when something is to be told; `group` does.
//! Sources: RFC 3376 4 and 5, RFC 3810 5 and 6, RFC 2113 and RFC 2711 (router alert), RFC 1112 6.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, Bytes, BytesMut};
use outcrop_base::{
    CallKind, Cause, DropReason, Ecn, Instant, InterfaceId, Limit, Note, TimerKind, Verdict, Why,
};

use super::Endpoint;
use super::receive::Datagram;
use crate::group::{GroupError, Groups, SourceFilter, Telling, Words};
use crate::wire::group::{self, Message};
use crate::wire::{icmp, ipv4, ipv6};
use crate::{Event, Hop, Rule, Transmit, cut};

/// IPv4's router alert (RFC 2113 2.1): look at this packet although it is not for you.
const ALERT_V4: [u8; 4] = [148, 4, 0, 0];
/// A hop-by-hop header with IPv6's, for a multicast listener message, and padding (RFC 2711 2.1).
const ALERT_V6: [u8; 8] = [icmp::PROTOCOL_V6, 0, 5, 2, 0, 0, 1, 0];
/// Precedence 6, internetwork control (RFC 3376 4).
const INTERNETWORK_CONTROL: u8 = 48;

impl Endpoint {
    /// Hears `group` on `iface` from now on, whoever speaks, and tells the routers there. Each join wants a leave.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn join_group(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        self.change_group(iface, group, |groups| groups.join(iface, group))
    }

    /// Takes one join back; the last one tells the routers.
    ///
    /// # Errors
    /// `NotJoined`.
    pub fn leave_group(&mut self, iface: InterfaceId, group: IpAddr) -> Result<(), GroupError> {
        self.change_group(iface, group, |groups| groups.leave(iface, group))
    }

    /// From whom the programs above want to hear `group` on `iface`, all together ([`SourceFilter::merge`]); the routers
    /// there are told what that changes.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn listen(
        &mut self,
        iface: InterfaceId,
        group: IpAddr,
        wanted: SourceFilter,
    ) -> Result<(), GroupError> {
        self.change_group(iface, group, |groups| groups.listen(iface, group, wanted))
    }

    fn change_group(
        &mut self,
        iface: InterfaceId,
        group: IpAddr,
        change: impl FnOnce(&mut Groups) -> Result<(), GroupError>,
    ) -> Result<(), GroupError> {
        if !group.is_multicast() {
            return Err(GroupError::NotAGroup);
        }
        if self.interface(iface).is_none() {
            return Err(GroupError::UnknownInterface);
        }
        let before = self.groups.contains(iface, group);
        change(&mut self.groups)?;
        let after = self.groups.contains(iface, group);
        if before != after {
            self.tell_link(iface, group, after);
        }
        Ok(())
    }

    /// The link lets a group's frames through from now on, or no more.
    fn tell_link(&mut self, iface: InterfaceId, group: IpAddr, joined: bool) {
        if self.link_address(iface).is_some() {
            self.push_event(Event::Group {
                iface,
                group,
                joined,
            });
        }
    }

    /// Tells what is due.
    pub(super) fn tell_groups(&mut self, now: Instant, timer: bool) {
        let cause = if timer {
            Cause::Timer(TimerKind::Group)
        } else {
            Cause::Call(CallKind::Configure)
        };
        for telling in self.groups.due(now) {
            self.tell(telling, Note::new(Why::GroupReport, Limit::None, cause));
        }
    }

    fn tell(&mut self, telling: Telling, note: Note) {
        let Telling {
            iface,
            is_v4,
            words,
        } = telling;
        let src = self.reporter(iface, is_v4);
        let messages: Vec<_> = match words {
            Words::Newest(records) => {
                let reports = group::pack(is_v4, records).into_iter();
                reports
                    .map(|records| group::report(src, &records))
                    .collect()
            }
            Words::Old(version, told) => {
                let one = |said| group::old_report(src, version, said);
                told.into_iter().filter_map(one).collect()
            }
        };
        for (dst, payload) in messages {
            let hop = Hop { iface, next: dst };
            if self.out.len() < self.config.transmit_queue {
                let bytes = alerting(src, dst, &payload);
                self.out.push_back(Transmit { hop, bytes, note });
            }
        }
    }

    /// Who reports: the address on that link, link-local in IPv6, or nobody while there is none (RFC 3810 5.2.13).
    fn reporter(&self, iface: InterfaceId, is_v4: bool) -> IpAddr {
        let addresses = self.interface(iface).map(|link| &link.addresses);
        let mut addresses = addresses.into_iter().flatten().map(|cidr| cidr.addr());
        let fits = |addr: &IpAddr| match addr {
            IpAddr::V4(_) => is_v4,
            IpAddr::V6(addr) => !is_v4 && addr.is_unicast_link_local(),
        };
        let nobody = if is_v4 {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        addresses.find(fits).unwrap_or(nobody)
    }

    /// Takes an IGMP message.
    pub(super) fn handle_igmp(&mut self, datagram: &Datagram) -> Verdict {
        if datagram.hop_limit != 1 {
            // RFC 3376 4: all of IGMP is sent with one hop; more would come from beyond the link.
            return Rule::GroupMessage.drop(DropReason::IcmpInvalid);
        }
        self.handle_group_message(datagram)
    }

    /// Takes an MLD message; its checksum has been verified.
    pub(super) fn handle_mld(&mut self, datagram: &Datagram) -> Verdict {
        let near = match datagram.src {
            IpAddr::V6(src) => src.is_unicast_link_local(),
            IpAddr::V4(_) => false,
        };
        let header = datagram.packet.bytes.get(..datagram.payload_at);
        let alert = header.is_some_and(|h| h.get(6) == Some(&0) && h.windows(4).any(is_alert));
        if !near || !alert || datagram.hop_limit != 1 {
            // RFC 3810 5.1.14, RFC 2710 3: from this link, for every router on it.
            return Rule::GroupMessage.drop(DropReason::IcmpInvalid);
        }
        self.handle_group_message(datagram)
    }

    fn handle_group_message(&mut self, datagram: &Datagram) -> Verdict {
        let (now, iface) = (datagram.packet.at, datagram.packet.iface);
        match group::parse(datagram.dst, &datagram.payload()) {
            Err(reason) => Rule::GroupMessage.drop(reason),
            Ok(Message::Other) => Rule::GroupMessage.drop(DropReason::IcmpUnknownType),
            Ok(Message::Query(query)) => {
                let is_v4 = datagram.dst.is_ipv4();
                self.groups.on_query(now, iface, is_v4, &query);
                Rule::GroupQuery.taken()
            }
            Ok(Message::Report(group)) => {
                self.groups.on_report(now, iface, group);
                Rule::GroupMessage.taken()
            }
        }
    }
}

/// The option 5 of length 2 that says "multicast listener".
fn is_alert(window: &[u8]) -> bool {
    window == [5, 2, 0, 0]
}

/// A packet of one hop that asks routers to look at it.
fn alerting(src: IpAddr, dst: IpAddr, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut head = [0; ipv4::HEADER_LEN];
            let header = ipv4::Header {
                header_len: ipv4::HEADER_LEN,
                total_len: ipv4::HEADER_LEN + ALERT_V4.len() + payload.len(),
                dscp: INTERNETWORK_CONTROL,
                ecn: Ecn::NotEct,
                ident: 0,
                df: true,
                mf: false,
                offset: 0,
                ttl: 1,
                protocol: group::PROTOCOL,
                src,
                dst,
            };
            ipv4::emit(&header, &mut head);
            // Six words instead of five.
            head[0] = 0x46;
            out.put_slice(&head);
            out.put_slice(&ALERT_V4);
            cut::write_checksum(&mut out);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut head = [0; ipv6::HEADER_LEN];
            let header = ipv6::Header {
                dscp: 0,
                ecn: Ecn::NotEct,
                flow_label: 0,
                payload_len: ALERT_V6.len() + payload.len(),
                next_header: ipv6::HOP_BY_HOP,
                hop_limit: 1,
                src,
                dst,
            };
            ipv6::emit(&header, &mut head);
            out.put_slice(&head);
            out.put_slice(&ALERT_V6);
        }
        // A report's destination is of its source's family.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
    out.put_slice(payload);
    out.freeze()
}
