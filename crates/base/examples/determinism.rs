//! Two runs with one seed tell the same story; another seed tells another.
//!
//! `cargo run -p outcrop-base --example determinism`
//!
//! The "engine" here is a toy that resends a greeting until chance lets an answer through: enough to show how
//! time and chance enter an engine as arguments, and that nothing else does.

use core::time::Duration;

use outcrop_base::{Cause, Instant, Limit, Note, Random, Seed, TimerKind, TimerWheel, Why};

/// Sends once, and again at every timeout, twice as patient each time.
struct Greeter {
    timers: TimerWheel<()>,
    chance: Random,
    patience: Duration,
    due: Option<Note>,
}

impl Greeter {
    fn new(seed: &Seed) -> Self {
        Self {
            timers: TimerWheel::new(),
            chance: seed.random("greeter"),
            patience: Duration::from_millis(200),
            due: Some(Note::new(Why::Data, Limit::App, Cause::None)),
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Note> {
        let note = self.due.take()?;
        // A little jitter, so that two greeters do not shout in step.
        let jitter = Duration::from_millis(self.chance.below(50));
        self.timers.arm(now + self.patience + jitter, ());
        self.patience *= 2;
        Some(note)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn handle_timeout(&mut self, now: Instant) {
        while self.timers.pop_due(now).is_some() {
            let cause = Cause::Timer(TimerKind::Retransmit);
            self.due = Some(Note::new(Why::Rto, Limit::Recovery, cause));
        }
    }
}

/// The whole outside world: it moves time to the next deadline, and loses three of four greetings.
fn story(seed: &Seed) -> String {
    let mut greeter = Greeter::new(seed);
    let mut weather = seed.random("weather");
    let mut now = Instant::ZERO;
    let mut story = String::new();
    loop {
        while let Some(note) = greeter.poll_transmit(now) {
            let arrives = weather.below(4) == 0;
            let fate = if arrives { "arrives" } else { "is lost" };
            let cause = format!("cause={}", note.cause());
            story += &format!("{now}  {:4}  {cause:22} {fate}\n", note.why());
            if arrives {
                return story;
            }
        }
        let Some(next) = greeter.poll_timeout() else {
            return story;
        };
        now = next;
        greeter.handle_timeout(now);
    }
}

fn main() {
    let seed = Seed::from_number(7);
    print!("{}", story(&seed));
    assert_eq!(story(&seed), story(&seed), "same seed, same bytes");
    println!("again with the same seed: identical");
    println!("with another:\n{}", story(&Seed::from_number(8)));
}
