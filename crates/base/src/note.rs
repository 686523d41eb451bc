//! Why a packet leaves.
//!
//! Job: say in 24 bytes what decided a packet, what limited it, what caused it and which line of code did it.
//! Owns: the closed lists `Why`, `Limit`, `Cause`. Does not know: any layer's state.
//! A new reason is a new member, and every match in the workspace then asks what it means there.

use core::fmt;
use core::panic::Location;

use crate::PacketId;

crate::vocabulary! {
    /// What a packet is for.
    pub enum Why {
        /// TCP: opens a connection actively.
        Syn = "syn",
        /// TCP: answers a SYN.
        SynAck = "syn-ack",
        /// TCP: answers a SYN without keeping state.
        SynCookie = "syn-cookie",
        /// TCP: completes our side of the handshake.
        HandshakeAck = "handshake-ack",
        /// TCP: carries bytes for the first time.
        Data = "data",
        /// TCP: new data sent because a duplicate ACK arrived (RFC 3042).
        LimitedTransmit = "limited-transmit",
        /// TCP: acknowledges at once.
        PureAck = "pure-ack",
        /// TCP: acknowledges because the delayed-ACK timer ran out.
        DelayedAck = "delayed-ack",
        /// TCP: repeats the acknowledgment because data arrived out of order.
        DupAck = "dup-ack",
        /// TCP: tells the peer that the receive window has opened.
        WindowUpdate = "window-update",
        /// TCP: asks a peer with a closed window whether it is still closed.
        ZeroWindowProbe = "zero-window-probe",
        /// TCP: resends because the retransmission timer ran out.
        Rto = "rto",
        /// TCP: resends what acknowledgments showed to be lost.
        FastRetransmit = "fast-retransmit",
        /// TCP: probes for a lost tail (RFC 8985 7).
        TailLossProbe = "tail-loss-probe",
        /// TCP: asks an idle peer whether it is still there.
        KeepAlive = "keep-alive",
        /// TCP: carries our FIN, with or without data.
        Fin = "fin",
        /// TCP: resends our FIN.
        FinRetransmit = "fin-retransmit",
        /// TCP: refuses a segment for which there is no connection.
        ResetNoConnection = "reset-no-connection",
        /// TCP: refuses an acknowledgment of something never sent.
        ResetUnacceptableAck = "reset-unacceptable-ack",
        /// TCP: the program aborted the connection.
        ResetAborted = "reset-aborted",
        /// TCP: the connection was closed with data the program had not read.
        ResetUnreadData = "reset-unread-data",
        /// TCP: the connection was given up after too many retransmissions.
        ResetTimedOut = "reset-timed-out",
        /// TCP: data arrived that nobody will ever read.
        ResetOrphanData = "reset-orphan-data",
        /// TCP: the peer's SYNs contradict each other (RFC 9768 3.1.5).
        ResetContradiction = "reset-contradiction",
        /// TCP: a SYN arrived inside the window, and RFC 5961 is switched off (RFC 793 3.9).
        ResetSyn = "reset-syn",
        /// TCP: asks the peer to prove a suspicious segment (RFC 5961).
        ChallengeAck = "challenge-ack",
        /// TCP: repeats the last acknowledgment out of TIME-WAIT.
        TimeWaitAck = "time-wait-ack",
        /// TCP: probes whether a larger segment passes (RFC 4821).
        PathMtuProbe = "path-mtu-probe",
        /// UDP: a datagram a program sent.
        Datagram = "datagram",
        /// ICMP: asks for an echo.
        EchoRequest = "echo-request",
        /// ICMP: answers an echo request.
        EchoReply = "echo-reply",
        /// ICMP: nobody listens on that port.
        PortUnreachable = "port-unreachable",
        /// ICMP: nobody speaks that protocol here.
        ProtocolUnreachable = "protocol-unreachable",
        /// ICMP: no route or no neighbour.
        HostUnreachable = "host-unreachable",
        /// ICMP: the packet does not fit the next link.
        PacketTooBig = "packet-too-big",
        /// ICMP: hop limit or reassembly time is used up.
        TimeExceeded = "time-exceeded",
        /// ICMP: a header field makes no sense.
        ParameterProblem = "parameter-problem",
        /// ICMP: a better first hop exists.
        Redirect = "redirect",
        /// ARP: asks who has an address.
        ArpRequest = "arp-request",
        /// ARP: answers.
        ArpReply = "arp-reply",
        /// ARP: checks that an address is free (RFC 5227).
        ArpProbe = "arp-probe",
        /// ARP: claims an address (RFC 5227).
        ArpAnnouncement = "arp-announcement",
        /// Neighbour discovery: asks who has an address.
        NeighborSolicitation = "neighbor-solicitation",
        /// Neighbour discovery: answers or announces.
        NeighborAdvertisement = "neighbor-advertisement",
        /// Neighbour discovery: asks for routers.
        RouterSolicitation = "router-solicitation",
        /// Neighbour discovery: a router speaks.
        RouterAdvertisement = "router-advertisement",
        /// Multicast: joins, leaves or reports groups.
        GroupReport = "group-report",
        /// Multicast: asks who listens.
        GroupQuery = "group-query",
        /// DHCP: a client looks for servers.
        DhcpDiscover = "dhcp-discover",
        /// DHCP: a client accepts an offer.
        DhcpSelect = "dhcp-select",
        /// DHCP: a client asks for the address that it had.
        DhcpReboot = "dhcp-reboot",
        /// DHCP: a client asks its server for more time.
        DhcpRenew = "dhcp-renew",
        /// DHCP: a client asks any server for more time.
        DhcpRebind = "dhcp-rebind",
        /// DHCP: a client found its address in use.
        DhcpDecline = "dhcp-decline",
        /// DHCP: a client gives its address back.
        DhcpRelease = "dhcp-release",
        /// DHCP: a server offers an address.
        DhcpOffer = "dhcp-offer",
        /// DHCP: a server grants it.
        DhcpAck = "dhcp-ack",
        /// DHCP: a server refuses.
        DhcpNak = "dhcp-nak",
        /// DHCPv6: a client looks for servers.
        Dhcp6Solicit = "dhcp6-solicit",
        /// DHCPv6: a client asks one server for what it advertised.
        Dhcp6Request = "dhcp6-request",
        /// DHCPv6: a client asks whether its addresses fit the link.
        Dhcp6Confirm = "dhcp6-confirm",
        /// DHCPv6: a client asks its server for more time.
        Dhcp6Renew = "dhcp6-renew",
        /// DHCPv6: a client asks any server for more time.
        Dhcp6Rebind = "dhcp6-rebind",
        /// DHCPv6: a client gives its addresses back.
        Dhcp6Release = "dhcp6-release",
        /// DHCPv6: a client found an address in use.
        Dhcp6Decline = "dhcp6-decline",
        /// DHCPv6: a client asks for parameters alone.
        Dhcp6InformationRequest = "dhcp6-information-request",
        /// IP: a piece of a larger packet.
        Fragment = "fragment",
        /// IP: passed on for somebody else.
        Forwarded = "forwarded",
        /// A packet a program built itself.
        Raw = "raw",
    }
}

