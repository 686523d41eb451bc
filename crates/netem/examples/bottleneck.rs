//! What a bottleneck does to a burst: the queue fills, the rest is lost, what passes is spaced out.
//!
//! `cargo run -p outcrop-netem --example bottleneck`

use core::time::Duration;

use outcrop_base::{Instant, Seed};
use outcrop_netem::{Config, Link, Packet};

fn main() {
    let config = Config {
        rate: Some(1_000_000),
        queue: Some(15_000),
        ..Config::delay(Duration::from_millis(20))
    };
    let mut link = Link::new(config, &Seed::from_number(1));
    for tag in 1..=16 {
        let bytes = vec![0; 1500].into();
        let verdict = link.handle_packet(Instant::ZERO, Packet { bytes, tag });
        println!("packet {tag:2} offered  at 0.000000: {}", verdict.rule.name);
    }
    while let Some(due) = link.poll_timeout() {
        while let Some(packet) = link.poll_transmit(due) {
            println!("packet {:2} arrived  at {due}", packet.tag);
        }
    }
}
