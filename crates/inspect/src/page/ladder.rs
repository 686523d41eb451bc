//! The ladder: two lifelines a conversation, an arrow a packet, a reason under each of ours.
//!
//! Job: draw who said what to whom, when, in which state, and why. Owns: its geometry.
//! Does not know: where packets come from. The columns are narrow enough for a telephone.
//!
//! ```text
//!   x:   0    58 PEER                                    OURS 408  430
//!        #4   │ PSH ACK 1:80 ack 1 win 64256               │
//!   0.000285  │───────────────────────────────────────────▶│  ╮ cause
//!             │                        data ← app:write    │  ╯
//! ```

use core::time::Duration;
use std::collections::HashMap;

use super::markup::{Markup, Text, put};
use crate::shown_cause;
use crate::story::{Event, Packet, Step, Story, Thread, causing, seconds};

const WIDTH: u32 = 440;
const PEER: u32 = 64;
const OURS: u32 = 408;
/// Height of a packet without notes.
const ROW: u32 = 34;
const LINE: u32 = 13;
/// Letters that fit between the lifelines.
const LETTERS: usize = 54;
/// Silence longer than this is drawn.
const GAP: Duration = Duration::from_millis(100);
/// A cause further up than this is named only.
const ARC_MAX: u32 = 1_200;

/// Draws every conversation.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    put!(page, "<section id=ladder><h2>Ladder</h2>");
    put!(
        page,
        "<p class=legend><span><i class=in></i>to us</span> <span><i class=out></i>from us</span> \
         <span><i class=again></i>sent again</span> <span><i class=bad></i>reset; ✕ dropped or lost</span> \
         <span><b>◆</b> state</span> <span><b>⤸</b> cause</span></p>"
    );
    for (index, thread) in story.threads.iter().enumerate() {
        conversation(page, story, index, thread);
    }
    put!(page, "</section>");
}

/// Draws downwards, a row after the other.
struct Rows<'a> {
    page: Markup,
    y: u32,
    last: Option<Duration>,
    /// Where each packet's arrow is.
    places: HashMap<u64, u32>,
    state: Option<&'a str>,
}

fn conversation(page: &mut Markup, story: &Story, index: usize, thread: &Thread) {
    let mut rows = Rows {
        page: Markup::default(),
        y: 34,
        last: None,
        places: HashMap::new(),
        state: None,
    };
    for step in &thread.steps {
        match step {
            Step::Packet(at) => {
                if let Some(packet) = story.packets.get(*at) {
                    rows.gap(packet.at);
                    rows.packet(packet);
                }
            }
            Step::Event(at) => {
                if let Some(event) = story.events.get(*at) {
                    rows.gap(event.at);
                    rows.event(event);
                }
            }
        }
    }
    let height = rows.y + 14;
    let ours = if thread.known { "this stack" } else { "" };
    put!(
        page,
        "<article id=c{index} data-c={index}><h3><span class=letter>{}</span> {} <small>{}</small></h3>\
         <svg class=ladder viewBox=\"0 0 {WIDTH} {height}\" role=group aria-label=\"Ladder of conversation {}\">\
         <text class=end x={} y=12>{}</text><text class=\"end r\" x={} y=12>{}</text>\
         <path class=life d=\"M{PEER} 20V{height}M{OURS} 20V{height}\"/>",
        thread.name,
        Text(&thread.talk),
        ours,
        thread.name,
        PEER - 6,
        Text(&thread.peer),
        OURS + 6,
        Text(&thread.ours)
    );
    put!(page, "{}</svg></article>", rows.page.into_string());
}

impl<'a> Rows<'a> {
    fn gap(&mut self, at: Duration) {
        let silence = at.saturating_sub(self.last.unwrap_or(at));
        self.last = Some(at);
        if silence < GAP {
            return;
        }
        let text = match silence.as_secs() {
            0 => format!("{} ms later", silence.as_millis()),
            1..60 => format!("{:.2} s later", silence.as_secs_f64()),
            long => format!("{} min {} s later", long / 60, long % 60),
        };
        let (y, middle) = (self.y, PEER.midpoint(OURS));
        put!(
            self.page,
            "<path class=gap d=\"M{PEER} {y}v22M{OURS} {y}v22\"/><text class=\"later mid\" x={middle} y={}>{text}</text>",
            y + 15
        );
        self.y += 22;
    }

