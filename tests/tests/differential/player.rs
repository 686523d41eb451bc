//! One end of one connection, doing its steps.
//!
//! Job: take the next step as far as the host lets it, and keep what came. Owns: the patterns and the
//! bookkeeping. Does not know: which stack the host is, or how time passes.

use core::time::Duration;

use outcrop_base::Instant;

use crate::script::{Outcome, Role, Script, Seen, Step};

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// Nothing yet.
    Nothing,
    /// Bytes, appended to the buffer.
    Bytes,
    /// No more will come.
    End(Seen),
}

/// A host's sockets, one a line of the script. No call waits.
pub(crate) trait Host {
    /// Whether the line is open; how it failed to.
    fn opened(&mut self, line: usize) -> Option<Result<(), Seen>>;
    /// Appends what has come.
    fn read(&mut self, line: usize, into: &mut Vec<u8>) -> Got;
    /// Takes bytes as there is room.
    fn write(&mut self, line: usize, bytes: &[u8]) -> Result<usize, Seen>;
    /// No more to send.
    fn finish(&mut self, line: usize);
    /// Resets.
    fn abort(&mut self, line: usize);
    /// Lets go.
    fn close(&mut self, line: usize);
}

/// The bytes a role sends on a line, from a place on: a shift of any kind shows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low byte is the pattern"
)]
fn pattern(role: Role, line: usize, from: u64, len: usize) -> Vec<u8> {
    let salt = line as u64 * 2 + u64::from(role == Role::Opener);
    let byte = |at: u64| {
        let mixed = (at + salt * 977).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as u8
    };
    (from..from + len as u64).map(byte).collect()
}

/// Bytes offered to a host at a time.
const PIECE: usize = 16 * 1024;

/// FNV-1a's first value and its prime.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

#[derive(Debug)]
pub(crate) struct Player {
    role: Role,
    line: usize,
    steps: Vec<Step>,
    at: usize,
    opened: bool,
    /// Bytes sent, and sent when the present step is done.
    sent: (u64, Option<u64>),
    /// Bytes expected once the present step is done.
    target: (u64, bool),
    until: Option<Instant>,
    end: Option<Seen>,
    outcome: Outcome,
    done: bool,
}

impl Player {
    /// The players of one side of a script.
    pub(crate) fn all(script: &Script, role: Role) -> Vec<Self> {
        let lines = script.lines.iter().enumerate();
        lines
            .map(|(line, both)| Self::new(role, line, both.steps(role)))
            .collect()
    }

    fn new(role: Role, line: usize, steps: &[Step]) -> Self {
        Self {
            role,
            line,
            steps: steps.to_vec(),
            at: 0,
            opened: false,
            sent: (0, None),
            target: (0, false),
            until: None,
            end: None,
            outcome: Outcome {
                heard: 0,
                hash: FNV.0,
                seen: Vec::new(),
            },
            done: false,
        }
    }

    /// What came of it, once it is over.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.done.then_some(&self.outcome)
    }

    /// When it goes on by itself.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.until
    }

    /// Where it stands, for a failure message.
    pub(crate) fn describe(&self) -> String {
        let (role, line, at) = (self.role, self.line, self.at);
        let heard = self.outcome.heard;
        format!(
            "{role:?} of line {line}: step {at} {:?}, heard {heard}",
            self.steps.get(at)
        )
    }

    /// Does what can be done now; returns whether anything was.
    pub(crate) fn advance(&mut self, host: &mut dyn Host, now: Instant) -> bool {
        let mut moved = false;
        while !self.done && self.step(host, now) {
            moved = true;
        }
        moved
    }

    /// One bit of progress.
    fn step(&mut self, host: &mut dyn Host, now: Instant) -> bool {
        if !self.opened {
            return match host.opened(self.line) {
                None => false,
                Some(Ok(())) => {
                    self.opened = true;
                    true
                }
                Some(Err(seen)) => self.over(host, Some(seen)),
            };
        }
        let Some(step) = self.steps.get(self.at).copied() else {
            return self.over(host, None);
        };
        if let Step::Stall(millis) = step {
            return self.stall(millis, now);
        }
        if matches!(step, Step::Send(_) | Step::Expect(_) | Step::End) && self.listen(host) {
            return true;
        }
        match step {
            Step::Send(bytes) => self.send(bytes, host),
            Step::Expect(bytes) => self.expect(bytes, host),
            Step::End => self.end.is_some_and(|end| {
                self.outcome.seen.push(end);
                self.pass()
            }),
            Step::Finish => {
                host.finish(self.line);
                self.pass()
            }
            Step::Abort => {
                host.abort(self.line);
                self.over(host, None)
            }
            Step::Close => self.over(host, None),
            Step::Stall(_) => unreachable!("seen to above"),
        }
    }

    /// On to the next step.
    fn pass(&mut self) -> bool {
        self.at += 1;
        true
    }

    fn over(&mut self, host: &mut dyn Host, seen: Option<Seen>) -> bool {
        self.outcome.seen.extend(seen);
        host.close(self.line);
        self.until = None;
        self.done = true;
        true
    }

    fn stall(&mut self, millis: u32, now: Instant) -> bool {
        match self.until {
            None => self.until = Some(now + Duration::from_millis(millis.into())),
            Some(until) if until <= now => {
                self.until = None;
                return self.pass();
            }
            Some(_) => {}
        }
        false
    }

    fn listen(&mut self, host: &mut dyn Host) -> bool {
        if self.end.is_some() {
            return false;
        }
        let mut bytes = Vec::new();
        match host.read(self.line, &mut bytes) {
            Got::Nothing => false,
            Got::Bytes => {
                let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(FNV.1);
                self.outcome.hash = bytes.iter().fold(self.outcome.hash, hash);
                let peer = match self.role {
                    Role::Opener => Role::Listener,
                    Role::Listener => Role::Opener,
                };
                let want = pattern(peer, self.line, self.outcome.heard, bytes.len());
                assert!(
                    bytes == want,
                    "other bytes than were sent: {}",
                    self.describe()
                );
                self.outcome.heard += bytes.len() as u64;
                true
            }
            Got::End(end) => {
                self.end = Some(end);
                true
            }
        }
    }

    fn send(&mut self, bytes: u32, host: &mut dyn Host) -> bool {
        if let Some(end) = self.end.filter(|end| *end != Seen::Finished) {
            return self.over(host, Some(end));
        }
        let (sent, goal) = self.sent;
        let goal = goal.unwrap_or(sent + u64::from(bytes));
        if sent == goal {
            self.sent = (sent, None);
            return self.pass();
        }
        let len = usize::try_from(goal - sent).unwrap_or(PIECE).min(PIECE);
        match host.write(self.line, &pattern(self.role, self.line, sent, len)) {
            Ok(taken) => {
                self.sent = (sent + taken as u64, Some(goal));
                taken > 0
            }
            Err(seen) => self.over(host, Some(seen)),
        }
    }

    fn expect(&mut self, bytes: u32, host: &mut dyn Host) -> bool {
        if !self.target.1 {
            self.target = (self.target.0 + u64::from(bytes), true);
        }
        if self.outcome.heard >= self.target.0 {
            self.target.1 = false;
            return self.pass();
        }
        match self.end {
            Some(end) => self.over(host, Some(end)),
            None => false,
        }
    }
}
