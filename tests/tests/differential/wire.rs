//! Two nodes and a wire, in virtual time.

use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Instant, Seed};
use outcrop_netem::{Config, Duplex, Packet};

use crate::player::{Host, Player};
use crate::script::{Outcome, Role, Script};

/// Who the two ends of a script's connections are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// Where the listener listens.
    pub(crate) listener: IpAddr,
    /// The first line's port.
    pub(crate) ports: u16,
}

impl Pair {
    pub(crate) fn port(&self, line: usize) -> u16 {
        self.ports + u16::try_from(line).unwrap()
    }
}

/// A stack with programs on it, fed packets by hand.
pub(crate) trait Node {
    /// Opens what the role opens in this script.
    fn begin(&mut self, script: &Script, role: Role, pair: &Pair);
    /// Its sockets.
    fn host(&mut self) -> &mut dyn Host;
    /// A packet came.
    fn handle_packet(&mut self, now: Instant, bytes: Bytes);
    /// Acts on time, and gives what there is to send.
    fn flush(&mut self, now: Instant) -> Vec<Bytes>;
    /// When it wants to act next.
    fn next(&mut self, now: Instant) -> Option<Instant>;
}

/// Virtual time no script needs.
const LIMIT: Duration = Duration::from_secs(600);

/// Plays a script between two nodes; the outcomes of the opener's ends and of the listener's.
///
/// # Panics
/// If it does not come to an end.
pub(crate) fn play(
    script: &Script,
    nodes: [&mut dyn Node; 2],
    pair: &Pair,
    wire: &Config,
    seed: u64,
) -> [Vec<Outcome>; 2] {
    let [opener, listener] = nodes;
    listener.begin(script, Role::Listener, pair);
    opener.begin(script, Role::Opener, pair);
    let seed = Seed::from_number(seed);
    let mut link = Duplex::new(wire.clone(), wire.clone(), &seed);
    let mut players = [Role::Opener, Role::Listener].map(|role| Player::all(script, role));
    if !script.served {
        players[1].clear();
    }
    let [openers, listeners] = &mut players;
    let mut now = Instant::ZERO;
    loop {
        let sides = [
            (&mut *opener, &mut *openers, &mut link.forward),
            (&mut *listener, &mut *listeners, &mut link.backward),
        ];
        for (node, players, link) in sides {
            // What a flush takes in may be news for a program, and the other way round.
            let mut busy = true;
            while busy {
                let packets = node.flush(now);
                busy = !packets.is_empty();
                for bytes in packets {
                    let _verdict = link.handle_packet(now, Packet { bytes, tag: 0 });
                }
                for player in &mut *players {
                    busy |= player.advance(node.host(), now);
                }
            }
        }
        let mut all = openers.iter().chain(listeners.iter());
        if all.clone().all(|player| player.outcome().is_some()) {
            break;
        }
        let stuck: Vec<_> = all.clone().map(Player::describe).collect();
        let waits = all.by_ref().filter_map(Player::next);
        let nodes = [opener.next(now), listener.next(now), link.poll_timeout()];
        let next = waits.chain(nodes.into_iter().flatten()).min();
        let next = next.unwrap_or_else(|| panic!("{script}: nothing will ever happen: {stuck:#?}"));
        // smoltcp may ask to be polled at once; what it waits for then is a player's turn.
        now = next.max(now + Duration::from_micros(1));
        assert!(now < Instant::ZERO + LIMIT, "{script}: stalled: {stuck:#?}");
        while let Some(packet) = link.forward.poll_transmit(now) {
            listener.handle_packet(now, packet.bytes);
        }
        while let Some(packet) = link.backward.poll_transmit(now) {
            opener.handle_packet(now, packet.bytes);
        }
    }
    players.map(|players| {
        let outcomes = players.iter().filter_map(Player::outcome);
        outcomes.cloned().collect()
    })
}
