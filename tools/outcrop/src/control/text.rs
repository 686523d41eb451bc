//! What a stack says of itself, as people read it.
//!
//! Job: write rows in the manner of `ip` and `ss`. Owns: the layout. Does not know: where the rows came from.

use core::fmt::{self, Write as _};

use super::tables::{Connection, FOREVER, Interface, Neighbor, Owned, Reply, Way};

/// The rows as text.
pub(crate) fn draw(reply: &Reply, details: bool) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _written = write(&mut out, reply, details);
    out
}

/// The rows as JSON, in the manner of `ip -json`: a list.
pub(crate) fn json(reply: &Reply) -> String {
    let list = match reply {
        Reply::Neigh(rows, _) => serde_json::to_string(rows),
        Reply::Route(rows, _) => serde_json::to_string(rows),
        Reply::Addr(rows, _) => serde_json::to_string(rows),
        Reply::Conn(rows, _) => serde_json::to_string(rows),
        Reply::Error(why) => serde_json::to_string(why),
    };
    list.unwrap_or_default() + "\n"
}

fn write(out: &mut String, reply: &Reply, details: bool) -> fmt::Result {
    let more = match reply {
        Reply::Neigh(rows, more) => {
            rows.iter().try_for_each(|row| neighbor(out, row))?;
            *more
        }
        Reply::Route(rows, more) => {
            rows.iter().try_for_each(|row| way(out, row))?;
            *more
        }
        Reply::Addr(rows, more) => {
            rows.iter().try_for_each(|row| interface(out, row))?;
            *more
        }
        Reply::Conn(rows, more) => {
            connections(out, rows, details)?;
            *more
        }
        Reply::Error(why) => return writeln!(out, "{why}"),
    };
    if more > 0 {
        writeln!(out, "and {more} more")?;
    }
    Ok(())
}

fn neighbor(out: &mut String, row: &Neighbor) -> fmt::Result {
    write!(out, "{} dev {}", row.dst, row.dev)?;
    if let Some(lladdr) = &row.lladdr {
        write!(out, " lladdr {lladdr}")?;
    }
    if row.router {
        write!(out, " router")?;
    }
    if row.queued > 0 {
        write!(out, " queued {}", row.queued)?;
    }
    writeln!(out, " {}", row.state.join(","))
}

fn way(out: &mut String, row: &Way) -> fmt::Result {
    if let Some(kind) = &row.kind {
        write!(out, "{kind} ")?;
    }
    write!(out, "{}", row.dst)?;
    if let Some(gateway) = row.gateway {
        write!(out, " via {gateway}")?;
    }
    if let Some(dev) = &row.dev {
        write!(out, " dev {dev}")?;
    }
    writeln!(out)
}

fn interface(out: &mut String, row: &Interface) -> fmt::Result {
    writeln!(out, "{}: {}: mtu {}", row.ifindex, row.ifname, row.mtu)?;
    match &row.address {
        Some(address) => writeln!(out, "    link/ether {address}")?,
        None => writeln!(out, "    link/none")?,
    }
    row.addr_info
        .iter()
        .try_for_each(|address| owned(out, address))
}

fn owned(out: &mut String, row: &Owned) -> fmt::Result {
    write!(
        out,
        "    {} {}/{} scope {}",
        row.family, row.local, row.prefixlen, row.scope
    )?;
    let marks = [
        (row.origin == "temporary", "temporary"),
        (row.dynamic, "dynamic"),
        (row.tentative, "tentative"),
        (row.deprecated, "deprecated"),
    ];
    for (_, mark) in marks.into_iter().filter(|(holds, _)| *holds) {
        write!(out, " {mark}")?;
    }
    writeln!(
        out,
        "\n       valid_lft {} preferred_lft {}",
        time(row.valid_life_time),
        time(row.preferred_life_time)
    )
}

fn time(seconds: u64) -> String {
    match seconds {
        FOREVER => "forever".to_owned(),
        seconds => format!("{seconds}sec"),
    }
}

fn connections(out: &mut String, rows: &[Connection], details: bool) -> fmt::Result {
    let wide = |of: fn(&Connection) -> usize, least: usize| {
        rows.iter().map(of).max().unwrap_or(0).max(least)
    };
    let (state, local) = (
        wide(|row| row.state.len(), 5),
        wide(|row| row.local.len(), 18),
    );
    writeln!(
        out,
        "{:<state$} {:>7} {:>7} {:>local$}  Peer Address:Port",
        "State", "Recv-Q", "Send-Q", "Local Address:Port"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:<state$} {:>7} {:>7} {:>local$}  {}",
            row.state, row.recv_q, row.send_q, row.local, row.peer
        )?;
        if details {
            detail(out, row)?;
        }
    }
    Ok(())
}

/// In `ss -ti`'s words; amounts are bytes, the windows too.
fn detail(out: &mut String, row: &Connection) -> fmt::Result {
    write!(
        out,
        "\t {} rto:{} rtt:{}/{} mss:{} cwnd:{}",
        row.controller,
        millis(row.rto),
        millis(row.rtt),
        millis(row.rttvar),
        row.mss,
        row.cwnd
    )?;
    if let Some(ssthresh) = row.ssthresh {
        write!(out, " ssthresh:{ssthresh}")?;
    }
    write!(
        out,
        " bytes_acked:{} bytes_received:{} segs_out:{} segs_in:{}",
        row.acked, row.received, row.segs_out, row.segs_in
    )?;
    if row.in_flight > 0 {
        write!(out, " in_flight:{}", row.in_flight)?;
    }
    if row.retransmitted > 0 {
        write!(out, " bytes_retrans:{}", row.retransmitted)?;
    }
    writeln!(out)
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}
