//! Our stack in real time, at the end of a cable whose other end is somebody else's.
//!
//! Job: play one role here while a process plays the other, and bring both outcomes together. Owns: the loop.
//! Does not know: what the process is; it hears `ROLE ADDRESS PORT SCRIPT` and says `ready`, then the outcomes.

use core::time::Duration;
use std::io::{BufRead, BufReader, IoSlice, Write};
use std::os::fd::BorrowedFd;
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use bytes::Bytes;
use outcrop_device::{Clock, Device, Offload, Pool, Tun, WakeSource};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::kernel::MARK;
use crate::ours::Ours;
use crate::player::Player;
use crate::script::{Outcome, Role, Script};
use crate::wire::{Node as _, Pair};

/// Where packets come in and go out.
pub(crate) trait Cable {
    fn receive(&mut self) -> Vec<Bytes>;
    fn send(&mut self, packet: &[u8]);
    fn fd(&self) -> BorrowedFd<'_>;
}

/// A TUN.
pub(crate) struct TunCable {
    pub(crate) tun: Tun,
    pub(crate) pool: Pool,
}

impl Cable for TunCable {
    fn receive(&mut self) -> Vec<Bytes> {
        let mut out = Vec::new();
        let _dry = self.tun.receive(&mut self.pool, &mut out, 64).unwrap();
        out.into_iter().map(|received| received.bytes).collect()
    }

    fn send(&mut self, packet: &[u8]) {
        // A packet refused is a packet lost, which TCP mends.
        let _lost = self
            .tun
            .transmit(&[IoSlice::new(packet)], Offload::default());
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self.tun.wake_source() {
            WakeSource::Fd(fd) => fd,
            WakeSource::Memory(_) => panic!("a TUN has a descriptor"),
        }
    }
}

/// The other side: a process that plays scripts.
pub(crate) struct Peer {
    child: Child,
    orders: Option<ChildStdin>,
    said: Receiver<String>,
}

impl Peer {
    /// Takes over a process whose standard input and output are pipes.
    pub(crate) fn new(mut child: Child) -> Self {
        let out = child.stdout.take().expect("piped");
        let (lines, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                let Ok(line) = line else { return };
                let Some(text) = line.strip_prefix(MARK) else {
                    continue;
                };
                if lines.send(text.to_owned()).is_err() {
                    return;
                }
            }
        });
        Self {
            orders: child.stdin.take(),
            child,
            said,
        }
    }

    fn order(&mut self, role: Role, pair: &Pair, script: &Script) {
        let role = match role {
            Role::Opener => "opener",
            Role::Listener => "listener",
        };
        let (address, port) = (pair.listener, pair.ports);
        let orders = self.orders.as_mut().expect("open until dropped");
        writeln!(orders, "{role} {address} {port} {script}").unwrap();
        orders.flush().unwrap();
    }

    fn heard(&self) -> Option<String> {
        match self.said.try_recv() {
            Ok(line) => Some(line),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("the other side is gone"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.orders = None;
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Our side of the cable.
pub(crate) struct Desk {
    pub(crate) ours: Ours,
    pub(crate) cable: Box<dyn Cable>,
    pub(crate) peer: Peer,
    pub(crate) clock: Clock,
}

/// Real time no script needs.
const LIMIT: Duration = Duration::from_secs(45);
/// How long after the last outcome packets are still carried: a closing ACK, the end of a let-go connection.
const REST: Duration = Duration::from_millis(5);

impl Desk {
    /// Plays a script with us in `role`; the outcomes of the opener's ends and of the listener's.
    pub(crate) fn play(&mut self, script: &Script, role: Role, pair: &Pair) -> [Vec<Outcome>; 2] {
        let other = match role {
            Role::Opener => Role::Listener,
            Role::Listener => Role::Opener,
        };
        if role == Role::Listener {
            self.ours.begin(script, role, pair);
        }
        self.peer.order(other, pair, script);
        let limit = self.clock.now() + LIMIT;
        let until = |what: &str, clock: &Clock| {
            assert!(clock.now() < limit, "{script}: {what} in {LIMIT:?}");
        };
        while self.peer.heard().is_none_or(|line| line != "ready") {
            self.turn(&mut []);
            until("the other side is not ready", &self.clock);
        }
        if role == Role::Opener {
            self.ours.begin(script, role, pair);
        }
        let mut players = Player::all(script, role);
        if role == Role::Listener && !script.served {
            players.clear();
        }
        let mut theirs = None;
        while theirs.is_none() || players.iter().any(|player| player.outcome().is_none()) {
            theirs = theirs.or_else(|| self.peer.heard());
            self.turn(&mut players);
            let stand: Vec<_> = players.iter().map(Player::describe).collect();
            until(
                &format!("not over: {stand:#?}, they: {theirs:?}"),
                &self.clock,
            );
        }
        let rest = self.clock.now() + REST;
        while self.clock.now() < rest {
            self.turn(&mut []);
        }
        let ours = players
            .iter()
            .filter_map(Player::outcome)
            .cloned()
            .collect();
        let theirs = theirs.unwrap_or_default();
        let theirs = theirs
            .split_whitespace()
            .map(|word| {
                word.parse()
                    .unwrap_or_else(|e| panic!("{script}: {e}: {theirs}"))
            })
            .collect();
        match role {
            Role::Opener => [ours, theirs],
            Role::Listener => [theirs, ours],
        }
    }

    /// What can be done now, and a short wait for more.
    fn turn(&mut self, players: &mut [Player]) {
        for bytes in self.cable.receive() {
            self.ours.handle_packet(self.clock.now(), bytes);
        }
        let mut busy = true;
        let mut moved = false;
        while busy {
            busy = false;
            let now = self.clock.now();
            for player in &mut *players {
                busy |= player.advance(self.ours.host(), now);
            }
            for packet in self.ours.flush(now) {
                self.cable.send(&packet);
                busy = true;
            }
            moved |= busy;
        }
        if !moved {
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: 1_000_000,
            };
            let mut fds = [PollFd::from_borrowed_fd(self.cable.fd(), PollFlags::IN)];
            let _some = poll(&mut fds, Some(&wait)).unwrap();
        }
    }
}
