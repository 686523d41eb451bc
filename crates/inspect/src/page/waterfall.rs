//! HTTP exchanges, each as a bar over time.
//!
//! Job: a row an exchange: what was asked, what came, and where its time went.
//! Owns: the parts of a bar. Does not know: framing; `exchange` says.
//! A hatched part is time lost to order: an answer behind the one before it, or bytes behind a hole.

use core::time::Duration;

use super::markup::{Markup, Text, put};
use crate::exchange::{Exchange, Message};
use crate::story::Story;

/// Rows drawn.
const ROWS_MAX: usize = 500;
/// Letters of a request line shown.
const LETTERS: usize = 60;

/// From when to when.
struct Scale {
    start: Duration,
    length: f64,
}

impl Scale {
    /// A time as a part of the whole, in percent.
    fn percent(&self, at: Duration) -> f64 {
        let since = at.saturating_sub(self.start).as_secs_f64();
        (since / self.length * 100.0).clamp(0.0, 100.0)
    }
}

/// Draws the waterfall, if there was HTTP.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    let exchanges = story.exchanges().list();
    let begins = |exchange: &Exchange| {
        let syn = exchange.connect.map(|(syn, _)| syn);
        syn.unwrap_or(exchange.request.first)
    };
    let ends = |exchange: &Exchange| {
        let answer = exchange.response.as_ref().map(|answer| answer.last);
        answer.unwrap_or(exchange.request.last)
    };
    let (Some(start), Some(end)) = (
        exchanges.iter().map(begins).min(),
        exchanges.iter().map(ends).max(),
    ) else {
        return;
    };
    let scale = Scale {
        start,
        length: end.saturating_sub(start).as_secs_f64().max(1e-6),
    };
    put!(
        page,
        "<section id=waterfall><h2>HTTP <small>over {:.3}\u{202f}ms</small></h2><p class=legend>\
         <span><i class=\"box w-connect\"></i>connect</span> <span><i class=\"box w-send\"></i>request</span> \
         <span><i class=\"box w-wait\"></i>wait</span> <span><i class=\"box w-receive\"></i>response</span> \
         <span><i class=\"box w-queue\"></i>behind the answer before</span> \
         <span><i class=\"box w-held\"></i>here, but behind a hole</span></p>\
         <div class=scroll><table><thead><tr><th><th>request<th>answer<th class=n>bytes<th class=bar>time<th class=n>ms\
         </thead><tbody>",
        scale.length * 1e3
    );
    // Answers on one connection come in order: the end of the one before matters.
    let mut before = std::collections::HashMap::new();
    for exchange in exchanges.iter().take(ROWS_MAX) {
        let previous = before.insert(exchange.conversation, ends(exchange));
        row(page, story, exchange, (&scale, previous));
    }
    put!(page, "</tbody></table></div>");
    let more = exchanges.len().saturating_sub(ROWS_MAX) + story.exchanges().untold();
    if more > 0 {
        put!(page, "<p class=note>And {more} more.</p>");
    }
    put!(page, "</section>");
}

fn row(
    page: &mut Markup,
    story: &Story,
    exchange: &Exchange,
    (scale, previous): (&Scale, Option<Duration>),
) {
    let Exchange {
        request, response, ..
    } = exchange;
    let letter = story.threads.get(exchange.conversation);
    let shown: String = request.start_line.chars().take(LETTERS).collect();
    put!(
        page,
        "<tr><td><span class=letter>{}</span><td class=m>{}",
        letter.map_or("", |thread| &thread.name),
        packet_link(story, request.first_packet, &shown)
    );
    let (answer, bytes, key, last) = match response {
        Some(answer) => (
            answer.start_line.split_once(' ').map_or("", |(_, s)| s),
            answer.body_len,
            answer.first_packet,
            answer.last,
        ),
        None => ("none", 0, 0, request.last),
    };
    let cut = match response {
        Some(answer) if !answer.complete => " <small>cut short</small>",
        _ => "",
    };
    put!(
        page,
        "<td class=m>{}{cut}<td class=n>{bytes}<td class=bar><div class=track role=img aria-label=\"{}\">",
        packet_link(story, key, answer),
        Text(words(exchange, previous))
    );
    bars(page, exchange, (scale, previous));
    put!(
        page,
        "</div><td class=n>{:.3}",
        last.saturating_sub(request.first).as_secs_f64() * 1e3
    );
}

/// A link to a packet, if it is drawn.
fn packet_link(story: &Story, id: u64, text: &str) -> String {
    let packet = story.packets.iter().find(|packet| packet.id == id);
    let text = Text(text);
    packet.map_or_else(
        || text.to_string(),
        |packet| format!("<a class={0} href=\"#{0}\">{text}</a>", packet.key),
    )
}

/// The parts of a bar: class, from, until.
fn parts(
    exchange: &Exchange,
    previous: Option<Duration>,
) -> Vec<(&'static str, Duration, Duration)> {
    let Exchange {
        request,
        response,
        connect,
        ..
    } = exchange;
    let mut parts = Vec::new();
    if let Some((syn, done)) = *connect {
        parts.push(("connect", syn, done));
    }
    parts.push(("send", request.first, request.last));
    if let Some(answer) = response {
        // Until the answer before was out, this one could not begin.
        let queue = previous.filter(|until| *until > request.last);
        let free = queue.map_or(request.last, |until| until.min(answer.first));
        if free > request.last {
            parts.push(("queue", request.last, free));
        }
        parts.push(("wait", free, answer.first));
        parts.push(("receive", answer.first, answer.last));
        parts.extend(held(answer));
    }
    parts.extend(held(request));
    parts
}

fn held(message: &Message) -> impl Iterator<Item = (&'static str, Duration, Duration)> {
    let spells = message.held.iter();
    spells.map(|(from, until)| ("held", *from, *until))
}

fn bars(page: &mut Markup, exchange: &Exchange, (scale, previous): (&Scale, Option<Duration>)) {
    for (class, from, until) in parts(exchange, previous) {
        let (left, right) = (scale.percent(from), scale.percent(until));
        put!(
            page,
            "<i class=w-{class} style=\"left:{left:.3}%;width:max(1.5px,{:.3}%)\"></i>",
            right - left
        );
    }
}

/// The bar in words, for who cannot see it.
fn words(exchange: &Exchange, previous: Option<Duration>) -> String {
    let parts = parts(exchange, previous);
    let told = parts.iter().map(|(class, from, until)| {
        let name = match *class {
            "queue" => "behind the answer before",
            "held" => "behind a hole",
            name => name,
        };
        let length = until.saturating_sub(*from).as_secs_f64() * 1e3;
        format!("{name} {length:.3} ms")
    });
    told.collect::<Vec<_>>().join(", ")
}
