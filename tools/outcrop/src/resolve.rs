//! Names.
//!
//! Job: turn the host of a URL or a ping into addresses. Owns: nothing; the system resolves, over the kernel's
//! network, until the stack has a resolver of its own.

use core::net::{IpAddr, SocketAddr};
use std::net::ToSocketAddrs as _;

use crate::failure::Failure;

/// The addresses of `host`, best first, with `port`.
pub(crate) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = (host, port).to_socket_addrs();
    let found: Vec<_> = found
        .map_err(|_| {
            Failure::new(format!(
                "{host}: no such host: the system knows no address of that name"
            ))
        })?
        .collect();
    if found.is_empty() {
        return Err(Failure::new(format!(
            "{host}: no such host: the system knows no address of that name"
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_itself_and_a_name_is_looked_up() {
        assert_eq!(
            resolve("fd77::1", 80).unwrap(),
            ["[fd77::1]:80".parse().unwrap()]
        );
        assert!(
            resolve("localhost", 80)
                .unwrap()
                .iter()
                .all(|address| address.ip().is_loopback())
        );
        assert!(
            resolve("no-such-host.invalid", 80)
                .unwrap_err()
                .to_string()
                .contains("no-such-host.invalid")
        );
    }
}
