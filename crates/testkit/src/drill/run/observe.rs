//! A script played to see what we do, whatever it expects.
//!
//! Job: make the calls and inject the packets of a script, and note what leaves. Owns: the list. Does not know: whether
//! that is right.

use core::time::Duration;

use outcrop_base::Instant;

use super::super::ast::{Action, Body, Packet, Script};
use super::super::report::{Options, Stop};
use super::Stage;

/// What left, and behind which event of the script.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    /// Index of the event before.
    pub(crate) after: usize,
    /// Since the start.
    pub(crate) at: Duration,
    pub(crate) packet: Packet,
}

/// Plays a script; its `>` lines only name numbers and timestamps.
pub(crate) fn observe(script: &Script, options: &Options) -> Result<Vec<Departure>, String> {
    let mut stage = Stage::new(script, options).map_err(|stop| stop.to_string())?;
    let mut left = Vec::new();
    let mut events = || -> Result<(), Stop> {
        for (index, event) in script.events.iter().enumerate() {
            if matches!(event.action, Action::Expect(_)) {
                continue;
            }
            // What time alone brought about comes before the event.
            stage.pass_until_event(event)?;
            stage.note(script, index.saturating_sub(1), &mut left);
            let done = stage.event(event);
            done.map_err(|stop| stage.explain(stop, event.line))?;
            stage.note(script, index, &mut left);
        }
        // As long as a script is watched at its end.
        stage.wait_at_end()?;
        stage.note(script, script.events.len().saturating_sub(1), &mut left);
        Ok(())
    };
    events().map_err(|stop| stop.to_string())?;
    Ok(left)
}

impl Stage {
    fn note(&mut self, script: &Script, after: usize, left: &mut Vec<Departure>) {
        while let Some(seen) = self.host.out.pop_front() {
            let hint = script.events.iter().find_map(|event| match &event.action {
                Action::Expect(packet) if self.is_named_by(packet, &seen) => Some(packet),
                Action::Expect(_)
                | Action::Inject(_)
                | Action::Call(_)
                | Action::Shell(_)
                | Action::Code(_) => None,
            });
            let mut packet = self.in_script(&seen, hint);
            if let Body::Tcp(tcp) = &mut packet.body {
                tcp.win = None;
            }
            let at = seen.at.saturating_since(Instant::ZERO);
            left.push(Departure { after, at, packet });
        }
    }

    /// Whether an expectation is of what left: then it names its number and its timestamp.
    fn is_named_by(&mut self, packet: &Packet, seen: &super::Seen) -> bool {
        let Body::Tcp(wanted) = &packet.body else {
            return false;
        };
        match &self.in_script(seen, None).body {
            // Where a SYN begins only the script knows.
            Body::Tcp(got) if got.flags.syn => wanted.flags.syn,
            Body::Tcp(got) => (got.seq, got.len, got.ack) == (wanted.seq, wanted.len, wanted.ack),
            Body::Icmp(_) | Body::Udp(_) => false,
        }
    }
}
