//! Frames to a host on Ethernet.
//!
//! Job: any bytes as frames, as ARP and as neighbour discovery to a host that configures itself, and what must hold
//! whatever they say. Owns: the dressing. Does not know: which bytes are interesting.

use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Checksum, Instant};
use outcrop_stack::Core;
use outcrop_stack::ethernet::{self, MacAddr};
use outcrop_stack::ip::{AutoConfig, Cidr, InterfaceConfig, Lease};

use super::{IFACE, US, drain, feed, run_timers};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
/// Neighbours, and addresses with those still being checked: what a flood may cost.
const MOST_NEIGHBORS: usize = 1024;
const MOST_ADDRESSES: usize = 64;

fn station() -> Core {
    let mut core = Core::new(
        outcrop_stack::Config::default(),
        &outcrop_base::Seed::from_number(3),
    );
    let link = ethernet::Config::new(MacAddr(MAC));
    let interface = InterfaceConfig::ethernet(IFACE, 1500, MAC);
    let made = core.add_ethernet(interface, link).is_ok();
    let cidr = Cidr::new(IpAddr::V4(US), 24);
    let owned = cidr.is_ok_and(|cidr| {
        core.assign(Instant::ZERO, IFACE, cidr, Lease::FOREVER)
            .is_ok()
    });
    let config = AutoConfig {
        routers: true,
        temporary: true,
    };
    let configures = core.autoconfigure(Instant::ZERO, IFACE, config).is_ok();
    assert!(made && owned && configures, "a plain station is accepted");
    core
}

/// Any bytes as frames, length octets cut them: as they are, as ARP for Ethernet and IPv4, and as neighbour discovery
/// with a right checksum from this link.
///
/// # Panics
/// With a finding.
pub fn ethernet_frames(mut data: &[u8]) {
    let mut core = station();
    let mut now = Instant::from_millis(1);
    run_for(&mut core, &mut now, Duration::from_secs(5));
    while let [how, len, rest @ ..] = data {
        let (piece, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let frame = match how % 4 {
            0 => Bytes::copy_from_slice(piece),
            1 => arp(piece),
            kind => discovery(piece, kind == 2),
        };
        feed(&mut core, now, frame);
        drain(&mut core, now);
        run_for(
            &mut core,
            &mut now,
            Duration::from_millis(u64::from(*how) * 7),
        );
        assert!(
            core.neighbors(IFACE).count() <= MOST_NEIGHBORS,
            "neighbours without end"
        );
        assert!(
            core.addresses().count() <= MOST_ADDRESSES,
            "addresses without end"
        );
        data = rest;
    }
    run_timers(&mut core, now);
}

fn run_for(core: &mut Core, now: &mut Instant, time: Duration) {
    let end = *now + time;
    while let Some(at) = core.poll_timeout().filter(|at| *at <= end) {
        *now = (*now).max(at);
        core.handle_timeout(*now);
        drain(core, *now);
    }
    *now = end;
}

fn arp(piece: &[u8]) -> Bytes {
    let mut frame = [&[0xff; 6][..], &PEER_MAC, &[8, 6, 0, 1, 8, 0, 6, 4, 0]].concat();
    frame.extend(piece);
    frame.into()
}

fn discovery(piece: &[u8], router: bool) -> Bytes {
    let src: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let dst = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut body = piece.to_vec();
    body.resize(body.len().max(4), 0);
    if let [kind, code, sum @ .., _, _] =
        body.first_chunk_mut::<6>().map_or(&mut [][..], |head| head)
    {
        *kind = if router { 134 } else { 133 + *kind % 5 };
        *code = 0;
        sum.fill(0);
    }
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
    let mut sum = Checksum::pseudo_header(src.into(), dst.into(), 58, u32::from(len));
    sum.add(&body);
    if let Some(field) = body.get_mut(2..4) {
        field.copy_from_slice(&sum.finish().to_be_bytes());
    }
    let mut frame = [
        &[0x33, 0x33, 0, 0, 0, 1][..],
        &PEER_MAC,
        &[0x86, 0xdd, 0x60, 0, 0, 0],
    ]
    .concat();
    frame.extend(len.to_be_bytes());
    frame.extend([58, 255]);
    frame.extend(src.octets());
    frame.extend(dst.octets());
    frame.extend(body);
    frame.into()
}
