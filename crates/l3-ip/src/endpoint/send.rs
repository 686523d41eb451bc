//! Packets to the link.
//!
//! Job: put the IP header before a transport's packet, cut what is too long, queue what is our own.
//! Owns: how a plan becomes bytes. Does not know: why a packet is sent.
//! Sources: RFC 791 3.2, RFC 6864 4 (identification), RFC 8200 4.5 and 5.

use core::net::IpAddr;
use std::io::IoSlice;

use bytes::{BufMut, Bytes, BytesMut};
use outcrop_base::{HeaderRoom, InterfaceId, Limit, Note, Why};

use super::Endpoint;
use crate::address;
use crate::wire::{ipv4, ipv6};
use crate::{Hop, Plan, Transmit, Unresolved, Wrap};

/// What `plan` needs of the network, found out before anything is written.
struct Way {
    hop: Hop,
    mtu: usize,
    header_len: usize,
}

/// Which fragment of a packet is written, if it is one.
#[derive(Clone, Copy)]
struct Cut {
    ident: u32,
    offset: usize,
    more: bool,
}

impl Endpoint {
    /// Puts the IP header before the transport header in `room`. Pure: the same plan gives the same bytes.
    ///
    /// An IPv4 packet that fits its path leaves with "don't fragment" set and no identification, whatever
    /// the plan says (RFC 6864 4: atomic); routers that cannot pass it say so, and the next one is cut here.
    pub fn wrap(&self, plan: &Plan, room: &mut HeaderRoom) -> Wrap {
        let way = match self.way(plan) {
            Ok(way) => way,
            Err(unresolved) => return Wrap::Unresolved(unresolved),
        };
        // The device cuts a super-segment: what must fit is one segment with its headers.
        let transport = plan.gso.map_or(plan.payload_len, |segment| {
            room.len() + usize::from(segment)
        });
        if way.header_len + transport > way.mtu {
            return if plan.gso.is_none() && !plan.fields.df {
                Wrap::Fragment
            } else {
                let mtu = u32::try_from(way.mtu).unwrap_or(u32::MAX);
                Wrap::Unresolved(Unresolved::TooBig { mtu })
            };
        }
        match (plan.src, plan.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let header = header_v4(plan, src, dst);
                if let Some(out) = room.prepend(ipv4::HEADER_LEN).first_chunk_mut() {
                    ipv4::emit(&header, out);
                }
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let labelled = self.labelled(plan, room.as_slice());
                let header = header_v6(&labelled, src, dst);
                if let Some(out) = room.prepend(ipv6::HEADER_LEN).first_chunk_mut() {
                    ipv6::emit(&header, out);
                }
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Wrap::Unresolved(Unresolved::MixedFamilies);
            }
        }
        Wrap::Wrapped(way.hop)
    }

    /// Cuts a packet for which [`Endpoint::wrap`] said [`Wrap::Fragment`], and queues the fragments.
    /// `pieces` are the transport header and all it carries.
    ///
    /// # Errors
    /// Why nothing could be queued; nothing is queued then.
    pub fn fragment(
        &mut self,
        plan: &Plan,
        pieces: &[IoSlice<'_>],
        note: &Note,
    ) -> Result<(), Unresolved> {
        let mut payload = BytesMut::with_capacity(plan.payload_len);
        for piece in pieces {
            payload.extend_from_slice(piece);
        }
        let plan = Plan {
            payload_len: payload.len(),
            ..*plan
        };
        self.originate(&plan, &payload, note)
    }

    /// Queues a packet of our own, in as many pieces as its path needs.
    pub(super) fn originate(
        &mut self,
        plan: &Plan,
        payload: &[u8],
        note: &Note,
    ) -> Result<(), Unresolved> {
        let way = self.way(plan)?;
        let plan = &self.labelled(plan, payload);
        if way.header_len + payload.len() <= way.mtu {
            // Not ours to forbid: an answer to a stranger may be cut on the way. So it needs a number.
            let ident = if plan.src.is_ipv4() {
                self.idents.next(plan.src, plan.dst)
            } else {
                0
            };
            return self.enqueue(
                &way,
                packet(
                    plan,
                    payload,
                    Cut {
                        ident,
                        offset: 0,
                        more: false,
                    },
                ),
                *note,
            );
        }
        if plan.fields.df {
            let mtu = u32::try_from(way.mtu).unwrap_or(u32::MAX);
            return Err(Unresolved::TooBig { mtu });
        }
        let ident = self.idents.next(plan.src, plan.dst);
        let overhead = match plan.src {
            IpAddr::V4(_) => way.header_len,
            IpAddr::V6(_) => way.header_len + ipv6::FRAGMENT_LEN,
        };
        let size = (way.mtu.saturating_sub(overhead)) / 8 * 8;
        let count = payload.len().div_ceil(size.max(1));
        if size == 0 || self.out.len() + count > self.config.transmit_queue {
            return Err(Unresolved::QueueFull);
        }
        let fragment_note = Note::new(Why::Fragment, Limit::None, note.cause());
        for (n, chunk) in payload.chunks(size).enumerate() {
            let cut = Cut {
                ident,
                offset: n * size,
                more: n + 1 < count,
            };
            self.enqueue(&way, packet(plan, chunk, cut), fragment_note)?;
        }
        Ok(())
    }

    /// The plan with the label of its flow, unless it has one (RFC 6437 3). Every piece of a packet gets the same.
    fn labelled(&self, plan: &Plan, transport: &[u8]) -> Plan {
        let mut plan = *plan;
        if let (IpAddr::V6(src), IpAddr::V6(dst), 0) = (plan.src, plan.dst, plan.fields.flow_label)
        {
            plan.fields.flow_label = self.labels.of(src, dst, plan.protocol, transport);
        }
        plan
    }

    fn enqueue(&mut self, way: &Way, bytes: Bytes, note: Note) -> Result<(), Unresolved> {
        if self.out.len() >= self.config.transmit_queue {
            return Err(Unresolved::QueueFull);
        }
        self.out.push_back(Transmit {
            hop: way.hop,
            bytes,
            note,
        });
        Ok(())
    }

    /// Where a plan's packet goes, and how much fits there.
    fn way(&self, plan: &Plan) -> Result<Way, Unresolved> {
        let (header_len, most) = match (plan.src, plan.dst) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (ipv4::HEADER_LEN, ipv4::MAX_LEN - ipv4::HEADER_LEN),
            (IpAddr::V6(_), IpAddr::V6(_)) => (ipv6::HEADER_LEN, ipv4::MAX_LEN),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Err(Unresolved::MixedFamilies);
            }
        };
        if plan.payload_len > most {
            return Err(Unresolved::TooLong);
        }
        if let Some(iface) = plan.iface {
            return self.way_over(plan, iface, header_len);
        }
        let hop = self.hop(plan.dst).ok_or(Unresolved::NoRoute)?;
        let path = self.path_by(&hop, plan.dst).ok_or(Unresolved::NoRoute)?;
        let mtu = path.mtu;
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        Ok(Way {
            hop,
            mtu,
            header_len,
        })
    }
}

