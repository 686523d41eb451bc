//! Simulated links in virtual time, as a sans-IO engine.
