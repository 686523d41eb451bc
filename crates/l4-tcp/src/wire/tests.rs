//! Headers against etherparse's own reading, against known bytes, and against themselves.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{TcpHeader, TcpOptionElement, TcpSlice};
use outcrop_base::{
    Cause, FieldValue, Flow, Instant, InterfaceId, IpFields, Limit, Note, PacketId, Path,
    Transport, Why,
};
use proptest::prelude::*;

use super::*;
use crate::segment::{
    AccurateOption, FastOpenCookie, Options, SackBlock, SackBlocks, StreamRange, Timestamps,
    UserTimeout,
};

const V4: (IpAddr, IpAddr) = (
    IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2)),
    IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)),
);
const V6: (IpAddr, IpAddr) = (
    IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)),
);

fn plan(ips: (IpAddr, IpAddr), ports: (u16, u16), header: SegmentHeader) -> Transmit {
    Transmit {
        conn: None,
        flow: Flow {
            transport: Transport::Tcp,
            local: SocketAddr::new(ips.0, ports.0),
            remote: SocketAddr::new(ips.1, ports.1),
        },
        header,
        fields: IpFields::default(),
        range: StreamRange::default(),
        gso: None,
        mac: None,
        note: Note::new(Why::Data, Limit::None, Cause::None),
    }
}

/// The same packet as the peer sees it arrive.
fn arrival(ips: (IpAddr, IpAddr)) -> Arrival {
    Arrival {
        at: Instant::ZERO,
        id: PacketId(1),
        iface: InterfaceId(0),
        src: ips.0,
        dst: ips.1,
        cast: Cast::Unicast,
        ecn: outcrop_base::Ecn::NotEct,
        hop_limit: 64,
        checksum: ChecksumState::Unverified,
        gso_size: None,
        path: Path::plain(1500),
    }
}

fn emitted(t: &Transmit, payload: &[u8]) -> Vec<u8> {
    let mut room = HeaderRoom::new();
    let (front, back) = payload.split_at(payload.len() / 2);
    emit(
        t,
        &[IoSlice::new(front), IoSlice::new(back)],
        false,
        &mut room,
    );
    [room.as_slice(), payload].concat()
}

fn header_strategy() -> impl Strategy<Value = SegmentHeader> {
    let options = (
        proptest::option::of(any::<u16>()),
        proptest::option::of(any::<u8>()),
        any::<bool>(),
        prop::collection::vec((any::<u32>(), any::<u32>()), 0..3),
        proptest::option::of((any::<u32>(), any::<u32>())),
    );
    let fixed = (any::<u32>(), any::<u32>(), any::<u16>(), any::<[u16; 2]>());
    (fixed, options).prop_map(|((seq, ack, flags, [wnd, urg]), o)| {
        let flags = Flags::from_bits(flags);
        let mut sack = SackBlocks::new();
        // A header with everything in it has room for no block; one agreed upon in a SYN has none.
        for (left, right) in o.3.into_iter().filter(|_| o.0.is_none() && o.1.is_none()) {
            sack.push(SackBlock {
                left: SeqNum::new(left),
                right: SeqNum::new(right),
            });
        }
        SegmentHeader {
            seq: SeqNum::new(seq),
            ack: flags.ack().then_some(SeqNum::new(ack)),
            flags,
            wnd,
            urg,
            options: Options {
                mss: o.0,
                wscale: o.1,
                sack_permitted: o.2,
                sack,
                timestamps: o.4.map(|(val, ecr)| Timestamps { val, ecr }),
                fast_open: None,
                accurate: None,
                signature: None,
                user_timeout: None,
            },
        }
    })
}

