//! Writes a capture of any size, for a look at how inspecting takes it: `large MEGABYTES FILE`.
//!
//! It holds what costs memory: downloads with holes that are filled late, TLS nobody has keys for, heads that never end,
//! and a flood of connections that are never closed.

use std::fs::File;
use std::io::{self, BufWriter, Write};

const MAGIC: [u8; 24] = [
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 101, 0, 0, 0,
];

struct Pcap<W: Write> {
    out: W,
    written: u64,
    packets: u32,
}

impl<W: Write> Pcap<W> {
    /// A segment from one of many clients to a server, or back.
    fn segment(
        &mut self,
        (client, up): (u32, bool),
        seq: u32,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let len = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
        let [a, b, c, d] = client.to_be_bytes();
        let (peer, ours) = ([10, a, b, c], [192, 0, 2, 1]);
        let port = [0x80 | d, d];
        let (ends, ports) = if up {
            ([peer, ours], [port, [0, 80]])
        } else {
            ([ours, peer], [[0, 80], port])
        };
        let mut bytes = vec![0x45, 0];
        bytes.extend(len.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        bytes.extend(ends.concat());
        bytes.extend(ports.concat());
        bytes.extend(seq.to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        let record = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.packets += 1;
        let second = self.packets / 10_000;
        self.out.write_all(&second.to_le_bytes())?;
        self.out
            .write_all(&(self.packets % 10_000 * 100).to_le_bytes())?;
        self.out.write_all(&record)?;
        self.out.write_all(&record)?;
        self.out.write_all(&bytes)?;
        self.written += 16 + u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let megabytes = arguments.next().and_then(|size| size.parse::<u64>().ok());
    let (Some(megabytes), Some(file)) = (megabytes, arguments.next()) else {
        return Err(io::Error::other("usage: large MEGABYTES FILE"));
    };
    let mut out = BufWriter::new(File::create(file)?);
    out.write_all(&MAGIC)?;
    let mut pcap = Pcap {
        out,
        written: 24,
        packets: 0,
    };
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n";
    let starts: [(u32, &[u8]); 3] = [(1, head), (2, &[0x17, 3, 3, 0x40, 0]), (3, b"X-Endless: ")];
    let ask = b"GET /all HTTP/1.1\r\nHost: large\r\n\r\n";
    for (client, start) in starts {
        pcap.segment((client, true), 0, 2, b"")?;
        pcap.segment((client, false), 0, 0x12, b"")?;
        if client == 1 {
            pcap.segment((client, true), 1, 0x18, ask)?;
        }
        pcap.segment((client, false), 1, 0x18, start)?;
    }
    let (body, mut round) = ([b'x'; 1_400], 0_u32);
    while pcap.written < megabytes << 20 {
        for (client, start) in starts {
            let begin = 1 + u32::try_from(start.len()).unwrap_or(0);
            // Every other segment comes before the one it follows.
            let place = (round ^ 1).wrapping_mul(1_400);
            pcap.segment((client, false), begin.wrapping_add(place), 0x10, &body)?;
        }
        // A thousand holes that are never filled, and connections that only open.
        let hole = 16 + round % 1_000;
        pcap.segment((hole, false), 10_000 + round / 1_000 * 1_400, 0x10, &body)?;
        for fresh in 0..4 {
            pcap.segment((4_096 + round.wrapping_mul(4) + fresh, true), 0, 2, b"")?;
        }
        round += 1;
    }
    pcap.out.flush()
}
