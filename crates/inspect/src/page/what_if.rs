//! What if this packet had been lost?
//!
//! Job: offer, beside a packet of a recorded scenario, to play it again with another fate for that packet.
//! Owns: the fates offered. Does not know: how a scenario is played; the program does that.

use super::markup::{Markup, Text, put};
use crate::story::Packet;

/// Where another fate of a packet can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhatIf<'a> {
    /// Nowhere: half of a live conversation cannot be played again.
    #[default]
    No,
    /// By this command, to which `drop:17` and the like are added as `--what-if`.
    Command(&'a str),
    /// At this address, to which `drop:17` and the like are added.
    Address(&'a str),
}

/// A fate, as it is asked for and in words.
const FATES: [(&str, &str, &str); 3] = [
    ("drop", "", "been lost"),
    ("delay", ":200ms", "come 200 ms later"),
    ("duplicate", "", "arrived twice"),
];

/// The fates a packet may have: one that was lost cannot be lost once more.
fn fates(packet: &Packet) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lost = packet.lost;
    FATES
        .into_iter()
        .filter(move |(fate, ..)| !(lost && *fate == "drop"))
}

/// Offers the fates of a packet.
pub(super) fn offer(page: &mut Markup, offer: WhatIf<'_>, packet: &Packet) {
    let id = packet.id;
    match offer {
        WhatIf::No => {}
        WhatIf::Address(address) => {
            put!(page, "<p class=whatif><b>What if</b> it had ");
            for (fate, by, words) in fates(packet) {
                put!(
                    page,
                    "<a href=\"{}{fate}:{id}{by}\">{words}</a> ",
                    Text(address)
                );
            }
            put!(page, "</p>");
        }
        WhatIf::Command(command) => {
            put!(
                page,
                "<details class=whatif><summary><b>What if</b> another fate had befallen it?</summary>\
                 <p class=lead>This scenario can be played again, on the same engine, in virtual time:</p>"
            );
            for (fate, by, words) in fates(packet) {
                put!(
                    page,
                    "<p><small>had it {words}</small><br><code>{} --what-if {fate}:{id}{by}</code></p>",
                    Text(command)
                );
            }
            put!(page, "</details>");
        }
    }
}
