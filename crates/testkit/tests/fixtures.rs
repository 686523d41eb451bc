//! The recordings in `fixtures/`, on every level of a replay, and where each came from.
//!
//! `BLESS=1 cargo test -p outcrop-testkit --test fixtures` accepts what a recording of ours has become and writes its
//! digest into `provenance.toml`; review the difference first. Under `CI=true` it is refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outcrop_inspect::difference;
use outcrop_testkit::foreign;
use outcrop_testkit::replay::{Outcome, replay};
use outcrop_testkit::rewrite::rewrite;
use outcrop_testkit::scenario::Scenario;
use sha2::{Digest as _, Sha256};

const PROVENANCE: &str = "provenance.toml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Captures by their path below `fixtures/`.
fn captures() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "foreign/"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".pcap") || name.ends_with(".pcapng") {
                found.push(format!("{folder}{name}"));
            }
        }
    }
    found.sort();
    found
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn provenance() -> BTreeMap<String, BTreeMap<String, String>> {
    toml::from_str(&std::fs::read_to_string(root().join(PROVENANCE)).unwrap()).unwrap()
}

/// Whether to accept what came out; `true` only where a person asked for it.
fn blesses() -> bool {
    let is =
        |name| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    assert!(
        !(is("BLESS") && is("CI")),
        "BLESS=1 is for a person who then looks at the difference; in CI a recording is never accepted"
    );
    is("BLESS")
}

/// Writes a recording and its digest.
fn bless(name: &str, capture: &[u8]) {
    let path = root().join(name);
    let was = sha256(&std::fs::read(&path).unwrap());
    let table = root().join(PROVENANCE);
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace(&was, &sha256(capture))).unwrap();
    std::fs::write(path, capture).unwrap();
}

#[test]
fn every_capture_says_where_it_came_from_and_is_what_it_says() {
    let mut known = provenance();
    for name in captures() {
        let entry = known.remove(&name);
        let entry = entry.unwrap_or_else(|| panic!("{name} has no entry in fixtures/{PROVENANCE}"));
        for key in ["made_by", "shows", "licence", "level", "proof"] {
            assert!(
                entry.get(key).is_some_and(|said| !said.is_empty()),
                "{name} does not say {key}"
            );
        }
        let bytes = std::fs::read(root().join(&name)).unwrap();
        assert_eq!(
            entry.get("sha256"),
            Some(&sha256(&bytes)),
            "{name} has been changed"
        );
    }
    assert!(known.is_empty(), "no such captures: {:?}", known.keys());
}

#[test]
fn every_header_of_every_capture_is_written_as_it_was_read() {
    let mut same: BTreeMap<&str, usize> = BTreeMap::new();
    for name in captures() {
        let bytes = std::fs::read(root().join(&name)).unwrap();
        let found = rewrite(&bytes[..]).unwrap();
        assert!(
            found.differences.is_empty(),
            "{name}: {:#?}",
            found.differences
        );
        // Only what is no header of ours may be left out.
        let out: Vec<_> = found.left_out.keys().copied().collect();
        let fine = ["behind a fragment header", "icmp"];
        assert!(
            out.iter().all(|layer| fine.contains(layer)),
            "{name}: {:?}",
            found.left_out
        );
        for (layer, count) in found.same {
            *same.entry(layer).or_default() += count;
        }
    }
    println!("{same:?}");
    for layer in [
        "ethernet",
        "arp",
        "ipv4",
        "ipv6",
        "ipv6 fragment",
        "icmp",
        "neighbour discovery",
        "udp",
        "tcp",
    ] {
        assert!(same.contains_key(layer), "no {layer} in any capture");
    }
}

#[test]
fn every_scenario_comes_out_to_the_byte() {
    let blesses = blesses();
    for scenario in Scenario::ALL {
        let name = format!("{scenario}.pcapng");
        let path = root().join(&name);
        match replay(&std::fs::read(&path).unwrap()).unwrap() {
            Outcome::Identical {
                scenario: played,
                packets,
            } => {
                assert_eq!(played, *scenario);
                assert!(packets > 4);
            }
            Outcome::Diverged(divergence) if blesses => bless(&name, &divergence.capture),
            Outcome::Diverged(divergence) => {
                let both = [&divergence.before[..], &divergence.before[..]];
                let actual = std::env::temp_dir().join(format!("actual-{name}"));
                std::fs::write(&actual, &divergence.capture).unwrap();
                panic!(
                    "{name}: packet {} differs in {:?}\n{}what came out this time: {}\nagain: outcrop replay {}",
                    divergence.number,
                    divergence.what,
                    difference(
                        both,
                        divergence.expected.as_ref(),
                        divergence.actual.as_ref()
                    ),
                    actual.display(),
                    path.display()
                )
            }
            Outcome::Foreign(_) => panic!("{name}: not a recording of ours"),
        }
    }
}

#[test]
fn every_foreign_server_is_matched_by_ours() {
    let mut played = 0;
    for (name, entry) in provenance() {
        if entry.get("level").is_none_or(|level| level != "2") {
            continue;
        }
        let report = foreign::play(&std::fs::read(root().join(&name)).unwrap()[..]).unwrap();
        assert!(
            report.differences.is_empty(),
            "{name}: {:#?}",
            report.differences
        );
        played += 1;
    }
    assert!(played >= 18, "{played}");
}
