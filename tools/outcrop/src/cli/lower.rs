//! Options of what shows and does the lower layers.
//!
//! Job: name them. Owns: defaults, help texts. Does not know: how any of it is done.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CaptureLevel, LINK_HELP};
use crate::advertise::AdvertiseSpec;
use crate::port::{AtSpec, GroupSpec, PortSpec, RouteSpec};

/// What is done with a table of a running stack: as with `ip`, it can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verb {
    /// Print it.
    #[value(alias = "list", alias = "s", alias = "ls")]
    Show,
}

/// Options of `outcrop neigh`, `outcrop route` and `outcrop addr`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Look {
    /// What to do: the only thing there is.
    #[arg(value_enum, default_value_t = Verb::Show, hide_possible_values = true, hide_default_value = true)]
    pub(crate) verb: Verb,
    /// The control socket of the stack. Without it: the one named in OUTCROP_CONTROL, or the only one there is.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    /// Print a list in JSON, with the names of `ip -json`.
    #[arg(short, long)]
    pub(crate) json: bool,
}

/// Options of `outcrop conn`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Conn {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Print round trip, windows and amounts as well.
    #[arg(short, long)]
    pub(crate) info: bool,
}

/// Options of `outcrop router`.
#[derive(Args, Debug)]
pub(crate) struct Router {
    /// A link to a private network of its own: `NAME=ADDRESS/PREFIX,..[,mtu=BYTES][,tap]`; with `tap` it is an Ethernet,
    /// with ARP and neighbour discovery. May be given again.
    #[arg(long, value_name = "LINK")]
    pub(crate) net: Vec<PortSpec>,
    /// A link in the current network namespace, in the same form. May be given again.
    #[arg(long, value_name = "LINK")]
    pub(crate) tun: Vec<PortSpec>,
    /// An Ethernet in the current network namespace, in the same form: a TAP, which may be in a bridge already. May be
    /// given again.
    #[arg(long, value_name = "LINK")]
    pub(crate) tap: Vec<PortSpec>,
    /// Say on this Ethernet that we are a router, so that hosts configure themselves: NAME, and after commas
    /// interval=SECONDS or interval=LEAST-MOST (200-600), lifetime=SECONDS, valid=SECONDS, preferred=SECONDS,
    /// rdnss=ADDRESS, dnssl=DOMAIN, preference=low|high, managed, other, and v4 for hosts of IPv4 too. May be given again.
    #[arg(long, value_name = "LINK[,SETTING..]")]
    pub(crate) advertise: Vec<AdvertiseSpec>,
    /// Pass a packet on only if an answer to it would leave by the link it came by.
    #[arg(long)]
    pub(crate) strict_source: bool,
    /// A route: DESTINATION=GATEWAY, or =blackhole, =unreachable, =prohibit. May be given again.
    #[arg(long, value_name = "ROUTE")]
    pub(crate) route: Vec<RouteSpec>,
    /// Pass multicast on: GROUPS=FROM,TO[,TO..], links by name, such as 239.1.0.0/16=left,right. May be given again.
    #[arg(long, value_name = "GROUPS=LINKS")]
    pub(crate) multicast: Vec<GroupSpec>,
    /// A shell command for one of the private networks: NAME=SCRIPT; ended when the command has ended.
    #[arg(long, value_name = "NAME=SCRIPT")]
    pub(crate) at: Vec<AtSpec>,
    /// Put an emulated link before every interface.
    #[arg(long, value_name = "EMULATION", long_help = LINK_HELP)]
    pub(crate) link: Option<outcrop_netem::Config>,
    /// Record every packet with its reason: one pcapng file a link, its name put before the ending.
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    /// How much to record.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = CaptureLevel::Full)]
    pub(crate) capture_level: CaptureLevel,
    /// Draw all chance from this number instead of the system's entropy.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Answer `outcrop neigh`, `route` and `addr` at this Unix socket. Without it: at one that they find.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    /// Print at the end what was counted, rule by rule.
    #[arg(long)]
    pub(crate) stats: bool,
    /// The command and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// Options of `outcrop switch`.
#[derive(Args, Debug)]
pub(crate) struct Switch {
    /// A port to a private network of its own: NAME=ADDRESS/PREFIX,..[,mtu=BYTES], the kernel's addresses there. May be
    /// given again.
    #[arg(long, value_name = "PORT", value_parser = PortSpec::of_switch)]
    pub(crate) net: Vec<PortSpec>,
    /// A port in the current network namespace: the name of a TAP, or the same form. May be given again.
    #[arg(long, value_name = "PORT", value_parser = PortSpec::of_switch)]
    pub(crate) tap: Vec<PortSpec>,
    /// Learn nothing and repeat everything everywhere, as hubs did.
    #[arg(long)]
    pub(crate) hub: bool,
    /// Forget a station that has been silent for so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) ageing: u64,
    /// A shell command for one of the private networks: NAME=SCRIPT; ended when the command has ended.
    #[arg(long, value_name = "NAME=SCRIPT")]
    pub(crate) at: Vec<AtSpec>,
    /// Record every frame with what became of it: one pcapng file a port, its name put before the ending.
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    /// Print at the end what was counted, rule by rule, and who was where.
    #[arg(long)]
    pub(crate) stats: bool,
    /// The command and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}
