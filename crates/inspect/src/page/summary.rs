//! Who talked to whom, and where the time went: a row a conversation.
//!
//! Job: the table a reader begins with. Owns: its columns. Does not know: whose a pause is; `spent` says.

use core::time::Duration;

use super::link;
use super::markup::{Markup, Text, put};
use super::spent::{Pause, Whose, pauses, shares};
use super::words::{grouped, lasting};
use crate::story::{Point, Story, Thread};

/// Conversations listed.
const ROWS_MAX: usize = 200;
/// The longest pauses named of the whole capture.
const PAUSES_NAMED: usize = 5;
/// A pause shorter than this explains nothing.
const PAUSE_MIN: Duration = Duration::from_micros(500);

/// What a row tells.
#[derive(Default)]
struct Sums {
    packets: u64,
    bytes_in: u64,
    bytes_out: u64,
    again: usize,
    dropped: usize,
}

/// Draws the table, and below it the longest pauses.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    put!(
        page,
        "<section id=summary><h2>Conversations <small>and where their time went</small></h2>"
    );
    if story.threads.is_empty() {
        put!(
            page,
            "<p class=empty>No packet was captured yet. Send one: the page shows what happened from the first on.</p></section>"
        );
        return;
    }
    put!(
        page,
        "<div class=scroll tabindex=0><table><thead><tr><th><th>talk<th>peer<th>this end<th class=n>packets\
         <th class=n>bytes to us<th class=n>from us<th class=n>sent again<th class=n>dropped<th class=n>lasted\
         <th class=bar>waiting for<th>end</thead><tbody>"
    );
    let mut points: Vec<Vec<&Point>> = vec![Vec::new(); story.threads.len()];
    for point in &story.points {
        if let Some(same) = points.get_mut(point.thread) {
            same.push(point);
        }
    }
    let shown = story.threads.iter().zip(&points).take(ROWS_MAX);
    let all: Vec<_> = shown
        .map(|(thread, points)| (thread, pauses(points, thread.known)))
        .collect();
    for (index, ((thread, pauses), points)) in all.iter().zip(&points).enumerate() {
        row(page, story, (index, thread), (points, pauses));
    }
    put!(page, "</tbody></table></div>");
    if story.threads.len() > ROWS_MAX {
        let count = story.threads.len();
        put!(page, "<p class=note>The first {ROWS_MAX} of {count}.</p>");
    }
    legend(page, &all);
    longest(page, story, &all);
    put!(page, "</section>");
}

fn row(
    page: &mut Markup,
    story: &Story,
    (index, thread): (usize, &Thread),
    (points, pauses): (&[&Point], &[Pause]),
) {
    let mut sums = Sums::default();
    for point in points {
        sums.packets += 1;
        sums.again += usize::from(point.again);
        sums.dropped += usize::from(point.dropped);
        let bytes = point.tcp.map_or(0, |tcp| tcp.payload);
        if point.inbound {
            sums.bytes_in += bytes;
        } else {
            sums.bytes_out += bytes;
        }
    }
    let whole: Duration = pauses.iter().map(|pause| pause.length).sum();
    put!(
        page,
        "<tr><td><a class=letter href=\"#c{index}\">{}</a><td>{}<td class=m>{}<td class=m>{}<td class=n>{}\
         <td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=bar>",
        thread.name,
        Text(&thread.talk),
        Text(&thread.peer),
        Text(&thread.ours),
        grouped(sums.packets),
        grouped(sums.bytes_in),
        grouped(sums.bytes_out),
        sums.again,
        sums.dropped,
        lasting(whole),
    );
    bar(page, pauses, whole);
    put!(page, "<td>{}", Text(end(story, thread)));
}

/// The shares of a conversation's time, one beside the other.
fn bar(page: &mut Markup, pauses: &[Pause], whole: Duration) {
    let shares = shares(pauses);
    let told: Vec<_> = shares
        .iter()
        .filter(|(_, time)| !time.is_zero())
        .map(|(whose, time)| format!("{}: {}", whose.words(), lasting(*time)))
        .collect();
    put!(
        page,
        "<div class=shares role=img aria-label=\"{0}\" title=\"{0}\">",
        Text(told.join("; "))
    );
    for (whose, time) in shares {
        let share = 100.0 * time.as_secs_f64() / whole.as_secs_f64().max(1e-9);
        if share > 0.0 {
            put!(
                page,
                "<i class={} style=\"width:{share:.2}%\"></i>",
                whose.class()
            );
        }
    }
    put!(page, "</div>");
}

fn legend(page: &mut Markup, all: &[(&Thread, Vec<Pause>)]) {
    put!(page, "<p class=legend>Waiting for: ");
    for whose in Whose::ALL {
        let mut pauses = all.iter().flat_map(|(_, pauses)| pauses);
        if pauses.any(|pause| pause.whose == whose) {
            put!(
                page,
                "<span><i class=\"box {}\"></i>{}</span> ",
                whose.class(),
                whose.words()
            );
        }
    }
    put!(page, "</p>");
}

/// The longest pauses of all, each with the packet that ended it.
fn longest(page: &mut Markup, story: &Story, all: &[(&Thread, Vec<Pause>)]) {
    let mut pauses: Vec<_> = all
        .iter()
        .flat_map(|(thread, pauses)| pauses.iter().map(move |pause| (thread, pause)))
        .filter(|(_, pause)| pause.length >= PAUSE_MIN)
        .collect();
    pauses.sort_by_key(|(_, pause)| core::cmp::Reverse(pause.length));
    if pauses.is_empty() {
        return;
    }
    put!(page, "<ol class=longest aria-label=\"The longest pauses\">");
    for (thread, pause) in pauses.iter().take(PAUSES_NAMED) {
        let id = pause.ended_by;
        let class = if story.packets.iter().any(|packet| packet.id == id) {
            format!("p{id}")
        } else {
            String::new()
        };
        put!(
            page,
            "<li class=\"{class}\"><b>{}</b> in <span class=letter>{}</span> before {}, waiting for {}",
            lasting(pause.length),
            thread.name,
            link::number(story, id),
            pause.whose.words()
        );
    }
    put!(page, "</ol>");
}

/// How it ended, by our own word.
fn end(story: &Story, thread: &Thread) -> String {
    let closed = story.events_of(thread).find(|event| event.kind == "closed");
    if let Some(closed) = closed {
        let text = closed.text.split(" ←").next().unwrap_or_default();
        return text.trim_start_matches("closed: ").to_owned();
    }
    let state = story
        .packets_of(thread)
        .filter_map(|packet| packet.note("state"))
        .last();
    state.map_or_else(|| "—".to_owned(), |state| format!("in {state}"))
}
