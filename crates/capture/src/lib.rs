//! Annotated captures of the Outcrop stack: pcapng with state and reasons.
