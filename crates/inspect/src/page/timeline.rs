//! The whole capture on one axis: a lane a conversation, a tick a packet.
//!
//! Job: show when something happened at all, and carry the cursor. Owns: the lanes.
//! Does not know: what a packet holds. The script turns a click into the nearest packet.

use core::fmt::Write as _;
use core::time::Duration;

use super::chart::ticks;
use super::markup::{Markup, put};
use crate::story::{Packet, Story, Thread};

/// Lanes drawn.
const LANES_MAX: usize = 40;
/// Width of a lane's own coordinates.
const WIDTH: f64 = 1000.0;

/// Draws the lanes.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    let (Some(first), Some(last)) = (story.packets.first(), story.packets.last()) else {
        return;
    };
    let span = last.at.saturating_sub(first.at).as_secs_f64().max(1e-6);
    put!(
        page,
        "<section id=timeline data-from={} data-span={span:.9}><h2>Time <small>every packet; click to go there</small></h2>\
         <div class=lanes>",
        first.at.as_secs_f64()
    );
    for (index, thread) in story.threads.iter().enumerate().take(LANES_MAX) {
        lane(page, story, (index, thread), (first.at, span));
    }
    put!(
        page,
        "<span></span><svg class=scale viewBox=\"0 0 1000 16\" preserveAspectRatio=none aria-hidden=true>"
    );
    let (unit, factor) = if span < 1.0 { ("ms", 1e3) } else { ("s", 1.0) };
    let mut figures = String::new();
    for tick in ticks(span * factor) {
        let x = tick / factor / span;
        put!(page, "<path d=\"M{:.1} 0v5\"/>", x * WIDTH);
        // Writing to a String cannot fail.
        let _infallible = write!(
            figures,
            "<i style=\"left:{:.2}%\">{}</i>",
            x * 100.0,
            (tick * 1e6).round() / 1e6
        );
    }
    put!(
        page,
        "</svg><span class=unit>{unit}</span><div class=figures>{figures}</div></div>"
    );
    if story.threads.len() > LANES_MAX {
        put!(
            page,
            "<p class=note>The first {LANES_MAX} of {} conversations.</p>",
            story.threads.len()
        );
    }
    put!(page, "</section>");
}

fn lane(
    page: &mut Markup,
    story: &Story,
    (index, thread): (usize, &Thread),
    (start, span): (Duration, f64),
) {
    let mut paths = [
        ("in", String::new()),
        ("out", String::new()),
        ("bad", String::new()),
    ];
    for packet in story.packets_of(thread) {
        let x = packet.at.saturating_sub(start).as_secs_f64() / span * WIDTH;
        let (place, y) = match packet {
            Packet { lost: true, .. } => (2, 2),
            packet if packet.note("drop").is_some() || packet.again => (2, 2),
            Packet { inbound: true, .. } => (0, 2),
            Packet { .. } => (1, 12),
        };
        if let Some((_, path)) = paths.get_mut(place) {
            let _infallible = write!(path, "M{x:.1} {y}v{}", if place == 2 { 18 } else { 8 });
        }
    }
    put!(
        page,
        "<a class=letter href=\"#c{index}\">{}</a><svg class=lane data-c={index} viewBox=\"0 0 1000 22\" \
         preserveAspectRatio=none role=img aria-label=\"When the packets of conversation {0} passed\">",
        thread.name
    );
    for (class, path) in paths {
        if !path.is_empty() {
            put!(page, "<path class={class} d=\"{path}\"/>");
        }
    }
    put!(page, "</svg>");
}
