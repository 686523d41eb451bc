//! The kernel's end of a device.
//!
//! Job: give an interface its addresses, MTU and routes and bring it up, in the current network namespace.
//! Owns: a netlink socket during a call. Does not know: TUN, nor who is at the other end.
//! Source: RFC 3549 (netlink), the kernel's rtnetlink(7).

use core::net::IpAddr;
use core::num::NonZeroU16;
use core::time::Duration;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use thiserror::Error;

use crate::tun::Format;

/// How long an address may take to become the kernel's own, and how long nobody looks in between.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(2);

/// What the kernel's end of an interface shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Addresses with the length of their prefix; each prefix becomes a route to the interface.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// The largest IP packet, in bytes.
    pub mtu: u32,
    /// Packets the kernel queues before it drops.
    pub tx_queue_len: u32,
    /// Whether the kernel gives it a link-local IPv6 address of its own, and then asks for routers.
    pub link_local: bool,
    /// What our end of it speaks, if it is a TUN still to be made.
    pub format: Format,
    /// Queues of our end, each a descriptor of its own, if it is a TUN still to be made.
    pub queues: NonZeroU16,
}

impl Interface {
    /// A plain interface without addresses, of MTU 1500.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            addresses: Vec::new(),
            routes: Vec::new(),
            mtu: 1_500,
            tx_queue_len: crate::tun::TX_QUEUE_LEN,
            link_local: false,
            format: Format::Plain,
            queues: NonZeroU16::MIN,
        }
    }

    /// The same with this address as well.
    #[must_use]
    pub fn address(mut self, address: IpAddr, prefix: u8) -> Self {
        self.addresses.push((address, prefix));
        self
    }

    /// The same with a route to `destination`/`prefix` as well, through a gateway or straight to the link.
    #[must_use]
    pub fn route(mut self, destination: IpAddr, prefix: u8, via: Option<IpAddr>) -> Self {
        self.routes.push(Route {
            destination,
            prefix,
            via,
        });
        self
    }
}

/// A route over an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network's address.
    pub destination: IpAddr,
    /// Length of its prefix; zero for the default route.
    pub prefix: u8,
    /// The gateway; none if the destinations are on the link.
    pub via: Option<IpAddr>,
}

/// What is known of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in this namespace.
    pub index: u32,
    /// The largest IP packet, in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
}

/// Why the kernel's end could not be set.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// There is no interface of this name.
    #[error("there is no network device `{0}`")]
    NoDevice(String),
    /// The caller may not.
    #[error("not allowed to {step}: run as root, or in a private namespace")]
    NotPermitted {
        /// What was tried.
        step: String,
    },
    /// Anything else.
    #[error("cannot {step}: {source}")]
    Io {
        /// What was tried.
        step: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Looks up an interface.
///
/// # Errors
/// `NoDevice`, or what the kernel said.
pub fn link(name: &str) -> Result<Link, ConfigureError> {
    Netlink::open()
        .and_then(|mut netlink| netlink.link(name))
        .map_err(|error| explain(name, format!("look up network device `{name}`"), error))
}

/// Sets the length of the queue the kernel keeps for us.
///
/// # Errors
/// `NoDevice`, `NotPermitted`, or what the kernel said.
pub(crate) fn set_queue(name: &str, packets: u32) -> Result<(), ConfigureError> {
    let set = || {
        let mut netlink = Netlink::open()?;
        let link = netlink.link(name)?;
        netlink.set_link(link.index, false, vec![LinkAttribute::TxQueueLen(packets)])
    };
    set().map_err(|error| explain(name, format!("set the queue of `{name}`"), error))
}

/// Makes the kernel's end as described and brings it up. What is already so stays so.
///
/// # Errors
/// `NoDevice`, `NotPermitted`, or what the kernel said and at which step.
pub fn configure(interface: &Interface) -> Result<(), ConfigureError> {
    let name = &interface.name;
    let fail = |step: String| move |error| explain(name, step, error);
    let mut netlink = Netlink::open().map_err(fail("open a netlink socket".to_owned()))?;
    let Link { index, .. } = netlink
        .link(name)
        .map_err(fail(format!("look up network device `{name}`")))?;
    let size = vec![
        LinkAttribute::Mtu(interface.mtu),
        LinkAttribute::TxQueueLen(interface.tx_queue_len),
    ];
    netlink
        .set_link(index, false, size)
        .map_err(fail(format!("set MTU {} on `{name}`", interface.mtu)))?;
    if !interface.link_local {
        // A kernel without IPv6 has no such attribute; then there is nothing to prevent.
        if let Err(error) = netlink.set_link(index, false, vec![no_link_local()]) {
            log::debug!("{name}: link-local address not switched off: {error}");
        }
    }
    netlink
        .set_link(index, true, Vec::new())
        .map_err(fail(format!("bring `{name}` up")))?;
    for (address, prefix) in &interface.addresses {
        netlink
            .add_address(index, *address, *prefix)
            .map_err(fail(format!("give {address}/{prefix} to `{name}`")))?;
    }
    for (address, _) in &interface.addresses {
        netlink.wait_for(*address);
    }
    for route in &interface.routes {
        let Route {
            destination,
            prefix,
            ..
        } = route;
        netlink.add_route(index, route).map_err(fail(format!(
            "route {destination}/{prefix} through `{name}`"
        )))?;
    }
    Ok(())
}

/// Brings the loopback interface of the current namespace up.
///
/// # Errors
/// `NotPermitted`, or what the kernel said.
pub fn loopback_up() -> Result<(), ConfigureError> {
    let up = || {
        let mut netlink = Netlink::open()?;
        let link = netlink.link("lo")?;
        netlink.set_link(link.index, true, Vec::new())
    };
    up().map_err(|error| explain("lo", "bring `lo` up".to_owned(), error))
}

fn explain(name: &str, step: String, source: io::Error) -> ConfigureError {
    match Errno::from_io_error(&source) {
        Some(Errno::NODEV) => ConfigureError::NoDevice(name.to_owned()),
        Some(Errno::PERM | Errno::ACCESS) => ConfigureError::NotPermitted { step },
        _ => ConfigureError::Io { step, source },
    }
}

fn no_link_local() -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
        In6AddrGenMode::None,
    )])])
}

