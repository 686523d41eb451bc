//! Layer 4 of the Outcrop stack: UDP as a sans-IO engine.
