//! What the client's kernel says about the order in which segments came.
//!
//! Job: read the counters of the namespace before and after a load. Owns: which of them mean that something came out of
//! order. Does not know: what the load does. Nobody else is in that namespace while a load is on.
//! Sources: `/proc/net/netstat`, `/proc/net/snmp`; the names are those of Linux's `net/ipv4/proc.c`.

use std::fs;

use crate::Outcome;

/// What came to the client's sockets behind a gap, and what they found of their own segments: acknowledged in another
/// order than they were sent in.
const DISORDERED: [&str; 6] = [
    "TCPOFOQueue",
    "TCPOFODrop",
    "TCPSACKReorder",
    "TCPRenoReorder",
    "TCPTSReorder",
    "TCPSACKReneging",
];
/// What they sent again.
const REPEATED: [&str; 1] = ["RetransSegs"];

/// Counts since the namespace began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Order {
    /// Segments out of order, in either direction.
    pub(super) disordered: f64,
    /// Segments that the client sent again.
    pub(super) repeated: f64,
}

impl Order {
    pub(super) fn now() -> Outcome<Self> {
        let text = |path| fs::read_to_string(path);
        Self::read(
            &text("/proc/self/net/netstat")?,
            &text("/proc/self/net/snmp")?,
        )
    }

    fn read(netstat: &str, snmp: &str) -> Outcome<Self> {
        Ok(Self {
            disordered: sum(netstat, &DISORDERED)?,
            repeated: sum(snmp, &REPEATED)?,
        })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            disordered: self.disordered - before.disordered,
            repeated: self.repeated - before.repeated,
        }
    }
}

/// The sum of these, out of pairs of lines: names, and their values in the same places.
fn sum(text: &str, names: &[&str]) -> Outcome<f64> {
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.as_chunks::<2>().0.iter().flat_map(|[names, values]| {
        let values = values.split_whitespace();
        names.split_whitespace().zip(values).skip(1)
    });
    let found: Vec<f64> = found
        .filter(|(name, _)| names.contains(name))
        .map(|(_, value)| value.parse())
        .collect::<Result<_, _>>()?;
    if found.len() != names.len() {
        return Err(format!("the kernel does not count all of {names:?}").into());
    }
    Ok(found.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.18 has it, most of it left out.
    const NETSTAT: &str = "TcpExt: SyncookiesSent TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPOFOQueue TCPOFODrop TCPOFOMerge\n\
                           TcpExt: 900 1 2 4 8 16 32 900\nIpExt: InNoRoutes TCPOFOQueue2\nIpExt: 900 900\n";
    const SNMP: &str =
        "Ip: Forwarding\nIp: 900\nTcp: RtoAlgorithm OutSegs RetransSegs InErrs\nTcp: 1 900 7 900\n";

    #[test]
    fn everything_out_of_order_is_counted_and_nothing_else() {
        let order = Order::read(NETSTAT, SNMP).unwrap();
        assert_eq!((order.disordered, order.repeated), (63.0, 7.0));
        let later = order.since(Order {
            disordered: 60.0,
            repeated: 7.0,
        });
        assert_eq!((later.disordered, later.repeated), (3.0, 0.0));
    }

    #[test]
    fn a_counter_that_is_not_there_is_an_error_and_not_a_zero() {
        assert!(Order::read(&NETSTAT.replace("TCPOFOQueue ", "Other "), SNMP).is_err());
    }

    #[test]
    fn this_kernel_counts_all_of_it() {
        assert!(Order::now().is_ok());
    }
}
