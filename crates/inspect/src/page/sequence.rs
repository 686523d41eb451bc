//! Sequence numbers over time, in the words of tcptrace.
//!
//! Job: what the busier end sent, what was acknowledged of it, and how far it was allowed to go.
//! Owns: scales and ticks. Does not know: why; the ladder says.
//! Source: tcptrace's time-sequence graphs: segments as arrows, a diamond where PSH is set, the acknowledgments' and
//! the window's stairs, SACK as bars, 3 at the third duplicate ACK. Where tcptrace has R for all that is sent again, the
//! stack's own word tells F (fast retransmit), R (timeout) and T (tail loss probe) apart.

use super::chart::{HEIGHT, RIGHT, Scale, WIDTH, axes, float};
use super::markup::{Markup, put};
use crate::dissect::Flags;
use crate::story::{Packet, Segment, Story, Thread};

/// So many duplicates of an acknowledgment mean a loss (RFC 5681 3.2).
const DUPLICATES: u32 = 3;

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
        "</svg><p class=legend><span><i class=seg></i>segment (◆ PSH)</span> \
         <span><i class=again></i>sent again: <b>R</b> timeout, <b>F</b> fast, <b>T</b> tail probe</span> \
         <span><i class=bad></i>dropped or lost</span> <span><i class=ack></i>acknowledged, <b>3</b> third duplicate</span> \
         <span><i class=win></i>window’s end</span> <span><i class=sack></i>SACK</span></p></section>"
    );
}

/// Acknowledgments and the window's end as stairs; SACK blocks as bars.
fn feedback<'a>(
    page: &mut Markup,
    scale: &Scale,
    segments: impl Iterator<Item = &'a (&'a Packet, &'a Segment)>,
) {
    let (mut acks, mut windows) = (String::new(), String::new());
    // The last acknowledgment and how often it was repeated.
    let (mut last, mut repeated) = (None, 0);
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
        let duplicate = last == Some(ack) && segment.payload == 0;
        repeated = if duplicate { repeated + 1 } else { 0 };
        last = Some(ack);
        if repeated == DUPLICATES {
            put!(
                page,
                "<text class=third x={:.1} y={:.1}>3</text>",
                x - 9.0,
                y - 3.0
            );
        }
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
    if segment.flags.has(Flags::PSH) {
        put!(
            page,
            "<path class=psh d=\"M{x:.1} {:.1}l3 3l-3 3l-3 -3z\"/>",
            high - 3.0
        );
    }
    let (class, mark) = match (again(packet), segment.flags) {
        (Some(letter), _) => ("", letter),
        (None, flags) if flags.has(Flags::SYN) => ("flag", "SYN"),
        (None, flags) if flags.has(Flags::FIN) => ("flag", "FIN"),
        (None, _) => ("", ""),
    };
    if !mark.is_empty() {
        let (x, y) = (x + 6.0, high + 4.0);
        put!(
            page,
            "<text class=\"{class}\" x={x:.1} y={y:.1}>{mark}</text>"
        );
    }
    put!(page, "</a>");
}

/// The letter of what is sent again.
fn again(packet: &Packet) -> Option<&'static str> {
    if !packet.again {
        return None;
    }
    Some(match packet.note("why") {
        Some("fast-retransmit") => "F",
        Some("tail-loss-probe") => "T",
        // In captures of others nobody says which: tcptrace's letter.
        Some(_) | None => "R",
    })
}
