//! The second comment of a packet: one plain sentence, when there is something to say.
//!
//! Job: tell a reader what a retransmission, a reset, a drop or another rare packet means.
//! Owns: the sentences. Does not know: the connection; numbers are in the first comment.

use outcrop_base::{DropReason, PacketRecord, Why};

/// Writes the sentence of a packet to `out`, which is empty; writes nothing for an ordinary one.
pub(crate) fn write_sentence(record: &PacketRecord<'_>, out: &mut String) {
    let dropped = record
        .verdict
        .and_then(|v| Some((v.drop_reason()?, v.rule)));
    if let Some((reason, rule)) = dropped {
        out.push_str("Dropped: ");
        out.push_str(of_drop(reason));
        out.push_str(" (");
        out.push_str(rule.source);
        out.push_str(").");
    } else if let Some(sentence) = record.note.and_then(|note| of_why(note.why())) {
        out.push_str(sentence);
    }
}

/// What a packet that leaves for this reason means, unless it is everyday.
#[expect(clippy::too_many_lines, reason = "a table: one sentence a reason")]
const fn of_why(why: Why) -> Option<&'static str> {
    Some(match why {
        Why::SynCookie => {
            "The queue of half-open connections is full: this SYN-ACK carries the state in its sequence number."
        }
        Why::LimitedTransmit => {
            "A duplicate ACK says that something got through: new data follows so that more duplicates can come."
        }
        Why::ZeroWindowProbe => "The peer's window is closed: this asks whether it still is.",
        Why::Rto => {
            "The retransmission timer ran out: the oldest unacknowledged bytes go again, and the next timeout is doubled."
        }
        Why::FastRetransmit => {
            "Acknowledgments show a hole: what is missing goes again now, without waiting for the timer."
        }
        Why::TailLossProbe => {
            "The last segments are unacknowledged for too long: this one asks what got lost, before the timer has to."
        }
        Why::KeepAlive => "Nothing was heard for long: this asks whether the peer is still there.",
        Why::FinRetransmit => "The FIN was not acknowledged in time and goes again.",
        Why::ResetNoConnection => {
            "Nobody has a connection with these addresses and ports: refused."
        }
        Why::ResetUnacceptableAck => {
            "The segment acknowledges something that was never sent: refused."
        }
        Why::ResetAborted => {
            "The program aborted the connection: the peer is told at once, and nothing more is sent."
        }
        Why::ResetUnreadData => {
            "The program closed with received bytes unread: a reset tells the peer that they were lost."
        }
        Why::ResetTimedOut => {
            "Too many retransmissions without an answer: the connection is given up."
        }
        Why::ResetOrphanData => {
            "Data came for a connection whose program has gone: nobody will read it."
        }
        Why::ResetContradiction => {
            "The peer asked for two kinds of congestion feedback in one handshake: neither end could know which holds."
        }
        Why::ResetSyn => {
            "A SYN came inside the window, and guessed segments may end this connection: it is reset."
        }
        Why::ChallengeAck => {
            "A suspicious segment: the peer is asked to prove itself by answering this ACK."
        }
        Why::TimeWaitAck => "The peer repeated its FIN, so our last ACK was lost: it goes again.",
        Why::PathMtuProbe => "A larger segment than before: does it pass?",
        Why::PortUnreachable => "No program listens on that port.",
        Why::ProtocolUnreachable => "Nobody here speaks that protocol.",
        Why::HostUnreachable => "There is no way to that address.",
        Why::PacketTooBig => {
            "The packet does not fit the next link: the sender is told what would."
        }
        Why::TimeExceeded => {
            "The packet's hops, or the time for its missing fragments, are used up."
        }
        Why::ParameterProblem => "A header field makes no sense: the sender is told where.",
        Why::Redirect => "There is a better first hop for that destination.",
        Why::ArpRequest => {
            "Who has the address? Packets wait for the answer, or it was not confirmed for long."
        }
        Why::ArpReply => "The address asked for is ours: this says where we are.",
        Why::ArpProbe => "We want the address: whoever has it is asked to object.",
        Why::ArpAnnouncement => "The address is ours: everybody is to forget who had it before.",
        Why::NeighborSolicitation => {
            "Who has the address? Asked to find a neighbour, to hear whether it is still there, or before we take it."
        }
        Why::NeighborAdvertisement => "The address asked for is ours: this says where we are.",
        Why::RouterSolicitation => "Which routers are there, and which prefixes?",
        Why::RouterAdvertisement => {
            "We are a router: this says for how long, and for which prefixes."
        }
        Why::DhcpDiscover => "Without an address: every DHCP server of the link is asked for one.",
        Why::DhcpSelect => {
            "One server's offer is accepted, by name and to all, so that the others take theirs back."
        }
        Why::DhcpReboot => "Restarted: may we still have the address that we had?",
        Why::DhcpRenew => "Half of the lease is over: its server is asked for more time.",
        Why::DhcpRebind => {
            "The server is silent and the lease nearly over: any server is asked for more time."
        }
        Why::DhcpDecline => {
            "Another station has the address just granted: the server is to lend a different one."
        }
        Why::DhcpRelease => {
            "The address is not needed any longer: the server may lend it to others."
        }
        Why::DhcpOffer => "An address is kept for this client for a while: it may ask for it.",
        Why::DhcpAck => "The address is the client's for the time of the lease.",
        Why::DhcpNak => "The client may not have that address: it is to begin from the start.",
        Why::Dhcp6Solicit => "Every DHCPv6 server of the link is asked what it would lend.",
        Why::Dhcp6Request => "The server with the best advertisement is asked for its addresses.",
        Why::Dhcp6Confirm => "The link may have changed: do the addresses still belong here?",
        Why::Dhcp6Renew => "T1 is over: the server of the addresses is asked for more time.",
        Why::Dhcp6Rebind => "T2 is over and the server silent: any server is asked for more time.",
        Why::Dhcp6Release => {
            "The addresses are not needed any longer: the server may lend them to others."
        }
        Why::Dhcp6Decline => {
            "Another station has the address just granted: the server is not to lend it again."
        }
        Why::Dhcp6InformationRequest => {
            "A router gives the addresses: the server is asked for the rest alone."
        }
        Why::Syn
        | Why::SynAck
        | Why::HandshakeAck
        | Why::Data
        | Why::PureAck
        | Why::DelayedAck
        | Why::DupAck
        | Why::WindowUpdate
        | Why::Fin
        | Why::Datagram
        | Why::EchoRequest
        | Why::EchoReply
        | Why::GroupReport
        | Why::GroupQuery
        | Why::Fragment
        | Why::Forwarded
        | Why::Raw => return None,
    })
}

