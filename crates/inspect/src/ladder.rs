//! A conversation as a ladder: two lifelines, an arrow a packet, a note a reason.
//!
//! Job: draw records one after the other, so that a reader sees who said what, why, and what got lost.
//! Owns: the layout (columns below) and what is worth a line. Does not know: how records are stored.
//!
//! ```text
//!   time     id conversation   peer                    ours   state, reason, cause
//!   0.000112  #2 A               │◀──── SYN ACK ack 1 ────│   syn-ack ← #1
//! ```

mod draw;
mod label;
mod notes;

use core::time::Duration;

use outcrop_capture::{Event, Packet, Record};

use crate::conversation::{Conversations, Seen};
use crate::exchange::Exchanges;
use crate::http::start_lines;
use crate::paint::{Ink, Paint};
use draw::{Canvas, Stroke, fit, wrap};

pub(crate) use label::{of as label, payload};
pub(crate) use notes::{event_text, is_again};

/// Silence shorter than this is not remarked upon.
const GAP: Duration = Duration::from_millis(100);
/// At most so many start lines of one packet are shown.
const START_LINES: usize = 4;

/// How to draw.
#[derive(Clone, Copy, Debug, Default)]
pub struct LadderOptions {
    /// Colours.
    pub paint: Paint,
    /// Whether to draw every event: timers set and stopped, round-trip samples.
    pub every_event: bool,
    /// Whether to leave out the sentences that explain notable packets.
    pub terse: bool,
}

/// Draws records one after the other.
#[derive(Debug, Default)]
pub struct Ladder {
    options: LadderOptions,
    conversations: Conversations,
    exchanges: Exchanges,
    /// What has been drawn of each conversation.
    drawn: Vec<Drawn>,
    first: Option<Duration>,
    last: Duration,
    totals: Totals,
}

/// What a conversation's rows have shown, so that only changes are repeated.
#[derive(Clone, Debug, Default)]
struct Drawn {
    state: String,
    cwnd: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: u64,
    events: u64,
    dropped: u64,
    again: u64,
}

