//! What left the devices of a world, read again from its bytes.
//!
//! RFC 9293 3.1 and RFC 791 3.1 by hand, so that what options do is judged by what a wire would carry.

use std::sync::{Arc, Mutex};

use outcrop_base::{Direction, Fact, Instant, Level, PacketRecord, Recorder};

/// One IPv4 TCP packet.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub at_ms: u64,
    /// The host that sent it: 1 or 2.
    pub from: u8,
    /// As tcpdump writes them: `S`, `.`, `P.`, `F.`, `R.`; with `E`, `W` and `A` for ECE, CWR and AE.
    pub flags: String,
    pub seq: u32,
    /// Bytes of payload.
    pub len: usize,
    pub wnd: u16,
    pub tos: u8,
    pub ttl: u8,
    /// Options by kind, with their bodies.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Seen {
    pub fn option(&self, kind: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|(known, _)| *known == kind);
        found.map(|(_, body)| body.as_slice())
    }

    pub fn is_syn(&self) -> bool {
        self.flags.contains('S')
    }
}

/// A recorder whose clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<Vec<Seen>>>);

impl Tape {
    /// What host `last` has sent since the list was last taken.
    pub fn from(&self, last: u8) -> Vec<Seen> {
        let mut list = self.0.lock().unwrap();
        let (taken, kept) = list.drain(..).partition(|seen| seen.from == last);
        *list = kept;
        taken
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Recorder for Tape {
    fn level(&self) -> Level {
        Level::Full
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        let bytes: Vec<u8> = record
            .bytes
            .iter()
            .flat_map(|b| b.iter().copied())
            .collect();
        // IPv4 and TCP, on its way out.
        if record.direction == Direction::Out && bytes[0] >> 4 == 4 && bytes[9] == 6 {
            self.0.lock().unwrap().push(read(record.at, &bytes));
        }
    }

    fn fact(&mut self, _at: Instant, _fact: &Fact) {}

    fn secret(&mut self, _line: &str) {}
}

fn read(at: Instant, ip: &[u8]) -> Seen {
    let tcp = &ip[usize::from(ip[0] & 15) * 4..];
    let header = usize::from(tcp[12] >> 4) * 4;
    let bits = u16::from_be_bytes([tcp[12] & 1, tcp[13]]);
    let flags = [
        (2, 'S'),
        (1, 'F'),
        (4, 'R'),
        (8, 'P'),
        (64, 'E'),
        (128, 'W'),
        (256, 'A'),
        (16, '.'),
    ];
    let flags = flags.iter().filter(|(bit, _)| bits & bit != 0);
    Seen {
        at_ms: at.as_millis(),
        from: ip[15],
        flags: flags.map(|(_, name)| *name).collect(),
        seq: u32::from_be_bytes(tcp[4..8].try_into().unwrap()),
        len: tcp.len() - header,
        wnd: u16::from_be_bytes([tcp[14], tcp[15]]),
        tos: ip[1],
        ttl: ip[8],
        options: options(&tcp[20..header]),
    }
}

fn options(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(kind) = bytes.first().copied().filter(|kind| *kind != 0) {
        let len = if kind == 1 { 1 } else { usize::from(bytes[1]) };
        if kind != 1 {
            all.push((kind, bytes[2..len].to_vec()));
        }
        bytes = &bytes[len..];
    }
    all
}
