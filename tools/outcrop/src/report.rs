//! What a run has counted, as people read it.
//!
//! Job: a table for the end of a run. Owns: its layout. Does not know: how anything was counted.

use core::fmt;

use outcrop_stack::{Counters, tcp};

use crate::server::Served;

/// Everything counted in a run with a server.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// By the stack.
    pub(crate) counters: &'a Counters,
    /// By its TCP.
    pub(crate) tcp: &'a tcp::Counters,
    /// By the server.
    pub(crate) served: Served,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (c, t, s) = (self.counters, self.tcp, self.served);
        writeln!(
            f,
            "{:>10} packets in   {:>14} bytes",
            c.packets_in, c.bytes_in
        )?;
        writeln!(
            f,
            "{:>10} packets out  {:>14} bytes",
            c.packets_out, c.bytes_out
        )?;
        writeln!(
            f,
            "{:>10} connections  {:>14} requests",
            s.connections, s.requests
        )?;
        for (count, what) in [
            (c.lost_out, "packets the device refused"),
            (s.refused, "connections with a message that is not HTTP"),
            (s.broken, "connections that broke"),
            (t.cookies_sent, "SYNs answered by a cookie"),
            (t.cookies_taken, "connections made of a cookie"),
            (t.fast_opens, "connections that spoke in their SYN"),
            (t.resets_received, "connections reset by the peer"),
            (t.resets_sent, "resets sent"),
            (t.timed_out, "connections given up for want of an answer"),
            (t.replies_dropped, "answers dropped: too many were waiting"),
        ] {
            if count > 0 {
                writeln!(f, "{count:>10} {what}")?;
            }
        }
        for (reason, count) in c.drops() {
            writeln!(f, "{count:>10} dropped: {reason}")?;
        }
        Ok(())
    }
}

/// What a router or a switch has counted, as people read it.
pub(crate) struct Passed<'a>(pub(crate) &'a Counters);

impl fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.0;
        writeln!(
            f,
            "{:>10} packets in   {:>14} bytes",
            c.packets_in, c.bytes_in
        )?;
        writeln!(
            f,
            "{:>10} packets out  {:>14} bytes",
            c.packets_out, c.bytes_out
        )?;
        if c.lost_out > 0 {
            writeln!(f, "{:>10} packets a device refused", c.lost_out)?;
        }
        for (rule, count) in c.rules() {
            writeln!(f, "{count:>10} {rule}")?;
        }
        for (reason, count) in c.drops() {
            writeln!(f, "{count:>10} dropped: {reason}")?;
        }
        Ok(())
    }
}
