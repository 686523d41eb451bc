//! Flow labels on what leaves, and on what is passed on.

use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{Cause, HeaderRoom, Instant, IpFields, Limit, Note, Why};
use outcrop_ip::{Plan, Wrap};

use crate::host::{OURS_V6, PEER_V6, host};

fn label(header: &[u8]) -> u32 {
    u32::from_be_bytes([header[0], header[1], header[2], header[3]]) & 0xf_ffff
}

fn plan(payload_len: usize) -> Plan {
    Plan {
        src: OURS_V6,
        dst: PEER_V6,
        protocol: 17,
        fields: IpFields {
            df: false,
            ..IpFields::default()
        },
        payload_len,
        gso: None,
        iface: None,
    }
}

/// The label of a datagram between these ports.
fn wrapped(ports: [u8; 4], fields: IpFields) -> u32 {
    let mut room = HeaderRoom::new();
    room.prepend(8)
        .copy_from_slice(&[ports[0], ports[1], ports[2], ports[3], 0, 8, 0, 0]);
    let plan = Plan { fields, ..plan(8) };
    assert!(matches!(host().wrap(&plan, &mut room), Wrap::Wrapped(_)));
    label(room.as_slice())
}

#[test]
fn packets_of_a_flow_leave_with_one_label_and_another_flows_with_another() {
    let (one, other) = ([0x10, 0, 0, 9], [0x10, 1, 0, 9]);
    let fields = IpFields::default();
    assert_eq!(wrapped(one, fields), wrapped(one, fields));
    assert_ne!(wrapped(one, fields), wrapped(other, fields));
    assert_ne!(wrapped(one, fields), 0);
    // What a transport has chosen is carried as it is (RFC 6437 3).
    let chosen = IpFields {
        flow_label: 0x12345,
        ..fields
    };
    assert_eq!(wrapped(one, chosen), 0x12345);
}

#[test]
fn every_fragment_of_a_datagram_has_the_label_of_its_flow() {
    let mut host = host();
    let mut datagram = vec![0x10, 0, 0, 9];
    datagram.resize(4000, 7);
    let note = Note::new(Why::Datagram, Limit::None, Cause::None);
    let pieces = [IoSlice::new(&datagram)];
    host.fragment(&plan(datagram.len()), &pieces, &note)
        .unwrap();
    let fragments: Vec<Bytes> = core::iter::from_fn(|| host.poll_transmit(Instant::ZERO))
        .map(|transmit| transmit.bytes)
        .collect();
    assert_eq!(fragments.len(), 3);
    let expected = wrapped([0x10, 0, 0, 9], IpFields::default());
    assert!(fragments.iter().all(|fragment| label(fragment) == expected));
}
