//! Large and damaged captures: memory stays where it is, and what is wrong is said with its place and a remedy.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use outcrop_tests::{outcrop, tshark};

/// Address space for a capture of 50 MB, KiB: the program itself takes a third of it.
const ADDRESS_SPACE: u32 = 200_000;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(name)
}

/// Writes a capture that costs whoever does not take care: see the example.
fn generate(megabytes: &str, into: &Path) {
    let status = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--package",
            "outcrop-inspect",
            "--example",
            "large",
            "--",
            megabytes,
        ])
        .arg(into)
        .status()
        .unwrap();
    assert!(status.success());
}

fn limited(arguments: &[&str], file: &Path) -> Output {
    Command::new("sh")
        .arg("-c")
        .arg("ulimit -v \"$0\"; exec \"$@\" > /dev/null")
        .arg(ADDRESS_SPACE.to_string())
        .arg(outcrop())
        .arg(arguments[0])
        .arg(file)
        .args(&arguments[1..])
        .output()
        .unwrap()
}

#[test]
fn fifty_megabytes_are_read_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.pcap");
    generate("50", &file);
    let (page, archive) = (
        folder.path().join("page.html"),
        folder.path().join("all.har"),
    );
    let [page, archive] = [&page, &archive].map(|path| path.to_str().unwrap());
    for arguments in [
        &["print"][..],
        &["inspect", "-o", page],
        &["export", archive],
    ] {
        let output = limited(arguments, &file);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
    let archive = std::fs::read_to_string(archive).unwrap();
    assert!(
        archive.contains("GET") && archive.contains("/all"),
        "{archive}"
    );
}

/// A command over a file; its standard error, and whether it succeeded.
fn said(arguments: &[&str], file: &Path) -> (String, bool) {
    let output = Command::new(outcrop())
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    (
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.success(),
    )
}

#[test]
fn a_damaged_capture_says_what_is_wrong_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("retransmission.pcapng")).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    let mut corrupt = whole;
    // The length of a block in the middle: the four bytes behind the type of an enhanced packet block.
    let at = (4_000..)
        .find(|at| corrupt[*at..].starts_with(&[6, 0, 0, 0]))
        .unwrap();
    corrupt[at + 4..at + 8].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    let gzip = [0x1f, 0x8b, 8, 0];
    let mut strange = std::fs::read(fixture("foreign/options-bare.pcap")).unwrap();
    strange[20] = 147;
    for (name, bytes, words) in [
        (
            "half",
            &half[..],
            ["cut short", "at byte", "still writing?"],
        ),
        ("corrupt", &corrupt[..], ["capture is", "byte", "good"]),
        (
            "empty",
            &[][..],
            ["empty", "no packet was recorded", "recorder"],
        ),
        ("gzip", &gzip[..], ["not a capture", "gzip", "unpack"]),
        (
            "text",
            b"<html></html>",
            ["not a capture", "pcapng begins", "pcap with"],
        ),
        (
            "strange",
            &strange[..],
            [
                "link type 147",
                "at byte 24",
                "capture on another interface",
            ],
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for command in ["print", "ladder", "replay", "to-drill"] {
            let (said, fine) = said(&[command], &path);
            assert!(!fine, "{command} {name}: {said}");
            assert!(
                said.contains(path.to_str().unwrap()),
                "{command} {name}: {said}"
            );
            for words in words {
                assert!(said.contains(words), "{command} {name}: {words}: {said}");
            }
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_replay_that_differs_shows_both_packets_and_keeps_what_came_out() {
    let folder = tempfile::tempdir().unwrap();
    let actual = folder.path().join("actual.pcapng");
    let replayed = |file: &Path| {
        let output = Command::new(outcrop())
            .args(["replay", "--actual"])
            .arg(&actual)
            .arg(file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // A recording of ours whose answer says something else: one letter of its body.
    let mut bytes = std::fs::read(fixture("get.pcapng")).unwrap();
    let at = bytes.windows(9).position(|w| w == b"You asked").unwrap();
    bytes[at] = b'I';
    let file = folder.path().join("changed.pcapng");
    std::fs::write(&file, bytes).unwrap();
    let text = replayed(&file);
    assert!(text.contains("get: packet 4 differs in bytes"), "{text}");
    let sign = |sign: char| text.lines().filter(|line| line.starts_with(sign)).count();
    assert!(
        sign('-') > 0 && sign('+') > 0 && text.contains("Flags [S.]"),
        "{text}"
    );
    assert!(text.contains("again: outcrop replay "), "{text}");
    let remarks = tshark(
        &actual,
        "frame.comment contains \"Here it differs\"",
        &["frame.packet_id"],
    );
    assert_eq!(remarks, ["4"]);
    // A server of others that is said not to have offered SACK where ours does.
    let mut bytes = std::fs::read(fixture("foreign/options-windows.pcap")).unwrap();
    let second = bytes.windows(2).rposition(|w| w == [4, 2]).unwrap();
    bytes[second..second + 2].copy_from_slice(&[1, 1]);
    std::fs::write(&file, bytes).unwrap();
    let text = replayed(&file);
    assert!(
        text.contains("differs: the SYN-ACK's SACK permitted option: recorded false, ours true"),
        "{text}"
    );
    assert!(
        text.lines().any(|line| line.starts_with('+')) && text.contains("sackOK"),
        "{text}"
    );
    assert_eq!(
        tshark(
            &actual,
            "frame.comment contains \"Here: the SYN-ACK\"",
            &["frame.number"]
        )
        .len(),
        1
    );
}

#[test]
fn a_drafted_script_is_passed_by_drill() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("drafted.pkt");
    for (name, role) in [
        ("retransmission.pcapng", "server"),
        ("foreign/lossy-upload.pcap", "client"),
    ] {
        let output = Command::new(outcrop())
            .args(["to-drill", "--role", role, "-o"])
            .args([&script, &fixture(name)])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("passes it"),
            "{output:?}"
        );
        let output = Command::new(outcrop())
            .arg("drill")
            .arg(&script)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed, 0 failed, 0 skipped"),
            "{said}"
        );
    }
}

#[test]
fn a_capture_on_standard_input_is_printed_while_it_comes() {
    let whole = std::fs::read(fixture("get.pcapng")).unwrap();
    for command in ["print", "ladder"] {
        let mut child = Command::new(outcrop())
            .args([command, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut into = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        into.write_all(&whole[..whole.len() / 2]).unwrap();
        // The rest is not written before the beginning is seen.
        let seen = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("SYN") || line.contains("[S]"));
        assert!(seen.is_some(), "{command}");
        into.write_all(&whole[whole.len() / 2..]).unwrap();
        drop(into);
        let rest: Vec<_> = lines.map(Result::unwrap).collect();
        assert!(
            rest.iter().any(|line| line.contains("LAST-ACK")),
            "{rest:?}"
        );
        assert!(child.wait().unwrap().success());
    }
}
