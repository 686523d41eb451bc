//! How a closed list of names is written down once.
//!
//! Job: give every vocabulary enum its kebab-case name (what captures, tests and pages print) and the
//! list of all its members; give a layer's rules their sources and verdicts as well. Owns: the macros, nothing else.

/// Defines a closed enum: members with a printed name and a doc line each.
#[macro_export]
macro_rules! vocabulary {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[doc = $doc:literal])+ $member:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        $vis enum $name { $($(#[doc = $doc])+ $member,)+ }

        impl $name {
            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The name that captures, counters and pages print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$member => $text),+ }
            }

            /// The member with this printed name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.name() == name)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

/// Defines the rules of a layer: members with a printed name, the section that says so, and a doc line each.
#[macro_export]
macro_rules! rules {
    ($(#[$meta:meta])* pub enum Rule { $($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $source:literal;)+ }) => {
        $crate::vocabulary! {
            $(#[$meta])*
            pub enum Rule { $($(#[doc = $doc])+ $rule = $name,)+ }
        }

        impl Rule {
            /// The rule as a verdict carries it.
            #[must_use]
            pub const fn as_ref(self) -> $crate::RuleRef {
                match self { $(Self::$rule => $crate::RuleRef { name: $name, source: $source }),+ }
            }

            pub(crate) const fn taken(self) -> $crate::Verdict {
                $crate::Verdict::taken(self.as_ref())
            }

            pub(crate) const fn drop(self, reason: $crate::DropReason) -> $crate::Verdict {
                $crate::Verdict::dropped(reason, self.as_ref())
            }
        }
    };
}
