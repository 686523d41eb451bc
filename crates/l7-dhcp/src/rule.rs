//! The rules by which a message is judged.
//!
//! Job: name every decision of this crate, with its source. Owns: the list. Does not know: how a rule is applied.

outcrop_base::rules! {
    /// One rule of DHCP.
    pub enum Rule {
        /// A message has its fixed part, its cookie, and options that end inside it.
        Message = "dhcp4:message", "RFC 2131 2, 3, RFC 3396";
        /// An answer names the transaction and the client that asked.
        Transaction = "dhcp4:transaction", "RFC 2131 4.4.1, RFC 6842 3";
        /// An offer is an address, from a server that says who it is.
        Offer = "dhcp4:offer", "RFC 2131 4.3.1, 4.4.1";
        /// An acknowledgment makes the address ours for a time.
        Ack = "dhcp4:ack", "RFC 2131 4.4.1, 4.4.5";
        /// An acknowledgment at once, where that was asked for.
        RapidCommit = "dhcp4:rapid-commit", "RFC 4039 3.1";
        /// A refusal ends the use of the address.
        Nak = "dhcp4:nak", "RFC 2131 4.4, figure 5";
        /// Each state waits for certain messages.
        State = "dhcp4:state", "RFC 2131 figure 5";
        /// A server hears requests, not replies, and none by way of a relay.
        ServerHears = "dhcp4:server-hears", "RFC 2131 4.3";
        /// Who looks for an address is offered one that is free.
        Discover = "dhcp4:discover", "RFC 2131 4.3.1";
        /// A request that names a server accepts its offer, or refuses ours.
        Select = "dhcp4:select", "RFC 2131 4.3.2";
        /// A request that names an address and no server verifies it after a restart.
        Reboot = "dhcp4:reboot", "RFC 2131 4.3.2";
        /// A request from an address extends its lease.
        Extend = "dhcp4:extend", "RFC 2131 4.3.2";
        /// An address that somebody else was found to use is kept aside.
        Decline = "dhcp4:decline", "RFC 2131 4.3.3";
        /// An address given back is free.
        Release = "dhcp4:release", "RFC 2131 4.3.4";
        /// Who has an address may ask for the rest.
        Inform = "dhcp4:inform", "RFC 2131 4.3.5";
        /// A message has its four octets, and options that end inside it.
        Message6 = "dhcp6:message", "RFC 8415 8, 16";
        /// An answer names the transaction, the client, and who answers.
        Transaction6 = "dhcp6:transaction", "RFC 8415 16.3, 16.10";
        /// The best advertisement is asked.
        Advertise = "dhcp6:advertise", "RFC 8415 18.2.9";
        /// A reply tells what became of the request.
        Reply = "dhcp6:reply", "RFC 8415 18.2.10";
        /// A reply that refuses by its status.
        Status = "dhcp6:status", "RFC 8415 18.2.10.1, 18.2.10.2";
        /// Each state waits for certain messages.
        State6 = "dhcp6:state", "RFC 8415 18.2.9, 18.2.10";
        /// A reconfiguration is not heard without authentication.
        Reconfigure = "dhcp6:reconfigure", "RFC 8415 16.11";
    }
}
