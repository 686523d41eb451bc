//! Paths that swallow large packets and say nothing: the connection lives, and finds what fits.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::world::{Badness, World};
use common::{Story, plain, seg};

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, PacketId, PathSignal, PathSignalKind, Why};
use outcrop_tcp::congestion::Rate;
use outcrop_tcp::{Algorithm, Config, ConnId, Event, Info, Listen, PathProbing, Settings};

const LINK: Badness = Badness {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    delay: Duration::from_millis(10),
};

/// As fast as this leaves, so that a search takes its time within a transfer of a few megabytes.
const RATE: Rate = Rate(200_000);

fn config(probing: PathProbing) -> Config {
    Config {
        settings: Settings {
            path_probing: probing,
            max_pacing_rate: Some(RATE),
            ..Settings::default()
        },
        ..Config::default()
    }
}

/// A client that has `len` bytes for a server over a link.
struct Upload {
    world: World,
    id: ConnId,
    rest: ChunkQueue,
    served: Option<ConnId>,
    arrived: usize,
}

impl Upload {
    fn new(world: World, len: usize) -> Self {
        let mut world = world;
        world.ends[0]
            .listen(world.addrs[0], Listen::default())
            .unwrap();
        let [to, from] = world.addrs;
        let id = world.ends[1].connect(from, to, world.path, None).unwrap();
        let rest = ChunkQueue::from(Bytes::from(vec![7; len]));
        Self {
            world,
            id,
            rest,
            served: None,
            arrived: 0,
        }
    }

    /// Runs until everything has arrived or the clock says `seconds`.
    fn run(&mut self, seconds: u64) -> &mut Self {
        let end = Instant::from_secs(seconds);
        let all = self.arrived + self.rest.len() + self.info().send_queued as usize;
        while self.arrived < all && self.world.now < end && self.world.step() {
            let [server, client] = &mut self.world.ends;
            while let Some(event) = server.poll_event() {
                if let Event::Acceptable(listener) = event {
                    self.served = server.accept(listener);
                }
            }
            while client.poll_event().is_some() {}
            let _taken = client.write(self.id, &mut self.rest);
            while let Some(Ok(Some(bytes))) = self.served.map(|id| server.read(id)) {
                self.arrived += bytes.len();
            }
        }
        self
    }

    fn info(&self) -> Info {
        self.world.ends[1].info(self.id).unwrap()
    }
}

fn world(probing: PathProbing, hole: usize) -> World {
    let mut world = World::new(11, [config(probing), config(probing)], LINK);
    world.hole = Some(hole);
    world
}

/// Bytes of headers around a full segment with timestamps.
fn headers(world: &World) -> usize {
    32 + if world.addrs[0].is_ipv6() { 40 } else { 20 }
}

#[test]
fn black_hole_of_each_family_connection_recovers_and_finds_the_size_that_fits() {
    for hole in [1300, 1492] {
        for v6 in [false, true] {
            let world = world(PathProbing::OnBlackHole, hole);
            let world = if v6 { world.over_v6() } else { world };
            let mut upload = Upload::new(world, 6_000_000);
            upload.run(120);
            assert_eq!(upload.arrived, 6_000_000, "{hole} v6 {v6}");
            let info = upload.info();
            let size = usize::from(info.mss) + headers(&upload.world);
            assert!(
                size <= hole && hole - size < 8,
                "{hole} v6 {v6}: found {size}"
            );
            assert_eq!(info.search.black_holes, 1);
            // 0.2 + 0.4 + 0.8 s of timeouts and one of them halved again: no more congestion than that.
            assert_eq!(info.totals.timeouts, 3, "{hole} v6 {v6}");
            assert_eq!(info.totals.recoveries, 0, "a lost probe is no congestion");
            assert!(info.search.lost > 0);
        }
    }
}

#[test]
fn always_probing_clear_path_takes_one_probe_to_the_top() {
    let mut upload = Upload::new(world(PathProbing::Always, 1500), 1_000_000);
    upload.run(60);
    let info = upload.info();
    assert_eq!(usize::from(info.mss) + headers(&upload.world), 1500);
    assert_eq!((info.search.probes, info.search.lost), (1, 0));
    assert_eq!(info.totals.timeouts, 0);
}

