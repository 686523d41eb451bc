//! What a phase costs.

use crate::connection::Connection;
use crate::handshake::Embryo;
use crate::time_wait::TimeWait;

/// Memory is designed: a flood costs embryos, a busy server costs TIME-WAIT entries.
#[test]
fn a_phase_costs_what_it_was_designed_to_cost() {
    let sizes = [
        size_of::<TimeWait>(),
        size_of::<Embryo>(),
        size_of::<Connection>(),
    ];
    assert!(sizes[0] <= 72, "TIME-WAIT entry: {sizes:?}");
    assert!(sizes[1] <= 160, "embryo: {sizes:?}");
    assert!(sizes[2] <= 1792, "connection: {sizes:?}");
}
