//! The ring against a plain list.

use proptest::prelude::*;

use super::*;
use outcrop_base::Transport;

const SPAN: Duration = Duration::from_secs(60);

fn flow(port: u16) -> Flow {
    let v6 = port.is_multiple_of(2);
    let (local, remote) = if v6 {
        ("[2001:db8::1]:80", format!("[2001:db8::2]:{}", 1000 + port))
    } else {
        ("10.0.0.1:80", format!("10.0.0.2:{}", 1000 + port))
    };
    Flow {
        transport: Transport::Tcp,
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn table(max: usize) -> TimeWaitTable {
    let seed = Seed::from_number(1);
    TimeWaitTable::new((SPAN, max), Isn::new(&seed), &seed)
}

const REST: Rest = Rest {
    snd_nxt: SeqNum::new(1),
    rcv_nxt: SeqNum::new(1),
    window: 0,
    shift: 0,
    recent: None,
};

#[derive(Clone, Debug)]
enum Step {
    Insert(u16),
    Renew(u16),
    Remove(u16),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u16..600).prop_map(Step::Insert),
        2 => (0u16..600).prop_map(Step::Renew),
        2 => (0u16..600).prop_map(Step::Remove),
        1 => (0u64..40_000).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Against the plain model: a list of flows with the instant at which each leaves.
    #[test]
    fn ring_agrees_with_a_list_of_flows_and_ends(steps in prop::collection::vec(step(), 1..1500)) {
        let mut table = table(usize::MAX);
        let mut model: Vec<(u16, Instant)> = Vec::new();
        let mut renewed = Vec::new();
        let mut now = Instant::from_secs(5);
        for step in steps {
            match step {
                Step::Insert(port) if model.iter().all(|(other, _)| *other != port) => {
                    table.insert(now, &flow(port), &REST);
                    model.push((port, now + SPAN));
                }
                Step::Insert(_) => {}
                Step::Renew(port) => {
                    table.ring.tick(now);
                    if let Some(id) = table.ring.find(&flow(port)) {
                        table.ring.renew(id);
                    }
                    for entry in model.iter_mut().filter(|(other, _)| *other == port) {
                        entry.1 = now + SPAN;
                        renewed.push(port);
                    }
                }
                Step::Remove(port) => {
                    if let Some(id) = table.ring.find(&flow(port)) {
                        table.ring.remove(id);
                    }
                    model.retain(|(other, _)| *other != port);
                    renewed.retain(|other| *other != port);
                }
                Step::Pass(ms) => {
                    now += Duration::from_millis(ms);
                    while let Some(flow) = table.pop_due(now) {
                        let port = flow.remote.port() - 1000;
                        let at = model.iter().position(|(other, at)| *other == port && *at <= now);
                        prop_assert!(at.is_some(), "{port} left early");
                        model.remove(at.unwrap());
                        renewed.retain(|other| *other != port);
                    }
                    // One renewed may leave with those put to rest after it.
                    let late = |(port, at): &&(u16, Instant)| *at + SPAN <= now || !renewed.contains(port) && *at <= now;
                    prop_assert_eq!(model.iter().find(late), None);
                }
            }
            prop_assert_eq!(table.len(), model.len());
            let first = model.iter().filter(|(port, _)| !renewed.contains(port)).map(|(_, at)| *at).min();
            prop_assert!(first.is_none_or(|first| table.next().is_some_and(|next| next <= first)));
        }
        for port in 0..600 {
            prop_assert_eq!(table.rests(&flow(port)), model.iter().any(|(other, _)| *other == port));
        }
    }
}

#[test]
fn full_table_takes_one_more_the_oldest_leaves_early() {
    let mut table = table(1000);
    for port in 0..1001 {
        table.insert(Instant::from_millis(u64::from(port)), &flow(port), &REST);
    }
    assert_eq!(table.len(), 1000);
    assert!(!table.rests(&flow(0)) && table.rests(&flow(1)) && table.rests(&flow(1000)));
}

#[test]
fn answers_are_limited_each_second() {
    let mut table = table(10);
    table.insert(Instant::ZERO, &flow(1), &REST);
    let mut answered = |ms: u64| {
        let now = Instant::from_millis(ms);
        let id = table.ring.find(&flow(1)).unwrap();
        let entry = table.ring.get_mut(id).unwrap();
        (0..100)
            .filter(|_| entry.may_answer(now, params::CHALLENGES))
            .count()
    };
    assert_eq!(answered(0), 5);
    assert_eq!(answered(900), 0);
    assert_eq!(answered(1000), 5);
}
