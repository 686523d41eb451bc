//! Facts without a packet, as entries of systemd's journal.
//!
//! Job: write a fact as an entry and read entries back.
//! Owns: the field names. Does not know: pcapng.
//! Wireshark shows an entry as a row at its own time; no other block type does that.
//! Sources: systemd "Journal Export Formats" (fields as `NAME=value` lines; values with a line feed
//! as name, length and bytes).

use core::fmt::Write;
use core::time::Duration;

use outcrop_base::{Cause, Fact, FactKind, Transport};

use crate::comment::{crate_of, repo_relative};

/// Microseconds since 1970: the field that gives the row its time.
const REALTIME: &str = "__REALTIME_TIMESTAMP";
/// Nanoseconds since 1970: the same, exact.
const NANOS: &str = "NET_TIME_NS";

/// A fact of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Time since 1970-01-01 UTC.
    pub at: Duration,
    /// Fields in the order written, the times left out.
    pub fields: Vec<(String, String)>,
}

impl Event {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(n, _)| n == name)?;
        Some(value)
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        self.get("MESSAGE").unwrap_or_default()
    }

    /// Whether another program than ours wrote it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.get("NET_EVENT").is_none()
    }

    /// Reads an entry (the body of a journal block, padding included).
    pub(crate) fn parse(entry: &[u8]) -> Self {
        let mut event = Self::default();
        let mut rest = entry;
        while let Some((name, value, after)) = next_field(rest) {
            rest = after;
            match name.as_str() {
                REALTIME => {
                    let micros = value.parse().unwrap_or(0);
                    event.at = event.at.max(Duration::from_micros(micros));
                }
                NANOS => event.at = Duration::from_nanos(value.parse().unwrap_or(0)),
                _ => event.fields.push((name, value)),
            }
        }
        event
    }
}

/// One field and what follows it; `None` at the end, or where the entry stops making sense.
fn next_field(entry: &[u8]) -> Option<(String, String, &[u8])> {
    let end = entry.iter().position(|b| matches!(b, b'\n' | 0))?;
    let line = entry.get(..end)?;
    let rest = entry.get(end + 1..).unwrap_or_default();
    if line.is_empty() {
        return None;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(eq) = line.iter().position(|b| *b == b'=') {
        let value = line.get(eq + 1..).unwrap_or_default();
        return Some((text(line.get(..eq)?), text(value), rest));
    }
    let (len, rest) = rest.split_first_chunk::<8>()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    let (value, rest) = rest.split_at_checked(len)?;
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    Some((text(line), text(value), rest))
}

/// Writes a fact as an entry to `out`, which is empty.
pub(crate) fn write_fact(at: Duration, fact: &Fact, out: &mut String) {
    let mut field = |name: &str, value: core::fmt::Arguments<'_>| {
        // Writing to a String cannot fail, and no value of ours holds a line feed.
        let _infallible = writeln!(out, "{name}={value}");
    };
    field(REALTIME, format_args!("{}", at.as_micros()));
    field("MESSAGE", format_args!("{}", Message(fact)));
    field("PRIORITY", format_args!("{}", priority(&fact.kind)));
    field(
        "SYSLOG_IDENTIFIER",
        format_args!("{}", crate_of(fact.src.file())),
    );
    field("NET_EVENT", format_args!("{}", event_name(&fact.kind)));
    if let Some(flow) = &fact.flow {
        let transport = match flow.transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        field("NET_PROTO", format_args!("{transport}"));
        field("NET_CONN", format_args!("{} {}", flow.local, flow.remote));
    }
    write_kind(&fact.kind, &mut field);
    if fact.cause != Cause::None {
        field("NET_CAUSE", format_args!("{}", fact.cause));
    }
    field(
        "CODE_FILE",
        format_args!("{}", repo_relative(fact.src.file())),
    );
    field("CODE_LINE", format_args!("{}", fact.src.line()));
    field(NANOS, format_args!("{}", at.as_nanos()));
}

