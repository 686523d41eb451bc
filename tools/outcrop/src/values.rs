//! Values of the command line.
//!
//! Job: turn text into values that are in range, or say in one sentence why not. Owns: `Cidr`, `DeviceName`,
//! `Url`. Does not know: what they are for.
//! Sources: RFC 4632 (prefixes), RFC 3986 and RFC 9110 4.2 (http URLs), if_nametoindex(3) (names of interfaces).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU16;
use core::str::FromStr;
use outcrop_stack::ethernet::MacAddr;
use outcrop_stack::ip::SourceFilter;
use outcrop_web::client::route::Proxy;

/// A host's address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    /// The host's address.
    pub(crate) address: IpAddr,
    /// Bits of the network.
    pub(crate) prefix: u8,
}

impl Cidr {
    /// The address that the other end of the link gets: the first in the network that is not ours.
    pub(crate) fn neighbour(&self) -> Self {
        let address = match self.address {
            IpAddr::V4(ours) => {
                let mask = u32::MAX
                    .checked_shl(32 - u32::from(self.prefix))
                    .unwrap_or(0);
                // In a network of two (RFC 3021) the all-zeros address is a host too.
                let first = if self.prefix >= 31 { 0 } else { 1 };
                let network = u32::from(ours) & mask;
                let pick = |host: u32| Ipv4Addr::from(network | host);
                IpAddr::V4(if pick(first) == ours {
                    pick(first + 1)
                } else {
                    pick(first)
                })
            }
            IpAddr::V6(ours) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.prefix))
                    .unwrap_or(0);
                let network = u128::from(ours) & mask;
                let first = u128::from(self.prefix < 127);
                let pick = |host: u128| Ipv6Addr::from(network | host);
                IpAddr::V6(if pick(first) == ours {
                    pick(first + 1)
                } else {
                    pick(first)
                })
            }
        };
        Self { address, ..*self }
    }
}

/// A multicast group and from whom it is heard: `GROUP`, `GROUP=SOURCE[,SOURCE..]` or `GROUP=!SOURCE[,SOURCE..]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeardGroup {
    pub(crate) group: IpAddr,
    pub(crate) filter: SourceFilter,
}

impl FromStr for HeardGroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = |part: &str| {
            part.parse::<IpAddr>()
                .map_err(|why| format!("{part}: {why}"))
        };
        let (group, list) = text.split_once('=').unwrap_or((text, "!"));
        let (is_exclude, list) = list
            .strip_prefix('!')
            .map_or((false, list), |rest| (true, rest));
        let list = list
            .split(',')
            .filter(|part| !part.is_empty() || !is_exclude);
        let sources = list.map(address).collect::<Result<_, _>>()?;
        let filter = if is_exclude {
            SourceFilter::Exclude(sources)
        } else {
            SourceFilter::Include(sources)
        };
        let group = address(group)?;
        Ok(Self { group, filter })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as 10.77.0.2/24 or fd77::2/64";
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| format!("lacks a prefix length: give ADDRESS/PREFIX, {example}"))?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("is not an address with a prefix: {example}"))?;
        let longest = if address.is_ipv4() { 31 } else { 127 };
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| (1..=longest).contains(prefix));
        let prefix: u8 = prefix.ok_or_else(|| {
            format!("the prefix length must be 1 to {longest}, so that two hosts fit: {example}")
        })?;
        if address.is_unspecified()
            || address.is_multicast()
            || address.is_loopback()
            || address == IpAddr::V4(Ipv4Addr::BROADCAST)
        {
            return Err(format!("no host may have this address: {example}"));
        }
        if let IpAddr::V4(v4) = address
            && prefix < 31
        {
            let host = u32::from(v4) & (u32::MAX >> prefix);
            if host == 0 {
                return Err(format!("names the network, not a host in it: {example}"));
            }
            if host == u32::MAX >> prefix {
                return Err(format!("is the network's broadcast address: {example}"));
            }
        }
        Ok(Self { address, prefix })
    }
}

/// The most queues the kernel gives a TUN (`MAX_TAP_QUEUES`) is 256; their descriptors must fit one message.
const QUEUES: u16 = 128;

/// A number of queues.
pub(crate) fn queues(text: &str) -> Result<NonZeroU16, String> {
    let queues = text.parse::<NonZeroU16>().ok();
    let queues = queues.filter(|queues| queues.get() <= QUEUES);
    queues.ok_or_else(|| format!("give a number from 1 to {QUEUES}"))
}

