//! Assertions.
//!
//! Job: evaluate what stands between `%{` and `}%` over the figures of a connection. Owns: the little
//! grammar: `assert` with comparisons (chained as well), `and or not & | + - *`, numbers, names.
//! Does not know: sockets. A name it has no figure for skips the script.
//! Source: the shapes that the public suites use, a subset of Python.

use core::time::Duration;

use outcrop_base::Instant;
use outcrop_stack::tcp::{Info, State};
use outcrop_tcp::{EcnTerms, Explanation, Held};

/// Why an assertion could not be made or does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It does not hold; with the values of its names.
    False(String),
    /// It needs something that is not there.
    Unknown(String),
}

/// Evaluates every statement of a block.
pub(super) fn check(code: &str, figures: Option<&Figures>) -> Result<(), Wrong> {
    for line in code.lines().flat_map(|line| line.split(';')) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("assert") else {
            if line.is_empty() || line.starts_with("print") || line.starts_with("import") {
                continue;
            }
            return Err(Wrong::Unknown(format!("the statement {line:?}")));
        };
        let mut evaluation = Evaluation {
            words: words(rest),
            next: 0,
            figures,
            seen: Vec::new(),
        };
        if evaluation.or()? == 0 {
            let values = evaluation.seen.join(", ");
            return Err(Wrong::False(format!("{line}  ({values})")));
        }
        // What follows a comma is a message.
        if !matches!(evaluation.peek(), "" | ",") {
            return Err(Wrong::Unknown(format!("the expression {rest:?}")));
        }
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let len = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else {
            let pair = rest
                .get(..2)
                .filter(|pair| matches!(*pair, "==" | "!=" | "<=" | ">=" | "//" | "<<" | ">>"));
            pair.map_or_else(|| first.len_utf8(), str::len)
        };
        let (word, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

struct Evaluation<'a> {
    words: Vec<String>,
    next: usize,
    figures: Option<&'a Figures>,
    seen: Vec<String>,
}

impl Evaluation<'_> {
    fn peek(&self) -> &str {
        self.words.get(self.next).map_or("", String::as_str)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.next += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<i64, Wrong> {
        let mut value = self.and()?;
        while self.eat("or") {
            let right = self.and()?;
            value = i64::from(value != 0 || right != 0);
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<i64, Wrong> {
        let mut value = self.not()?;
        while self.eat("and") {
            let right = self.not()?;
            value = i64::from(value != 0 && right != 0);
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<i64, Wrong> {
        if self.eat("not") {
            return Ok(i64::from(self.not()? == 0));
        }
        self.comparison()
    }

    /// `a < b <= c` means both.
    fn comparison(&mut self) -> Result<i64, Wrong> {
        let mut left = self.bits()?;
        let mut holds = None;
        loop {
            let sign = self.peek().to_owned();
            if !matches!(sign.as_str(), "==" | "!=" | "<" | "<=" | ">" | ">=") {
                return Ok(holds.map_or(left, i64::from));
            }
            self.next += 1;
            let right = self.bits()?;
            let this = match sign.as_str() {
                "==" => left == right,
                "!=" => left != right,
                "<" => left < right,
                "<=" => left <= right,
                ">" => left > right,
                _ => left >= right,
            };
            holds = Some(holds.unwrap_or(true) && this);
            left = right;
        }
    }

    fn bits(&mut self) -> Result<i64, Wrong> {
        let mut value = self.sum()?;
        loop {
            if self.eat("&") {
                value &= self.sum()?;
            } else if self.eat("|") {
                value |= self.sum()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn sum(&mut self) -> Result<i64, Wrong> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value = value.saturating_add(self.product()?);
            } else if self.eat("-") {
                value = value.saturating_sub(self.product()?);
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<i64, Wrong> {
        let mut value = self.single()?;
        loop {
            if self.eat("*") {
                value = value.saturating_mul(self.single()?);
            } else if self.eat("/") || self.eat("//") {
                let divisor = self.single()?;
                let whole = value.checked_div_euclid(divisor);
                value = whole.ok_or_else(|| Wrong::Unknown("a division by zero".to_owned()))?;
            } else if self.eat("%") {
                let divisor = self.single()?;
                let rest = value.checked_rem_euclid(divisor);
                value = rest.ok_or_else(|| Wrong::Unknown("a division by zero".to_owned()))?;
            } else {
                return Ok(value);
            }
        }
    }

    /// `abs(x)`, `min(x, y)`; the parenthesis is open.
    fn function(&mut self, name: &str) -> Result<i64, Wrong> {
        let mut value = self.or()?;
        while self.eat(",") {
            let next = self.or()?;
            value = if name == "min" {
                value.min(next)
            } else {
                value.max(next)
            };
        }
        self.eat(")");
        Ok(if name == "abs" { value.abs() } else { value })
    }

    fn single(&mut self) -> Result<i64, Wrong> {
        if self.eat("(") {
            let value = self.or()?;
            self.eat(")");
            return Ok(value);
        }
        if self.eat("-") {
            return Ok(-self.single()?);
        }
        let word = self.peek().to_owned();
        self.next += 1;
        if let Ok(number) = word.parse() {
            return Ok(number);
        }
        if let Some(hex) = word.strip_prefix("0x") {
            let value = i64::from_str_radix(hex, 16);
            return value.map_err(|_| Wrong::Unknown(format!("the number {word}")));
        }
        if let Some(value) = constant(&word) {
            return Ok(value);
        }
        if matches!(word.as_str(), "abs" | "min" | "max" | "int" | "round") && self.eat("(") {
            return self.function(&word);
        }
        let figures = self
            .figures
            .ok_or_else(|| Wrong::Unknown("a connection to ask".to_owned()))?;
        let value = figures.named(&word);
        let value = value.ok_or_else(|| Wrong::Unknown(format!("the figure {word:?}")))?;
        self.seen.push(format!("{word} is {value}"));
        Ok(value)
    }
}

pub(super) fn constant(word: &str) -> Option<i64> {
    const NAMES: &[(&str, i64)] = &[
        ("TCP_ESTABLISHED", 1),
        ("TCP_SYN_SENT", 2),
        ("TCP_SYN_RECV", 3),
        ("TCP_FIN_WAIT1", 4),
        ("TCP_FIN_WAIT2", 5),
        ("TCP_TIME_WAIT", 6),
        ("TCP_CLOSE", 7),
        ("TCP_CLOSE_WAIT", 8),
        ("TCP_LAST_ACK", 9),
        ("TCP_LISTEN", 10),
        ("TCP_CLOSING", 11),
        ("TCP_CA_Open", 0),
        ("TCP_CA_Disorder", 1),
        ("TCP_CA_CWR", 2),
        ("TCP_CA_Recovery", 3),
        ("TCP_CA_Loss", 4),
        ("TCPI_OPT_TIMESTAMPS", 1),
        ("TCPI_OPT_SACK", 2),
        ("TCPI_OPT_WSCALE", 4),
        ("TCPI_OPT_ECN", 8),
        ("TCPI_OPT_ECN_SEEN", 16),
        ("TCPI_OPT_SYN_DATA", 32),
        ("TCPS_ESTABLISHED", 1),
        ("TCPI_OPT_ECN_LOW", 128),
        ("True", 1),
        ("False", 0),
    ];
    let found = NAMES.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value)
}

const fn state_number(state: State) -> i64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}

/// What can be asked of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) info: Info,
    /// Where its time went; only while it is open.
    pub(super) why: Option<Explanation>,
    pub(super) now: Instant,
    pub(super) mtu: u32,
}

impl Figures {
    /// A figure by Linux's name for it: segments where that counts segments, microseconds for times.
    pub(super) fn named(&self, name: &str) -> Option<i64> {
        if name == "tcpi_state" {
            return Some(state_number(self.info.state));
        }
        let value = self
            .window(name)
            .or_else(|| self.clock(name))
            .or_else(|| self.count(name))
            .or_else(|| self.terms(name))?;
        i64::try_from(value).ok()
    }

    fn segments(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.info.mss.max(1)))
    }

    /// What is under way, and how much may be.
    fn window(&self, name: &str) -> Option<u64> {
        let info = &self.info;
        let mss = u64::from(info.mss.max(1));
        let outstanding = info.snd_nxt.saturating_sub(info.snd_una);
        Some(match name {
            "tcpi_snd_cwnd" => info.cwnd / mss,
            "tcpi_snd_ssthresh" if info.ssthresh == u64::MAX => 0x7fff_ffff,
            "tcpi_snd_ssthresh" => info.ssthresh / mss,
            "tcpi_unacked" => self.segments(outstanding),
            "tcpi_sacked" => self.segments(info.sacked),
            // Linux counts what was lost until it is acknowledged, sent again or not.
            "tcpi_lost" if info.lost == 0 && self.repair() == "open" => 0,
            "tcpi_notsent_bytes" => info.send_queued.saturating_sub(outstanding),
            "tcpi_rcv_space" | "tcpi_rcv_ssthresh" => info.detail.receive_capacity,
            "tcpi_max_pacing_rate" => info
                .detail
                .max_pacing_rate
                .map_or(u64::MAX >> 1, |rate| rate.0),
            "tcpi_pacing_rate" => info.pacing_rate?.0,
            "tcpi_delivery_rate" => info.totals.delivery_rate?.0,
            "tcpi_delivery_rate_app_limited" => info.totals.delivery_app_limited.into(),
            "tcpi_snd_wnd" => info.snd_wnd,
            "tcpi_rcv_wnd" => info.rcv_wnd,
            "tcpi_snd_mss" => mss,
            "tcpi_pmtu" => u64::from(self.mtu),
            "tcpi_ca_state" => match self.repair() {
                "recovery" => 3,
                "loss" => 4,
                "open" if info.sacked > 0 => 1,
                // After a mark the window comes down, which Linux tells apart.
                "open" if info.totals.echoes_in == 0 => 0,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn repair(&self) -> &'static str {
        self.why.map_or("open", |why| why.recovery)
    }

    /// Times, in microseconds; ages in milliseconds.
    fn clock(&self, name: &str) -> Option<u64> {
        let info = &self.info;
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let age = |at: Option<Instant>| {
            at.map(|at| u64::try_from((self.now - at).as_millis()).unwrap_or(u64::MAX))
        };
        let share = |held| self.why.map(|why| micros(why.shares.of(held)));
        match name {
            // Linux keeps it in milliseconds.
            "tcpi_rto" => Some(micros(info.rto).next_multiple_of(1000)),
            "tcpi_rtt" => Some(micros(info.srtt?)),
            "tcpi_rttvar" => Some(micros(info.rttvar?)),
            "tcpi_min_rtt" => Some(micros(info.min_rtt?)),
            "tcpi_last_data_sent" => age(info.totals.data_sent_at),
            "tcpi_last_data_recv" => age(info.totals.data_received_at),
            "tcpi_last_ack_recv" => age(info.detail.heard_at),
            "tcpi_ato" => Some(micros(info.detail.ack_delay)),
            "tcpi_rcv_rtt" => Some(info.detail.receive_rtt.map_or(0, micros)),
            "tcpi_last_ack_sent" => Some(0),
            "tcpi_busy_time" => self.why.map(|why| micros(why.shares.busy)),
            "tcpi_rwnd_limited" => share(Held::ReceiveWindow),
            "tcpi_sndbuf_limited" => share(Held::SendBuffer),
            _ => None,
        }
    }

    /// What was counted.
    fn count(&self, name: &str) -> Option<u64> {
        let (info, totals) = (&self.info, &self.info.totals);
        Some(match name {
            // Once everything is acknowledged the segments are known; the SYN counts as one.
            "tcpi_delivered" if info.snd_una == info.snd_nxt && totals.retransmissions == 0 => {
                totals.data_segments_out + 1
            }
            "tcpi_delivered_ce" => totals.echoes_in.into(),
            "tcpi_received_ce" => totals.marks_in.into(),
            "tcpi_delivered_ce_bytes" => info.delivered_marked.ce.into(),
            "tcpi_delivered_e0_bytes" => info.delivered_marked.ect0.into(),
            "tcpi_delivered_e1_bytes" => info.delivered_marked.ect1.into(),
            "tcpi_received_ce_bytes" => info.received_marked.ce.into(),
            "tcpi_received_e0_bytes" => info.received_marked.ect0.into(),
            "tcpi_received_e1_bytes" => info.received_marked.ect1.into(),
            "tcpi_rcv_ooopack" => totals.out_of_order_in.into(),
            "tcpi_dsack_dups" => totals.duplicates_reported.into(),
            "tcpi_reord_seen" => totals.reorderings.into(),
            "tcpi_probes" => info.detail.probes.into(),
            "tcpi_fackets" => 0,
            "tcpi_advmss" => info.detail.advertised_mss.into(),
            "tcpi_rcv_mss" => totals.largest_in.into(),
            "tcpi_total_rto_recoveries" => totals.timeout_recoveries.into(),
            "tcpi_bytes_acked" => info.snd_una,
            "tcpi_bytes_received" => info.rcv_nxt,
            "tcpi_bytes_retrans" => info.retransmitted,
            "tcpi_bytes_sent" => totals.bytes_out,
            "tcpi_total_retrans" => totals.retransmissions,
            "tcpi_retransmits" | "tcpi_backoff" => u64::from(info.timeouts),
            "tcpi_data_segs_in" => totals.data_segments_in,
            "tcpi_data_segs_out" => totals.data_segments_out,
            "tcpi_total_rto" => totals.timeouts.into(),
            // The SYN-ACK, or the SYN and the handshake's ACK, count too.
            "tcpi_segs_out" | "tcpi_segs_in" => return None,
            _ => return None,
        })
    }

    /// What the SYNs agreed on.
    fn terms(&self, name: &str) -> Option<u64> {
        let terms = self.info.negotiated;
        let bit = |on: Option<bool>, bit: u64| if on == Some(true) { bit } else { 0 };
        Some(match name {
            "tcpi_options" => {
                let scaled = terms.map(|terms| terms.snd_shift != 0 || terms.rcv_shift != 0);
                let marks = terms.map(|terms| terms.ecn != EcnTerms::Off);
                bit(terms.map(|terms| terms.timestamps), 1)
                    | bit(terms.map(|terms| terms.sack), 2)
                    | bit(scaled, 4)
                    | bit(marks, 8)
                    | bit(marks.map(|on| on && self.info.totals.marks_in > 0), 16)
            }
            "tcpi_snd_wscale" => u64::from(terms?.snd_shift),
            "tcpi_rcv_wscale" => u64::from(terms?.rcv_shift),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_in_python() {
        for (code, holds) in [
            ("assert 1 == 1", true),
            (" assert 1 < 2 <= 2, 'message' ", true),
            ("assert 1 < 2 < 2", false),
            ("assert (6 & TCPI_OPT_SACK) != 0", true),
            ("assert 1 == 2 or 3 == 3 and not 0", true),
            ("assert 2 + 3 * 4 == 14\nassert 1 == 0 # no", false),
        ] {
            assert_eq!(check(code, None).is_ok(), holds, "{code}");
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        let wrong = check("assert tcpi_rtt == 1", None);
        assert!(matches!(wrong, Err(Wrong::Unknown(_))), "{wrong:?}");
        let wrong = check("x = 1", None);
        assert!(matches!(wrong, Err(Wrong::Unknown(_))), "{wrong:?}");
    }
}
