//! A capture as one page.
//!
//! Job: put the views beside each other, with one cursor through all of them.
//! Owns: the frame, the style and the script. Does not know: how a view draws.
//! The page asks nobody for anything, and can be read without its script: the script moves the cursor.
//!
//! ```text
//!  ┌ summary, HTTP waterfall ───────────────┐
//!  ├ ladder ────┬ X-ray of the chosen one ──┤   `#p12` is packet 12 in every view: the address of the page,
//!  │            ├ states, sequence, windows ┤   the class of what belongs to it
//!  ├ packets ───┴───────────────────────────┤
//!  └────────────────────────────────────────┘
//! ```

mod chart;
mod ladder;
mod markup;
mod packets;
mod sequence;
mod states;
mod summary;
mod waterfall;
mod windows;

use std::io::{Read, Write};

use outcrop_capture::Reader;
use sha2::{Digest as _, Sha256};

use crate::story::{PACKETS_MAX, Story};
use crate::{Conversation, InspectError};
use markup::{Markup, Text, put};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/cursor.js");

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
}

/// Writes a capture as one self-contained page; `name` is what to call it.
///
/// Of a long capture the first 5,000 packets are drawn, and the page says so.
///
/// # Errors
/// The capture is damaged (what came before is on the page, which says so), or the output refused.
pub fn page<R: Read>(
    reader: &mut Reader<R>,
    name: &str,
    out: &mut dyn Write,
) -> Result<(), InspectError> {
    let options = PageOptions {
        name,
        keep: &|_| true,
        follow: Follow::Not,
    };
    page_with(reader, &options, out)
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
    let (story, outcome) = Story::read(reader, options.keep);
    let mut page = Markup::default();
    head(&mut page, options, &story);
    put!(page, "<div id=all>");
    warnings(&mut page, &story);
    summary::draw(&mut page, &story);
    waterfall::draw(&mut page, &story);
    put!(page, "<main>");
    ladder::draw(&mut page, &story);
    put!(page, "<div id=side><div id=inner>");
    packets::x_rays(&mut page, &story);
    put!(page, "<div id=plots>");
    for (index, thread) in story.threads.iter().enumerate().take(DRAWN_MAX) {
        states::draw(&mut page, &story, (index, thread));
        sequence::draw(&mut page, &story, (index, thread));
        windows::draw(&mut page, &story, (index, thread));
    }
    if story.threads.len() > DRAWN_MAX {
        put!(
            page,
            "<p class=note>State diagrams, sequences and windows: of the first {DRAWN_MAX} conversations.</p>"
        );
    }
    put!(page, "</div></div></div></main>");
    packets::list(&mut page, &story);
    put!(page, "</div>");
    foot(&mut page);
    out.write_all(page.into_string().as_bytes())?;
    out.flush()?;
    Ok(outcome?)
}

fn head(page: &mut Markup, options: &PageOptions<'_>, story: &Story) {
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
        "</head><body{attribute}><header><p class=mark>Outcrop</p><h1>{name}</h1>{sign}</header>"
    );
    if let Follow::Once(at) = options.follow {
        put!(
            page,
            "<noscript><p class=note>What came after this was written: <a href=\"{}\">the whole story</a>.</p></noscript>",
            Text(at)
        );
    }
}

/// What is not on the page.
fn warnings(page: &mut Markup, story: &Story) {
    if story.total > PACKETS_MAX {
        put!(
            page,
            "<p class=warn>The capture holds {} packets; the first {PACKETS_MAX} are drawn.</p>",
            story.total
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
        "<nav id=cursor hidden aria-label=\"Chosen packet\"><button type=button id=back \
         aria-label=\"previous packet\">←</button><output id=now></output><button type=button id=next \
         aria-label=\"next packet\">→</button></nav><script>{SCRIPT}</script></body></html>\n"
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
