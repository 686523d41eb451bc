//! What a stack says of itself.
//!
//! Job: copy neighbours, routes, addresses and connections out of a running stack into plain rows. Owns: the rows; the
//! names of their fields are those of `ip -json`, where it has one. Does not know: sockets, text.

use core::net::IpAddr;

use outcrop_base::{Instant, InterfaceId};
use outcrop_stack::ip::{
    Address, AddressState, Cidr, InterfaceConfig, Origin, Refusal, Route, Target,
};
use outcrop_stack::{Core, Shard, ethernet, tcp};
use serde::{Deserialize, Serialize};

use super::Names;

/// Rows of one answer; what is beyond is counted.
const MAX_ROWS: usize = 10_000;
/// What `ip -json` writes for a time without end.
pub(super) const FOREVER: u64 = u32::MAX as u64;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Neighbours.
    Neighbors,
    /// Routes.
    Routes,
    /// Interfaces with their addresses.
    Addresses,
    /// Connections.
    Connections,
}

impl Table {
    const ALL: [Self; 4] = [
        Self::Neighbors,
        Self::Routes,
        Self::Addresses,
        Self::Connections,
    ];

    /// Its name in a request.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Neighbors => "neigh",
            Self::Routes => "route",
            Self::Addresses => "addr",
            Self::Connections => "conn",
        }
    }

    /// The table of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reply {
    /// Neighbours, and how many more there are.
    Neigh(Vec<Neighbor>, usize),
    /// Routes.
    Route(Vec<Way>, usize),
    /// Interfaces.
    Addr(Vec<Interface>, usize),
    /// Connections.
    Conn(Vec<Connection>, usize),
    /// The request was no request.
    Error(String),
}

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Neighbor {
    pub(crate) dst: IpAddr,
    pub(crate) dev: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lladdr: Option<String>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) router: bool,
    /// Packets that wait for it.
    #[serde(default)]
    pub(crate) queued: usize,
    pub(crate) state: Vec<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) dst: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dev: Option<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    pub(crate) ifindex: u16,
    pub(crate) ifname: String,
    pub(crate) mtu: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) addr_info: Vec<Owned>,
}

/// An address of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owned {
    pub(crate) family: String,
    pub(crate) local: IpAddr,
    pub(crate) prefixlen: u8,
    pub(crate) scope: String,
    /// `manual`, `link`, `router`, `temporary` or `lease`.
    pub(crate) origin: String,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) dynamic: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) tentative: bool,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) deprecated: bool,
    pub(crate) valid_life_time: u64,
    pub(crate) preferred_life_time: u64,
}

/// A connection. Times are microseconds, amounts bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) state: String,
    pub(crate) recv_q: u64,
    pub(crate) send_q: u64,
    pub(crate) local: String,
    pub(crate) peer: String,
    pub(crate) controller: String,
    pub(crate) rtt: u64,
    pub(crate) rttvar: u64,
    pub(crate) rto: u64,
    pub(crate) mss: u16,
    pub(crate) cwnd: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ssthresh: Option<u64>,
    pub(crate) in_flight: u64,
    pub(crate) acked: u64,
    pub(crate) received: u64,
    pub(crate) retransmitted: u64,
    pub(crate) segs_out: u64,
    pub(crate) segs_in: u64,
}

/// What is said instead of an answer.
pub(super) fn refusal(why: &str) -> Reply {
    Reply::Error(why.to_owned())
}

/// Copies a table of a host: its shards hold the connections among them, and the rest each.
pub(super) fn read(table: Table, shards: &[Shard], names: &Names) -> Reply {
    if table == Table::Connections {
        return connections(shards);
    }
    let Some(first) = shards.first() else {
        return refusal("no stack answers here");
    };
    shared(table, first, names)
}

/// The stack waits only for as long as the copying takes.
fn shared(table: Table, shard: &Shard, names: &Names) -> Reply {
    let now = shard.now();
    shard.call(|core| match table {
        Table::Neighbors => bounded(neighbors(core, names), Reply::Neigh),
        Table::Routes => bounded(core.ip().routes().map(|r| way(r, names)), Reply::Route),
        Table::Addresses => {
            let links = core.ip().interfaces().iter();
            bounded(links.map(|l| interface(core, l, names, now)), Reply::Addr)
        }
        Table::Connections => Reply::Conn(Vec::new(), 0),
    })
}

fn connections(shards: &[Shard]) -> Reply {
    let (mut rows, mut more) = (Vec::new(), 0);
    for shard in shards {
        let now = shard.now();
        shard.call(|core| {
            let flows = core.tcp().open_accounts(now);
            let mut infos = flows.filter_map(|account| {
                let id = core.tcp().find(&account.flow)?;
                core.tcp().info(id)
            });
            let room = MAX_ROWS - rows.len();
            rows.extend(infos.by_ref().take(room).map(|info| connection(&info)));
            more += infos.count();
        });
    }
    Reply::Conn(rows, more)
}

