//! DHCP of both families, field by field.
//!
//! Job: show what `outcrop_dhcp` says of a message's parts as fields of a packet. Owns: which ports mean DHCP.
//! Does not know: what a part means. Each names the section that defines it.

use outcrop_base::FieldValue;
use outcrop_dhcp::{v4, v6};

use super::Layer;
use crate::dissect::{Mac, Udp};

/// Length of the message that begins at `start`, if it is one.
pub(super) fn message(layer: &mut Layer, udp: &Udp, start: usize) -> usize {
    let message = &udp.payload.bytes;
    let on = |ports: [u16; 2]| ports.contains(&udp.src_port) || ports.contains(&udp.dst_port);
    let mut visit = |field: outcrop_base::Field<'_>| {
        let octet = |bit: u32| usize::try_from(bit / 8).unwrap_or(usize::MAX);
        layer.enter("dhcp", field.source, start).add(
            octet(field.bits.start)..octet(field.bits.end),
            field.name,
            shown(&field.value),
        );
    };
    if on([v4::CLIENT_PORT, v4::SERVER_PORT]) {
        v4::wire::fields(message, &mut visit);
    } else if on([v6::CLIENT_PORT, v6::SERVER_PORT]) {
        v6::wire::fields(message, &mut visit);
    } else {
        return 0;
    }
    message.len()
}

fn shown(value: &FieldValue<'_>) -> String {
    match value {
        FieldValue::Number(number) => number.to_string(),
        FieldValue::Address(addr) => addr.to_string(),
        FieldValue::Mac(mac) => Mac(*mac).to_string(),
        FieldValue::Text(text) => (*text).to_owned(),
        FieldValue::Bytes(bytes) => super::preview(bytes, bytes.len()),
    }
}
