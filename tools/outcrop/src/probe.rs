//! Probes of a traceroute.
//!
//! Job: build the packet of one probe, and recognise what answers it. Owns: how a probe is told from others: by a
//! port or sequence number of its own, which routers quote. Does not know: time, or who is asked.
//! Sources: RFC 1812 4.3.2 (what routers quote), RFC 792, RFC 4443, RFC 9293 3.1 (a SYN), RFC 768.

use core::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use outcrop_base::Checksum;
use outcrop_ip::wire::{icmp, ipv4, ipv6};
use outcrop_stack::ip::RawPacket;

/// Protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// What probes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Datagrams to ports nobody uses, each one port further.
    Udp,
    /// Echo requests.
    Echo,
    /// SYNs, each from one port further.
    Tcp,
}

/// One series of probes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    /// What they are made of.
    pub(crate) kind: Kind,
    /// From where.
    pub(crate) src: IpAddr,
    /// To where.
    pub(crate) dst: IpAddr,
    /// The destination port: of SYNs, or of the first datagram.
    pub(crate) port: u16,
    /// What tells this series from others: source port or echo identifier.
    pub(crate) ident: u16,
    /// Bytes of payload.
    pub(crate) size: usize,
}

/// What came back, and to which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The number of the probe.
    pub(crate) probe: u16,
    /// Who answers.
    pub(crate) from: IpAddr,
    /// With what.
    pub(crate) what: What,
}

/// An answer's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A router on the way: its hops were used up there.
    Hop,
    /// The destination.
    There,
    /// The way ends; the mark that traceroute(8) shows, if there is one.
    Refused(&'static str),
}

impl Series {
    /// The protocol of the probes.
    pub(crate) const fn protocol(&self) -> u8 {
        match self.kind {
            Kind::Udp => UDP,
            Kind::Tcp => TCP,
            Kind::Echo => icmp_of(&self.dst),
        }
    }

    /// The ICMP of the family.
    pub(crate) const fn icmp(&self) -> u8 {
        icmp_of(&self.dst)
    }

    /// Bytes of a probe, its IP header included.
    pub(crate) const fn packet_len(&self) -> usize {
        let header = match self.dst {
            IpAddr::V4(_) => ipv4::HEADER_LEN,
            IpAddr::V6(_) => ipv6::HEADER_LEN,
        };
        header
            + match self.kind {
                Kind::Udp | Kind::Echo => 8 + self.size,
                Kind::Tcp => 20,
            }
    }

    /// What follows the IP header of a probe.
    pub(crate) fn payload(&self, probe: u16) -> Bytes {
        let data = vec![0; self.size];
        let mut out = BytesMut::new();
        match self.kind {
            Kind::Echo => {
                let ask = icmp::Outgoing::EchoRequest {
                    ident: self.ident,
                    seq: probe,
                };
                out.put_slice(&icmp::emit(ask, self.src, self.dst, &data));
                out.put_slice(&data);
            }
            Kind::Udp => {
                let len = u16::try_from(8 + self.size).unwrap_or(u16::MAX);
                for word in [self.ident, self.port.wrapping_add(probe), len, 0] {
                    out.put_u16(word);
                }
                out.put_slice(&data);
                // Zero would mean that there is none (RFC 768).
                self.fill_checksum(&mut out, 6, 0xffff);
            }
            Kind::Tcp => {
                out.put_u16(self.ident.wrapping_add(probe));
                out.put_u16(self.port);
                out.put_u32(u32::from(probe) << 16 | u32::from(self.ident));
                out.put_u32(0);
                // Five words, SYN, a small window.
                for word in [0x5002, 1024, 0, 0] {
                    out.put_u16(word);
                }
                self.fill_checksum(&mut out, 16, 0);
            }
        }
        out.freeze()
    }

