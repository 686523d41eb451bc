//! The laboratory of the Outcrop stack: virtual-time worlds, replay, scripts.
