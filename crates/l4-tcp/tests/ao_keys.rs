//! Stories of a connection whose keys change (RFC 5925 6.1).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::keys::{ids, key, keyed, one_key, simple};
use common::pair::Pair;
use outcrop_tcp::Listen;
use outcrop_tcp::auth::{AoInfo, AoSelect, KeyError, Prefix, Secret};

// RFC 5925 6.1, 7.5 2e: both ends get the new key, one asks, both change, the old one goes.
#[test]
fn both_have_a_second_key_one_asks_both_move_over_without_a_loss() {
    let (mut pair, id) = simple();
    let (accepted, _) = pair.establish(id);
    let peers = pair.addrs.map(|addr| Prefix::from(addr.ip()));
    let info = |pair: &Pair, end: usize, id| pair.ends[end].ao_info(id).unwrap();
    // The client is asked for a key it does not have: nothing happens.
    pair.ends[0]
        .add_ao_key(accepted, key(peers[1], (5, 6), "second"))
        .unwrap();
    let next = AoSelect {
        next: Some(6),
        ..AoSelect::default()
    };
    pair.ends[0].select_ao_keys(accepted, next).unwrap();
    pair.write(0, accepted, b"one");
    let ask = pair.one(0);
    assert_eq!(ids(&ask), (84, 6));
    pair.pass_on(1, &ask);
    assert_eq!(
        info(&pair, 1, id),
        AoInfo {
            current: 61,
            next: 84,
            keys: 1
        }
    );
    // With the key it follows at once; the server goes on under the first until it is asked itself.
    pair.ends[1]
        .add_ao_key(id, key(peers[0], (6, 5), "second"))
        .unwrap();
    pair.write(0, accepted, b"two");
    let said = pair.talk();
    assert_eq!(ids(said.last().unwrap()), (6, 84));
    assert_eq!(
        info(&pair, 0, accepted),
        AoInfo {
            current: 84,
            next: 6,
            keys: 2
        }
    );
    let next = AoSelect {
        next: Some(5),
        ..AoSelect::default()
    };
    pair.ends[1].select_ao_keys(id, next).unwrap();
    pair.write(1, id, b"three");
    pair.talk();
    assert_eq!(
        info(&pair, 0, accepted),
        AoInfo {
            current: 5,
            next: 6,
            keys: 2
        }
    );
    // The old key is not in use any more.
    pair.ends[0].remove_ao_key(accepted, 84, 61).unwrap();
    pair.ends[1].remove_ao_key(id, 61, 84).unwrap();
    assert_eq!(pair.ends[1].remove_ao_key(id, 6, 5), Err(KeyError::InUse));
    pair.write(1, id, b"four");
    let said = pair.talk();
    assert!(
        said.iter()
            .all(|packet| matches!(ids(packet), (5, 6) | (6, 5)))
    );
    assert_eq!(pair.read(0, accepted), b"threefour");
    assert_eq!(pair.read(1, id), b"onetwo");
    let wrong = pair
        .ends
        .iter()
        .map(|end| end.counters().signatures_wrong)
        .sum::<u64>();
    assert_eq!(wrong, 0);
}

// RFC 5925 7.5: segments under the old key still on their way are good while it is there ("backing up", 6.1).
#[test]
fn segments_cross_a_change_of_keys_none_is_lost() {
    let (mut pair, id) = keyed(Listen::default(), false, |peer, client| {
        let first = one_key(peer, client);
        let ids = if client { (6, 5) } else { (5, 6) };
        [first, vec![key(peer, ids, "second")]].concat()
    });
    let (accepted, _) = pair.establish(id);
    pair.write(1, id, b"old ");
    let old = pair.one(1);
    let current = AoSelect {
        current: Some(6),
        ..AoSelect::default()
    };
    pair.ends[1].select_ao_keys(id, current).unwrap();
    pair.write(1, id, b"new");
    let new = pair.one(1);
    assert_eq!((ids(&old), ids(&new)), ((61, 84), (6, 84)));
    pair.pass_on(0, &new);
    pair.pass_on(0, &old);
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"old new");
}

#[test]
fn peer_begins_with_its_second_key_listener_answers_under_it() {
    let (mut pair, id) = keyed(Listen::default(), false, |peer, client| {
        let ids = if client { (6, 5) } else { (5, 6) };
        let second = vec![key(peer, ids, "second")];
        let first = one_key(peer, client);
        if client {
            [second, first].concat()
        } else {
            [first, second].concat()
        }
    });
    let (accepted, said) = pair.establish(id);
    assert_eq!((ids(&said[0]), ids(&said[1])), ((6, 5), (5, 6)));
    let info = pair.ends[0].ao_info(accepted);
    assert_eq!(
        info,
        Some(AoInfo {
            current: 5,
            next: 6,
            keys: 2
        })
    );
}

#[test]
fn keys_of_a_connection_are_for_its_peer_have_ids_of_their_own_and_stay_of_their_kind() {
    let (mut pair, id) = simple();
    pair.establish(id);
    let peers = pair.addrs.map(|addr| Prefix::from(addr.ip()));
    let end = &mut pair.ends[1];
    assert_eq!(
        end.add_ao_key(id, key(peers[1], (1, 2), "k")),
        Err(KeyError::OtherPeer)
    );
    assert_eq!(
        end.add_ao_key(id, key(peers[0], (61, 2), "k")),
        Err(KeyError::DuplicateId)
    );
    assert_eq!(end.remove_ao_key(id, 1, 2), Err(KeyError::Unknown));
    assert_eq!(end.remove_ao_key(id, 61, 84), Err(KeyError::InUse));
    let select = AoSelect {
        current: Some(9),
        next: None,
    };
    assert_eq!(end.select_ao_keys(id, select), Err(KeyError::Unknown));
    let md5 = Some(Secret::new(b"md5").unwrap());
    assert_eq!(end.set_md5sig(id, peers[0], md5), Err(KeyError::TooLate));
    assert_eq!(
        end.ao_info(id),
        Some(AoInfo {
            current: 61,
            next: 84,
            keys: 1
        })
    );
}
