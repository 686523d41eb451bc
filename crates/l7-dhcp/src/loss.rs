//! Why an address may not be used any longer.
//!
//! Job: one list for both families. Owns: the list. Does not know: addresses.

outcrop_base::vocabulary! {
    /// Why an address may not be used any longer.
    pub enum Loss {
        /// Its time is over.
        Expired = "expired",
        /// A server refused it.
        Refused = "refused",
        /// The caller found that somebody else has it.
        Declined = "declined",
        /// The caller gave it back.
        Released = "released",
    }
}
