//! Layer 1 of the Outcrop stack: TUN devices, in-memory pairs, read buffers, private namespaces.
