//! A packet's number, to go to it.
//!
//! Job: a link to a packet that is on the page, and plain text for one that is not.

use super::markup::Text;
use crate::story::Story;

/// The packet with this number, shown as `text`; its class lets the cursor find it.
pub(super) fn to(story: &Story, id: u64, text: &str) -> String {
    let packet = story.packets.iter().find(|packet| packet.id == id);
    let text = Text(text);
    packet.map_or_else(
        || text.to_string(),
        |packet| format!("<a class={0} href=\"#{0}\">{text}</a>", packet.key),
    )
}

/// `#12`.
pub(super) fn number(story: &Story, id: u64) -> String {
    to(story, id, &format!("#{id}"))
}
