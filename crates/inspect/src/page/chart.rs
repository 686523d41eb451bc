//! A frame for what changes over time.
//!
//! Job: places for times and amounts, and the lines and figures at the frame.
//! Owns: the size of a plot. Does not know: what is drawn into it.

use super::markup::{Markup, put};

pub(super) const WIDTH: f64 = 560.0;
pub(super) const HEIGHT: f64 = 330.0;
pub(super) const LEFT: f64 = 62.0;
pub(super) const BOTTOM: f64 = 34.0;
pub(super) const TOP: f64 = 10.0;
pub(super) const RIGHT: f64 = 14.0;

/// Time and sequence numbers to places.
pub(super) struct Scale {
    pub(super) start: f64,
    pub(super) time: f64,
    pub(super) top: f64,
}

impl Scale {
    pub(super) fn x(&self, at: f64) -> f64 {
        LEFT + (at - self.start) / self.time * (WIDTH - LEFT - RIGHT)
    }

    pub(super) fn y(&self, seq: f64) -> f64 {
        // The window may go far beyond what is sent: it leaves the picture at the top.
        let part = (seq / self.top).clamp(0.0, 1.03);
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place on a picture")]
pub(super) const fn float(number: i64) -> f64 {
    number as f64
}

pub(super) fn axes(page: &mut Markup, scale: &Scale) {
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
         <path class=now data-from={} data-scale={:.9} d=\"M{LEFT} {TOP}V{base}\"/><text class=\"r axisname\" x={right} y={}>{unit} since its first packet</text>",
        scale.start,
        (right - LEFT) / scale.time,
        HEIGHT - 6.0
    );
}

/// Round numbers from zero up to `end`, five or so.
pub(super) fn ticks(end: f64) -> Vec<f64> {
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
