//! What `tools/wireshark` gives to Wireshark, tried with tshark: the fields, the profile, and a capture read while it grows.

use std::path::{Path, PathBuf};
use std::process::Command;

use outcrop_tests::{outcrop, tool};

fn in_repo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn script() -> String {
    format!(
        "lua_script:{}",
        in_repo("tools/wireshark/outcrop.lua").display()
    )
}

/// What tshark says of a fixture, with our fields.
fn tshark(fixture: &str, more: &[&str]) -> String {
    let (script, file) = (script(), in_repo("fixtures").join(fixture));
    let file = file.to_string_lossy();
    let mut arguments = vec!["-X", &*script, "-r", &*file];
    arguments.extend(more);
    tool("tshark", &arguments)
}

#[test]
fn notes_are_fields_to_filter_by() {
    // The words of the comment, found by Wireshark itself, are the second opinion.
    for (ours, theirs) in [
        (
            "outcrop.why == \"fast-retransmit\"",
            "frame.comment contains \"why=fast-retransmit\"",
        ),
        (
            "outcrop.state == \"FIN-WAIT-1\"",
            "frame.comment contains \"state=FIN-WAIT-1 \"",
        ),
        (
            "outcrop.cwnd == 14480",
            "frame.comment contains \"cwnd=14480 \"",
        ),
        (
            "outcrop.rto_ms == 1000",
            "frame.comment contains \"rto_ms=1000.000 \"",
        ),
    ] {
        let ids = |filter| {
            tshark(
                "retransmission.pcapng",
                &["-Y", filter, "-T", "fields", "-e", "frame.packet_id"],
            )
        };
        let found = ids(ours);
        assert!(!found.trim().is_empty(), "{ours}");
        assert_eq!(found, ids(theirs), "{ours}");
    }
}

#[test]
fn a_sentence_is_a_field_of_its_own() {
    let said = tshark(
        "retransmission.pcapng",
        &[
            "-Y",
            "outcrop.said",
            "-T",
            "fields",
            "-e",
            "outcrop.why",
            "-e",
            "outcrop.said",
        ],
    );
    assert!(
        said.lines()
            .any(|line| line.starts_with("fast-retransmit\t") && line.ends_with('.')),
        "{said}"
    );
}

#[test]
fn captures_of_others_have_no_fields_of_ours() {
    let found = tshark("foreign/curl-nginx-ipv6.pcap", &["-Y", "outcrop"]);
    assert_eq!(found, "");
}

#[test]
fn the_profile_has_our_columns_and_its_filters_are_understood() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("profiles/outcrop");
    std::fs::create_dir_all(&profile).unwrap();
    for entry in std::fs::read_dir(in_repo("tools/wireshark/profile")).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, profile.join(from.file_name().unwrap())).unwrap();
    }
    let shown = |more: &[&str]| {
        let output = Command::new("tshark")
            .env("WIRESHARK_CONFIG_DIR", home.path())
            .args(["-C", "outcrop", "-X", &script(), "--color", "-r"])
            .arg(in_repo("fixtures/retransmission.pcapng"))
            .args(more)
            .output()
            .unwrap_or_else(|e| panic!("tshark: {e}: `make setup` installs what the tests need"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        // A colour filter or a preference that cannot be read is complained about.
        for complaint in ["color filter", "colorfilters", "preferences", "line "] {
            assert!(!said.contains(complaint), "{said}");
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let list = shown(&[]);
    let again = list.lines().find(|line| line.contains("fast-retransmit"));
    let again = again.unwrap_or_else(|| panic!("{list}"));
    assert!(
        again.contains("FIN-WAIT-1") && again.contains("pkt:12"),
        "{again}"
    );
    let fields = ["frame.packet_id", "frame.coloring_rule.name"];
    let rules = shown(&["-T", "fields", "-e", fields[0], "-e", fields[1]]);
    for rule in [
        "13\tSent again",
        "15\tSent again",
        "1\tOpening and closing",
        "\tEvent of the stack",
    ] {
        assert!(rules.lines().any(|line| line == rule), "{rule}: {rules}");
    }
}

#[test]
fn a_capture_on_standard_output_is_read_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("index.html"), "seen live\n").unwrap();
    let output = Command::new("timeout")
        .args(["-k", "5", "60", "unshare", "-rn", "sh", "-euc"])
        .arg(
            "mkfifo pipe
             \"$OUTCROP\" serve --root root --capture - > pipe 2> log & server=$!
             tshark -X \"$SCRIPT\" -l -i - -T fields -e outcrop.why < pipe > seen 2> viewer & viewer=$!
             curl -s --retry 100 --retry-all-errors --retry-delay 0 --connect-timeout 1 --retry-max-time 30 http://10.77.0.2/
             # Live: the answer is seen before the server has stopped.
             n=0; until grep -q '^data$' seen; do n=$((n+1)); [ $n -lt 300 ] || exit 9; sleep 0.1; done
             kill -INT $server; wait $server; wait $viewer; cat log",
        )
        .current_dir(folder.path())
        .env("OUTCROP", outcrop())
        .env("SCRIPT", script())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{text}{}{}",
        file("log"),
        file("viewer")
    );
    assert!(
        text.contains("seen live") && text.contains("serving http://10.77.0.2/"),
        "{text}"
    );
    let seen = file("seen");
    assert!(seen.lines().any(|why| why == "syn-ack"), "{seen}");
}

#[test]
fn standard_output_that_is_not_free_is_refused() {
    let output = Command::new(outcrop())
        .args(["run", "--capture", "-", "--", "true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("--capture -") && said.contains("name a file"),
        "{said}"
    );
}
