//! Simulated links in real time, in front of real devices.
//!
//! ```text
//!   stack ── Emulated ── link ══ device          device ══ link ══ device
//!            (a Device)                                   Joint
//! ```
//! Job: let what crosses a device take the time, and run the risks, of a link. Owns: the link and the device.
//! Does not know: who drives it: [`Emulated`] is a [`Device`] for a driver, [`Joint`] is turned by its owner. Both
//! say when they want to go on; the clock is the device's.
//! A link carries packets as they are on a wire, so the device must be a plain one: no super-segments.

use std::io::{self, IoSlice};

use outcrop_base::{Instant, Seed};
use outcrop_device::{
    Caps, Clock, Device, Dry, Medium, Offload, Pool, Received, RxOffload, WakeSource,
};
use outcrop_netem::{Config, Duplex, Link, Packet};

/// Packets read from a device at a time.
const BATCH: usize = 64;

/// What becomes of packets between a device and what is behind it.
#[derive(Debug)]
struct Port<D> {
    device: D,
    pool: Pool,
    inbox: Vec<Received>,
}

impl<D: Device> Port<D> {
    fn new(device: D) -> io::Result<Self> {
        let caps = device.caps();
        if caps != Caps::plain(caps.mtu) || caps.medium != Medium::Ip {
            let text = "an emulated link needs a plain device: packets as a wire has them, without offload";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            device,
            pool: Pool::new(),
            inbox: Vec::new(),
        })
    }

    /// Puts everything that has arrived onto the link.
    fn drain(&mut self, link: &mut Link) -> io::Result<()> {
        loop {
            let dry = self
                .device
                .receive(&mut self.pool, &mut self.inbox, BATCH)?;
            for received in self.inbox.drain(..) {
                let packet = Packet {
                    bytes: received.bytes,
                    tag: 0,
                };
                let _fate = link.handle_packet(received.at, packet);
            }
            if dry == Dry::Yes {
                return Ok(());
            }
        }
    }

    /// Gives the device what has come through the link.
    fn deliver(&mut self, link: &mut Link, now: Instant) {
        while self.device.room()
            && let Some(packet) = link.poll_transmit(now)
        {
            // What a device refuses is lost, as on any link.
            let _refused = self
                .device
                .transmit(&[IoSlice::new(&packet.bytes)], Offload::default());
        }
    }
}

/// A device behind a link, both ways.
#[derive(Debug)]
pub struct Emulated<D> {
    port: Port<D>,
    link: Duplex,
    clock: Clock,
}

impl<D: Device> Emulated<D> {
    /// Puts `outward` before what is sent through `device` and `inward` before what it receives. `clock` is the
    /// device's.
    ///
    /// # Errors
    /// `InvalidInput` if the device has offload.
    pub fn new(
        device: D,
        outward: Config,
        inward: Config,
        clock: &Clock,
        seed: &Seed,
    ) -> io::Result<Self> {
        Ok(Self {
            port: Port::new(device)?,
            link: Duplex::new(outward, inward, &seed.split("link")),
            clock: clock.clone(),
        })
    }
}

impl<D: Device> Device for Emulated<D> {
    fn caps(&self) -> Caps {
        self.port.device.caps()
    }

    fn receive(&mut self, _: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        self.port.drain(&mut self.link.backward)?;
        let now = self.clock.now();
        self.port.deliver(&mut self.link.forward, now);
        for _ in 0..max {
            let Some(packet) = self.link.backward.poll_transmit(now) else {
                return Ok(Dry::Yes);
            };
            out.push(Received {
                at: now,
                bytes: packet.bytes,
                offload: RxOffload::default(),
            });
        }
        Ok(Dry::No)
    }

    fn room(&self) -> bool {
        true
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        if offload != Offload::default() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let now = self.clock.now();
        let bytes = packet.iter().flat_map(|piece| piece.iter().copied());
        let packet = Packet {
            bytes: bytes.collect(),
            tag: 0,
        };
        let _fate = self.link.forward.handle_packet(now, packet);
        self.port.deliver(&mut self.link.forward, now);
        Ok(())
    }

    fn wake_source(&self) -> WakeSource<'_> {
        self.port.device.wake_source()
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.link.poll_timeout(), self.port.device.deadline()];
        deadlines.into_iter().flatten().min()
    }
}

/// Two devices joined by a link.
#[derive(Debug)]
pub struct Joint<A, B> {
    left: Port<A>,
    right: Port<B>,
    link: Duplex,
    clock: Clock,
}

