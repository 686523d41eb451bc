//! Losses and their repair, in virtual time.
