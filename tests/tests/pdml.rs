//! Our fields against those of tshark, packet by packet, over every capture in `fixtures/`: the same bytes, the same values.
//!
//! Where tshark shows a field in a buffer of its own (reassembled, decrypted), its positions count from that buffer's
//! beginning; ours always count from the packet's. There all fields of a record must be shifted by one distance.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use outcrop_capture::{Reader, Record};
use outcrop_inspect::{Field, Model};
use outcrop_tests::tool;

/// tshark's name, ours, and how many bytes of separator ours has behind.
const NAMES: [(&str, &[&str], usize); 88] = [
    ("eth.dst", &["destination"], 0),
    ("eth.src", &["source"], 0),
    ("eth.type", &["type"], 0),
    ("arp.hw.type", &["hardware"], 0),
    ("arp.proto.type", &["protocol"], 0),
    ("arp.hw.size", &["hardware length"], 0),
    ("arp.proto.size", &["protocol length"], 0),
    ("arp.opcode", &["operation"], 0),
    ("arp.src.hw_mac", &["sender's hardware address"], 0),
    ("arp.src.proto_ipv4", &["sender's address"], 0),
    ("arp.dst.hw_mac", &["target's hardware address"], 0),
    ("arp.dst.proto_ipv4", &["target's address"], 0),
    ("ip.hdr_len", &["version, header length"], 0),
    ("ip.dsfield", &["DSCP and ECN"], 0),
    ("ip.len", &["total length"], 0),
    ("ip.id", &["identification"], 0),
    ("ip.frag_offset", &["flags, fragment offset"], 0),
    ("ip.ttl", &["time to live"], 0),
    ("ip.proto", &["protocol"], 0),
    ("ip.checksum", &["header checksum"], 0),
    ("ip.src", &["source"], 0),
    ("ip.dst", &["destination"], 0),
    ("ipv6.plen", &["payload length"], 0),
    ("ipv6.nxt", &["next header"], 0),
    ("ipv6.hlim", &["hop limit"], 0),
    ("ipv6.src", &["source"], 0),
    ("ipv6.dst", &["destination"], 0),
    ("ipv6.fraghdr.nxt", &["next header"], 0),
    ("ipv6.fraghdr.reserved_octet", &["reserved"], 0),
    ("ipv6.fraghdr.ident", &["identification"], 0),
    ("icmp.type", &["type"], 0),
    ("icmp.code", &["code"], 0),
    ("icmp.checksum", &["checksum"], 0),
    ("icmp.ident", &["identifier"], 0),
    ("icmp.seq", &["sequence number"], 0),
    ("icmpv6.type", &["type"], 0),
    ("icmpv6.code", &["code"], 0),
    ("icmpv6.checksum", &["checksum"], 0),
    ("icmpv6.echo.identifier", &["identifier"], 0),
    ("icmpv6.echo.sequence_number", &["sequence number"], 0),
    ("icmpv6.nd.ns.target_address", &["target address"], 0),
    ("icmpv6.nd.na.target_address", &["target address"], 0),
    ("icmpv6.opt.type", &["option type"], 0),
    ("icmpv6.opt.length", &["option length"], 0),
    ("icmpv6.opt.linkaddr", &["link-layer address"], 0),
    ("udp.srcport", &["source port"], 0),
    ("udp.dstport", &["destination port"], 0),
    ("udp.length", &["length"], 0),
    ("udp.checksum", &["checksum"], 0),
    ("tcp.srcport", &["source port"], 0),
    ("tcp.dstport", &["destination port"], 0),
    ("tcp.seq_raw", &["sequence number"], 0),
    ("tcp.ack_raw", &["acknowledgment number"], 0),
    ("tcp.hdr_len", &["data offset"], 0),
    ("tcp.window_size_value", &["window"], 0),
    ("tcp.checksum", &["checksum"], 0),
    ("tcp.urgent_pointer", &["urgent pointer"], 0),
    ("tcp.options.mss", &["maximum segment size"], 0),
    ("tcp.options.wscale", &["window scale"], 0),
    ("tcp.options.sack_perm", &["SACK permitted"], 0),
    ("tcp.options.timestamp", &["timestamps"], 0),
    ("tcp.options.sack", &["selective acknowledgment"], 0),
    ("tcp.options.nop", &["no operation"], 0),
    ("tcp.options.eol", &["end of options", "padding"], 0),
    ("http.request.method", &["method"], 1),
    ("http.request.uri", &["target"], 1),
    ("http.request.version", &["version"], 2),
    ("http.response.version", &["version"], 1),
    ("http.response.code", &["status code"], 1),
    ("http.response.phrase", &["reason phrase"], 2),
    ("http.chunk_size", &["chunk size"], 0),
    ("http.chunk_data", &["chunk data"], 0),
    ("http.chunk_boundary", &["chunk end"], 0),
    ("tls.record.content_type", &["content type"], 0),
    ("tls.record.opaque_type", &["content type"], 0),
    ("tls.record.version", &["record version"], 0),
    ("tls.record.length", &["record length"], 0),
    ("tls.alert_message.level", &["alert level"], 0),
    ("tls.alert_message.desc", &["alert description"], 0),
    ("tls.change_cipher_spec", &["change cipher spec"], 0),
    ("tls.handshake.type", &["handshake type"], 0),
    ("tls.handshake.length", &["handshake length"], 0),
    ("tls.handshake.version", &["legacy version"], 0),
    ("tls.handshake.random", &["random"], 0),
    ("tls.handshake.session_id_length", &["session id length"], 0),
    ("tls.handshake.session_id", &["session id"], 0),
    (
        "tls.handshake.cipher_suites_length",
        &["cipher suites length"],
        0,
    ),
    ("tls.handshake.ciphersuite", &["cipher suite"], 0),
];

