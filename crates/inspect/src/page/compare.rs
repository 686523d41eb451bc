//! Two captures on one axis.
//!
//! Job: lay one connection of each over the other: totals, sequences, windows, and packet beside packet.
//! Owns: which connections, and what puts two packets into one row: time, direction and label.
//! Does not know: which of the two is right.

use core::fmt::Write as _;
use core::time::Duration;

use super::chart::{HEIGHT, RIGHT, Scale, WIDTH, axes, float};
use super::markup::{Markup, Text, put};
use super::words::{grouped, lasting};
use crate::story::{Packet, Story, Thread};

/// Rows of packets beside each other.
const ROWS_MAX: usize = 600;
/// Equal packets shown before the first difference; the others are folded.
const CONTEXT: usize = 3;

/// One of the two.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) name: &'a str,
    pub(super) story: &'a Story,
    /// Whether its packets are on the page.
    pub(super) linked: bool,
}

/// A side's connection.
struct Shown<'a> {
    side: Side<'a>,
    packets: Vec<&'a Packet>,
    /// Its first packet's time: the axis begins there.
    start: Duration,
}

/// Draws the comparison.
pub(super) fn draw(page: &mut Markup, sides: [Side<'_>; 2]) {
    let shown = sides.map(Shown::of);
    put!(page, "<section id=compare><h2>Two on one axis</h2>");
    let [first, second] = &shown;
    if first.packets.is_empty() || second.packets.is_empty() {
        put!(
            page,
            "<p class=empty>One of the two has no packets to compare.</p></section>"
        );
        return;
    }
    totals(page, &shown);
    put!(page, "<div class=plots>");
    plot(page, &shown, Curve::Sequence);
    plot(page, &shown, Curve::Window);
    put!(page, "</div>");
    beside(page, &shown);
    put!(page, "</section>");
}

impl<'a> Shown<'a> {
    /// The connection that carried the most.
    fn of(side: Side<'a>) -> Self {
        let story = side.story;
        let carried = |thread: &&Thread| -> usize {
            let segments = story.packets_of(thread).filter_map(|p| p.segment.as_ref());
            segments.map(|segment| segment.payload).sum()
        };
        let thread = story.threads.iter().rev().max_by_key(carried);
        let packets: Vec<_> = thread.map_or_else(Vec::new, |t| story.packets_of(t).collect());
        Self {
            side,
            start: packets.first().map_or(Duration::ZERO, |packet| packet.at),
            packets,
        }
    }

    fn since(&self, packet: &Packet) -> Duration {
        packet.at.saturating_sub(self.start)
    }

    fn length(&self) -> Duration {
        self.packets
            .last()
            .map_or(Duration::ZERO, |packet| self.since(packet))
    }

    /// Bytes of payload in a direction.
    fn bytes(&self, inbound: bool) -> u64 {
        let same = self.packets.iter().filter(|p| p.inbound == inbound);
        let payloads = same.filter_map(|p| p.segment.as_ref());
        payloads.map(|s| s.payload as u64).sum()
    }

    fn count(&self, which: impl Fn(&Packet) -> bool) -> u64 {
        self.packets.iter().filter(|packet| which(packet)).count() as u64
    }

    fn largest(&self, key: &str) -> Option<u64> {
        let notes = self.packets.iter().filter_map(|packet| packet.note(key));
        notes.filter_map(|value| value.parse().ok()).max()
    }
}

fn totals(page: &mut Markup, shown: &[Shown<'_>; 2]) {
    put!(
        page,
        "<div class=scroll tabindex=0><table class=totals><thead><tr><th>"
    );
    for (place, one) in shown.iter().enumerate() {
        put!(
            page,
            "<th class=n><i class=\"side side-{place}\"></i>{}",
            Text(one.side.name)
        );
    }
    put!(page, "</thead><tbody>");
    line(page, shown, "from first to last packet", |one| {
        lasting(one.length())
    });
    line(page, shown, "packets", |one| {
        grouped(one.packets.len() as u64)
    });
    line(page, shown, "bytes to us", |one| grouped(one.bytes(true)));
    line(page, shown, "bytes from us", |one| {
        grouped(one.bytes(false))
    });
    line(page, shown, "sent again", |one| {
        grouped(one.count(|packet| packet.again))
    });
    line(page, shown, "dropped or lost", |one| {
        grouped(one.count(|packet| packet.lost || packet.note("drop").is_some()))
    });
    line(page, shown, "largest congestion window", |one| {
        one.largest("cwnd").map_or_else(|| "—".to_owned(), grouped)
    });
    put!(page, "</tbody></table></div>");
}

fn line(
    page: &mut Markup,
    shown: &[Shown<'_>; 2],
    what: &str,
    tell: impl Fn(&Shown<'_>) -> String,
) {
    let told = shown.each_ref().map(tell);
    let [first, second] = &told;
    let differs = if first == second {
        ""
    } else {
        " class=differs"
    };
    put!(
        page,
        "<tr{differs}><th>{what}<td class=n>{first}<td class=n>{second}"
    );
}

/// What is plotted of both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    Sequence,
    Window,
}

impl Curve {
    /// The value a packet sets, if it sets one.
    fn value(self, packet: &Packet, inbound: bool) -> Option<i64> {
        match self {
            Self::Sequence => {
                let segment = packet.segment.as_ref()?;
                (packet.inbound == inbound && segment.relative.end > segment.relative.seq)
                    .then_some(segment.relative.end)
            }
            Self::Window => {
                let cwnd = packet.note("cwnd")?.parse().ok()?;
                (cwnd > 0).then_some(cwnd)
            }
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Sequence => "Sequence <small>highest byte sent; ○ sent again, ✕ lost</small>",
            Self::Window => "Congestion window <small>bytes, of our sender</small>",
        }
    }
}

fn plot(page: &mut Markup, shown: &[Shown<'_>; 2], curve: Curve) {
    let [first, second] = shown;
    let inbound = first.bytes(true) > first.bytes(false);
    let values = shown.iter().flat_map(|one| &one.packets);
    let top = values
        .filter_map(|packet| curve.value(packet, inbound))
        .max();
    let Some(top) = top.filter(|top| *top > 0) else {
        return;
    };
    let time = first.length().max(second.length()).as_secs_f64();
    let detail = shown.iter().find(|one| one.side.linked);
    let offset = detail.map_or(0.0, |one| one.start.as_secs_f64());
    let scale = Scale {
        start: offset,
        time: (time * 1.03).max(1e-6),
        top: float(top) * 1.1,
    };
    put!(
        page,
        "<section class=plot><h3>{}</h3><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"Both captures over \
         time; the figures are in the table\">",
        curve.title()
    );
    axes(page, &scale);
    for (place, one) in shown.iter().enumerate() {
        stairs(page, &scale, (place, one), (curve, inbound));
    }
    put!(page, "</svg><p class=legend>");
    for (place, one) in shown.iter().enumerate() {
        put!(
            page,
            "<span><i class=\"side side-{place}\"></i>{}</span> ",
            Text(one.side.name)
        );
    }
    put!(page, "</p></section>");
}

fn stairs(
    page: &mut Markup,
    scale: &Scale,
    (place, one): (usize, &Shown<'_>),
    (curve, inbound): (Curve, bool),
) {
    let (mut path, mut marks) = (String::new(), String::new());
    let mut highest = 0;
    for packet in &one.packets {
        let Some(value) = curve.value(packet, inbound) else {
            continue;
        };
        let x = scale.x(scale.start + one.since(packet).as_secs_f64());
        highest = match curve {
            Curve::Sequence => value.max(highest),
            Curve::Window => value,
        };
        let (y, at) = (scale.y(float(highest)), scale.y(float(value)));
        // Writing to a String cannot fail.
        let _infallible = if path.is_empty() {
            write!(path, "M{x:.1} {y:.1}")
        } else {
            write!(path, "H{x:.1}V{y:.1}")
        };
        if curve == Curve::Sequence && packet.again {
            let _infallible = write!(
                marks,
                "M{:.1} {at:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
                x - 4.0
            );
        }
        if curve == Curve::Sequence && (packet.lost || packet.note("drop").is_some()) {
            let (x, y) = (x - 4.0, at - 4.0);
            let _infallible = write!(marks, "M{x:.1} {y:.1}l8 8m0 -8l-8 8");
        }
    }
    if path.is_empty() {
        return;
    }
    let end = scale.x(scale.start + one.length().as_secs_f64());
    let right = (WIDTH - RIGHT).min(end);
    put!(
        page,
        "<path class=\"line side-{place}\" d=\"{path}H{right:.1}\"/>"
    );
    if !marks.is_empty() {
        put!(page, "<path class=\"marks side-{place}\" d=\"{marks}\"/>");
    }
}

/// A row: a packet of the first, of the second, or the same of both.
type Row<'a> = (Option<&'a Packet>, Option<&'a Packet>);

fn rows<'a>(shown: &'a [Shown<'a>; 2]) -> Vec<Row<'a>> {
    let [first, second] = shown;
    let mut rows = Vec::new();
    let mut left = first.packets.iter().copied().peekable();
    let mut right = second.packets.iter().copied().peekable();
    loop {
        match (left.peek().copied(), right.peek().copied()) {
            (None, None) => return rows,
            (Some(a), Some(b)) if same(shown, a, b) => {
                rows.push((Some(a), Some(b)));
                left.next();
                right.next();
            }
            (Some(a), Some(b)) if first.since(a) > second.since(b) => {
                rows.push((None, Some(b)));
                right.next();
            }
            (Some(a), _) => {
                rows.push((Some(a), None));
                left.next();
            }
            (None, Some(b)) => {
                rows.push((None, Some(b)));
                right.next();
            }
        }
    }
}

/// Whether two packets belong in one row.
fn same([first, second]: &[Shown<'_>; 2], a: &Packet, b: &Packet) -> bool {
    first.since(a) == second.since(b) && a.inbound == b.inbound && a.label == b.label
}

fn beside(page: &mut Markup, shown: &[Shown<'_>; 2]) {
    let rows = rows(shown);
    let is_same = |row: &Row<'_>| matches!(row, (Some(a), Some(b)) if a.lost == b.lost);
    let prefix = rows.iter().take_while(|row| is_same(row)).count();
    let folded = prefix.saturating_sub(CONTEXT);
    put!(page, "<h3>Packet beside packet</h3><p class=note>");
    match (prefix, rows.len()) {
        (same, all) if same == all => put!(page, "All {all} packets are the same in both."),
        (0, _) => put!(page, "They differ from the first packet on."),
        (same, _) => put!(page, "The first {same} packets are the same in both."),
    }
    put!(
        page,
        "</p><div class=scroll tabindex=0><table class=beside><thead><tr><th class=n>time"
    );
    for (place, one) in shown.iter().enumerate() {
        put!(
            page,
            "<th colspan=3><i class=\"side side-{place}\"></i>{}",
            Text(one.side.name)
        );
    }
    put!(page, "</thead><tbody>");
    for row in rows.iter().skip(folded).take(ROWS_MAX) {
        let [first, second] = shown;
        let at = row.0.map(|packet| first.since(packet));
        let at = at.or_else(|| row.1.map(|packet| second.since(packet)));
        let class = if is_same(row) { "same" } else { "differs" };
        put!(
            page,
            "<tr class={class}><td class=n>{:.3}\u{202f}ms",
            at.unwrap_or_default().as_secs_f64() * 1e3
        );
        cell(page, first.side, row.0);
        cell(page, second.side, row.1);
    }
    put!(page, "</tbody></table></div>");
    let more = rows.len().saturating_sub(folded + ROWS_MAX);
    if more > 0 {
        put!(page, "<p class=note>And {more} more rows.</p>");
    }
}

fn cell(page: &mut Markup, side: Side<'_>, packet: Option<&Packet>) {
    let Some(packet) = packet else {
        put!(page, "<td><td><td>");
        return;
    };
    let (key, id) = (&packet.key, packet.id);
    let kind = match (packet.lost || packet.note("drop").is_some(), packet.again) {
        (true, _) => "bad",
        (false, true) => "again",
        (false, false) if packet.inbound => "in",
        (false, false) => "out",
    };
    match side.linked {
        true => put!(page, "<td class=\"n {key}\"><a href=\"#{key}\">#{id}</a>"),
        false => put!(page, "<td class=n>#{id}"),
    }
    let gone = if kind == "bad" { " ✕" } else { "" };
    let way = if packet.inbound { "→ us" } else { "us →" };
    put!(
        page,
        "<td class=\"way {kind}\">{way}{gone}<td class=m>{} <small>{}</small>",
        Text(&packet.label),
        Text(packet.note("why").unwrap_or_default())
    );
}
