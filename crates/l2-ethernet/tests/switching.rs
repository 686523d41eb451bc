//! Stories of a switch, and the switch against a plain list.

use core::time::Duration;
use std::collections::HashMap;

use outcrop_base::{HeaderRoom, Instant};
use outcrop_ethernet::wire::{self, Header, Tag};
use outcrop_ethernet::{Forward, MacAddr, Port, Ports, Rule, Switch, SwitchConfig};
use proptest::prelude::*;

const START: Instant = Instant::from_secs(1);

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn hear(
    switch: &mut Switch,
    now: Instant,
    port: u8,
    (src, dst): (MacAddr, MacAddr),
    vlan: Option<u16>,
) -> Forward {
    let header = Header {
        dst,
        src,
        tag: vlan.map(|vlan| Tag {
            vlan,
            ..Tag::default()
        }),
        ether_type: wire::TYPE_IPV4,
    };
    let mut room = HeaderRoom::new();
    wire::emit(&header, &mut room);
    switch.handle_frame(now, Port(port), room.as_slice())
}

fn four() -> Switch {
    switch(SwitchConfig::default())
}

fn switch(config: SwitchConfig) -> Switch {
    Switch::new(SwitchConfig { ports: 4, ..config })
}

fn ports(forward: Forward) -> Vec<u8> {
    forward.to.iter().map(|port| port.0).collect()
}

#[test]
fn unknown_station_is_flooded_to_and_known_one_is_not() {
    let mut switch = four();
    let first = hear(&mut switch, START, 0, (mac(1), mac(2)), None);
    assert_eq!(
        (ports(first), first.verdict.rule),
        (vec![1, 2, 3], Rule::SwitchFlood.as_ref())
    );
    let back = hear(&mut switch, START, 2, (mac(2), mac(1)), None);
    assert_eq!(
        (ports(back), back.verdict.rule),
        (vec![0], Rule::SwitchForward.as_ref())
    );
    assert_eq!(
        ports(hear(&mut switch, START, 0, (mac(1), mac(2)), None)),
        [2]
    );
    assert_eq!(
        ports(hear(
            &mut switch,
            START,
            0,
            (mac(1), MacAddr::BROADCAST),
            None
        )),
        [1, 2, 3]
    );
    // Both behind one port: nothing to do. In another VLAN: unknown.
    assert!(ports(hear(&mut switch, START, 2, (mac(3), mac(2)), None)).is_empty());
    assert_eq!(
        ports(hear(&mut switch, START, 0, (mac(1), mac(2)), Some(9))),
        [1, 2, 3]
    );
}

#[test]
fn station_that_moves_is_followed_and_silent_one_forgotten() {
    let mut switch = four();
    let _ = hear(&mut switch, START, 0, (mac(1), mac(9)), None);
    let _ = hear(&mut switch, START, 3, (mac(1), mac(9)), None);
    assert_eq!(switch.port_of(START, 0, mac(1)), Some(Port(3)));
    let end = START + Duration::from_secs(300);
    assert_eq!(switch.poll_timeout(), Some(end));
    switch.handle_timeout(end);
    assert!(switch.is_empty() && switch.poll_timeout().is_none());
}

#[test]
fn hub_repeats_everything_and_learns_nothing() {
    let mut hub = switch(SwitchConfig {
        hub: true,
        ..SwitchConfig::default()
    });
    let _ = hear(&mut hub, START, 0, (mac(1), mac(2)), None);
    assert_eq!(
        ports(hear(&mut hub, START, 1, (mac(2), mac(1)), None)),
        [0, 2, 3]
    );
    assert!(hub.is_empty());
}

#[test]
fn port_that_invents_addresses_fills_only_its_share() {
    let mut switch = switch(SwitchConfig {
        stations: 16,
        stations_per_port: 8,
        ..SwitchConfig::default()
    });
    for n in 0..100 {
        let _ = hear(&mut switch, START, 0, (mac(n), mac(200)), None);
    }
    assert_eq!(switch.len(), 8);
    let _ = hear(&mut switch, START, 1, (mac(150), mac(200)), None);
    assert_eq!(
        ports(hear(&mut switch, START, 2, (mac(151), mac(150)), None)),
        [1]
    );
}

#[test]
fn reserved_group_and_impossible_source_end_here() {
    let mut switch = four();
    let spanning_tree = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);
    let end = hear(&mut switch, START, 0, (mac(1), spanning_tree), None);
    assert_eq!(
        (end.to, end.verdict.rule),
        (Ports::NONE, Rule::SwitchReserved.as_ref())
    );
    let forged = hear(&mut switch, START, 0, (MacAddr::BROADCAST, mac(1)), None);
    assert_eq!(forged.verdict.rule, Rule::SwitchSource.as_ref());
    assert_eq!(
        switch.handle_frame(START, Port(0), &[0; 13]).to,
        Ports::NONE
    );
}

#[test]
fn filter_by_hand_goes_before_what_was_learned() {
    let mut switch = four();
    let _ = hear(&mut switch, START, 0, (mac(1), mac(2)), None);
    switch.filter(mac(1), Some(Ports::NONE.with(Port(2))));
    assert_eq!(
        ports(hear(&mut switch, START, 1, (mac(2), mac(1)), None)),
        [2]
    );
    switch.filter(mac(1), Some(Ports::NONE));
    assert!(ports(hear(&mut switch, START, 1, (mac(2), mac(1)), None)).is_empty());
    switch.filter(mac(1), None);
    assert_eq!(
        ports(hear(&mut switch, START, 1, (mac(2), mac(1)), None)),
        [0]
    );
}

proptest! {
    /// Against the plain model: who was last heard where, and when.
    #[test]
    fn behaves_as_a_list_of_last_words(frames in prop::collection::vec((0u8..4, 0u8..6, 0u8..6, 0u64..120), 0..200)) {
        let mut switch = four();
        let mut model: HashMap<u8, (u8, Instant)> = HashMap::new();
        let mut now = START;
        for (port, src, dst, wait) in frames {
            now += Duration::from_secs(wait);
            switch.handle_timeout(now);
            model.retain(|_, (_, heard)| now.saturating_since(*heard) < Duration::from_secs(300));
            model.insert(src, (port, now));
            let expected: Vec<u8> = match model.get(&dst) {
                Some((known, _)) => (0..4).filter(|p| p == known && *p != port).collect(),
                None => (0..4).filter(|p| *p != port).collect(),
            };
            prop_assert_eq!(ports(hear(&mut switch, now, port, (mac(src), mac(dst)), None)), expected);
            prop_assert_eq!(switch.len(), model.len());
        }
    }
}
