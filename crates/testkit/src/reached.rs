//! What scripts and captures come past, as a page of the book.
//!
//! Job: collect the changes of state, rules and reasons that drill scripts and the fixtures reach, and print those that
//! nobody reaches beside them. Owns: the page. Does not know: files.
//!
//! Of each, one witness is named. How often something is reached says nothing: once is what a reader needs to look at it.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::io::Read;

use outcrop_base::Why;
use outcrop_capture::{ReadError, Reader, Record};
use outcrop_tcp::{FIGURE_5, Rule, State};

use crate::drill::{Options, run};
use crate::foreign;

/// Where something was seen first: by a script, in a capture.
#[derive(Clone, Debug, Default)]
struct Seen {
    script: Option<String>,
    capture: Option<String>,
}

impl Seen {
    fn by(&mut self, witness: &Witness<'_>) {
        let (slot, name) = match witness {
            Witness::Script(name) => (&mut self.script, *name),
            Witness::Capture(name) => (&mut self.capture, *name),
        };
        slot.get_or_insert_with(|| name.to_owned());
    }
}

/// Who saw it.
enum Witness<'a> {
    Script(&'a str),
    Capture(&'a str),
}

/// What was reached. Feed it in one order, and the page is always the same.
#[derive(Clone, Debug, Default)]
pub struct ReachedBy {
    edges: BTreeMap<(String, String), Seen>,
    rules: BTreeMap<String, Seen>,
    whys: BTreeMap<String, Seen>,
}

impl ReachedBy {
    /// By nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays a script; `name` is what to call it.
    pub fn script(&mut self, name: &str, text: &str, options: &Options) {
        let report = run(text, options);
        let witness = Witness::Script(name);
        for (from, to) in report.edges {
            self.edge(from, to, &witness);
        }
        for rule in report.rules {
            self.rules.entry(rule.to_owned()).or_default().by(&witness);
        }
        for why in report.whys {
            self.whys.entry(why.to_owned()).or_default().by(&witness);
        }
    }

    /// Reads a capture of ours, or plays a foreign client against our server and reads what was recorded of that.
    ///
    /// # Errors
    /// The capture is damaged.
    pub fn capture(&mut self, name: &str, capture: &[u8]) -> Result<(), ReadError> {
        if Reader::new(capture)?.is_ours() {
            return self.recorded(name, capture);
        }
        // A capture without a TCP conversation has nothing to play.
        match foreign::play(capture) {
            Ok(report) => self.recorded(name, &report.capture[..]),
            Err(_) => Ok(()),
        }
    }

    fn recorded(&mut self, name: &str, capture: impl Read) -> Result<(), ReadError> {
        let witness = Witness::Capture(name);
        for record in Reader::new(capture)? {
            match record? {
                Record::Packet(packet) => {
                    if let Some(why) = packet.why() {
                        self.whys
                            .entry(why.name().to_owned())
                            .or_default()
                            .by(&witness);
                    }
                    if let Some(rule) = packet.notes.get("rule") {
                        self.rules.entry(rule.to_owned()).or_default().by(&witness);
                    }
                }
                Record::Event(event) => {
                    if let (Some(from), Some(to)) = (event.get("NET_FROM"), event.get("NET_STATE"))
                    {
                        self.edge(from, to, &witness);
                    }
                }
                Record::Secrets(_) => {}
            }
        }
        Ok(())
    }

    /// States of TCP only: neighbours and addresses have their own.
    fn edge(&mut self, from: &str, to: &str, witness: &Witness<'_>) {
        if State::from_name(from).is_some() && State::from_name(to).is_some() {
            let edge = (from.to_owned(), to.to_owned());
            self.edges.entry(edge).or_default().by(witness);
        }
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::from(HEAD);
        let figure = figure();
        let rows = figure.iter().map(|(from, to)| {
            let seen = self.edges.get(&(from.clone(), to.clone()));
            (format!("{from} → {to}"), seen)
        });
        table(&mut page, "Edges of figure 5", rows.collect());
        let others = self.edges.iter().filter(|(edge, _)| !figure.contains(edge));
        let rows = others.map(|((from, to), seen)| (format!("{from} → {to}"), Some(seen)));
        table(&mut page, "Other changes of state", rows.collect());
        let rows = Rule::ALL.iter().map(|rule| {
            let name = rule.name();
            (format!("`{name}`"), self.rules.get(name))
        });
        table(&mut page, "Rules of TCP", rows.collect());
        let rows = Why::ALL.iter().map(|why| {
            let name = why.name();
            (format!("`{name}`"), self.whys.get(name))
        });
        table(&mut page, "Reasons to send", rows.collect());
        page
    }
}

const HEAD: &str = "# What the scripts and captures come past\n\n\
    <!-- Written by `cargo xtask reached`; a test of testkit checks it. -->\n\n\
    The union over all drill scripts (`fixtures/drill`, over IPv4) and all captures (`fixtures/*.pcapng`, and what our server \
    did when the clients of `fixtures/foreign` were played against it): which edges of TCP's state diagram \
    (RFC 9293 3.3.2, figure 5), which rules about an arriving segment and which reasons to send were reached, \
    each with the first witness. What neither reaches is reached elsewhere or not at all: rules by the \
    [table of states and segments](state-segment-table.md) and the stories of testkit, of which a test demands that together \
    they leave no rule out; reasons of other layers (ARP, neighbour discovery, ICMP, DHCP) by the tests of those.\n";

/// Edges between states, each once: several triggers may lead the same way.
fn figure() -> Vec<(String, String)> {
    let mut edges: Vec<(String, String)> = Vec::new();
    for edge in FIGURE_5 {
        let edge = (edge.from.name().to_owned(), edge.to.name().to_owned());
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    }
    edges
}

fn table(page: &mut String, title: &str, rows: Vec<(String, Option<&Seen>)>) {
    let reached = rows.iter().filter(|(_, seen)| seen.is_some()).count();
    let _infallible = write!(
        page,
        "\n## {title}: {reached} of {}\n\n| | script | capture |\n|---|---|---|\n",
        rows.len()
    );
    for (what, seen) in rows {
        let name = |of: fn(&Seen) -> &Option<String>| {
            seen.and_then(|seen| of(seen).as_deref())
                .unwrap_or("–")
                .to_owned()
        };
        let (script, capture) = (name(|seen| &seen.script), name(|seen| &seen.capture));
        let _infallible = writeln!(page, "| {what} | {script} | {capture} |");
    }
}