    fn packet(&mut self, packet: &'a Packet) {
        let drop = packet.note("drop");
        let reset = packet.label.starts_with("RST");
        let gone = drop.is_some() || packet.lost;
        let kind = match (gone || reset, packet.again, packet.inbound) {
            (true, _, _) => "bad",
            (_, true, _) => "again",
            (_, _, true) => "in",
            (_, _, false) => "out",
        };
        let notes = notes(packet, self.state);
        self.state = packet.note("state").or(self.state);
        let lines = u32::try_from(notes.len()).unwrap_or(0);
        let (top, height) = (self.y, ROW + lines * LINE);
        let key = &packet.key;
        put!(
            self.page,
            "<a href=\"#{key}\" class=\"row {key} {kind}\" data-k={key}><title>{}</title>\
             <rect x=0 y={top} width={WIDTH} height={height} rx=3 />\
             <text class=id x=4 y={}>#{}</text><text class=time x=4 y={}>{}</text>",
            Text(title(packet)),
            top + 14,
            packet.id,
            top + 27,
            seconds(packet.at)
        );
        self.arrow(packet, drop);
        self.cause(packet);
        self.places.insert(packet.id, top + 24);
        for ((class, text), line) in notes.iter().zip(1..) {
            let (x, side) = if *class == "http" && packet.inbound {
                (PEER + 8, "")
            } else {
                (OURS - 8, " r")
            };
            put!(
                self.page,
                "<text class=\"{class}{side}\" x={x} y={}>{}</text>",
                top + 26 + line * LINE,
                Text(short(text))
            );
        }
        put!(self.page, "</a>");
        self.y += height;
    }

    /// The arrow and the words on it. A lost packet's ends in an x.
    fn arrow(&mut self, packet: &Packet, drop: Option<&str>) {
        let y = self.y + 22;
        let dropped = drop.is_some_and(|why| !packet.inbound || why.starts_with("link:"));
        let on_the_way = packet.lost || dropped;
        let (from, to, back) = match (packet.inbound, on_the_way) {
            (true, false) => (PEER + 1, OURS - 2, OURS - 10),
            (true, true) => (PEER + 1, OURS - 110, OURS - 118),
            (false, false) => (OURS - 1, PEER + 2, PEER + 10),
            (false, true) => (OURS - 1, PEER + 110, PEER + 118),
        };
        let (x, side) = if packet.inbound {
            (PEER + 8, "")
        } else {
            (OURS - 8, " r")
        };
        put!(
            self.page,
            "<text class=\"label{side}\" x={x} y={}>{}</text><path class=shaft d=\"M{from} {y}L{to} {}\"/>",
            self.y + 15,
            Text(short(&packet.label)),
            y + 4
        );
        let (y, up, down) = (y + 4, y, y + 8);
        match drop.is_some() || packet.lost {
            true => put!(
                self.page,
                "<path class=cross d=\"M{} {up}l8 8m0 -8l-8 8\"/>",
                to - 4
            ),
            false => put!(
                self.page,
                "<path class=tip d=\"M{to} {y}L{back} {up}V{down}z\"/>"
            ),
        }
    }

    /// An arc from what caused the packet.
    fn cause(&mut self, packet: &Packet) {
        let to = self.y + 24;
        let cause = packet.note("cause").and_then(causing);
        let Some(from) = cause.and_then(|id| self.places.get(&id).copied()) else {
            return;
        };
        if to - from > ARC_MAX {
            return;
        }
        let out = OURS + 10 + ((to - from) / 20).min(20);
        put!(
            self.page,
            "<path class=arc d=\"M{} {from}C{out} {from} {out} {to} {} {to}m4 -3l-4 3l4 3\"/>",
            OURS + 4,
            OURS + 4
        );
    }

    fn event(&mut self, event: &Event) {
        let (mark, class) = match event.kind.as_str() {
            "state" => ("◆", "state"),
            "lost" | "spurious" => ("✕", "lost"),
            "closed" => ("■", "state"),
            "call" => ("▸", "quiet"),
            "timer-fired" => ("◷", "timer"),
            _ => ("•", "quiet"),
        };
        let y = self.y + 12;
        put!(
            self.page,
            "<g class=\"event {class}\"><text class=mid x={OURS} y={y}>{mark}</text>\
             <text class=r x={} y={y}>{}</text></g>",
            OURS - 10,
            Text(short(&event.text))
        );
        self.y += 18;
    }
}

/// The lines under an arrow.
fn notes<'a>(packet: &Packet, state: Option<&str>) -> Vec<(&'a str, String)> {
    let mut notes = Vec::new();
    for line in &packet.lines {
        notes.push(("http", line.clone()));
    }
    if let Some(reason) = packet.note("drop") {
        notes.push(("dropped", format!("✕ {reason}")));
    }
    if packet.lost {
        notes.push(("dropped", "✕ declared lost, later".to_owned()));
    }
    let mut why = packet.note("why").unwrap_or_default().to_owned();
    if why.is_empty() && packet.again {
        "seen before".clone_into(&mut why);
    }
    if let Some(cause) = packet.note("cause") {
        why.push_str(&format!(" ← {}", shown_cause(cause)));
    }
    if let Some(now) = packet.note("state").filter(|now| Some(*now) != state) {
        let dot = if why.is_empty() { "" } else { " · " };
        why.push_str(&format!("{dot}{now}"));
    }
    if !why.is_empty() {
        notes.push(("why", why));
    }
    notes
}

/// What hovering tells.
fn title(packet: &Packet) -> String {
    let mut text = format!("#{} {}", packet.id, packet.label);
    for key in ["why", "cause", "state", "drop", "src"] {
        if let Some(value) = packet.note(key) {
            text.push_str(&format!(" · {key} {value}"));
        }
    }
    if let Some(sentence) = &packet.sentence {
        text.push_str(&format!(" · {sentence}"));
    }
    text
}

fn short(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}
