//! What held each connection back, as people read it.
//!
//! Job: draw the accounts of a run's connections. Owns: the layout and the units. Does not know: how the time was
//! divided; the engine said that.

use core::fmt;
use core::time::Duration;

use outcrop_stack::tcp::{Explanation, Rate};

/// Connections drawn in full; each further one gets a line.
const IN_FULL: usize = 20;
/// Marks of the longest bar.
const MARKS: u8 = 25;

/// Accounts of connections, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Vec<Explanation>);

impl Accounts {
    /// Adds some.
    pub(crate) fn add(&mut self, more: impl IntoIterator<Item = Explanation>) {
        self.0.extend(more);
        self.0.sort_by_key(|account| account.began);
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (full, rest) = self.0.split_at(self.0.len().min(IN_FULL));
        for account in full {
            draw(f, account)?;
        }
        if !rest.is_empty() {
            writeln!(f, "and {} more:", rest.len())?;
        }
        for account in rest {
            let (ended, life) = life(account);
            let mostly = account.shares.per_cent().into_iter().next();
            let mostly =
                mostly.map_or_else(String::new, |(held, share)| format!("{share} % {held}"));
            let peer = account.flow.remote;
            let (sent, received) = (Bytes(account.acked), Bytes(account.received));
            writeln!(
                f,
                "  {peer}  {ended} {}  sent {sent}, received {received}  {mostly}",
                Span(life)
            )?;
        }
        Ok(())
    }
}

/// How a connection ended, in a word that a span of time may follow, and how long it lived.
fn life(account: &Explanation) -> (String, Duration) {
    match account.ended {
        Some((reason, at)) => (format!("{reason} after"), at - account.began),
        None => ("open for".to_owned(), account.shares.total()),
    }
}

fn draw(f: &mut fmt::Formatter<'_>, account: &Explanation) -> fmt::Result {
    let (ended, life) = life(account);
    let flow = &account.flow;
    writeln!(
        f,
        "{} to {}: {ended} {}",
        flow.local,
        flow.remote,
        Span(life)
    )?;
    traffic(f, account)?;
    path(f, account)?;
    writeln!(f, "  what held it back")?;
    let rows = account.shares.per_cent();
    for (held, share) in &rows {
        // Rounded up: what is there at all is seen.
        let marks = (u16::from(*share) * u16::from(MARKS)).div_ceil(100);
        let bar = "█".repeat(usize::from(marks));
        let time = Span(account.shares.of(*held)).to_string();
        let line = format!("    {:<18} {share:>3} % {time:>9}  {bar}", held.name());
        writeln!(f, "{}", line.trim_end())?;
    }
    let mostly = rows.first().map(|(held, _)| held.meaning());
    if let Some(meaning) = mostly {
        writeln!(f, "  mostly: {meaning}")?;
    }
    Ok(())
}

fn traffic(f: &mut fmt::Formatter<'_>, account: &Explanation) -> fmt::Result {
    let t = &account.totals;
    write!(
        f,
        "  sent {} in {} segments, received {} in {}",
        Bytes(account.acked),
        t.segments_out,
        Bytes(account.received),
        t.segments_in
    )?;
    if t.retransmissions > 0 {
        write!(f, "; {} sent again", t.retransmissions)?;
        let causes = [
            (u64::from(t.timeouts), "timeouts"),
            (u64::from(t.recoveries), "recoveries"),
            (u64::from(t.spurious), "mistaken"),
        ];
        let causes = causes.into_iter().filter(|(count, _)| *count > 0);
        let causes: Vec<_> = causes
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let causes = if causes.is_empty() {
            "probes of a tail".to_owned()
        } else {
            causes.join(", ")
        };
        write!(f, " ({causes})")?;
    }
    writeln!(f)
}

fn path(f: &mut fmt::Formatter<'_>, account: &Explanation) -> fmt::Result {
    write!(f, "  ")?;
    if let (Some(srtt), Some(min)) = (account.srtt, account.min_rtt) {
        write!(f, "round trip {}, at best {}; ", Span(srtt), Span(min))?;
    }
    let c = &account.controller;
    let (cwnd, taken) = (Bytes(c.cwnd), Bytes(account.snd_wnd));
    write!(
        f,
        "congestion window {cwnd} ({}, {}), peer's window {taken}",
        c.name,
        c.phase.name()
    )?;
    if let Some(Rate(rate)) = account.pacing_rate {
        write!(f, ", paced at {}/s", Bytes(rate))?;
    }
    writeln!(f)
}

/// A number of bytes in the unit that suits it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            // In tenths, cut: exact as far as it goes.
            Some((unit, name)) => {
                let tenths = self.0 / (unit / 10);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} B", self.0),
        }
    }
}

/// A span of time in three digits or so.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (micros, millis) = (self.0.as_micros(), self.0.as_millis());
        match (micros, millis) {
            (0..1_000, _) => write!(f, "{micros} µs"),
            (_, 0..100) => write!(f, "{}.{} ms", millis, micros / 100 % 10),
            (_, 100..10_000) => write!(f, "{millis} ms"),
            (_, _) => write!(f, "{}.{} s", millis / 1_000, millis / 100 % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_suit_the_number() {
        let bytes = [0, 999, 1_000, 1_449, 2_500_000, 7_000_000_000];
        let said: Vec<_> = bytes.map(|n| Bytes(n).to_string()).into();
        assert_eq!(
            said,
            ["0 B", "999 B", "1.0 kB", "1.4 kB", "2.5 MB", "7.0 GB"]
        );
        let spans = [7, 1_250, 99_999, 100_000, 9_999_000, 61_250_000];
        let said: Vec<_> = spans
            .map(|n| Span(Duration::from_micros(n)).to_string())
            .into();
        assert_eq!(
            said,
            ["7 µs", "1.2 ms", "99.9 ms", "100 ms", "9999 ms", "61.2 s"]
        );
    }
}
