//! What a station does about ARP.
//!
//! Job: ask, answer, and judge who says what. Owns: nothing. Does not know: when a neighbour is asked.
//! Sources: RFC 826 (packet reception), RFC 5227 2.1.1 and 2.4, RFC 1122 2.3.2.

use core::net::Ipv4Addr;

use bytes::Bytes;
use outcrop_base::{Cause, DropReason, Instant, Limit, Note, PacketId, Verdict, Why};

use super::{Endpoint, arp_note};
use crate::wire::arp::{self, Operation, Packet};
use crate::wire::{Header, TYPE_ARP};
use crate::{Heard, MacAddr, Rule};

impl Endpoint {
    pub(super) fn handle_arp(&mut self, now: Instant, id: PacketId, bytes: &[u8]) -> Verdict {
        let packet = match arp::parse(bytes) {
            Ok(packet) => packet,
            Err(reason) => return Rule::ArpPacket.drop(reason),
        };
        if !is_credible(&packet) || packet.sender_mac == self.config.mac {
            return Rule::ArpSender.drop(DropReason::ArpSpoofed);
        }
        if let Some(ip) = self.disputed(&packet) {
            let with = (ip, packet.sender_mac);
            let cause = Cause::Packet(id);
            self.claims.conflict(now, with, self.config.defence, cause);
            self.settle();
            return Rule::ArpConflict.drop(DropReason::ArpSpoofed);
        }
        let verdict = self.merge(now, &packet);
        if packet.operation == Operation::Request && self.claims.is_ours(packet.target_ip) {
            self.answer(&packet, Cause::Packet(id));
        }
        verdict
    }

    /// Which claim of ours another station contradicts: by using the address, or by probing for it while we do.
    fn disputed(&self, packet: &Packet) -> Option<Ipv4Addr> {
        if self.claims.is_claimed(packet.sender_ip) {
            return Some(packet.sender_ip);
        }
        let probes = packet.operation == Operation::Request && packet.sender_ip.is_unspecified();
        let target = packet.target_ip;
        let both = self.claims.is_claimed(target) && !self.claims.is_ours(target);
        (probes && both).then_some(target)
    }

    /// RFC 826: who is known is updated; who asks for us is remembered; all others are not.
    fn merge(&mut self, now: Instant, packet: &Packet) -> Verdict {
        let ip = packet.sender_ip;
        let for_us = self.claims.is_ours(packet.target_ip);
        let known = self.cache.knows(ip.into());
        if ip.is_unspecified() {
            return if for_us {
                Rule::ArpMerge.taken()
            } else {
                overheard()
            };
        }
        let asks = packet.operation == Operation::Request;
        if !(known || asks && for_us) {
            return overheard();
        }
        // A reply to us answers a question of ours; everything else is hearsay.
        let heard = if !asks && packet.target_mac == self.config.mac {
            Heard::Advertisement {
                solicited: true,
                replaces: false,
                router: false,
            }
        } else {
            Heard::Source
        };
        let _of_the_cache = self.cache.learn(
            now,
            ip.into(),
            (Some(packet.sender_mac), heard),
            asks && for_us,
        );
        self.settle();
        Rule::ArpMerge.taken()
    }

    fn answer(&mut self, request: &Packet, cause: Cause) {
        let reply = Packet {
            operation: Operation::Reply,
            sender_mac: self.config.mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        };
        self.send_arp(
            request.sender_mac,
            &reply,
            arp_note(Operation::Reply, cause),
        );
    }

    /// Asks who has `ip`: everybody, or the one that had it.
    pub(super) fn ask(&mut self, ip: Ipv4Addr, to: Option<MacAddr>, cause: Cause) {
        let request = Packet {
            operation: Operation::Request,
            sender_mac: self.config.mac,
            // Without an address the question is a probe, and its answer still tells.
            sender_ip: self.claims.source().unwrap_or(Ipv4Addr::UNSPECIFIED),
            target_mac: MacAddr::ZERO,
            target_ip: ip,
        };
        let note = arp_note(Operation::Request, cause);
        self.send_arp(to.unwrap_or(MacAddr::BROADCAST), &request, note);
    }

    /// Probes for an address, or announces it (RFC 5227 2.1.1, 2.3).
    pub(super) fn say(&mut self, ip: Ipv4Addr, why: Why, cause: Cause) {
        let probes = why == Why::ArpProbe;
        let request = Packet {
            operation: Operation::Request,
            sender_mac: self.config.mac,
            sender_ip: if probes { Ipv4Addr::UNSPECIFIED } else { ip },
            target_mac: MacAddr::ZERO,
            target_ip: ip,
        };
        let note = Note::new(why, Limit::None, cause);
        self.send_arp(MacAddr::BROADCAST, &request, note);
    }

    fn send_arp(&mut self, to: MacAddr, packet: &Packet, note: Note) {
        let header: Header = self.header(to, TYPE_ARP);
        self.push(header, Bytes::copy_from_slice(&arp::emit(packet)), note);
    }
}

const fn overheard() -> Verdict {
    Rule::ArpOverheard.taken()
}

/// Whether one station at one address, or at none yet, can have said this.
fn is_credible(packet: &Packet) -> bool {
    let ip = packet.sender_ip;
    let never = ip.is_multicast() || ip.is_broadcast() || ip.is_loopback();
    // Only a question may come from no address.
    let nameless = ip.is_unspecified() && packet.operation == Operation::Reply;
    packet.sender_mac.is_station() && !never && !nameless
}
