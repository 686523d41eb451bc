//! The rules by which a datagram is judged.
//!
//! Job: name every decision of this layer, with its source. Owns: the list. Does not know: how a rule is applied.

use outcrop_base::{DropReason, RuleRef, Verdict};

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $source:literal;)+) => {
        /// One rule of UDP.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[doc = $doc])+ $rule,)+ }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule),+];

            /// The rule as a verdict carries it.
            #[must_use]
            pub const fn as_ref(self) -> RuleRef {
                match self { $(Self::$rule => RuleRef { name: $name, source: $source }),+ }
            }
        }
    };
}

rules! {
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

impl Rule {
    pub(crate) const fn taken(self) -> Verdict {
        Verdict::taken(self.as_ref())
    }

    pub(crate) const fn drop(self, reason: DropReason) -> Verdict {
        Verdict::dropped(reason, self.as_ref())
    }
}
