//! Layer 5 of the Outcrop stack: the sockets that programs hold.
