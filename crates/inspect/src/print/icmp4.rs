//! ICMP messages, with the packets that errors quote.

use core::net::Ipv4Addr;

use outcrop_base::Checksum;

use super::{Carrier, Printer, put, should_be};
use crate::dissect::{Body, Network, long, protocol, word};

impl Printer {
    pub(super) fn icmp4(&mut self, body: &Body, carrier: Carrier, out: &mut String) {
        let mut text = String::new();
        let kind = body.bytes.first().copied();
        let (Some(kind), Some(())) = (kind, put_message(&mut text, &body.bytes)) else {
            out.push_str(" [|icmp]");
            return;
        };
        put!(out, "ICMP {text}, length {}", body.wire_len);
        if !carrier.fragmented && body.is_whole() {
            let mut sum = Checksum::new();
            sum.add(&body.bytes);
            let residue = sum.finish();
            let found = body.word(2).unwrap_or(0);
            if residue != 0 {
                let right = should_be(found, residue);
                put!(out, " (wrong icmp cksum {found:x} (->{right:x})!)");
            }
        }
        if matches!(kind, 3 | 4 | 5 | 11 | 12) {
            out.push_str("\n\t");
            // A quote is shorter than the packet it quotes: not worth a remark.
            let quoting = core::mem::replace(&mut self.quoting, true);
            self.network(&Network::by_version(&body.after(8).bytes), out);
            self.quoting = quoting;
        }
    }
}

/// The message in words; `None` if it is too short to say.
pub(super) fn put_message(out: &mut String, icmp: &[u8]) -> Option<()> {
    let (&kind, &code) = (icmp.first()?, icmp.get(1)?);
    icmp.get(3)?;
    match kind {
        0 | 8 => {
            let name = if kind == 8 { "request" } else { "reply" };
            put!(
                out,
                "echo {name}, id {}, seq {}",
                word(icmp, 4)?,
                word(icmp, 6)?
            );
        }
        3 => put_unreachable(out, icmp, code)?,
        4 => out.push_str("source quench"),
        5 => put_redirect(out, icmp, code)?,
        10 => out.push_str("router solicitation"),
        11 => match code {
            0 => out.push_str("time exceeded in-transit"),
            1 => out.push_str("ip reassembly time exceeded"),
            code => put!(out, "time exceeded-#{code}"),
        },
        12 if code == 0 => put!(out, "parameter problem - octet {}", icmp.get(4)?),
        12 => put!(out, "parameter problem - code {code}"),
        13 => put!(
            out,
            "time stamp query id {} seq {}",
            word(icmp, 4)?,
            word(icmp, 6)?
        ),
        14 => {
            put!(
                out,
                "time stamp reply id {} seq {}: ",
                word(icmp, 4)?,
                word(icmp, 6)?
            );
            put!(
                out,
                "org {}, recv {}, ",
                Clock(long(icmp, 8)?),
                Clock(long(icmp, 12)?)
            );
            put!(out, "xmit {}", Clock(long(icmp, 16)?));
        }
        15 => out.push_str("information request"),
        16 => out.push_str("information reply"),
        kind => put!(out, "type-#{kind}"),
    }
    Some(())
}

/// Milliseconds since midnight.
struct Clock(u32);

impl core::fmt::Display for Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (seconds, millis) = (self.0 / 1_000, self.0 % 1_000);
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
    }
}

/// Destination of the quoted packet.
fn quoted_destination(icmp: &[u8]) -> Option<Ipv4Addr> {
    long(icmp, 24).map(Ipv4Addr::from_bits)
}

fn put_unreachable(out: &mut String, icmp: &[u8], code: u8) -> Option<()> {
    let dst = quoted_destination(icmp)?;
    match code {
        0 => put!(out, "net {dst} unreachable"),
        1 => put!(out, "host {dst} unreachable"),
        2 => put!(out, "{dst} protocol {} unreachable", icmp.get(17)?),
        3 => {
            let port_at = 8 + usize::from(icmp.get(8)? & 15) * 4 + 2;
            let port = word(icmp, port_at)?;
            match *icmp.get(17)? {
                protocol::TCP => put!(out, "{dst} tcp port {port} unreachable"),
                protocol::UDP => put!(out, "{dst} udp port {port} unreachable"),
                other => put!(out, "{dst} protocol {other} port {port} unreachable"),
            }
        }
        4 => match word(icmp, 6)? {
            0 => put!(out, "{dst} unreachable - need to frag"),
            mtu => put!(out, "{dst} unreachable - need to frag (mtu {mtu})"),
        },
        5 => put!(out, "{dst} unreachable - source route failed"),
        6 => put!(out, "net {dst} unreachable - unknown"),
        7 => put!(out, "host {dst} unreachable - unknown"),
        8 => put!(out, "{dst} unreachable - source host isolated"),
        9 => put!(out, "net {dst} unreachable - admin prohibited"),
        10 => put!(out, "host {dst} unreachable - admin prohibited"),
        11 => put!(out, "net {dst} unreachable - tos prohibited"),
        12 => put!(out, "host {dst} unreachable - tos prohibited"),
        13 => put!(out, "host {dst} unreachable - admin prohibited filter"),
        14 => put!(out, "host {dst} unreachable - host precedence violation"),
        15 => put!(out, "host {dst} unreachable - precedence cutoff"),
        code => put!(out, "{dst} unreachable - #{code}"),
    }
    Some(())
}

fn put_redirect(out: &mut String, icmp: &[u8], code: u8) -> Option<()> {
    let dst = quoted_destination(icmp)?;
    let gateway = long(icmp, 4).map(Ipv4Addr::from_bits)?;
    match code {
        0 => put!(out, "redirect {dst} to net {gateway}"),
        1 => put!(out, "redirect {dst} to host {gateway}"),
        2 => put!(out, "redirect-tos {dst} to net {gateway}"),
        3 => put!(out, "redirect-tos {dst} to host {gateway}"),
        code => put!(out, "redirect-#{code} {dst} to {gateway}"),
    }
    Some(())
}