/// The fields only this kind has.
fn write_kind(kind: &FactKind, field: &mut dyn FnMut(&str, core::fmt::Arguments<'_>)) {
    match *kind {
        FactKind::State { from, to } => {
            field("NET_FROM", format_args!("{from}"));
            field("NET_STATE", format_args!("{to}"));
        }
        FactKind::TimerArmed { timer, .. }
        | FactKind::TimerFired { timer }
        | FactKind::TimerStopped { timer } => field("NET_TIMER", format_args!("{timer}")),
        FactKind::Lost { start, len, how } => {
            field("NET_START", format_args!("{start}"));
            field("NET_LEN", format_args!("{len}"));
            field("NET_HOW", format_args!("{how}"));
        }
        FactKind::Spurious { how } => field("NET_HOW", format_args!("{how}")),
        FactKind::Congestion {
            cwnd,
            ssthresh,
            phase,
        } => {
            field("NET_CWND", format_args!("{cwnd}"));
            field("NET_SSTHRESH", format_args!("{ssthresh}"));
            field("NET_PHASE", format_args!("{phase}"));
        }
        FactKind::Rtt { sample, srtt, rto } => {
            field("NET_SAMPLE_US", format_args!("{}", sample.as_micros()));
            field("NET_SRTT_US", format_args!("{}", srtt.as_micros()));
            field("NET_RTO_US", format_args!("{}", rto.as_micros()));
        }
        FactKind::Mtu { from, to } => {
            field("NET_FROM", format_args!("{from}"));
            field("NET_MTU", format_args!("{to}"));
        }
        FactKind::Call { bytes } => field("NET_BYTES", format_args!("{bytes}")),
        FactKind::Closed { reason } => field("NET_REASON", format_args!("{reason}")),
        FactKind::Remark(_) => {}
    }
}

/// The kind's name in `NET_EVENT`.
const fn event_name(kind: &FactKind) -> &'static str {
    match kind {
        FactKind::State { .. } => "state",
        FactKind::TimerArmed { .. } => "timer-armed",
        FactKind::TimerFired { .. } => "timer-fired",
        FactKind::TimerStopped { .. } => "timer-stopped",
        FactKind::Lost { .. } => "lost",
        FactKind::Spurious { .. } => "spurious",
        FactKind::Congestion { .. } => "congestion",
        FactKind::Rtt { .. } => "rtt",
        FactKind::Mtu { .. } => "mtu",
        FactKind::Call { .. } => "call",
        FactKind::Closed { .. } => "closed",
        FactKind::Remark(_) => "remark",
    }
}

/// Syslog's severity: 4 warning, 5 notice, 6 informational, 7 debug.
const fn priority(kind: &FactKind) -> u8 {
    match kind {
        FactKind::Lost { .. } | FactKind::Spurious { .. } => 4,
        FactKind::State { .. }
        | FactKind::TimerFired { .. }
        | FactKind::Congestion { .. }
        | FactKind::Mtu { .. }
        | FactKind::Closed { .. }
        | FactKind::Remark(_) => 5,
        FactKind::Call { .. } => 6,
        FactKind::TimerArmed { .. } | FactKind::TimerStopped { .. } | FactKind::Rtt { .. } => 7,
    }
}

/// The sentence of a fact.
struct Message<'a>(&'a Fact);

impl core::fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let millis = |d: Duration| d.as_secs_f64() * 1e3;
        match self.0.kind {
            FactKind::State { from, to } => write!(f, "{from} -> {to}"),
            FactKind::TimerArmed { timer, at } => write!(f, "{timer} timer set for {at}"),
            FactKind::TimerFired { timer } => write!(f, "{timer} timer ran out"),
            FactKind::TimerStopped { timer } => write!(f, "{timer} timer stopped"),
            FactKind::Lost { start, len, how } => {
                write!(f, "{len} bytes at {start} declared lost ({how})")
            }
            FactKind::Spurious { how } => write!(f, "retransmission was not needed ({how})"),
            FactKind::Congestion {
                cwnd,
                ssthresh,
                phase,
            } => write!(f, "{phase}: cwnd {cwnd}, ssthresh {ssthresh}"),
            FactKind::Rtt { sample, srtt, rto } => write!(
                f,
                "round trip {:.3} ms, smoothed {:.3} ms, timeout {:.0} ms",
                millis(sample),
                millis(srtt),
                millis(rto)
            ),
            FactKind::Mtu { from, to } => write!(f, "path MTU {from} -> {to}"),
            FactKind::Call { bytes } => match self.0.cause {
                Cause::Call(call) if bytes > 0 => write!(f, "program: {call} {bytes} bytes"),
                Cause::Call(call) => write!(f, "program: {call}"),
                Cause::None | Cause::Packet(_) | Cause::Timer(_) => {
                    write!(f, "program: {bytes} bytes")
                }
            },
            FactKind::Closed { reason } => write!(f, "closed: {reason}"),
            FactKind::Remark(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_with_a_binary_field_is_read() {
        let mut entry = b"__REALTIME_TIMESTAMP=5\nMESSAGE\n".to_vec();
        entry.extend(3u64.to_le_bytes());
        entry.extend(b"a\nb\nPRIORITY=4\n\0\0");
        let event = Event::parse(&entry);
        assert_eq!(event.at, Duration::from_micros(5));
        assert_eq!(event.message(), "a\nb");
        assert_eq!(event.get("PRIORITY"), Some("4"));
    }

    #[test]
    fn binary_field_longer_than_the_entry_ends_it() {
        let mut entry = b"MESSAGE\n".to_vec();
        entry.extend(u64::MAX.to_le_bytes());
        assert_eq!(Event::parse(&entry), Event::default());
    }
}
