//! A driver that looks at its device again and again instead of sleeping.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{IFACE, host, v4};
use core::time::Duration;
use outcrop_base::WallClock;
use outcrop_device::{
    Caps, Clock, Device, Dry, Offload, PairEnd, Pool, Received, WakeSource, pair,
};
use outcrop_stack::{Driver, Shard};

/// What a driver did with its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    /// Read, and got so many packets.
    Read(usize),
    Sent,
}

/// A device that writes down what is done with it.
struct Watched {
    device: PairEnd,
    log: Arc<Mutex<Vec<Did>>>,
}

impl Device for Watched {
    fn caps(&self) -> Caps {
        self.device.caps()
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        let before = out.len();
        let dry = self.device.receive(pool, out, max);
        let mut log = self.log.lock().unwrap();
        log.push(Did::Read(out.len() - before));
        dry
    }

    fn room(&self) -> bool {
        self.device.room()
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        self.log.lock().unwrap().push(Did::Sent);
        self.device.transmit(packet, offload)
    }

    fn wake_source(&self) -> WakeSource<'_> {
        self.device.wake_source()
    }
}

#[test]
fn a_packet_found_while_looking_out_is_answered_before_the_device_is_read_again() {
    let clock = Clock::manual();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let shard = |last: u8| {
        let wall = WallClock::new(Duration::ZERO);
        Shard::new(host(last, u64::from(last)), clock.clone(), wall).unwrap()
    };
    let mut asking = Driver::new(shard(1), IFACE, a, ());
    let log = Arc::default();
    let watched = Watched {
        device: b,
        log: Arc::clone(&log),
    };
    let mut answering =
        Driver::new(shard(2), IFACE, watched, ()).with_busy_poll(Duration::from_millis(1));
    answering.turn(|| {}).unwrap();
    log.lock().unwrap().clear();

    // Three pings have arrived when it looks.
    let ping = asking.shard().call(|core| core.ping_open()).unwrap();
    for seq in 0..3 {
        let data = Bytes::from_static(b"x");
        let sent = asking
            .shard()
            .call(|core| core.ping_send(ping, v4(2), seq, &data));
        sent.unwrap();
    }
    asking.turn(|| {}).unwrap();

    let mut next_turn = || {
        answering.wait().unwrap();
        answering.turn(|| {}).unwrap();
        core::mem::take(&mut *log.lock().unwrap())
    };
    // The first is answered at once, without asking whether there are more; then the rest, in one batch.
    assert_eq!(next_turn(), [Did::Read(1), Did::Sent]);
    assert_eq!(next_turn(), [Did::Read(2), Did::Sent, Did::Sent]);
}
