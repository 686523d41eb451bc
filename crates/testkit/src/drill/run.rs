//! A script against the stack.
//!
//! Job: let time pass from event to event and hold what happens against what is written. Owns: the order of
//! things. Does not know: headers (`wire`), calls (`program`), what dialects forgive (`compare`).
//!
//! Time is virtual and moves only to the next timer or the next event. Stricter than the original: a packet
//! that nobody expected fails the script, at its next `>` line or at its end.
//! Source: the published behaviour of the original program (`+0.1` counts from when the event before was
//! done; an expected packet's own time is compared; pieces may come for a larger segment).

use core::time::Duration;

use outcrop_base::Instant;

use super::ast::{
    Action, Body, Call, Event, Icmp, Packet, Script, Tcp, TcpOption, Time, Value, When,
};
use super::code::{self, Wrong};
use super::host::Host;
use super::numbers::Numbers;
use super::program::{Gave, Program, number};
use super::report::{Dialect, Failure, Options, Outcome, Report, Stop};
use super::rules::Rules;
use super::wire::{Inside, Ip, Seen, Segment};
use super::{compare, icmp, shell};

/// How long we wait for a packet to be able to say when it came instead.
const PATIENCE: Duration = Duration::from_secs(300);
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
        Err(error) => Outcome::Failed(Failure::new(error.line, error.what)),
        Ok(script) => match play(&script, dialect, options) {
            Ok(()) => Outcome::Passed,
            Err(Stop::Fail(failure)) => Outcome::Failed(failure),
            Err(Stop::Skip(reason)) => Outcome::Skipped { reason },
        },
    };
    Report { outcome, dialect }
}

/// Runs a script that was read before, in our dialect or the one chosen.
#[must_use]
pub fn run_script(script: &Script, options: &Options) -> Report {
    let dialect = options.dialect.unwrap_or(Dialect::Ours);
    let outcome = match play(script, dialect, options) {
        Ok(()) => Outcome::Passed,
        Err(Stop::Fail(failure)) => Outcome::Failed(failure),
        Err(Stop::Skip(reason)) => Outcome::Skipped { reason },
    };
    Report { outcome, dialect }
}

fn play(script: &Script, dialect: Dialect, options: &Options) -> Result<(), Stop> {
    let rules = Rules::of(script, dialect, options)?;
    let host = Host::new(rules.config.clone(), options.family, rules.mtu);
    let host = host.map_err(|error| Stop::skip(format!("no such host: {error}")))?;
    let mut stage = Stage {
        program: Program::new(dialect, rules.config.tcp.settings),
        host,
        numbers: Numbers::new(options.peer_isn),
        options: *options,
        rules,
        dialect,
        waiting: None,
        acked: 0,
        log: Vec::new(),
    };
    for event in &script.events {
        stage
            .event(event)
            .map_err(|stop| stage.explain(stop, event.line))?;
    }
    let line = script.events.last().map_or(0, |event| event.line);
    stage.end(line).map_err(|stop| stage.explain(stop, line))
}

/// A call that waits.
struct Waiting {
    line: usize,
    call: Call,
    until: Instant,
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
    log: Vec<String>,
}

