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
        Rule::PathTooBig,
        "ICMP, not a segment: l4-tcp/tests/data, packet_too_big",
    ),
    (
        Rule::SignatureMissing,
        "needs keys: l4-tcp/tests/signatures and ao",
    ),
    (
        Rule::SignatureUnexpected,
        "needs keys: l4-tcp/tests/signatures and ao",
    ),
    (
        Rule::SignatureUnknownKey,
        "needs keys: l4-tcp/tests/signatures and ao",
    ),
    (
        Rule::SignatureWrong,
        "needs keys: l4-tcp/tests/signatures and ao",
    ),
    (
        Rule::SignatureConflict,
        "needs keys: l4-tcp/tests/signatures and ao",
    ),
    (
        Rule::PathUnprotected,
        "needs keys and ICMP: l4-tcp/tests/ao",
    ),
    (
        Rule::PathDisrupted,
        "ICMP, not a segment: l4-tcp/tests, the stories of RFC 6069",
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
        Rule::SignatureMissing,
        "a listener must ask for it: l4-tcp/tests/signatures, unsigned_syn_to_a_keyed_listener",
    ),
    (
        Rule::SignatureUnexpected,
        "needs a peer with a key: l4-tcp/tests/signatures, signed_syn_to_a_listener_without_keys",
    ),
    (
        Rule::SignatureUnknownKey,
        "a listener must ask for it: l4-tcp/tests/ao, wrong_secret_wrong_id_and_none",
    ),
    (
        Rule::SignatureWrong,
        "a listener must ask for it: l4-tcp/tests/signatures, wrong_key_syn",
    ),
    (
        Rule::SignatureConflict,
        "no honest stack sends it: l4-tcp/tests/signatures, two_signatures_in_one_segment",
    ),
    (
        Rule::PathUnprotected,
        "ICMP, not a segment: l4-tcp/tests/ao, icmp_about_a_signed_connection",
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
