//! The Outcrop stack: the one crate that knows two neighbouring layers.
