//! Our short names in words.
//!
//! Job: say in a sentence what a reason, a cause, a state and a limit mean, for who sees them for the first time.
//! Owns: the sentences. Does not know: markup.
//! Sources: RFC 9293 3.3.2 (the states); the others are this stack's own lists in `base`.

use outcrop_base::{Limit, Why};

/// What an everyday packet is for. The rare ones have their sentence in the capture.
pub(super) fn of_why(name: &str) -> Option<&'static str> {
    Some(match Why::from_name(name)? {
        Why::Syn => "Opens a connection: this end names its first sequence number.",
        Why::SynAck => "Answers the SYN: both ends' first sequence numbers are now known here.",
        Why::HandshakeAck => "Completes the handshake: the connection is open at both ends.",
        Why::Data => "Carries bytes that the program wrote, for the first time.",
        Why::PureAck => "Says at once what has arrived; carries nothing else.",
        Why::DelayedAck => "Says what has arrived, after waiting in vain for data to ride on.",
        Why::DupAck => {
            "Something arrived out of order: says again what is still missing, and what is here behind it."
        }
        Why::WindowUpdate => "The program has read: the peer may send more.",
        Why::Fin => "This end has no more to send: finishes its half of the connection.",
        Why::Datagram => "A datagram that a program sent.",
        Why::EchoRequest => "Asks whether somebody is there: a ping.",
        Why::EchoReply => "Answers a ping.",
        Why::GroupReport => "Tells routers which multicast groups somebody here listens to.",
        Why::GroupQuery => "Asks who listens to which multicast groups.",
        Why::Fragment => "A piece of a packet that was too large for the link.",
        Why::Forwarded => "Passed on for somebody else.",
        Why::Raw => "A packet that a program built itself.",
        Why::SynCookie
        | Why::DhcpDiscover
        | Why::DhcpSelect
        | Why::DhcpReboot
        | Why::DhcpRenew
        | Why::DhcpRebind
        | Why::DhcpDecline
        | Why::DhcpRelease
        | Why::DhcpOffer
        | Why::DhcpAck
        | Why::DhcpNak
        | Why::Dhcp6Solicit
        | Why::Dhcp6Request
        | Why::Dhcp6Confirm
        | Why::Dhcp6Renew
        | Why::Dhcp6Rebind
        | Why::Dhcp6Release
        | Why::Dhcp6Decline
        | Why::Dhcp6InformationRequest
        | Why::LimitedTransmit
        | Why::ZeroWindowProbe
        | Why::Rto
        | Why::FastRetransmit
        | Why::TailLossProbe
        | Why::KeepAlive
        | Why::FinRetransmit
        | Why::ResetNoConnection
        | Why::ResetUnacceptableAck
        | Why::ResetAborted
        | Why::ResetUnreadData
        | Why::ResetTimedOut
        | Why::ResetOrphanData
        | Why::ResetContradiction
        | Why::ResetSyn
        | Why::ChallengeAck
        | Why::TimeWaitAck
        | Why::PathMtuProbe
        | Why::PortUnreachable
        | Why::ProtocolUnreachable
        | Why::HostUnreachable
        | Why::PacketTooBig
        | Why::TimeExceeded
        | Why::ParameterProblem
        | Why::Redirect
        | Why::ArpRequest
        | Why::ArpReply
        | Why::ArpProbe
        | Why::ArpAnnouncement
        | Why::NeighborSolicitation
        | Why::NeighborAdvertisement
        | Why::RouterSolicitation
        | Why::RouterAdvertisement => return None,
    })
}

/// What a state of TCP means, in a few words.
pub(super) fn of_state(name: &str) -> Option<&'static str> {
    Some(match name {
        "CLOSED" => "no connection",
        "LISTEN" => "waiting for anybody's SYN",
        "SYN-SENT" => "our SYN is out, no answer yet",
        "SYN-RECEIVED" => "both SYNs are out, ours is not acknowledged yet",
        "ESTABLISHED" => "open: data flows both ways",
        "FIN-WAIT-1" => "we have finished sending; our FIN is not acknowledged yet",
        "FIN-WAIT-2" => "our FIN is acknowledged; the peer may still send",
        "CLOSE-WAIT" => "the peer has finished sending; we may still send",
        "CLOSING" => "both have finished at once; our FIN is not acknowledged yet",
        "LAST-ACK" => "both have finished; the last acknowledgment is awaited",
        "TIME-WAIT" => "over; late packets of this connection are awaited for a while",
        _ => return None,
    })
}

/// What held the sender back, in words; nothing if nothing did.
pub(super) fn of_limit(name: &str) -> Option<&'static str> {
    Some(match Limit::from_name(name)? {
        Limit::App => "the program has written no more",
        Limit::Rwnd => "the peer's window is full",
        Limit::Cwnd => "the congestion window is full",
        Limit::Pacing => "pacing: the next one leaves a little later",
        Limit::Nagle => "Nagle's algorithm or a cork: a small segment waits for company",
        Limit::Sws => "silly window avoidance: too little room to be worth a segment",
        Limit::Recovery => "loss recovery goes first",
        // A full segment holds nobody back: more follows at once.
        Limit::Segment | Limit::None => return None,
    })
}

/// What caused a packet, in words; `None` for another packet, which has a number to go to.
pub(super) fn of_cause(cause: &str) -> Option<String> {
    let (kind, name) = cause.split_once(':')?;
    match kind {
        "timer" => Some(format!("the {} timer ran out", name.replace('-', " "))),
        "app" => Some(format!("the program called {name}")),
        _ => None,
    }
}

/// A whole number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A length of time with three digits, in the unit that suits it.
pub(super) fn lasting(time: core::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "no time".to_owned(),
        s if s < 1e-3 => format!("{:.0}\u{202f}µs", s * 1e6),
        s if s < 1.0 => format!("{:.1}\u{202f}ms", s * 1e3),
        s => format!("{s:.2}\u{202f}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn figures_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(lasting(Duration::from_micros(230)), "230\u{202f}µs");
        assert_eq!(lasting(Duration::from_millis(20)), "20.0\u{202f}ms");
        assert_eq!(lasting(Duration::from_secs(61)), "61.00\u{202f}s");
    }

    #[test]
    fn a_cause_that_is_no_packet_is_told_in_words() {
        assert_eq!(of_cause("app:write").unwrap(), "the program called write");
        assert_eq!(
            of_cause("timer:delayed-ack").unwrap(),
            "the delayed ack timer ran out"
        );
        assert_eq!(of_cause("pkt:3"), None);
    }
}
