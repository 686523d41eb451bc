//! What tshark, which we did not write, says of our own recordings.
//! A self-recorded fixture counts only with this beside it.

use std::path::{Path, PathBuf};

use outcrop_tests::{assert_capture_is_sound, assert_fields_agree, tool, tshark};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(name)
}

/// How many frames match.
fn count(name: &str, filter: &str) -> usize {
    tshark(&fixture(name), filter, &["frame.number"]).len()
}

/// The payload of one direction of the only TCP stream, as tshark reassembles it.
fn stream(name: &str, from: &str) -> Vec<u8> {
    let hex = tool(
        "tshark",
        &[
            "-n",
            "-r",
            &fixture(name).to_string_lossy(),
            "-q",
            "-z",
            "follow,tcp,raw,0",
        ],
    );
    // The server's side is indented by a tab.
    let mut bytes = Vec::new();
    for line in hex.lines().filter(|line| line.trim().len() % 2 == 0) {
        let (server, digits) = line
            .strip_prefix('\t')
            .map_or((false, line), |rest| (true, rest));
        if server == (from == "server") && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let octets = digits.as_bytes().chunks(2).map(|pair| {
                let pair = core::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(pair, 16).expect("digits")
            });
            bytes.extend(octets);
        }
    }
    bytes
}

#[test]
fn every_recording_is_sound() {
    for name in [
        "get",
        "pipeline",
        "half-close",
        "simultaneous-close",
        "reset",
        "retransmission",
    ] {
        let path = fixture(&format!("{name}.pcapng"));
        let scratch = tempfile::tempdir().expect("a folder");
        let copy = scratch.path().join("fixture.pcapng");
        std::fs::copy(&path, &copy).expect("a copy");
        assert_capture_is_sound(&copy);
        let handshake = tshark(
            &path,
            "tcp.flags.syn==1",
            &["tcp.flags.ack", "tcp.options.mss_val"],
        );
        assert_eq!(handshake, ["0\t1460", "1\t1460"], "{name}");
    }
}

#[test]
fn get_is_one_request_and_one_answer() {
    assert_eq!(count("get.pcapng", "http.request.method==GET"), 1);
    assert_eq!(count("get.pcapng", "http.response.code==200"), 1);
    assert_eq!(count("get.pcapng", "tcp.flags.fin==1"), 2);
    assert_eq!(count("get.pcapng", "tcp.analysis.flags"), 0);
}

#[test]
fn pipeline_is_two_requests_in_one_segment_and_their_answers_in_order() {
    let uris = tshark(
        &fixture("pipeline.pcapng"),
        "http.request",
        &["http.request.uri"],
    );
    assert_eq!(uris, ["/first,/second"]);
    let text = String::from_utf8(stream("pipeline.pcapng", "server")).expect("text");
    assert!(text.find("You asked for /first") < text.find("You asked for /second"));
}

#[test]
fn half_close_has_the_clients_fin_before_the_servers_data() {
    let rows = tshark(
        &fixture("half-close.pcapng"),
        "tcp.len>0 || tcp.flags.fin==1",
        &["ip.src", "tcp.len", "tcp.flags.fin"],
    );
    assert_eq!(rows.first().map(String::as_str), Some("10.77.0.1\t27\t1"));
    assert_eq!(
        stream("half-close.pcapng", "server"),
        b"dnuor denrut eb ot rettel a"
    );
}

#[test]
fn simultaneous_close_has_two_fins_that_acknowledge_no_fin() {
    let fins = tshark(
        &fixture("simultaneous-close.pcapng"),
        "tcp.flags.fin==1",
        &["tcp.ack"],
    );
    assert_eq!(fins, ["1", "1"]);
}

#[test]
fn reset_ends_the_conversation() {
    assert_eq!(count("reset.pcapng", "tcp.flags.reset==1"), 1);
    let last = tshark(&fixture("reset.pcapng"), "tcp", &["tcp.flags.reset"]);
    assert_eq!(last.last().map(String::as_str), Some("1"));
}

#[test]
fn retransmission_is_seen_as_such_and_the_stream_is_whole() {
    assert_eq!(
        count("retransmission.pcapng", "tcp.analysis.retransmission"),
        2
    );
    assert_eq!(
        count(
            "retransmission.pcapng",
            "frame.comment contains \"why=fast-retransmit\""
        ),
        2
    );
    let filter = "ip.src==10.77.0.2 && tcp.len>0 && !tcp.analysis.retransmission";
    assert_eq!(count("retransmission.pcapng", filter), 8);
    // tshark saw the server's side before the loss: both copies are in the file, the stream is whole once.
    assert_eq!(
        stream("retransmission.pcapng", "server"),
        vec![b'x'; 7 * 1448 + 500]
    );
}

/// A lease of Debian's dnsmasq in both families, on a TAP: had, renewed, given back. Its README says how it was made.
#[test]
fn dhcp_is_a_lease_in_both_families_with_a_reason_for_every_message_of_ours() {
    let path = fixture("dhcp.pcapng");
    let kinds = tshark(&path, "dhcp", &["dhcp.option.dhcp"]);
    assert_eq!(kinds, ["1", "2", "3", "5", "3", "5", "7"]);
    let kinds = tshark(&path, "dhcpv6", &["dhcpv6.msgtype"]);
    assert_eq!(kinds[..5], ["1", "2", "3", "7", "8"]);
    let ours = "(dhcp || dhcpv6) && eth.src==02:00:00:00:09:02";
    let reasons = tshark(&path, ours, &["frame.comment"]);
    assert_eq!(reasons.len(), 7);
    assert!(
        reasons.iter().all(|said| said.starts_with("why=dhcp")),
        "{reasons:#?}"
    );
    let compared = assert_fields_agree(&path);
    assert!(compared.len() > 60, "{compared:?}");
}
