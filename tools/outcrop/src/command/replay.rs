//! `outcrop replay`.
//!
//! Job: play a capture again and say in tcpdump's grammar where it first differs. Owns: the report.
//! Does not know: what makes two packets the same (`testkit`), or how a difference looks (`inspect`).

use std::io::Write as _;
use std::path::Path;

use outcrop_capture::{Packet, Reader, Record, annotate};
use outcrop_inspect::difference;
use outcrop_testkit::foreign::{Place, Report};
use outcrop_testkit::replay::{Divergence, Outcome, replay};
use outcrop_testkit::rewrite::{Rewritten, rewrite};

use crate::cli;
use crate::failure::Failure;

/// The exit status of a replay that differs.
const DIFFERS: u8 = 1;

/// Plays the capture again: every packet by itself, then the conversation.
pub(crate) fn run(options: &cli::Replay) -> Result<u8, Failure> {
    let path = &options.file;
    let capture = std::fs::read(path).map_err(|error| Failure::file("capture", path, &error))?;
    let failed =
        |error: &dyn core::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
    let rewritten = rewrite(&capture[..]).map_err(|error| failed(&error))?;
    let mut text = wire(path, &rewritten);
    let played = if options.wire {
        None
    } else {
        Some(replay(&capture).map_err(|error| failed(&error))?)
    };
    let shown = path.display();
    let actual = match played {
        None => None,
        Some(Outcome::Identical { scenario, packets }) => {
            text.push_str(&format!(
                "{shown}: {scenario}: {packets} packets, identical in bytes, time, reason and cause\n"
            ));
            None
        }
        Some(Outcome::Foreign(report)) => foreign(path, &capture, report, &mut text),
        Some(Outcome::Diverged(divergence)) => Some(diverged(*divergence, &mut text)),
    };
    let differs = actual.is_some() || !rewritten.differences.is_empty();
    if let Some(actual) = actual {
        let into = &options.actual;
        std::fs::write(into, actual).map_err(|error| Failure::file("capture", into, &error))?;
        text.push_str(&format!("what came out this time: {}\n", into.display()));
        text.push_str(&format!("again: outcrop replay {shown}\n"));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("standard output: {error}")))?;
    Ok(if differs { DIFFERS } else { 0 })
}

/// Level 0: each header written anew.
fn wire(path: &Path, rewritten: &Rewritten) -> String {
    let same: usize = rewritten.same.values().sum();
    let mut text = format!(
        "{}: {} packets, {same} headers read and written the same\n",
        path.display(),
        rewritten.packets
    );
    for what in &rewritten.differences {
        text.push_str(&format!("differs: {what}\n"));
    }
    text
}

/// Level 1: a recording of ours.
fn diverged(divergence: Divergence, text: &mut String) -> Vec<u8> {
    let Divergence {
        scenario,
        number,
        what,
        before,
        expected,
        actual,
        capture,
    } = divergence;
    let what = what.join(", ");
    text.push_str(&format!("{scenario}: packet {number} differs in {what}\n"));
    let both = [&before[..], &before[..]];
    text.push_str(&difference(both, expected.as_ref(), actual.as_ref()));
    let remark = format!("Here it differs from the recording: {what}.");
    let number = u64::try_from(number).unwrap_or(0);
    // Where the replay ended early there is no packet to remark on.
    annotate(&capture, number, &remark).unwrap_or(capture)
}

/// Level 2: a conversation of others.
fn foreign(path: &Path, capture: &[u8], report: Report, text: &mut String) -> Option<Vec<u8>> {
    let Report {
        fed,
        sent,
        stream,
        differences,
        place,
        capture: actual,
    } = report;
    text.push_str(&format!(
        "{}: {fed} packets of the client fed, {sent} of ours came out, {stream} bytes of stream\n",
        path.display()
    ));
    if differences.is_empty() {
        text.push_str("every promise of the recorded server is kept\n");
        return None;
    }
    for what in differences {
        text.push_str(&format!("differs: {what}\n"));
    }
    text.push_str(&beside(capture, &actual, place));
    Some(actual)
}

/// The packets where the first difference shows, as far as there are such.
fn beside(capture: &[u8], actual: &[u8], place: Place) -> String {
    let (recorded, ours) = (packets(capture), packets(actual));
    let start = recorded.first().map(|packet| packet.at).unwrap_or_default();
    let theirs = place.recorded.and_then(|(at, _)| {
        let is_it = |packet: &Packet| packet.at.saturating_sub(start) >= at;
        recorded.iter().position(is_it)
    });
    let ours_at = place
        .ours
        .and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
    let before = |list: &'_ [Packet], at: Option<usize>| -> Vec<Packet> {
        list.get(..at.unwrap_or(0)).unwrap_or_default().to_vec()
    };
    let both = [before(&recorded, theirs), before(&ours, ours_at)];
    difference(
        [&both[0], &both[1]],
        theirs.and_then(|at| recorded.get(at)),
        ours_at.and_then(|at| ours.get(at)),
    )
}

fn packets(capture: &[u8]) -> Vec<Packet> {
    let records = Reader::new(capture).into_iter().flatten();
    let packets = records.filter_map(|record| match record {
        Ok(Record::Packet(packet)) => Some(packet),
        Ok(Record::Event(_) | Record::Secrets(_)) | Err(_) => None,
    });
    packets.collect()
}
