//! outcrop.

fn main() {}