impl Endpoint {
    /// The same for a packet whose link is given: by a gateway if the routes know one there, else straight.
    fn way_over(
        &self,
        plan: &Plan,
        iface: InterfaceId,
        header_len: usize,
    ) -> Result<Way, Unresolved> {
        let link = self.interface(iface).ok_or(Unresolved::NoRoute)?;
        let straight = Hop {
            iface,
            next: plan.dst,
        };
        let routed = self.routes.lookup(plan.dst);
        let routed = routed.filter(|hop| hop.iface == iface && !address::is_link_scoped(plan.dst));
        let mtu = self.path_over(link, plan.dst).mtu;
        Ok(Way {
            hop: routed.unwrap_or(straight),
            mtu: usize::try_from(mtu).unwrap_or(usize::MAX),
            header_len,
        })
    }
}

/// The header of an unfragmented packet.
fn header_v4(plan: &Plan, src: core::net::Ipv4Addr, dst: core::net::Ipv4Addr) -> ipv4::Header {
    ipv4::Header {
        header_len: ipv4::HEADER_LEN,
        total_len: ipv4::HEADER_LEN + plan.payload_len,
        dscp: plan.fields.dscp,
        ecn: plan.fields.ecn,
        ident: 0,
        df: true,
        mf: false,
        offset: 0,
        ttl: plan.fields.ttl,
        protocol: plan.protocol,
        src,
        dst,
    }
}

fn header_v6(plan: &Plan, src: core::net::Ipv6Addr, dst: core::net::Ipv6Addr) -> ipv6::Header {
    ipv6::Header {
        dscp: plan.fields.dscp,
        ecn: plan.fields.ecn,
        flow_label: plan.fields.flow_label,
        payload_len: plan.payload_len,
        next_header: plan.protocol,
        hop_limit: plan.fields.ttl,
        src,
        dst,
    }
}

/// A whole packet with a copied payload: all of it, or the piece that `cut` names.
fn packet(plan: &Plan, payload: &[u8], cut: Cut) -> Bytes {
    let mut out = BytesMut::with_capacity(ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN + payload.len());
    let plan = Plan {
        payload_len: payload.len(),
        ..*plan
    };
    match (plan.src, plan.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut bytes = [0; ipv4::HEADER_LEN];
            let [.., high, low] = cut.ident.to_be_bytes();
            let header = ipv4::Header {
                ident: u16::from_be_bytes([high, low]),
                df: plan.fields.df,
                mf: cut.more,
                offset: cut.offset,
                ..header_v4(&plan, src, dst)
            };
            ipv4::emit(&header, &mut bytes);
            out.put_slice(&bytes);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut bytes = [0; ipv6::HEADER_LEN];
            let mut header = header_v6(&plan, src, dst);
            let fragment = ipv6::Fragment {
                next_header: plan.protocol,
                offset: cut.offset,
                more: cut.more,
                ident: cut.ident,
            };
            let is_cut = !fragment.is_atomic();
            if is_cut {
                header.next_header = ipv6::FRAGMENT;
                header.payload_len += ipv6::FRAGMENT_LEN;
            }
            ipv6::emit(&header, &mut bytes);
            out.put_slice(&bytes);
            if is_cut {
                out.put_slice(&fragment.to_bytes());
            }
        }
        // `way` has refused them.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
    }
    out.put_slice(payload);
    out.freeze()
}
