//! A capture too long to draw packet by packet.
//!
//! Job: hand every packet's figures to the script, which draws them on a canvas. Owns: how they are packed.
//! Does not know: the drawing. Without the script, the packets drawn in detail and the sums are all there is.
//!
//! Packed are whole numbers only, column by column, each as the difference to the one before it: a packet takes some
//! twenty bytes, and nothing that came out of a packet's payload is among them.

use core::fmt::Write as _;

use super::markup::{Markup, put};
use super::words::grouped;
use crate::story::{PACKETS_MAX, POINTS_MAX, Point, Story};

/// Packets of a long capture drawn in detail.
pub(super) const DETAIL_MAX: usize = 500;
/// Conversations to choose from: those with the most packets.
const CHOICE_MAX: usize = 40;
/// A version of the columns, for whoever reads them.
const SCHEMA: u32 = 1;

/// Whether the canvas is needed.
pub(super) const fn is_large(story: &Story) -> bool {
    story.total > PACKETS_MAX
}

/// Draws the canvas' frame, with the figures.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    let mut choice: Vec<(usize, Vec<&Point>)> = (0..story.threads.len())
        .map(|index| (index, Vec::new()))
        .collect();
    for point in &story.points {
        if let Some((_, points)) = choice.get_mut(point.thread) {
            points.push(point);
        }
    }
    choice.sort_by_key(|(index, points)| (core::cmp::Reverse(points.len()), *index));
    choice.truncate(CHOICE_MAX);
    put!(
        page,
        "<section id=large><h2>All {} packets <small>wheel or + − to zoom, drag or arrows to move, point to read</small></h2>\
         <noscript><p class=note>These two plots need the page’s own script; the packets below do not.</p></noscript>\
         <p class=choice><label>Conversation <select>",
        grouped(story.points.len() as u64)
    );
    for (place, (index, points)) in choice.iter().enumerate() {
        let name = story.threads.get(*index).map_or("", |thread| &thread.name);
        put!(
            page,
            "<option value={place}>{name}: {} packets",
            grouped(points.len() as u64)
        );
    }
    put!(
        page,
        "</select></label> <button type=button data-zoom=0.5 aria-label=\"zoom in\">+</button>\
         <button type=button data-zoom=2 aria-label=\"zoom out\">−</button>\
         <button type=button data-zoom=0>all</button></p>\
         <canvas tabindex=0 role=img aria-label=\"Sequence numbers and windows over time, of every packet\"></canvas>\
         <output class=m></output><p class=legend><span><i class=seg></i>segment</span> <span><i class=peer></i>of the other \
         end</span> <span><i class=again></i>sent again</span> <span><i class=bad></i>dropped</span> <span><i class=ack></i>\
         acknowledged</span> <span><i class=f-cwnd></i>congestion window</span> <span><i class=f-inflight></i>in flight</span>\
         </p>"
    );
    let kept = story.packets.first().map_or(0, |packet| packet.id);
    let last = story.packets.last().map_or(0, |packet| packet.id);
    put!(
        page,
        "<script type=application/json id=points>{{\"schema\":{SCHEMA},\"detail\":[{kept},{last}],\"talks\":["
    );
    for (place, (_, points)) in choice.iter().enumerate() {
        put!(page, "{}", if place > 0 { "," } else { "" });
        columns(page, points);
    }
    put!(page, "]}}</script>");
    if story.total > POINTS_MAX {
        put!(
            page,
            "<p class=note>Of {} packets the first {} are plotted.</p>",
            grouped(story.total as u64),
            grouped(POINTS_MAX as u64)
        );
    }
    put!(page, "</section>");
}

/// A column: its name and its value of a packet.
type Column = (&'static str, fn(&Point) -> i64);

fn columns(page: &mut Markup, points: &[&Point]) {
    let columns: [Column; 8] = [
        ("id", |p| i64::try_from(p.id).unwrap_or(i64::MAX)),
        ("us", |p| {
            i64::try_from(p.at.as_micros()).unwrap_or(i64::MAX)
        }),
        ("kind", |p| {
            i64::from(p.inbound) | i64::from(p.again) << 1 | i64::from(p.dropped) << 2
        }),
        ("seq", |p| p.tcp.map_or(0, |tcp| tcp.seq)),
        ("len", |p| p.tcp.map_or(0, |tcp| tcp.end - tcp.seq)),
        ("ack", |p| p.tcp.and_then(|tcp| tcp.ack).unwrap_or(0)),
        ("cwnd", |p| i64::try_from(p.cwnd).unwrap_or(i64::MAX)),
        ("flight", |p| i64::try_from(p.inflight).unwrap_or(i64::MAX)),
    ];
    for (place, (name, value)) in columns.iter().enumerate() {
        let mut text = String::new();
        let mut last = 0;
        for (index, point) in points.iter().enumerate() {
            let now = value(point);
            let comma = if index > 0 { "," } else { "" };
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{comma}{}", now.wrapping_sub(last));
            last = now;
        }
        let open = if place == 0 { "{" } else { "," };
        put!(page, "{open}\"{name}\":[{text}]");
    }
    put!(page, "}}");
}
