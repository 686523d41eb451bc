//! The rules by which a packet is judged.
//!
//! Job: name every decision this layer takes about an arriving packet, with its source.
//! Owns: the list. Does not know: how a rule is applied.

outcrop_base::rules! {
    /// One rule of IP, ICMP or reassembly.
    pub enum Rule {
        /// The first four bits say which header follows.
        Version = "ip:version", "RFC 791 3.1, RFC 8200 3";
        /// A source must be an address some other host may use.
        Source = "ip:source", "RFC 1122 3.2.1.3, RFC 4291 2.5-2.7";
        /// A host silently discards what is not addressed to it.
        Destination = "ip:destination", "RFC 1122 3.2.1.3, RFC 8200 3";
        /// What no protocol above takes is refused.
        Protocol = "ip:protocol", "RFC 1122 3.2.2.1, RFC 8200 4";
        /// The IPv4 header must be whole and agree with itself.
        Ipv4Header = "ipv4:header", "RFC 791 3.1";
        /// The IPv4 header checksum is verified before anything else is believed.
        Ipv4Checksum = "ipv4:checksum", "RFC 1122 3.2.1.2";
        /// IPv4 options are walked; source routes are not followed.
        Ipv4Options = "ipv4:options", "RFC 1122 3.2.1.8, RFC 7126 4";
        /// The IPv6 header must be whole and its length be there.
        Ipv6Header = "ipv6:header", "RFC 8200 3";
        /// IPv6 extension headers are walked in order, within limits.
        Ipv6Extensions = "ipv6:extensions", "RFC 8200 4.1-4.6, RFC 8504 5.3";
        /// A type 0 routing header, or one with hops left, is not followed.
        Ipv6Routing = "ipv6:routing", "RFC 8200 4.4, RFC 5095";
        /// The two high bits of an unknown option say what to do with the packet.
        Ipv6Options = "ipv6:options", "RFC 8200 4.2";
        /// No next header: nothing follows, and that is fine.
        Ipv6NoNextHeader = "ipv6:no-next-header", "RFC 8200 4.7";
        /// A fragment is kept until its packet is whole.
        Fragment = "fragment:keep", "RFC 791 3.2, RFC 8200 4.5";
        /// Offset and length of a fragment must be possible.
        FragmentShape = "fragment:shape", "RFC 791 3.2, RFC 8200 4.5, RFC 7112 5";
        /// Fragments that overlap condemn their packet.
        FragmentOverlap = "fragment:overlap", "RFC 5722 4, RFC 8200 4.5";
        /// Memory for fragments is bounded; the heaviest sender gives way first.
        FragmentMemory = "fragment:memory", "RFC 8900 4.5";
        /// ICMP must be whole and its checksum right.
        IcmpFormat = "icmp:format", "RFC 792, RFC 4443 2.1";
        /// An echo request is answered with its own data.
        EchoRequest = "icmp:echo-request", "RFC 1122 3.2.2.6, RFC 4443 4.2";
        /// An echo reply goes to whoever asked.
        EchoReply = "icmp:echo-reply", "RFC 1122 3.2.2.6, RFC 4443 4.2";
        /// An error is passed up to what it quotes, to be validated there.
        IcmpError = "icmp:error", "RFC 1122 3.2.2, RFC 4443 2.4, RFC 5927 4";
        /// A next-hop MTU must be one the protocol allows.
        PacketTooBig = "icmp:packet-too-big", "RFC 1191 3, RFC 8201 4";
        /// The first hop in use may name a better one on the same link.
        Redirect = "icmp:redirect", "RFC 1122 3.2.2.2, RFC 1812 5.2.7.2";
        /// An ICMP message of unknown type is silently discarded.
        IcmpUnknown = "icmp:unknown", "RFC 1122 3.2.2, RFC 4443 2.4";
        /// Errors are never sent about errors, groups, broadcasts, fragments or strange sources.
        ErrorForbidden = "icmp:error-forbidden", "RFC 1122 3.2.2, RFC 4443 2.4(e)";
        /// Errors are sent only as often as a token bucket allows.
        ErrorRate = "icmp:error-rate", "RFC 1812 4.3.2.8, RFC 4443 2.4(f)";
        /// An error is sent about a packet that could not be delivered.
        ErrorSent = "icmp:error-sent", "RFC 1122 3.2.2, RFC 4443 3";
        /// A querier is answered after a time drawn by chance.
        GroupQuery = "group:query", "RFC 3376 5.2, RFC 3810 6.2, RFC 2236 3, RFC 2710 4";
        /// Messages about groups come from the link, are whole, and concern us or nobody.
        GroupMessage = "group:message", "RFC 3376 4, RFC 3810 5.1.14 and 5.2, RFC 2236 2";
        /// What a source says to a group is heard only if somebody listens to that source.
        GroupSource = "group:source", "RFC 3376 3.2, RFC 3810 4.2";
        /// A router passes a packet on by its longest matching route.
        Forward = "forward:pass", "RFC 1812 5.2.1, RFC 8200 3";
        /// A packet to a group goes on where a person said so.
        ForwardGroup = "forward:group", "RFC 1812 5.3.10";
        /// Some addresses never cross a router.
        ForwardScope = "forward:scope", "RFC 1812 4.2.2.11 and 5.3.7, RFC 3927 7, RFC 4291 2.5.6, RFC 2644 3";
        /// A source that would not be reached by the link it came from is refused, if that is asked for.
        ForwardSource = "forward:source", "RFC 1812 5.3.8, RFC 3704 2.2";
        /// A packet whose hops are used up goes no further.
        ForwardHops = "forward:hops", "RFC 1812 5.3.1, RFC 4443 3.3";
        /// What no route leads to is refused.
        ForwardRoute = "forward:route", "RFC 1812 5.2.7.1, RFC 4443 3.1";
        /// What a route says to refuse is refused its way.
        ForwardRefusal = "forward:refusal", "RFC 1812 5.2.7.1, RFC 4443 3.1";
        /// A packet never goes back over the point-to-point link it came by.
        ForwardReturn = "forward:return", "RFC 4443 3.1";
        /// A policy decides last.
        ForwardFilter = "forward:filter", "RFC 1812 5.3.9";
        /// What is longer than the next link is cut, or its sender told.
        ForwardSize = "forward:size", "RFC 1812 4.2.2.7, RFC 1191 4, RFC 8200 5";
        /// The queue of packets in transit is bounded.
        ForwardQueue = "forward:queue", "RFC 1812 5.3.6";
        /// A message of neighbour discovery comes from this link and is whole.
        NdMessage = "nd:message", "RFC 4861 6.1, 7.1, 8.1, RFC 6980 5";
        /// Who asks for an address of ours is answered.
        NdSolicitation = "nd:solicitation", "RFC 4861 7.2.3, 7.2.4";
        /// An answer is for the link's cache to judge.
        NdAdvertisement = "nd:advertisement", "RFC 4861 7.2.5";
        /// An address that another has, or wants too, is not taken.
        NdDuplicate = "nd:duplicate", "RFC 4862 5.4.3, 5.4.4";
        /// Our own question came back: the link has a loop.
        NdLoop = "nd:loop", "RFC 7527 4.2";
        /// A router tells of itself, its prefixes and resolvers.
        NdRouter = "nd:router", "RFC 4861 6.3.4, RFC 4862 5.5.3";
        /// Only routers are asked for routers.
        NdRouterSolicitation = "nd:router-solicitation", "RFC 4861 6.2.6";
        /// Who asks for IPv4 routers is answered by one.
        RouterDiscovery = "icmp:router-solicitation", "RFC 1256 4.2, RFC 1812 4.3.3.10";
        /// A better first hop is believed of the present one alone.
        NdRedirect = "nd:redirect", "RFC 4861 8.1, 8.3";
        /// The queue of our own packets is bounded.
        TransmitQueue = "ip:transmit-queue", "RFC 1122 3.3.1";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_names_are_unique() {
        let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_ref().name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