/// A conversation with the kernel's routing tables: one request, one answer.
struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // Protocol zero is NETLINK_ROUTE.
            None,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    fn link(&mut self, name: &str) -> io::Result<Link> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::IfName(name.to_owned()));
        let answer = self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST)?;
        let Some(RouteNetlinkMessage::NewLink(link)) = answer else {
            return Err(Errno::NODEV.into());
        };
        let mtu = link.attributes.iter().find_map(|attribute| {
            if let LinkAttribute::Mtu(mtu) = attribute {
                Some(*mtu)
            } else {
                None
            }
        });
        Ok(Link {
            index: link.header.index,
            mtu: mtu.unwrap_or_default(),
            up: link.header.flags.contains(LinkFlags::Up),
        })
    }

    fn set_link(&mut self, index: u32, up: bool, attributes: Vec<LinkAttribute>) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        if up {
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
        }
        message.attributes = attributes;
        self.tell(
            RouteNetlinkMessage::SetLink(message),
            NLM_F_REQUEST | NLM_F_ACK,
        )
    }

    fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.header.family = family(address);
        // Nobody else is on this link: the address is ours without asking round.
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes = vec![
            AddressAttribute::Local(address),
            AddressAttribute::Address(address),
        ];
        self.tell(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Until packets for `address` are the kernel's own. It says yes to an address of IPv6 before it has made the route to
    /// it, and drops what comes in between without a word. After [`PATIENCE`] that is as it may be.
    fn wait_for(&mut self, address: IpAddr) {
        let begun = Instant::now();
        while !self.is_local(address) {
            if begun.elapsed() > PATIENCE {
                log::debug!("{address}: the kernel has no route to itself");
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    fn is_local(&mut self, address: IpAddr) -> bool {
        let mut message = RouteMessage::default();
        message.header.address_family = family(address);
        message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        message
            .attributes
            .push(RouteAttribute::Destination(address.into()));
        let answer = self.ask(RouteNetlinkMessage::GetRoute(message), NLM_F_REQUEST);
        matches!(answer, Ok(Some(RouteNetlinkMessage::NewRoute(route)))
            if route.header.kind == RouteType::Local)
    }

    fn add_route(&mut self, index: u32, route: &Route) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(route.destination);
        message.header.destination_prefix_length = route.prefix;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.kind = RouteType::Unicast;
        message.header.scope = match route.via {
            Some(_) => RouteScope::Universe,
            None => RouteScope::Link,
        };
        message
            .attributes
            .push(RouteAttribute::Destination(route.destination.into()));
        message.attributes.push(RouteAttribute::Oif(index));
        if let Some(via) = route.via {
            message.attributes.push(RouteAttribute::Gateway(via.into()));
        }
        self.tell(
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    fn tell(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.ask(message, flags).map(|_| ())
    }

    /// Sends one request; the answer is a message, or nothing if it was only acknowledged.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &bytes, SendFlags::empty(), &kernel)?;

        // An answer about one interface stays well below this.
        let mut answer = vec![0; 64 * 1024];
        let (len, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        let answer = NetlinkMessage::deserialize(answer.get(..len).unwrap_or_default())
            .map_err(io::Error::other)?;
        if let NetlinkPayload::Error(error) = &answer.payload
            && error.code.is_some()
        {
            return Err(error.to_io());
        }
        if let NetlinkPayload::InnerMessage(message) = answer.payload {
            return Ok(Some(message));
        }
        Ok(None)
    }
}

const fn family(address: IpAddr) -> netlink_packet_route::AddressFamily {
    match address {
        IpAddr::V4(_) => netlink_packet_route::AddressFamily::Inet,
        IpAddr::V6(_) => netlink_packet_route::AddressFamily::Inet6,
    }
}
