//! Packets: the prefix, TCP with its options, ICMP, UDP.

use super::super::ast::{Body, Counters, Flags, Icmp, IpPrefix, Packet, Signature, Tcp, TcpOption};
use super::super::lex::Kind;
use super::{ParseError, Parser, Result};

/// Cookies that the public suites call by name.
const COOKIES: [(&str, u64); 2] = [
    ("TFO_COOKIE", 0x0c0f_fee0_0000_0001),
    ("TFO_COOKIE_ZERO", 0x0c0f_fee0_0000_0002),
];

impl Parser {
    /// The rest of a packet; `arrives` if it is the peer's.
    pub(super) fn packet(&mut self, arrives: bool) -> Result<Packet> {
        for word in ["ipv4", "ipv6", "gre", "mpls", "psp", "udp6"] {
            if matches!(self.peek(), Kind::Word(found) if found == word) {
                let what = format!("unknown encapsulation {word:?}");
                return Err(ParseError::new(self.line(), what));
            }
        }
        let mut ip = self.ip_prefix()?;
        let body = if ["icmp", "icmpv4", "icmpv6"]
            .iter()
            .any(|word| self.eat_word(word))
        {
            Body::Icmp(self.icmp()?)
        } else if self.eat_word("udp") {
            ip.port = self.ports(arrives)?.or(ip.port);
            self.want('(')?;
            let len = self.unsigned("a length")?;
            self.want(')')?;
            Body::Udp(len)
        } else {
            ip.port = self.ports(arrives)?.or(ip.port);
            Body::Tcp(self.tcp()?)
        };
        Ok(Packet { ip, body })
    }

    fn ip_prefix(&mut self) -> Result<IpPrefix> {
        let mut ip = IpPrefix::default();
        let close = if self.eat('[') {
            ']'
        } else if self.eat('(') {
            ')'
        } else {
            return Ok(ip);
        };
        while !self.eat(close) {
            let word = self.word()?;
            match word.to_ascii_lowercase().as_str() {
                "noecn" | "not_ect" => ip.ecn = Some(0),
                "ect1" => ip.ecn = Some(1),
                "ect0" => ip.ecn = Some(2),
                "ce" => ip.ecn = Some(3),
                "ect01" => ip.ecn = None,
                "tos" | "class" => ip.tos = Some(self.unsigned("an octet")?),
                "ttl" | "hlim" => ip.ttl = Some(self.unsigned("an octet")?),
                "port" => ip.port = Some(self.unsigned("a port")?),
                "flowlabel" => ip.flow_label = Some(self.unsigned("a flow label")?),
                other => {
                    let what = format!("unknown word {other:?} about the IP header");
                    return Err(ParseError::new(self.line(), what));
                }
            }
            self.eat(',');
        }
        Ok(ip)
    }

    /// `source > destination`; the peer's of the two.
    fn ports(&mut self, arrives: bool) -> Result<Option<u16>> {
        let both = matches!(
            (self.peek(), self.peek_after(1), self.peek_after(2)),
            (Kind::Number(_), Kind::Sign('>'), Kind::Number(_))
        );
        if !both {
            return Ok(None);
        }
        let from = self.unsigned("a port")?;
        self.want('>')?;
        let to = self.unsigned("a port")?;
        Ok(Some(if arrives { from } else { to }))
    }

    fn tcp(&mut self) -> Result<Tcp> {
        let mut tcp = Tcp {
            flags: self.flags()?,
            options: Some(Vec::new()),
            ..Tcp::default()
        };
        tcp.seq = self.unsigned("a sequence number")?;
        self.want(':')?;
        tcp.end = self.unsigned("a sequence number")?;
        self.want('(')?;
        tcp.len = self.unsigned("a length")?;
        self.want(')')?;
        if self.eat_word("ack") {
            tcp.ack = Some(self.unsigned("an acknowledgment number")?);
        }
        if self.eat_word("win") {
            tcp.win = Some(self.unsigned("a window of 16 bits")?);
        }
        if self.eat_word("urg") {
            tcp.urg = Some(self.unsigned("an urgent pointer")?);
        }
        // The next event begins with its time, so a `<` here opens options.
        if self.eat('<') {
            tcp.options = self.options()?;
        }
        if self.is('{') {
            let what = "unknown mutation: a packet that is changed on its way";
            return Err(ParseError::new(self.line(), what));
        }
        Ok(tcp)
    }

    fn flags(&mut self) -> Result<Flags> {
        let mut flags = Flags::default();
        if self.eat('-') {
            return Ok(flags);
        }
        let mut any = false;
        loop {
            let letters = match self.peek().clone() {
                Kind::Word(word) if !any || !self.spaced() => word,
                Kind::Sign('.') if !any || !self.spaced() => ".".to_owned(),
                Kind::Number(digits) if !any || !self.spaced() => digits,
                _ if any => return Ok(flags),
                _ => return self.fail("TCP flags"),
            };
            for letter in letters.chars() {
                let flag = match letter {
                    'F' => &mut flags.fin,
                    'S' => &mut flags.syn,
                    'R' => &mut flags.rst,
                    'P' => &mut flags.psh,
                    '.' => &mut flags.ack,
                    'U' => &mut flags.urg,
                    'E' => &mut flags.ece,
                    'W' => &mut flags.cwr,
                    'A' => &mut flags.ae,
                    // The counter of accurate ECN is AE, CWR and ECE as a number (RFC 9768 3.2.2).
                    '0'..='7' => {
                        let count = letter.to_digit(8).unwrap_or(0);
                        flags.ae |= count & 4 != 0;
                        flags.cwr |= count & 2 != 0;
                        flags.ece |= count & 1 != 0;
                        continue;
                    }
                    _ => return self.fail("TCP flags out of FSRP.UEWA"),
                };
                *flag = true;
            }
            any = true;
            self.next += 1;
        }
    }

