//! One packet, in the grammar of `tcpdump -nvv`.
//!
//! Job: print what tcpdump prints, line for line, for IPv4, IPv6, ICMP, ICMPv6, UDP and TCP (and HTTP and DHCP on
//! their usual ports), then ` | ` and what only the stack knew: state, window, reason, cause.
//! Owns: the grammar. Does not know: connections beyond the two numbers that make a sequence number relative.
//! Other protocols get one honest line. Times are UTC; tcpdump's are local.

mod dhcp4;
mod dhcp6;
mod http;
mod icmp4;
mod icmp6;
mod ip;
mod note;
mod tcp;
mod udp;

use core::fmt::Write;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::HashMap;

use outcrop_base::Checksum;
use outcrop_capture::{Packet, Record};

use crate::conversation::Conversations;
use crate::dissect::{Body, Network, NetworkFault, protocol};
use crate::exchange::Exchanges;
use crate::paint::Paint;

/// Appends formatted text to a `String`, which cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        let _infallible = ::core::fmt::Write::write_fmt($out, format_args!($($arg)*));
    }};
}
pub(crate) use put;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct PrintOptions {
    /// Whether to append the stack's own knowledge and print its events. Without it the text is tcpdump's.
    pub annotate: bool,
    /// Colours for what is appended.
    pub paint: Paint,
}

impl Default for PrintOptions {
    fn default() -> Self {
        Self {
            annotate: true,
            paint: Paint::Plain,
        }
    }
}

/// Prints records one after the other; remembers where each TCP connection's numbers began.
#[derive(Debug, Default)]
pub struct Printer {
    options: PrintOptions,
    flows: HashMap<tcp::Key, tcp::Base>,
    /// Whether the packet at hand is quoted by an ICMP error.
    quoting: bool,
    /// For what is inside TLS, which tcpdump does not look at.
    conversations: Conversations,
    exchanges: Exchanges,
}

/// What a transport's printer needs from the layer below.
#[derive(Clone, Copy)]
struct Carrier {
    src: IpAddr,
    dst: IpAddr,
    /// A fragment's checksum covers what is not here.
    fragmented: bool,
    /// Behind IPv6 extension headers the addresses stand before those, not before the ports.
    named: bool,
}

impl Printer {
    /// A printer that has seen nothing.
    #[must_use]
    pub fn new(options: PrintOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Appends the lines of a record, line feeds included.
    pub fn record(&mut self, record: &Record, out: &mut String) {
        match record {
            Record::Packet(packet) => {
                self.packet(packet, out);
                out.push('\n');
            }
            Record::Event(event) if self.options.annotate => {
                put_time(out, event.at);
                note::put_event(out, event, self.options.paint);
                out.push('\n');
            }
            Record::Event(_) => {}
            Record::Secrets(lines) => self.exchanges.secrets(lines),
        }
    }

    fn packet(&mut self, packet: &Packet, out: &mut String) {
        put_time(out, packet.at);
        self.network(&Network::of(packet), out);
        if self.options.annotate {
            note::put_suffix(out, packet, self.options.paint);
            let seen = self.conversations.packet(packet);
            for line in self.exchanges.packet(packet, &seen).lines {
                note::put_inside(out, &line, self.options.paint);
            }
        }
    }

    /// Appends an IP packet; also one quoted by an ICMP error.
    fn network(&mut self, network: &Network, out: &mut String) {
        match network {
            Network::V4(ip) => self.v4(ip, out),
            Network::V6(ip) => self.v6(ip, out),
            Network::Arp(arp) => {
                let len = arp.len;
                put!(
                    out,
                    "ARP, Ethernet (len 6), IPv4 (len 4), {arp}, length {len}"
                );
            }
            Network::Other { ether_type, len } => {
                put!(out, "ether type 0x{ether_type:04x}, length {len}");
            }
            Network::Broken(fault) => match fault {
                NetworkFault::Empty => put!(out, "[|ip]"),
                NetworkFault::Short4 => put!(out, "IP  [|ip]"),
                NetworkFault::Short6 => put!(out, " [|ip6]"),
                NetworkFault::HeaderLength(len) => put!(out, "IP bad-hlen {len}"),
                NetworkFault::TotalLength(len) => put!(out, "IP bad-len {len}"),
                NetworkFault::Version(version) => put!(out, "unknown ip {version}"),
            },
        }
    }

    /// Appends what IP carries; the addresses are printed, or are printed here together with the ports.
    fn upper(&mut self, number: u8, body: &Body, carrier: Carrier, out: &mut String) {
        match number {
            protocol::TCP => self.tcp(body, carrier, out),
            protocol::UDP => udp::put_udp(out, body, carrier),
            protocol::ICMP => self.icmp4(body, carrier, out),
            protocol::ICMPV6 => icmp6::put_icmp6(out, body, carrier),
            protocol::IPV6 => self.network(&Network::by_version(&body.bytes), out),
            protocol::NONE => put!(out, "no next header"),
            number => put!(out, " ip-proto-{number} {}", body.wire_len),
        }
    }
}

impl Carrier {
    /// `10.0.0.1.80 > 10.0.0.2.41000`, or only the ports where the addresses stand before.
    fn put_ends(&self, out: &mut String, ports: Option<(u16, u16)>) {
        match (ports, self.named) {
            (Some((src, dst)), true) => put!(out, "{src} > {dst}"),
            (Some((src, dst)), false) => {
                put!(out, "{}.{src} > {}.{dst}", self.src, self.dst);
            }
            (None, _) => put!(out, "{} > {}", self.src, self.dst),
        }
    }

    /// The sum over pseudo-header and body: zero if the checksum is right. `None` if it cannot be known.
    fn residue(&self, number: u8, body: &Body) -> Option<u16> {
        if self.fragmented || !body.is_whole() {
            return None;
        }
        let len = u32::try_from(body.wire_len).ok()?;
        let mut sum = Checksum::pseudo_header(self.src, self.dst, number, len);
        sum.add(&body.bytes);
        Some(sum.finish())
    }
}

/// An ICMP message in words; `None` if it is too short.
pub(crate) fn icmp4_text(icmp: &[u8]) -> Option<String> {
    let mut text = String::new();
    icmp4::put_message(&mut text, icmp).map(|()| text)
}

/// The first line of an ICMPv6 message in words; `None` if it is too short.
pub(crate) fn icmp6_text(body: &Body) -> Option<String> {
    let mut text = String::new();
    icmp6::put_message(&mut text, body)?;
    text.lines().next().map(str::to_owned)
}

/// What a checksum field should hold, by what it holds and what remained.
fn should_be(field: u16, residue: u16) -> u16 {
    let sum = u32::from(field) + u32::from(residue);
    let folded = (sum & 0xffff) + (sum >> 16);
    u16::try_from(folded & 0xffff).unwrap_or(0) + u16::try_from(folded >> 16).unwrap_or(0)
}

/// Text of others: what is not printable as `^A` and `M-x`.
fn put_ascii(out: &mut String, text: &[u8]) {
    for byte in text {
        if !byte.is_ascii() {
            out.push_str("M-");
        }
        match byte & 0x7f {
            ascii if ascii.is_ascii_graphic() || ascii == b' ' => out.push(ascii.into()),
            control => put!(out, "^{}", char::from(control ^ 0x40)),
        }
    }
}

/// The time of day, UTC.
fn put_time(out: &mut String, at: Duration) {
    let seconds = at.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    let micros = at.subsec_micros();
    let _infallible = write!(
        out,
        "{hours:02}:{minutes:02}:{:02}.{micros:06} ",
        seconds % 60
    );
}
