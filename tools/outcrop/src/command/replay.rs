//! `outcrop replay`.
//!
//! Job: play a capture again and say in tcpdump's grammar where it first differs. Owns: the report.
//! Does not know: what makes two packets the same (`testkit`).

use std::io::Write as _;

use outcrop_capture::{Packet, Record};
use outcrop_inspect::{Paint, PrintOptions, Printer};
use outcrop_testkit::foreign::Report;
use outcrop_testkit::replay::{Divergence, Outcome, replay};

use crate::cli;
use crate::failure::Failure;

/// Packets shown before a difference.
const CONTEXT: usize = 5;
/// The exit status of a replay that differs.
const DIFFERS: u8 = 1;

/// Plays the capture again.
pub(crate) fn run(options: &cli::Replay) -> Result<u8, Failure> {
    let path = &options.file;
    let capture = std::fs::read(path).map_err(|error| Failure::file("capture", path, &error))?;
    let outcome =
        replay(&capture).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let mut out = std::io::stdout().lock();
    let (text, code) = match outcome {
        Outcome::Identical { scenario, packets } => (
            format!(
                "{}: {scenario}: {packets} packets, identical in bytes, time, reason and cause\n",
                path.display()
            ),
            0,
        ),
        Outcome::Foreign(report) => foreign(&path.display().to_string(), &report),
        Outcome::Diverged(divergence) => {
            let actual = &options.actual;
            std::fs::write(actual, &divergence.capture)
                .map_err(|error| Failure::file("capture", actual, &error))?;
            let mut text = difference(&divergence);
            text.push_str(&format!("what came out this time: {}\n", actual.display()));
            (text, DIFFERS)
        }
    };
    out.write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("standard output: {error}")))?;
    Ok(code)
}

fn foreign(path: &str, report: &Report) -> (String, u8) {
    let Report {
        fed,
        sent,
        stream,
        differences,
    } = report;
    let mut text = format!(
        "{path}: {fed} packets of the client fed, {sent} of ours came out, {stream} bytes of stream\n"
    );
    if differences.is_empty() {
        text.push_str("every promise of the recorded server is kept\n");
        return (text, 0);
    }
    for what in differences {
        text.push_str(&format!("differs: {what}\n"));
    }
    (text, DIFFERS)
}

/// The first difference as a unified diff: what went before, what was recorded, what came out.
fn difference(divergence: &Divergence) -> String {
    let Divergence {
        scenario,
        number,
        what,
        before,
        expected,
        actual,
        ..
    } = divergence;
    let mut text = format!(
        "{scenario}: packet {number} differs in {}\n",
        what.join(", ")
    );
    // One printer each, so that both show sequence numbers relative to their own beginning.
    let mut recorded = Lines::after(before);
    let mut replayed = Lines::after(before);
    for line in recorded.shown.iter().rev().take(CONTEXT).rev() {
        text.push_str(&format!("  {line}"));
    }
    if let Some(packet) = expected {
        text.push_str(&format!("- {}", recorded.line(packet)));
    }
    if let Some(packet) = actual {
        text.push_str(&format!("+ {}", replayed.line(packet)));
    }
    text
}

struct Lines {
    printer: Printer,
    shown: Vec<String>,
}

impl Lines {
    fn after(packets: &[Packet]) -> Self {
        let options = PrintOptions {
            annotate: true,
            paint: Paint::Plain,
        };
        let mut lines = Self {
            printer: Printer::new(options),
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
}
