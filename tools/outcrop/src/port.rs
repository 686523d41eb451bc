//! Links and routes of a router, as the command line has them.
//!
//! Job: turn `NAME=ADDRESS/PREFIX,..,mtu=BYTES` and `DESTINATION=WAY` into values, or say why not. Owns: `PortSpec`,
//! `RouteSpec`, `AtSpec`. Does not know: devices.

use core::net::IpAddr;
use core::str::FromStr;

use outcrop_stack::ip::{self, Refusal};

use crate::values::{Cidr, DeviceName};

/// One link of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortSpec {
    /// The name of its TUN.
    pub(crate) name: DeviceName,
    /// The router's addresses there.
    pub(crate) addresses: Vec<Cidr>,
    /// The largest IP packet.
    pub(crate) mtu: u32,
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
        let (mut addresses, mut mtu) = (Vec::<Cidr>::new(), 1500);
        for part in rest.split(',') {
            if let Some(bytes) = part.strip_prefix("mtu=") {
                mtu = bytes
                    .parse()
                    .map_err(|_| format!("{part}: give a number of bytes"))?;
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
        })
    }
}

/// A route: `DESTINATION=GATEWAY`, or how it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteSpec {
    /// Its network.
    pub(crate) dest: ip::Cidr,
    /// Where it leads.
    pub(crate) way: Way,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To a gateway on one of the links.
    Via(IpAddr),
    /// Nowhere.
    Refused(Refusal),
}

impl FromStr for RouteSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as 10.9.0.0/16=10.2.0.2, default=fd02::2 or 10.8.0.0/16=blackhole";
        let (dest, way) = text
            .split_once('=')
            .ok_or_else(|| format!("lacks a way: {example}"))?;
        let way = match way {
            "blackhole" => Way::Refused(Refusal::Blackhole),
            "unreachable" => Way::Refused(Refusal::Unreachable),
            "prohibit" => Way::Refused(Refusal::Prohibited),
            gateway => Way::Via(
                gateway
                    .parse()
                    .map_err(|_| format!("{gateway} is no gateway: {example}"))?,
            ),
        };
        let dest = match (dest, way) {
            ("default", Way::Via(IpAddr::V4(_))) => "0.0.0.0/0",
            ("default", Way::Via(IpAddr::V6(_))) => "::/0",
            ("default", Way::Refused(_)) => {
                return Err(format!("give 0.0.0.0/0 or ::/0 here: {example}"));
            }
            (dest, _) => dest,
        };
        let dest: ip::Cidr = dest.parse().map_err(|why| format!("{dest}: {why}"))?;
        match way {
            Way::Via(via) if via.is_ipv4() != dest.addr().is_ipv4() => Err(format!(
                "the gateway is of another family than the destination: {example}"
            )),
            Way::Via(_) | Way::Refused(_) => Ok(Self { dest, way }),
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
            .ok_or("lacks a network: such as right='exec python3 -m http.server 80'".to_owned())?;
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
        assert_eq!(port.mtu, 576);
    }

    #[test]
    fn a_route_leads_to_a_gateway_or_is_refused() {
        let route: RouteSpec = "10.9.0.0/16=10.2.0.2".parse().unwrap();
        assert_eq!(route.way, Way::Via([10, 2, 0, 2].into()));
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
        ] {
            let why = text.parse::<RouteSpec>().unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