/// The same, of hellos and certificates.
const MORE: [(&str, &[&str], usize); 29] = [
    ("tls.handshake.server_curve_type", &["curve type"], 0),
    ("tls.handshake.server_named_curve", &["named curve"], 0),
    ("tls.handshake.server_point", &["public key"], 0),
    (
        "tls.handshake.comp_methods_length",
        &["compression methods length"],
        0,
    ),
    ("tls.handshake.comp_method", &["compression method"], 0),
    (
        "tls.handshake.extensions_length",
        &["extensions length", "certificate extensions length"],
        0,
    ),
    ("tls.handshake.extension.type", &["extension type"], 0),
    ("tls.handshake.extension.len", &["extension length"], 0),
    (
        "tls.handshake.extensions_server_name_list_len",
        &["server name list length"],
        0,
    ),
    (
        "tls.handshake.extensions_server_name_type",
        &["server name type"],
        0,
    ),
    (
        "tls.handshake.extensions_server_name_len",
        &["server name length"],
        0,
    ),
    ("tls.handshake.extensions_server_name", &["server name"], 0),
    (
        "tls.handshake.extensions_alpn_len",
        &["protocols length"],
        0,
    ),
    (
        "tls.handshake.extensions_alpn_str_len",
        &["protocol length"],
        0,
    ),
    ("tls.handshake.extensions_alpn_str", &["protocol"], 0),
    (
        "tls.handshake.extensions.supported_versions_len",
        &["supported versions length"],
        0,
    ),
    (
        "tls.handshake.extensions.supported_version",
        &["supported version"],
        0,
    ),
    (
        "tls.handshake.extensions_supported_groups_length",
        &["supported groups length"],
        0,
    ),
    (
        "tls.handshake.extensions_supported_group",
        &["supported group"],
        0,
    ),
    (
        "tls.handshake.sig_hash_alg_len",
        &["signature algorithms length"],
        0,
    ),
    ("tls.handshake.sig_hash_alg", &["signature algorithm"], 0),
    (
        "tls.handshake.extensions_key_share_client_length",
        &["key shares length"],
        0,
    ),
    (
        "tls.handshake.extensions_key_share_group",
        &["key share group"],
        0,
    ),
    (
        "tls.handshake.extensions_key_share_key_exchange_length",
        &["key exchange length"],
        0,
    ),
    (
        "tls.handshake.extensions_key_share_key_exchange",
        &["key exchange"],
        0,
    ),
    (
        "tls.handshake.certificate_request_context_length",
        &["request context length"],
        0,
    ),
    (
        "tls.handshake.certificates_length",
        &["certificates length"],
        0,
    ),
    (
        "tls.handshake.certificate_length",
        &["certificate length"],
        0,
    ),
    ("tls.handshake.certificate", &["certificate"], 0),
];

/// Header lines, whose names are the header's own.
const LINES: [&str; 3] = [
    "http.request.line",
    "http.response.line",
    "http.chunked_trailer_part",
];