crate::vocabulary! {
    /// What kept the sender from sending more at that moment.
    pub enum Limit {
        /// Nothing to say: the question does not arise.
        None = "none",
        /// The program has written no more.
        App = "app",
        /// The peer's receive window.
        Rwnd = "rwnd",
        /// The congestion window.
        Cwnd = "cwnd",
        /// The pacing rate.
        Pacing = "pacing",
        /// Nagle's algorithm, or a cork.
        Nagle = "nagle",
        /// Sender-side silly-window avoidance.
        Sws = "sws",
        /// Loss recovery goes first.
        Recovery = "recovery",
        /// The size of one segment: more follows at once.
        Segment = "segment",
    }
}

crate::vocabulary! {
    /// Which timer acted.
    pub enum TimerKind {
        /// Retransmission of data, SYN or FIN.
        Retransmit = "retransmit",
        /// Tail loss probe.
        TailLossProbe = "tail-loss-probe",
        /// Reordering window of RACK.
        Reordering = "reordering",
        /// Zero-window probing.
        Persist = "persist",
        /// Delayed acknowledgment.
        DelayedAck = "delayed-ack",
        /// Keep-alive probing.
        KeepAlive = "keep-alive",
        /// Earliest departure of paced data.
        Pacing = "pacing",
        /// 2 MSL in TIME-WAIT.
        TimeWait = "time-wait",
        /// Limit on an orphan in FIN-WAIT-2.
        FinWait2 = "fin-wait-2",
        /// The user timeout.
        UserTimeout = "user-timeout",
        /// Limit on lingering at close.
        Linger = "linger",
        /// Reassembly of a fragmented packet.
        Reassembly = "reassembly",
        /// Neighbour cache.
        Neighbor = "neighbor",
        /// Address configuration.
        Address = "address",
        /// Path MTU discovery.
        PathMtu = "path-mtu",
        /// Multicast membership.
        Group = "group",
        /// An application's own timer.
        App = "app",
        /// A simulated link.
        Link = "link",
    }
}

