use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn bounds(per_place: usize, total: usize) -> Bounds {
    Bounds {
        per_place,
        total,
        idle: Duration::from_secs(10),
        waiting: 3,
    }
}

fn ask(pool: &mut Pool<char, u8>, to: char, seconds: u64) -> Option<Grant<u8>> {
    let ticket = pool.join(to)?;
    let grant = pool.grant(ticket, at(seconds));
    if grant.is_none() {
        pool.leave(ticket);
    }
    grant
}

const NEW: Option<Grant<u8>> = Some(Grant::Dial(None));

#[test]
fn connection_given_back_is_lent_again_and_the_last_one_first() {
    let mut pool = Pool::new(bounds(2, 4));
    assert_eq!((ask(&mut pool, 'a', 0), ask(&mut pool, 'a', 0)), (NEW, NEW));
    pool.give_back(&'a', 1, at(1));
    pool.give_back(&'a', 2, at(2));
    assert_eq!(
        ask(&mut pool, 'b', 3),
        NEW,
        "another place, another connection"
    );
    assert_eq!(ask(&mut pool, 'a', 3), Some(Grant::Reuse(2)));
    assert_eq!((pool.open(), pool.idle()), (3, 1));
}

#[test]
fn idle_too_long_it_is_closed_and_not_lent() {
    let mut pool = Pool::new(bounds(2, 4));
    assert_eq!((ask(&mut pool, 'a', 0), ask(&mut pool, 'a', 0)), (NEW, NEW));
    pool.give_back(&'a', 1, at(0));
    pool.give_back(&'a', 2, at(5));
    assert_eq!(pool.poll_timeout(), Some(at(10)));
    assert!(pool.expire(at(9)).is_empty());
    assert_eq!(pool.expire(at(10)), [1]);
    assert_eq!(pool.poll_timeout(), Some(at(15)));
    // Nobody looked in time: it is old all the same.
    assert_eq!(ask(&mut pool, 'a', 15), NEW);
    assert_eq!((pool.open(), pool.idle()), (1, 0));
    pool.gone(&'a');
    assert_eq!((pool.open(), pool.poll_timeout()), (0, None));
}

#[test]
fn place_is_full_the_next_waits_its_turn_and_others_do_not() {
    let mut pool = Pool::new(bounds(1, 4));
    assert_eq!(ask(&mut pool, 'a', 0), NEW);
    let (first, second) = (pool.join('a').unwrap(), pool.join('a').unwrap());
    assert_eq!((pool.grant(first, at(0)), pool.next()), (None, None));
    assert_eq!(
        ask(&mut pool, 'b', 0),
        NEW,
        "who can have something does not wait behind who cannot"
    );
    pool.give_back(&'a', 1, at(1));
    assert_eq!(pool.next(), Some(first));
    assert_eq!(pool.grant(second, at(1)), None, "not before the first");
    assert_eq!(pool.grant(first, at(1)), Some(Grant::Reuse(1)));
    assert_eq!(pool.next(), None);
    // The first one's connection breaks: the second may make its own.
    pool.gone(&'a');
    assert_eq!(pool.grant(second, at(2)), NEW);
}

#[test]
fn all_are_taken_an_idle_one_elsewhere_makes_room_and_a_busy_one_does_not() {
    let mut pool = Pool::new(bounds(2, 2));
    assert_eq!((ask(&mut pool, 'a', 0), ask(&mut pool, 'b', 0)), (NEW, NEW));
    assert_eq!(ask(&mut pool, 'c', 0), None);
    pool.give_back(&'b', 7, at(1));
    assert_eq!(ask(&mut pool, 'c', 2), Some(Grant::Dial(Some(7))));
    assert_eq!((pool.open(), pool.idle()), (2, 0));
}

#[test]
fn queue_is_full_whoever_comes_is_sent_away_until_one_leaves() {
    let mut pool: Pool<char, u8> = Pool::new(bounds(0, 0));
    let tickets: Vec<_> = (0..3).map(|_| pool.join('a').unwrap()).collect();
    assert_eq!(pool.join('a'), None);
    pool.leave(tickets[1]);
    assert!(pool.join('a').is_some());
}

/// Any mixture of calls: counts fit what is out there, and nobody who could be served is passed over.
#[test]
fn counts_hold_whatever_happens() {
    let mut pool = Pool::new(bounds(2, 3));
    let (mut lent, mut seed, mut made) = (Vec::new(), 7_u32, 0_u32);
    for step in 0..5000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let to = ['a', 'b', 'c'][(seed >> 16) as usize % 3];
        match (seed >> 24) % 4 {
            0 | 1 => match ask(&mut pool, to, step) {
                Some(Grant::Reuse(id)) => lent.push((to, id)),
                Some(Grant::Dial(_)) => {
                    made += 1;
                    lent.push((to, u8::try_from(made % 250).unwrap()));
                }
                None => assert!(pool.next().is_none()),
            },
            2 if !lent.is_empty() => {
                let (to, id) = lent.remove((seed >> 8) as usize % lent.len());
                pool.give_back(&to, id, at(step));
            }
            2 => drop(pool.expire(at(step))),
            _ if !lent.is_empty() => pool.gone(&lent.remove(0).0),
            _ => {}
        }
        assert_eq!(pool.open(), lent.len() + pool.idle());
        assert!(pool.open() <= 3);
        for place in ['a', 'b', 'c'] {
            assert!(lent.iter().filter(|(to, _)| *to == place).count() <= 2);
        }
    }
    assert!(made > 500);
}
