//! A capture as one page.
//!
//! Job: put the views beside each other, with one cursor through all of them.
//! Owns: the frame, the style and the script. Does not know: how a view draws.
//! The page asks nobody for anything, and can be read without its script: the script moves the cursor.
//!
//! ```text
//!  ┌ what this is, conversations, time ─────┐
//!  ├ HTTP: waterfall, exchanges ────────────┤
//!  ├ ladder ────┬ X-ray of the chosen one ──┤   `#p12` is packet 12 in every view: the address of the page,
//!  │            ├ states, sequence, windows ┤   the class of what belongs to it
//!  ├ packets ───┴───────────────────────────┤   data-from, data-span: where the time cursor runs
//!  └────────────────────────────────────────┘
//! ```

mod chart;
mod compare;
mod ladder;
mod large;
mod link;
mod markup;
mod packets;
mod sequence;
mod spent;
mod states;
mod summary;
mod talk;
mod timeline;
mod waterfall;
mod what_if;
mod windows;
mod words;

use core::time::Duration;
use std::io::{Read, Write};

use outcrop_capture::Reader;
use sha2::{Digest as _, Sha256};

use crate::story::{Packet, Story};
use crate::{Conversation, InspectError};
use markup::{Markup, Text, put};
pub use what_if::WhatIf;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = concat!(
    include_str!("page/cursor.js"),
    include_str!("page/large.js")
);

/// Up to so many packets, the cursor goes through all views without the script too.
const SCRIPTLESS_MAX: usize = 400;
/// Conversations that get a state diagram and a sequence plot.
const DRAWN_MAX: usize = 24;

/// How a page learns of what comes after it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow<'a> {
    /// Not at all: it asks nobody for anything.
    #[default]
    Not,
    /// Server-sent events from this address say that the page, at its own address, has changed.
    Events(&'a str),
    /// The page at this address has the rest, a moment later.
    Once(&'a str),
}

/// What a page shows.
pub struct PageOptions<'a> {
    /// What to call it.
    pub name: &'a str,
    /// Which conversations are on it.
    pub keep: &'a dyn Fn(&Conversation) -> bool,
    /// How it goes on.
    pub follow: Follow<'a>,
    /// Where other fates of its packets can be had.
    pub what_if: WhatIf<'a>,
    /// Packets passed over before those drawn in detail.
    pub skip: usize,
    /// Other pages to go on to: address and words.
    pub links: &'a [(&'a str, &'a str)],
}

impl<'a> PageOptions<'a> {
    /// Everything, under this name.
    #[must_use]
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            keep: &|_| true,
            follow: Follow::Not,
            what_if: WhatIf::No,
            skip: 0,
            links: &[],
        }
    }
}

/// A capture beside that of a page.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// What to call it, and what to call the page's own.
    pub names: (&'a str, &'a str),
    /// What a reader is told first.
    pub told: &'a str,
    /// The packet of the page's own capture that all turns on, by its number: it is chosen first.
    pub turn: Option<u64>,
    /// Whether the link lost that one.
    pub lost: bool,
}

/// Writes a capture as one self-contained page; `name` is what to call it.
///
/// A capture of more than 5,000 packets is plotted whole, and its first 1,000 packets are drawn in detail.
///
/// # Errors
/// The capture is damaged (what came before is on the page, which says so), or the output refused.
pub fn page<R: Read>(
    reader: &mut Reader<R>,
    name: &str,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    page_with(reader, &PageOptions::named(name), out)
}

/// Writes a part of a capture as a page, or one that goes on.
///
/// # Errors
/// As [`page`].
pub fn page_with<R: Read>(
    reader: &mut Reader<R>,
    options: &PageOptions<'_>,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let (mut story, outcome) = Story::read_from(reader, options.keep, options.skip);
    shorten(&mut story);
    let mut page = Markup::default();
    head(&mut page, options, &story, None);
    put!(page, "<div id=all>");
    intro(&mut page, &story);
    views(&mut page, options, &story);
    put!(page, "</div>");
    foot(&mut page);
    out.write_all(page.into_string().as_bytes())?;
    out.flush()?;
    Ok(outcome?)
}

