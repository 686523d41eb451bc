//! Pictures: the congestion window and the sequence numbers of the chosen conversation.
//!
//! Job: figures to cells. Owns: scales. Does not know: words.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Sparkline};

use super::Tui;
use super::panes::{AGAIN, IN, OUT, block};
use crate::dissect::Flags;
use crate::story::{Packet, Segment, Thread};

impl Tui {
    fn thread(&self) -> Option<&Thread> {
        self.story.threads.get(self.packet()?.thread?)
    }
}

/// The congestion window with each packet up to the chosen one, the last ones that fit.
pub(super) fn window(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let upto = tui.packet().map(|packet| packet.at);
    let figures: Vec<u64> = tui
        .thread()
        .into_iter()
        .flat_map(|thread| tui.story.packets_of(thread))
        .filter(|packet| Some(packet.at) <= upto)
        .filter_map(|packet| packet.note("cwnd")?.parse().ok())
        .filter(|cwnd| *cwnd > 0)
        .collect();
    let limit = tui.packet().and_then(|packet| packet.note("lim"));
    let title = match (figures.last(), limit) {
        (Some(now), Some(limit)) => format!(" Congestion window: {now} bytes, held by {limit} "),
        (Some(now), None) => format!(" Congestion window: {now} bytes "),
        (None, _) => " Congestion window ".to_owned(),
    };
    let room = usize::from(area.width.saturating_sub(2));
    let last = figures.len().saturating_sub(room);
    let shown = figures.get(last..).unwrap_or_default();
    let pane = Sparkline::default()
        .data(shown)
        .style(Style::new().fg(IN))
        .block(block(title, false));
    frame.render_widget(pane, area);
}

#[expect(clippy::cast_precision_loss, reason = "a place on a picture")]
const fn float(number: i64) -> f64 {
    number as f64
}

/// What the busier end sent, over time, and what was acknowledged of it.
pub(super) fn sequence(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let segments: Vec<(&Packet, &Segment)> = tui
        .thread()
        .into_iter()
        .flat_map(|thread| tui.story.packets_of(thread))
        .filter_map(|packet| Some((packet, packet.segment.as_ref()?)))
        .collect();
    let bytes = |inbound: bool| -> usize {
        let same = segments.iter().filter(|(p, _)| p.inbound == inbound);
        same.map(|(_, segment)| segment.payload).sum()
    };
    let inbound = bytes(true) > bytes(false);
    let sent = |again: bool| -> Vec<(f64, f64)> {
        let same = segments
            .iter()
            .filter(|(p, s)| p.inbound == inbound && p.again == again && s.payload > 0);
        same.map(|(p, s)| (p.at.as_secs_f64(), float(s.relative.end)))
            .collect()
    };
    let (first, again) = (sent(false), sent(true));
    let acked: Vec<(f64, f64)> = segments
        .iter()
        .filter(|(p, s)| p.inbound != inbound && !s.flags.has(Flags::RST))
        .filter_map(|(p, s)| Some((p.at.as_secs_f64(), float(s.relative.ack?))))
        .collect();
    let title = " Sequence over time ".to_owned();
    let every = || first.iter().chain(&again).chain(&acked);
    let least = every().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let most = every().map(|(at, _)| *at).fold(least, f64::max);
    let top = every().map(|(_, seq)| *seq).fold(1.0, f64::max);
    if !least.is_finite() {
        return frame.render_widget(block(title, false), area);
    }
    let set = |points, color, name: &'static str| {
        Dataset::default()
            .name(name)
            .data(points)
            .marker(Marker::Braille)
            .graph_type(GraphType::Scatter)
            .style(Style::new().fg(color))
    };
    let sets = vec![
        set(&first, IN, "sent"),
        set(&acked, OUT, "acknowledged"),
        set(&again, AGAIN, "again"),
    ];
    let x = Axis::default()
        .bounds([least, most.max(least + 1e-6)])
        .labels([format!("{least:.3}"), format!("{most:.3} s")]);
    let y = Axis::default()
        .bounds([0.0, top])
        .labels(["0".to_owned(), format!("{top:.0}")]);
    let chart = Chart::new(sets)
        .x_axis(x)
        .y_axis(y)
        .block(block(title, false));
    frame.render_widget(chart, area);
}
