//! Sequence numbers over time, in the words of tcptrace.
//!
//! Job: what the busier end sent, what was acknowledged of it, and how far it was allowed to go.
//! Owns: scales and ticks. Does not know: why; the ladder says.
//! Source: tcptrace's time-sequence graphs (segment, acknowledgment, window, SACK, R for sent again).

use super::markup::{Markup, put};
use super::model::{Packet, Segment, Story, Thread};
use crate::dissect::Flags;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 14.0;

/// Time and sequence numbers to places.
struct Scale {
    start: f64,
    time: f64,
    top: f64,
}

impl Scale {
    fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.start) / self.time * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, seq: f64) -> f64 {
        // The window may go far beyond what is sent: it leaves the picture at the top.
        let part = (seq / self.top).clamp(0.0, 1.03);
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on a picture")]
const fn float(number: i64) -> f64 {
    number as f64
}

/// Draws the plot of a connection, if it carried data.
pub(super) fn draw(page: &mut Markup, story: &Story, (index, thread): (usize, &Thread)) {
    let segments: Vec<(&Packet, &Segment)> = story
        .packets_of(thread)
        .filter_map(|packet| Some((packet, packet.segment.as_ref()?)))
        .collect();
    let bytes = |inbound: bool| -> usize {
        let same = segments.iter().filter(|(p, _)| p.inbound == inbound);
        same.map(|(_, segment)| segment.payload).sum()
    };
    let inbound = bytes(true) > bytes(false);
    if bytes(inbound) == 0 {
        return;
    }
    let times = || segments.iter().map(|(packet, _)| packet.at.as_secs_f64());
    let start = times().fold(f64::INFINITY, f64::min);
    let end = times().fold(start, f64::max);
    let sent = segments.iter().filter(|(p, _)| p.inbound == inbound);
    let top = sent.map(|(_, s)| s.relative.end).max().unwrap_or(1).max(1);
    let scale = Scale {
        start,
        time: ((end - start) * 1.03).max(1e-6),
        top: float(top) * 1.05,
    };
    let who = if inbound { "the peer" } else { "this end" };
    put!(
        page,
        "<section class=\"card plot\" data-c={index}><h2>Sequence over time <span class=letter>{}</span> \
         <small>of what {who} sent</small></h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img \
         aria-label=\"Time-sequence plot; its facts are in the list of packets\">",
        thread.name
    );
    axes(page, &scale);
    feedback(
        page,
        &scale,
        segments.iter().filter(|(p, _)| p.inbound != inbound),
    );
    for (packet, segment) in segments.iter().filter(|(p, _)| p.inbound == inbound) {
        data(page, &scale, packet, segment);
    }
    put!(
        page,
        "</svg><p class=legend><span><i class=seg></i>segment</span> <span><i class=again></i>R: sent again</span> \
         <span><i class=bad></i>dropped or lost</span> <span><i class=ack></i>acknowledged</span> \
         <span><i class=win></i>window’s end</span> <span><i class=sack></i>SACK</span></p></section>"
    );
}

fn axes(page: &mut Markup, scale: &Scale) {
    let (base, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for seq in ticks(scale.top) {
        let y = scale.y(seq);
        put!(
            page,
            "<path class=grid d=\"M{LEFT} {y:.1}H{right}\"/><text class=r x={} y={:.1}>{seq}</text>",
            LEFT - 6.0,
            y + 3.5
        );
    }
    let (unit, factor) = if scale.time < 1.0 {
        ("ms", 1e3)
    } else {
        ("s", 1.0)
    };
    for time in ticks(scale.time * factor) {
        let x = scale.x(scale.start + time / factor);
        // As many digits as steps need.
        let text = (time * 1e6).round() / 1e6;
        put!(
            page,
            "<path class=grid d=\"M{x:.1} {TOP}V{base}\"/><text class=mid x={x:.1} y={}>{text}</text>",
            base + 14.0
        );
    }
    put!(
        page,
        "<path class=axis d=\"M{LEFT} {TOP}V{base}H{right}\"/>\
         <text class=\"r axisname\" x={right} y={}>{unit} since its first packet</text>",
        HEIGHT - 6.0
    );
}

/// Round numbers from zero up to `end`, five or so.
fn ticks(end: f64) -> Vec<f64> {
    let rough = end / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    (0..7u32)
        .map(|count| f64::from(count) * step)
        .filter(|tick| *tick <= end)
        .collect()
}

/// Acknowledgments and the window's end as stairs; SACK blocks as bars.
fn feedback<'a>(
    page: &mut Markup,
    scale: &Scale,
    segments: impl Iterator<Item = &'a (&'a Packet, &'a Segment)>,
) {
    let (mut acks, mut windows) = (String::new(), String::new());
    for (packet, segment) in segments {
        let Some(ack) = segment
            .relative
            .ack
            .filter(|_| !segment.flags.has(Flags::RST))
        else {
            continue;
        };
        let x = scale.x(packet.at.as_secs_f64());
        for (stairs, seq) in [
            (&mut acks, ack),
            (&mut windows, ack + i64::from(segment.relative.window)),
        ] {
            let y = scale.y(float(seq));
            stairs.push_str(&if stairs.is_empty() {
                format!("M{x:.1} {y:.1}")
            } else {
                format!("H{x:.1}V{y:.1}")
            });
        }
        for (left, right) in &segment.relative.sack {
            let (low, high) = (scale.y(float(*left)), scale.y(float(*right)));
            put!(
                page,
                "<path class=\"sack {}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>",
                packet.key
            );
        }
        let y = scale.y(float(ack));
        put!(
            page,
            "<a href=\"#{0}\"><circle class=\"ackdot {0}\" data-k={0} cx={x:.1} cy={y:.1} r=2.5><title>#{1} ack {ack}</title>\
             </circle></a>",
            packet.key,
            packet.id
        );
    }
    let right = WIDTH - RIGHT;
    for (class, mut stairs) in [("win", windows), ("ack", acks)] {
        if !stairs.is_empty() {
            stairs.push_str(&format!("H{right}"));
            put!(page, "<path class={class} d=\"{stairs}\"/>");
        }
    }
}

/// A segment: from its first to its last sequence number.
fn data(page: &mut Markup, scale: &Scale, packet: &Packet, segment: &Segment) {
    let Segment { relative, .. } = segment;
    if relative.end == relative.seq {
        return;
    }
    let x = scale.x(packet.at.as_secs_f64());
    let (low, high) = (scale.y(float(relative.seq)), scale.y(float(relative.end)));
    let kind = match (packet.lost || packet.note("drop").is_some(), packet.again) {
        (true, _) => "bad",
        (false, true) => "again",
        (false, false) => "seg",
    };
    put!(
        page,
        "<a href=\"#{0}\" class=\"{kind} {0}\" data-k={0}><title>#{1} {2}:{3}</title>\
         <path d=\"M{x:.1} {low:.1}V{high:.1}m-3 0h6M{4:.1} {low:.1}h6\"/>",
        packet.key,
        packet.id,
        relative.seq,
        relative.end,
        x - 3.0
    );
    if packet.again {
        put!(page, "<text x={:.1} y={:.1}>R</text>", x + 5.0, high + 4.0);
    }
    put!(page, "</a>");
}
