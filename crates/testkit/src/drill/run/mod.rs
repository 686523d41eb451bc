//! A script against the stack.
//!
//! Job: let time pass from event to event and hold what happens against what is written. Owns: the order of
//! things. Does not know: headers (`wire`), calls (`program`), what dialects forgive (`compare`).
//!
//! Time is virtual and moves only to the next timer or the next event. Stricter than the original: a packet
//! that nobody expected fails the script, at its next `>` line or at its end.
//! Source: the published behaviour of the original program (`+0.1` counts from when the event before was
//! done; an expected packet's own time is compared; pieces may come for a larger segment).

mod cookies;
mod expect;
mod inject;
mod observe;

use core::time::Duration;
use std::collections::BTreeSet;

use core::net::SocketAddr;

use outcrop_base::{Flow, Instant, Transport};

use super::ast::{Action, Call, Event, Script, TcpOption, Time, Value, When};
use super::code::{self, Wrong};
use super::host::Host;
use super::numbers::Numbers;
use super::program::{Gave, Program, number};
use super::report::{Dialect, Failure, Options, Outcome, Report, Stop};
use super::rules::Rules;
use super::shell::{self, System};
use super::sockstat;
use super::wire::{Inside, Seen};
use cookies::Cookies;
pub(crate) use observe::{Departure, observe};

/// Timers up to this long after the last event may not send what nobody expects, where no round trip was
/// measured.
const FIRST_RTO: Duration = Duration::from_secs(1);
/// Lines of context in a failure.
const CONTEXT: usize = 8;
/// The tolerance of the original program.
const TOLERANCE: Duration = Duration::from_millis(4);

/// Runs a script; see the module `drill`.
#[must_use]
pub fn run(text: &str, options: &Options) -> Report {
    let dialect = options.dialect.unwrap_or_else(|| shell::dialect_of(text));
    let outcome = match super::parse(text) {
        // Words of other systems' extensions; anything else that cannot be read is a mistake in the script.
        Err(error) if error.what.starts_with("unknown ") => Outcome::Skipped {
            reason: error.to_string(),
        },
        Err(error) => Outcome::Failed(Failure::new(error.line, error.what)),
        Ok(script) => return play(&script, dialect, options),
    };
    Report {
        outcome,
        dialect,
        rules: BTreeSet::new(),
    }
}

/// Runs a script that was read before, in our dialect or the one chosen.
#[must_use]
pub fn run_script(script: &Script, options: &Options) -> Report {
    play(script, options.dialect.unwrap_or(Dialect::Ours), options)
}

fn play(script: &Script, dialect: Dialect, options: &Options) -> Report {
    let mut reached = BTreeSet::new();
    let outcome = match play_all(script, dialect, options, &mut reached) {
        Ok(()) => Outcome::Passed,
        Err(Stop::Fail(failure)) => Outcome::Failed(failure),
        Err(Stop::Skip(reason)) => Outcome::Skipped { reason },
    };
    Report {
        outcome,
        dialect,
        rules: reached,
    }
}

fn play_all(
    script: &Script,
    dialect: Dialect,
    options: &Options,
    reached: &mut BTreeSet<&'static str>,
) -> Result<(), Stop> {
    let mut stage = Stage::set(script, dialect, options)?;
    let result = stage.play(script);
    reached.append(&mut stage.host.rules);
    result
}

/// A call that waits.
struct Waiting {
    line: usize,
    call: Call,
    until: Instant,
    /// When the socket's own patience (`SO_RCVTIMEO`, `SO_SNDTIMEO`, a timeout argument) ends.
    patience: Option<Instant>,
    progress: Option<i64>,
}

struct Stage {
    host: Host,
    program: Program,
    numbers: Numbers,
    options: Options,
    rules: Rules,
    dialect: Dialect,
    waiting: Option<Waiting>,
    /// The highest number of ours that the peer acknowledged, as the script counts.
    acked: u32,
    cookies: Cookies,
    log: Vec<String>,
}

impl Stage {
    /// Before the first event, in our dialect.
    fn new(script: &Script, options: &Options) -> Result<Self, Stop> {
        Self::set(script, options.dialect.unwrap_or(Dialect::Ours), options)
    }

