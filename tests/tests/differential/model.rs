//! The reference: a pipe without a network.
//!
//! Job: say what both ends of a script must see. Owns: what closing and resetting mean to a program (RFC 9293
//! 3.6 and 3.6.1, 3.10.5), and nothing else: bytes arrive at once, in any number. Does not know: TCP.

use outcrop_base::Instant;

use crate::player::{Got, Host, Player};
use crate::script::{Outcome, Role, Script, Seen};

/// What one end has sent, and how it stands.
#[derive(Debug, Default)]
struct End {
    /// On the way to the other end.
    bytes: Vec<u8>,
    finished: bool,
    gone: bool,
    was_reset: bool,
}

/// One end's view of all lines: own ends and the peer's.
struct View<'a> {
    lines: &'a mut [[End; 2]],
    me: usize,
    served: bool,
}

impl View<'_> {
    fn ends(&mut self, line: usize) -> (&mut End, &mut End) {
        let [first, second] = &mut self.lines[line];
        if self.me == 0 {
            (first, second)
        } else {
            (second, first)
        }
    }
}

impl Host for View<'_> {
    fn opened(&mut self, _line: usize) -> Option<Result<(), Seen>> {
        Some(if self.served {
            Ok(())
        } else {
            Err(Seen::Refused)
        })
    }

    fn read(&mut self, line: usize, into: &mut Vec<u8>) -> Got {
        let (me, peer) = self.ends(line);
        if !peer.bytes.is_empty() {
            into.append(&mut peer.bytes);
            Got::Bytes
        } else if me.was_reset {
            Got::End(Seen::Reset)
        } else if peer.finished {
            Got::End(Seen::Finished)
        } else {
            Got::Nothing
        }
    }

    fn write(&mut self, line: usize, bytes: &[u8]) -> Result<usize, Seen> {
        let (me, peer) = self.ends(line);
        if me.was_reset {
            return Err(Seen::Reset);
        }
        if peer.gone {
            // Nobody will ever read it: the answer is a reset, and the next call hears of it.
            me.was_reset = true;
        } else {
            me.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn finish(&mut self, line: usize) {
        self.ends(line).0.finished = true;
    }

    fn abort(&mut self, line: usize) {
        let (me, peer) = self.ends(line);
        me.gone = true;
        peer.was_reset = true;
    }

    fn close(&mut self, line: usize) {
        let (me, peer) = self.ends(line);
        if !me.gone && !peer.bytes.is_empty() {
            peer.was_reset = true;
        }
        me.gone = true;
        me.finished = true;
    }
}

/// What the opener's ends and the listener's ends of a script must see.
///
/// # Panics
/// If the script waits for what nobody does.
pub(crate) fn outcomes(script: &Script) -> [Vec<Outcome>; 2] {
    let mut lines: Vec<[End; 2]> = script.lines.iter().map(|_| Default::default()).collect();
    let mut sides = [Role::Opener, Role::Listener].map(|role| Player::all(script, role));
    if !script.served {
        sides[1].clear();
    }
    let mut now = Instant::ZERO;
    loop {
        let mut moved = false;
        for (me, players) in sides.iter_mut().enumerate() {
            for player in players {
                let lines = &mut lines;
                let served = script.served;
                moved |= player.advance(&mut View { lines, me, served }, now);
            }
        }
        if moved {
            continue;
        }
        let waiting = sides.iter().flatten().filter_map(Player::next).min();
        let Some(next) = waiting else { break };
        now = next;
    }
    sides.map(|players| {
        let over = |player: &Player| {
            let outcome = player.outcome().cloned();
            outcome.unwrap_or_else(|| panic!("{script}: never ends: {}", player.describe()))
        };
        players.iter().map(over).collect()
    })
}
