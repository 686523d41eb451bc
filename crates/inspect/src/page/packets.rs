//! The list of packets, and each taken apart to the byte.
//!
//! Job: rows, and panes of which the chosen packet's is seen. Owns: the hex dump.
//! Does not know: what a field is; the model says.

use std::collections::HashMap;

use super::markup::{Markup, Text, put};
use super::what_if::{self, WhatIf};
use super::words;
use crate::shown_cause;
use crate::story::XRay;
use crate::story::{Packet, Story, X_RAYS_MAX, causing, seconds};

/// Bytes in a line of the dump.
const LINE: usize = 16;

/// Draws the panes.
pub(super) fn x_rays(page: &mut Markup, story: &Story, offer: WhatIf<'_>) {
    put!(
        page,
        "<section id=xray><h2>X-ray <small>the chosen packet, to the byte</small></h2>"
    );
    if story.packets.is_empty() {
        put!(page, "<p class=empty>No packet to take apart.</p>");
    }
    let mut before: HashMap<Option<usize>, &Packet> = HashMap::new();
    for packet in &story.packets {
        let last = before.insert(packet.thread, packet);
        pane(page, offer, packet, last);
    }
    if story.packets.len() > X_RAYS_MAX {
        put!(
            page,
            "<p class=note>Bytes: of the first {X_RAYS_MAX} packets.</p>"
        );
    }
    put!(page, "</section>");
}

fn pane(page: &mut Markup, offer: WhatIf<'_>, packet: &Packet, before: Option<&Packet>) {
    put!(
        page,
        "<article class=pane id={} data-c={} data-at={}><h3>#{} <span class=m>{}</span></h3>",
        packet.key,
        packet
            .thread
            .map_or(-1, |thread| i64::try_from(thread).unwrap_or(-1)),
        packet.at.as_secs_f64(),
        packet.id,
        Text(&packet.label)
    );
    put!(page, "<dl class=answers>");
    why(page, packet);
    state(page, packet);
    when(page, packet, before);
    layers(page, packet);
    put!(page, "</dl>");
    figures(page, packet);
    what_if::offer(page, offer, packet);
    if let Some(xray) = &packet.xray {
        put!(page, "<div class=bytes>");
        fields(page, xray);
        dump(page, xray);
        put!(page, "</div>");
    }
    put!(page, "</article>");
}

/// Why it was sent, and what became of it.
fn why(page: &mut Markup, packet: &Packet) {
    put!(page, "<div><dt>Why<dd>");
    let why = packet.note("why");
    match why {
        Some(why) => put!(page, "<b>{}</b> ", Text(why)),
        None if packet.inbound => put!(page, "The peer sent it. "),
        None => put!(page, "This capture does not say. "),
    }
    let told = why.and_then(words::of_why);
    match (&packet.sentence, told) {
        (Some(sentence), _) => put!(page, "<span class=sentence>{}</span> ", Text(sentence)),
        (None, Some(told)) => put!(page, "<span class=sentence>{told}</span> "),
        (None, None) => {}
    }
    if let Some(cause) = packet.note("cause").filter(|cause| *cause != "none") {
        put!(page, "<span class=because>Because ");
        match (causing(cause), words::of_cause(cause)) {
            (Some(id), _) => put!(page, "<a href=\"#p{id}\">#{id}</a> arrived. "),
            (None, Some(told)) => put!(page, "{}. ", Text(told)),
            (None, None) => put!(page, "of {}. ", Text(cause)),
        }
        put!(page, "</span>");
    }
    if let Some(rule) = packet.note("rule") {
        put!(
            page,
            "<span class=because>Handled by the rule <code>{}</code>. </span>",
            Text(rule)
        );
    }
    if packet.lost {
        put!(
            page,
            "<span class=because>Never arrived, as the sender found out later.</span>"
        );
    }
}

/// What state this end was in, and what held it back.
fn state(page: &mut Markup, packet: &Packet) {
    let Some(state) = packet.note("state") else {
        return;
    };
    put!(page, "<div><dt>State<dd><b>{}</b>", Text(state));
    if let Some(told) = words::of_state(state) {
        put!(page, " {told}.");
    }
    let number = |key| packet.note(key).and_then(|text| text.parse::<u64>().ok());
    if let (Some(flight), Some(cwnd)) = (number("inflight"), number("cwnd").filter(|c| *c > 0)) {
        put!(
            page,
            " <span class=because>{} bytes in flight, the congestion window allows {}",
            words::grouped(flight),
            words::grouped(cwnd)
        );
        if let Some(told) = packet.note("lim").and_then(words::of_limit) {
            put!(page, "; held back by: {told}");
        }
        put!(page, ".</span>");
    }
}

fn when(page: &mut Markup, packet: &Packet, before: Option<&Packet>) {
    let way = if packet.inbound { "to us" } else { "from us" };
    put!(
        page,
        "<div><dt>Time<dd>{}\u{202f}s, {way}",
        seconds(packet.at)
    );
    if let Some(before) = before {
        let since = packet.at.saturating_sub(before.at);
        match since.is_zero() {
            true => put!(page, ", at one instant with "),
            false => put!(page, ", {} after ", words::lasting(since)),
        }
        put!(page, "<a href=\"#{}\">#{}</a>", before.key, before.id);
    }
    put!(page, ".");
}