#[test]
fn always_probing_narrow_path_never_stalls_nor_slows_down() {
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr] {
        for sack in [true, false] {
            let settings = Settings {
                path_probing: PathProbing::Always,
                congestion: algorithm,
                max_pacing_rate: Some(RATE),
                sack,
                ..Settings::default()
            };
            let configs = [0, 1].map(|_| Config {
                settings,
                ..Config::default()
            });
            let mut world = World::new(12, configs, LINK);
            world.hole = Some(1420);
            let mut upload = Upload::new(world, 6_000_000);
            upload.run(120);
            assert_eq!(upload.arrived, 6_000_000, "{algorithm:?} sack {sack}");
            let info = upload.info();
            let size = usize::from(info.mss) + headers(&upload.world);
            assert!(
                size <= 1420 && 1420 - size < 8,
                "{algorithm:?} sack {sack}: {size}"
            );
            assert_eq!(info.search.black_holes, 0);
            assert_eq!(info.totals.recoveries, 0, "{algorithm:?} sack {sack}");
            assert_eq!(info.totals.timeouts, 0, "{algorithm:?} sack {sack}");
        }
    }
}

#[test]
fn probing_off_black_hole_is_where_it_ends() {
    let mut upload = Upload::new(world(PathProbing::Off, 1400), 100_000);
    upload.run(100);
    assert_eq!(upload.arrived, 0);
    assert_eq!(upload.info().search.black_holes, 0);
}

// An outage looks like a black hole. It costs size for a while, and nothing else.
#[test]
fn outage_taken_for_a_black_hole_size_comes_back() {
    let slow = config(PathProbing::OnBlackHole);
    let settings = Settings {
        max_pacing_rate: Some(Rate(20_000)),
        ..slow.settings
    };
    let configs = [0, 1].map(|_| Config {
        settings,
        ..Config::default()
    });
    let mut world = World::new(13, configs, LINK);
    world.outage = Some((Instant::from_millis(1100), Instant::from_secs(6)));
    let mut upload = Upload::new(world, 14_000_000);
    upload.run(800);
    assert_eq!(upload.arrived, 14_000_000);
    let info = upload.info();
    assert!(info.search.black_holes > 0);
    let size = usize::from(info.mss) + headers(&upload.world);
    assert!(size > 1490, "{size}");
}

#[test]
fn losses_everywhere_search_neither_deadlocks_nor_loses_a_byte() {
    for seed in 0..20 {
        let bad = Badness {
            loss: 0.03,
            duplicate: 0.01,
            reorder: 0.05,
            ..LINK
        };
        let configs = [0, 1].map(|_| config(PathProbing::Always));
        let mut world = World::new(seed, configs, bad);
        world.hole = Some(1380);
        let mut upload = Upload::new(world, 400_000);
        upload.run(600);
        assert_eq!(upload.arrived, 400_000, "seed {seed}");
    }
}

/// A server that always probes, with a client that has no options and takes 1460 bytes.
fn story() -> (Story, ConnId) {
    let settings = Settings {
        path_probing: PathProbing::Always,
        ..plain()
    };
    let mut story = Story::new(settings);
    story.path = outcrop_base::Path::plain(1500);
    let listener = story.listen();
    story.recv(seg("S").mss(1460));
    assert_eq!(story.out().len(), 1);
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    (story, id)
}

#[test]
fn enough_to_send_probe_leaves_first_as_one_larger_segment_and_says_why() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    let out = story.out();
    assert_eq!(
        (out[0].data.len(), out[0].gso, out[0].why),
        (1460, None, Why::PathMtuProbe)
    );
    assert!(
        out[1..]
            .iter()
            .all(|sent| sent.data.len() <= 1160 && sent.why == Why::Data)
    );
}

// RFC 4821 7.4: what a timeout left to repair comes first, whatever waits and however wide the window.
#[test]
fn losses_are_being_repaired_no_probe_leaves_before_they_are() {
    let settings = Settings {
        path_probing: PathProbing::Always,
        sack: true,
        ..plain()
    };
    let mut story = Story::new(settings);
    story.path = outcrop_base::Path::plain(1500);
    let listener = story.listen();
    story.recv(seg("S").mss(1460).sackok());
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    // A segment is 1160 bytes. Two at a time: never enough for a probe and one behind it.
    for _ in 0..3 {
        story.write(id, 2_320);
        assert!(story.out().iter().all(|sent| sent.data.len() == 1160));
    }
    while story.wait_output(60_000).unwrap().1.why != Why::Rto {}
    story.write(id, 40_000);
    for acked in [501, 1161, 2321, 3481, 4641, 5801] {
        story.recv(seg(".").seq(1).ack(acked));
        let whys: Vec<_> = story.out().iter().map(|sent| sent.why).collect();
        assert!(!whys.contains(&Why::PathMtuProbe), "{acked}: {whys:?}");
    }
    story.recv(seg(".").seq(1).ack(6961));
    assert_eq!(story.out()[0].why, Why::PathMtuProbe, "all is repaired");
}

