//! Packets of the stack.
//!
//! Job: the next packet that leaves, in the script's numbers, beside the one that is expected. Owns: nothing.
//! Does not know: what dialects forgive (`compare`).

use core::time::Duration;

use outcrop_base::Instant;

use super::super::ast::{Body, Event, Icmp, IpPrefix, Packet, Signature, Tcp, TcpOption, When};
use super::super::report::{Failure, Stop};
use super::super::wire::{Inside, Seen, Segment};
use super::super::{compare, icmp, signature};
use super::cookies::cookie_of;
use super::{Stage, seconds, stamp};

/// How long we wait for a packet to be able to say when it came instead.
const PATIENCE: Duration = Duration::from_secs(300);

impl Stage {
    /// The next packet of ours; time passes until there is one, for as long as our patience lasts.
    fn next_out(&mut self, line: usize, until: Option<Instant>) -> Result<Seen, Stop> {
        let deadline = until.unwrap_or(self.host.now).max(self.host.now) + PATIENCE;
        while self.host.out.is_empty() {
            let Some(at) = self.host.next_timer().filter(|at| *at <= deadline) else {
                let mut failure = Failure::new(line, "the packet was never sent");
                failure.actual = Some("nothing left, and nothing will".to_owned());
                return Err(failure.into());
            };
            self.host.step_to(at);
            self.settle()?;
        }
        let seen = self.host.out.pop_front();
        seen.ok_or_else(|| Failure::new(line, "the packet was never sent").into())
    }

    pub(super) fn expect(&mut self, event: &Event, packet: &Packet) -> Result<(), Stop> {
        let line = event.line;
        let (from, to) = match event.when {
            When::At(time) | When::Blocking(time, _) => (Some(self.at(time)), Some(self.at(time))),
            When::Between(from, to) => (Some(self.at(from)), Some(self.at(to))),
            When::Any => (None, None),
        };
        let before = self.host.now;
        let seen = self
            .next_out(line, to)
            .map_err(|stop| expected_too(stop, packet))?;
        let whole = self.whole(packet, seen);
        let actual = self.in_script(&whole, Some(packet));
        self.log(whole.at, &format!("> {actual}"));
        if let Some(fault) = whole.fault {
            return Err(Failure::new(line, fault)
                .compared(packet.to_string(), actual.to_string())
                .into());
        }
        self.compare(line, packet, &whole)?;
        let tolerance = self
            .rules
            .tolerance_for(from.unwrap_or(before).saturating_since(before));
        let early = from.is_some_and(|from| whole.at + tolerance < from);
        let late = to.is_some_and(|to| whole.at > to + tolerance);
        if early || late {
            let at = from.map(seconds).unwrap_or_default();
            let failure = Failure::new(line, "the packet left at the wrong time");
            let failure = failure.compared(
                format!("{at} > {packet}"),
                format!("{} > {actual}", seconds(whole.at)),
            );
            return Err(failure.into());
        }
        Ok(())
    }

    /// Joins the pieces of what the script writes as one segment.
    fn whole(&mut self, expected: &Packet, first: Seen) -> Seen {
        let Body::Tcp(wanted) = &expected.body else {
            return first;
        };
        let mut whole = first;
        while let (Inside::Tcp(have), Some(next)) = (&mut whole.inside, self.host.out.front()) {
            let Inside::Tcp(piece) = &next.inside else {
                break;
            };
            let end = have.seq.wrapping_add(u32::try_from(have.len).unwrap_or(0));
            let joined = have.len + piece.len;
            let fits = u32::try_from(joined).is_ok_and(|joined| joined <= wanted.len);
            let follows = have.len > 0
                && piece.len > 0
                && piece.seq == end
                && piece.ack == have.ack
                && next.dst == whole.dst
                && !have.flags.fin
                && !have.flags.syn;
            if self.rules.strict_segments || !fits || !follows {
                break;
            }
            have.len = joined;
            have.flags.psh |= piece.flags.psh;
            have.flags.fin |= piece.flags.fin;
            have.options.clone_from(&piece.options);
            have.win = piece.win;
            whole.signed = None;
            whole.at = next.at;
            whole.fault = whole.fault.or(next.fault);
            self.host.out.pop_front();
        }
        whole
    }

    /// A packet of ours as the script would write it. The numbers of a SYN are fixed by what was expected.
    pub(super) fn in_script(&mut self, seen: &Seen, expected: Option<&Packet>) -> Packet {
        let wanted = expected.and_then(|packet| match &packet.body {
            Body::Tcp(tcp) => Some(tcp),
            Body::Icmp(_) | Body::Udp(_) => None,
        });
        let body = match &seen.inside {
            Inside::Tcp(segment) => Body::Tcp(self.segment_in_script(seen, segment, wanted)),
            Inside::Udp(len) => Body::Udp(*len),
            Inside::Icmp { kind, code } => Body::Icmp(Icmp {
                kind: format!("{kind}"),
                code: format!("{code}"),
                mtu: None,
                quoted: None,
            }),
            Inside::Other(what) => Body::Icmp(Icmp {
                kind: what.clone(),
                code: String::new(),
                mtu: None,
                quoted: None,
            }),
        };
        Packet {
            ip: IpPrefix::default(),
            body,
        }
    }