fn bounded<T>(
    mut rows: impl Iterator<Item = T>,
    reply: impl FnOnce(Vec<T>, usize) -> Reply,
) -> Reply {
    let kept = rows.by_ref().take(MAX_ROWS).collect();
    reply(kept, rows.count())
}

fn name(names: &Names, iface: InterfaceId) -> String {
    let known = names.iter().find(|(id, _)| *id == iface);
    known.map_or_else(|| iface.0.to_string(), |(_, name)| name.clone())
}

fn neighbors(core: &Core, names: &Names) -> impl Iterator<Item = Neighbor> {
    let links = core.ip().interfaces().iter().map(|link| link.id);
    links.flat_map(move |iface| {
        core.neighbors(iface).map(move |neighbor| Neighbor {
            dst: neighbor.ip,
            dev: name(names, iface),
            lladdr: neighbor.mac.map(|mac| mac.to_string()),
            router: neighbor.router,
            queued: neighbor.queued,
            state: vec![state(neighbor.state).to_owned()],
        })
    })
}

/// RFC 4861 7.3.2's names.
const fn state(state: ethernet::State) -> &'static str {
    match state {
        ethernet::State::Incomplete => "INCOMPLETE",
        ethernet::State::Reachable => "REACHABLE",
        ethernet::State::Stale => "STALE",
        ethernet::State::Delay => "DELAY",
        ethernet::State::Probe => "PROBE",
    }
}

fn way(route: Route, names: &Names) -> Way {
    let dst = destination(route.dest);
    match route.target {
        Target::Link { via, iface } => Way {
            kind: None,
            dst,
            gateway: via,
            dev: Some(name(names, iface)),
        },
        Target::Refusal(refusal) => {
            let kind = match refusal {
                Refusal::Blackhole => "blackhole",
                Refusal::Unreachable => "unreachable",
                Refusal::Prohibited => "prohibit",
            };
            Way {
                kind: Some(kind.to_owned()),
                dst,
                gateway: None,
                dev: None,
            }
        }
    }
}

/// A network as `ip` writes it: `default` for everything, no length for a single host.
fn destination(dest: Cidr) -> String {
    let network = dest.network();
    match (network, dest.prefix()) {
        (_, 0) => "default".to_owned(),
        (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => network.to_string(),
        (_, prefix) => format!("{network}/{prefix}"),
    }
}

fn interface(core: &Core, link: &InterfaceConfig, names: &Names, now: Instant) -> Interface {
    let addresses = core.addresses().filter(|address| address.iface == link.id);
    Interface {
        ifindex: link.id.0,
        ifname: name(names, link.id),
        mtu: link.mtu,
        address: link
            .link_address
            .map(|mac| ethernet::MacAddr(mac).to_string()),
        addr_info: addresses.map(|address| owned(&address, now)).collect(),
    }
}

fn owned(address: &Address, now: Instant) -> Owned {
    let local = address.cidr.addr();
    let near = match local {
        IpAddr::V4(local) => local.is_link_local(),
        IpAddr::V6(local) => local.is_unicast_link_local(),
    };
    let origin = match address.origin {
        Origin::Manual => "manual",
        Origin::LinkLocal => "link",
        Origin::Router => "router",
        Origin::Temporary => "temporary",
        Origin::Lease => "lease",
    };
    let left = |until: Option<Instant>| {
        until.map_or(FOREVER, |until| until.saturating_since(now).as_secs())
    };
    Owned {
        family: if local.is_ipv4() { "inet" } else { "inet6" }.to_owned(),
        local,
        prefixlen: address.cidr.prefix(),
        scope: if near { "link" } else { "global" }.to_owned(),
        origin: origin.to_owned(),
        dynamic: address.valid.is_some(),
        tentative: address.state == AddressState::Tentative,
        deprecated: address.state == AddressState::Deprecated,
        valid_life_time: left(address.valid),
        preferred_life_time: left(address.preferred),
    }
}

fn connection(info: &tcp::Info) -> Connection {
    let micros = |span: Option<core::time::Duration>| {
        span.map_or(0, |span| {
            u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
        })
    };
    Connection {
        state: info.state.name().to_owned(),
        recv_q: info.receive_queued,
        send_q: info.send_queued,
        local: info.flow.local.to_string(),
        peer: info.flow.remote.to_string(),
        controller: info.controller.unwrap_or("none").to_owned(),
        rtt: micros(info.srtt),
        rttvar: micros(info.rttvar),
        rto: micros(Some(info.rto)),
        mss: info.mss,
        cwnd: info.cwnd,
        ssthresh: (info.ssthresh != u64::MAX).then_some(info.ssthresh),
        in_flight: info.in_flight,
        acked: info.snd_una,
        received: info.rcv_nxt,
        retransmitted: info.retransmitted,
        segs_out: info.totals.segments_out,
        segs_in: info.totals.segments_in,
    }
}
