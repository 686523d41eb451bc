//! The list of packets, and each taken apart to the byte.
//!
//! Job: rows, and panes of which the chosen packet's is seen. Owns: the hex dump.
//! Does not know: what a field is; the model says.

use super::markup::{Markup, Text, put};
use crate::shown_cause;
use crate::story::XRay;
use crate::story::{Packet, Story, X_RAYS_MAX, causing, seconds};

/// Bytes in a line of the dump.
const LINE: usize = 16;

/// Draws the panes.
pub(super) fn x_rays(page: &mut Markup, story: &Story) {
    put!(page, "<section id=xray><h2>X-ray</h2>");
    for packet in &story.packets {
        pane(page, packet);
    }
    if story.packets.len() > X_RAYS_MAX {
        put!(
            page,
            "<p class=note>Bytes: of the first {X_RAYS_MAX} packets.</p>"
        );
    }
    put!(page, "</section>");
}

fn pane(page: &mut Markup, packet: &Packet) {
    put!(
        page,
        "<article class=pane id={} data-c={}><h3>#{} <span class=m>{}</span></h3>",
        packet.key,
        packet
            .thread
            .map_or(-1, |thread| i64::try_from(thread).unwrap_or(-1)),
        packet.id,
        Text(&packet.label)
    );
    let way = if packet.inbound { "to us" } else { "from us" };
    put!(
        page,
        "<p class=lead>{way} at {} s, {} bytes</p>",
        seconds(packet.at),
        packet.len
    );
    if let Some(sentence) = &packet.sentence {
        put!(page, "<p class=sentence>{}</p>", Text(sentence));
    }
    if !packet.notes.is_empty() {
        put!(page, "<dl class=notes>");
        for (key, value) in &packet.notes {
            put!(page, "<div><dt>{}<dd>", Text(meaning(key)));
            match (key.as_str(), causing(value)) {
                ("cause", Some(id)) => put!(page, "<a href=\"#p{id}\">#{id}</a>"),
                _ => put!(page, "{}", Text(value)),
            }
            put!(page, "</div>");
        }
        put!(page, "</dl>");
    }
    if let Some(xray) = &packet.xray {
        put!(page, "<div class=bytes>");
        fields(page, xray);
        dump(page, xray);
        put!(page, "</div>");
    }
    put!(page, "</article>");
}

/// Our annotations' short names in words.
fn meaning(key: &str) -> &str {
    match key {
        "why" => "why it left",
        "cause" => "caused by",
        "state" => "state",
        "src" => "line of code",
        "rule" => "rule applied",
        "drop" => "dropped because",
        "lim" => "held back by",
        "inflight" => "in flight",
        key => key,
    }
}

fn fields(page: &mut Markup, xray: &XRay) {
    put!(page, "<table class=fields><tbody>");
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
                    put!(page, "<i data-f={index} class=l-{layer}>");
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
        "<section id=list><h2>Packets</h2><div class=scroll><table><thead><tr><th class=n>#<th class=n>time<th>\
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
