//! A conversation of two endpoints over a link that loses one packet, told line by line.
//!
//! `cargo run -p outcrop-tcp --example conversation`
//!
//! Time is a number here: the run takes no time at all and prints the same every time.
#![expect(
    clippy::indexing_slicing,
    reason = "an example reads better without ceremony"
)]

use core::error::Error;
use std::io::IoSlice;

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, HeaderRoom, Instant, InterfaceId, MAX_SLICES,
    PacketId, Path, Seed,
};
use outcrop_tcp::{Config, Endpoint, Event, Listen, wire};

/// One way of the link takes this long.
const DELAY: Duration = Duration::from_millis(20);
/// The packet that gets lost: the last of the question.
const LOST: usize = 5;

struct Link {
    ends: [Endpoint; 2],
    now: Instant,
    /// What is under way: when it arrives, where, what.
    under_way: Vec<(Instant, usize, Arrival, Bytes)>,
    packets: usize,
}

impl Link {
    fn flush(&mut self) {
        for end in 0..2 {
            while let Some(plan) = self.ends[end].poll_transmit(self.now) {
                let (mut slices, mut room) = ([IoSlice::new(&[]); MAX_SLICES], HeaderRoom::new());
                let used = self.ends[end].payload(&plan, &mut slices);
                self.ends[end].emit(&plan, &slices[..used], false, &mut room);
                let mut bytes = room.as_slice().to_vec();
                for slice in &slices[..used] {
                    bytes.extend_from_slice(slice);
                }
                self.packets += 1;
                let lost = self.packets == LOST;
                let arrow = if end == 0 { "<--" } else { "-->" };
                println!(
                    "{} {arrow} {:<3} {:>4} bytes  {:<18} {}",
                    self.now,
                    plan.header.flags.to_string(),
                    plan.range.len(),
                    plan.note.why(),
                    if lost { "(lost)" } else { "" }
                );
                if !lost {
                    let arrival = Arrival {
                        at: self.now + DELAY,
                        id: PacketId(self.packets as u64),
                        iface: InterfaceId(0),
                        src: plan.flow.local.ip(),
                        dst: plan.flow.remote.ip(),
                        cast: Cast::Unicast,
                        ecn: Ecn::NotEct,
                        hop_limit: 64,
                        checksum: ChecksumState::Unverified,
                        gso_size: None,
                        path: Path::plain(1500),
                    };
                    self.under_way
                        .push((arrival.at, 1 - end, arrival, bytes.into()));
                }
            }
        }
    }

    /// Moves time to the next arrival or timer; `false` if there is none.
    fn step(&mut self) -> bool {
        self.flush();
        let arrival = self.under_way.iter().map(|(at, ..)| *at).min();
        let timer = self.ends.iter().filter_map(Endpoint::poll_timeout).min();
        let Some(next) = arrival.into_iter().chain(timer).min() else {
            return false;
        };
        self.now = self.now.max(next);
        let (due, later) = self
            .under_way
            .drain(..)
            .partition(|(at, ..)| *at <= self.now);
        self.under_way = later;
        let due: Vec<_> = due;
        for (_, end, arrival, bytes) in due {
            if let Ok((segment, payload)) = wire::parse(&arrival, bytes) {
                let _verdict = self.ends[end].handle_segment(&arrival, segment, payload);
            }
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        true
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut link = Link {
        ends: [1, 2].map(|seed| Endpoint::new(Config::default(), &Seed::from_number(seed))),
        now: Instant::from_secs(1),
        under_way: Vec::new(),
        packets: 0,
    };
    link.ends[0].listen("10.0.0.1:80".parse()?, Listen::default())?;
    let local = "10.0.0.2:0".parse()?;
    let client = link.ends[1].connect(local, "10.0.0.1:80".parse()?, Path::plain(1500), None)?;
    let mut question = ChunkQueue::from(Bytes::from(vec![b'?'; 4000]));
    link.ends[1].write(client, &mut question)?;
    let mut heard = 0;
    while link.step() {
        while let Some(event) = link.ends[0].poll_event() {
            println!("{}     server: {event:?}", link.now);
            if let Event::Acceptable(listener) = event {
                link.ends[0].accept(listener);
            }
            let Event::Readable(id) = event else { continue };
            while let Ok(Some(bytes)) = link.ends[0].read(id) {
                heard += bytes.len();
                if heard == 4000 {
                    let mut answer = ChunkQueue::from(Bytes::from_static(b"heard you"));
                    link.ends[0].write(id, &mut answer)?;
                    link.ends[0].close(id)?;
                }
            }
        }
        while let Some(event) = link.ends[1].poll_event() {
            println!("{}     client: {event:?}", link.now);
            if let Event::Readable(id) = event {
                while let Ok(Some(_)) = link.ends[1].read(id) {}
                link.ends[1].shutdown(id)?;
            }
        }
    }
    println!("{}     nothing is left to happen", link.now);
    Ok(())
}
