//! Requests, as fast as they are answered: `wrk`.
//!
//! Job: start it and understand what it prints. Owns: its words. Does not know: who answers.
//! Its latencies are of a closed loop: a connection that waits for an answer asks nothing, so a stall is one slow
//! request instead of all that should have been asked meanwhile. `paced` measures latency.

use std::fs;
use std::process::Command;

use super::{Load, Of, Report, cpu_seconds};
use crate::Outcome;

/// Puts the load on, and waits for its end.
pub(super) fn run(load: &Load) -> Outcome<Report> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", &load.clients.to_string(), "--latency"]);
    wrk.args(["--connections", &load.connections.to_string()]);
    wrk.args(["--duration", &format!("{}s", load.seconds)]);
    if load.close {
        wrk.args(["--header", "Connection: close"]);
    }
    if load.pipeline > 1 {
        let script = load.scratch.join("pipeline.lua");
        let depth = load.pipeline;
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
        .arg(format!("http://{}{}", load.server, load.path))
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = text
        .lines()
        .filter(|line| line.contains("Socket errors:") || line.contains("Non-2xx"))
        .flat_map(numbers)
        .fold(0.0, |sum, count| sum + count);
    let rate = after(&text, "Requests/sec:").unwrap_or(0.0);
    if rate == 0.0 {
        return Err(format!("wrk had no answer from {}", load.server).into());
    }
    Ok(Report {
        count: first_number(&text, " requests in ").unwrap_or(0.0),
        rate,
        p50_us: quantile(&text, "50%"),
        p99_us: quantile(&text, "99%"),
        errors,
        cpu: cpu_seconds("/proc/self/stat", Of::Children)?,
        ..Report::default()
    })
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

/// Microseconds of the line `50%  12.00us` of its latency distribution.
fn quantile(text: &str, share: &str) -> f64 {
    let word = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(share))
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
        assert_eq!(quantile(text, "50%"), 1_250.0);
        assert_eq!(quantile(text, "75%"), 3.0);
        assert_eq!(first_number(text, " requests in "), Some(8_412.0));
        assert_eq!(after(text, "Requests/sec:"), Some(2_785.43));
        let errors = text.lines().find(|line| line.contains("Socket")).unwrap();
        assert_eq!(numbers(errors).sum::<f64>(), 3.0);
    }
}