/// How many bytes each layer owns, as a strip.
fn layers(page: &mut Markup, packet: &Packet) {
    let Some(xray) = &packet.xray else {
        return;
    };
    let mut spans: Vec<(&str, usize)> = Vec::new();
    for field in &xray.fields {
        match spans.last_mut() {
            Some((layer, bytes)) if *layer == field.layer => *bytes += field.range.len(),
            _ => spans.push((field.layer, field.range.len())),
        }
    }
    put!(page, "<div><dt>Layers<dd><span class=strip>");
    for (layer, bytes) in spans {
        put!(
            page,
            "<span class=l-{layer} style=\"flex-grow:{}\">{layer} {bytes}</span>",
            bytes.max(1)
        );
    }
    put!(
        page,
        "</span><small>{} bytes on the wire</small>",
        packet.len
    );
}

/// Everything noted beside it, for who wants it exactly.
fn figures(page: &mut Markup, packet: &Packet) {
    if packet.notes.is_empty() {
        return;
    }
    put!(
        page,
        "<details class=figures-of><summary>All figures noted with it</summary><dl class=notes>"
    );
    for (key, value) in &packet.notes {
        put!(
            page,
            "<div><dt>{}<dd>{}</div>",
            Text(meaning(key)),
            Text(value)
        );
    }
    put!(page, "</dl></details>");
    if let Some(src) = packet.note("src") {
        put!(
            page,
            "<p class=lead>Decided in <code>{}</code></p>",
            Text(src)
        );
    }
}

/// Our annotations' short names in words.
fn meaning(key: &str) -> &str {
    match key {
        "why" => "why it left",
        "cause" => "caused by",
        "src" => "line of code",
        "rule" => "rule applied",
        "drop" => "dropped because",
        "lim" => "held back by",
        "inflight" => "in flight",
        "srtt_ms" => "smoothed round trip, ms",
        "rto_ms" => "retransmission timeout, ms",
        key => key,
    }
}

fn fields(page: &mut Markup, xray: &XRay) {
    put!(
        page,
        "<table class=fields><caption>Point at a field to see its bytes, at a byte to see its field.</caption><tbody>"
    );
    let mut layer = "";
    for (index, field) in xray.fields.iter().enumerate() {
        if field.layer != layer {
            layer = field.layer;
            put!(
                page,
                "<tr class=layer><th colspan=3 class=l-{layer}>{layer} <small>{}</small>",
                field.source
            );
        }
        put!(
            page,
            "<tr tabindex=0 data-f={index}><td class=n>{}<td>{}<td class=m>{}",
            span(field.range.start, field.range.end),
            field.name,
            Text(&field.value)
        );
    }
    put!(page, "</tbody></table>");
}

/// `4` or `4–7`.
fn span(start: usize, end: usize) -> String {
    match end.saturating_sub(start) {
        0 => format!("{start}"),
        1 => format!("{start}"),
        _ => format!("{start}–{}", end - 1),
    }
}

fn dump(page: &mut Markup, xray: &XRay) {
    put!(page, "<pre class=dump>");
    for (number, line) in xray.bytes.chunks(LINE).enumerate() {
        let start = number * LINE;
        put!(page, "<b>{start:04x}</b> ");
        // A run of bytes of one field is one element.
        let mut open = None;
        for (at, byte) in (start..).zip(line) {
            let owner = owner(xray, at);
            if owner != open {
                if open.is_some() {
                    put!(page, "</i>");
                }
                if let Some((index, layer)) = owner {
                    put!(page, "<i tabindex=0 data-f={index} class=l-{layer}>");
                }
                open = owner;
            }
            put!(page, "{byte:02x} ");
        }
        if open.is_some() {
            put!(page, "</i>");
        }
        put!(page, "{}<s>", "   ".repeat(LINE - line.len()));
        for byte in line {
            let shown = if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '·'
            };
            put!(page, "{}", Text(shown));
        }
        put!(page, "</s>\n");
    }
    if xray.hidden > 0 {
        put!(page, "… {} more bytes", xray.hidden);
    }
    put!(page, "</pre>");
}

/// The field a byte belongs to.
fn owner(xray: &XRay, at: usize) -> Option<(usize, &'static str)> {
    let mut fields = xray.fields.iter().enumerate();
    let (index, field) = fields.find(|(_, field)| field.range.contains(&at))?;
    Some((index, field.layer))
}

/// Draws the list.
pub(super) fn list(page: &mut Markup, story: &Story) {
    put!(
        page,
        "<section id=list><h2>Packets</h2><div class=scroll tabindex=0><table><thead><tr><th class=n>#<th class=n>time<th>\
         <th>way<th>packet<th class=n>bytes<th>state<th>why<th>cause</thead><tbody>"
    );
    for packet in &story.packets {
        let letter = packet.thread.and_then(|thread| story.threads.get(thread));
        let key = &packet.key;
        put!(
            page,
            "<tr class={key} data-k={key}><td class=n><a href=\"#{key}\">{}</a><td class=n>{}<td>{}<td>{}\
             <td class=m>{}<td class=n>{}<td>{}<td>{}<td>",
            packet.id,
            seconds(packet.at),
            letter.map_or("", |thread| &thread.name),
            if packet.inbound { "→ us" } else { "us →" },
            Text(&packet.label),
            packet.len,
            Text(packet.note("state").unwrap_or_default()),
            Text(
                packet
                    .note("why")
                    .or_else(|| packet.note("drop"))
                    .unwrap_or_default()
            )
        );
        if let Some(cause) = packet.note("cause") {
            put!(page, "{}", Text(shown_cause(cause)));
        }
    }
    put!(page, "</tbody></table></div></section>");
}
