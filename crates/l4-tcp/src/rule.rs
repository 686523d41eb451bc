//! Which sentence of a standard decided.
//!
//! Job: give every verdict of this engine a name and a section.
//! Owns: the closed list. Does not know: how a rule is applied; `connection::segment_arrives` does.
//! Tests ask for rules by name, and one test of the laboratory fails on a rule nobody reached.

use outcrop_base::{DropReason, RuleRef, Verdict};

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $member:ident = $text:literal, $source:literal;)+) => {
        outcrop_base::vocabulary! {
            /// The rule that decided what became of a segment.
            pub enum Rule { $($(#[doc = $doc])+ $member = $text,)+ }
        }

        impl Rule {
            /// Where it is written.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$member => $source),+ }
            }
        }
    };
}

rules! {
    /// A SYN or a segment from an address no connection may have is dropped silently.
    BadAddress = "tcp:bad-address", "RFC 9293 3.9.2.3 MUST-57";
    /// A segment without the signature its flow is under is dropped, and not answered.
    SignatureMissing = "tcp:signature-missing", "RFC 2385 2.0, RFC 5925 7.5 2b";
    /// A signed segment for a flow that has no key is dropped.
    SignatureUnexpected = "tcp:signature-unexpected", "RFC 5925 7.3";
    /// A segment signed under a key we do not have is dropped.
    SignatureUnknownKey = "tcp:signature-unknown-key", "RFC 5925 7.5 2c";
    /// A segment whose signature is not its sender's is dropped, and not answered.
    SignatureWrong = "tcp:signature-wrong", "RFC 2385 2.0, RFC 5925 7.5 2d";
    /// A segment with both kinds of signature, or with one twice, is dropped.
    SignatureConflict = "tcp:signature-conflict", "RFC 5925 2.2";
    /// A reset that fits no connection is dropped.
    ClosedIgnoresReset = "tcp:closed-ignores-reset", "RFC 9293 3.10.7.1";
    /// A segment that fits no connection is answered by a reset.
    ClosedResets = "tcp:closed-resets", "RFC 9293 3.10.7.1";
    /// A listener ignores a reset.
    ListenIgnoresReset = "tcp:listen-ignores-reset", "RFC 9293 3.10.7.2";
    /// A listener answers any acknowledgment by a reset.
    ListenResetsAck = "tcp:listen-resets-ack", "RFC 9293 3.10.7.2";
    /// A listener answers a SYN by a SYN-ACK.
    ListenTakesSyn = "tcp:listen-takes-syn", "RFC 9293 3.10.7.2";
    /// A listener whose queues are full drops a SYN: the peer will repeat it.
    ListenOverflow = "tcp:listen-overflow", "RFC 4987 3.2";
    /// A listener whose queue of handshakes is full answers a SYN by a cookie.
    ListenSendsCookie = "tcp:listen-sends-cookie", "RFC 4987 3.6";
    /// A listener takes an acknowledgment that brings a cookie of ours back.
    CookieEstablishes = "tcp:cookie-establishes", "RFC 4987 3.6";
    /// A listener that sent cookies drops text without one: what brings the cookie may be behind it.
    CookieMissing = "tcp:cookie-missing", "RFC 4987 3.6";
    /// A SYN with a good fast-open cookie has its text taken at once.
    FastOpenTaken = "tcp:fast-open-taken", "RFC 7413 4.2.2";
    /// A listener drops what is neither SYN, ACK nor RST.
    ListenDropsOther = "tcp:listen-drops-other", "RFC 9293 3.10.7.2";
    /// In SYN-SENT, an acknowledgment of something never sent is answered by a reset.
    SynSentBadAck = "tcp:syn-sent-bad-ack", "RFC 9293 3.10.7.3";
    /// In SYN-SENT, a reset without an acceptable acknowledgment is dropped.
    SynSentBlindReset = "tcp:syn-sent-blind-reset", "RFC 9293 3.10.7.3";
    /// In SYN-SENT, a reset that acknowledges our SYN refuses the connection.
    SynSentRefused = "tcp:syn-sent-refused", "RFC 9293 3.10.7.3";
    /// In SYN-SENT, a SYN that acknowledges ours completes the handshake.
    SynSentEstablishes = "tcp:syn-sent-establishes", "RFC 9293 3.10.7.3";
    /// In SYN-SENT, a SYN alone opens the connection from both ends at once.
    SynSentSimultaneous = "tcp:syn-sent-simultaneous", "RFC 9293 3.5";
    /// In SYN-SENT, what is neither SYN nor RST is dropped.
    SynSentDropsOther = "tcp:syn-sent-drops-other", "RFC 9293 3.10.7.3";
    /// In SYN-RECEIVED after a passive open, a reset returns to LISTEN.
    SynReceivedResetToListen = "tcp:syn-received-reset-to-listen", "RFC 9293 3.10.7.4 second";
    /// In SYN-RECEIVED after an active open, a reset refuses the connection.
    SynReceivedRefused = "tcp:syn-received-refused", "RFC 9293 3.10.7.4 second";
    /// In SYN-RECEIVED, a SYN that asks for the other kind of ECN than the one before ends the handshake.
    SynContradicts = "tcp:syn-contradicts", "RFC 9768 3.1.5";
    /// In SYN-RECEIVED, the SYN we answered came again: the SYN-ACK is repeated.
    SynReceivedSynAgain = "tcp:syn-received-syn-again", "RFC 9293 3.8.1";
    /// In SYN-RECEIVED after a passive open, another SYN in the window returns to LISTEN.
    SynReceivedSynToListen = "tcp:syn-received-syn-to-listen", "RFC 9293 3.10.7.4 fourth";
    /// In SYN-RECEIVED, an acknowledgment of something never sent is answered by a reset.
    SynReceivedBadAck = "tcp:syn-received-bad-ack", "RFC 9293 3.10.7.4 fifth";
    /// In SYN-RECEIVED, the acknowledgment of our SYN establishes.
    SynReceivedEstablishes = "tcp:syn-received-establishes", "RFC 9293 3.10.7.4 fifth";
    /// The accept queue is full: the ACK of our SYN is ignored, the SYN-ACK will be repeated.
    AcceptOverflow = "tcp:accept-overflow", "RFC 9293 MUST-4, backlog";
    /// The ACK of our SYN waits for the client's first bytes.
    AcceptDeferred = "tcp:accept-deferred", "RFC 9293 3.10.7.4 fifth, TCP_DEFER_ACCEPT";
    /// An old duplicate by its timestamp is acknowledged and dropped.
    Paws = "tcp:paws", "RFC 7323 5.3 R1";
    /// A segment outside the window is acknowledged and dropped.
    OutOfWindow = "tcp:out-of-window", "RFC 9293 3.10.7.4 first";
    /// A reset outside the window is dropped silently.
    ResetOutOfWindow = "tcp:reset-out-of-window", "RFC 9293 3.10.7.4 first";
    /// A reset at exactly RCV.NXT resets.
    ResetExact = "tcp:reset-exact", "RFC 5961 3.2, RFC 9293 3.10.7.4 second";
    /// A reset anywhere in the window resets, where RFC 5961 is switched off.
    ResetInWindow = "tcp:reset-in-window", "RFC 793 3.4 (Settings::guessable)";
    /// A SYN in the window resets, where RFC 5961 is switched off.
    SynInWindow = "tcp:syn-in-window", "RFC 793 3.9 fourth (Settings::guessable)";
    /// A reset elsewhere in the window is challenged.
    ResetInexact = "tcp:reset-inexact", "RFC 5961 3.2, RFC 9293 3.10.7.4 second";
    /// A SYN in a synchronised state is challenged.
    SynChallenged = "tcp:syn-challenged", "RFC 5961 4.2, RFC 9293 3.10.7.4 fourth";
    /// A segment without ACK is dropped.
    AckMissing = "tcp:ack-missing", "RFC 9293 3.10.7.4 fifth";
    /// An acknowledgment of something never sent is acknowledged and dropped.
    AckOfUnsent = "tcp:ack-of-unsent", "RFC 9293 3.10.7.4 fifth";
    /// An acknowledgment older than the largest window is challenged.
    AckTooOld = "tcp:ack-too-old", "RFC 5961 5.2, MAY-12";
    /// The acknowledgment of our FIN in LAST-ACK ends the connection.
    LastAckDone = "tcp:last-ack-done", "RFC 9293 3.10.7.4 fifth";
    /// New data for a connection the program has let go of is answered by a reset.
    OrphanData = "tcp:orphan-data", "RFC 9293 3.6.1, RFC 1122 4.2.2.13";
    /// Text in order, or out of order and kept.
    TextTaken = "tcp:text-taken", "RFC 9293 3.10.7.4 seventh";
    /// Text after the peer's FIN is ignored.
    TextAfterFin = "tcp:text-after-fin", "RFC 9293 3.10.7.4 seventh";
    /// There is no memory for more out-of-order text.
    TextNoMemory = "tcp:text-no-memory", "RFC 9293 3.10.7.4 seventh";
    /// The peer's FIN is in order.
    FinTaken = "tcp:fin-taken", "RFC 9293 3.10.7.4 eighth";
    /// An acknowledgment and nothing else.
    AckTaken = "tcp:ack-taken", "RFC 9293 3.10.7.4 fifth";
    /// A reset in TIME-WAIT is ignored.
    TimeWaitIgnoresReset = "tcp:time-wait-ignores-reset", "RFC 1337 3";
    /// A fresh SYN in TIME-WAIT opens the next incarnation.
    TimeWaitReuse = "tcp:time-wait-reuse", "RFC 6191 2, RFC 9293 3.10.7.4 fourth";
    /// Any other SYN in TIME-WAIT is challenged.
    TimeWaitSyn = "tcp:time-wait-syn", "RFC 5961 4.2";
    /// The peer's FIN again: acknowledged, and 2 MSL start anew.
    TimeWaitFin = "tcp:time-wait-fin", "RFC 9293 3.10.7.4 eighth";
    /// Anything unacceptable in TIME-WAIT is acknowledged and dropped.
    TimeWaitUnacceptable = "tcp:time-wait-unacceptable", "RFC 9293 3.10.7.4 first";
    /// Anything else in TIME-WAIT is dropped.
    TimeWaitDrops = "tcp:time-wait-drops", "RFC 9293 3.10.7.4";
    /// ICMP news about something not in flight is ignored.
    PathUnrelated = "tcp:path-unrelated", "RFC 5927 4.1";
    /// ICMP: the path's MTU is smaller.
    PathTooBig = "tcp:path-too-big", "RFC 1191 6.4, RFC 8201 5";
    /// ICMP: the way of what was sent again is interrupted; the timer backs off less.
    PathDisrupted = "tcp:path-disrupted", "RFC 6069 4.2";
    /// ICMP: unreachable for now; the retransmissions decide.
    PathSoft = "tcp:path-soft", "RFC 1122 4.2.3.9, MUST-56";
    /// ICMP: nothing proves that it concerns a signed connection: ignored.
    PathUnprotected = "tcp:path-unprotected", "RFC 5925 7.8";
    /// ICMP: unreachable for good, while the connection is being opened.
    PathHard = "tcp:path-hard", "RFC 1122 4.2.3.9, SHLD-26";
}

impl Rule {
    /// The segment had its effect.
    pub(crate) fn taken(self) -> Verdict {
        Verdict::taken(self.into())
    }

    /// The segment had none.
    pub(crate) fn dropped(self, reason: DropReason) -> Verdict {
        Verdict::dropped(reason, self.into())
    }
}

impl From<Rule> for RuleRef {
    fn from(rule: Rule) -> Self {
        Self {
            name: rule.name(),
            source: rule.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_named_once_and_cited() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(*rule));
            assert!(rule.source().starts_with("RFC "), "{rule}");
        }
    }
}