/// Fields that we word in another way: bit by bit, as a power, with raw numbers.
const WORDED: [&str; 11] = [
    "tcp.options.eol",
    "icmpv6.echo.identifier",
    "ip.hdr_len",
    "ip.dsfield",
    "tcp.options.wscale",
    "tcp.options.sack",
    "tcp.options.timestamp",
    "http.chunk_data",
    "http.chunk_size",
    "ip.frag_offset",
    "tls.change_cipher_spec",
];

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut found = Vec::new();
    for folder in [root.clone(), root.join("foreign")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|end| end == "pcap" || end == "pcapng")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Our fields, packet by packet.
fn ours(path: &Path) -> BTreeMap<u64, Vec<Field>> {
    let mut packets: BTreeMap<u64, Vec<Field>> = BTreeMap::new();
    let mut model = Model::new();
    for record in Reader::open(path).unwrap() {
        let record = record.unwrap();
        let Some(taken) = model.record(&record) else {
            continue;
        };
        let Record::Packet(packet) = &record else {
            continue;
        };
        packets.insert(packet.number, taken.fields);
        for late in taken.belated {
            packets.entry(late.number).or_default().push(late.field);
        }
    }
    packets
}

/// A field of tshark.
#[derive(Debug)]
struct Theirs {
    name: String,
    pos: usize,
    size: usize,
    words: String,
}

/// Fields whose positions count from one beginning.
#[derive(Debug, Default)]
struct Group {
    /// Whether that beginning is the packet's for certain.
    fixed: bool,
    fields: Vec<Theirs>,
    /// Frames it was reassembled from.
    frames: Vec<u64>,
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

/// A frame of a PDML file, group by group.
fn groups(frame: &str) -> Vec<Group> {
    let mut groups = vec![Group {
        fixed: true,
        ..Group::default()
    }];
    let (mut frames, mut sealed) = (Vec::new(), false);
    for element in frame.split('<') {
        let element = format!(" {}", element.replace('\n', " "));
        let name = attribute(&element, "name").unwrap_or_default().to_owned();
        if name == "tcp.segment" {
            frames.push(attribute(&element, "show").unwrap().parse().unwrap());
        }
        // What was inside a protected record is shown at the place of what it pretended to be.
        sealed = name == "tls.record.opaque_type" || sealed && name != "tls.record";
        if sealed && name == "tls.record.content_type" {
            continue;
        }
        // A record, or a message above, may stand in a buffer of its own.
        let apart = matches!(name.as_str(), "http" | "tls.handshake") || name == "tls.record";
        if apart && element.trim_start().starts_with(['p', 'f']) {
            groups.push(Group {
                frames: core::mem::take(&mut frames),
                ..Group::default()
            });
        }
        let known = NAMES
            .iter()
            .chain(&MORE)
            .any(|(theirs, ..)| *theirs == name);
        if !known && !LINES.contains(&name.as_str()) {
            continue;
        }
        let number = |what| {
            attribute(&element, what)
                .unwrap_or("0")
                .parse::<usize>()
                .unwrap()
        };
        let words = ["show", "showname"].map(|what| attribute(&element, what).unwrap_or_default());
        let field = Theirs {
            pos: number("pos"),
            size: number("size"),
            words: words.join(" ").to_lowercase().replace("&quot;", "\""),
            name,
        };
        // A record's header is in the packet, whatever became of its content; of an empty field there are no bytes.
        let group = if field.name.starts_with("tls.record") {
            groups.first_mut()
        } else {
            groups.last_mut()
        };
        if field.size > 0 {
            group.unwrap().fields.push(field);
        }
    }
    groups
}

/// Whether a field of ours is what tshark calls this, as long, and says the same.
fn is(ours: &Field, theirs: &Theirs) -> bool {
    let mut known = NAMES.iter().chain(&MORE);
    let (named, more) = match known.find(|(name, ..)| *name == theirs.name) {
        Some((_, names, more)) => (names.contains(&&*ours.name), *more),
        // A header's line: tshark shows the whole, we name and value.
        None => (
            ours.layer == "http" && theirs.words.contains(&ours.name.to_lowercase()),
            0,
        ),
    };
    let value = ours.value.to_lowercase();
    let word = value.split([' ', ',', ':', '…']).next().unwrap_or_default();
    let joined = theirs.words.replace(' ', "");
    let says =
        theirs.words.contains(word) || joined.contains(word) || WORDED.contains(&&*theirs.name);
    named && ours.range.len() == theirs.size + more && says
}

/// The distances by which a group may be shifted; none if the fields do not agree.
fn shifts(group: &Group, ours: &[&Field]) -> BTreeSet<usize> {
    let mut possible: Option<BTreeSet<usize>> = None;
    for field in &group.fields {
        let candidates = ours.iter().filter(|ours| is(ours, field));
        let here = candidates
            .filter_map(|ours| ours.range.start.checked_sub(field.pos))
            .collect();
        possible = Some(match possible {
            Some(before) => before.intersection(&here).copied().collect(),
            None => here,
        });
    }
    possible.unwrap_or_default()
}

/// Compares one file; how many fields, by protocol.
fn compare(path: &Path, counts: &mut BTreeMap<String, usize>, wrong: &mut Vec<String>) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let ours = ours(path);
    let checksums = [
        "tls.desegment_ssl_application_data:FALSE",
        "ip.defragment:FALSE",
        "ipv6.defragment:FALSE",
    ];
    let mut arguments = vec!["-n", "-r", path.to_str().unwrap(), "-T", "pdml"];
    arguments.extend(checksums.iter().flat_map(|preference| ["-o", preference]));
    let pdml = tool("tshark", &arguments);
    // Journal entries are frames to tshark as well, and no packets to us.
    let frames = pdml.split("<packet>").skip(1);
    let mut number = 0;
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, frame) in frames.enumerate() {
        if frame.contains("<proto name=\"systemd_journal\"") {
            continue;
        }
        number += 1;
        numbers.insert(index as u64 + 1, number);
        let here = &ours[&number];
        for group in groups(frame)
            .iter()
            .filter(|group| !group.fields.is_empty())
        {
            let mut pool: Vec<&Field> = here.iter().collect();
            for frame in &group.frames {
                pool.extend(&ours[&numbers[frame]]);
            }
            let shifts = shifts(group, &pool);
            let agrees = if group.fixed {
                shifts.contains(&0)
            } else {
                !shifts.is_empty()
            };
            if !agrees {
                let alone = |field: &&Theirs| {
                    let one = |ours: &&&Field| {
                        is(ours, field) && (!group.fixed || ours.range.start == field.pos)
                    };
                    !pool.iter().any(|ours| one(&ours))
                };
                let alone: Vec<_> = group.fields.iter().filter(alone).collect();
                let pool = pool
                    .iter()
                    .map(|f| format!("{:?} {} {}", f.range, f.name, f.value));
                let pool = pool.collect::<Vec<_>>().join("\n");
                wrong.push(format!(
                    "{name}: packet {number}: {alone:?} is not in\n{pool}"
                ));
            }
            for field in &group.fields {
                let protocol = field.name.split('.').next().unwrap();
                *counts.entry(protocol.to_owned()).or_default() += 1;
            }
        }
    }
    assert_eq!(number, ours.len() as u64, "{name}");
}

