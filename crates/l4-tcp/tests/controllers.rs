//! Every controller end to end: goodput over links of known delay and loss, pacing, the limit a program sets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::world::{Badness, World};
use common::{Story, plain, seg};
use outcrop_base::{ChunkQueue, Instant};
use outcrop_tcp::congestion::Rate;
use outcrop_tcp::{Algorithm, Config, Listen, Settings};

const SIZE: usize = 1 << 20;

fn config(settings: Settings) -> Config {
    Config {
        settings,
        ..Config::default()
    }
}

/// How long a mebibyte takes from one end to the other, handshake included.
fn transfer(seed: u64, settings: Settings, loss: f64) -> Duration {
    let badness = Badness {
        loss,
        duplicate: 0.0,
        reorder: 0.0,
        delay: Duration::from_millis(10),
    };
    let mut world = World::new(
        seed,
        [config(Settings::default()), config(settings)],
        badness,
    );
    let start = world.now;
    let listener = world.ends[0]
        .listen(World::addr(0), Listen::default())
        .unwrap();
    let id = world.ends[1]
        .connect(World::addr(1), World::addr(0), world.path, None)
        .unwrap();
    let mut left = ChunkQueue::from(Bytes::from(vec![7; SIZE]));
    let (mut accepted, mut received) = (None, 0);
    while received < SIZE {
        assert!(
            world.step(),
            "nothing left to happen after {received} bytes"
        );
        assert!(world.now < Instant::from_secs(600), "stuck at {received}");
        let _taken = world.ends[1].write(id, &mut left).unwrap();
        accepted = accepted.or_else(|| world.ends[0].accept(listener));
        while let Some(Ok(Some(bytes))) = accepted.map(|id| world.ends[0].read(id)) {
            received += bytes.len();
        }
    }
    world.now - start
}

fn with(congestion: Algorithm) -> Settings {
    Settings {
        congestion,
        ..Settings::default()
    }
}

const ALL: [Algorithm; 3] = [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr];

// RFC 6928: ten segments, doubled each round trip of 20 ms: 1 MiB is 725 segments, seven rounds and the handshake.
#[test]
fn clean_link_every_controller_doubles_each_round_trip() {
    for algorithm in ALL {
        let time = transfer(1, with(algorithm), 0.0);
        assert!(time < Duration::from_millis(400), "{algorithm:?}: {time:?}");
    }
}

// RFC 5681's law allows about 1.2 / sqrt(p) segments a round: 12 at 1 %, 725 segments in 60 rounds of 20 ms. BBR
// does not slow down for what is below two percent.
#[test]
fn one_percent_loss_every_controller_stays_near_the_law_or_above() {
    for algorithm in ALL {
        let times: Duration = (0..8)
            .map(|seed| transfer(seed, with(algorithm), 0.01))
            .sum();
        let mean = times / 8;
        assert!(
            mean < Duration::from_millis(2_500),
            "{algorithm:?}: {mean:?}"
        );
    }
}

#[test]
fn pacing_asked_for_costs_little() {
    let settings = Settings {
        pacing: true,
        ..Settings::default()
    };
    let time = transfer(3, settings, 0.0);
    assert!(time < Duration::from_millis(500), "{time:?}");
}

#[test]
fn limit_of_the_program_holds_for_every_controller() {
    for algorithm in ALL {
        let settings = Settings {
            max_pacing_rate: Some(Rate(1 << 20)),
            ..with(algorithm)
        };
        let time = transfer(4, settings, 0.0);
        let range = Duration::from_millis(950)..Duration::from_millis(1_300);
        assert!(
            range.contains(&time),
            "{algorithm:?}: {time:?} for a second's worth"
        );
    }
}

// A paced sender leaves gaps; with the same window an unpaced one sends it all at once.
#[test]
fn paced_connection_waits_between_its_bursts() {
    let settings = Settings {
        max_pacing_rate: Some(Rate(1_000_000)),
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000));
    story.write(id, 10_000);
    let mut times = Vec::new();
    while let Some((at, _)) = story.wait_output(100) {
        times.push(at);
        if times.len() == 10 {
            break;
        }
    }
    assert_eq!(times.first(), Some(&0));
    let last = *times.last().unwrap();
    assert!(
        (7..=10).contains(&last),
        "{times:?}: 1000 bytes a millisecond"
    );
}

// A path of 200 ms: a fixed 64 KiB at both ends brings 320 kB/s; buffers that grow with the path do far better.
#[test]
fn buffers_that_grow_fill_a_long_path_and_stay_within_their_bounds() {
    let time = |max: Option<u32>| {
        let settings = Settings {
            receive_buffer: 65_536,
            receive_buffer_max: max,
            send_buffer: 65_536,
            send_buffer_max: max,
            ..Settings::default()
        };
        let badness = Badness {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            delay: Duration::from_millis(100),
        };
        let (took, peak) =
            long_transfer(World::new(9, [config(settings), config(settings)], badness));
        assert!(peak <= u64::from(max.unwrap_or(65_536)) * 9 / 8, "{peak}");
        took
    };
    let (fixed, grown) = (time(None), time(Some(1 << 20)));
    assert!(grown * 2 < fixed, "{grown:?} against {fixed:?}");
}

/// How long four mebibytes take, and the largest window offered meanwhile.
fn long_transfer(mut world: World) -> (Duration, u64) {
    let (start, size) = (world.now, 4 * SIZE);
    let listener = world.ends[0]
        .listen(World::addr(0), Listen::default())
        .unwrap();
    let id = world.ends[1]
        .connect(World::addr(1), World::addr(0), world.path, None)
        .unwrap();
    let mut left = ChunkQueue::from(Bytes::from(vec![7; size]));
    let (mut accepted, mut received, mut peak) = (None, 0, 0);
    while received < size {
        assert!(
            world.step(),
            "nothing left to happen after {received} bytes"
        );
        let _taken = world.ends[1].write(id, &mut left).unwrap();
        accepted = accepted.or_else(|| world.ends[0].accept(listener));
        while let Some(Ok(Some(bytes))) = accepted.map(|id| world.ends[0].read(id)) {
            received += bytes.len();
        }
        let info = accepted.and_then(|id| world.ends[0].info(id));
        peak = peak.max(info.map_or(0, |info| info.rcv_wnd));
    }
    (world.now - start, peak)
}

/// A window of 20 segments, used in full, then a pause of `pause` ms; returns the window at the next write.
fn window_after_pause(keep: bool, pause: u64) -> u64 {
    let settings = Settings {
        congestion: Algorithm::NewReno,
        keep_unused_window: keep,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000));
    story.write(id, 10_000);
    story.out();
    story.at(100);
    // One acknowledgment may add eight segments at most: two halves.
    story.recv(seg(".").seq(1).ack(5_001));
    story.recv(seg(".").seq(1).ack(10_001));
    assert_eq!(story.tcp.info(id).unwrap().cwnd, 20_000);
    story.at(100 + pause);
    story.write(id, 1_000);
    story.out();
    story.tcp.info(id).unwrap().cwnd
}

// RFC 2861 3: half for each timeout of rest, not below the restart window of ten segments. RFC 7661 4.4: kept for
// five minutes.
#[test]
fn window_that_rested_decays_or_is_kept_as_the_program_wants() {
    assert_eq!(window_after_pause(false, 50), 20_000);
    assert_eq!(window_after_pause(false, 5_000), 10_000);
    assert_eq!(window_after_pause(true, 5_000), 20_000);
    assert_eq!(window_after_pause(true, 290_000), 20_000);
}
