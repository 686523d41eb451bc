//! Headers against etherparse's own reading, and against themselves.