/// A switch.
pub(crate) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is on or off".to_owned()),
    }
}

/// `FIRST-LAST`.
pub(crate) fn pool(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let wrong = || "must be two IPv4 addresses: such as 10.9.0.100-10.9.0.199".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let address = |text: &str| text.parse().map_err(|_| wrong());
    Ok((address(first)?, address(last)?))
}

/// `MAC=ADDRESS`.
pub(crate) fn reservation(text: &str) -> Result<([u8; 6], Ipv4Addr), String> {
    let wrong = || "must be such as 02:00:00:00:00:01=10.9.0.7".to_owned();
    let (station, address) = text.split_once('=').ok_or_else(wrong)?;
    let address = address.parse().map_err(|_| wrong())?;
    Ok((mac(station)?.0, address))
}

/// A station's hardware address: six numbers of two hexadecimal digits.
pub(crate) fn mac(text: &str) -> Result<MacAddr, String> {
    let wrong = || "must be six pairs of hexadecimal digits: such as 02:00:00:00:00:01".to_owned();
    let mut bytes = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut bytes {
        let pair = pairs.next().filter(|pair| pair.len() == 2);
        let pair = pair.ok_or_else(wrong)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    let mac = MacAddr(bytes);
    if pairs.next().is_some() {
        return Err(wrong());
    }
    if !mac.is_station() {
        return Err(
            "must be one station's address: its first octet is even, and not all are zero"
                .to_owned(),
        );
    }
    Ok(mac)
}

/// An IPv4 host and network.
pub(crate) fn cidr4(text: &str) -> Result<Cidr, String> {
    let cidr: Cidr = text.parse()?;
    if cidr.address.is_ipv4() {
        Ok(cidr)
    } else {
        Err("must be an IPv4 address: such as 10.77.0.2/24".to_owned())
    }
}

/// An IPv6 host and network.
pub(crate) fn cidr6(text: &str) -> Result<Cidr, String> {
    let cidr: Cidr = text.parse()?;
    if cidr.address.is_ipv6() {
        Ok(cidr)
    } else {
        Err("must be an IPv6 address: such as fd77::2/64".to_owned())
    }
}

/// A name the kernel takes for a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceName(pub(crate) String);

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let printable = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
        if text.is_empty() || text == "." || text == ".." || !text.chars().all(printable) {
            return Err(
                "is no name for a device: letters, digits, - and _, such as outcrop0".to_owned(),
            );
        }
        if text.len() > 15 {
            return Err(format!(
                "is {} characters long: a device's name has at most 15",
                text.len()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A field of a request; without a value: not to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldLine {
    /// Its name.
    pub(crate) name: http::HeaderName,
    /// Its value.
    pub(crate) value: Option<http::HeaderValue>,
}

/// Reads `Name: value`.
pub(crate) fn field(text: &str) -> Result<FieldLine, String> {
    let (name, value) = text.split_once(':').ok_or("a field is `Name: value`")?;
    let name = name.parse().map_err(|_| "the name is none".to_owned())?;
    let value = value.trim();
    let value = (!value.is_empty()).then(|| value.parse()).transpose();
    let value = value.map_err(|_| "the value holds what none may hold".to_owned())?;
    Ok(FieldLine { name, value })
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offset {
    /// Where the file ends.
    End,
    /// With this byte.
    Byte(u64),
}

/// Reads `-` or a number.
pub(crate) fn offset(text: &str) -> Result<Offset, String> {
    if text == "-" {
        return Ok(Offset::End);
    }
    let number = text.parse().map(Offset::Byte);
    number.map_err(|_| "is neither `-` nor a number of bytes".to_owned())
}

/// Reads the URL of a proxy; `http` unless it says otherwise.
pub(crate) fn proxy(text: &str) -> Result<Proxy, String> {
    let whole = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let uri = whole.parse().map_err(|error| format!("{error}"))?;
    Proxy::new(&uri)
        .ok_or_else(|| "only http://, https://, socks5:// and socks5h:// are spoken".to_owned())
}

/// A URL of scheme http or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether TLS is asked for.
    pub(crate) secure: bool,
    /// The host: a name or an address, without brackets.
    pub(crate) host: String,
    /// The port; 80 unless given, or 443 with TLS.
    pub(crate) port: u16,
    /// Path and query, at least `/`.
    pub(crate) target: String,
    /// Host and port as they stood in the URL: what the Host field wants.
    pub(crate) authority: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "such as http://10.77.0.1:8000/";
        let (secure, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((scheme, _)) => {
                return Err(format!(
                    "{scheme}:// is not spoken, only http:// and https://: {example}"
                ));
            }
            None => (false, text),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if target
            .chars()
            .chain(authority.chars())
            .any(|c| !c.is_ascii_graphic())
        {
            return Err(format!(
                "holds characters that a URL may not hold; percent-encode them: {example}"
            ));
        }
        if authority.contains('@') {
            return Err(format!("holds a user name, which is not sent: {example}"));
        }
        let (host, port) = split_port(authority, if secure { 443 } else { 80 })
            .map_err(|what| format!("{what}: {example}"))?;
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            target,
            authority: authority.to_owned(),
        })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; `usual` is the port where none is given.
fn split_port(authority: &str, usual: u16) -> Result<(&str, u16), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or("opens a bracket and does not close it")?;
            host.parse::<Ipv6Addr>()
                .map_err(|_| "holds something other than an IPv6 address in brackets")?;
            let port = if after.is_empty() {
                None
            } else {
                Some(
                    after
                        .strip_prefix(':')
                        .ok_or("has text after the bracket")?,
                )
            };
            (host, port)
        }
        None => match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has an IPv6 address without brackets".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err("names no host".to_owned());
    }
    let port = match port {
        None => usual,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or("its port must be 1 to 65535")?,
    };
    Ok((host, port))
}

/// Seconds between pings.
pub(crate) fn interval(text: &str) -> Result<f64, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.001..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "must be between 0.001 and 3600 seconds".to_owned())
}

