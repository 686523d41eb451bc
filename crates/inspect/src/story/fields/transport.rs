//! TCP and UDP headers, field by field.
//!
//! Job: names, meanings and bytes of what stands before a payload. Owns: nothing. Does not know: what carries it.
//! Sources: RFC 9293 3.1, RFC 7323 2 and 3, RFC 2018 2 and 3, RFC 768.

use super::Layer;
use crate::dissect::{Tcp, TcpOption, Udp};

/// Length of the header.
pub(super) fn tcp(layer: &mut Layer, tcp: &Tcp) -> usize {
    let len = 20 + tcp.options.len();
    layer.add(0..2, "source port", tcp.src_port.to_string());
    layer.add(2..4, "destination port", tcp.dst_port.to_string());
    layer.add(4..8, "sequence number", tcp.seq.to_string());
    layer.add(8..12, "acknowledgment number", tcp.ack.to_string());
    layer.add(12..13, "data offset", format!("{len} bytes"));
    layer.add(13..14, "control bits", tcp.flags.to_string());
    layer.add(14..16, "window", format!("{}, unscaled", tcp.window));
    layer.add(16..18, "checksum", format!("0x{:04x}", tcp.checksum));
    layer.add(18..20, "urgent pointer", tcp.urgent.to_string());
    let mut at = 20;
    for option in tcp.options() {
        let Ok(option) = option else {
            layer.add(
                at..len,
                "broken option",
                "its length is impossible".to_owned(),
            );
            return len;
        };
        let single = matches!(option.kind, TcpOption::END | TcpOption::NOP);
        let end = at + if single { 1 } else { 2 + option.data.len() };
        let (name, value) = tcp_option(tcp, option);
        layer.add(at..end, name, value);
        at = end;
    }
    // Behind the end of the list only zeros may stand.
    if at < len {
        layer.add(at..len, "padding", format!("{} bytes", len - at));
    }
    len
}

fn tcp_option(tcp: &Tcp, option: TcpOption<'_>) -> (&'static str, String) {
    let bytes = || format!("{} bytes", option.data.len());
    match option.kind {
        TcpOption::END => ("end of options", String::new()),
        TcpOption::NOP => ("no operation", String::new()),
        TcpOption::MSS => (
            "maximum segment size",
            tcp.mss().map_or_else(bytes, |mss| mss.to_string()),
        ),
        TcpOption::WINDOW_SCALE => (
            "window scale",
            tcp.window_scale()
                .map_or_else(bytes, |scale| format!("times 2^{scale}")),
        ),
        TcpOption::SACK_PERMITTED => ("SACK permitted", String::new()),
        TcpOption::SACK => (
            "selective acknowledgment",
            option
                .sack_blocks()
                .map(|block| format!("{}–{} ", block.left, block.right))
                .collect(),
        ),
        TcpOption::TIMESTAMPS => (
            "timestamps",
            tcp.timestamps()
                .map_or_else(bytes, |(value, echo)| format!("{value}, echoing {echo}")),
        ),
        kind => ("option", format!("kind {kind}, {}", bytes())),
    }
}

/// Length of the header.
pub(super) fn udp(layer: &mut Layer, udp: &Udp) -> usize {
    layer.add(0..2, "source port", udp.src_port.to_string());
    layer.add(2..4, "destination port", udp.dst_port.to_string());
    layer.add(4..6, "length", format!("{} bytes", udp.len));
    layer.add(6..8, "checksum", format!("0x{:04x}", udp.checksum));
    8
}
