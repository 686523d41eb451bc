//! What only the stack knew, behind tcpdump's line.

use outcrop_base::Direction;
use outcrop_capture::{Event, Packet};

use crate::paint::{Ink, Paint};

/// ` | ESTABLISHED cwnd 14600 (cwnd-limited) fast-retransmit <- #193`, as far as it is known.
pub(super) fn put_suffix(out: &mut String, packet: &Packet, paint: Paint) {
    let notes = &packet.notes;
    if notes.is_empty() && packet.direction.is_none() {
        return;
    }
    paint.put(out, Ink::Faint, &" | ");
    let arrow = match packet.direction {
        Some(Direction::In) => "in",
        Some(Direction::Out) => "out",
        None => "",
    };
    paint.put(
        out,
        Ink::Faint,
        &format_args!("#{} {arrow}", packet.shown_id()),
    );
    if let Some(state) = notes.get("state") {
        paint.put(out, Ink::State, &format_args!(" {state}"));
    }
    if let Some(cwnd) = notes.get("cwnd") {
        paint.put(out, Ink::None, &format_args!(" cwnd {cwnd}"));
    }
    if let Some(lim) = notes.lim() {
        paint.put(out, Ink::Faint, &format_args!(" ({lim}-limited)"));
    }
    if let Some(why) = notes.get("why") {
        paint.put(out, Ink::Why, &format_args!(" {why}"));
    }
    if let Some(cause) = notes.get("cause") {
        let cause = crate::shown_cause(cause);
        paint.put(out, Ink::Faint, &format_args!(" <- {cause}"));
    }
    if let Some(reason) = notes.get("drop") {
        paint.put(out, Ink::Bad, &format_args!(" dropped {reason}"));
    }
    if let Some(rule) = notes.get("rule") {
        paint.put(out, Ink::Faint, &format_args!(" by {rule}"));
    }
    if let Some(src) = notes.get("src") {
        paint.put(out, Ink::Faint, &format_args!(" at {src}"));
    }
}

/// A line below: what is inside TLS.
pub(super) fn put_inside(out: &mut String, line: &str, paint: Paint) {
    out.push_str("\n\t");
    paint.put(out, Ink::Application, &line);
}

/// `-- l4-tcp: LISTEN -> SYN-RECEIVED <- #1 (10.77.0.2:80 10.77.0.1:41000)`.
pub(super) fn put_event(out: &mut String, event: &Event, paint: Paint) {
    let owner = event.get("SYSLOG_IDENTIFIER").unwrap_or("journal");
    paint.put(out, Ink::Faint, &format_args!("-- {owner}: "));
    let ink = match event.get("NET_EVENT") {
        Some("state") => Ink::State,
        Some("lost" | "spurious" | "closed") => Ink::Bad,
        Some(_) | None => Ink::None,
    };
    paint.put(out, ink, &event.message());
    if let Some(cause) = event.get("NET_CAUSE") {
        let cause = crate::shown_cause(cause);
        paint.put(out, Ink::Faint, &format_args!(" <- {cause}"));
    }
    if let Some(conn) = event.get("NET_CONN") {
        paint.put(out, Ink::Faint, &format_args!(" ({conn})"));
    }
}
