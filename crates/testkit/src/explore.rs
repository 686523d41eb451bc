//! Every order in which things can happen, to a depth.
//!
//! ```text
//!   Setup ─► breadth-first over states, each known by its fingerprint ─► Explored | Violation(path to it)
//!            moves: deliver any of k segments, lose one, double one, a timer, shutdown, close, abort
//! ```
//! Two real engines and a channel. A state is the pair of fingerprints, what the channel holds, and what the
//! programs and the channel may still do. Every move checks the engines' invariants and that each change of state
//! is an edge of figure 5. From every state at the edge of the search, the rest is played fairly: programs
//! close, nothing is lost any more; both ends must come to rest. That is "no deadlock, no half-open for ever".
//!
//! ```
//! use outcrop_testkit::explore::{Setup, explore};
//! let explored = explore(&Setup { depth: 4, ..Setup::default() }).unwrap();
//! assert!(explored.states > 20);
//! ```

mod world;

use core::fmt;
use std::collections::{BTreeSet, HashSet};

use outcrop_tcp::State;

pub use world::Move;
use world::World;

/// What is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Moves from the beginning, at most.
    pub depth: usize,
    /// Segments the channel holds in each direction; any of them may be the next to arrive, more are lost.
    pub channel: usize,
    /// Segments that may be lost, beyond those the channel has no room for.
    pub losses: u8,
    /// Segments that may arrive twice.
    pub duplicates: u8,
    /// Timers that may fire while segments are on the way; with an empty channel they always may.
    pub early_timers: u8,
    /// Whether both ends connect; otherwise the first one listens.
    pub simultaneous: bool,
    /// Whether programs may abort.
    pub aborts: bool,
    /// States at which the search stops, whatever the depth.
    pub max_states: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            depth: 10,
            channel: 2,
            losses: 1,
            duplicates: 1,
            early_timers: 1,
            simultaneous: false,
            aborts: true,
            max_states: usize::MAX,
        }
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Moves made.
    pub moves: usize,
    /// Depth reached.
    pub depth: usize,
    /// States from which the rest was played fairly.
    pub completed: usize,
    /// The pairs of connection states met.
    pub pairs: BTreeSet<(&'static str, &'static str)>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, {} moves, depth {}, {} pairs, {} played to the end",
            self.states,
            self.moves,
            self.depth,
            self.pairs.len(),
            self.completed
        )
    }
}

/// A state that must not be, and how to get there.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The moves that lead there.
    pub path: Vec<Move>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {:?}", self.what, self.path)
    }
}

impl core::error::Error for Violation {}

/// Explores `setup`.
///
/// # Errors
/// The first violation found, which is one of the shortest.
///
/// # Panics
/// If an engine's invariant does not hold; the path is printed before.
pub fn explore(setup: &Setup) -> Result<Explored, Violation> {
    let mut seen = HashSet::new();
    let mut explored = Explored::default();
    let start = World::new(setup);
    seen.insert(start.fingerprint());
    let mut level = vec![start];
    explored.states = 1;
    for depth in 1..=setup.depth {
        let mut next = Vec::new();
        for world in level {
            let moves = world.moves();
            if moves.is_empty() {
                complete(&world, &mut explored)?;
            }
            for chosen in moves {
                let mut after = world.clone();
                after.make(chosen)?;
                explored.moves += 1;
                if !seen.insert(after.fingerprint()) {
                    continue;
                }
                explored.states += 1;
                let [first, second] = after.states().map(State::name);
                explored.pairs.insert((first, second));
                if depth == setup.depth || explored.states >= setup.max_states {
                    complete(&after, &mut explored)?;
                } else {
                    next.push(after);
                }
            }
        }
        explored.depth = depth;
        level = next;
    }
    Ok(explored)
}

fn complete(world: &World, explored: &mut Explored) -> Result<(), Violation> {
    explored.completed += 1;
    world.clone().play_fair()
}
