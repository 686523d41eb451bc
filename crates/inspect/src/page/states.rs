//! The state diagram of TCP, with the way a connection took.
//!
//! Job: the eleven states and the RFC's edges between them, lit and numbered where they were walked.
//! Owns: where each state stands. Does not know: TCP; the events say.
//! Source: RFC 9293 3.3.2, Figure 5.

use super::markup::{Markup, Text, put};
use crate::story::{Event, Packet, Story, Thread, causing};

/// Half of a state's box.
const HALF: (i32, i32) = (52, 13);

/// States and their middles.
const STATES: [(&str, i32, i32); 11] = [
    ("CLOSED", 230, 24),
    ("LISTEN", 230, 92),
    ("SYN-RECEIVED", 92, 162),
    ("SYN-SENT", 368, 162),
    ("ESTABLISHED", 230, 232),
    ("FIN-WAIT-1", 92, 302),
    ("CLOSE-WAIT", 368, 302),
    ("FIN-WAIT-2", 70, 384),
    ("CLOSING", 230, 384),
    ("LAST-ACK", 368, 384),
    ("TIME-WAIT", 230, 452),
];

/// Where CLOSED stands a second time, as in the figure: the end.
const END: (i32, i32) = (368, 452);

/// The figure's edges.
const EDGES: [(&str, &str); 20] = [
    ("CLOSED", "LISTEN"),
    ("LISTEN", "CLOSED"),
    ("CLOSED", "SYN-SENT"),
    ("SYN-SENT", "CLOSED"),
    ("LISTEN", "SYN-RECEIVED"),
    ("SYN-RECEIVED", "LISTEN"),
    ("LISTEN", "SYN-SENT"),
    ("SYN-SENT", "SYN-RECEIVED"),
    ("SYN-SENT", "ESTABLISHED"),
    ("SYN-RECEIVED", "ESTABLISHED"),
    ("SYN-RECEIVED", "FIN-WAIT-1"),
    ("ESTABLISHED", "FIN-WAIT-1"),
    ("ESTABLISHED", "CLOSE-WAIT"),
    ("FIN-WAIT-1", "FIN-WAIT-2"),
    ("FIN-WAIT-1", "CLOSING"),
    ("CLOSE-WAIT", "LAST-ACK"),
    ("FIN-WAIT-2", "TIME-WAIT"),
    ("CLOSING", "TIME-WAIT"),
    ("LAST-ACK", "CLOSED"),
    ("TIME-WAIT", "CLOSED"),
];

/// A step of the way.
struct Walked<'a> {
    from: &'a str,
    to: &'a str,
    /// What it is numbered with.
    badge: String,
    /// The packet it belongs to, as a class.
    class: String,
}

/// Draws the diagram of a connection, if our end told its states.
pub(super) fn draw(page: &mut Markup, story: &Story, (index, thread): (usize, &Thread)) {
    let events = story.events_of(thread);
    let walked: Vec<_> = events
        .filter_map(|event| walk(story, thread, event))
        .collect();
    if walked.is_empty() {
        return;
    }
    put!(
        page,
        "<section class=\"card states\" data-c={index}><h2>States <span class=letter>{}</span></h2>\
         <svg viewBox=\"0 0 460 492\" role=img aria-label=\"TCP state diagram; the way is listed below\">",
        thread.name
    );
    for (from, to) in EDGES {
        edge(page, (from, to), "edge", "");
    }
    for step in &walked {
        edge(page, (step.from, step.to), "edge lit", &step.class);
    }
    for (name, x, y) in STATES {
        let touched =
            |step: &Walked<'_>| step.from == name || step.to == name && !ends(step.from, step.to);
        node(page, name, (x, y), walked.iter().any(touched));
    }
    let ended = walked.iter().any(|step| ends(step.from, step.to));
    node(page, "CLOSED", END, ended);
    for step in &walked {
        badge(page, step);
    }
    put!(page, "</svg><ol class=way>");
    for step in &walked {
        put!(
            page,
            "<li class=\"{}\">{} → {} <small>{}</small>",
            step.class,
            Text(step.from),
            Text(step.to),
            Text(&step.badge)
        );
    }
    put!(page, "</ol></section>");
}

