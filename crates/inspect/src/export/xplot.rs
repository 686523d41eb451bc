//! Sequence numbers over time, for xplot.
//!
//! Job: what one end sent and what the other said of it, in tcptrace's colours and marks. Owns: those.
//! Does not know: why; the capture does. Source: tcptrace's manual (time-sequence graphs), xplot's commands.

use core::time::Duration;
use std::io::{Read, Write};

use outcrop_capture::{Packet, Reader, Record};

use super::{Chosen, ExportError};
use crate::conversation::{Conversations, Relative, Seen};
use crate::dissect::{Flags, Upper};

/// Where the stairs stand.
#[derive(Default)]
struct Stairs {
    at: Option<(String, i64)>,
}

impl Stairs {
    /// A step: level until now, then up or down.
    fn step(&mut self, out: &mut dyn Write, color: &str, (now, level): (&str, i64)) -> Stepped {
        let same = self.at.as_ref().is_some_and(|(_, old)| *old == level);
        if let Some((then, old)) = &self.at {
            writeln!(out, "{color}\nline {then} {old} {now} {old}")?;
            if !same {
                writeln!(out, "line {now} {old} {now} {level}")?;
            }
        }
        self.at = Some((now.to_owned(), level));
        Ok(same)
    }
}

type Stepped = std::io::Result<bool>;

/// Writes the busier direction of a connection as an xplot graph; returns how many segments.
///
/// # Errors
/// The capture is damaged or has no such connection, or the output refused.
pub fn xplot<R: Read>(
    reader: &mut Reader<R>,
    chosen: Chosen,
    out: &mut dyn Write,
) -> Result<usize, ExportError> {
    let mut conversations = Conversations::new();
    let (mut acks, mut windows) = (Stairs::default(), Stairs::default());
    let mut count = 0;
    for record in reader {
        let Record::Packet(packet) = record? else {
            continue;
        };
        let seen = conversations.packet(&packet);
        if seen.conversation != Some(chosen.conversation) {
            continue;
        }
        if count == 0 {
            head(out, &conversations, chosen)?;
        }
        count += 1;
        let (Upper::Tcp(tcp), Some(relative)) = (&seen.upper, &seen.tcp) else {
            continue;
        };
        let now = time(packet.at);
        if seen.inbound == chosen.inbound {
            sent(out, &packet, (&seen, relative), &now)?;
        } else if let Some(ack) = relative.ack.filter(|_| !tcp.flags.has(Flags::RST)) {
            let again = acks.step(out, "green", (&now, ack))?;
            if again && relative.end == relative.seq {
                writeln!(out, "green\ndtick {now} {ack}")?;
            }
            let edge = ack + i64::from(relative.window);
            windows.step(out, "yellow", (&now, edge))?;
            for (left, right) in &relative.sack {
                writeln!(out, "purple\nline {now} {left} {now} {right}")?;
                writeln!(out, "purple\nltext {now} {right}\nS")?;
            }
        }
    }
    if count == 0 {
        return Err(ExportError::Nothing("such TCP connection"));
    }
    writeln!(out, "go")?;
    out.flush()?;
    Ok(count)
}

fn head(out: &mut dyn Write, conversations: &Conversations, chosen: Chosen) -> std::io::Result<()> {
    let ends = conversations.get(chosen.conversation).map(|c| {
        let (peer, ours) = (c.peer.to_string(), c.ours.to_string());
        if chosen.inbound {
            [peer, ours]
        } else {
            [ours, peer]
        }
    });
    let [from, to] = ends.unwrap_or_default();
    writeln!(
        out,
        "timeval unsigned\ntitle\n{from} to {to} (time sequence graph)\nxlabel\ntime\nylabel\nsequence offset"
    )
}

/// A segment: arrows at its ends, R where the stack sent it again or it was seen before.
fn sent(
    out: &mut dyn Write,
    packet: &Packet,
    (seen, relative): (&Seen, &Relative),
    now: &str,
) -> std::io::Result<()> {
    let Upper::Tcp(tcp) = &seen.upper else {
        return Ok(());
    };
    let (seq, end) = (relative.seq, relative.end);
    for (flag, name) in [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
    ] {
        if tcp.flags.has(flag) {
            writeln!(out, "orange\natext {now} {end}\n{name}")?;
        }
    }
    if end == seq {
        return Ok(());
    }
    let again = crate::ladder::is_again(packet, seen);
    let color = if again { "red" } else { "white" };
    writeln!(
        out,
        "{color}\ndarrow {now} {seq}\nuarrow {now} {end}\nline {now} {seq} {now} {end}"
    )?;
    if again {
        writeln!(out, "red\natext {now} {end}\nR")?;
    }
    if tcp.flags.has(Flags::PSH) {
        writeln!(out, "white\ndiamond {now} {end}")?;
    }
    Ok(())
}

/// Seconds and microseconds, as xplot's `timeval` reads them.
fn time(at: Duration) -> String {
    format!("{}.{:06}", at.as_secs(), at.subsec_micros())
}
