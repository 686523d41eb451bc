//! Where a replay parts from its recording, as text.
//!
//! Job: what went before, what was recorded and what came out, as a unified diff in tcpdump's grammar. Owns: the layout.
//! Does not know: what makes two packets the same.

use outcrop_capture::{Packet, Record};
use similar::{ChangeTag, TextDiff};

use crate::print::{PrintOptions, Printer};

/// Packets shown before a difference.
const CONTEXT: usize = 5;
/// Bytes a line of a dump.
const DUMP_WIDTH: usize = 16;

/// The diff: up to five packets of what went before, then `-` what was recorded and `+` what came out, with their bytes.
/// Both are shown with sequence numbers relative to their own beginning.
#[must_use]
pub fn difference(
    before: [&[Packet]; 2],
    expected: Option<&Packet>,
    actual: Option<&Packet>,
) -> String {
    let [recorded, replayed] = before;
    let mut recorded = Lines::after(recorded);
    let mut replayed = Lines::after(replayed);
    let mut text = String::new();
    for line in recorded.shown.iter().rev().take(CONTEXT).rev() {
        text.push_str(&format!("  {line}"));
    }
    let recorded = expected.map_or_else(String::new, |packet| recorded.whole(packet));
    let replayed = actual.map_or_else(String::new, |packet| replayed.whole(packet));
    for change in TextDiff::from_lines(&recorded, &replayed).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        text.push_str(&format!("{sign} {change}"));
    }
    text
}

struct Lines {
    printer: Printer,
    shown: Vec<String>,
}

impl Lines {
    fn after(packets: &[Packet]) -> Self {
        let mut lines = Self {
            printer: Printer::new(PrintOptions::default()),
            shown: Vec::new(),
        };
        for packet in packets {
            let line = lines.line(packet);
            lines.shown.push(line);
        }
        lines
    }

    fn line(&mut self, packet: &Packet) -> String {
        let mut line = String::new();
        self.printer
            .record(&Record::Packet(packet.clone()), &mut line);
        // The second line of a packet belongs to it.
        line.replace("\n ", "\n    ")
    }

    /// A packet as text, and its bytes below: not every byte has a place in the text.
    fn whole(&mut self, packet: &Packet) -> String {
        let mut text = self.line(packet);
        for (row, bytes) in packet.bytes.chunks(DUMP_WIDTH).enumerate() {
            text.push_str(&format!("    {:04x} ", row * DUMP_WIDTH));
            for byte in bytes {
                text.push_str(&format!(" {byte:02x}"));
            }
            text.push('\n');
        }
        text
    }
}
