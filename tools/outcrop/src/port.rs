//! Links and routes of a router, as the command line has them.
//!
//! Job: turn `NAME=ADDRESS/PREFIX,..,mtu=BYTES,tap` and `DESTINATION=WAY` into values, or say why not. Owns: `PortSpec`,
//! `RouteSpec`, `AtSpec`. Does not know: devices.

use core::net::IpAddr;
use core::str::FromStr;

use outcrop_stack::ip::{self, Refusal};

use crate::values::{Cidr, DeviceName};

/// One link of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortSpec {
    /// The name of its TUN or TAP.
    pub(crate) name: DeviceName,
    /// The router's addresses there; of a switch, which has none, the kernel's.
    pub(crate) addresses: Vec<Cidr>,
    /// The largest IP packet.
    pub(crate) mtu: u32,
    /// Whether it is an Ethernet.
    pub(crate) tap: bool,
}

impl PortSpec {
    /// The same as an Ethernet.
    pub(crate) fn as_tap(&self) -> Self {
        Self {
            tap: true,
            ..self.clone()
        }
    }

    /// A port of a switch: an Ethernet that may do without addresses.
    pub(crate) fn of_switch(text: &str) -> Result<Self, String> {
        if text.contains('=') {
            return text.parse().map(|port: Self| port.as_tap());
        }
        Ok(Self {
            name: text.parse().map_err(|why| format!("{text} {why}"))?,
            addresses: Vec::new(),
            mtu: 1500,
            tap: true,
        })
    }
}

/// The smallest MTU a link may have, by whether IPv6 is spoken on it (RFC 791 3.2, RFC 8200 5).
const LEAST: [u32; 2] = [68, 1280];

impl FromStr for PortSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as left=10.1.0.1/24,fd01::1/64,mtu=1400";
        let (name, rest) = text
            .split_once('=')
            .ok_or_else(|| format!("lacks a name: {example}"))?;
        let name: DeviceName = name.parse().map_err(|why| format!("{name} {why}"))?;
        let (mut addresses, mut mtu, mut tap) = (Vec::<Cidr>::new(), 1500, false);
        for part in rest.split(',') {
            if let Some(bytes) = part.strip_prefix("mtu=") {
                mtu = bytes
                    .parse()
                    .map_err(|_| format!("{part}: give a number of bytes"))?;
            } else if part == "tap" {
                tap = true;
            } else {
                addresses.push(part.parse().map_err(|why| format!("{part} {why}"))?);
            }
        }
        if addresses.is_empty() {
            return Err(format!("has no address: {example}"));
        }
        let speaks_v6 = addresses.iter().any(|cidr| cidr.address.is_ipv6());
        let [v4, v6] = LEAST;
        let least = if speaks_v6 { v6 } else { v4 };
        if !(least..=65_535).contains(&mtu) {
            return Err(format!("the MTU must be {least} to 65535 there"));
        }
        Ok(Self {
            name,
            addresses,
            mtu,
            tap,
        })
    }
}

/// A route: `DESTINATION=GATEWAY`, or how it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteSpec {
    /// Its network.
    pub(crate) dest: ip::Cidr,
    /// Where it leads.
    pub(crate) way: Way,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To a gateway, on the link named or on the one that has its network.
    Via(IpAddr, Option<DeviceName>),
    /// Nowhere.
    Refused(Refusal),
}

impl FromStr for RouteSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as 10.9.0.0/16=10.2.0.2, default=fe80::2%lan or 10.8.0.0/16=blackhole";
        let (dest, way) = text
            .split_once('=')
            .ok_or_else(|| format!("lacks a way: {example}"))?;
        let way = match way {
            "blackhole" => Way::Refused(Refusal::Blackhole),
            "unreachable" => Way::Refused(Refusal::Unreachable),
            "prohibit" => Way::Refused(Refusal::Prohibited),
            gateway => {
                // RFC 4007 11: a link-local gateway is one only together with its link.
                let (address, link) = match gateway.split_once('%') {
                    Some((address, link)) => (address, Some(link.parse()?)),
                    None => (gateway, None),
                };
                let via = address.parse();
                let via = via.map_err(|_| format!("{gateway} is no gateway: {example}"))?;
                Way::Via(via, link)
            }
        };
        let dest = match (dest, &way) {
            ("default", Way::Via(IpAddr::V4(_), _)) => "0.0.0.0/0",
            ("default", Way::Via(IpAddr::V6(_), _)) => "::/0",
            ("default", Way::Refused(_)) => {
                return Err(format!("give 0.0.0.0/0 or ::/0 here: {example}"));
            }
            (dest, _) => dest,
        };
        let dest: ip::Cidr = dest.parse().map_err(|why| format!("{dest}: {why}"))?;
        match &way {
            Way::Via(via, _) if via.is_ipv4() != dest.addr().is_ipv4() => Err(format!(
                "the gateway is of another family than the destination: {example}"
            )),
            Way::Via(..) | Way::Refused(_) => Ok(Self { dest, way }),
        }
    }
}

