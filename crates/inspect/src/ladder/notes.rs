//! What stands beside our lifeline.

use outcrop_base::{Limit, Why};
use outcrop_capture::{Event, Packet};

use super::Drawn;
use crate::conversation::Seen;
use crate::paint::Ink;
use crate::shown_cause;

/// Reason, cause and what changed, the most telling first.
pub(super) fn of(packet: &Packet, seen: &Seen, drawn: &Drawn) -> Vec<(Ink, String)> {
    let notes = &packet.notes;
    let mut pieces = Vec::new();
    if let Some(reason) = notes.get("drop") {
        pieces.push((Ink::Bad, format!("✕ {reason}")));
    }
    if let Some(why) = notes.get("why") {
        let ink = match (is_again(packet, seen), why.starts_with("reset-")) {
            (_, true) => Ink::Bad,
            (true, false) => Ink::Again,
            (false, false) => Ink::Why,
        };
        pieces.push((ink, why.to_owned()));
    } else if is_again(packet, seen) && pieces.is_empty() {
        pieces.push((Ink::Again, "seen before".to_owned()));
    }
    if let Some(cause) = notes.get("cause") {
        pieces.push((Ink::Faint, format!("← {}", shown_cause(cause))));
    }
    if let Some(state) = notes.get("state").filter(|state| *state != drawn.state) {
        pieces.push((Ink::State, state.to_owned()));
    }
    // Zero is what a connection that has yet to be established tells.
    let cwnd = notes
        .get("cwnd")
        .filter(|cwnd| *cwnd != drawn.cwnd && *cwnd != "0");
    if let Some(cwnd) = cwnd {
        pieces.push((Ink::None, format!("cwnd {cwnd}")));
    }
    if let Some(lim) = notes.lim().filter(is_telling) {
        pieces.push((Ink::Faint, format!("{lim}-limited")));
    }
    pieces
}

/// Whether a limit says more than that there was nothing to send.
const fn is_telling(lim: &Limit) -> bool {
    match lim {
        Limit::Rwnd | Limit::Cwnd | Limit::Pacing | Limit::Nagle | Limit::Sws | Limit::Recovery => {
            true
        }
        Limit::None | Limit::App | Limit::Segment => false,
    }
}

/// Whether a packet repeats another: by its reason, or by its numbers where no reason is known.
pub(crate) fn is_again(packet: &Packet, seen: &Seen) -> bool {
    match packet.why() {
        Some(why) => matches!(
            why,
            Why::Rto | Why::FastRetransmit | Why::TailLossProbe | Why::FinRetransmit
        ),
        None => seen.tcp.as_ref().is_some_and(|relative| relative.again),
    }
}

/// The sign on our lifeline, and its colour.
pub(super) fn event_mark(event: &Event) -> (char, Ink) {
    match event.get("NET_EVENT") {
        Some("state") => ('◆', Ink::State),
        Some("lost" | "spurious") => ('✕', Ink::Bad),
        Some("closed") => ('■', Ink::State),
        Some("call") => ('▸', Ink::None),
        Some("timer-fired") => ('◷', Ink::Again),
        Some(_) | None => ('•', Ink::Faint),
    }
}

/// The local end of an event that concerns no peer: a listener's.
fn listening(event: &Event) -> Option<&str> {
    let (local, remote) = event.get("NET_CONN")?.split_once(' ')?;
    remote.ends_with(":0").then_some(local)
}

/// The event in words, and what caused it.
pub(crate) fn event_text(event: &Event) -> String {
    let mut text = event.message().replace("->", "→");
    if let Some(local) = listening(event) {
        text.push_str(" on ");
        text.push_str(local);
    }
    // A program's call and a timer are their own cause.
    if let Some(cause) = event
        .get("NET_CAUSE")
        .filter(|cause| cause.starts_with("pkt:"))
    {
        text.push_str(" ← ");
        text.push_str(&shown_cause(cause));
    }
    text
}
