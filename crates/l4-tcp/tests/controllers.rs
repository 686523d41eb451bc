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