fn node(page: &mut Markup, name: &str, (x, y): (i32, i32), lit: bool) {
    put!(
        page,
        "<g class=\"node{}\" data-s={name}><rect x={} y={} width={} height={} rx=13 />\
         <text class=mid x={x} y={}>{name}</text></g>",
        if lit { " lit" } else { "" },
        x - HALF.0,
        y - HALF.1,
        2 * HALF.0,
        2 * HALF.1,
        y + 4
    );
}

fn walk<'a>(story: &'a Story, thread: &Thread, event: &'a Event) -> Option<Walked<'a>> {
    let (from, to) = event.change.as_ref()?;
    let cause = event.cause.as_deref().unwrap_or_default();
    let packet = causing(cause);
    let same = |packet: &&Packet| Some(packet.id) == causing(cause);
    let class = story.packets_of(thread).find(same);
    Some(Walked {
        from,
        to,
        badge: packet.map_or_else(|| cause.to_owned(), |id| format!("#{id}")),
        class: class.map(|packet| packet.key.clone()).unwrap_or_default(),
    })
}

fn place(name: &str) -> Option<(i32, i32)> {
    let (_, x, y) = STATES.iter().find(|(state, _, _)| *state == name)?;
    Some((*x, *y))
}

/// The points of an edge: out of one box, into the other, beside the edge of the other direction.
fn line(from: &str, to: &str) -> Option<[(i32, i32); 2]> {
    let far = ends(from, to);
    // From the middle of the picture the way to the end would cross others: it is listed, not drawn.
    if far && !matches!(from, "LAST-ACK" | "TIME-WAIT") {
        return None;
    }
    let (x1, y1) = place(from)?;
    let (x2, y2) = if far { END } else { place(to)? };
    let down = y2 > y1;
    // The two directions of a pair do not lie on each other.
    let shift = if down { 8 } else { -8 };
    if y1 == y2 {
        let (a, b) = if x2 > x1 {
            (HALF.0, -HALF.0)
        } else {
            (-HALF.0, HALF.0)
        };
        return Some([(x1 + a, y1), (x2 + b, y2)]);
    }
    let lean = |x: i32, other: i32| x + (other - x).clamp(-34, 34);
    let (a, b) = if down {
        (HALF.1, -HALF.1)
    } else {
        (-HALF.1, HALF.1)
    };
    Some([
        (lean(x1, x2) + shift, y1 + a),
        (lean(x2, x1) + shift, y2 + b),
    ])
}

fn edge(page: &mut Markup, (from, to): (&str, &str), class: &str, packet: &str) {
    let Some([(x1, y1), (x2, y2)]) = line(from, to) else {
        return;
    };
    let (dx, dy) = (f64::from(x2 - x1), f64::from(y2 - y1));
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let (x, y) = (f64::from(x2), f64::from(y2));
    let corner = |side: f64| (x - 8.0 * ux - side * uy, y - 8.0 * uy + side * ux);
    let ((ax, ay), (bx, by)) = (corner(3.5), corner(-3.5));
    put!(
        page,
        "<g class=\"{class} {packet}\"><path d=\"M{x1} {y1}L{x2} {y2}\"/>\
         <path class=tip d=\"M{x2} {y2}L{ax:.1} {ay:.1}L{bx:.1} {by:.1}z\"/></g>"
    );
}

/// Whether an edge leads to the second CLOSED.
fn ends(from: &str, to: &str) -> bool {
    to == "CLOSED" && !matches!(from, "LISTEN" | "SYN-SENT")
}

fn badge(page: &mut Markup, step: &Walked<'_>) {
    let Some([(x1, y1), (x2, y2)]) = line(step.from, step.to) else {
        return;
    };
    // A level edge has room for words below it only.
    let below = if y1 == y2 { 25 } else { 0 };
    let (x, y) = (x1.midpoint(x2), y1.midpoint(y2) + below);
    let letters = i32::try_from(step.badge.chars().count())
        .unwrap_or(8)
        .min(20);
    let half = 4 + letters * 3;
    put!(
        page,
        "<g class=\"badge {}\"><rect x={} y={} width={} height=16 rx=8 /><text class=mid x={x} y={}>{}</text></g>",
        step.class,
        x - half,
        y - 8,
        2 * half,
        y + 4,
        Text(&step.badge)
    );
}
