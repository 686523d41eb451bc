//! Layer 4 of the Outcrop stack: TCP as a sans-IO engine.
