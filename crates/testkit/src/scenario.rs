//! Small plays with known endings.
//!
//! Job: run two hosts through one situation of TCP or HTTP, always the same way, and record it at the server.
//! Owns: the programs on both hosts and what the link does to them. Does not know: how a recording is compared.
//! A fixture of `fixtures/` is one of these and a seed; replaying it is playing it again. What the link does to single
//! packets on top of that are its faults: data as well, so that `what_if` can add one.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use outcrop_base::{Instant, Level, Recorder, Seed, WallClock};
use outcrop_capture::{Config as CaptureConfig, Section, Writer};
use outcrop_netem::{Config as LinkConfig, Fault};
use outcrop_socket::{TcpListener, TcpStream};
use outcrop_stack::Shard;
use outcrop_stack::ip::Cidr;

use crate::{HostSetup, Side, World, site, what_if};

outcrop_base::vocabulary! {
    /// A play.
    pub enum Scenario {
        /// A handshake, one GET, and a close by the client.
        Get = "get",
        /// Two GETs in one segment; their answers in order.
        Pipeline = "pipeline",
        /// The client finishes sending before the server answers.
        HalfClose = "half-close",
        /// Both ends finish at the same instant.
        SimultaneousClose = "simultaneous-close",
        /// The client aborts in the middle of an answer.
        Reset = "reset",
        /// A segment of the answer is lost, and so is the last one.
        Retransmission = "retransmission",
    }
}

/// The client's address in every play.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The server's address in every play.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The server's port in every play.
pub const PORT: u16 = 80;
/// One way.
const DELAY: Duration = Duration::from_millis(10);
/// 2026-11-21 08:00:00 UTC: what the dates in recordings say.
const EPOCH: Duration = Duration::from_secs(1_795_248_000);
/// After this, whatever happens, a play is over. TIME-WAIT takes one minute of it.
const SPAN: Duration = Duration::from_secs(180);

/// Faults of a play: more is a weather, not an experiment.
pub const FAULTS_MAX: usize = 64;

/// Something that befalls one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Who sent it.
    pub from: Side,
    /// Its number in that direction, from 1.
    pub number: u64,
    /// What befalls it.
    pub fault: Fault,
}

/// A scenario as it was played: all that a run depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// Which.
    pub scenario: Scenario,
    /// Where its chances come from.
    pub seed: u64,
    /// What befalls packets, beyond what the scenario itself has in store.
    pub faults: Vec<Placed>,
}

/// What a play left.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The capture, pcapng.
    pub capture: Vec<u8>,
    /// What the client received.
    pub received: Vec<u8>,
    /// Whether nothing was left to happen at the end: no connection, no timer.
    pub quiet: bool,
    /// Of the packets that arrived at the server, in order, their numbers in the client's direction.
    pub arrivals: Vec<u64>,
}

/// A file in memory that its writer and the stage share.
#[derive(Clone, Debug, Default)]
struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays a scenario without faults and records it at the server.
///
/// # Errors
/// The capture could not be written; nothing else can fail.
pub fn play(scenario: Scenario, seed: u64) -> io::Result<Recording> {
    let faults = Vec::new();
    Play {
        scenario,
        seed,
        faults,
    }
    .run()
}

impl Play {
    /// Plays it and records it at the server.
    ///
    /// # Errors
    /// The capture could not be written; nothing else can fail.
    pub fn run(&self) -> io::Result<Recording> {
        let scenario = self.scenario;
        let wall = WallClock::new(EPOCH);
        let config = CaptureConfig {
            level: Level::Full,
            clock: wall,
            section: self.section(),
            ..CaptureConfig::default()
        };
        let (tape, received) = (Tape::default(), Tape::default());
        let recorder = Writer::new(tape.clone(), config).map_err(io::Error::other)?;
        let mut world = stage(self, wall, Box::new(recorder))?;
        world.trace_arrivals();
        let server = world.spawn(Side::Right, |shard, _| serve(scenario, shard));
        let client = {
            let received = received.clone();
            world.spawn(Side::Left, move |shard, _| fetch(scenario, shard, received))
        };
        let quiet = world.run(SPAN)?;
        let arrivals = world.arrivals(Side::Right).to_vec();
        // A writer that is dropped finishes its file.
        drop((server, client, world.take_recorder(Side::Right)));
        Ok(Recording {
            capture: core::mem::take(&mut *tape.lock()),
            received: core::mem::take(&mut *received.lock()),
            quiet,
            arrivals,
        })
    }

    /// What a capture of it begins with.
    fn section(&self) -> Section {
        let section = Section::new()
            .with("scenario", self.scenario.name())
            .with("seed", &self.seed.to_string());
        if self.faults.is_empty() {
            return section;
        }
        section.with("faults", &what_if::written(&self.faults))
    }
}