    fn segment_in_script(&mut self, seen: &Seen, segment: &Segment, wanted: Option<&Tcp>) -> Tcp {
        let remote = seen.dst.port();
        if let (true, Some(wanted)) = (segment.flags.syn, wanted) {
            self.numbers.fix_ours(remote, wanted.seq, segment.seq);
        }
        let wanted_stamp = wanted.and_then(|wanted| stamp(wanted.options.as_deref()?));
        let wanted_cookie = wanted.and_then(cookie_of);
        let grants = segment.flags.syn && segment.flags.ack;
        let options = segment.options.iter().map(|option| match option {
            TcpOption::FastOpen {
                cookie,
                experimental,
            } if grants => TcpOption::FastOpen {
                cookie: self.cookies.in_script(cookie, wanted_cookie),
                experimental: *experimental,
            },
            TcpOption::Md5(Signature::Digest(digest)) => {
                TcpOption::Md5(self.judged(seen, digest, wanted))
            }
            TcpOption::Sack(blocks) => {
                let script = |(l, r): &(u32, u32)| {
                    (
                        self.numbers.theirs_script(*l),
                        self.numbers.theirs_script(*r),
                    )
                };
                TcpOption::Sack(blocks.iter().map(script).collect())
            }
            TcpOption::Timestamps { val, ecr } => {
                let named = self.numbers.stamp_script(remote, *val);
                let exact = named.filter(|_| self.rules.exact_stamps);
                TcpOption::Timestamps {
                    val: exact.or(wanted_stamp).or(named).unwrap_or(*val),
                    ecr: *ecr,
                }
            }
            other @ (TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::FastOpen { .. }
            | TcpOption::AccurateEcn(_)
            | TcpOption::Md5(_)
            | TcpOption::UserTimeout { .. }
            | TcpOption::Other { .. }) => other.clone(),
        });
        let options = options.collect();
        if let (Some(script), Some(live)) = (wanted_stamp, stamp(&segment.options)) {
            self.numbers.pair_stamps(remote, script, live);
        }
        let seq = self.numbers.ours_script(remote, segment.seq);
        let len = u32::try_from(segment.len).unwrap_or(u32::MAX);
        let shows_window = wanted.is_none_or(|wanted| wanted.win.is_some());
        Tcp {
            flags: segment.flags,
            seq,
            end: seq.wrapping_add(len),
            len,
            ack: segment
                .flags
                .ack
                .then(|| self.numbers.theirs_script(segment.ack)),
            win: shows_window.then_some(segment.win),
            urg: (segment.urg != 0).then_some(segment.urg),
            options: Some(options),
        }
    }

    /// A signature as the script names it: `valid` or `invalid`, unless it writes the octets.
    fn judged(&self, seen: &Seen, digest: &[u8], wanted: Option<&Tcp>) -> Signature {
        let octets = wanted.is_some_and(|wanted| {
            let octets = |o: &TcpOption| matches!(o, TcpOption::Md5(Signature::Digest(_)));
            wanted.options.iter().flatten().any(octets)
        });
        let (Some(segment), false) = (&seen.signed, octets) else {
            return Signature::Digest(digest.to_vec());
        };
        let ends = (seen.src.ip(), seen.dst.ip());
        let key = self.program.key.as_deref().unwrap_or_default();
        if signature::digest(ends, segment, key) == digest {
            Signature::Valid
        } else {
            Signature::Invalid
        }
    }

    fn compare(&mut self, line: usize, expected: &Packet, seen: &Seen) -> Result<(), Stop> {
        let actual = self.in_script(seen, Some(expected));
        let mut wrong = compare::headers(&expected.ip, seen);
        match (&expected.body, &actual.body) {
            (Body::Tcp(expected), Body::Tcp(actual)) => {
                wrong.extend(compare::segments(expected, actual, self.dialect));
            }
            (Body::Udp(expected), Body::Udp(actual)) if expected == actual => {}
            (Body::Icmp(message), Body::Icmp(_)) => {
                let wanted = icmp::numbers(message, self.options.family).map(|(kind, _)| kind);
                let got = match seen.inside {
                    Inside::Icmp { kind, code } => Some((kind, code)),
                    Inside::Tcp(_) | Inside::Udp(_) | Inside::Other(_) => None,
                };
                if wanted != got {
                    wrong.push("another ICMP message".to_owned());
                }
            }
            _ => wrong.push("another kind of packet".to_owned()),
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(line, wrong.join("; "));
        Err(failure
            .compared(expected.to_string(), actual.to_string())
            .into())
    }
}

fn expected_too(stop: Stop, packet: &Packet) -> Stop {
    match stop {
        Stop::Fail(mut failure) => {
            failure.expected.get_or_insert_with(|| packet.to_string());
            Stop::Fail(failure)
        }
        Stop::Skip(_) => stop,
    }
}
