//! Scripts drafted from every TCP capture in `fixtures/`, for both ends, pass.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::path::{Path, PathBuf};

use outcrop_testkit::draft::{Draft, DraftError, Role, draft};
use outcrop_testkit::drill::{Options, run};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

/// The draft, after it has been run like any script.
fn passing(name: &str, conn: usize, role: Option<Role>) -> Draft {
    let file = File::open(fixture(name)).unwrap();
    let drafted = draft(file, conn, role).unwrap_or_else(|e| panic!("{name}: {e}"));
    let options = Options {
        family: drafted.family,
        ..Options::default()
    };
    let report = run(&drafted.script, &options);
    assert!(report.passed(), "{name}: {report}\n{}", drafted.script);
    drafted
}

#[test]
fn recordings_of_ours_are_scripts_as_they_are() {
    for name in [
        "get",
        "pipeline",
        "half-close",
        "reset",
        "retransmission",
        "simultaneous-close",
    ] {
        let drafted = passing(&format!("{name}.pcapng"), 1, None);
        assert_eq!(drafted.role, Role::Server, "{name}");
        // In a script the stack answers a packet before the program sees it; on our driver the program is first, and
        // its FIN carries the acknowledgment. Nothing else may differ.
        let lines: Vec<_> = drafted.script.lines().collect();
        let alone = lines
            .windows(2)
            .filter(|pair| pair[1] == "// .. not recorded");
        let bare = alone.filter(|pair| pair[0].contains(" > . ") && pair[0].contains("(0) ack "));
        assert_eq!(
            bare.count(),
            drafted.differences,
            "{name}:\n{}",
            drafted.script
        );
        assert!(drafted.differences <= 1, "{name}:\n{}", drafted.script);
    }
}

#[test]
fn a_server_of_others_becomes_a_script_that_says_where_ours_differs() {
    for name in [
        "lossy-download",
        "lossy-tail",
        "lossy-upload",
        "chunked",
        "curl-nginx-keepalive",
        "curl-nginx-ipv6",
        "options-windows",
        "options-macos",
    ] {
        let drafted = passing(&format!("foreign/{name}.pcap"), 1, Some(Role::Server));
        let marks = drafted.script.matches("ecorded").count();
        println!(
            "{name}: {} packets, {} differ",
            drafted.packets, drafted.differences
        );
        assert!(
            drafted.differences == 0 || marks > drafted.differences,
            "{name}:\n{}",
            drafted.script
        );
        // Most of what Linux says ours says as well.
        assert!(
            drafted.differences * 2 <= drafted.packets,
            "{name}:\n{}",
            drafted.script
        );
    }
}

#[test]
fn a_client_of_others_becomes_a_script_too() {
    for name in [
        "get.pcapng",
        "foreign/lossy-download.pcap",
        "foreign/lossy-upload.pcap",
        "foreign/curl-python-get.pcap",
    ] {
        let drafted = passing(name, 1, Some(Role::Client));
        println!(
            "{name}: {} packets, {} differ",
            drafted.packets, drafted.differences
        );
        assert!(
            drafted
                .script
                .contains("connect(3, ..., ...) = -1 EINPROGRESS"),
            "{name}"
        );
        assert!(
            drafted.differences * 2 <= drafted.packets,
            "{name}:\n{}",
            drafted.script
        );
    }
}

#[test]
fn a_connection_that_is_not_there_is_said_with_how_many_there_are() {
    let file = File::open(fixture("get.pcapng")).unwrap();
    let error = draft(file, 2, None).unwrap_err();
    assert!(
        matches!(
            error,
            DraftError::NoConnection {
                found: 1,
                wanted: 2
            }
        ),
        "{error}"
    );
}