    /// Before the first event.
    fn set(script: &Script, dialect: Dialect, options: &Options) -> Result<Self, Stop> {
        let rules = Rules::of(script, dialect, options)?;
        let host = Host::new(rules.config.clone(), options.family, rules.mtu, rules.ends);
        let host = host.map_err(|error| Stop::skip(format!("no such host: {error}")))?;
        let system = System::of(&rules);
        Ok(Self {
            program: Program::new(dialect, system),
            host,
            numbers: Numbers::new(options.peer_isn),
            options: *options,
            rules,
            dialect,
            waiting: None,
            acked: 0,
            cookies: Cookies::default(),
            log: Vec::new(),
        })
    }

    fn play(&mut self, script: &Script) -> Result<(), Stop> {
        for (at, event) in script.events.iter().enumerate() {
            self.cookies
                .look_ahead(script.events.get(at..).unwrap_or_default());
            self.event(event)
                .map_err(|stop| self.explain(stop, event.line))?;
        }
        let line = script.events.last().map_or(0, |event| event.line);
        self.end(line).map_err(|stop| self.explain(stop, line))
    }

    /// Adds line and context to a failure.
    fn explain(&self, stop: Stop, line: usize) -> Stop {
        match stop {
            Stop::Skip(_) => stop,
            Stop::Fail(mut failure) => {
                if failure.line == 0 {
                    failure.line = line;
                }
                failure.context = self.log.iter().rev().take(CONTEXT).rev().cloned().collect();
                Stop::Fail(failure)
            }
        }
    }

    fn log(&mut self, at: Instant, what: &str) {
        self.log.push(format!("{} {what}", seconds(at)));
    }

