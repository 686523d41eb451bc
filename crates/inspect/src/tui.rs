//! A capture in a terminal.
//!
//! Job: the page's views on the cells of a terminal, with one cursor through all of them.
//! Owns: the cursor, and which pane keys go to. Does not know: the terminal; whoever has one gives keys and a frame.
//!
//! ```text
//!  ┌ packets ─────────────────────────────┐
//!  ├ fields ──────────┬ bytes ────────────┤
//!  ├ congestion window┼ sequence over time┤
//!  └ keys ────────────┴───────────────────┘
//! ```

mod panes;
mod plots;

use std::io::Read;

use outcrop_capture::{ReadError, Reader};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};

use crate::story::{Packet, Story};

/// Packets a page key moves.
const PAGE: usize = 20;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TuiKey {
    /// The packet, or field, before.
    Up,
    /// The next.
    Down,
    /// Twenty before.
    PageUp,
    /// Twenty on.
    PageDown,
    /// The first.
    Home,
    /// The last.
    End,
    /// To the packet that caused this one.
    Cause,
    /// To the next that was sent again, dropped or lost.
    Notable,
    /// The next conversation only; after the last, all.
    Conversation,
    /// From packets to fields and back.
    Pane,
}

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Focus {
    Packets,
    Fields,
}

/// A capture and a cursor.
#[derive(Debug)]
pub struct Tui {
    story: Story,
    name: String,
    /// The packets shown, by index.
    shown: Vec<usize>,
    /// The chosen one of them.
    at: usize,
    /// The chosen field of the packet.
    field: usize,
    /// The only conversation shown.
    only: Option<usize>,
    focus: Focus,
}

impl Tui {
    /// Reads a capture; `name` is what to call it. Of a damaged one, what came before the damage is shown.
    pub fn read<R: Read>(reader: &mut Reader<R>, name: &str) -> (Self, Result<(), ReadError>) {
        let (story, outcome) = Story::read(reader, &|_| true);
        let mut tui = Self {
            story,
            name: name.to_owned(),
            shown: Vec::new(),
            at: 0,
            field: 0,
            only: None,
            focus: Focus::Packets,
        };
        tui.choose_shown();
        (tui, outcome)
    }

    /// The same place in a capture that has grown; at its end, the new end.
    #[must_use]
    pub fn grown(&self, mut next: Self) -> Self {
        next.only = self.only.filter(|only| *only < next.story.threads.len());
        next.focus = self.focus;
        next.choose_shown();
        let last = self.at + 1 >= self.shown.len();
        next.at = if last { usize::MAX } else { self.at };
        next.at = next.at.min(next.shown.len().saturating_sub(1));
        next
    }

    fn choose_shown(&mut self) {
        let packets = self.story.packets.iter().enumerate();
        self.shown = packets
            .filter(|(_, packet)| self.only.is_none() || packet.thread == self.only)
            .map(|(index, _)| index)
            .collect();
        self.at = self.at.min(self.shown.len().saturating_sub(1));
    }

    /// The chosen packet.
    fn packet(&self) -> Option<&Packet> {
        let index = self.shown.get(self.at)?;
        self.story.packets.get(*index)
    }

    fn packet_at(&self, place: usize) -> Option<&Packet> {
        let index = self.shown.get(place)?;
        self.story.packets.get(*index)
    }

    /// Does what a key means.
    pub fn key(&mut self, key: TuiKey) {
        match (key, self.focus) {
            (TuiKey::Pane, Focus::Packets) => self.focus = Focus::Fields,
            (TuiKey::Pane, Focus::Fields) => self.focus = Focus::Packets,
            (TuiKey::Conversation, _) => self.next_conversation(),
            (TuiKey::Cause, _) => self.choose_cause(),
            (TuiKey::Notable, _) => self.choose_notable(),
            (_, Focus::Packets) => {
                self.at = moved(self.at, key, self.shown.len());
                self.field = 0;
            }
            (_, Focus::Fields) => {
                let xray = self.packet().and_then(|packet| packet.xray.as_ref());
                let fields = xray.map_or(0, |xray| xray.fields.len());
                self.field = moved(self.field, key, fields);
            }
        }
    }

    fn next_conversation(&mut self) {
        let threads = self.story.threads.len();
        let next = self.only.map_or(0, |only| only + 1);
        let chosen = self.shown.get(self.at).copied();
        self.only = Some(next).filter(|next| *next < threads);
        self.at = 0;
        self.choose_shown();
        // The chosen packet stays chosen where it is shown.
        if let Some(place) = self.shown.iter().position(|index| Some(*index) == chosen) {
            self.at = place;
        }
        self.field = 0;
    }

    fn choose_cause(&mut self) {
        let cause = self.packet().and_then(|packet| packet.note("cause"));
        let id = cause.and_then(crate::story::causing);
        let place = (0..self.shown.len())
            .find(|place| id.is_some() && self.packet_at(*place).map(|packet| packet.id) == id);
        if let Some(place) = place {
            self.at = place;
            self.field = 0;
        }
    }

    fn choose_notable(&mut self) {
        let notable = |place: &usize| {
            let packet = self.packet_at(*place);
            packet.is_some_and(|p| p.again || p.lost || p.note("drop").is_some())
        };
        let place = (self.at + 1..self.shown.len()).find(notable);
        if let Some(place) = place.or_else(|| (0..self.at).find(notable)) {
            self.at = place;
            self.field = 0;
        }
    }

    /// Draws everything.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let [title, packets, bytes, plots, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Fill(3),
            Constraint::Fill(3),
            Constraint::Fill(2),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let halves = |area| {
            let both = [Constraint::Percentage(50), Constraint::Percentage(50)];
            Layout::horizontal(both).areas(area)
        };
        let [fields, dump] = halves(bytes);
        let [window, sequence] = halves(plots);
        panes::title(self, frame, title);
        panes::packets(self, frame, packets);
        panes::fields(self, frame, fields);
        panes::dump(self, frame, dump);
        plots::window(self, frame, window);
        plots::sequence(self, frame, sequence);
        panes::keys(frame, keys);
    }
}

fn moved(at: usize, key: TuiKey, len: usize) -> usize {
    let to = match key {
        TuiKey::Up => at.saturating_sub(1),
        TuiKey::Down => at + 1,
        TuiKey::PageUp => at.saturating_sub(PAGE),
        TuiKey::PageDown => at + PAGE,
        TuiKey::Home => 0,
        TuiKey::End => usize::MAX,
        TuiKey::Cause | TuiKey::Notable | TuiKey::Conversation | TuiKey::Pane => at,
    };
    to.min(len.saturating_sub(1))
}