proptest! {
    #[test]
    fn what_is_emitted_is_parsed_back(
        header in header_strategy(),
        ports in (1u16.., 1u16..),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        v6: bool,
        cookie in proptest::option::of((prop::collection::vec(any::<u8>(), 0..17), any::<bool>())),
        ids in proptest::option::of(proptest::option::of((any::<u8>(), any::<u8>()))),
        marks in proptest::option::of((any::<bool>(), prop::collection::vec(any::<u32>(), 0..4))),
    ) {
        let ips = if v6 { V6 } else { V4 };
        let mut header = header;
        if header.options.sack.is_empty() {
            header.options.fast_open = cookie.and_then(|(bytes, kind)| FastOpenCookie::new(&bytes, kind));
        }
        if header.options.sack.is_empty() && header.options.fast_open.is_none() {
            header.options.signature = ids.map(|ids| match ids {
                Some((key_id, next_id)) => Signature::Ao { key_id, next_id },
                None => Signature::Md5,
            });
        }
        if header.options.sack.is_empty() && header.options.fast_open.is_none() && ids.is_none() {
            header.options.user_timeout = UserTimeout::from_bits(header.urg);
        }
        // Beside two SACK blocks and timestamps, two counters fit; beside a cookie or a signature not even they may.
        if header.options.fast_open.is_none() && header.options.signature.is_none() {
            let most = if header.options.sack.is_empty() { 3 } else { 2 };
            header.options.accurate = marks.map(|(order, counters)| {
                AccurateOption::new(order, &counters[..counters.len().min(most)])
            });
        }
        let t = plan(ips, ports, header);
        let bytes = emitted(&t, &payload);
        prop_assert_eq!(bytes.len(), header_len(&header) + payload.len());
        let (segment, rest) = parse(&arrival(ips), Bytes::from(bytes.clone())).unwrap();
        prop_assert_eq!(segment.header, header);
        prop_assert_eq!((segment.src_port, segment.dst_port), ports);
        prop_assert_eq!(segment.payload_len as usize, payload.len());
        let signed = if ids.is_some() && header.options.signature.is_some() { header_len(&header) } else { 0 };
        prop_assert_eq!(&segment.bytes[..], &bytes[..signed]);
        prop_assert_eq!(&rest[..], &payload[..]);
    }

    #[test]
    fn etherparse_reads_what_we_write(header in header_strategy(), payload in prop::collection::vec(any::<u8>(), 0..40)) {
        let bytes = emitted(&plan(V4, (80, 1234), header), &payload);
        let view = TcpSlice::from_slice(&bytes).unwrap();
        let (theirs, _) = TcpHeader::from_slice(&bytes).unwrap();
        prop_assert_eq!(&theirs.to_bytes()[..], &bytes[..header_len(&header)]);
        let flags = header.flags;
        prop_assert_eq!((theirs.source_port, theirs.destination_port), (80, 1234));
        prop_assert_eq!((theirs.syn, theirs.fin, theirs.rst), (flags.syn(), flags.fin(), flags.rst()));
        let high = (theirs.ns, theirs.cwr, theirs.ece);
        prop_assert_eq!(high, (flags.contains(Flags::AE), flags.contains(Flags::CWR), flags.contains(Flags::ECE)));
        prop_assert_eq!((theirs.psh, theirs.urg), (flags.contains(Flags::PSH), flags.contains(Flags::URG)));
        prop_assert_eq!(theirs.acknowledgment_number, header.ack.map_or(0, SeqNum::value));
        prop_assert_eq!(theirs.urgent_pointer, header.urg);
        prop_assert_eq!(view.sequence_number(), header.seq.value());
        prop_assert_eq!(view.ack(), header.ack.is_some());
        prop_assert_eq!(view.window_size(), header.wnd);
        let (IpAddr::V4(src), IpAddr::V4(dst)) = V4 else { unreachable!() };
        prop_assert_eq!(view.calc_checksum_ipv4(src.octets(), dst.octets()).unwrap(), view.checksum());
        for option in view.options_iterator() {
            match option.unwrap() {
                TcpOptionElement::Noop => {}
                TcpOptionElement::MaximumSegmentSize(mss) => prop_assert_eq!(Some(mss), header.options.mss),
                TcpOptionElement::WindowScale(shift) => prop_assert_eq!(Some(shift), header.options.wscale),
                TcpOptionElement::SelectiveAcknowledgementPermitted => prop_assert!(header.options.sack_permitted),
                TcpOptionElement::SelectiveAcknowledgement(first, rest) => {
                    let theirs: Vec<_> = [Some(first)].into_iter().chain(rest).flatten().collect();
                    let ours: Vec<_> = header.options.sack.as_slice().iter()
                        .map(|b| (b.left.value(), b.right.value())).collect();
                    prop_assert_eq!(theirs, ours);
                }
                TcpOptionElement::Timestamp(val, ecr) => {
                    prop_assert_eq!(Some(Timestamps { val, ecr }), header.options.timestamps);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut a = arrival(V4);
        a.checksum = ChecksumState::Verified;
        let _ = parse(&a, Bytes::from(bytes.clone()));
        fields(&bytes, &mut |_| {});
    }
}

/// A SYN as Linux sends it, with the checksum tcpdump calls correct.
#[test]
fn linux_syn_has_the_layout_we_write() {
    let header = SegmentHeader {
        seq: SeqNum::new(0x0102_0304),
        flags: Flags::SYN,
        wnd: 64240,
        options: Options {
            mss: Some(1460),
            wscale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { val: 1, ecr: 0 }),
            ..Options::default()
        },
        ..SegmentHeader::default()
    };
    let bytes = emitted(&plan(V4, (40000, 80), header), b"");
    let expected = [
        0x9c, 0x40, 0x00, 0x50, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 0x02, 0xfa, 0xf0,
    ];
    assert_eq!(bytes[..16], expected);
    let options = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    assert_eq!(bytes[20..], options);
}

#[test]
fn partial_checksum_is_the_folded_pseudo_header_sum() {
    let t = plan(V4, (1, 2), SegmentHeader::default());
    let mut room = HeaderRoom::new();
    emit(&t, &[IoSlice::new(b"abc")], true, &mut room);
    let sum = Checksum::pseudo_header(V4.0, V4.1, PROTOCOL, 23).partial();
    assert_eq!(room.as_slice()[16..18], sum.to_be_bytes());
}

fn refused(change: impl FnOnce(&mut Arrival, &mut Vec<u8>)) -> DropReason {
    let mut bytes = emitted(&plan(V4, (1, 2), SegmentHeader::default()), b"x");
    let mut a = arrival(V4);
    change(&mut a, &mut bytes);
    parse(&a, Bytes::from(bytes)).unwrap_err()
}

#[test]
fn malformed_segments_are_refused_by_name() {
    assert_eq!(refused(|_, b| b.truncate(19)), DropReason::TcpTruncated);
    assert_eq!(refused(|_, b| b[12] = 0x40), DropReason::TcpBadDataOffset);
    assert_eq!(refused(|_, b| b[12] = 0xf0), DropReason::TcpBadDataOffset);
    assert_eq!(refused(|_, b| b[20] ^= 1), DropReason::TcpBadChecksum);
    let group = refused(|a, _| a.cast = Cast::Multicast);
    assert_eq!(group, DropReason::TcpBadAddress);
    let from_group = refused(|a, _| a.src = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1)));
    assert_eq!(from_group, DropReason::TcpBadAddress);
    assert_eq!(refused(|_, b| b[..2].fill(0)), DropReason::TcpBadAddress);
}

