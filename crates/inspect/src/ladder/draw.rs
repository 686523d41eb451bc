//! Lines and columns.
//!
//! Job: put text at columns, and lines and arrows between them. Owns: the widths. Does not know: packets.

use core::fmt::Write;
use core::time::Duration;

use crate::paint::{Ink, Paint};

/// Columns before the peer's lifeline: time, id, conversation.
const MARGIN: usize = 19;
/// Columns between the lifelines.
pub(super) const MIDDLE: usize = 44;
/// Columns after our lifeline: with a lifeline each and a space, a line has a hundred.
pub(super) const NOTES: usize = 34;

/// How an arrow looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    /// Whether it points to us.
    pub(super) inbound: bool,
    /// Whether it ends in an x.
    pub(super) lost: bool,
    /// Whether it ends before it arrives.
    pub(super) on_the_way: bool,
    pub(super) ink: Ink,
}

/// Appends lines to a text.
pub(super) struct Canvas<'a> {
    out: &'a mut String,
    paint: Paint,
}

/// Columns a text takes: our own glyphs take one each.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}

impl<'a> Canvas<'a> {
    pub(super) const fn new(out: &'a mut String, paint: Paint) -> Self {
        Self { out, paint }
    }

    fn put(&mut self, ink: Ink, text: &str) {
        self.paint.put(self.out, ink, &text);
    }

    fn end(&mut self) {
        let line = self.out.trim_end_matches(' ').len();
        self.out.truncate(line);
        self.out.push('\n');
    }

    /// A line without lifelines.
    pub(super) fn plain(&mut self, ink: Ink, text: &str) {
        self.put(ink, text);
        self.end();
    }

    /// Time (unless it stands above), packet id and conversation.
    pub(super) fn margin(&mut self, since: Option<Duration>, id: Option<u64>, name: &str) {
        // Two spaces and two letters for the conversation.
        const ROOM: usize = MARGIN - 4;
        let id = id.map(|id| format!(" #{id}")).unwrap_or_default();
        let room = ROOM.saturating_sub(width(&id));
        let time = since.map(|since| clock(since, room)).unwrap_or_default();
        let first = room.min(9);
        let time = format!("{time:>first$}");
        let space = ROOM.saturating_sub(width(&time));
        self.put(Ink::Faint, &format!("{time}{id:>space$} "));
        self.put(Ink::Heading, &format!("{name:<2} "));
    }

    /// Both lifelines and the arrow between them.
    pub(super) fn arrow(&mut self, stroke: Stroke, label: &str) {
        let label = shorten(label, MIDDLE - 6);
        // One space on each side of the label, and the tip.
        let line = MIDDLE - width(&label) - 3;
        let tip = match (stroke.lost, stroke.inbound) {
            (true, _) => '✕',
            (false, true) => '▶',
            (false, false) => '◀',
        };
        let short = if stroke.on_the_way { line / 3 } else { 0 };
        let (dashes, blank) = ("─".repeat(line - short), spaces(short));
        let middle = match stroke.inbound {
            true => format!(" {label} {dashes}{tip}{blank}"),
            false => format!("{blank}{tip}{dashes} {label} "),
        };
        self.put(Ink::Faint, "│");
        self.put(stroke.ink, &middle);
        self.put(Ink::Faint, "│");
    }

    /// The notes of an arrow, which end its line.
    pub(super) fn notes(&mut self, notes: &[(Ink, String)]) {
        let mut separator = " ";
        for (ink, text) in notes {
            self.out.push_str(separator);
            self.put(*ink, text);
            separator = "  ";
        }
        self.end();
    }

    /// A line between the lifelines, at the peer's side or at ours.
    pub(super) fn beside(&mut self, left: bool, ink: Ink, text: &str) {
        let text = shorten(text, MIDDLE - 4);
        let (before, after) = match (left, MIDDLE - width(&text)) {
            (true, space) => (3, space - 3),
            (false, space) => (space - 3, 3),
        };
        self.rails_start();
        self.out.push_str(&spaces(before));
        self.put(ink, &text);
        self.out.push_str(&spaces(after));
        self.put(Ink::Faint, "│");
        self.end();
    }

    fn rails_start(&mut self) {
        self.out.push_str(&spaces(MARGIN));
        self.put(Ink::Faint, "│");
    }

    /// What happened at our end without a packet.
    pub(super) fn event(&mut self, mark: char, ink: Ink, text: &str) {
        self.put(Ink::Faint, "│");
        self.out.push_str(&spaces(MIDDLE));
        self.put(ink, &format!("{mark} {text}"));
        self.end();
    }

    /// What happened to no conversation in particular.
    pub(super) fn event_apart(&mut self, mark: char, ink: Ink, text: &str) {
        self.put(ink, &shorten(&format!("{mark} {text}"), MIDDLE + NOTES));
        self.end();
    }

    /// A further line of notes.
    pub(super) fn beside_notes(&mut self, ink: Ink, text: &str) {
        self.rails_start();
        self.out.push_str(&spaces(MIDDLE));
        self.put(Ink::Faint, "│ ");
        self.put(ink, text);
        self.end();
    }

