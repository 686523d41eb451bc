//! Packets of the peer.
//!
//! Job: a packet of the script, with live numbers, into the stack. Owns: nothing. Does not know: what is
//! expected of the stack.

use super::super::ast::{Body, Icmp, IpPrefix, Packet, Tcp, TcpOption};
use super::super::icmp;
use super::super::report::Stop;
use super::super::wire::{Ip, Segment};
use super::Stage;

impl Stage {
    fn ip(&self, packet: &Packet) -> Ip {
        Ip {
            src: self.host.remote,
            dst: self.host.local,
            prefix: packet.ip,
        }
    }

    pub(super) fn inject(&mut self, packet: &Packet) -> Result<(), Stop> {
        self.log(self.host.now, &format!("< {packet}"));
        let ip = self.ip(packet);
        let bytes = match &packet.body {
            Body::Tcp(tcp) => {
                let opens = tcp.flags.syn && !tcp.flags.ack;
                let (local, remote) = self.numbers.for_arrival(opens, packet.ip.port);
                let mut segment = self.live(tcp, remote);
                for option in &mut segment.options {
                    if let TcpOption::FastOpen { cookie, .. } = option {
                        *cookie = self.live_cookie(cookie, tcp.flags, &ip);
                    }
                }
                ip.tcp((remote, local), &segment, self.program.key.as_deref())
            }
            Body::Udp(len) => {
                let (local, remote) = self.numbers.for_arrival(false, packet.ip.port);
                ip.udp((remote, local), *len)
            }
            Body::Icmp(message) => self.icmp(&ip, message, packet.ip.port)?,
        };
        self.program.before_packet(&self.host);
        self.host.feed(bytes);
        self.settle()
    }

    /// A segment of the script as it crosses the wire.
    fn live(&mut self, tcp: &Tcp, remote: u16) -> Segment {
        let ack = tcp.ack.filter(|_| tcp.flags.ack);
        self.acked = ack.unwrap_or(self.acked);
        let ours = |number| self.numbers.ours_live(remote, number);
        let option = |option: &TcpOption| match option {
            TcpOption::Sack(blocks) => {
                TcpOption::Sack(blocks.iter().map(|(l, r)| (ours(*l), ours(*r))).collect())
            }
            TcpOption::Timestamps { val, ecr } => TcpOption::Timestamps {
                val: *val,
                ecr: self.numbers.ecr_live(remote, *ecr),
            },
            TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::FastOpen { .. }
            | TcpOption::AccurateEcn(_)
            | TcpOption::Md5(_)
            | TcpOption::UserTimeout { .. }
            | TcpOption::Other { .. } => option.clone(),
        };
        Segment {
            flags: tcp.flags,
            seq: self.numbers.theirs_live(tcp.seq),
            ack: tcp.ack.map_or(0, ours),
            win: tcp.win.unwrap_or(0),
            urg: tcp.urg.unwrap_or(0),
            options: tcp.options.iter().flatten().map(option).collect(),
            len: usize::try_from(tcp.len).unwrap_or(0),
        }
    }

    /// An ICMP error quotes a segment of ours.
    fn icmp(&mut self, ip: &Ip, message: &Icmp, port: Option<u16>) -> Result<Vec<u8>, Stop> {
        let (local, remote) = self.numbers.for_arrival(false, port);
        let (kind, rest) = icmp::numbers(message, self.options.family).ok_or_else(|| {
            Stop::skip(format!(
                "icmp {} {} is not there",
                message.kind, message.code
            ))
        })?;
        self.program.icmp = icmp::errno(message);
        let (from, to) = message.quoted.unwrap_or((self.acked, self.acked));
        let quoted = Segment {
            seq: self.numbers.ours_live(remote, from),
            len: usize::try_from(to.wrapping_sub(from))
                .unwrap_or(0)
                .min(1480),
            ..Segment::default()
        };
        let ours = Ip {
            src: ip.dst,
            dst: ip.src,
            prefix: IpPrefix::default(),
        };
        let packet = ours.tcp((local, remote), &quoted, None);
        // RFC 792 quotes eight octets beyond the header; routers of today more.
        let quote = packet.get(..packet.len().min(80)).unwrap_or_default();
        Ok(ip.icmp(kind, rest, quote))
    }
}
