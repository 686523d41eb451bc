//! `outcrop traceroute`.
//!
//! Job: ask with one hop more each time, and print who says that they were used up. Owns: the series in time.
//! Does not know: how probes and answers look.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;

use outcrop_base::Instant;
use outcrop_socket::RawSocket;
use outcrop_stack::ip::RawPacket;
use outcrop_stack::{RawOptions, Shard};

use crate::cli;
use crate::failure::Failure;
use crate::host::{Host, Place};
use crate::news;
use crate::probe::{Answer, Kind, Series, What};
use crate::resolve::resolve;

/// The first destination port of datagrams, by custom: nobody listens there.
const FIRST_PORT: u16 = 33_434;
/// Where source ports and identifiers begin: outside what programs are given.
const FIRST_IDENT: u16 = 50_000;
/// How many of them are drawn from.
const IDENTS: u16 = 8_000;

/// Prints the way to a host; status 0 if it was reached.
pub(crate) fn run(options: &cli::Traceroute) -> Result<u8, Failure> {
    let targets = resolve(&options.host, 0)?;
    let target = targets.first().map(core::net::SocketAddr::ip);
    let target = target.ok_or_else(|| Failure::new(format!("{}: no such host", options.host)))?;
    if options.first > options.max_hops {
        return Err(Failure::asked("--first: more than --max-hops"));
    }
    let tcp = outcrop_stack::tcp::Config::default();
    let mut host = Host::start(&options.net, tcp, Place::Here, "traceroute")?;
    let shard = host.shard().clone();
    let asked = options.clone();
    let reached = host.run(|_| trace(shard, target, asked))?;
    let remains = host.finish()?;
    remains.say_capture();
    Ok(u8::from(!reached?))
}

/// Traces the way once we may speak; returns whether the destination was reached.
async fn trace(shard: Shard, target: IpAddr, options: cli::Traceroute) -> Result<bool, Failure> {
    news::settled(&shard, target).await;
    let trace = Trace::new(&shard, target, &options)?;
    println!(
        "traceroute to {} ({target}), {} hops max, {} byte packets",
        options.host,
        options.max_hops,
        trace.series.packet_len()
    );
    let reached = trace.all(options.first..=options.max_hops).await;
    reached.map_err(|error| Failure::new(format!("{target}: {error}")))
}

struct Trace {
    shard: Shard,
    series: Series,
    /// Speaks the probes' protocol.
    out: RawSocket,
    /// Hears errors, and answers to echo requests.
    icmp: RawSocket,
    queries: u16,
    wait: Duration,
}

/// One probe's fate.
type Fate = Option<(Answer, Duration)>;

impl Trace {
    fn new(shard: &Shard, dst: IpAddr, options: &cli::Traceroute) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(format!("{dst}: {error}"));
        let kind = match (options.icmp, options.tcp) {
            (true, _) => Kind::Echo,
            (_, true) => Kind::Tcp,
            (false, false) => Kind::Udp,
        };
        let src = shard.call(|core| core.ip().source_for(dst));
        let src = src.ok_or_else(|| Failure::new(format!("{dst}: no route to that address")))?;
        // The process's number tells traceroutes that run side by side apart.
        let ident = u16::try_from(std::process::id() % u32::from(IDENTS)).unwrap_or(0);
        let series = Series {
            kind,
            src,
            dst,
            port: options.port.unwrap_or(match kind {
                Kind::Tcp => 80,
                Kind::Udp | Kind::Echo => FIRST_PORT,
            }),
            ident: FIRST_IDENT + ident,
            size: usize::from(options.size),
        };
        Ok(Self {
            shard: shard.clone(),
            series,
            out: RawSocket::open(shard, series.protocol()).map_err(failed)?,
            icmp: RawSocket::open(shard, series.icmp()).map_err(failed)?,
            queries: u16::from(options.queries),
            wait: Duration::from_secs_f64(options.wait),
        })
    }

    /// Probes with each number of hops; returns whether the destination was reached.
    async fn all(self, hops: core::ops::RangeInclusive<u8>) -> io::Result<bool> {
        let mut probe = 0;
        for limit in hops {
            let fates = self.hop(limit, probe).await?;
            probe += self.queries;
            println!("{limit:>2}  {}", line(&fates));
            let mut heard = fates.iter().flatten();
            if heard.any(|(answer, _)| answer.what == What::There) {
                return Ok(true);
            }
            let mut heard = fates.iter().flatten();
            if heard.any(|(answer, _)| matches!(answer.what, What::Refused(_))) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Sends the probes of one number of hops, and waits for their answers.
    async fn hop(&self, limit: u8, first: u16) -> io::Result<Vec<Fate>> {
        let mut fates: Vec<Fate> = vec![None; usize::from(self.queries)];
        let mut sent = Vec::new();
        for probe in first..first + self.queries {
            let options = RawOptions {
                source: Some(self.series.src),
                hop_limit: limit,
                ..RawOptions::default()
            };
            sent.push(self.shard.now());
            let payload = self.series.payload(probe);
            self.out.send_to(self.series.dst, &payload, &options)?;
        }
        let end = self.shard.now() + self.wait;
        while fates.iter().any(Option::is_none) {
            let Some(packet) = self.next(end).await else {
                break;
            };
            let Some(answer) = self.series.recognise(&packet) else {
                continue;
            };
            let at = usize::from(answer.probe.wrapping_sub(first));
            if let (Some(fate @ None), Some(sent)) = (fates.get_mut(at), sent.get(at)) {
                *fate = Some((answer, packet.at.saturating_since(*sent)));
            }
        }
        Ok(fates)
    }

    /// The next packet on either socket, unless it is `end` before.
    async fn next(&self, end: Instant) -> Option<RawPacket> {
        let mut icmp = pin!(self.icmp.recv());
        let mut out = pin!(self.out.recv());
        let mut late = pin!(self.shard.sleep_until(end));
        core::future::poll_fn(|cx| {
            for packet in [icmp.as_mut().poll(cx), out.as_mut().poll(cx)] {
                if let Poll::Ready(packet) = packet {
                    return Poll::Ready(Some(packet));
                }
            }
            late.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

/// Who answered, and how long it took; the address is said once while it stays the same.
fn line(fates: &[Fate]) -> String {
    let (mut text, mut last) = (String::new(), None);
    for fate in fates {
        let Some((answer, trip)) = fate else {
            text.push_str("* ");
            continue;
        };
        if last != Some(answer.from) {
            let _infallible = write!(text, "{}  ", answer.from);
            last = Some(answer.from);
        }
        let _infallible = write!(text, "{:.3} ms  ", trip.as_secs_f64() * 1000.0);
        if let What::Refused(mark) = answer.what {
            let _infallible = write!(text, "{mark}  ");
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_each_answerer_once_and_marks_silence_and_refusal() {
        let answer = |from: &str, what| {
            let from = from.parse().unwrap();
            let probe = 0;
            Some((Answer { probe, from, what }, Duration::from_micros(1_500)))
        };
        let fates = [
            answer("10.1.0.1", What::Hop),
            None,
            answer("10.1.0.1", What::Hop),
            answer("10.1.0.9", What::Refused("!H")),
        ];
        let said = "10.1.0.1  1.500 ms  * 1.500 ms  10.1.0.9  1.500 ms  !H";
        assert_eq!(line(&fates), said);
    }
}
