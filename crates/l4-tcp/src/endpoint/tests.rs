//! What a phase costs.

use super::place::{Ended, Place, Sleeper};
use crate::config::Settings;
use crate::congestion::Cubic;
use crate::connection::Connection;
use crate::handshake::Embryo;
use crate::listener::Listener;
use crate::table::FlowTable;
use crate::time_wait::TimeWait;

/// Memory is designed: a flood costs embryos, a busy server costs TIME-WAIT entries, a large one sleepers.
/// What each costs all in, with its table entries, is measured in `tests/memory.rs`.
#[test]
fn a_phase_costs_what_it_was_designed_to_cost() {
    let sizes = [
        ("a slot, with its flow", FlowTable::<Place>::SLOT, 128),
        ("embryo", size_of::<Embryo>(), 136),
        ("connection", size_of::<Connection>(), 2176),
        ("its controller", size_of::<Cubic>(), 136),
        ("quiet connection", size_of::<Sleeper>(), 664),
        ("ended connection", size_of::<Ended>(), 1024),
        ("TIME-WAIT", size_of::<TimeWait>(), 48),
        ("listener", size_of::<Listener>(), 400),
        ("settings", size_of::<Settings>(), 208),
    ];
    for (what, is, limit) in sizes {
        println!("{what}: {is} bytes");
        assert!(is <= limit, "{what}: {is} bytes, designed for {limit}");
    }
}