// RFC 9293 3.1 MUST-69 (behind the end of the list only zeros), MUST-68 (every option but END and NOP says its length):
// the list we write is walked by its lengths alone, to the end of the header.
proptest! {
    #[test]
    fn options_written_are_walked_by_their_lengths_and_padded_with_zeros(
        header in header_strategy(),
        cookie in proptest::option::of((prop::collection::vec(any::<u8>(), 0..17), any::<bool>())),
    ) {
        let mut header = header;
        if header.options.sack.is_empty() {
            header.options.fast_open = cookie.and_then(|(bytes, kind)| FastOpenCookie::new(&bytes, kind));
        }
        let bytes = emitted(&plan(V4, (80, 1234), header), b"");
        prop_assert_eq!(bytes.len() % 4, 0);
        let mut rest = &bytes[20..];
        let mut lengths = Vec::new();
        while let [kind, after @ ..] = rest {
            rest = match *kind {
                0 => {
                    prop_assert!(after.iter().all(|byte| *byte == 0));
                    &[]
                }
                1 => after,
                kind => {
                    let len = usize::from(after[0]);
                    lengths.push((kind, len));
                    prop_assert!((2..=rest.len()).contains(&len));
                    &rest[len..]
                }
            };
        }
        let known = |kind| lengths.iter().find(|(k, _)| *k == kind).map(|(_, len)| *len);
        prop_assert_eq!(known(2), header.options.mss.map(|_| 4));
        prop_assert_eq!(known(3), header.options.wscale.map(|_| 3));
        prop_assert_eq!(known(4), header.options.sack_permitted.then_some(2));
        prop_assert_eq!(known(8), header.options.timestamps.map(|_| 10));
    }
}

