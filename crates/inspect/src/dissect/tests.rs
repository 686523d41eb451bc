//! Headers from the RFCs' figures, whole and broken.
#![expect(clippy::cast_possible_truncation, reason = "test data")]

use super::*;

fn tcp_bytes(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = (20 + options.len()) / 4;
    let mut bytes = vec![0x1f, 0x90, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0];
    bytes.extend([(offset << 4) as u8, 0x12, 0xff, 0, 0, 0, 0, 0]);
    bytes.extend(options);
    bytes.extend(payload);
    bytes
}

fn v4_bytes(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x45,
        0,
        0,
        (20 + payload.len()) as u8,
        0,
        1,
        0x40,
        0,
        64,
        protocol,
        0,
        0,
    ];
    bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(payload);
    bytes
}

fn upper(protocol: u8, payload: &[u8]) -> Upper {
    Network::by_version(&Bytes::from(v4_bytes(protocol, payload))).upper()
}

#[test]
fn options_of_a_syn_are_found_by_name() {
    let options = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
    ];
    let Upper::Tcp(tcp) = upper(6, &tcp_bytes(&options, b"")) else {
        panic!("a segment went in")
    };
    assert_eq!(tcp.mss(), Some(1460));
    assert_eq!(tcp.window_scale(), Some(7));
    assert_eq!(tcp.timestamps(), Some((1, 2)));
    assert!(tcp.sack_permitted());
    assert_eq!(tcp.seq_len(), 1);
    assert_eq!(tcp.flags.to_string(), "SYN ACK");
}

#[test]
fn option_list_stops_at_an_impossible_length() {
    let Upper::Tcp(tcp) = upper(6, &tcp_bytes(&[1, 2, 8, 5], b"")) else {
        panic!("a segment went in")
    };
    let kinds: Vec<_> = tcp.options().collect();
    assert_eq!(kinds.len(), 2);
    assert_eq!(
        kinds[1],
        Err(BadOption {
            kind: 2,
            too_long: true
        })
    );
    assert_eq!(tcp.mss(), None);
}

#[test]
fn headers_that_do_not_fit_keep_what_can_be_seen() {
    let whole = tcp_bytes(&[], b"");
    let Upper::BadTcp(fault) = upper(6, &whole[..15]) else {
        panic!("fifteen bytes are no segment")
    };
    assert_eq!(fault.ports, Some((8080, 80)));
    assert_eq!(fault.header_len, None);
    let Upper::BadUdp(fault) = upper(17, &[0, 1, 0, 2, 0, 4, 0, 0]) else {
        panic!("a length of four is no datagram")
    };
    assert_eq!(fault.bad_len, Some(4));
}

#[test]
fn ip_faults_are_told_apart() {
    let good = v4_bytes(253, b"x");
    let fault = |bytes: Vec<u8>| match Network::by_version(&Bytes::from(bytes)) {
        Network::Broken(fault) => fault,
        Network::V4(_) | Network::V6(_) | Network::Arp(_) | Network::Other { .. } => {
            panic!("that was a packet")
        }
    };
    assert_eq!(fault(vec![]), NetworkFault::Empty);
    assert_eq!(fault(good[..19].to_vec()), NetworkFault::Short4);
    assert_eq!(fault(vec![0x60; 39]), NetworkFault::Short6);
    assert_eq!(fault(vec![0x75; 39]), NetworkFault::Version(7));
    let mut short_header = good.clone();
    short_header[0] = 0x44;
    assert_eq!(fault(short_header), NetworkFault::HeaderLength(16));
    let mut short_total = good;
    short_total[3] = 16;
    assert_eq!(fault(short_total), NetworkFault::TotalLength(16));
}

#[test]
fn transport_is_found_behind_ipv6_extension_headers() {
    let mut bytes = vec![0x60, 0, 0, 0, 0, 24, 0, 64];
    bytes.extend([0; 32]);
    bytes.extend([60, 0, 5, 2, 0, 0, 1, 0]); // hop-by-hop, router alert
    bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]); // destination options, padding
    bytes.extend([0, 7, 0, 9, 0, 8, 0, 0]);
    let network = Network::by_version(&Bytes::from(bytes));
    assert_eq!(network.upper().ports(), Some((7, 9)));
}

#[test]
fn later_fragment_shows_no_transport() {
    let mut bytes = vec![0x60, 0, 0, 0, 0, 16, 44, 64];
    bytes.extend([0; 32]);
    bytes.extend([17, 0, 0, 0x10, 0, 0, 0, 7]);
    bytes.extend([0, 7, 0, 9, 0, 8, 0, 0]);
    let network = Network::by_version(&Bytes::from(bytes));
    assert_eq!(network.upper(), Upper::Fragment { protocol: 17 });
}