/// What is wrong with a packet dropped for this reason.
const fn of_drop(reason: DropReason) -> &'static str {
    match reason {
        DropReason::DeviceTruncated => "shorter than the device's own header",
        DropReason::LinkLoss => "lost by the simulated link",
        DropReason::LinkQueueFull => "the simulated queue was full",
        DropReason::LinkCorrupt => "damaged by the simulated link",
        DropReason::EthernetTruncated => "shorter than an Ethernet header",
        DropReason::EthernetNotForUs => "addressed to another station",
        DropReason::EthernetUnknownType => "an ether type nobody here speaks",
        DropReason::EthernetWrongVlan => "of a VLAN we do not belong to",
        DropReason::ArpMalformed => "not ARP for Ethernet and IPv4, or malformed",
        DropReason::ArpSpoofed => "claims an address it must not claim",
        DropReason::NeighborQueueFull => "too many packets already wait for this neighbour",
        DropReason::NeighborUnreachable => "the neighbour did not answer",
        DropReason::IpUnknownVersion => "neither IPv4 nor IPv6",
        DropReason::IpUnknownProtocol => "nobody here speaks that protocol",
        DropReason::IpNotForUs => "not addressed to us, and we do not forward",
        DropReason::IpSourceFiltered => "to a group, from a source that nobody here listens to",
        DropReason::IpBadSource => "from an address no host may use",
        DropReason::IpNoRoute => "there is no route to its destination",
        DropReason::IpNotForwardable => {
            "not addressed to us, and of a kind that no router passes on"
        }
        DropReason::IpTooBig => "longer than the next link, and not to be cut",
        DropReason::IpQueueFull => "too many packets in transit already wait for the device",
        DropReason::IpFiltered => "a filter refused it",
        DropReason::IpRateLimited => "such a message would be sent too often",
        DropReason::Ipv4Truncated => "shorter than its IPv4 header says",
        DropReason::Ipv4BadHeaderLength => "its header length is below 20 or beyond the packet",
        DropReason::Ipv4BadTotalLength => "its total length is below its header's",
        DropReason::Ipv4BadChecksum => "the header checksum is wrong",
        DropReason::Ipv4BadOption => "an IPv4 option is malformed or not welcome",
        DropReason::Ipv4TtlExpired => "its time to live is used up",
        DropReason::Ipv6Truncated => "shorter than its IPv6 header says",
        DropReason::Ipv6BadExtension => "an IPv6 extension header is malformed or misplaced",
        DropReason::Ipv6HopLimitExpired => "its hop limit is used up",
        DropReason::FragmentMalformed => "a fragment with an impossible offset or length",
        DropReason::FragmentOverlap => "a fragment that overlaps another: the whole packet goes",
        DropReason::FragmentMemory => "no memory left for fragments",
        DropReason::FragmentTimeout => "its other fragments did not come in time",
        DropReason::FragmentUnsupported => "a fragment, and this host does not reassemble",
        DropReason::IcmpTruncated => "shorter than an ICMP header",
        DropReason::IcmpBadChecksum => "the ICMP checksum is wrong",
        DropReason::IcmpUnknownType => "an ICMP type or code nobody handles",
        DropReason::IcmpUnrelated => "quotes a packet that we did not send",
        DropReason::IcmpNoRequest => "an echo reply nobody asked for",
        DropReason::IcmpInvalid => "an ICMP message with fields the standard forbids",
        DropReason::UdpTruncated => "shorter than a UDP header",
        DropReason::UdpBadLength => "its UDP length contradicts the packet",
        DropReason::UdpBadChecksum => "the UDP checksum is wrong",
        DropReason::UdpNoChecksum => "without the UDP checksum that IPv6 requires",
        DropReason::UdpNoSocket => "no program listens on that UDP port",
        DropReason::UdpQueueFull => "the program does not read its datagrams fast enough",
        DropReason::TcpTruncated => "shorter than a TCP header",
        DropReason::TcpBadDataOffset => "its TCP header length is impossible",
        DropReason::TcpBadChecksum => "the TCP checksum is wrong",
        DropReason::TcpBadOption => "a TCP option of impossible length",
        DropReason::TcpBadAddress => "an address or port no connection may have",
        DropReason::TcpNoSocket => "no connection and no listener has these addresses and ports",
        DropReason::TcpOutOfWindow => "entirely outside the receive window",
        DropReason::TcpOldTimestamp => "its timestamp shows an old duplicate",
        DropReason::TcpUnacceptableAck => "it acknowledges what was never sent, or too long ago",
        DropReason::TcpChallenged => "a SYN or RST that does not belong here",
        DropReason::TcpBadFlags => "flags that do not go together, or not in this state",
        DropReason::TcpClosed => "for a connection that has been given up",
        DropReason::TcpListenOverflow => "the listener's queues are full",
        DropReason::TcpBadCookie => "answers a SYN cookie that we did not make",
        DropReason::TcpMemory => "no memory left for data out of order",
        DropReason::TcpUnauthenticated => "not signed as this connection requires",
        DropReason::TcpTimeWait => "ignored in TIME-WAIT",
        DropReason::HttpMalformed => "not HTTP as the grammar has it",
        DropReason::HttpFraming => "where the message ends could be read in two ways",
        DropReason::HttpTooLarge => "longer than this server takes",
        DropReason::HttpUnsupported => "asks for something in HTTP that nobody here speaks",
        DropReason::HttpClosed => "came after the connection's last message",
        DropReason::DhcpMalformed => "not a DHCP message, or options beyond its end",
        DropReason::DhcpUnrelated => "of another DHCP transaction, client or server",
        DropReason::DhcpUnexpected => "a DHCP message that this state does not wait for",
        DropReason::DhcpInvalid => "lacks what a DHCP message of its kind must say",
        DropReason::DhcpNoAddress => "no address is left for this DHCP client",
    }
}