// MUST-64: an option begins on any octet. MUST-5: in any segment.
#[test]
fn options_are_read_at_every_alignment_and_in_every_segment() {
    for shift in 0..4 {
        let mut raw = vec![1; shift];
        raw.extend([8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 2, 4, 5, 180]);
        let options = parse_options(&raw).unwrap();
        assert_eq!(
            options.timestamps,
            Some(Timestamps { val: 7, ecr: 9 }),
            "{shift}"
        );
        assert_eq!(options.mss, Some(1460), "{shift}");
    }
    for flags in [
        Flags::SYN,
        Flags::ACK,
        Flags::ACK | Flags::PSH,
        Flags::FIN | Flags::ACK,
        Flags::RST,
    ] {
        let mut header = SegmentHeader {
            flags,
            ack: flags.ack().then_some(SeqNum::new(5)),
            ..SegmentHeader::default()
        };
        header.options.timestamps = Some(Timestamps { val: 1, ecr: 2 });
        header.options.mss = Some(900);
        let bytes = emitted(&plan(V4, (1, 2), header), b"text");
        let (segment, _) = parse(&arrival(V4), Bytes::from(bytes)).unwrap();
        assert_eq!(segment.header.options, header.options, "{flags}");
    }
}

fn parse_options(raw: &[u8]) -> Result<Options, DropReason> {
    options::parse(raw)
}

// RFC 9293 3.2 MUST-6 and MUST-7.
#[test]
fn unknown_options_are_skipped_and_impossible_lengths_refused() {
    let known_behind_unknown = parse_options(&[254, 4, 9, 9, 2, 4, 5, 180]).unwrap();
    assert_eq!(known_behind_unknown.mss, Some(1460));
    let behind_the_end = parse_options(&[1, 0, 2, 4, 5, 180]).unwrap();
    assert_eq!(behind_the_end, Options::default());
    let wrong_length = parse_options(&[2, 3, 5, 3, 3, 7, 1, 1]).unwrap();
    assert_eq!((wrong_length.mss, wrong_length.wscale), (None, Some(7)));
    for bad in [&[2, 0][..], &[254, 1], &[2], &[1, 1, 8, 10, 0]] {
        assert_eq!(parse_options(bad), Err(DropReason::TcpBadOption), "{bad:?}");
    }
}

#[test]
fn four_blocks_leave_no_room_for_timestamps_and_three_do() {
    let mut sack = SackBlocks::new();
    for n in 0..4 {
        sack.push(SackBlock {
            left: SeqNum::new(n),
            right: SeqNum::new(n + 1),
        });
    }
    let mut header = SegmentHeader::default();
    header.options.sack = sack;
    assert_eq!(header_len(&header), 20 + 36);
    header.options.timestamps = Some(Timestamps::default());
    assert_eq!(header_len(&header), 20 + 40);
    let bytes = emitted(&plan(V4, (1, 2), header), b"");
    let (segment, _) = parse(&arrival(V4), Bytes::from(bytes)).unwrap();
    assert_eq!(segment.header.options.sack, sack.truncated(3));
}

// RFC 7413 2: kind 34, no cookie or an even number of bytes from 4 to 16; RFC 6994: kind 254, 0xF989.
#[test]
fn fast_open_is_read_under_both_kinds_and_of_the_right_length_only() {
    let read = |raw: &[u8]| parse_options(raw).unwrap().fast_open;
    let cookie = |bytes: &[u8], experimental| FastOpenCookie::new(bytes, experimental);
    assert_eq!(read(&[34, 2, 1, 1]), cookie(&[], false));
    assert_eq!(read(&[34, 6, 1, 2, 3, 4]), cookie(&[1, 2, 3, 4], false));
    assert_eq!(read(&[254, 4, 0xf9, 0x89]), cookie(&[], true));
    let experiment = [254, 8, 0xf9, 0x89, 1, 2, 3, 4];
    assert_eq!(read(&experiment), cookie(&[1, 2, 3, 4], true));
    for odd in [&[34, 4, 1, 2][..], &[34, 7, 1, 2, 3, 4, 5], &[254, 4, 1, 2]] {
        assert_eq!(read(odd), None, "{odd:?}");
    }
    let long = [[34, 20].as_slice(), &[7; 18]].concat();
    assert_eq!(read(&long), None);
}

// RFC 5925 2.2: kind, length of at least four, two ids, MAC; RFC 2385 3.0: 18 octets. One of them, once.
#[test]
fn signatures_are_read_once_and_of_the_right_length() {
    let read = |raw: &[u8]| parse_options(raw).unwrap().signature;
    let ao = Signature::Ao {
        key_id: 61,
        next_id: 84,
    };
    let md5 = [[19, 18].as_slice(), &[7; 16]].concat();
    assert_eq!(read(&[29, 6, 61, 84, 1, 2]), Some(ao));
    assert_eq!(read(&md5), Some(Signature::Md5));
    assert_eq!(read(&[19, 4, 1, 2]), None);
    let both = [md5.as_slice(), &[29, 6, 61, 84, 1, 2]].concat();
    assert_eq!(read(&both), Some(Signature::Conflict));
    let twice = [29, 4, 61, 84, 29, 4, 61, 84];
    assert_eq!(read(&twice), Some(Signature::Conflict));
}

