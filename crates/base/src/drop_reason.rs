//! Why a received packet was not taken.
//!
//! Job: one closed list for all layers, so that counters, captures, tests and pages use the same words.
//! Owns: the list. Does not know: how a check is made. The name begins with the layer that refused.

crate::vocabulary! {
    /// Why a received packet, or part of one, was not taken. Who is to blame is the peer or the path.
    pub enum DropReason {
        /// Device: shorter than its own link header.
        DeviceTruncated = "device:truncated",
        /// Link: lost by the simulated link.
        LinkLoss = "link:loss",
        /// Link: the simulated queue was full.
        LinkQueueFull = "link:queue-full",
        /// Link: damaged by the simulated link.
        LinkCorrupt = "link:corrupt",
        /// Ethernet: shorter than a header.
        EthernetTruncated = "ethernet:truncated",
        /// Ethernet: addressed to somebody else.
        EthernetNotForUs = "ethernet:not-for-us",
        /// Ethernet: a type nobody here speaks.
        EthernetUnknownType = "ethernet:unknown-type",
        /// Ethernet: a VLAN we do not belong to.
        EthernetWrongVlan = "ethernet:wrong-vlan",
        /// ARP: malformed, or not for Ethernet and IPv4.
        ArpMalformed = "arp:malformed",
        /// ARP: claims an address it must not claim.
        ArpSpoofed = "arp:spoofed",
        /// Neighbour: no answer, and the queue of waiting packets is full.
        NeighborQueueFull = "neighbor:queue-full",
        /// Neighbour: gave up asking.
        NeighborUnreachable = "neighbor:unreachable",
        /// IP: the first nibble is neither 4 nor 6.
        IpUnknownVersion = "ip:unknown-version",
        /// IP: no socket, service or connection speaks this protocol.
        IpUnknownProtocol = "ip:unknown-protocol",
        /// IP: not addressed to us, and we do not forward.
        IpNotForUs = "ip:not-for-us",
        /// IP: to a group, from a source that nobody here listens to.
        IpSourceFiltered = "ip:source-filtered",
        /// IP: a source address no host may use.
        IpBadSource = "ip:bad-source",
        /// IP: no route to the destination.
        IpNoRoute = "ip:no-route",
        /// IP: not addressed to us, and of a kind that no router passes on.
        IpNotForwardable = "ip:not-forwardable",
        /// IP: a filter said no.
        IpFiltered = "ip:filtered",
        /// IP: the message would be sent too often.
        IpRateLimited = "ip:rate-limited",
        /// IP: longer than the next link, and not to be cut.
        IpTooBig = "ip:too-big",
        /// IP: too many packets in transit wait for the device.
        IpQueueFull = "ip:queue-full",
        /// IPv4: shorter than its header or its stated length.
        Ipv4Truncated = "ipv4:truncated",
        /// IPv4: header length below 20 or beyond the packet.
        Ipv4BadHeaderLength = "ipv4:bad-header-length",
        /// IPv4: total length below the header's.
        Ipv4BadTotalLength = "ipv4:bad-total-length",
        /// IPv4: header checksum wrong.
        Ipv4BadChecksum = "ipv4:bad-checksum",
        /// IPv4: an option is malformed or forbidden here (source routing).
        Ipv4BadOption = "ipv4:bad-option",
        /// IPv4: time to live used up.
        Ipv4TtlExpired = "ipv4:ttl-expired",
        /// IPv6: shorter than its header or its stated length.
        Ipv6Truncated = "ipv6:truncated",
        /// IPv6: an extension header is malformed, out of order or one too many.
        Ipv6BadExtension = "ipv6:bad-extension",
        /// IPv6: hop limit used up.
        Ipv6HopLimitExpired = "ipv6:hop-limit-expired",
        /// Fragment: malformed offset or length.
        FragmentMalformed = "fragment:malformed",
        /// Fragment: overlaps another of the same packet (RFC 5722: all are dropped).
        FragmentOverlap = "fragment:overlap",
        /// Fragment: the reassembly memory is used up.
        FragmentMemory = "fragment:memory",
        /// Fragment: its packet was not complete in time.
        FragmentTimeout = "fragment:timeout",
        /// Fragment: this host does not reassemble.
        FragmentUnsupported = "fragment:unsupported",
        /// ICMP: shorter than its header, or of impossible length.
        IcmpTruncated = "icmp:truncated",
        /// ICMP: checksum wrong.
        IcmpBadChecksum = "icmp:bad-checksum",
        /// ICMP: a type or code nobody handles.
        IcmpUnknownType = "icmp:unknown-type",
        /// ICMP: quotes nothing that we sent.
        IcmpUnrelated = "icmp:unrelated",
        /// ICMP: an echo reply nobody asked for.
        IcmpNoRequest = "icmp:no-request",
        /// ICMP: fields that the RFC requires are wrong (hop limit, source, code).
        IcmpInvalid = "icmp:invalid",
        /// UDP: shorter than its header.
        UdpTruncated = "udp:truncated",
        /// UDP: its length field contradicts the packet.
        UdpBadLength = "udp:bad-length",
        /// UDP: checksum wrong.
        UdpBadChecksum = "udp:bad-checksum",
        /// UDP: checksum missing where it is required (IPv6).
        UdpNoChecksum = "udp:no-checksum",
        /// UDP: no socket on that port.
        UdpNoSocket = "udp:no-socket",
        /// UDP: the socket's receive queue is full.
        UdpQueueFull = "udp:queue-full",
        /// TCP: shorter than its header.
        TcpTruncated = "tcp:truncated",
        /// TCP: data offset below 5 or beyond the packet.
        TcpBadDataOffset = "tcp:bad-data-offset",
        /// TCP: checksum wrong.
        TcpBadChecksum = "tcp:bad-checksum",
        /// TCP: an option of impossible length.
        TcpBadOption = "tcp:bad-option",
        /// TCP: source or destination no connection may have (multicast, broadcast, port zero).
        TcpBadAddress = "tcp:bad-address",
        /// TCP: no connection and no listener.
        TcpNoSocket = "tcp:no-socket",
        /// TCP: outside the receive window.
        TcpOutOfWindow = "tcp:out-of-window",
        /// TCP: an old duplicate by its timestamp (PAWS).
        TcpOldTimestamp = "tcp:old-timestamp",
        /// TCP: acknowledges what was never sent, or too long ago.
        TcpUnacceptableAck = "tcp:unacceptable-ack",
        /// TCP: a SYN or RST that does not belong here (RFC 5961).
        TcpChallenged = "tcp:challenged",
        /// TCP: neither SYN, RST nor ACK where one of them is needed, or an illegal combination.
        TcpBadFlags = "tcp:bad-flags",
        /// TCP: arrived for a connection that has been given up.
        TcpClosed = "tcp:closed",
        /// TCP: the listener's queues are full.
        TcpListenOverflow = "tcp:listen-overflow",
        /// TCP: a cookie that we did not make.
        TcpBadCookie = "tcp:bad-cookie",
        /// TCP: no memory for out-of-order data.
        TcpMemory = "tcp:memory",
        /// TCP: an authentication option is missing or wrong (MD5, AO).
        TcpUnauthenticated = "tcp:unauthenticated",
        /// TCP: a reset or SYN ignored in TIME-WAIT (RFC 1337).
        TcpTimeWait = "tcp:time-wait",
        /// HTTP: not the grammar of RFC 9112.
        HttpMalformed = "http:malformed",
        /// HTTP: where the message ends could be read in two ways.
        HttpFraming = "http:framing",
        /// HTTP: longer than this server takes.
        HttpTooLarge = "http:too-large",
        /// HTTP: a version, method, coding or expectation nobody here speaks.
        HttpUnsupported = "http:unsupported",
        /// HTTP: arrived after the last message of the connection.
        HttpClosed = "http:closed",
        /// DHCP: not a message, or options that run over its end.
        DhcpMalformed = "dhcp:malformed",
        /// DHCP: belongs to another transaction, client or server.
        DhcpUnrelated = "dhcp:unrelated",
        /// DHCP: a message nobody waits for in this state.
        DhcpUnexpected = "dhcp:unexpected",
        /// DHCP: lacks what its kind must say, or says what cannot be.
        DhcpInvalid = "dhcp:invalid",
        /// DHCP: the server has no address or no room for this client.
        DhcpNoAddress = "dhcp:no-address",
    }
}
