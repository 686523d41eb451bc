//! HTTP exchanges read as text: what was asked beside what was answered.
//!
//! Job: both heads, and the packets that carried them. Owns: the two columns.
//! Does not know: framing (`exchange` says) or times (`waterfall` shows).

use super::link;
use super::markup::{Markup, Text, put};
use super::words::{grouped, lasting};
use crate::exchange::{Exchange, Message};
use crate::story::Story;

/// Exchanges told.
const TOLD_MAX: usize = 60;
/// Exchanges unfolded from the start.
const OPEN: usize = 1;
/// Letters of a field's value shown.
const VALUE_MAX: usize = 400;

/// Draws the exchanges, if there was HTTP.
pub(super) fn draw(page: &mut Markup, story: &Story) {
    let exchanges = story.exchanges().list();
    if exchanges.is_empty() {
        return;
    }
    put!(
        page,
        "<section id=exchanges><h2>What was asked and answered</h2>"
    );
    for (index, exchange) in exchanges.iter().enumerate().take(TOLD_MAX) {
        let letter = story.threads.get(exchange.conversation);
        let answer = exchange.response.as_ref().map(|m| m.start_line.as_str());
        put!(
            page,
            "<details{}><summary><span class=letter>{}</span> <span class=m>{}</span> <small>→ {}</small></summary>\
             <div class=pair>",
            if index < OPEN { " open" } else { "" },
            letter.map_or("", |thread| &thread.name),
            Text(&exchange.request.start_line),
            Text(answer.unwrap_or("no answer"))
        );
        told(page, story, ("request", exchange));
        told(page, story, ("response", exchange));
        put!(page, "</div></details>");
    }
    let more = exchanges.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        put!(page, "<p class=note>And {more} more.</p>");
    }
    put!(page, "</section>");
}

fn told(page: &mut Markup, story: &Story, (side, exchange): (&str, &Exchange)) {
    let from_us = exchange.ours_asked == (side == "request");
    put!(
        page,
        "<article class={}><h3>{side} <small>from {}</small></h3>",
        if from_us { "out" } else { "in" },
        if from_us { "this end" } else { "the peer" }
    );
    let message = match side {
        "request" => Some(&exchange.request),
        _ => exchange.response.as_ref(),
    };
    match message {
        Some(message) => head(page, story, message),
        None => put!(
            page,
            "<p class=empty>None came while this was recorded.</p>"
        ),
    }
    put!(page, "</article>");
}

fn head(page: &mut Markup, story: &Story, message: &Message) {
    put!(
        page,
        "<pre class=head tabindex=0><b>{}</b>\n",
        Text(&message.start_line)
    );
    for (name, value) in &message.fields {
        let value: String = value.chars().take(VALUE_MAX).collect();
        put!(page, "<i>{}:</i> {}\n", Text(name), Text(&value));
    }
    put!(page, "</pre><p class=lead>");
    match message.body_len {
        0 => put!(page, "no body"),
        len => put!(page, "a body of {} bytes", grouped(len)),
    }
    put!(
        page,
        "{}, in packets ",
        if message.complete { "" } else { ", cut short" }
    );
    put!(page, "{}", link::number(story, message.first_packet));
    if message.last_packet != message.first_packet {
        put!(page, " to {}", link::number(story, message.last_packet));
        let took = message.last.saturating_sub(message.first);
        put!(page, ", within {}", lasting(took));
    }
    put!(page, "</p>");
}
