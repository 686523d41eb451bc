//! The rules by which a datagram is judged.
//!
//! Job: name every decision of this layer, with its source. Owns: the list. Does not know: how a rule is applied.

outcrop_base::rules! {
    /// One rule of this layer.
    pub enum Rule {
        /// Header and length must agree with the packet.
        Length = "udp:length", "RFC 768, RFC 8085 3.4";
        /// A checksum that is there must be right; over IPv6 it must be there.
        /// A frame is a header and a type.
        Frame = "ethernet:frame", "IEEE 802.3 3.2";
        /// A station takes what is sent to it, to everybody, or to a group it joined.
        Address = "ethernet:address", "IEEE 802.3 4.2.4";
        /// A frame belongs to a VLAN, or to none.
        Vlan = "ethernet:vlan", "IEEE 802.1Q 6.9";
        /// What is inside is IPv4, IPv6 or ARP.
        Type = "ethernet:type", "RFC 1122 2.3.3, RFC 2464 3";
        /// An ARP packet is of Ethernet and IPv4.
        ArpPacket = "arp:packet", "RFC 826";
        /// Who speaks ARP is one station at one address.
        ArpSender = "arp:sender", "RFC 5227 2.1.1, RFC 1122 3.2.1.3";
        /// Nobody else may have an address of ours, or one that we are about to take.
        ArpConflict = "arp:conflict", "RFC 5227 2.1.1, 2.4";
        /// A speaker is remembered if it is known already, or asks for us.
        ArpMerge = "arp:merge", "RFC 826";
        /// What others tell each other is not remembered.
        ArpOverheard = "arp:overheard", "RFC 826";
        /// A packet waits for its neighbour; when too many do, the oldest gives way.
        Queue = "neighbor:queue", "RFC 4861 7.2.2, RFC 1122 2.3.2.2";
        /// An advertisement changes what is known, never creates it.
        Advertisement = "neighbor:advertisement", "RFC 4861 7.2.5";
        /// A solicitation tells where its sender is.
        Solicitation = "neighbor:solicitation", "RFC 4861 7.2.3";
        /// A frame comes from one station.
        SwitchSource = "switch:source", "IEEE 802.1D 7.8";
        /// Some groups end at the next bridge.
        SwitchReserved = "switch:reserved", "IEEE 802.1D 7.12.6";
        /// What is fixed by hand goes where the hand said.
        SwitchFilter = "switch:filter", "IEEE 802.1D 7.9.1";
        /// A known station is reached through its port.
        SwitchForward = "switch:forward", "IEEE 802.1D 7.7";
        /// An unknown one, or a group, through all others.
        SwitchFlood = "switch:flood", "IEEE 802.1D 7.7";
    }
}
