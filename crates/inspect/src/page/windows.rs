//! What the sender was allowed, and what held it back.
//!
//! Job: congestion window, slow start threshold, flight and the peer's window over time, on ground shaded by the limit.
//! Owns: the colours of the limits. Does not know: how a limit comes about; the stack said so with each packet.

use core::fmt::Write as _;

use super::chart::{HEIGHT, RIGHT, Scale, WIDTH, axes, float};
use super::markup::{Markup, Text, put};
use crate::story::{Packet, Story, Thread};

/// The figures drawn: their key in the notes, their words.
const FIGURES: [(&str, &str); 4] = [
    ("rwnd", "peer’s window"),
    ("ssthresh", "slow start threshold"),
    ("inflight", "in flight"),
    ("cwnd", "congestion window"),
];

/// The limits shaded, in words. A segment's size holds nobody back: more follows at once.
const LIMITS: [(&str, &str); 7] = [
    ("app", "program wrote no more"),
    ("rwnd", "peer’s window full"),
    ("cwnd", "congestion window full"),
    ("pacing", "pacing"),
    ("nagle", "Nagle or cork"),
    ("sws", "silly window avoided"),
    ("recovery", "loss recovery first"),
];

/// A packet with the figures the stack noted beside it.
struct Sample<'a> {
    packet: &'a Packet,
    at: f64,
    /// In the order of [`FIGURES`].
    figures: [Option<i64>; 4],
}

/// Draws the plot of a connection, if our end noted figures.
pub(super) fn draw(page: &mut Markup, story: &Story, (index, thread): (usize, &Thread)) {
    let samples: Vec<_> = story.packets_of(thread).filter_map(sample).collect();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return;
    };
    let Some(top) = top(&samples) else {
        return;
    };
    let scale = Scale {
        start: first.at,
        time: ((last.at - first.at) * 1.03).max(1e-6),
        top: float(top) * 1.1,
    };
    put!(
        page,
        "<section class=\"card plot windows\" data-c={index}><h2>Windows over time <span class=letter>{}</span> \
         <small>bytes, of our sender</small></h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img \
         aria-label=\"Congestion window, flight and limits over time; the figures are with each packet\">",
        thread.name
    );
    let spells = spells(&samples);
    shade(page, &scale, &spells);
    axes(page, &scale);
    for (place, (key, _)) in FIGURES.iter().enumerate() {
        stairs(page, &scale, &samples, (place, key));
    }
    for sample in &samples {
        dot(page, &scale, sample);
    }
    put!(page, "</svg>");
    legend(page, &spells, last.at - first.at);
    put!(page, "</section>");
}

fn sample(packet: &Packet) -> Option<Sample<'_>> {
    let figures = FIGURES.map(|(key, _)| packet.note(key).and_then(|value| value.parse().ok()));
    let [.., cwnd] = figures;
    cwnd.filter(|cwnd| *cwnd > 0)?;
    Some(Sample {
        packet,
        at: packet.at.as_secs_f64(),
        figures,
    })
}

/// The largest window or flight; a threshold or a peer's window may go far beyond, and leaves the picture.
fn top(samples: &[Sample<'_>]) -> Option<i64> {
    let largest = samples.iter().flat_map(|sample| {
        let [_, _, inflight, cwnd] = sample.figures;
        [inflight, cwnd]
    });
    largest.flatten().max().filter(|top| *top > 0)
}

/// What held the sender, from when until when.
struct Spell<'a> {
    limit: &'a str,
    from: f64,
    until: f64,
}

fn spells<'a>(samples: &[Sample<'a>]) -> Vec<Spell<'a>> {
    let mut spells: Vec<Spell<'a>> = Vec::new();
    for sample in samples {
        let Some(limit) = sample.packet.note("lim") else {
            continue;
        };
        if let Some(last) = spells.last_mut() {
            last.until = sample.at;
            if last.limit == limit {
                continue;
            }
        }
        let (from, until) = (sample.at, sample.at);
        spells.push(Spell { limit, from, until });
    }
    if let (Some(spell), Some(sample)) = (spells.last_mut(), samples.last()) {
        spell.until = sample.at;
    }
    spells.retain(|spell| known(spell.limit).is_some());
    spells
}

fn known(limit: &str) -> Option<&'static str> {
    let mut limits = LIMITS.iter();
    limits
        .find(|(name, _)| *name == limit)
        .map(|(_, words)| *words)
}

fn shade(page: &mut Markup, scale: &Scale, spells: &[Spell<'_>]) {
    for spell in spells {
        let (left, right) = (scale.x(spell.from), scale.x(spell.until));
        put!(
            page,
            "<rect class=\"lim lim-{}\" x={left:.1} y={:.1} width={:.1} height={:.1}><title>{}</title></rect>",
            Text(spell.limit),
            scale.y(scale.top),
            (right - left).max(0.4),
            scale.y(0.0) - scale.y(scale.top),
            known(spell.limit).unwrap_or_default()
        );
    }
}

fn stairs(page: &mut Markup, scale: &Scale, samples: &[Sample<'_>], (place, key): (usize, &str)) {
    let mut path = String::new();
    for sample in samples {
        let Some(value) = sample.figures.get(place).copied().flatten() else {
            continue;
        };
        let (x, y) = (scale.x(sample.at), scale.y(float(value)));
        // Writing to a String cannot fail.
        let _infallible = if path.is_empty() {
            write!(path, "M{x:.1} {y:.1}")
        } else {
            write!(path, "H{x:.1}V{y:.1}")
        };
    }
    if !path.is_empty() {
        put!(page, "<path class=f-{key} d=\"{path}H{}\"/>", WIDTH - RIGHT);
    }
}

fn dot(page: &mut Markup, scale: &Scale, sample: &Sample<'_>) {
    let [_, _, _, Some(cwnd)] = sample.figures else {
        return;
    };
    let packet = sample.packet;
    put!(
        page,
        "<a href=\"#{0}\"><circle class=\"cwnddot {0}\" data-k={0} cx={1:.1} cy={2:.1} r=2.2><title>#{3} cwnd {cwnd}",
        packet.key,
        scale.x(sample.at),
        scale.y(float(cwnd)),
        packet.id
    );
    for key in ["inflight", "ssthresh", "lim"] {
        if let Some(value) = packet.note(key) {
            put!(page, ", {key} {}", Text(value));
        }
    }
    put!(page, "</title></circle></a>");
}

/// What the lines are, and how the time divided.
fn legend(page: &mut Markup, spells: &[Spell<'_>], whole: f64) {
    put!(page, "<p class=legend>");
    for (key, words) in FIGURES.iter().rev() {
        put!(page, "<span><i class=f-{key}></i>{words}</span> ");
    }
    for (limit, words) in LIMITS {
        let same = spells.iter().filter(|spell| spell.limit == limit);
        let held: f64 = same.map(|spell| spell.until - spell.from).sum();
        if spells.iter().any(|spell| spell.limit == limit) {
            let share = 100.0 * held / whole.max(1e-9);
            put!(
                page,
                "<span><i class=\"box lim-{limit}\"></i>{words} {share:.0}\u{202f}%</span> "
            );
        }
    }
    put!(page, "</p>");
}
