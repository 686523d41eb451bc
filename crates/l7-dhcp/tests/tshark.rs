//! tshark reads what we write: every message of both families, without a mark of malformation.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use core::net::{IpAddr, Ipv6Addr};
use std::process::Command;

use bytes::Bytes;
use common::*;
use etherparse::PacketBuilder;
use outcrop_base::Seed;
use outcrop_dhcp::v4::{Server, ServerConfig};
use outcrop_dhcp::v6;
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};

/// UDP in IP, as a packet of a capture of link type RAW.
fn packet(from: (IpAddr, u16), to: (IpAddr, u16), payload: &Bytes) -> Vec<u8> {
    let builder = match (from.0, to.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two families"),
    };
    let mut bytes = Vec::new();
    builder
        .udp(from.1, to.1)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

/// All ten messages of DHCPv4, each as one of our engines writes it.
fn all_of_v4() -> Vec<Vec<u8>> {
    let mut config = ServerConfig::new(SERVER, 24, ADDRESS, ADDRESS);
    config.routers = vec![SERVER];
    config.dns = vec![SERVER, SECOND];
    config.domain = Some("lan.example".to_owned());
    config.mtu = Some(1400);
    let mut server = Server::new(config).unwrap();
    let mut packets = Vec::new();
    let mut put = |transmit: &outcrop_dhcp::v4::Transmit| {
        let end = |at: core::net::SocketAddrV4| (IpAddr::V4(*at.ip()), at.port());
        packets.push(packet(
            end(transmit.from),
            end(transmit.to),
            &transmit.payload,
        ));
    };
    for ending in 0..3 {
        let mut config = config_named();
        config.previous = (ending == 2).then_some("192.168.1.5".parse().unwrap());
        let mut client = client_with(config);
        let mut now = START;
        for _ in 0..3 {
            now = client.poll_timeout().map_or(now, |at| at.max(now));
            client.handle_timeout(now);
            while let Some(transmit) = client.poll_transmit(now) {
                put(&transmit);
                let _verdict = server.handle_datagram(now, &transmit.payload);
                while let Some(reply) = server.poll_transmit(now) {
                    put(&reply);
                    let _verdict = client.handle_datagram(now, &reply.payload);
                }
            }
        }
        if ending == 0 {
            client.release();
        } else {
            client.decline(now);
        }
        let transmit = client.poll_transmit(now);
        if let Some(transmit) = transmit {
            let _verdict = server.handle_datagram(now, &transmit.payload);
            put(&transmit);
        }
    }
    packets
}

fn config_named() -> outcrop_dhcp::v4::ClientConfig {
    outcrop_dhcp::v4::ClientConfig {
        hostname: Some("outcrop".to_owned()),
        rapid_commit: true,
        lease_time: Some(core::time::Duration::from_mins(5)),
        ..config()
    }
}

/// What a DHCPv6 client says, with answers by hand.
fn all_of_v6() -> Vec<Vec<u8>> {
    let ours: Ipv6Addr = "fe80::1".parse().unwrap();
    let mut packets = Vec::new();
    let mut put = |transmit: &v6::Transmit| {
        let to = (IpAddr::V6(*transmit.to().ip()), transmit.to().port());
        packets.push(packet(
            (ours.into(), v6::CLIENT_PORT),
            to,
            &transmit.payload,
        ));
        transmit.payload.clone()
    };
    // An answer: the number of the question, the client's name as it stands there, a server, a lease of 100 s.
    let answer = |kind: u8, question: &Bytes| {
        let address: Ipv6Addr = "2001:db8::100".parse().unwrap();
        let lease = [
            &[0, 5, 0, 24][..],
            &address.octets(),
            &[0, 0, 0, 100, 0, 0, 0, 200],
        ]
        .concat();
        let association = [
            &[0, 3, 0, 40, 0, 0, 0, 1, 0, 0, 0, 50, 0, 0, 0, 80][..],
            &lease,
        ]
        .concat();
        let name = &question[4..18];
        [
            &[kind],
            &question[1..4],
            name,
            b"\0\x02\0\x04serv\0\x07\0\x01\xff",
            &association,
        ]
        .concat()
    };
    let config = v6::ClientConfig::new(US);
    let mut client = v6::Client::new(START, config.clone(), &Seed::from_number(1));
    let mut now = START;
    let mut say = |client: &mut v6::Client, now: outcrop_base::Instant| {
        put(&client.poll_transmit(now).unwrap())
    };
    let mut wait = |client: &mut v6::Client| {
        now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        now
    };
    let at = wait(&mut client);
    let solicit = say(&mut client, at);
    let _verdict = client.handle_datagram(at, &answer(2, &solicit));
    let request = say(&mut client, at);
    let _verdict = client.handle_datagram(at, &answer(7, &request));
    client.confirm(at);
    let at = wait(&mut client);
    let confirm = say(&mut client, at);
    let _verdict = client.handle_datagram(at, &answer(7, &confirm));
    while client.state() != v6::State::Rebinding {
        let at = wait(&mut client);
        let _ = say(&mut client, at);
    }
    let mut leaves = client.clone();
    let at = client.poll_timeout().unwrap();
    client.decline(at, "2001:db8::100".parse().unwrap());
    let _ = say(&mut client, at);
    leaves.release(at);
    let _ = say(&mut leaves, at);
    let mode = v6::Mode::Stateless;
    let mut stateless = v6::Client::new(
        START,
        v6::ClientConfig { mode, ..config },
        &Seed::from_number(1),
    );
    let at = stateless.poll_timeout().unwrap();
    stateless.handle_timeout(at);
    let _ = say(&mut stateless, at);
    packets
}

/// One field of every packet, as tshark prints it.
fn tshark(packets: &[Vec<u8>], fields: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dhcp.pcap");
    let header = PcapHeader {
        datalink: DataLink::RAW,
        ..PcapHeader::default()
    };
    let mut writer =
        PcapWriter::with_header(std::fs::File::create(&path).unwrap(), header).unwrap();
    for (n, bytes) in (0..).zip(packets) {
        let len = u32::try_from(bytes.len()).unwrap();
        let at = core::time::Duration::from_secs(n);
        let packet = PcapPacket::new(at, len, bytes).unwrap();
        writer.write_packet(&packet).unwrap();
    }
    drop(writer);
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields"]).arg("-r").arg(&path);
    for field in fields {
        command.args(["-e", field]);
    }
    let out = command
        .output()
        .expect("tshark is installed: tools/setup.sh test");
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

#[test]
fn tshark_reads_every_message_without_a_mark() {
    let packets = [all_of_v4(), all_of_v6()].concat();
    let fields = [
        "_ws.malformed",
        "_ws.expert.message",
        "dhcp.option.dhcp",
        "dhcpv6.msgtype",
    ];
    let read = tshark(&packets, &fields);
    assert_eq!(read.len(), packets.len());
    let mut kinds = [
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    ];
    for line in &read {
        assert_eq!((line[0].as_str(), line[1].as_str()), ("", ""), "{line:?}");
        for (kinds, said) in kinds.iter_mut().zip(&line[2..]) {
            kinds.extend(said.parse::<u8>());
        }
    }
    assert_eq!(kinds[0], (1..=7).collect(), "DISCOVER to RELEASE");
    assert_eq!(
        kinds[1],
        [1, 3, 4, 5, 6, 8, 9, 11].into(),
        "SOLICIT to INFORMATION-REQUEST"
    );
}