#[test]
fn every_field_of_every_fixture_lies_where_tshark_says() {
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in fixtures() {
        compare(&path, &mut counts, &mut wrong);
    }
    println!("{counts:?}");
    let first = wrong
        .iter()
        .take(20)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(wrong.is_empty(), "{} differ:\n{first}", wrong.len());
    for (protocol, least) in [
        ("eth", 1_000),
        ("arp", 16),
        ("ip", 5_000),
        ("ipv6", 60),
        ("icmp", 20),
        ("icmpv6", 30),
        ("udp", 8),
        ("tcp", 7_000),
        ("http", 300),
        ("tls", 1_000),
    ] {
        let compared = counts.get(protocol).copied().unwrap_or(0);
        assert!(compared >= least, "{protocol}: {compared}");
    }
}

#[test]
fn what_is_inside_tls_is_what_tshark_decrypts() {
    for name in [
        "tls13-aes128",
        "tls13-aes256",
        "tls13-chacha20",
        "tls12-aes128",
        "tls12-aes256",
        "tls12-chacha20",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../fixtures/foreign/{name}.pcapng"));
        let rows = outcrop_tests::tshark(
            &path,
            "http",
            &[
                "http.request.method",
                "http.request.uri",
                "http.response.code",
            ],
        );
        assert_eq!(rows, ["GET\t/hello.txt\t", "\t\t200"], "{name}");
        let mut model = Model::new();
        for record in Reader::open(&path).unwrap() {
            model.record(&record.unwrap());
        }
        model.finish();
        let exchanges = model.exchanges().list();
        assert_eq!(exchanges.len(), 1, "{name}");
        assert_eq!(exchanges[0].request.start_line, "GET /hello.txt HTTP/1.1");
        let response = exchanges[0].response.as_ref().unwrap();
        assert_eq!(
            (response.status(), response.body_len),
            (Some(200), 18),
            "{name}"
        );
    }
}
