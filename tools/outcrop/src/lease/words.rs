//! What is said of leases.
//!
//! Job: one line each, for people or as JSON. Owns: the words and the keys. Does not know: who prints.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;

use outcrop_dhcp::{Loss, v4, v6};

/// What became of an address, or is known of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// What the stack says of its addresses, in its words.
    News(String),
    /// An IPv4 address is in use, or for longer.
    Four(v4::Lease),
    /// IPv6 addresses are.
    Six(v6::Lease),
    /// Resolvers alone.
    Informed(v6::Information),
    /// An address is not in use any longer.
    Lost(IpAddr, Loss),
}

impl Told {
    /// For people.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::News(line) => line.clone(),
            Self::Four(lease) => {
                let mut line = format!(
                    "dhcp: {}/{} lent by {} {}",
                    lease.address,
                    lease.prefix,
                    lease.server,
                    how_long(lease.time)
                );
                list(&mut line, "routes", lease.routes.iter().map(way));
                list(
                    &mut line,
                    "resolvers",
                    lease.dns.iter().map(ToString::to_string),
                );
                list(&mut line, "domain", lease.domain.iter().cloned());
                line
            }
            Self::Six(lease) => {
                let each = lease
                    .addresses
                    .iter()
                    .map(|one| format!("{} {}", one.address, how_long(one.valid)));
                let mut line = format!("dhcp: lent: {}", each.collect::<Vec<_>>().join(", "));
                tell_information(&mut line, &lease.information);
                line
            }
            Self::Informed(information) => {
                let mut line = "dhcp: told".to_owned();
                tell_information(&mut line, information);
                line
            }
            Self::Lost(address, loss) => format!("dhcp: {address} is not ours any longer: {loss}"),
        }
    }

    /// For programs; nothing where the line has no fields. No text in it needs escaping: names are letters, digits,
    /// dots, hyphens and underscores.
    pub(crate) fn json(&self) -> Option<String> {
        Some(match self {
            Self::News(_) => return None,
            Self::Four(lease) => {
                let routes = lease.routes.iter().map(|route| {
                    format!(
                        "{{\"to\":\"{}/{}\",\"via\":\"{}\"}}",
                        route.network, route.prefix, route.router
                    )
                });
                format!(
                    "{{\"event\":\"bound\",\"address\":\"{}\",\"prefix\":{},\"server\":\"{}\",\"seconds\":{},\"renew\":{},\
                     \"rebind\":{},\"routes\":[{}],\"resolvers\":{},\"domain\":{},\"mtu\":{}}}",
                    lease.address,
                    lease.prefix,
                    lease.server,
                    seconds(lease.time),
                    lease.renew.as_secs(),
                    lease.rebind.as_secs(),
                    routes.collect::<Vec<_>>().join(","),
                    texts(&lease.dns),
                    lease
                        .domain
                        .as_ref()
                        .map_or_else(|| "null".to_owned(), |name| format!("\"{name}\"")),
                    lease
                        .mtu
                        .map_or_else(|| "null".to_owned(), |mtu| mtu.to_string()),
                )
            }
            Self::Six(lease) => {
                let addresses = lease.addresses.iter().map(|one| {
                    format!(
                        "{{\"address\":\"{}\",\"preferred\":{},\"valid\":{}}}",
                        one.address,
                        seconds(one.preferred),
                        seconds(one.valid)
                    )
                });
                format!(
                    "{{\"event\":\"bound\",\"addresses\":[{}],\"renew\":{},\"rebind\":{},{}}}",
                    addresses.collect::<Vec<_>>().join(","),
                    seconds(lease.renew),
                    seconds(lease.rebind),
                    information(&lease.information)
                )
            }
            Self::Informed(told) => format!("{{\"event\":\"informed\",{}}}", information(told)),
            Self::Lost(address, loss) => {
                format!("{{\"event\":\"lost\",\"address\":\"{address}\",\"why\":\"{loss}\"}}")
            }
        })
    }
}

fn how_long(time: Option<Duration>) -> String {
    time.map_or_else(
        || "for ever".to_owned(),
        |time| format!("for {} s", time.as_secs()),
    )
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "null".to_owned(), |time| time.as_secs().to_string())
}

fn way(route: &v4::Route) -> String {
    format!("{}/{} by {}", route.network, route.prefix, route.router)
}

fn list(line: &mut String, what: &str, each: impl Iterator<Item = String>) {
    let all: Vec<_> = each.collect();
    if !all.is_empty() {
        // A string takes everything.
        let _written = write!(line, "; {what}: {}", all.join(", "));
    }
}

fn tell_information(line: &mut String, information: &v6::Information) {
    list(
        line,
        "resolvers",
        information.dns.iter().map(ToString::to_string),
    );
    list(line, "search", information.search.iter().cloned());
}

fn texts<T: ToString>(all: &[T]) -> String {
    let quoted: Vec<_> = all
        .iter()
        .map(|one| format!("\"{}\"", one.to_string()))
        .collect();
    format!("[{}]", quoted.join(","))
}

fn information(told: &v6::Information) -> String {
    format!(
        "\"resolvers\":{},\"search\":{}",
        texts(&told.dns),
        texts(&told.search)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_said_for_people_and_for_programs() {
        let lease = v4::Lease {
            address: [10, 0, 0, 5].into(),
            prefix: 24,
            routes: vec![v4::Route {
                network: [0, 0, 0, 0].into(),
                prefix: 0,
                router: [10, 0, 0, 1].into(),
            }],
            dns: vec![[10, 0, 0, 1].into()],
            domain: Some("lan".to_owned()),
            mtu: None,
            server: [10, 0, 0, 1].into(),
            time: Some(Duration::from_secs(120)),
            renew: Duration::from_secs(60),
            rebind: Duration::from_secs(105),
        };
        let told = Told::Four(lease);
        assert_eq!(
            told.plain(),
            "dhcp: 10.0.0.5/24 lent by 10.0.0.1 for 120 s; routes: 0.0.0.0/0 by 10.0.0.1; resolvers: 10.0.0.1; domain: lan"
        );
        assert_eq!(
            told.json().unwrap(),
            "{\"event\":\"bound\",\"address\":\"10.0.0.5\",\"prefix\":24,\"server\":\"10.0.0.1\",\"seconds\":120,\"renew\":60,\
             \"rebind\":105,\"routes\":[{\"to\":\"0.0.0.0/0\",\"via\":\"10.0.0.1\"}],\"resolvers\":[\"10.0.0.1\"],\"domain\":\"lan\",\
             \"mtu\":null}"
        );
        let lost = Told::Lost([10, 0, 0, 5].into(), Loss::Expired);
        assert_eq!(
            lost.plain(),
            "dhcp: 10.0.0.5 is not ours any longer: expired"
        );
    }
}
