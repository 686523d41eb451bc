//! Losses and their repair, in virtual time.

mod parts;
mod stories;
mod world;

use proptest::prelude::*;

use crate::congestion::Algorithm;

use world::{Script, World};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// On a path that only loses, no retransmission is a mistake: no reduction may be taken back.
    #[test]
    fn path_that_only_loses_nothing_is_ever_undone(
        cubic: bool,
        lost in prop::collection::hash_set(0usize..200, 0..30),
    ) {
        let mut w = World::new(true, true, Script { lost, ..Script::default() });
        if cubic {
            w.controller = Algorithm::Cubic.controller(1000);
        }
        w.write(200_000);
        w.run();
        prop_assert_eq!(w.arrived(), 200_000);
        let undone = w.outcomes.iter().find_map(|o| o.spurious);
        prop_assert_eq!(undone, None);
    }

    /// Whatever is lost, delayed or duplicated on the way: everything arrives, invariants hold after each
    /// step, and nothing is left outstanding.
    #[test]
    fn everything_arrives_whatever_the_path_does(
        sack: bool,
        timestamps: bool,
        cubic: bool,
        one_by_one: bool,
        lost in prop::collection::hash_set(0usize..120, 0..40),
        lost_acks in prop::collection::hash_set(0usize..120, 0..40),
        late in prop::collection::hash_map(0usize..120, 1u64..80, 0..20),
        super_segment in 1u64..6,
    ) {
        let script = Script { lost, lost_acks, late };
        let mut w = World::new(sack, timestamps, script);
        w.super_segment = super_segment;
        w.one_by_one = one_by_one;
        if cubic {
            w.controller = Algorithm::Cubic.controller(1000);
        }
        w.write(150_000);
        w.run();
        prop_assert_eq!(w.arrived(), 150_000);
        prop_assert_eq!(w.recovery.outstanding(), 0);
        prop_assert_eq!(w.recovery.deadline(), None);
    }
}