impl<A: Device, B: Device> Joint<A, B> {
    /// Carries what `left` gives to `right` by `rightward`, and back by `leftward`. `clock` is both devices'.
    ///
    /// # Errors
    /// `InvalidInput` if a device has offload.
    pub fn new(
        (left, right): (A, B),
        rightward: Config,
        leftward: Config,
        clock: &Clock,
        seed: &Seed,
    ) -> io::Result<Self> {
        Ok(Self {
            left: Port::new(left)?,
            right: Port::new(right)?,
            link: Duplex::new(rightward, leftward, &seed.split("link")),
            clock: clock.clone(),
        })
    }

    /// Takes in what has arrived at both devices and hands out what is due.
    ///
    /// # Errors
    /// A device is gone or broken.
    pub fn turn(&mut self) -> io::Result<()> {
        self.left.drain(&mut self.link.forward)?;
        self.right.drain(&mut self.link.backward)?;
        let now = self.clock.now();
        self.right.deliver(&mut self.link.forward, now);
        self.left.deliver(&mut self.link.backward, now);
        Ok(())
    }

    /// When the next turn is due even if nothing arrives.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.link.poll_timeout()
    }

    /// What tells that something has arrived at the left device, and at the right.
    #[must_use]
    pub fn wake_sources(&self) -> [WakeSource<'_>; 2] {
        [
            self.left.device.wake_source(),
            self.right.device.wake_source(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use outcrop_device::{PairEnd, pair};

    use super::*;

    fn seed() -> Seed {
        Seed::from_number(1)
    }

    fn delay(millis: u64) -> Config {
        Config::delay(Duration::from_millis(millis))
    }

    fn put(device: &mut impl Device, text: &str) {
        let bytes = IoSlice::new(text.as_bytes());
        device.transmit(&[bytes], Offload::default()).unwrap();
    }

    fn taken(device: &mut impl Device) -> Vec<String> {
        let mut out = Vec::new();
        let dry = device.receive(&mut Pool::new(), &mut out, 16).unwrap();
        assert_eq!(dry, Dry::Yes);
        let text = |one: &Received| String::from_utf8(one.bytes.to_vec()).unwrap();
        out.iter().map(text).collect()
    }

    fn cable(clock: &Clock) -> (PairEnd, PairEnd) {
        pair(Caps::plain(1500), clock)
    }

    #[test]
    fn packets_through_an_emulated_device_arrive_when_the_link_lets_them() {
        let clock = Clock::manual();
        let (near, mut far) = cable(&clock);
        let mut device = Emulated::new(near, delay(20), delay(30), &clock, &seed()).unwrap();
        assert_eq!(device.deadline(), None);
        put(&mut device, "out");
        put(&mut far, "in");
        assert_eq!(taken(&mut device), [""; 0]);
        assert_eq!(taken(&mut far), [""; 0]);
        assert_eq!(device.deadline(), Some(Instant::from_millis(20)));
        clock.set(Instant::from_millis(20));
        assert_eq!(taken(&mut device), [""; 0]);
        assert_eq!(taken(&mut far), ["out"]);
        assert_eq!(device.deadline(), Some(Instant::from_millis(30)));
        clock.set(Instant::from_millis(30));
        assert_eq!(taken(&mut device), ["in"]);
        assert_eq!(device.deadline(), None);
    }

    #[test]
    fn two_devices_joined_by_a_link_lose_what_it_loses() {
        let clock = Clock::manual();
        let ((mut left, a), (b, mut right)) = (cable(&clock), cable(&clock));
        let there = delay(5).dropping([2]);
        let mut joint = Joint::new((a, b), there, delay(1), &clock, &seed()).unwrap();
        for word in ["one", "two", "three"] {
            put(&mut left, word);
        }
        put(&mut right, "back");
        joint.turn().unwrap();
        assert_eq!(joint.deadline(), Some(Instant::from_millis(1)));
        clock.set(Instant::from_millis(5));
        joint.turn().unwrap();
        assert_eq!(taken(&mut right), ["one", "three"]);
        assert_eq!(taken(&mut left), ["back"]);
    }

    #[test]
    fn a_device_with_offload_is_refused() {
        let clock = Clock::manual();
        let caps = Caps {
            gso_max: 65_536,
            ..Caps::plain(1500)
        };
        let (near, _far) = pair(caps, &clock);
        let refused = Emulated::new(near, delay(1), delay(1), &clock, &seed());
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
