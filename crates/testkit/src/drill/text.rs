//! Packets in the script's grammar.
//!
//! Job: write a packet as a script would. Owns: the wording. Does not know: where a packet comes from.

use core::fmt::{self, Display, Formatter};

use super::ast::{Body, Counters, Flags, Icmp, IpPrefix, Packet, Signature, Tcp, TcpOption};

impl Display for Flags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let letters = [
            (self.syn, 'S'),
            (self.fin, 'F'),
            (self.rst, 'R'),
            (self.psh, 'P'),
            (self.urg, 'U'),
            (self.ece, 'E'),
            (self.cwr, 'W'),
            (self.ae, 'A'),
            (self.ack, '.'),
        ];
        let mut any = false;
        for (_, letter) in letters.iter().filter(|(set, _)| *set) {
            write!(f, "{letter}")?;
            any = true;
        }
        if any { Ok(()) } else { f.write_str("-") }
    }
}

impl Display for TcpOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eol => f.write_str("eol"),
            Self::Nop => f.write_str("nop"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                for (left, right) in blocks {
                    write!(f, " {left}:{right}")?;
                }
                Ok(())
            }
            Self::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            Self::FastOpen {
                cookie,
                experimental,
            } => {
                f.write_str(if *experimental { "FOEXP " } else { "FO " })?;
                cookie.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::AccurateEcn(counters) => counters.fmt(f),
            Self::UserTimeout { minutes, count } => {
                write!(f, "uto {count}{}", if *minutes { " min" } else { "" })
            }
            Self::Md5(Signature::Valid) => f.write_str("md5 valid"),
            Self::Md5(Signature::Invalid) => f.write_str("md5 invalid"),
            Self::Md5(Signature::Digest(digest)) => {
                f.write_str("md5 ")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Other { kind, data } => write!(f, "option {kind} of {} bytes", data.len() + 2),
        }
    }
}

impl Counters {
    /// The fields with their names, in their order on the wire.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let names = if self.ect1_first {
            ["e1b", "ceb", "e0b"]
        } else {
            ["e0b", "ceb", "e1b"]
        };
        let fields = names.into_iter().zip(self.fields);
        fields.filter_map(|(name, field)| Some((name, field?)))
    }
}

impl Display for Counters {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ECN")?;
        self.named()
            .try_for_each(|(name, count)| write!(f, " {name} {count}"))
    }
}

impl Display for Tcp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}({})", self.flags, self.seq, self.end, self.len)?;
        if let Some(ack) = self.ack {
            write!(f, " ack {ack}")?;
        }
        if let Some(win) = self.win {
            write!(f, " win {win}")?;
        }
        if let Some(urg) = self.urg {
            write!(f, " urg {urg}")?;
        }
        match &self.options {
            None => f.write_str(" <...>"),
            Some(options) if options.is_empty() => Ok(()),
            Some(options) => {
                let words: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", words.join(","))
            }
        }
    }
}

impl Display for Icmp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "icmp {}", self.kind)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        if let Some((left, right)) = self.quoted {
            write!(f, " [{left}:{right}({})]", right.wrapping_sub(left))?;
        }
        Ok(())
    }
}

impl Display for IpPrefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if let Some(ecn) = self.ecn {
            let name = ["noecn", "ect1", "ect0", "ce"].get(usize::from(ecn & 3));
            words.push((*name.unwrap_or(&"")).to_owned());
        }
        for (name, value) in [
            ("tos", self.tos.map(u32::from)),
            ("ttl", self.ttl.map(u32::from)),
            ("flowlabel", self.flow_label),
            ("port", self.port.map(u32::from)),
        ] {
            words.extend(value.map(|value| format!("{name} {value}")));
        }
        if words.is_empty() {
            return Ok(());
        }
        write!(f, "[{}] ", words.join(","))
    }
}

impl Display for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)?;
        match &self.body {
            Body::Tcp(tcp) => tcp.fmt(f),
            Body::Icmp(icmp) => icmp.fmt(f),
            Body::Udp(len) => write!(f, "udp ({len})"),
        }
    }
}
