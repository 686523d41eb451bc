//! Fast-open cookies of a script.
//!
//! Job: a script names the cookies of its own server; ours makes others. Translate, both ways. Owns: the pairs.
//! Does not know: how a cookie is made; ours are asked for over the wire, by a stranger's SYN that is taken back.
//! A cookie of a script is a good one if the script's own SYN-ACK offers no other in its place.
//! Source: RFC 7413 4.1.2, 4.2.2.

use super::super::ast::{Action, Body, Event, Flags, Tcp, TcpOption};
use super::super::wire::{Inside, Ip, Segment};
use super::Stage;

/// A port that no script uses.
const STRANGER: u16 = 39_999;

/// The cookies a script and our server call the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Cookies {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the SYN that comes next shows a cookie which the script holds to be good.
    good: bool,
}

/// What a segment's fast-open option shows.
pub(super) fn cookie_of(tcp: &Tcp) -> Option<&[u8]> {
    tcp.options
        .iter()
        .flatten()
        .find_map(|option| match option {
            TcpOption::FastOpen { cookie, .. } => Some(cookie.as_slice()),
            TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::Sack(_)
            | TcpOption::Timestamps { .. }
            | TcpOption::AccurateEcn(_)
            | TcpOption::Md5(_)
            | TcpOption::UserTimeout { .. }
            | TcpOption::Other { .. } => None,
        })
}

impl Cookies {
    /// Looks at the event that is next and at what the script says of its answer.
    pub(super) fn look_ahead(&mut self, events: &[Event]) {
        let is_answer = |event: &Event| match &event.action {
            Action::Expect(packet) => match &packet.body {
                Body::Tcp(tcp) if tcp.flags.syn && tcp.flags.ack => Some(cookie_of(tcp).is_none()),
                Body::Tcp(_) | Body::Icmp(_) | Body::Udp(_) => None,
            },
            Action::Inject(_) | Action::Call(_) | Action::Shell(_) | Action::Code(_) => None,
        };
        self.good = events.iter().find_map(is_answer).unwrap_or(false);
    }

    /// The script's name for a cookie of ours, given what it expects in its place.
    pub(super) fn in_script(&mut self, live: &[u8], wanted: Option<&[u8]>) -> Vec<u8> {
        if let Some((script, _)) = self.pairs.iter().find(|(_, known)| known == live) {
            return script.clone();
        }
        match wanted {
            Some(script) if !script.is_empty() && script.len() == live.len() => {
                self.pairs.push((script.to_vec(), live.to_vec()));
                script.to_vec()
            }
            Some(_) | None => live.to_vec(),
        }
    }

    fn live(&self, script: &[u8]) -> Option<Vec<u8>> {
        let pair = self.pairs.iter().find(|(known, _)| known == script);
        pair.map(|(_, live)| live.clone())
    }
}

impl Stage {
    /// The cookie that a SYN of the peer shows, if it shows one.
    pub(super) fn live_cookie(&mut self, script: &[u8], flags: Flags, ip: &Ip) -> Vec<u8> {
        if script.is_empty() || flags.ack || !flags.syn {
            return script.to_vec();
        }
        if let Some(live) = self.cookies.live(script) {
            return live;
        }
        let known = self.cookies.good.then(|| self.ask_for_cookie(ip)).flatten();
        match known {
            Some(live) => {
                self.cookies.pairs.push((script.to_vec(), live.clone()));
                live
            }
            None => script.to_vec(),
        }
    }

    /// A stranger from the peer's address asks, and goes.
    fn ask_for_cookie(&mut self, ip: &Ip) -> Option<Vec<u8>> {
        let (local, _) = self.numbers.for_arrival(false, None);
        let flags = |syn, rst| Flags {
            syn,
            rst,
            ..Flags::default()
        };
        let ask = Segment {
            flags: flags(true, false),
            win: 1000,
            options: vec![TcpOption::FastOpen {
                cookie: Vec::new(),
                experimental: false,
            }],
            ..Segment::default()
        };
        let before = self.host.out.len();
        self.host.feed(ip.tcp((STRANGER, local), &ask, None));
        let go = Segment {
            flags: flags(false, true),
            seq: 1,
            ..Segment::default()
        };
        self.host.feed(ip.tcp((STRANGER, local), &go, None));
        let answers: Vec<_> = self.host.out.drain(before..).collect();
        answers.iter().find_map(|seen| match &seen.inside {
            Inside::Tcp(segment) => segment.options.iter().find_map(|option| match option {
                TcpOption::FastOpen { cookie, .. } if !cookie.is_empty() => Some(cookie.clone()),
                TcpOption::FastOpen { .. }
                | TcpOption::Eol
                | TcpOption::Nop
                | TcpOption::Mss(_)
                | TcpOption::WindowScale(_)
                | TcpOption::SackPermitted
                | TcpOption::Sack(_)
                | TcpOption::Timestamps { .. }
                | TcpOption::AccurateEcn(_)
                | TcpOption::Md5(_)
                | TcpOption::UserTimeout { .. }
                | TcpOption::Other { .. } => None,
            }),
            Inside::Udp(_) | Inside::Icmp { .. } | Inside::Other(_) => None,
        })
    }
}