    fn at(&self, time: Time) -> Instant {
        match time {
            Time::Absolute(span) => Instant::ZERO + span,
            Time::Relative(span) => self.host.now + span,
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Stop> {
        if let Action::Expect(packet) = &event.action {
            return self.expect(event, packet);
        }
        let due = match event.when {
            When::At(time) | When::Between(time, _) | When::Blocking(time, _) => self.at(time),
            When::Any => self.host.now,
        };
        let until = match event.when {
            // Both times of a relative call count from the same moment.
            When::Blocking(Time::Relative(_), Time::Absolute(span) | Time::Relative(span)) => {
                Some(self.host.now + span)
            }
            When::Blocking(Time::Absolute(_), end) => Some(self.at(end)),
            When::At(_) | When::Between(..) | When::Any => None,
        };
        if due + self.rules.tolerance < self.host.now {
            return Err(Failure::new(event.line, "this time is past already").into());
        }
        self.pass_until(due)?;
        match &event.action {
            Action::Expect(_) => Ok(()),
            Action::Inject(packet) => self.inject(packet),
            Action::Call(call) => self.call(event.line, call, until),
            // What shell lines ask for was collected before the host started; later ones concern new sockets.
            Action::Shell(line) => self.shell(line),
            Action::Code(text) => self.assert(text),
        }
    }

    /// Lets time pass up to an event, which then follows at once.
    fn pass_until_event(&mut self, event: &Event) -> Result<(), Stop> {
        match event.when {
            When::At(time) | When::Between(time, _) | When::Blocking(time, _) => {
                self.pass_until(self.at(time))
            }
            When::Any => Ok(()),
        }
    }

    /// Lets time pass, timers and a waiting call act, up to `until`.
    fn pass_until(&mut self, until: Instant) -> Result<(), Stop> {
        while let Some(at) = self.next_turn().filter(|at| *at <= until) {
            self.host.step_to(at);
            self.settle()?;
        }
        if self.host.spins() {
            return Err(Failure::new(0, "timers fire for ever without time passing").into());
        }
        if self.host.now < until {
            self.host.step_to(until);
        }
        self.settle()
    }

    /// When something happens next by itself: a timer of the stack, or the end of a call's patience.
    fn next_turn(&self) -> Option<Instant> {
        let patience = self.waiting.as_ref().and_then(|waiting| waiting.patience);
        let patience = patience.filter(|at| *at > self.host.now);
        self.host.next_timer().into_iter().chain(patience).min()
    }

    /// After anything that happened: the program looks again, our numbers are learned.
    fn settle(&mut self) -> Result<(), Stop> {
        self.program.hear(&mut self.host);
        self.learn();
        let Some(mut waiting) = self.waiting.take() else {
            return Ok(());
        };
        let gave = self
            .program
            .call(&mut self.host, &waiting.call, &mut waiting.progress)?;
        self.learn();
        let is_poll = matches!(waiting.call.name.as_str(), "poll" | "epoll_wait");
        let impatient = waiting.patience.is_some_and(|at| self.host.now >= at);
        let timed_out =
            self.host.now >= waiting.until && is_poll && waiting.call.result == Value::Number(0);
        match gave {
            Gave::Block(_) if timed_out => Ok(()),
            Gave::Block(errno) if impatient => {
                let due = waiting.until;
                self.is_due(waiting.line, due, self.host.now, "the call returned")?;
                let gave = self.program.give_up(&mut self.host, &waiting.call, errno)?;
                self.host.flush();
                self.finish(waiting.line, &waiting.call, gave)
            }
            Gave::Block(_) if self.host.now > waiting.until + self.rules.tolerance => {
                let what = format!("{} still waits", waiting.call.name);
                Err(Failure::new(waiting.line, what).into())
            }
            Gave::Block(_) => {
                self.waiting = Some(waiting);
                Ok(())
            }
            gave @ (Gave::Value(_) | Gave::Descriptor(_) | Gave::Error(_)) => {
                let due = waiting.until;
                self.is_due(waiting.line, due, self.host.now, "the call returned")?;
                self.finish(waiting.line, &waiting.call, gave)
            }
        }
    }

    /// Looks at what left for the numbers in it.
    fn learn(&mut self) {
        for seen in &self.host.out {
            if let Inside::Tcp(segment) = &seen.inside {
                let isn = segment.flags.syn.then_some(segment.seq);
                self.numbers
                    .on_departure(seen.src.port(), seen.dst.port(), isn);
                if let Some(val) = stamp(&segment.options) {
                    self.numbers.on_stamp(seen.dst.port(), val);
                }
            }
        }
    }

    fn is_due(&self, line: usize, due: Instant, at: Instant, what: &str) -> Result<(), Stop> {
        let apart = due.saturating_since(at).max(at.saturating_since(due));
        if apart
            <= self
                .rules
                .tolerance_for(due.saturating_since(self.host.now))
        {
            return Ok(());
        }
        let failure = Failure::new(line, format!("{what} at the wrong time"));
        Err(failure.compared(seconds(due), seconds(at)).into())
    }

    fn shell(&mut self, line: &str) -> Result<(), Stop> {
        let ends = |(local, remote)| Flow {
            transport: Transport::Tcp,
            local: SocketAddr::new(self.host.local, local),
            remote: SocketAddr::new(self.host.remote, remote),
        };
        let flows: Vec<Flow> = self.numbers.ports().map(ends).collect();
        let table = self.program.table(&self.host, &flows);
        match sockstat::check(line, &table) {
            None => self.program.system.hear(line).map_err(Stop::skip),
            Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => {
                let failure = Failure::new(0, format!("`{line}` finds something else"));
                Err(failure.compared("success", table.join("\n")).into())
            }
            Some(Err(what)) => Err(Stop::skip(what)),
        }
    }

    fn assert(&self, text: &str) -> Result<(), Stop> {
        match code::check(text, self.program.figures(&self.host).as_ref()) {
            Ok(()) => Ok(()),
            Err(Wrong::False(what)) => {
                Err(Failure::new(0, format!("the assertion does not hold: {what}")).into())
            }
            Err(Wrong::Unknown(what)) => Err(Stop::skip(format!("{what} is not there"))),
        }
    }

    fn call(&mut self, line: usize, call: &Call, until: Option<Instant>) -> Result<(), Stop> {
        if let Some(waiting) = &self.waiting {
            let what = format!("{} of line {} still waits", waiting.call.name, waiting.line);
            return Err(Failure::new(line, what).into());
        }
        let mut progress = until.map(|_| 0);
        let gave = self.program.call(&mut self.host, call, &mut progress)?;
        self.learn();
        if call.name == "listen" {
            self.numbers.expect_another();
        }
        match (gave, until) {
            (Gave::Block(_), Some(until)) => {
                self.waiting = Some(Waiting {
                    line,
                    call: call.clone(),
                    until,
                    patience: self.program.patience(call).map(|span| self.host.now + span),
                    progress,
                });
                Ok(())
            }
            (Gave::Block(_), None) => {
                let what = format!(
                    "{} would wait, and the line does not say until when",
                    call.name
                );
                Err(Failure::new(line, what).into())
            }
            (gave, Some(until)) => {
                self.is_due(line, until, self.host.now, "the call returned")?;
                self.finish(line, call, gave)
            }
            (gave, None) => self.finish(line, call, gave),
        }
    }

    /// Holds the result of a call against the script's.
    fn finish(&mut self, line: usize, call: &Call, gave: Gave) -> Result<(), Stop> {
        let expected = match (&call.result, &call.errno) {
            (Value::Any, _) => None,
            (value, errno) => Some((number(value), errno.clone())),
        };
        let wanted = match &expected {
            None => "anything".to_owned(),
            Some((value, errno)) => {
                let value = value.map_or_else(|| "?".to_owned(), |value| value.to_string());
                format!("{value} {}", errno.clone().unwrap_or_default())
                    .trim()
                    .to_owned()
            }
        };
        let (same, actual) = match gave {
            Gave::Descriptor(socket) => match expected {
                Some((Some(fd), None)) if fd >= 0 => {
                    self.program.adopt(fd, *socket);
                    (true, String::new())
                }
                Some(_) => (false, "a new descriptor".to_owned()),
                None => (true, String::new()),
            },
            Gave::Value(value) => {
                let same =
                    expected.is_none_or(|(wanted, errno)| wanted == Some(value) && errno.is_none());
                (same, value.to_string())
            }
            Gave::Error(errno) | Gave::Block(errno) => {
                let same = expected.is_none_or(|(wanted, expected)| {
                    wanted == Some(-1) && expected.is_none_or(|expected| expected == errno)
                });
                (same, format!("-1 {errno}"))
            }
        };
        if same {
            return Ok(());
        }
        let failure = Failure::new(line, format!("{} returned something else", call.name));
        Err(failure.compared(wanted, actual).into())
    }

    /// Nothing may be left over: neither a call that waits nor a packet that nobody expected.
    fn end(&mut self, line: usize) -> Result<(), Stop> {
        if let Some(waiting) = &self.waiting {
            let until = waiting.until;
            self.pass_until(until)?;
        }
        if let Some(waiting) = self.waiting.take() {
            let what = format!("{} still waits at the end", waiting.call.name);
            return Err(Failure::new(waiting.line, what).into());
        }
        self.wait_at_end()?;
        let Some(seen) = self.host.out.pop_front() else {
            return Ok(());
        };
        let actual = self.in_script(&seen, None);
        let mut failure = Failure::new(line, "a packet left after this line that nobody expects");
        failure.actual = Some(format!("{} > {actual}", seconds(seen.at)));
        Err(failure.into())
    }

    /// Lets the time pass in which something might still leave.
    fn wait_at_end(&mut self) -> Result<(), Stop> {
        let rto = self
            .program
            .info(&self.host)
            .map_or(FIRST_RTO, |info| info.rto);
        let last = self.host.now;
        // What only a timer sends is no answer to the last packet; other dialects stop before it.
        let quiet = if self.dialect == Dialect::Ours {
            rto
        } else {
            self.rules.tolerance
        };
        while let Some(at) = self.host.next_timer().filter(|at| *at < last + quiet) {
            self.host.step_to(at);
            self.settle()?;
        }
        Ok(())
    }
}

fn stamp(options: &[TcpOption]) -> Option<u32> {
    options.iter().find_map(|option| {
        if let TcpOption::Timestamps { val, .. } = option {
            Some(*val)
        } else {
            None
        }
    })
}

/// A time as scripts write it.
fn seconds(at: Instant) -> String {
    let since = at.saturating_since(Instant::ZERO);
    format!("{}.{:06}", since.as_secs(), since.subsec_micros())
}

/// The tolerance of a dialect, unless the script says otherwise.
pub(super) const fn usual_tolerance(dialect: Dialect) -> Duration {
    match dialect {
        Dialect::Ours => Duration::ZERO,
        Dialect::Linux | Dialect::FreeBsd => TOLERANCE,
    }
}

#[cfg(test)]
mod tests;
