//! Who asks.
//!
//! Job: put one load on one address and say what came of it, as one line of JSON on standard output.
//! Owns: the client's side: `wrk` for requests, plain sockets for bulk. Does not know: who answers.

use core::net::SocketAddr;
use core::time::Duration;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// What sockets of either side are given and asked for at once.
pub(crate) const CHUNK: usize = 256 << 10;
/// Bytes after which a bulk load ends even if its time is not up.
const MOST: u64 = 64 << 30;

/// One load.
#[derive(clap::Args, Debug)]
pub(crate) struct Load {
    /// `requests`, `push`, `pull` or `file`.
    kind: String,
    /// Whom to ask.
    server: SocketAddr,
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    #[arg(long, default_value = "/")]
    path: String,
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long, default_value_t = 1)]
    pipeline: u32,
    #[arg(long)]
    close: bool,
    /// Where the script for `wrk` may be written.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests or bytes.
    pub(crate) count: f64,
    /// Requests or megabits a second.
    pub(crate) rate: f64,
    /// The median of the latencies, microseconds; zero where none was measured.
    pub(crate) p50_us: f64,
    /// What went wrong: answers that are not 2xx, socket errors.
    pub(crate) errors: f64,
    /// Processor time of the client, seconds.
    pub(crate) cpu: f64,
}

impl Load {
    pub(crate) fn run(&self) -> Outcome<()> {
        let report = match self.kind.as_str() {
            "requests" => self.requests()?,
            "push" => self.bulk(push)?,
            "pull" => self.bulk(pull)?,
            "file" => self.bulk(|stream, until| get(stream, until, &self.path))?,
            other => return Err(format!("{other}: no such load").into()),
        };
        println!("{}", serde_json::to_string(&report)?);
        Ok(())
    }

    fn requests(&self) -> Outcome<Report> {
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--latency"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", self.seconds)]);
        if self.close {
            wrk.args(["--header", "Connection: close"]);
        }
        if self.pipeline > 1 {
            let script = self.scratch.join("pipeline.lua");
            let depth = self.pipeline;
            fs::write(
                &script,
                format!(
                    "init = function(args)\n local r = {{}}\n for i = 1, {depth} do r[i] = wrk.format() end\n \
                     req = table.concat(r)\nend\nrequest = function() return req end\n"
                ),
            )?;
            wrk.arg("--script").arg(script);
        }
        let output = wrk
            .arg(format!("http://{}{}", self.server, self.path))
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = text
            .lines()
            .filter(|line| line.contains("Socket errors:") || line.contains("Non-2xx"))
            .flat_map(numbers)
            .fold(0.0, |sum, count| sum + count);
        Ok(Report {
            count: first_number(&text, " requests in ").unwrap_or(0.0),
            rate: after(&text, "Requests/sec:").unwrap_or(0.0),
            p50_us: median_of(&text),
            errors,
            cpu: cpu_seconds("/proc/self/stat", Of::Children)?,
        })
    }

    fn bulk(&self, transfer: impl Fn(TcpStream, Instant) -> Outcome<u64>) -> Outcome<Report> {
        let begun = Instant::now();
        let until = begun + Duration::from_secs(self.seconds.into());
        let mut bytes = 0;
        while bytes < MOST && Instant::now() < until {
            let stream = TcpStream::connect_timeout(&self.server, Duration::from_secs(5))?;
            bytes += transfer(stream, until)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let count = bytes as f64;
        Ok(Report {
            count,
            rate: count * 8.0 / 1e6 / begun.elapsed().as_secs_f64(),
            cpu: cpu_seconds("/proc/self/stat", Of::Itself)?,
            ..Report::default()
        })
    }
}

fn push(mut stream: TcpStream, until: Instant) -> Outcome<u64> {
    let block = vec![0; CHUNK];
    let mut sent = 0;
    while Instant::now() < until && sent < MOST {
        sent += stream.write(&block)? as u64;
    }
    // What the other end has not taken does not count for much: one window.
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

fn get(mut stream: TcpStream, until: Instant, path: &str) -> Outcome<u64> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    receive(stream, until)
}

/// Some of those who send want to be asked first; nobody minds.
fn pull(mut stream: TcpStream, until: Instant) -> Outcome<u64> {
    stream.write_all(b"?\r\n\r\n")?;
    receive(stream, until)
}

fn receive(mut stream: TcpStream, until: Instant) -> Outcome<u64> {
    let mut block = vec![0; CHUNK];
    let mut received = 0;
    while Instant::now() < until {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => received += count as u64,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(received)
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Itself,
    /// Of children that were waited for.
    Children,
}

/// Processor time, user and system, out of a process's `stat` (proc(5): fields 14 to 17, in hundredths).
pub(crate) fn cpu_seconds(path: &str, of: Of) -> Outcome<f64> {
    let text = fs::read_to_string(path)?;
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let skip = match of {
        Of::Itself => 11,
        Of::Children => 13,
    };
    let ticks: f64 = after_name
        .split(' ')
        .skip(skip)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}

fn numbers(line: &str) -> impl Iterator<Item = f64> + use<'_> {
    line.split(|c: char| !c.is_ascii_digit() && c != '.')
        .filter_map(|word| word.parse::<f64>().ok())
}

/// The number at the start of the line that has `mark` in it.
fn first_number(text: &str, mark: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains(mark))?;
    line.split_whitespace().next()?.parse().ok()
}

fn after(text: &str, mark: &str) -> Option<f64> {
    text.split_once(mark)?
        .1
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The line `50%  12.00us` of wrk's latency distribution.
fn median_of(text: &str) -> f64 {
    let word = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("50%"))
        .map_or("", str::trim);
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let value: f64 = word
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0.0);
    match unit {
        "ms" => value * 1e3,
        "s" => value * 1e6,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_understood() {
        let text = "  Latency Distribution\n     50%    1.25ms\n     75%    3us\n  \
                    8412 requests in 3.02s, 2.20MB read\n  \
                    Socket errors: connect 0, read 2, write 0, timeout 1\nRequests/sec:   2785.43\n";
        assert_eq!(median_of(text), 1_250.0);
        assert_eq!(first_number(text, " requests in "), Some(8_412.0));
        assert_eq!(after(text, "Requests/sec:"), Some(2_785.43));
        let errors = text.lines().find(|line| line.contains("Socket")).unwrap();
        assert_eq!(numbers(errors).sum::<f64>(), 3.0);
    }
}