/// Writes a capture as a page, with another beside it on one axis: what is compared is the connection of each that
/// carried the most.
///
/// # Errors
/// As [`page`], for either capture.
pub fn compare<R: Read, S: Read>(
    reader: &mut Reader<R>,
    (other, beside): (&mut Reader<S>, &Beside<'_>),
    options: &PageOptions<'_>,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let (mut story, outcome) = Story::read_from(reader, options.keep, options.skip);
    shorten(&mut story);
    let (others, other_outcome) = Story::read(other, &|_| true);
    let mut packets = story.packets.iter_mut();
    let turn = packets.find(|packet| beside.turn == Some(packet.id));
    let turn = turn.map(|packet| {
        packet.lost |= beside.lost;
        packet.key.clone()
    });
    let mut page = Markup::default();
    head(&mut page, options, &story, turn.as_deref());
    put!(
        page,
        "<div id=all><section id=intro><p>{}</p></section>",
        Text(beside.told)
    );
    warnings(&mut page, &others);
    let side = |name, story, linked| compare::Side {
        name,
        story,
        linked,
    };
    let (first, second) = beside.names;
    compare::draw(
        &mut page,
        [side(first, &others, false), side(second, &story, true)],
    );
    put!(page, "<h2 class=part>{} in full</h2>", Text(second));
    views(&mut page, options, &story);
    put!(page, "</div>");
    foot(&mut page);
    out.write_all(page.into_string().as_bytes())?;
    out.flush()?;
    outcome?;
    Ok(other_outcome?)
}

/// Of a long capture, fewer packets are drawn in detail.
fn shorten(story: &mut Story) {
    if large::is_large(story) {
        story.shorten(large::DETAIL_MAX);
    }
}

/// Every view of a capture.
fn views(page: &mut Markup, options: &PageOptions<'_>, story: &Story) {
    warnings(page, story);
    summary::draw(page, story);
    if large::is_large(story) {
        large::draw(page, story);
    } else {
        timeline::draw(page, story);
    }
    waterfall::draw(page, story);
    talk::draw(page, story);
    put!(page, "<main>");
    ladder::draw(page, story);
    put!(page, "<div id=side><div id=inner>");
    packets::x_rays(page, story, options.what_if);
    put!(page, "<div id=plots>");
    for (index, thread) in story.threads.iter().enumerate().take(DRAWN_MAX) {
        states::draw(page, story, (index, thread));
        sequence::draw(page, story, (index, thread));
        windows::draw(page, story, (index, thread));
    }
    put!(
        page,
        "<section class=card id=none hidden><h2>States and windows</h2><p class=empty>This conversation has none: they \
         are TCP’s, told by the end that recorded. Choose a packet of a TCP conversation.</p></section>"
    );
    if story.threads.len() > DRAWN_MAX {
        put!(
            page,
            "<p class=note>State diagrams, sequences and windows: of the first {DRAWN_MAX} conversations.</p>"
        );
    }
    put!(page, "</div></div></div></main>");
    packets::list(page, story);
}

/// What this is, and what to do with it.
fn intro(page: &mut Markup, story: &Story) {
    let known = story.threads.iter().any(|thread| thread.known);
    let span = story.points.last().map_or(Duration::ZERO, |last| last.at);
    put!(
        page,
        "<section id=intro><p>{} packets in {} conversation{} over {}, {}. All views show the same packets: \
         <b>choose one anywhere, and every view goes there.</b> <span class=keys><kbd>←</kbd> <kbd>→</kbd> next packet, \
         <kbd>Tab</kbd> fields and bytes</span></p><ul class=asks>",
        words::grouped(story.total as u64),
        story.threads.len(),
        if story.threads.len() == 1 { "" } else { "s" },
        words::lasting(span),
        if known {
            "recorded inside a TCP/IP stack that notes beside each packet what it knew and why it sent"
        } else {
            "recorded by others: bytes only, what the sender knew is not in it"
        }
    );
    for (at, ask, answer) in [
        (
            "ladder",
            "Why was this packet sent?",
            "Choose an arrow: the X-ray begins with the reason and what caused it.",
        ),
        (
            "xray",
            "What state was the sender in?",
            "The X-ray says; the state diagram shows the way there.",
        ),
        (
            "bytes",
            "Which layer owns this byte?",
            "Point at a byte of the X-ray, or at a field.",
        ),
        (
            "summary",
            "Where did the time go?",
            "The longest pauses are named, with what was waited for.",
        ),
    ] {
        put!(
            page,
            "<li><a href=\"#{at}\"><b>{ask}</b></a> <span>{answer}</span>"
        );
    }
    put!(page, "</ul></section>");
}

fn head(page: &mut Markup, options: &PageOptions<'_>, story: &Story, first: Option<&str>) {
    let name = Text(options.name);
    // Only a page that follows may ask for anything, and its own server only.
    let (connect, attribute, sign) = match options.follow {
        Follow::Not => ("", String::new(), ""),
        Follow::Events(at) => (
            " connect-src 'self';",
            format!(" data-events=\"{}\"", Text(at)),
            "<p class=live>live</p>",
        ),
        Follow::Once(at) => (
            " connect-src 'self';",
            format!(" data-once=\"{}\"", Text(at)),
            "",
        ),
    };
    put!(
        page,
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline';{connect} \
         script-src 'sha256-{}'\"><link rel=icon href=\"data:,\"><title>{name} · Outcrop</title><style>{STYLE}</style>",
        base64(&Sha256::digest(SCRIPT))
    );
    if story.packets.len() <= SCRIPTLESS_MAX {
        put!(page, "<noscript><style>");
        for packet in &story.packets {
            let key = &packet.key;
            put!(
                page,
                ":root:has(#{key}:target) .{key}{{--on:1;background:var(--chosen);fill:var(--ink)}}"
            );
        }
        put!(page, "</style></noscript>");
    }
    put!(
        page,
        "</head><body{attribute} data-start=\"{}\"><header><p class=mark>Outcrop</p><h1>{name}</h1>{sign}",
        first.unwrap_or_else(|| start(story))
    );
    if !options.links.is_empty() {
        put!(page, "<nav class=also aria-label=\"Other pages\">");
        for (at, words) in options.links {
            put!(page, "<a href=\"{}\">{}</a> ", Text(at), Text(words));
        }
        put!(page, "</nav>");
    }
    put!(page, "</header>");
    if let Follow::Once(at) = options.follow {
        put!(
            page,
            "<noscript><p class=note>What came after this was written: <a href=\"{}\">the whole story</a>.</p></noscript>",
            Text(at)
        );
    }
}

/// The packet to begin with: the first with a sentence of its own, else the first of ours that carries data.
fn start(story: &Story) -> &str {
    let mut packets = story.packets.iter();
    let notable = packets.find(|packet| packet.sentence.is_some() || packet.lost);
    let data = |packet: &&Packet| packet.note("why") == Some("data");
    let chosen = notable.or_else(|| story.packets.iter().find(data));
    chosen.map_or("", |packet| &packet.key)
}

/// What is not on the page.
fn warnings(page: &mut Markup, story: &Story) {
    if large::is_large(story) {
        let first = story.packets.first().map_or(0, |packet| packet.id);
        let last = story.packets.last().map_or(0, |packet| packet.id);
        put!(
            page,
            "<p class=tell>The capture holds {} packets: all are plotted, #{first} to #{last} are drawn in detail. \
             <code>outcrop inspect --from NUMBER</code> draws others.</p>",
            words::grouped(story.total as u64)
        );
    }
    if let Some(damage) = &story.damage {
        put!(
            page,
            "<p class=warn>The capture is damaged after packet {}: {}</p>",
            story.total,
            Text(damage)
        );
    }
}

fn foot(page: &mut Markup) {
    put!(
        page,
        "<nav id=cursor hidden aria-label=\"Chosen packet\"><button type=button id=play aria-label=\"play\">▶</button>\
         <button type=button id=back aria-label=\"previous packet\">←</button><output id=now></output>\
         <button type=button id=next aria-label=\"next packet\">→</button><button type=button id=read>X-ray</button></nav><script>{SCRIPT}</script></body></html>\n"
    );
}

/// RFC 4648 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = [0, 1, 2]
            .map(|place| u32::from(group.get(place).copied().unwrap_or(0)))
            .iter()
            .fold(0, |bits, byte| bits << 8 | byte);
        for place in 0..4 {
            let six = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = LETTERS.get(six).filter(|_| place <= group.len());
            text.push(letter.map_or('=', |letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_that_of_rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