/// `FROM=TO`, both beginning with a slash, or TO a URL.
pub(crate) fn prefix(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("FROM=TO is expected")?;
    let path = |path: &str| path.starts_with('/') && !path.contains(['?', '#']);
    if !path(from) {
        return Err(format!(
            "{from}: a path begins with a slash and has no query"
        ));
    }
    if !path(to) && !to.starts_with("http://") && !to.starts_with("https://") {
        return Err(format!("{to}: neither a path nor an http URL"));
    }
    Ok((from.to_owned(), to.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(text: &str) -> String {
        text.parse::<Cidr>().unwrap().neighbour().to_string()
    }

    #[test]
    fn the_kernels_end_gets_the_first_address_that_is_not_ours() {
        assert_eq!(neighbour("10.77.0.2/24"), "10.77.0.1/24");
        assert_eq!(neighbour("10.77.0.1/24"), "10.77.0.2/24");
        assert_eq!(neighbour("192.0.2.6/31"), "192.0.2.7/31");
        assert_eq!(neighbour("fd77::2/64"), "fd77::1/64");
        assert_eq!(neighbour("fd77::1/64"), "fd77::2/64");
    }

    #[test]
    fn urls_come_apart_into_host_port_and_target() {
        let parts = |text: &str| {
            let url: Url = text.parse().unwrap();
            (url.host, url.port, url.target, url.authority)
        };
        let own = |host: &str, port, target: &str, authority: &str| {
            (
                host.to_owned(),
                port,
                target.to_owned(),
                authority.to_owned(),
            )
        };
        assert_eq!(
            parts("http://10.77.0.1"),
            own("10.77.0.1", 80, "/", "10.77.0.1")
        );
        assert_eq!(
            parts("http://h:8000/a/b?c=d#e"),
            own("h", 8000, "/a/b?c=d", "h:8000")
        );
        assert_eq!(
            parts("http://[fd77::1]:81/"),
            own("fd77::1", 81, "/", "[fd77::1]:81")
        );
        assert_eq!(parts("https://h/"), own("h", 443, "/", "h"));
        let secure: Url = "https://h:8443/x".parse().unwrap();
        assert!(secure.secure && secure.to_string() == "https://h:8443/x");
        assert_eq!(parts("http://h?q"), own("h", 80, "/?q", "h"));
        assert_eq!(
            parts("10.77.0.1/x"),
            own("10.77.0.1", 80, "/x", "10.77.0.1")
        );
    }

    #[test]
    fn urls_that_hide_something_are_refused() {
        for text in [
            "http://",
            "http:///x",
            "http://a b/",
            "http://h/\r\nHost: x",
            "http://u@h/",
            "http://fd77::1/",
            "http://[fd77::1/",
            "http://h:0/",
        ] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn device_names_are_what_the_kernel_takes() {
        assert!("outcrop0".parse::<DeviceName>().is_ok());
        for text in ["", ".", "a/b", "a b", "sixteen-chars-xx", "%d"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text}");
        }
    }
}
