//! Requests at a fixed rate, whatever becomes of them, and how long each took.
//!
//! Job: an open loop. Request `n` is due at `n / rate` and its latency counts from then, not from when a connection was
//! free to send it: a server that stalls for ten milliseconds is charged with everything that was due meanwhile, which
//! a closed loop would never have asked (this is "coordinated omission"). Owns: the schedule and the clock.
//! Does not know: who answers. It looks at its sockets without ever sleeping: what it measures is not its own waking.

use core::time::Duration;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::{Load, Of, Report, cpu_seconds};
use crate::Outcome;
use crate::statistics::percentile;

/// The share of requests at the start whose latency does not count: connections warm up.
const WARM_UP: u64 = 10;
/// How long the last answers may take.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes read at once; a small answer fits many times.
const PIECE: usize = 16 << 10;

/// Asks `load.rate` times a second over `load.connections` connections in turn.
pub(super) fn run(load: &Load) -> Outcome<Report> {
    let mut pace = Pace::new(load)?;
    let began = Instant::now();
    pace.run(began)?;
    let took = began.elapsed().as_secs_f64();
    pace.latencies.sort_unstable();
    let at = |share| micros(percentile(&pace.latencies, share));
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (answered, lost) = (pace.answered as f64, (pace.total - pace.answered) as f64);
    Ok(Report {
        count: answered,
        rate: answered / took,
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: at(0.999),
        errors: lost,
        cpu: cpu_seconds("/proc/self/stat", Of::Itself)?,
        ..Report::default()
    })
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// When request `number` is due, from the beginning.
fn due(number: u64, rate: u64) -> Duration {
    Duration::from_nanos(number.saturating_mul(1_000_000_000) / rate.max(1))
}

/// A connection: what was due on it and is not answered, the eldest under way.
struct Line {
    stream: TcpStream,
    due: VecDeque<Instant>,
    heard: Vec<u8>,
}

struct Pace {
    epoll: rustix::fd::OwnedFd,
    lines: Vec<Line>,
    request: Vec<u8>,
    rate: u64,
    seconds: u32,
    total: u64,
    answered: u64,
    latencies: Vec<u64>,
}

impl Pace {
    fn new(load: &Load) -> Outcome<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut lines = Vec::new();
        for number in 0..load.connections {
            let stream = TcpStream::connect_timeout(&load.server, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(
                &epoll,
                &stream,
                EventData::new_u64(number.into()),
                EventFlags::IN,
            )?;
            lines.push(Line {
                stream,
                due: VecDeque::new(),
                heard: Vec::with_capacity(PIECE),
            });
        }
        let rate = u64::from(load.rate);
        Ok(Self {
            epoll,
            lines,
            request: format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", load.path).into_bytes(),
            rate,
            seconds: load.seconds,
            total: rate * u64::from(load.seconds),
            answered: 0,
            latencies: Vec::new(),
        })
    }

    fn run(&mut self, began: Instant) -> Outcome<()> {
        let last = began + Duration::from_secs(self.seconds.into()) + GRACE;
        let mut events = Vec::with_capacity(self.lines.len());
        let mut next = 0;
        while self.answered < self.total {
            let now = Instant::now();
            if now > last {
                break;
            }
            while next < self.total && began + due(next, self.rate) <= now {
                self.ask(next, began + due(next, self.rate))?;
                next += 1;
            }
            events.clear();
            epoll::wait(
                &self.epoll,
                spare_capacity(&mut events),
                Some(&Timespec::default()),
            )?;
            for event in &events {
                let Event { data, .. } = *event;
                self.hear(data.u64())?;
            }
        }
        Ok(())
    }

    /// Request `number` is due: it leaves at once if its connection is free.
    fn ask(&mut self, number: u64, due: Instant) -> Outcome<()> {
        let turn = number % self.lines.len().max(1) as u64;
        let line = line(&mut self.lines, turn)?;
        if line.due.is_empty() {
            line.stream.write_all(&self.request)?;
        }
        line.due.push_back(due);
        Ok(())
    }

    fn hear(&mut self, turn: u64) -> Outcome<()> {
        let warm = self.total / WARM_UP;
        let line = line(&mut self.lines, turn)?;
        let mut piece = [0; PIECE];
        let length = match line.stream.read(&mut piece) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => length,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        line.heard
            .extend_from_slice(piece.get(..length).unwrap_or_default());
        while let Some(length) = whole(&line.heard)? {
            let now = Instant::now();
            line.heard.drain(..length);
            let due = line.due.pop_front().ok_or("an answer to nothing")?;
            self.answered += 1;
            if self.answered > warm {
                self.latencies.push(u64::try_from((now - due).as_nanos())?);
            }
            if !line.due.is_empty() {
                line.stream.write_all(&self.request)?;
            }
        }
        Ok(())
    }
}

fn line(lines: &mut [Line], turn: u64) -> Outcome<&mut Line> {
    Ok(lines
        .get_mut(usize::try_from(turn)?)
        .ok_or("no such connection")?)
}

/// The length of the answer that `bytes` begin with, if it is there whole.
pub(super) fn whole(bytes: &[u8]) -> Outcome<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = core::str::from_utf8(bytes.get(..head).unwrap_or_default())?;
    let mut body = None;
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body = Some(value.trim().parse::<usize>()?);
        }
    }
    let length = head + 4 + body.ok_or("an answer without a length")?;
    Ok((bytes.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_drift() {
        assert_eq!(due(0, 10_000), Duration::ZERO);
        assert_eq!(due(3, 10_000), Duration::from_micros(300));
        // A third of a second, three times, is a second.
        assert_eq!(due(3, 3), Duration::from_secs(1));
    }

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1";
        // 15 + 2 + 17 + 4 + 5.
        assert_eq!(whole(answer).unwrap(), Some(43));
        assert_eq!(whole(&answer[..42]).unwrap(), None);
        assert_eq!(whole(&answer[..20]).unwrap(), None);
    }

    #[test]
    fn an_answer_without_a_length_is_an_error() {
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