fn stage(play: &Play, wall: WallClock, recorder: Box<dyn Recorder>) -> io::Result<World> {
    let host = |addr: Ipv4Addr| Cidr::new(addr.into(), 24).map(|cidr| HostSetup::new(vec![cidr]));
    let left = host(CLIENT).map_err(io::Error::other)?;
    let right = HostSetup {
        recorder,
        ..host(SERVER).map_err(io::Error::other)?
    };
    let mut wires = (LinkConfig::delay(DELAY), backward(play.scenario));
    for placed in play.faults.iter().take(FAULTS_MAX) {
        let wire = match placed.from {
            Side::Left => &mut wires.0,
            Side::Right => &mut wires.1,
        };
        wire.script.insert(placed.number, placed.fault);
    }
    World::new(left, right, wires, &Seed::from_number(play.seed), wall)
}

/// What the link does to the server's packets.
fn backward(scenario: Scenario) -> LinkConfig {
    let plain = LinkConfig::delay(DELAY);
    match scenario {
        Scenario::Get
        | Scenario::Pipeline
        | Scenario::HalfClose
        | Scenario::SimultaneousClose
        | Scenario::Reset => plain,
        // 1 is the SYN-ACK; the answer's second segment and its last are lost, once each.
        Scenario::Retransmission => plain.dropping([3, 9]),
    }
}

/// The server's program.
async fn serve(scenario: Scenario, shard: Shard) -> io::Result<()> {
    let listener = TcpListener::bind(&shard, SocketAddr::new(SERVER.into(), PORT))?;
    let mut stream = listener.accept().await?;
    match scenario {
        Scenario::Get | Scenario::Pipeline => site::serve(stream, &shard).await,
        Scenario::HalfClose => {
            let mut letter = Vec::new();
            while let Some(bytes) = stream.read_chunk().await? {
                letter.extend_from_slice(&bytes);
            }
            letter.reverse();
            stream.write_all(&letter).await?;
            stream.finish()
        }
        Scenario::SimultaneousClose => {
            // The client decides on the same instant: both FINs are on the way at once.
            shard.sleep_until(Instant::from_millis(500)).await;
            stream.finish()?;
            drain(&mut stream).await
        }
        Scenario::Reset | Scenario::Retransmission => {
            let _request = stream.read_chunk().await?;
            stream.write_all(&vec![b'x'; ANSWER]).await?;
            stream.finish()?;
            drain(&mut stream).await
        }
    }
}

/// Bytes of an answer that takes several segments: seven full ones and a rest.
const ANSWER: usize = 7 * 1448 + 500;

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read_chunk().await?.is_some() {}
    Ok(())
}

/// The client's program.
async fn fetch(scenario: Scenario, shard: Shard, mut received: Tape) -> io::Result<()> {
    let mut stream = TcpStream::connect(&shard, SocketAddr::new(SERVER.into(), PORT)).await?;
    let mut keep = |bytes: &Bytes| received.write_all(bytes);
    match scenario {
        Scenario::Get => {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: outcrop\r\n\r\n")
                .await?;
            read_answers(&mut stream, 1, &mut keep).await?;
            stream.finish()?;
            drain(&mut stream).await
        }
        Scenario::Pipeline => {
            let pair = b"GET /first HTTP/1.1\r\nHost: outcrop\r\n\r\nGET /second HTTP/1.1\r\nHost: outcrop\r\n\r\n";
            stream.write_all(pair).await?;
            read_answers(&mut stream, 2, &mut keep).await?;
            stream.finish()?;
            drain(&mut stream).await
        }
        Scenario::HalfClose => {
            stream.write_all(b"a letter to be turned round").await?;
            stream.finish()?;
            while let Some(bytes) = stream.read_chunk().await? {
                keep(&bytes)?;
            }
            Ok(())
        }
        Scenario::SimultaneousClose => {
            shard.sleep_until(Instant::from_millis(500)).await;
            stream.finish()?;
            drain(&mut stream).await
        }
        Scenario::Reset => {
            stream.write_all(b"send me much").await?;
            if let Some(bytes) = stream.read_chunk().await? {
                keep(&bytes)?;
            }
            stream.abort();
            Ok(())
        }
        Scenario::Retransmission => {
            stream.write_all(b"send me much").await?;
            while let Some(bytes) = stream.read_chunk().await? {
                keep(&bytes)?;
            }
            stream.finish()
        }
    }
}

/// Reads until `count` answers have come: each play's pages end in a line of their own.
async fn read_answers(
    stream: &mut TcpStream,
    count: usize,
    keep: &mut impl FnMut(&Bytes) -> io::Result<()>,
) -> io::Result<()> {
    let mut ends = 0;
    while ends < count {
        let Some(bytes) = stream.read_chunk().await? else {
            return Ok(());
        };
        keep(&bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        ends += text.matches(site::END).count();
    }
    Ok(())
}
