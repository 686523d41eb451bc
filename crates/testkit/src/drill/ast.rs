//! A drill script, understood.
//!
//! Job: the values a script consists of. Owns: nothing else. Does not know: how it was written down (`parse`)
//! or what it does to a stack (`run`).

use core::time::Duration;

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `--name=value` lines at the top.
    pub options: Vec<(String, String)>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Line number, from 1.
    pub line: usize,
    /// When.
    pub when: When,
    /// What.
    pub action: Action,
}

/// When an event happens, or when its packet is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At a time of the script.
    At(Time),
    /// Anywhere between two times.
    Between(Time, Time),
    /// At any time (`*`).
    Any,
    /// A call that blocks: made at the first time, returning at the second.
    Blocking(Time, Time),
}

/// A time of the script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// After the start.
    Absolute(Duration),
    /// After the event before (`+0.1`).
    Relative(Duration),
}

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `< ..`: a packet arrives.
    Inject(Packet),
    /// `> ..`: a packet must leave.
    Expect(Packet),
    /// A call of the program, and what it must return.
    Call(Call),
    /// A shell command in backquotes.
    Shell(String),
    /// Assertions between `%{` and `}%`.
    Code(String),
}

/// A packet of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// The `[..]` prefix: what the IP header says.
    pub ip: IpPrefix,
    /// What is inside.
    pub body: Body,
}

/// What a packet's prefix says of the IP header; `None` is "whatever".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpPrefix {
    /// The two ECN bits.
    pub ecn: Option<u8>,
    /// The whole traffic class octet.
    pub tos: Option<u8>,
    /// Time to live or hop limit.
    pub ttl: Option<u8>,
    /// IPv6 flow label.
    pub flow_label: Option<u32>,
    /// The peer's port, where a script has more than one peer: `[port N]`, or `N > N` before the flags.
    pub port: Option<u16>,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A TCP segment.
    Tcp(Tcp),
    /// An ICMP error about a segment of the connection under test.
    Icmp(Icmp),
    /// A UDP datagram of this many payload bytes.
    Udp(usize),
}

/// A TCP segment, with sequence numbers relative to the initial ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tcp {
    /// The flags.
    pub flags: Flags,
    /// First sequence number.
    pub seq: u32,
    /// Sequence number after the last byte.
    pub end: u32,
    /// Payload bytes.
    pub len: u32,
    /// Acknowledgment number.
    pub ack: Option<u32>,
    /// Window field, unscaled.
    pub win: Option<u16>,
    /// Urgent pointer.
    pub urg: Option<u16>,
    /// The options, in order; `None` is `<...>`: whatever.
    pub options: Option<Vec<TcpOption>>,
}

/// TCP flags as a script writes them. `-` is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `F`
    pub fin: bool,
    /// `S`
    pub syn: bool,
    /// `R`
    pub rst: bool,
    /// `P`
    pub psh: bool,
    /// `.`
    pub ack: bool,
    /// `U`
    pub urg: bool,
    /// `E`
    pub ece: bool,
    /// `W`
    pub cwr: bool,
    /// `A`: accurate ECN
    pub ae: bool,
}

/// A TCP option of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// `eol`
    Eol,
    /// `nop`
    Nop,
    /// `mss N`
    Mss(u16),
    /// `wscale N`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `sack a:b c:d ..`
    Sack(Vec<(u32, u32)>),
    /// `TS val N ecr N`
    Timestamps {
        /// TSval
        val: u32,
        /// TSecr
        ecr: u32,
    },
    /// `FO hex` (RFC 7413), or the experimental `FOEXP`
    FastOpen {
        /// The cookie; empty asks for one.
        cookie: Vec<u8>,
        /// Kind 254 instead of 34.
        experimental: bool,
    },
    /// `ECN e1b N ceb N e0b N`, in either order and from the front (RFC 9768 3.2.3)
    AccurateEcn(Counters),
    /// `md5 HEX`, `md5 valid` or `md5 invalid` (RFC 2385)
    Md5(Signature),
    /// `uto N`, in seconds, or `uto N min` (RFC 5482)
    UserTimeout {
        /// Counted in minutes.
        minutes: bool,
        /// How many: 15 bits.
        count: u16,
    },
    /// Anything else, by kind: never sent by us, so it can only be injected.
    Other {
        /// Kind octet.
        kind: u8,
        /// What follows the length octet.
        data: Vec<u8>,
    },
}

/// What an option of accurate ECN counts, as its fields say it: octets modulo 2^24.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// ECT(1) comes first (kind 174) instead of ECT(0) (kind 172).
    pub ect1_first: bool,
    /// The fields that are there, in their order on the wire.
    pub fields: [Option<u32>; 3],
}

/// A signature, as a script names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// These octets.
    Digest(Vec<u8>),
    /// What the key of the script makes of the segment.
    Valid,
    /// Anything but that.
    Invalid,
}

/// An ICMP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// `unreachable`, `time_exceeded`, `parameter_problem`, `packet_too_big` ..
    pub kind: String,
    /// `frag_needed`, `port_unreachable` ..; empty for none.
    pub code: String,
    /// `mtu N`
    pub mtu: Option<u32>,
    /// `[a:b(n)]`: the sequence numbers quoted.
    pub quoted: Option<(u32, u32)>,
}

/// A call and what it must give.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// The value it must return.
    pub result: Value,
    /// The error it must set: `EAGAIN`.
    pub errno: Option<String>,
    /// The remark in parentheses.
    pub note: Option<String>,
}

/// An argument or a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `...`: whatever.
    Any,
    /// A number.
    Number(i64),
    /// A name, or names joined by `|`, kept as written: `O_RDWR|O_NONBLOCK`.
    Symbol(String),
    /// `"text"`
    Text(String),
    /// `[a, b]`
    List(Vec<Self>),
    /// `{name=value, ..}`; a member without a name has an empty one.
    Struct(Vec<(String, Self)>),
    /// `-> value`: what the kernel writes back, as in `ioctl(.., [5])`.
    Call(String, Vec<Self>),
}