    /// Silence.
    pub(super) fn gap(&mut self, silence: Duration) {
        let text = format!("{} later", span(silence));
        let left = (MIDDLE.saturating_sub(width(&text))) / 2;
        let right = MIDDLE.saturating_sub(left + width(&text));
        let line = format!(
            "{}┊{}{text}{}┊",
            spaces(MARGIN),
            spaces(left),
            spaces(right)
        );
        self.plain(Ink::Faint, &line);
    }

    /// The names of both ends over their lifelines; on two lines if they are long.
    pub(super) fn heads(&mut self, title: &str, peer: &str, ours: &str) {
        let room = MIDDLE + 2;
        let title = format!(
            " {:<width$}",
            shorten(title, MARGIN - 2),
            width = MARGIN - 1
        );
        self.put(Ink::Heading, &title);
        self.put(Ink::In, peer);
        let mut before = room.saturating_sub(width(peer) + width(ours));
        if before < 2 {
            self.end();
            before = MARGIN + room.saturating_sub(width(ours));
        }
        self.out.push_str(&spaces(before));
        self.put(Ink::Out, ours);
    }

    /// Ends the line of names, and begins the lifelines.
    pub(super) fn heads_end(&mut self, remark: &str) {
        self.put(Ink::Faint, &format!(" {remark}"));
        self.end();
        self.out.push_str(&spaces(MARGIN));
        self.put(Ink::Faint, &format!("┬{}┬", spaces(MIDDLE)));
        self.end();
    }

    /// The ends of both lifelines.
    pub(super) fn feet(&mut self) {
        self.out.push_str(&spaces(MARGIN));
        self.put(Ink::Faint, &format!("┴{}┴", spaces(MIDDLE)));
        self.end();
    }
}

/// Seconds, with as many decimals as there is room for.
fn clock(since: Duration, room: usize) -> String {
    let seconds = since.as_secs().to_string();
    let digits = format!("{:06}", since.subsec_micros());
    let decimals = room.saturating_sub(width(&seconds) + 1).min(6);
    match digits.get(..decimals).filter(|digits| !digits.is_empty()) {
        Some(decimals) => format!("{seconds}.{decimals}"),
        None => shorten(&seconds, room),
    }
}

/// A span of time in the unit that suits it.
fn span(span: Duration) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _infallible = match span.as_millis() {
        0..1_000 => write!(text, "{} ms", span.as_millis()),
        1_000..60_000 => write!(text, "{:.2} s", span.as_secs_f64()),
        _ => write!(
            text,
            "{} min {} s",
            span.as_secs() / 60,
            span.as_secs() % 60
        ),
    };
    text
}

/// Cuts a text to a width, with a sign that it was cut. Control characters cannot leave their column.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let clean = |c: char| if c.is_control() { '·' } else { c };
    if width(text) <= max {
        return text.chars().map(clean).collect();
    }
    let cut = text.chars().take(max.saturating_sub(1)).map(clean);
    cut.chain(['…']).collect()
}

/// Keeps as many pieces as fit, two spaces apart, first ones first.
pub(super) fn fit(pieces: Vec<(Ink, String)>, max: usize) -> Vec<(Ink, String)> {
    let mut used = 0;
    let mut kept = Vec::new();
    for (ink, text) in pieces {
        let gap = if used == 0 { 0 } else { 2 };
        let needed = gap + width(&text);
        if used + needed <= max {
            used += needed;
            kept.push((ink, text));
        } else if kept.is_empty() {
            used = max;
            kept.push((ink, shorten(&text, max)));
        }
    }
    kept
}

/// Breaks a text into lines at spaces.
pub(super) fn wrap(text: &str, max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shorten(word, max);
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= max => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(_) | None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 100;

    fn longest(draw: impl FnOnce(&mut Canvas<'_>)) -> usize {
        let mut out = String::new();
        draw(&mut Canvas::new(&mut out, Paint::Plain));
        out.lines().map(width).max().unwrap_or(0)
    }

    #[test]
    fn large_times_and_ids_keep_their_columns() {
        for (seconds, id) in [(0, 1), (99_999, 99_999), (1 << 33, 1_000_000_000)] {
            let since = Duration::from_secs(seconds);
            let taken = longest(|canvas| canvas.margin(Some(since), Some(id), "A1"));
            assert_eq!(taken, MARGIN, "{seconds} {id}");
        }
    }

    #[test]
    fn long_addresses_take_two_lines_within_the_width() {
        let long = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let taken = longest(|canvas| {
            canvas.heads("A protocol 253", long, long);
            canvas.heads_end("this stack");
        });
        assert!(taken <= WIDTH, "{taken}");
    }

    #[test]
    fn pieces_that_do_not_fit_are_left_out_but_the_first_is_cut() {
        let piece = |text: &str| (Ink::None, text.to_owned());
        let kept = fit(vec![piece("abc"), piece("too long for it"), piece("de")], 8);
        assert_eq!(kept, [piece("abc"), piece("de")]);
        assert_eq!(fit(vec![piece("abcdef")], 4), [piece("abc…")]);
    }
}
