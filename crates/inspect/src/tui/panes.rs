//! Words: the list of packets, the fields and bytes of one.
//!
//! Job: rows and lines. Owns: widths and colours. Does not know: keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState};

use super::{Focus, Tui};
use crate::story::{Packet, XRay, seconds};

/// Bytes in a line of the dump.
const LINE: usize = 16;

pub(super) const IN: Color = Color::Blue;
pub(super) const OUT: Color = Color::Green;
pub(super) const AGAIN: Color = Color::Yellow;
pub(super) const BAD: Color = Color::Red;
const SECRET: Color = Color::Magenta;
const WORDS: Color = Color::Cyan;

/// A frame around a pane; that which has the keys is bright.
pub(super) fn block(title: String, has_keys: bool) -> Block<'static> {
    let style = if has_keys {
        Style::new().add_modifier(Modifier::BOLD)
    } else {
        Style::new().add_modifier(Modifier::DIM)
    };
    Block::bordered().title(title).border_style(style)
}

/// Text of a file: nothing in it moves the terminal's cursor.
fn safe(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '·' } else { c };
    text.chars().map(shown).collect()
}

pub(super) fn title(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let whose = match tui.only.and_then(|only| tui.story.threads.get(only)) {
        Some(thread) => format!(
            "{}: {} {} ↔ {}",
            thread.name, thread.talk, thread.peer, thread.ours
        ),
        None => format!("{} conversations", tui.story.threads.len()),
    };
    let damage = match &tui.story.damage {
        Some(damage) => format!(" · damaged: {}", safe(damage)),
        None => String::new(),
    };
    let text = format!(
        " {} · {} packets · {whose}{damage}",
        safe(&tui.name),
        tui.story.total
    );
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(text).style(style), area);
}

pub(super) fn packets(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let rows = tui.shown.iter().filter_map(|index| {
        let packet = tui.story.packets.get(*index)?;
        let letter = packet
            .thread
            .and_then(|thread| tui.story.threads.get(thread));
        Some(row(packet, letter.map_or("", |thread| &thread.name)))
    });
    let widths = [
        Constraint::Length(6),
        Constraint::Length(11),
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Fill(4),
        Constraint::Length(13),
        Constraint::Fill(2),
    ];
    let head = Row::new(["#", "time", "", "", "packet", "state", "why ← cause"]);
    let table = Table::new(rows, widths)
        .header(head.style(Style::new().add_modifier(Modifier::DIM)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(block(" Packets ".to_owned(), tui.focus == Focus::Packets));
    let mut state = TableState::new().with_selected(Some(tui.at));
    frame.render_stateful_widget(table, area, &mut state);
}

fn row(packet: &Packet, letter: &str) -> Row<'static> {
    let dropped = packet.note("drop");
    let color = match (
        packet.lost || dropped.is_some(),
        packet.again,
        packet.inbound,
    ) {
        (true, _, _) => BAD,
        (false, true, _) => AGAIN,
        (false, false, true) => IN,
        (false, false, false) => OUT,
    };
    let why = match (packet.note("why"), dropped) {
        (Some(why), _) => why.to_owned(),
        (None, Some(drop)) => format!("✕ {drop}"),
        (None, None) => String::new(),
    };
    let cause = packet.note("cause").map(crate::shown_cause);
    let why = match cause {
        Some(cause) => format!("{why} ← {cause}"),
        None => why,
    };
    let line = packet.lines.first().map_or("", |line| line);
    Row::new([
        packet.id.to_string(),
        seconds(packet.at),
        letter.to_owned(),
        if packet.inbound { "→" } else { "←" }.to_owned(),
        safe(&format!("{} {line}", packet.label)),
        safe(packet.note("state").unwrap_or_default()),
        safe(&why),
    ])
    .style(Style::new().fg(color))
}

/// The first line to show so that line `at` is seen.
fn scroll(at: usize, height: u16) -> u16 {
    let room = usize::from(height.saturating_sub(2)).max(1);
    u16::try_from((at + 1).saturating_sub(room)).unwrap_or(u16::MAX)
}

pub(super) fn fields(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let Some(packet) = tui.packet() else {
        return frame.render_widget(block(" Fields ".to_owned(), false), area);
    };
    let mut lines = Vec::new();
    let mut chosen = 0;
    for text in packet.sentence.iter() {
        lines.push(Line::styled(safe(text), Style::new().fg(AGAIN)));
    }
    let mut layer = "";
    for (index, field) in packet.xray.iter().flat_map(|xray| &xray.fields).enumerate() {
        if field.layer != layer {
            layer = field.layer;
            let bold = Style::new().add_modifier(Modifier::BOLD);
            lines.push(Line::styled(format!("{layer} ({})", field.source), bold));
        }
        let on = index == tui.field;
        if on {
            chosen = lines.len();
        }
        let mark = if on {
            Modifier::REVERSED
        } else {
            Modifier::empty()
        };
        lines.push(Line::styled(
            format!("  {}: {}", field.name, safe(&field.value)),
            Style::new().add_modifier(mark),
        ));
    }
    let title = format!(" Fields of #{} ", packet.id);
    let pane = Paragraph::new(lines)
        .block(block(title, tui.focus == Focus::Fields))
        .scroll((scroll(chosen, area.height), 0));
    frame.render_widget(pane, area);
}

pub(super) fn dump(tui: &Tui, frame: &mut Frame<'_>, area: Rect) {
    let xray = tui.packet().and_then(|packet| packet.xray.as_ref());
    let Some(xray) = xray else {
        return frame.render_widget(block(" Bytes ".to_owned(), false), area);
    };
    let range = xray.fields.get(tui.field).map(|field| field.range.clone());
    let range = range.unwrap_or_default();
    let lines: Vec<Line<'_>> = xray
        .bytes
        .chunks(LINE)
        .enumerate()
        .map(|(number, bytes)| {
            let start = number * LINE;
            let mut spans = vec![Span::raw(format!("{start:04x}  "))];
            for (at, byte) in (start..).zip(bytes) {
                spans.push(Span::styled(
                    format!("{byte:02x} "),
                    style(xray, at, range.contains(&at)),
                ));
            }
            spans.push(Span::raw("   ".repeat(LINE - bytes.len())));
            let text = bytes.iter().map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '·',
            });
            spans.push(Span::raw(text.collect::<String>()));
            Line::from(spans)
        })
        .collect();
    let more = match xray.hidden {
        0 => String::new(),
        hidden => format!("(and {hidden} more) "),
    };
    let pane = Paragraph::new(lines)
        .block(block(format!(" Bytes {more}"), false))
        .scroll((scroll(range.start / LINE, area.height), 0));
    frame.render_widget(pane, area);
}

fn style(xray: &XRay, at: usize, chosen: bool) -> Style {
    let owner = xray.fields.iter().find(|field| field.range.contains(&at));
    let color = match owner.map(|field| field.layer) {
        Some("ip") => IN,
        Some("tcp" | "udp") => OUT,
        Some("tls") => SECRET,
        Some("http") => WORDS,
        Some("data") => AGAIN,
        Some(_) | None => Color::Reset,
    };
    let mark = if chosen {
        Modifier::REVERSED
    } else {
        Modifier::empty()
    };
    Style::new().fg(color).add_modifier(mark)
}

pub(super) fn keys(frame: &mut Frame<'_>, area: Rect) {
    let text = " ↑ ↓ PgUp PgDn Home End  ·  n next notable  ·  c its cause  ·  w whose: a conversation  ·  Tab fields  ·  q quit";
    let style = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(text).style(style), area);
}