    /// The options after their `<`; `None` for `<...>`.
    fn options(&mut self) -> Result<Option<Vec<TcpOption>>> {
        let mut options = Vec::new();
        if *self.peek() == Kind::Ellipsis {
            self.next += 1;
            self.want('>')?;
            return Ok(None);
        }
        while !self.eat('>') {
            options.push(self.option()?);
            if !self.eat(',') && !self.is('>') {
                return self.fail("',' or '>' after a TCP option");
            }
        }
        Ok(Some(options))
    }

    fn option(&mut self) -> Result<TcpOption> {
        let word = self.word()?;
        Ok(match word.as_str() {
            "eol" => TcpOption::Eol,
            "nop" => TcpOption::Nop,
            "mss" => TcpOption::Mss(self.unsigned("an MSS")?),
            "wscale" => TcpOption::WindowScale(self.unsigned("a shift count")?),
            "sackOK" => TcpOption::SackPermitted,
            "sack" => {
                let mut blocks = Vec::new();
                while matches!(self.peek(), Kind::Number(_)) {
                    let start = self.unsigned("a sequence number")?;
                    self.want(':')?;
                    blocks.push((start, self.unsigned("a sequence number")?));
                }
                TcpOption::Sack(blocks)
            }
            "TS" => {
                let mut numbers = [0, 0];
                for (name, number) in ["val", "ecr"].into_iter().zip(&mut numbers) {
                    if !self.eat_word(name) {
                        return self.fail("TS val N ecr N");
                    }
                    *number = self.unsigned("a timestamp")?;
                }
                let [val, ecr] = numbers;
                TcpOption::Timestamps { val, ecr }
            }
            "ECN" => TcpOption::AccurateEcn(self.counters()?),
            "uto" => TcpOption::UserTimeout {
                count: self.unsigned::<u16>("a timeout")? & 0x7fff,
                minutes: self.eat_word("min"),
            },
            "md5" => TcpOption::Md5(if self.eat_word("valid") {
                Signature::Valid
            } else if self.eat_word("invalid") {
                Signature::Invalid
            } else {
                Signature::Digest(self.hex()?)
            }),
            "FO" | "FOEXP" => TcpOption::FastOpen {
                cookie: self.hex()?,
                experimental: word == "FOEXP",
            },
            other => {
                let what = format!("unknown TCP option {other:?}");
                return Err(ParseError::new(self.line(), what));
            }
        })
    }

    /// `e1b N ceb N e0b N` or `e0b N ceb N e1b N`; what is at the end may be left out.
    fn counters(&mut self) -> Result<Counters> {
        let ect1_first = matches!(self.peek(), Kind::Word(word) if word == "e1b");
        let order = if ect1_first {
            ["e1b", "ceb", "e0b"]
        } else {
            ["e0b", "ceb", "e1b"]
        };
        let mut counters = Counters {
            ect1_first,
            ..Counters::default()
        };
        for (name, field) in order.into_iter().zip(&mut counters.fields) {
            if !self.eat_word(name) {
                break;
            }
            *field = Some(self.unsigned::<u32>("a counter")? & 0x00ff_ffff);
        }
        Ok(counters)
    }

    /// Hexadecimal digits, which the lexer may have cut into words and numbers.
    fn hex(&mut self) -> Result<Vec<u8>> {
        // Names that a runner would define; which bytes they stand for is the server's business.
        for (name, cookie) in COOKIES {
            if self.eat_word(name) {
                return Ok(cookie.to_be_bytes().to_vec());
            }
        }
        let mut digits = String::new();
        while let Kind::Word(piece) | Kind::Number(piece) = self.peek().clone() {
            if !digits.is_empty() && self.spaced() {
                break;
            }
            digits.push_str(&piece);
            self.next += 1;
        }
        let pair = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
        match digits.as_bytes().chunks(2).map(pair).collect() {
            Some(bytes) => Ok(bytes),
            None => self.fail("pairs of hexadecimal digits"),
        }
    }

    fn icmp(&mut self) -> Result<Icmp> {
        let kind = self.word()?;
        let mut icmp = Icmp {
            kind,
            code: String::new(),
            mtu: None,
            quoted: None,
        };
        loop {
            if self.eat_word("mtu") {
                icmp.mtu = Some(self.unsigned("an MTU")?);
            } else if self.eat_word("id") {
                icmp.mtu = Some(self.unsigned("an identifier")?);
            } else if self.eat('[') {
                if self.eat_word("udp") || self.eat_word("raw") {
                    let what = "unknown quote: a datagram in an ICMP message";
                    return Err(ParseError::new(self.line(), what));
                }
                let start = self.unsigned("a sequence number")?;
                self.want(':')?;
                let end = self.unsigned("a sequence number")?;
                self.want('(')?;
                let _len: u32 = self.unsigned("a length")?;
                self.want(')')?;
                self.want(']')?;
                icmp.quoted = Some((start, end));
            } else if let (Kind::Word(code), true) = (self.peek().clone(), icmp.code.is_empty()) {
                self.next += 1;
                icmp.code = code;
            } else {
                return Ok(icmp);
            }
        }
    }
}