crate::vocabulary! {
    /// Which call of the program acted.
    pub enum CallKind {
        /// Opened a connection.
        Connect = "connect",
        /// Began to listen.
        Listen = "listen",
        /// Took a connection.
        Accept = "accept",
        /// Read bytes.
        Read = "read",
        /// Wrote bytes.
        Write = "write",
        /// Finished its sending side.
        Shutdown = "shutdown",
        /// Let go of the connection.
        Close = "close",
        /// Aborted the connection.
        Abort = "abort",
        /// Sent a datagram.
        Send = "send",
        /// Sent an echo request.
        Ping = "ping",
        /// Changed a setting.
        Configure = "configure",
    }
}

/// What made a packet leave or a fact happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Not known, or nothing in particular.
    None,
    /// A packet that arrived.
    Packet(PacketId),
    /// A timer that ran out.
    Timer(TimerKind),
    /// A call of the program.
    Call(CallKind),
}

impl fmt::Display for Cause {
    /// As in a capture: `pkt:193`, `timer:retransmit`, `app:write`, `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Packet(id) => write!(f, "pkt:{id}"),
            Self::Timer(timer) => write!(f, "timer:{timer}"),
            Self::Call(call) => write!(f, "app:{call}"),
        }
    }
}

/// Why a packet leaves, what limited it, what caused it, and where in the source that was decided.
#[derive(Clone, Copy)]
pub struct Note {
    src: &'static Location<'static>,
    // `Cause` in two words instead of three: the note travels in every plan.
    packet: u64,
    cause: CauseTag,
    lim: Limit,
    why: Why,
}

#[derive(Clone, Copy)]
enum CauseTag {
    None,
    Packet,
    Timer(TimerKind),
    Call(CallKind),
}

impl Note {
    /// A note; the caller's line becomes `src`.
    #[must_use]
    #[track_caller]
    pub const fn new(why: Why, lim: Limit, cause: Cause) -> Self {
        let (cause, packet) = match cause {
            Cause::None => (CauseTag::None, 0),
            Cause::Packet(id) => (CauseTag::Packet, id.0),
            Cause::Timer(timer) => (CauseTag::Timer(timer), 0),
            Cause::Call(call) => (CauseTag::Call(call), 0),
        };
        Self {
            src: Location::caller(),
            packet,
            cause,
            lim,
            why,
        }
    }

    /// The same, with what is known to have made it leave: for engines whose caller knows what woke them.
    #[must_use]
    pub const fn caused_by(self, cause: Cause) -> Self {
        let mut note = Self::new(self.why, self.lim, cause);
        note.src = self.src;
        note
    }

    /// What the packet is for.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }

    /// What kept the sender from sending more.
    #[must_use]
    pub const fn lim(&self) -> Limit {
        self.lim
    }

    /// What made it leave.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        match self.cause {
            CauseTag::None => Cause::None,
            CauseTag::Packet => Cause::Packet(PacketId(self.packet)),
            CauseTag::Timer(timer) => Cause::Timer(timer),
            CauseTag::Call(call) => Cause::Call(call),
        }
    }

    /// The line that decided it. Never part of a packet's identity: an edit moves it.
    #[must_use]
    pub const fn src(&self) -> &'static Location<'static> {
        self.src
    }
}

impl PartialEq for Note {
    /// Equal in why, limit and cause; the line of code does not count.
    fn eq(&self, other: &Self) -> bool {
        self.why == other.why && self.lim == other.lim && self.cause() == other.cause()
    }
}

impl Eq for Note {}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lim={} cause={}", self.why, self.lim, self.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_24_bytes_and_keeps_its_cause() {
        assert_eq!(size_of::<Note>(), 24);
        for cause in [
            Cause::None,
            Cause::Packet(PacketId(u64::MAX)),
            Cause::Timer(TimerKind::Persist),
            Cause::Call(CallKind::Write),
        ] {
            assert_eq!(Note::new(Why::Data, Limit::App, cause).cause(), cause);
        }
    }

    #[test]
    fn names_are_unique_and_found_again() {
        for why in Why::ALL {
            assert_eq!(Why::from_name(why.name()), Some(*why));
        }
    }
}