/// Where packets to groups go on: `GROUPS=FROM,TO[,TO..]`, links by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupSpec {
    /// Which groups.
    pub(crate) groups: ip::Cidr,
    /// The link they come in by.
    pub(crate) from: DeviceName,
    /// The links they go on to.
    pub(crate) to: Vec<DeviceName>,
}

impl FromStr for GroupSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as 239.1.0.0/16=left,right";
        let (groups, links) = text
            .split_once('=')
            .ok_or_else(|| format!("lacks links: {example}"))?;
        let groups: ip::Cidr = groups.parse().map_err(|why| format!("{groups}: {why}"))?;
        let links: Result<Vec<DeviceName>, _> = links.split(',').map(str::parse).collect();
        let mut links = links?.into_iter();
        match (links.next(), links.collect::<Vec<_>>()) {
            (Some(from), to) if !to.is_empty() => Ok(Self { groups, from, to }),
            _ => Err(format!(
                "needs a link to come in by and one to go on to: {example}"
            )),
        }
    }
}

/// A script for one of the private networks: `NAME=SCRIPT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AtSpec {
    /// Which network.
    pub(crate) name: String,
    /// What runs there.
    pub(crate) script: String,
}

impl FromStr for AtSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, script) = text
            .split_once('=')
            .ok_or("lacks a network: such as right='exec python3 -m http.server 80'")?;
        Ok(Self {
            name: name.to_owned(),
            script: script.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_name_addresses_and_an_mtu() {
        let port: PortSpec = "left=10.1.0.1/24,fd01::1/64,mtu=1400".parse().unwrap();
        assert_eq!((port.name.0.as_str(), port.mtu), ("left", 1400));
        let shown: Vec<_> = port.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.1.0.1/24", "fd01::1/64"]);
        let port: PortSpec = "a=10.1.0.1/24,mtu=576".parse().unwrap();
        assert_eq!((port.mtu, port.tap), (576, false));
        let port: PortSpec = "a=10.1.0.1/24,tap".parse().unwrap();
        assert!(port.tap);
    }

    #[test]
    fn a_route_leads_to_a_gateway_or_is_refused() {
        let route: RouteSpec = "10.9.0.0/16=10.2.0.2".parse().unwrap();
        assert_eq!(route.way, Way::Via([10, 2, 0, 2].into(), None));
        let route: RouteSpec = "default=fe80::7%lan".parse().unwrap();
        let lan = DeviceName("lan".to_owned());
        assert_eq!(route.way, Way::Via("fe80::7".parse().unwrap(), Some(lan)));
        let route: RouteSpec = "default=fd02::2".parse().unwrap();
        assert_eq!(route.dest.to_string(), "::/0");
        let route: RouteSpec = "10.9.0.0/16=prohibit".parse().unwrap();
        assert_eq!(route.way, Way::Refused(Refusal::Prohibited));
    }

    #[test]
    fn each_slip_is_said() {
        for (text, said) in [
            ("10.1.0.1/24", "lacks a name"),
            ("a=mtu=1500", "has no address"),
            ("a=10.1.0.1/24,mtu=60", "68 to 65535"),
            ("a=fd01::1/64,mtu=1000", "1280 to 65535"),
            ("a=10.1.0.1", "lacks a prefix length"),
            ("a b=10.1.0.1/24", "no name for a device"),
        ] {
            let why = text.parse::<PortSpec>().unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        for (text, said) in [
            ("10.9.0.0/16", "lacks a way"),
            ("10.9.0.0/16=there", "is no gateway"),
            ("10.9.0.0/16=fd02::2", "another family"),
            ("default=blackhole", "0.0.0.0/0 or ::/0"),
            ("::/0=fe80::2%a b", "no name for a device"),
        ] {
            let why = text.parse::<RouteSpec>().unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
        for (text, said) in [
            ("239.1.0.0/16", "lacks links"),
            ("239.1.0.0/16=left", "one to go on to"),
        ] {
            let why = text.parse::<GroupSpec>().unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
