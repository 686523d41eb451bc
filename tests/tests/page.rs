//! The page in a browser, and beside tshark: what we did not write says whether it is right.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use outcrop_tests::{outcrop, tool};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures")
        .join(name)
}

/// A capture as a page, in a folder of the test's own.
struct Page {
    folder: tempfile::TempDir,
}

impl Page {
    fn of(capture: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = Self { folder };
        let (capture, into) = (capture.to_string_lossy(), page.path());
        let program = outcrop().to_string_lossy();
        let into = into.to_string_lossy();
        let said = tool(&program, &["inspect", &capture, "-o", &into]);
        assert!(said.contains("page.html"), "{said}");
        page
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// The document after its script ran at this address, and what the browser had to say.
    fn opened(&self, at: &str) -> (String, String) {
        let output = Command::new("chromium")
            // The page is ours, and a sandbox needs rights a test may not have.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=2000"])
            .arg(format!(
                "--user-data-dir={}",
                self.folder.path().join("profile").display()
            ))
            .arg(format!("file://{}#{at}", self.path().display()))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("chromium: {e}: `make setup` installs what the tests need"));
        assert!(output.status.success());
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn the_packet_of_the_address_is_chosen_in_every_view_and_the_console_is_silent() {
    let page = Page::of(&fixture("retransmission.pcapng"));
    let (document, console) = page.opened("p13");
    for chosen in [
        "class=\"row p13 again on\"",                     // ladder
        "<article class=\"pane on\" id=\"p13\"",          // X-ray
        "<tr class=\"p13 on\"",                           // list
        "class=\"again p13 on\"",                         // sequences
        "<g class=\"node lit on\" data-s=\"FIN-WAIT-1\"", // states
    ] {
        assert_eq!(document.matches(chosen).count(), 1, "{chosen}");
    }
    let bar = document.split("<output id=\"now\">").nth(1).unwrap();
    assert!(
        bar.starts_with("#13 ACK 1449:2897") && !console.contains("CONSOLE"),
        "{console}"
    );
}

#[test]
fn a_script_in_a_file_name_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = folder
        .path()
        .join("<img src=x onerror=document.body.replaceChildren()>.pcapng");
    fs::copy(fixture("get.pcapng"), &hostile).unwrap();
    let (document, console) = Page::of(&hostile).opened("p1");
    assert!(document.contains("&lt;img src=x") && document.contains("class=\"row p1 in on\""));
    assert!(
        !document.contains("<img") && !console.contains("CONSOLE"),
        "{console}"
    );
}

/// tshark's names and ours.
const NAMES: [(&str, &str); 23] = [
    ("ip.len", "total length"),
    ("ip.id", "identification"),
    ("ip.ttl", "time to live"),
    ("ip.proto", "protocol"),
    ("ip.checksum", "header checksum"),
    ("ip.src", "source"),
    ("ip.dst", "destination"),
    ("ipv6.plen", "payload length"),
    ("ipv6.nxt", "next header"),
    ("ipv6.hlim", "hop limit"),
    ("ipv6.src", "source"),
    ("ipv6.dst", "destination"),
    ("tcp.srcport", "source port"),
    ("tcp.dstport", "destination port"),
    ("tcp.seq_raw", "sequence number"),
    ("tcp.ack_raw", "acknowledgment number"),
    ("tcp.window_size_value", "window"),
    ("tcp.checksum", "checksum"),
    ("tcp.urgent_pointer", "urgent pointer"),
    ("tcp.options.mss", "maximum segment size"),
    ("tcp.options.wscale", "window scale"),
    ("tcp.options.timestamp", "timestamps"),
    ("tcp.options.sack", "selective acknowledgment"),
];

/// A quoted attribute's value.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[test]
fn fields_lie_where_tshark_says() {
    let mut compared = 0;
    for name in [
        "retransmission.pcapng",
        "reset.pcapng",
        "foreign/curl-nginx-ipv6.pcap",
        "foreign/curl-python-get.pcap",
    ] {
        let text = Page::of(&fixture(name)).text();
        let panes: Vec<_> = text.split("<article class=pane ").skip(1).collect();
        let path = fixture(name);
        let pdml = tool(
            "tshark",
            &["-n", "-r", &path.to_string_lossy(), "-T", "pdml"],
        );
        // Journal entries are frames to tshark as well; they have no addresses.
        let frames = pdml
            .split("<packet>")
            .filter(|frame| frame.contains("name=\"tcp.srcport\""));
        let frames: Vec<_> = frames.collect();
        assert_eq!(frames.len(), panes.len(), "{name}");
        for (frame, pane) in frames.iter().zip(&panes) {
            for field in frame.split("<field ").map(|field| format!(" {field}")) {
                let tsharks = attribute(&field, "name");
                let Some((_, ours)) = NAMES.iter().find(|(theirs, _)| Some(*theirs) == tsharks)
                else {
                    continue;
                };
                let number = |name| attribute(&field, name).unwrap().parse::<usize>().unwrap();
                let (start, last) = (number("pos"), number("pos") + number("size") - 1);
                let span = if start == last {
                    start.to_string()
                } else {
                    format!("{start}–{last}")
                };
                let row = format!("<td class=n>{span}<td>{ours}<");
                assert!(pane.contains(&row), "{name}: {row}");
                compared += 1;
            }
        }
    }
    // Sixty packets of a dozen fields: something was compared.
    assert!(compared > 700, "{compared}");
}
