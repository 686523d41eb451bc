//! End-to-end tests of the Outcrop stack against real programs.
