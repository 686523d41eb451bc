//! What is shown of bytes, and where frames go.
//!
//! Job: any bytes to the dissectors, which show what engines refuse as well, and to the switch, which reads no further
//! than the header. Owns: the dressing. Does not know: which bytes are interesting.

use core::time::Duration;

use outcrop_base::{Field, Instant};
use outcrop_capture::Reader;
use outcrop_ethernet::{Port, Switch, SwitchConfig};
use outcrop_inspect::{LadderOptions, PrintOptions, ladder, page, print};

/// What the switch has, and how much it may remember.
const PORTS: u8 = 4;
const STATIONS: usize = 16;

/// Any bytes as the messages of every layer below TCP, field by field; and as a captured frame, in every view.
///
/// # Panics
/// With a finding.
pub fn shown_bytes(data: &[u8]) {
    type Shown = fn(&[u8], &mut dyn FnMut(Field<'_>));
    let each: [Shown; 9] = [
        outcrop_ethernet::wire::fields,
        outcrop_ethernet::wire::arp::fields,
        |bytes, visit| outcrop_ip::wire::ipv4::fields(bytes, visit),
        |bytes, visit| outcrop_ip::wire::ipv6::fields(bytes, visit),
        |bytes, visit| outcrop_ip::wire::icmp::fields(bytes, visit),
        |bytes, visit| outcrop_ip::wire::icmp::fields_v6(bytes, visit),
        |bytes, visit| outcrop_udp::wire::fields(bytes, visit),
        |bytes, visit| outcrop_dhcp::v4::wire::fields(bytes, visit),
        |bytes, visit| outcrop_dhcp::v6::wire::fields(bytes, visit),
    ];
    let most = u32::try_from(data.len() * 8).unwrap();
    for fields in each {
        let mut last = 0;
        fields(data, &mut |field| {
            let bits = field.bits;
            assert!(
                last <= bits.start && bits.start < bits.end && bits.end <= most,
                "{}: {bits:?} behind {last} of {most}",
                field.key
            );
            last = bits.end;
        });
    }
    // As a frame, and as datagrams of both DHCPs.
    let mut frames = vec![data.to_vec()];
    for (from, to) in [(67, 68), (546, 547)] {
        frames.push(datagram(from, to, data));
    }
    let file = file(&frames);
    let read = || Reader::new(&file[..]).unwrap();
    print(&mut read(), PrintOptions::default(), &mut Vec::new()).unwrap();
    ladder(&mut read(), LadderOptions::default(), &mut Vec::new()).unwrap();
    page(&mut read(), "fuzz", &mut Vec::new()).unwrap();
}

/// IPv4 in Ethernet, with the lengths right and nothing else.
fn datagram(from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    let len = |header: usize| u16::try_from(data.len() + header).unwrap_or(u16::MAX);
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(len(28).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    for word in [from, to, len(8), 0] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend(data);
    frame
}

/// A classic capture of Ethernet.
fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32]
        .map(u32::to_le_bytes)
        .concat();
    for frame in frames {
        let len = u32::try_from(frame.len()).unwrap();
        file.extend([1, 0, len, len].map(u32::to_le_bytes).concat());
        file.extend(frame);
    }
    file
}

/// Any bytes as frames at the ports of a switch, length octets cut them; time passes between.
///
/// # Panics
/// With a finding.
pub fn switched_frames(mut data: &[u8]) {
    let mut switch = Switch::new(SwitchConfig {
        ports: PORTS,
        stations: STATIONS,
        stations_per_port: STATIONS / 2,
        ..SwitchConfig::default()
    });
    let mut now = Instant::from_secs(1);
    while let [how, len, rest @ ..] = data {
        let (frame, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        let port = Port(how % PORTS);
        let forward = switch.handle_frame(now, port, frame);
        assert!(!forward.to.has(port), "a frame comes back");
        assert!(forward.to.iter().all(|to| to.0 < PORTS), "no such port");
        assert!(switch.len() <= STATIONS, "stations without end");
        now += Duration::from_secs(u64::from(how / PORTS));
        switch.handle_timeout(now);
        assert!(switch.poll_timeout().is_none_or(|at| at > now));
        data = rest;
    }
}
