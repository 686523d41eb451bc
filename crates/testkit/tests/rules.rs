//! Every rule of the TCP engine decides something in the laboratory.
//!
//! One process runs the table and some simulations and collects the rules they name. A rule nobody reached is dead
//! code or a missing test: it fails here, unless it stands below with the reason and the test that reaches it.

use std::collections::BTreeSet;

use outcrop_tcp::Rule;
use outcrop_testkit::simulate::{Plan, run};
use outcrop_testkit::table::{cells, observed};

/// Rules that neither a table of single segments nor two honest ends can reach, and who does reach them.
const ELSEWHERE: &[(Rule, &str)] = &[
    (
        Rule::BadAddress,
        "no honest stack delivers one: l4-tcp/tests/handshake, broadcast SYN",
    ),
    (
        Rule::ListenOverflow,
        "needs a flood: l4-tcp/tests/handshake, syn_queue_full",
    ),
    (
        Rule::AcceptOverflow,
        "needs a program that does not accept: l4-tcp/tests/handshake, accept_queue_full",
    ),
    (
        Rule::SynReceivedRefused,
        "needs a simultaneous open: l4-tcp/tests/bugs, reset_in_a_simultaneous_open",
    ),
    (
        Rule::AckTooOld,
        "needs an ACK older than the largest window: l4-tcp/tests/resets, ack_of_the_future",
    ),
    (
        Rule::TextNoMemory,
        "needs crumbs out of order by the thousand: l4-tcp/src/recv/tests",
    ),
    (
        Rule::Gone,
        "an ended connection leaves the table of flows: kept for a place that has not yet",
    ),
    (
        Rule::PathHard,
        "ICMP, not a segment: l4-tcp/tests/handshake, port_unreachable",
    ),
    (Rule::PathSoft, "ICMP, not a segment: l4-tcp/tests/anything"),
    (
        Rule::PathDisrupted,
        "ICMP, not a segment: l4-tcp/tests/early_timeout, router_says_unreachable",
    ),
    (
        Rule::SynContradicts,
        "accurate ECN must be on: l4-tcp/tests/accurate_ecn, syn_comes_again_asking_for_the_other_kind",
    ),
    (
        Rule::PathTooBig,
        "ICMP, not a segment: l4-tcp/tests/data, packet_too_big",
    ),
    (
        Rule::ListenSendsCookie,
        "needs a flood: l4-tcp/tests/cookies, queue_full_syn",
    ),
    (
        Rule::CookieEstablishes,
        "needs a flood: l4-tcp/tests/cookies, queue_full_syn",
    ),
    (
        Rule::CookieMissing,
        "needs a flood: l4-tcp/tests/cookies, text_out_of_order_without_cookie",
    ),
    (
        Rule::FastOpenTaken,
        "a listener must ask for it: l4-tcp/tests/fast_open, syn_with_good_cookie",
    ),
    (
        Rule::AcceptDeferred,
        "a listener must ask for it: l4-tcp/tests/patience, accept_deferred",
    ),
    (
        Rule::PathUnrelated,
        "ICMP, not a segment: stack/tests/hosts",
    ),
];

#[test]
fn every_rule_is_reached_or_named_with_its_reason() {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for cell in cells() {
        reached.insert(observed(&cell).outcome.rule.name());
    }
    for seed in 0..120 {
        reached.extend(run(&Plan::from_seed(seed)).unwrap().rules);
    }
    let named = |rule: &Rule| ELSEWHERE.iter().any(|(known, _)| known == rule);
    let unreached: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !reached.contains(rule.name()) && !named(rule))
        .collect();
    assert!(unreached.is_empty(), "nobody reached {unreached:?}");
}