    fn fill_checksum(&self, out: &mut [u8], at: usize, instead_of_zero: u16) {
        let len = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let mut sum = Checksum::pseudo_header(self.src, self.dst, self.protocol(), len);
        sum.add(out);
        let sum = match sum.finish() {
            0 => instead_of_zero,
            sum => sum,
        };
        if let Some(field) = out.get_mut(at..at + 2) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// What a packet that arrived answers, if it answers one of the probes.
    pub(crate) fn recognise(&self, packet: &RawPacket) -> Option<Answer> {
        let payload = &packet.payload[..];
        let there = |probe| Answer {
            probe,
            from: packet.src,
            what: What::There,
        };
        if packet.protocol == TCP {
            let from_there = packet.src == self.dst && word(payload, 0)? == self.port;
            let probe = word(payload, 2)?.wrapping_sub(self.ident);
            return from_there.then(|| there(probe));
        }
        let [kind, code, ..] = *payload else {
            return None;
        };
        let reply = if self.dst.is_ipv4() { 0 } else { 129 };
        if kind == reply && self.kind == Kind::Echo {
            return (word(payload, 4)? == self.ident)
                .then(|| word(payload, 6).map(there))
                .flatten();
        }
        let what = match self.dst {
            IpAddr::V4(_) => meaning_v4(kind, code)?,
            IpAddr::V6(_) => meaning_v6(kind, code)?,
        };
        let probe = self.quoted(payload.get(8..)?)?;
        let what = match what {
            // A closed port is the destination's answer to a datagram.
            What::There if packet.src != self.dst => What::Refused("!P"),
            What::Hop | What::There | What::Refused(_) => what,
        };
        Some(Answer {
            probe,
            from: packet.src,
            what,
        })
    }

    /// The number of the probe that an error quotes.
    fn quoted(&self, quote: &[u8]) -> Option<u16> {
        let (dst, protocol, at) = match self.dst {
            IpAddr::V4(_) => {
                let header = ipv4::parse_quoted(quote)?;
                (IpAddr::V4(header.dst), header.protocol, header.header_len)
            }
            IpAddr::V6(_) => {
                let header = ipv6::parse_quoted(quote)?;
                let inner = ipv6::skip_extensions(quote, header.next_header);
                (IpAddr::V6(header.dst), inner.protocol, inner.payload_at)
            }
        };
        if dst != self.dst || protocol != self.protocol() {
            return None;
        }
        // Whoever reports an error quotes 64 bits behind the header at least (RFC 792).
        let inner = quote.get(at..).filter(|inner| inner.len() >= 8)?;
        let (first, second) = (word(inner, 0)?, word(inner, 2)?);
        match self.kind {
            Kind::Udp => (first == self.ident).then(|| second.wrapping_sub(self.port)),
            Kind::Tcp => (second == self.port).then(|| first.wrapping_sub(self.ident)),
            Kind::Echo => {
                let ident = word(inner, 4)?;
                (ident == self.ident).then(|| word(inner, 6)).flatten()
            }
        }
    }
}

const fn icmp_of(dst: &IpAddr) -> u8 {
    match dst {
        IpAddr::V4(_) => icmp::PROTOCOL_V4,
        IpAddr::V6(_) => icmp::PROTOCOL_V6,
    }
}

/// RFC 792, RFC 1812 5.2.7.1; `None` for what says nothing about the way.
const fn meaning_v4(kind: u8, code: u8) -> Option<What> {
    Some(match (kind, code) {
        (11, 0) => What::Hop,
        (3, 3) => What::There,
        (3, 0 | 6) => What::Refused("!N"),
        (3, 1 | 7) => What::Refused("!H"),
        (3, 2) => What::Refused("!P"),
        (3, 4) => What::Refused("!F"),
        (3, 9 | 10 | 13) => What::Refused("!X"),
        (3, _) => What::Refused("!"),
        _ => return None,
    })
}

/// RFC 4443 3.
const fn meaning_v6(kind: u8, code: u8) -> Option<What> {
    Some(match (kind, code) {
        (3, 0) => What::Hop,
        (1, 4) => What::There,
        (1, 0) => What::Refused("!N"),
        (1, 1 | 5 | 6) => What::Refused("!X"),
        (1, 3) => What::Refused("!H"),
        (1, _) => What::Refused("!"),
        (2, _) => What::Refused("!F"),
        (4, 1) => What::Refused("!P"),
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_base::{Instant, InterfaceId};

    fn series(kind: Kind, v6: bool) -> Series {
        let [src, dst, port] = if v6 {
            ["fd01::2", "fd02::2", "80"]
        } else {
            ["10.1.0.2", "10.2.0.2", "80"]
        };
        Series {
            kind,
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            port: port.parse().unwrap(),
            ident: 4_711,
            size: 32,
        }
    }

    fn arrived(from: IpAddr, protocol: u8, payload: Vec<u8>) -> RawPacket {
        RawPacket {
            at: Instant::ZERO,
            iface: InterfaceId(0),
            src: from,
            dst: from,
            protocol,
            hop_limit: 64,
            payload: payload.into(),
        }
    }

    /// An error of this type and code, quoting a probe in a header without options.
    fn error(series: &Series, kind: u8, code: u8, probe: u16) -> Vec<u8> {
        let mut out = vec![kind, code, 0, 0, 0, 0, 0, 0];
        match (series.src, series.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                out.extend([0x45, 0, 0, 60, 0, 0, 0, 0, 1, series.protocol(), 0, 0]);
                out.extend(src.octets());
                out.extend(dst.octets());
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                out.extend([0x60, 0, 0, 0, 0, 40, series.protocol(), 1]);
                out.extend(src.octets());
                out.extend(dst.octets());
            }
            _ => panic!("mixed"),
        }
        // Eight bytes are all that RFC 792 promises.
        out.extend_from_slice(&series.payload(probe)[..8]);
        out
    }

    #[test]
    fn each_probe_is_recognised_in_what_a_router_quotes_of_it() {
        let router = "10.1.0.1".parse().unwrap();
        for kind in [Kind::Udp, Kind::Echo, Kind::Tcp] {
            for (v6, exceeded) in [(false, 11), (true, 3)] {
                let series = series(kind, v6);
                for probe in [0, 1, 89] {
                    let error = error(&series, exceeded, 0, probe);
                    let answer = series.recognise(&arrived(router, series.icmp(), error));
                    let (from, what) = (router, What::Hop);
                    assert_eq!(answer, Some(Answer { probe, from, what }), "{kind:?}");
                }
                let other = Series {
                    ident: 1,
                    port: 81,
                    ..series
                };
                let error = error(&other, exceeded, 0, 3);
                let answer = series.recognise(&arrived(router, series.icmp(), error));
                assert_eq!(answer, None, "somebody else's probe");
            }
        }
    }

    #[test]
    fn destination_answers_in_three_ways_and_refusals_have_their_marks() {
        let udp = series(Kind::Udp, false);
        let closed = arrived(udp.dst, 1, error(&udp, 3, 3, 5));
        assert_eq!(udp.recognise(&closed).unwrap().what, What::There);
        let echo = series(Kind::Echo, true);
        let [high, low] = echo.ident.to_be_bytes();
        let reply = arrived(echo.dst, 58, vec![129, 0, 0, 0, high, low, 0, 9]);
        assert_eq!(echo.recognise(&reply).unwrap().probe, 9);
        let tcp = series(Kind::Tcp, false);
        let [high, low] = (tcp.ident + 7).to_be_bytes();
        let refused = arrived(tcp.dst, 6, vec![0, 80, high, low, 0, 0, 0, 0]);
        assert_eq!(tcp.recognise(&refused).unwrap().probe, 7);
        for (kind, code, mark) in [(3, 0, "!N"), (3, 1, "!H"), (3, 13, "!X"), (3, 4, "!F")] {
            let error = error(&udp, kind, code, 0);
            let answer = udp.recognise(&arrived(udp.src, 1, error)).unwrap();
            assert_eq!(answer.what, What::Refused(mark));
        }
    }

    #[test]
    fn short_and_strange_packets_answer_nothing() {
        let series = series(Kind::Udp, false);
        for len in 0..36 {
            let cut = error(&series, 11, 0, 0)[..len].to_vec();
            assert_eq!(
                series.recognise(&arrived(series.dst, 1, cut)),
                None,
                "{len}"
            );
        }
    }

    #[test]
    fn checksums_of_probes_are_right() {
        for (kind, v6) in [(Kind::Udp, false), (Kind::Udp, true), (Kind::Tcp, true)] {
            let series = series(kind, v6);
            let payload = series.payload(3);
            let len = u32::try_from(payload.len()).unwrap();
            let mut sum = Checksum::pseudo_header(series.src, series.dst, series.protocol(), len);
            sum.add(&payload);
            assert_eq!(sum.finish(), 0);
        }
    }
}
