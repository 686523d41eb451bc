//! The rules by which a datagram is judged.
//!
//! Job: name every decision of this layer, with its source. Owns: the list. Does not know: how a rule is applied.

outcrop_base::rules! {
    /// One rule of UDP.
    pub enum Rule {
        /// Header and length must agree with the packet.
        Length = "udp:length", "RFC 768, RFC 8085 3.4";
        /// A checksum that is there must be right; over IPv6 it must be there.
        Checksum = "udp:checksum", "RFC 1122 4.1.3.4, RFC 8200 8.1";
        /// A datagram goes to the socket that names its addresses most exactly.
        Demultiplex = "udp:demultiplex", "RFC 768, RFC 1122 4.1.3.5";
        /// A datagram nobody waits for is refused.
        NoSocket = "udp:no-socket", "RFC 1122 4.1.3.1";
        /// A receive queue is bounded: what a program does not fetch is lost.
        ReceiveQueue = "udp:receive-queue", "RFC 8085 3.1";
        /// News from the path goes to the socket it concerns.
        PathSignal = "udp:path-signal", "RFC 1122 4.1.3.3, RFC 8085 5.2";
    }
}