impl Stage {
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
            // What shell lines ask for was collected before the host started.
            Action::Shell(_) => Ok(()),
            Action::Code(text) => self.assert(text),
        }
    }

    /// Lets time pass, timers and a waiting call act, up to `until`.
    fn pass_until(&mut self, until: Instant) -> Result<(), Stop> {
        while let Some(at) = self.host.next_timer().filter(|at| *at <= until) {
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
        let timed_out = self.host.now >= waiting.until
            && matches!(waiting.call.name.as_str(), "poll" | "epoll_wait")
            && waiting.call.result == Value::Number(0);
        match gave {
            Gave::Block(_) if timed_out => Ok(()),
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

    fn assert(&self, text: &str) -> Result<(), Stop> {
        match code::check(text, self.program.info(&self.host).as_ref()) {
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

    fn ip(&self, packet: &Packet) -> Ip {
        Ip {
            src: self.host.remote,
            dst: self.host.local,
            prefix: packet.ip,
        }
    }

    fn inject(&mut self, packet: &Packet) -> Result<(), Stop> {
        self.log(self.host.now, &format!("< {packet}"));
        let ip = self.ip(packet);
        let bytes = match &packet.body {
            Body::Tcp(tcp) => {
                let opens = tcp.flags.syn && !tcp.flags.ack;
                let (local, remote) = self.numbers.for_arrival(opens, packet.ip.port);
                let segment = self.live(tcp, remote);
                ip.tcp((remote, local), &segment)
            }
            Body::Udp(len) => {
                let (local, remote) = self.numbers.for_arrival(false, packet.ip.port);
                ip.udp((remote, local), *len)
            }
            Body::Icmp(message) => self.icmp(&ip, message, packet.ip.port)?,
        };
        self.host.feed(bytes);
        self.settle()
    }

    /// A segment of the script as it crosses the wire.
    fn live(&mut self, tcp: &Tcp, remote: u16) -> Segment {
        let ack = tcp.ack.filter(|_| tcp.flags.ack);
        self.acked = ack.unwrap_or(self.acked);
        let ours = |number| self.numbers.ours_live(remote, number);
        let option = |option: &TcpOption| match option {
            TcpOption::Sack(blocks) => {
                TcpOption::Sack(blocks.iter().map(|(l, r)| (ours(*l), ours(*r))).collect())
            }
            TcpOption::Timestamps { val, ecr } => TcpOption::Timestamps {
                val: *val,
                ecr: self.numbers.ecr_live(remote, *ecr),
            },
            TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::FastOpen { .. }
            | TcpOption::Other { .. } => option.clone(),
        };
        Segment {
            flags: tcp.flags,
            seq: self.numbers.theirs_live(tcp.seq),
            ack: tcp.ack.map_or(0, ours),
            win: tcp.win.unwrap_or(0),
            urg: tcp.urg.unwrap_or(0),
            options: tcp.options.iter().flatten().map(option).collect(),
            len: usize::try_from(tcp.len).unwrap_or(0),
        }
    }

    /// An ICMP error quotes a segment of ours.
    fn icmp(&mut self, ip: &Ip, message: &Icmp, port: Option<u16>) -> Result<Vec<u8>, Stop> {
        let (local, remote) = self.numbers.for_arrival(false, port);
        let (kind, rest) = icmp::numbers(message, self.options.family).ok_or_else(|| {
            Stop::skip(format!(
                "icmp {} {} is not there",
                message.kind, message.code
            ))
        })?;
        self.program.icmp = icmp::errno(message);
        let (from, to) = message.quoted.unwrap_or((self.acked, self.acked));
        let quoted = Segment {
            seq: self.numbers.ours_live(remote, from),
            len: usize::try_from(to.wrapping_sub(from))
                .unwrap_or(0)
                .min(1480),
            ..Segment::default()
        };
        let ours = Ip {
            src: ip.dst,
            dst: ip.src,
            prefix: super::ast::IpPrefix::default(),
        };
        let packet = ours.tcp((local, remote), &quoted);
        // RFC 792 quotes eight octets beyond the header; routers of today more.
        let quote = packet.get(..packet.len().min(80)).unwrap_or_default();
        Ok(ip.icmp(kind, rest, quote))
    }

    /// The next packet of ours; time passes until there is one, for as long as our patience lasts.
    fn next_out(&mut self, line: usize, until: Option<Instant>) -> Result<Seen, Stop> {
        let deadline = until.unwrap_or(self.host.now).max(self.host.now) + PATIENCE;
        while self.host.out.is_empty() {
            let Some(at) = self.host.next_timer().filter(|at| *at <= deadline) else {
                let mut failure = Failure::new(line, "the packet was never sent");
                failure.actual = Some("nothing left, and nothing will".to_owned());
                return Err(failure.into());
            };
            self.host.step_to(at);
            self.settle()?;
        }
        let seen = self.host.out.pop_front();
        seen.ok_or_else(|| Failure::new(line, "the packet was never sent").into())
    }

    fn expect(&mut self, event: &Event, packet: &Packet) -> Result<(), Stop> {
        let line = event.line;
        let (from, to) = match event.when {
            When::At(time) | When::Blocking(time, _) => (Some(self.at(time)), Some(self.at(time))),
            When::Between(from, to) => (Some(self.at(from)), Some(self.at(to))),
            When::Any => (None, None),
        };
        let before = self.host.now;
        let seen = self
            .next_out(line, to)
            .map_err(|stop| expected_too(stop, packet))?;
        let whole = self.whole(packet, seen);
        let actual = self.in_script(&whole, Some(packet));
        self.log(whole.at, &format!("> {actual}"));
        if let Some(fault) = whole.fault {
            return Err(Failure::new(line, fault)
                .compared(packet.to_string(), actual.to_string())
                .into());
        }
        self.compare(line, packet, &whole)?;
        let tolerance = self
            .rules
            .tolerance_for(from.unwrap_or(before).saturating_since(before));
        let early = from.is_some_and(|from| whole.at + tolerance < from);
        let late = to.is_some_and(|to| whole.at > to + tolerance);
        if early || late {
            let at = from.map(seconds).unwrap_or_default();
            let failure = Failure::new(line, "the packet left at the wrong time");
            let failure = failure.compared(
                format!("{at} > {packet}"),
                format!("{} > {actual}", seconds(whole.at)),
            );
            return Err(failure.into());
        }
        Ok(())
    }

    /// Joins the pieces of what the script writes as one segment.
    fn whole(&mut self, expected: &Packet, first: Seen) -> Seen {
        let Body::Tcp(wanted) = &expected.body else {
            return first;
        };
        let mut whole = first;
        while let (Inside::Tcp(have), Some(next)) = (&mut whole.inside, self.host.out.front()) {
            let Inside::Tcp(piece) = &next.inside else {
                break;
            };
            let end = have.seq.wrapping_add(u32::try_from(have.len).unwrap_or(0));
            let joined = have.len + piece.len;
            let fits = u32::try_from(joined).is_ok_and(|joined| joined <= wanted.len);
            let follows = have.len > 0
                && piece.len > 0
                && piece.seq == end
                && piece.ack == have.ack
                && next.dst == whole.dst
                && !have.flags.fin
                && !have.flags.syn;
            if self.rules.strict_segments || !fits || !follows {
                break;
            }
            have.len = joined;
            have.flags.psh |= piece.flags.psh;
            have.flags.fin |= piece.flags.fin;
            have.options.clone_from(&piece.options);
            have.win = piece.win;
            whole.at = next.at;
            whole.fault = whole.fault.or(next.fault);
            self.host.out.pop_front();
        }
        whole
    }

    /// A packet of ours as the script would write it. The numbers of a SYN are fixed by what was expected.
    fn in_script(&mut self, seen: &Seen, expected: Option<&Packet>) -> Packet {
        let wanted = expected.and_then(|packet| match &packet.body {
            Body::Tcp(tcp) => Some(tcp),
            Body::Icmp(_) | Body::Udp(_) => None,
        });
        let body = match &seen.inside {
            Inside::Tcp(segment) => Body::Tcp(self.segment_in_script(seen, segment, wanted)),
            Inside::Udp(len) => Body::Udp(*len),
            Inside::Icmp { kind, code } => Body::Icmp(Icmp {
                kind: format!("{kind}"),
                code: format!("{code}"),
                mtu: None,
                quoted: None,
            }),
            Inside::Other(what) => Body::Icmp(Icmp {
                kind: what.clone(),
                code: String::new(),
                mtu: None,
                quoted: None,
            }),
        };
        Packet {
            ip: super::ast::IpPrefix::default(),
            body,
        }
    }

    fn segment_in_script(&mut self, seen: &Seen, segment: &Segment, wanted: Option<&Tcp>) -> Tcp {
        let remote = seen.dst.port();
        if let (true, Some(wanted)) = (segment.flags.syn, wanted) {
            self.numbers.fix_ours(remote, wanted.seq, segment.seq);
        }
        let wanted_stamp = wanted.and_then(|wanted| stamp(wanted.options.as_deref()?));
        let options = segment.options.iter().map(|option| match option {
            TcpOption::Sack(blocks) => {
                let script = |(l, r): &(u32, u32)| {
                    (
                        self.numbers.theirs_script(*l),
                        self.numbers.theirs_script(*r),
                    )
                };
                TcpOption::Sack(blocks.iter().map(script).collect())
            }
            TcpOption::Timestamps { val, ecr } => {
                let named = self.numbers.stamp_script(remote, *val);
                let exact = named.filter(|_| self.rules.exact_stamps);
                TcpOption::Timestamps {
                    val: exact.or(wanted_stamp).or(named).unwrap_or(*val),
                    ecr: *ecr,
                }
            }
            other @ (TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::FastOpen { .. }
            | TcpOption::Other { .. }) => other.clone(),
        });
        let options = options.collect();
        if let (Some(script), Some(live)) = (wanted_stamp, stamp(&segment.options)) {
            self.numbers.pair_stamps(remote, script, live);
        }
        let seq = self.numbers.ours_script(remote, segment.seq);
        let len = u32::try_from(segment.len).unwrap_or(u32::MAX);
        let shows_window = wanted.is_none_or(|wanted| wanted.win.is_some());
        Tcp {
            flags: segment.flags,
            seq,
            end: seq.wrapping_add(len),
            len,
            ack: segment
                .flags
                .ack
                .then(|| self.numbers.theirs_script(segment.ack)),
            win: shows_window.then_some(segment.win),
            urg: (segment.urg != 0).then_some(segment.urg),
            options: Some(options),
        }
    }

    fn compare(&mut self, line: usize, expected: &Packet, seen: &Seen) -> Result<(), Stop> {
        let actual = self.in_script(seen, Some(expected));
        let mut wrong = compare::headers(&expected.ip, seen);
        match (&expected.body, &actual.body) {
            (Body::Tcp(expected), Body::Tcp(actual)) => {
                wrong.extend(compare::segments(expected, actual, self.dialect));
            }
            (Body::Udp(expected), Body::Udp(actual)) if expected == actual => {}
            (Body::Icmp(message), Body::Icmp(_)) => {
                let wanted = icmp::numbers(message, self.options.family).map(|(kind, _)| kind);
                let got = match seen.inside {
                    Inside::Icmp { kind, code } => Some((kind, code)),
                    Inside::Tcp(_) | Inside::Udp(_) | Inside::Other(_) => None,
                };
                if wanted != got {
                    wrong.push("another ICMP message".to_owned());
                }
            }
            _ => wrong.push("another kind of packet".to_owned()),
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(line, wrong.join("; "));
        Err(failure
            .compared(expected.to_string(), actual.to_string())
            .into())
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
        let Some(seen) = self.host.out.pop_front() else {
            return Ok(());
        };
        let actual = self.in_script(&seen, None);
        let mut failure = Failure::new(line, "a packet left after this line that nobody expects");
        failure.actual = Some(format!("{} > {actual}", seconds(seen.at)));
        Err(failure.into())
    }
}

fn expected_too(stop: Stop, packet: &Packet) -> Stop {
    match stop {
        Stop::Fail(mut failure) => {
            failure.expected.get_or_insert_with(|| packet.to_string());
            Stop::Fail(failure)
        }
        Stop::Skip(_) => stop,
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
