//! A device without offload whose driver merges what arrives and cuts what leaves.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use bytes::Bytes;
use common::{IFACE, sock, v4};
use core::time::Duration;
use outcrop_base::{ChunkQueue, Seed, WallClock};
use outcrop_device::{Caps, Clock, PairEnd, pair};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::{CUT_MAX, Config, Core, Driver, Shard};

fn driver(last: u8, device: PairEnd, clock: &Clock, helps: bool) -> Driver<PairEnd> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    core.add_interface(InterfaceConfig {
        gso_max: if helps { CUT_MAX } else { 0 },
        ..InterfaceConfig::tun(IFACE, 1500, vec![Cidr::new(v4(last), 24).unwrap()])
    })
    .unwrap();
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    let driver = Driver::new(shard, IFACE, device, ());
    if helps { driver.with_merging() } else { driver }
}

/// Carries `text` from one host to the other; returns it as it arrived, and the packets the device of each took in.
fn carried(text: &[u8], helps: bool) -> (Vec<u8>, u64, u64) {
    let clock = Clock::manual();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let mut client = driver(1, a, &clock, helps);
    let mut server = driver(2, b, &clock, helps);
    let listener = (server.shard()).call(|c| c.tcp_listen(sock(2, 80), Listen::default()));
    let asking = (client.shard()).call(|c| c.tcp_connect(None, sock(2, 80), None));
    let asking = asking.unwrap();
    let (mut queue, mut arrived) = (ChunkQueue::new(), Vec::new());
    queue.push(Bytes::copy_from_slice(text));
    let mut answering = None;
    for _ in 0..20_000 {
        clock.set(clock.now() + Duration::from_micros(200));
        let shard = client.shard().clone();
        let write = || {
            let _full = shard.call(|core| core.tcp_write(asking, &mut queue));
        };
        client.turn(write).unwrap();
        server.turn(|| {}).unwrap();
        let shard = server.shard();
        answering = answering.or_else(|| shard.call(|c| c.tcp_accept(*listener.as_ref().unwrap())));
        let Some(id) = answering else { continue };
        while let Ok(Some(bytes)) = shard.call(|core| core.tcp_read(id)) {
            arrived.extend_from_slice(&bytes);
        }
        if arrived.len() >= text.len() {
            break;
        }
    }
    let sent = client.counters().packets_out;
    (arrived, sent, server.counters().packets_in)
}

#[test]
fn driver_that_merges_and_cuts_text_arrives_whole_in_as_many_packets_on_the_wire() {
    let text: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let (plain, sent_plain, fed_plain) = carried(&text, false);
    let (helped, sent, fed) = carried(&text, true);
    assert!(plain == text && helped == text);
    // What crosses is the same: full segments. What the engines are asked about is a fraction of it.
    let segments = 3_000_000 / 1460;
    assert!(
        sent_plain > segments && sent > segments,
        "{sent_plain} {sent}"
    );
    assert!(
        fed_plain > segments && fed < segments / 4,
        "{fed_plain} {fed}"
    );
}
