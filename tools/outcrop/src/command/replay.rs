//! `outcrop replay`.

use core::fmt::Write as _;
use std::fs;
use std::path::Path;

use outcrop_capture::{Packet, Record};
use outcrop_inspect::Printer;
use outcrop_testkit::replay::{Divergence, Outcome, replay};
use similar::{ChangeTag, TextDiff};

use crate::cli;
use crate::failure::Failure;

/// Bytes a line of a dump.
const DUMP_WIDTH: usize = 16;

/// Plays a capture again; status 0 if nothing differs.
pub(crate) fn run(options: &cli::Replay) -> Result<u8, Failure> {
    let path = &options.file;
    let capture = fs::read(path).map_err(|error| Failure::file("capture", path, &error))?;
    let outcome =
        replay(&capture).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    match outcome {
        Outcome::Identical { scenario, packets } => {
            println!(
                "{}: {scenario}: {packets} packets, identical to the byte",
                path.display()
            );
            Ok(0)
        }
        Outcome::Diverged(divergence) => {
            print!("{}", difference(&divergence));
            Err(diverged(&divergence, path, &options.actual))
        }
        Outcome::Foreign(report) => {
            println!(
                "{}: {} packets of its client fed, {} of ours came out, {} bytes of stream",
                path.display(),
                report.fed,
                report.sent,
                report.stream
            );
            for difference in &report.differences {
                println!("- {difference}");
            }
            match report.differences.len() {
                0 => {
                    println!("our half keeps every promise of the recorded one");
                    Ok(0)
                }
                count => Err(Failure::new(format!(
                    "{}: our half differs in {count} ways",
                    path.display()
                ))),
            }
        }
    }
}

/// Leaves what came out this time beside the recording, and says so.
fn diverged(divergence: &Divergence, path: &Path, actual: &Path) -> Failure {
    if let Err(error) = fs::write(actual, &divergence.capture) {
        return Failure::file("--actual", actual, &error);
    }
    let what = divergence.what.join(", ");
    Failure::new(format!(
        "{}: differs at packet {} in {what}: what came out this time is in {}",
        path.display(),
        divergence.number,
        actual.display()
    ))
}

/// The packets before, and the first that differs: `-` as recorded, `+` as it came out this time.
fn difference(divergence: &Divergence) -> String {
    // Both printers see the same packets before, so that relative numbers count from the same SYN.
    let (mut then, mut now) = (Printer::default(), Printer::default());
    let mut text = String::new();
    for packet in &divergence.context {
        let _same = printed(&mut now, packet);
        for line in printed(&mut then, packet).lines() {
            let _infallible = writeln!(text, "  {line}");
        }
    }
    let recorded = shown(&mut then, divergence.expected.as_ref());
    let replayed = shown(&mut now, divergence.actual.as_ref());
    for change in TextDiff::from_lines(&recorded, &replayed).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        let _infallible = write!(text, "{sign} {change}");
    }
    text
}

/// A packet as text, then as bytes; nothing if there is none.
fn shown(printer: &mut Printer, packet: Option<&Packet>) -> String {
    let Some(packet) = packet else {
        return String::new();
    };
    let mut text = printed(printer, packet);
    for (line, bytes) in packet.bytes.chunks(DUMP_WIDTH).enumerate() {
        let _infallible = write!(text, "    {:04x} ", line * DUMP_WIDTH);
        for byte in bytes {
            let _infallible = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn printed(printer: &mut Printer, packet: &Packet) -> String {
    let mut text = String::new();
    printer.record(&Record::Packet(packet.clone()), &mut text);
    text
}