impl Ladder {
    /// An empty ladder.
    #[must_use]
    pub fn new(options: LadderOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Appends the lines of a record, line feeds included.
    pub fn record(&mut self, record: &Record, out: &mut String) {
        match record {
            Record::Packet(packet) => self.packet(packet, out),
            Record::Event(event) => self.event(event, out),
            Record::Secrets(lines) => self.exchanges.secrets(lines),
        }
    }

    /// Appends the closing line.
    pub fn finish(&self, out: &mut String) {
        let mut canvas = Canvas::new(out, self.options.paint);
        if self.first.is_none() {
            canvas.plain(Ink::Faint, "nothing was captured");
            return;
        }
        canvas.feet();
        let Totals {
            packets,
            events,
            dropped,
            again,
        } = self.totals;
        let mut text = counted(packets, "packet");
        if events > 0 {
            text.push_str(&format!(" and {}", counted(events, "event")));
        }
        let conversations = u64::try_from(self.conversations.len()).unwrap_or(u64::MAX);
        let length = self.last.saturating_sub(self.first.unwrap_or_default());
        text.push_str(&format!(" in {}", counted(conversations, "conversation")));
        text.push_str(&format!(", {:.6} s", length.as_secs_f64()));
        if again > 0 {
            text.push_str(&format!(", {again} sent again"));
        }
        if dropped > 0 {
            text.push_str(&format!(", {dropped} dropped"));
        }
        canvas.plain(Ink::Faint, &text);
    }

    fn packet(&mut self, packet: &Packet, out: &mut String) {
        self.totals.packets += 1;
        let seen = self.conversations.packet(packet);
        let inside = self.exchanges.packet(packet, &seen).lines;
        self.head(seen.conversation, out);
        let since = self.pass(packet.at, out);
        let label = label::of(packet, &seen);
        let stroke = self.stroke(packet, &seen);
        let notes = self.notes(packet, &seen);
        let name = seen.conversation.map(name).unwrap_or_default();
        let mut canvas = Canvas::new(out, self.options.paint);
        canvas.margin(since, Some(packet.shown_id()), &name);
        canvas.arrow(stroke, &label);
        canvas.notes(&notes);
        let clear = start_lines(payload(&seen)).take(START_LINES);
        for line in clear.chain(inside.iter().map(String::as_str)) {
            canvas.beside(stroke.inbound, Ink::Application, line);
        }
        if let Some(sentence) = packet.sentence.as_ref().filter(|_| !self.options.terse) {
            for line in wrap(sentence, draw::MIDDLE - 4) {
                canvas.beside(true, Ink::Faint, &line);
            }
        }
    }

    fn event(&mut self, event: &Event, out: &mut String) {
        self.totals.events += 1;
        let conversation = self.conversations.event(event);
        let detail = event.get("PRIORITY") == Some("7");
        let state = event.get("NET_STATE");
        if let (Some(state), Some(drawn)) = (state, self.drawn_mut(conversation)) {
            state.clone_into(&mut drawn.state);
        }
        if detail && !self.options.every_event {
            return;
        }
        self.head(conversation, out);
        let since = self.pass(event.at, out);
        let name = conversation.map(name).unwrap_or_default();
        let mut canvas = Canvas::new(out, self.options.paint);
        let (mark, ink) = notes::event_mark(event);
        let text = event_text(event);
        canvas.margin(since, None, &name);
        if conversation.is_none() {
            canvas.event_apart(mark, ink, &text);
            return;
        }
        let mut lines = wrap(&text, draw::NOTES).into_iter();
        canvas.event(mark, ink, &lines.next().unwrap_or_default());
        for line in lines {
            canvas.beside_notes(ink, &line);
        }
    }

    /// Draws the heads of both lifelines when a conversation first appears.
    fn head(&mut self, conversation: Option<usize>, out: &mut String) {
        let Some(index) = conversation.filter(|index| *index >= self.drawn.len()) else {
            return;
        };
        // Conversations that only ever had undrawn events come first.
        for index in self.drawn.len()..=index {
            self.drawn.push(Drawn::default());
            if let Some(conversation) = self.conversations.get(index) {
                let (peer, ours) = (conversation.peer.to_string(), conversation.ours.to_string());
                let title = format!("{} {}", name(index), conversation.talk);
                let mut canvas = Canvas::new(out, self.options.paint);
                if index > 0 || self.first.is_some() {
                    canvas.plain(Ink::None, "");
                }
                canvas.heads(&title, &peer, &ours);
                let remark = if conversation.ours_is_known {
                    "this stack"
                } else {
                    ""
                };
                canvas.heads_end(remark);
            }
        }
    }

    fn drawn_mut(&mut self, conversation: Option<usize>) -> Option<&mut Drawn> {
        self.drawn.get_mut(conversation?)
    }

    /// Time since the first record, unless it is that of the line above; draws a gap for a silence.
    fn pass(&mut self, at: Duration, out: &mut String) -> Option<Duration> {
        let Some(first) = self.first else {
            (self.first, self.last) = (Some(at), at);
            return Some(Duration::ZERO);
        };
        let silence = at.saturating_sub(self.last);
        if silence >= GAP {
            Canvas::new(out, self.options.paint).gap(silence);
        }
        let repeats = at == self.last;
        self.last = at;
        (!repeats).then(|| at.saturating_sub(first))
    }

    /// How the arrow looks.
    fn stroke(&mut self, packet: &Packet, seen: &Seen) -> Stroke {
        let drop = packet.notes.get("drop");
        let reset = label::is_reset(seen);
        let again = is_again(packet, seen);
        self.totals.dropped += u64::from(drop.is_some());
        self.totals.again += u64::from(again && drop.is_none());
        Stroke {
            inbound: seen.inbound,
            lost: drop.is_some(),
            on_the_way: drop.is_some_and(|reason| !seen.inbound || reason.starts_with("link:")),
            ink: match (drop.is_some() || reset, again, seen.inbound) {
                (true, _, _) => Ink::Bad,
                (false, true, _) => Ink::Again,
                (false, false, true) => Ink::In,
                (false, false, false) => Ink::Out,
            },
        }
    }

    fn notes(&mut self, packet: &Packet, seen: &Seen) -> Vec<(Ink, String)> {
        let mut drawn = Drawn::default();
        if let Some(known) = self.drawn_mut(seen.conversation) {
            drawn = core::mem::take(known);
        }
        let pieces = notes::of(packet, seen, &drawn);
        for (key, slot) in [("state", &mut drawn.state), ("cwnd", &mut drawn.cwnd)] {
            if let Some(value) = packet.notes.get(key) {
                value.clone_into(slot);
            }
        }
        if let Some(known) = self.drawn_mut(seen.conversation) {
            *known = drawn;
        }
        fit(pieces, draw::NOTES)
    }
}

/// `1 packet`, `2 packets`.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The index of a conversation by the letter it has in every view; `None` if it is no such letter.
#[must_use]
pub fn conversation_index(letter: &str) -> Option<usize> {
    let first = letter.bytes().next()?.to_ascii_uppercase();
    let place = usize::from(first.checked_sub(b'A').filter(|place| *place < 26)?);
    let round = match letter.get(1..)? {
        "" => 0,
        digits => digits.parse::<usize>().ok().filter(|round| *round > 0)?,
    };
    round.checked_mul(26)?.checked_add(place)
}

/// A conversation's letter: A to Z, then with a digit.
pub(crate) fn name(index: usize) -> String {
    const LETTERS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let letter = LETTERS
        .get(index % 26)
        .map_or('?', |letter| char::from(*letter));
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}
