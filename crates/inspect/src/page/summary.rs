//! Who talked to whom: a row a conversation.
//!
//! Job: the table a reader begins with. Owns: its columns. Does not know: single packets.

use super::markup::{Markup, Text, put};
use crate::story::{Story, Thread};

/// Conversations listed.
const ROWS_MAX: usize = 200;

/// What a row tells.
#[derive(Default)]
struct Sums {
    packets: usize,
    bytes_in: usize,
    bytes_out: usize,
    again: usize,
    dropped: usize,
}

/// Draws the table.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    put!(
        page,
        "<section id=summary><h2>Conversations</h2><div class=scroll><table><thead><tr><th><th>talk<th>peer<th>ours\
         <th class=n>packets<th class=n>bytes to us<th class=n>from us<th class=n>sent again<th class=n>dropped\
         <th class=n>lasted<th>end</thead><tbody>"
    );
    for (index, thread) in story.threads.iter().enumerate().take(ROWS_MAX) {
        row(page, story, index, thread);
    }
    put!(page, "</tbody></table></div>");
    match story.threads.len() {
        0 => put!(page, "<p class=note>Nothing was captured.</p>"),
        1..=ROWS_MAX => {}
        all => put!(page, "<p class=note>The first {ROWS_MAX} of {all}.</p>"),
    }
    put!(page, "</section>");
}

fn row(page: &mut Markup, story: &Story, index: usize, thread: &Thread) {
    let mut sums = Sums::default();
    for packet in story.packets_of(thread) {
        sums.packets += 1;
        sums.again += usize::from(packet.again);
        sums.dropped += usize::from(packet.note("drop").is_some());
        let bytes = packet.segment.as_ref().map_or(0, |segment| segment.payload);
        if packet.inbound {
            sums.bytes_in += bytes;
        } else {
            sums.bytes_out += bytes;
        }
    }
    let mut times = story.packets_of(thread).map(|packet| packet.at);
    let first = times.next().unwrap_or_default();
    let lasted = times.last().unwrap_or(first).saturating_sub(first);
    put!(
        page,
        "<tr><td><a class=letter href=\"#c{index}\">{}</a><td>{}<td class=m>{}<td class=m>{}<td class=n>{}\
         <td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{:.3}\u{202f}s<td>{}",
        thread.name,
        Text(&thread.talk),
        Text(&thread.peer),
        Text(&thread.ours),
        sums.packets,
        sums.bytes_in,
        sums.bytes_out,
        sums.again,
        sums.dropped,
        lasted.as_secs_f64(),
        Text(end(story, thread))
    );
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
    state.unwrap_or("—").to_owned()
}
