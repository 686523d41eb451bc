//! Layer 3 of the Outcrop stack: IPv4, IPv6 and ICMP as a sans-IO engine.