#[test]
fn authentication_option_too_short_to_hold_its_ids_is_none() {
    let read = |raw: &[u8]| parse_options(raw).map(|options| options.signature);
    assert_eq!(read(&[29, 3, 61, 1]), Ok(None));
    assert_eq!(read(&[29, 2, 1, 1]), Ok(None));
    assert_eq!(read(&[29, 1, 1, 1]), Err(DropReason::TcpBadOption));
}

#[test]
fn fields_of_signatures_have_tshark_s_names() {
    for (signature, wanted) in [
        (Signature::Md5, vec![("tcp.options.md5.digest", 128)]),
        (
            Signature::Ao {
                key_id: 61,
                next_id: 84,
            },
            vec![
                ("tcp.options.ao.keyid", 8),
                ("tcp.options.ao.rnextkeyid", 8),
                ("tcp.options.ao.mac", 96),
            ],
        ),
    ] {
        let mut header = SegmentHeader::default();
        header.options.signature = Some(signature);
        let bytes = emitted(&plan(V4, (1, 2), header), b"");
        let mut told = Vec::new();
        fields(&bytes, &mut |f| {
            if f.key.contains("md5") || f.key.contains("ao") {
                told.push((f.key, f.bits.len()));
            }
        });
        assert_eq!(told, wanted);
    }
}

#[test]
fn fields_cover_every_bit_of_the_header_in_order() {
    let mut header = SegmentHeader {
        seq: SeqNum::new(7),
        ..SegmentHeader::default()
    };
    header.options.mss = Some(1460);
    header.options.timestamps = Some(Timestamps { val: 5, ecr: 6 });
    let bytes = emitted(&plan(V4, (1, 2), header), b"");
    let mut told = Vec::new();
    fields(&bytes, &mut |f| {
        told.push((f.key, f.bits.clone(), format!("{:?}", f.value)));
    });
    let fixed: u32 = told[..18]
        .iter()
        .map(|(_, bits, _)| bits.len() as u32)
        .sum();
    assert_eq!(fixed, 160);
    assert!(told[..18].windows(2).all(|w| w[0].1.end == w[1].1.start));
    let value = |key: &str| told.iter().find(|(k, ..)| *k == key).unwrap().2.clone();
    let number = |n| format!("{:?}", FieldValue::Number(n));
    assert_eq!(value("tcp.seq_raw"), number(7));
    assert_eq!(value("tcp.hdr_len"), number(9));
    assert_eq!(value("tcp.options.mss_val"), number(1460));
    assert_eq!(value("tcp.options.timestamp.tsval"), number(5));
    assert_eq!(value("tcp.options.timestamp.tsecr"), number(6));
}

// RFC 9768 3.2.3: figure 4 and table 5, octet by octet; what is behind whole fields is padding.
#[test]
fn accurate_ecn_option_of_every_length_and_order() {
    let read = |bytes: &[u8]| options::parse(bytes).unwrap().accurate.unwrap();
    let full = read(&[172, 11, 0, 0, 1, 0, 2, 0, 3, 0, 0, 1]);
    assert_eq!(
        (full.e0b(), full.ceb(), full.e1b()),
        (Some(1), Some(0x200), Some(0x3_0000))
    );
    let other = read(&[174, 8, 0, 0, 9, 0, 0, 7]);
    assert_eq!(
        (other.e0b(), other.ceb(), other.e1b()),
        (None, Some(7), Some(9))
    );
    assert!(read(&[172, 2, 1, 1]).is_empty());
    assert_eq!(read(&[172, 7, 0, 0, 5, 9, 9, 1]).as_slice(), [5]);
    assert_eq!(
        read(&[174, 12, 0, 0, 1, 0, 0, 2, 0, 0, 3, 9]).as_slice(),
        [1, 2, 3]
    );
    let options = Options {
        accurate: Some(full),
        ..Options::default()
    };
    let (bytes, len) = options::write(&options);
    // The third field's low octets, then the padding.
    assert_eq!(bytes[..len], [172, 11, 0, 0, 1, 0, 2, 0, 3, 0, 0, 1]);
}
