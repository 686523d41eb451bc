//! Other people's programs open what we write. They must be installed: a missing one fails the test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{config, play};
use outcrop_base::Recorder;
use outcrop_capture::{Reader, Record, Writer, export_pcap};
use tempfile::TempDir;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output();
    let output = output.unwrap_or_else(|e| {
        panic!("{program} is needed for this test and could not be run: {e} (install tshark and tcpdump)")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn capture(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("run.pcapng");
    let mut writer = Writer::create(&path, config()).unwrap();
    play(&mut writer);
    writer.secret("CLIENT_RANDOM 0123 4567");
    writer.finish().unwrap();
    path
}

fn fields(path: &Path, filter: &str, names: &[&str]) -> Vec<String> {
    let mut args = vec![
        "-r",
        text(path),
        "-Y",
        filter,
        "-T",
        "fields",
        "-E",
        "separator=|",
    ];
    for name in names {
        args.extend(["-e", name]);
    }
    run("tshark", &args).lines().map(str::to_owned).collect()
}

#[test]
fn tshark_finds_nothing_malformed_or_damaged() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let all = run(
        "tshark",
        &[
            "-r",
            text(&path),
            "-V",
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
        ],
    );
    let lower = all.to_lowercase();
    for bad in [
        "malformed",
        "damaged",
        "bad checksum",
        "[incorrect",
        "status: bad",
    ] {
        assert!(!lower.contains(bad), "{bad}: {all}");
    }
    assert_eq!(
        lower.matches("status: good").count(),
        10,
        "IP and TCP of five packets"
    );
    assert_eq!(fields(&path, "frame", &["frame.number"]).len(), 8);
}

#[test]
fn tshark_shows_comments_directions_and_packet_ids() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let seen = fields(
        &path,
        "tcp",
        &[
            "frame.packet_id",
            "frame.packet_flags_direction",
            "frame.comment",
        ],
    );
    let start = |line: &str| line.split("state=").next().unwrap_or_default().to_owned();
    let starts: Vec<_> = seen.iter().map(|l| start(l)).collect();
    let (inbound, outbound) = ("0x00000001", "0x00000002");
    let expected: Vec<_> = [
        (1, inbound),
        (2, outbound),
        (3, outbound),
        (4, inbound),
        (5, outbound),
    ]
    .map(|(id, direction)| format!("{id}|{direction}|"))
    .into();
    assert_eq!(starts, expected, "{seen:?}");
    assert!(
        seen.iter()
            .any(|l| l.contains("why=rto") && l.contains("timer ran out"))
    );
    assert!(seen.iter().any(|l| l.contains("drop=tcp:out-of-window")));
}

#[test]
fn tshark_shows_facts_as_rows_at_their_time() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let rows = fields(
        &path,
        "systemd_journal",
        &[
            "frame.time_relative",
            "systemd_journal.message",
            "systemd_journal.syslog_id",
        ],
    );
    let expected = [
        "0.000000000|LISTEN -> SYN-RECEIVED|capture",
        "0.015000000|retransmit timer ran out|capture",
        "0.035000000|program: abort|capture",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn editcap_copies_comments_directions_and_events() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let copy = dir.path().join("copy.pcapng");
    run("editcap", &[text(&path), text(&copy)]);
    let records =
        |path: &Path| -> Vec<Record> { Reader::open(path).unwrap().map(Result::unwrap).collect() };
    let (ours, theirs) = (records(&path), records(&copy));
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    let again = dir.path().join("again.pcapng");
    run("editcap", &[text(&copy), text(&again)]);
    let secret = std::fs::read(&again).unwrap();
    assert!(secret.windows(13).any(|w| w == b"CLIENT_RANDOM"));
}

#[test]
fn tcpdump_reads_packets_and_finds_checksums_right() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let shown = run("tcpdump", &["-nvv", "-r", text(&path)]);
    assert_eq!(shown.matches("(correct)").count(), 5, "{shown}");
    assert!(!shown.contains("bad cksum"), "{shown}");
}

#[test]
fn capinfos_shows_program_interface_and_section() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let shown = run("capinfos", &[text(&path)]);
    for expected in [
        "seed=42",
        "outcrop 0.",
        "Name = oc0",
        "Number of packets:   5",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn exported_pcap_is_read_by_tcpdump_and_tshark() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let pcap = dir.path().join("run.pcap");
    let sink = std::fs::File::create(&pcap).unwrap();
    export_pcap(&mut Reader::open(&path).unwrap(), sink).unwrap();
    assert_eq!(
        run("tcpdump", &["-n", "-r", text(&pcap)]).lines().count(),
        5
    );
    assert_eq!(fields(&pcap, "tcp", &["frame.number"]).len(), 5);
}

#[test]
fn files_written_by_others_are_read() {
    let dir = TempDir::new().unwrap();
    let path = capture(&dir);
    let ours: Vec<_> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    for format in ["pcap", "nsecpcap", "pcapng"] {
        let copy = dir.path().join(format);
        let mut args = vec!["-r", text(&path), "-Y", "tcp", "-F", format, "-w"];
        args.push(text(&copy));
        run("tshark", &args);
        let theirs: Vec<_> = Reader::open(&copy).unwrap().map(Result::unwrap).collect();
        let bytes = |records: &[Record]| -> Vec<_> {
            let packet = |r: &Record| match r {
                Record::Packet(p) => Some((p.at, p.bytes.clone())),
                Record::Event(_) | Record::Secrets(_) => None,
            };
            records.iter().filter_map(packet).collect()
        };
        assert_eq!(bytes(&theirs), bytes(&ours), "{format}");
    }
}