#[test]
fn too_little_to_send_no_probe_leaves() {
    let (mut story, id) = story();
    story.write(id, 3_000);
    assert!(story.out().iter().all(|sent| sent.why == Why::Data));
}

// Three segments behind it are acknowledged out of order: only the probe is missing. It goes out again at once in
// small pieces, and the window stays as it was.
#[test]
fn probe_alone_is_lost_it_is_repaired_at_once_without_congestion() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    let first = story.out();
    assert_eq!(first.len(), 9);
    let before = story.tcp.info(id).unwrap();
    for _ in 0..3 {
        story.recv(seg(".").seq(1).ack(1));
    }
    let again: Vec<_> = story.out();
    let resent: usize = again.iter().map(|sent| sent.data.len()).sum();
    assert!(
        again
            .iter()
            .all(|sent| sent.seq <= 1 + 1460 && sent.why == Why::FastRetransmit)
    );
    assert_eq!(resent, 1460);
    let after = story.tcp.info(id).unwrap();
    assert_eq!((after.cwnd, after.ssthresh), (before.cwnd, before.ssthresh));
    assert_eq!(after.search.lost, 1);
    assert_eq!(after.totals.recoveries, 0);
}

// A router that speaks: what it says ends the search above, and only the probe is sent again.
#[test]
fn router_refuses_the_probe_only_the_probe_is_sent_again() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    assert_eq!(story.out().len(), 9);
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some(story.iss.value().wrapping_add(1)),
        kind: PathSignalKind::TooBig(1400),
        id: PacketId(99),
    };
    assert_eq!(
        story.tcp.handle_path(story.now, &signal).drop_reason(),
        None
    );
    let resent: usize = story.out().iter().map(|sent| sent.data.len()).sum();
    assert_eq!(resent, 1460);
    assert_eq!(story.tcp.info(id).unwrap().mss, 1160);
}

// RFC 1191 6.2, RFC 8201 5.2: every flow to the destination hears, whoever asked.
#[test]
fn ip_knows_a_narrower_path_every_flow_to_it_makes_smaller_segments() {
    let (mut story, id) = Story::established(plain());
    story.tcp.path_changed(story.now, story.remote.ip(), 800);
    story.write(id, 3_000);
    assert!(story.out().iter().all(|sent| sent.data.len() <= 760));
    // And larger ones again, once that is old; the walks are a second apart.
    story.tcp.path_changed(story.now, story.remote.ip(), 1040);
    assert_eq!(story.tcp.info(id).unwrap().mss, 760);
    let due = story.tcp.poll_timeout().unwrap();
    assert!(due <= story.now + Duration::from_secs(1));
    story.now += Duration::from_secs(1);
    story.tcp.handle_timeout(story.now);
    assert_eq!(story.tcp.info(id).unwrap().mss, 1000);
    let other = "10.9.9.9".parse().unwrap();
    story.tcp.path_changed(story.now, other, 600);
    assert_eq!(story.tcp.info(id).unwrap().mss, 1000);
}

// RFC 9293 3.8.3 MUST-20 (b): at R1 the layer below is told.
#[test]
fn segment_unanswered_r1_times_ip_is_told_of_the_doubt_once() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 500);
    let _first = story.out();
    assert_eq!(story.tcp.poll_doubt(), None);
    for _ in 0..3 {
        let (_, again) = story.wait_output(60_000).unwrap();
        assert_eq!(again.why, Why::Rto);
        story.out();
    }
    assert_eq!(story.tcp.poll_doubt(), Some(story.remote.ip()));
    assert_eq!(story.tcp.poll_doubt(), None);
    assert_eq!(story.tcp.counters().doubts, 1);
}

// What vanishes need not be a full segment: the peer's window may hold less than one.
#[test]
fn window_smaller_than_a_segment_and_the_path_smaller_still_size_falls_all_the_same() {
    let settings = Settings {
        nodelay: true,
        ..plain()
    };
    let mut story = Story::new(settings);
    story.path = outcrop_base::Path::plain(1500);
    let listener = story.listen();
    story.recv(seg("S").mss(1460).wnd(1003));
    story.out();
    story.recv(seg(".").seq(1).ack(1).wnd(1003));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 2_000);
    assert_eq!(story.out()[0].data.len(), 1003);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        let (_, again) = story.wait_output(60_000).unwrap();
        sizes.push(again.data.len());
        story.out();
    }
    assert_eq!(sizes, [1003, 1003, 512, 512]);
}
