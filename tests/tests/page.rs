//! The page in a browser, and beside tshark: what we did not write says whether it is right.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::Write as _;
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
        Self::with(capture, &[])
    }

    fn with(capture: &Path, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = Self { folder };
        let (capture, into) = (capture.to_string_lossy(), page.path());
        let program = outcrop().to_string_lossy();
        let into = into.to_string_lossy();
        let asked = [&["inspect", &capture, "-o", &into], more].concat();
        let said = tool(&program, &asked);
        assert!(said.contains("page.html"), "{said}");
        page
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("page.html")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// What a browser gives for these expressions, one after the other on the same page, as JSON.
    fn asked(&self, lines: &[&str]) -> Vec<String> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
        let url = format!("file://{}", self.path().display());
        let mut browser = Command::new("timeout")
            .args(["100", "python3", program, &url, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let script = lines.join("\n");
        let mut input = browser.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        drop(input);
        let output = browser.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let said: Vec<_> = said.lines().map(str::to_owned).collect();
        assert_eq!(said.len(), lines.len(), "{said:?}");
        said
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

/// What is chosen in each view: ladder, X-ray, list, sequence, states.
const CHOSEN: &str = "[...document.querySelectorAll('#ladder .row.on, .pane.on, #list tr.on, .plot a.on')].map(e => \
     e.dataset.k || e.id).join() + ' ' + document.querySelector('.states:not([hidden]) .node.on').dataset.s";

#[test]
fn wherever_a_packet_is_chosen_every_view_goes_there() {
    let page = Page::of(&fixture("retransmission.pcapng"));
    let click = |what: &str| {
        format!(
            "document.querySelector('{what}').dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))"
        )
    };
    let key = |key: &str| {
        format!(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, cancelable: true}}))"
        )
    };
    // Half of a lane lies at half of its time: 40 ms of 80, where #12 and #13 are.
    let lane = "(() => { const lane = document.querySelector('.lane'), box = lane.getBoundingClientRect(); \
         lane.dispatchEvent(new MouseEvent('click', {bubbles: true, clientX: box.left + box.width / 2})) })()";
    let steps = [
        (click("#ladder .row.p13"), "p13,p13,p13,p13 FIN-WAIT-1"),
        (click("#next"), "p14,p14,p14,p14 FIN-WAIT-1"),
        (key("ArrowRight"), "p15,p15,p15,p15 FIN-WAIT-1"),
        (key("Home"), "p1,p1,p1 LISTEN"),
        (click("#list tr.p6"), "p6,p6,p6,p6 FIN-WAIT-1"),
        (click(".plot a.p4"), "p4,p4,p4,p4,p4 FIN-WAIT-1"),
        (lane.to_owned(), "p12,p12,p12,p12 FIN-WAIT-1"),
        (key("End"), "p17,p17,p17 TIME-WAIT"),
    ];
    let mut lines: Vec<&str> = Vec::new();
    for (step, _) in &steps {
        lines.extend([step.as_str(), CHOSEN]);
    }
    lines.extend([
        "getComputedStyle(document.querySelector('.lanes'), '::after').left > '0'",
        "!console",
        "!requests",
    ]);
    let said = page.asked(&lines);
    for ((step, want), said) in steps.iter().zip(said.iter().skip(1).step_by(2)) {
        // Dots of the windows plot come on top.
        let said = said.trim_matches('"');
        let (keys, state) = said.split_once(' ').unwrap();
        let (want_keys, want_state) = want.split_once(' ').unwrap();
        assert_eq!(state, want_state, "{step}");
        let first = want_keys.split(',').next().unwrap();
        assert!(keys.split(',').all(|key| key == first), "{step}: {said}");
        assert!(keys.len() >= "p1,p1,p1".len(), "{step}: {said}");
    }
    let [.., console, requests] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(console, "[]");
    // The page itself, and nothing else.
    assert_eq!(requests.matches("\"file://").count(), 1, "{requests}");
    assert_eq!(requests.matches(',').count(), 0, "{requests}");
}

#[test]
fn a_byte_and_its_field_light_each_other_by_mouse_and_by_key() {
    let page = Page::of(&fixture("retransmission.pcapng"));
    let lit =
        "[...document.querySelectorAll('.lit-byte')].map(e => e.textContent.trim()).join('|')";
    let over = |what: &str| {
        format!(
            "document.querySelector('.pane.on {what}').dispatchEvent(new PointerEvent('pointerover', {{bubbles: true}}))"
        )
    };
    let (byte, field) = (over("i[data-f=\"6\"]"), over("tr[data-f=\"6\"]"));
    let down = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}))";
    let said = page.asked(&[
        &byte,
        lit,
        &field,
        lit,
        "document.querySelector('.pane.on i[data-f=\"6\"]').focus()",
        down,
        lit,
        "!console",
    ]);
    // RFC 791 3.1: the seventh field of the header is the protocol, one byte, and TCP's is 6; the checksum comes next.
    assert_eq!(said[1], "\"96: TCP|06\"".replace("96", "9protocol6"));
    assert_eq!(said[3], said[1]);
    assert!(said[6].contains("header checksum"), "{}", said[6]);
    assert_eq!(said[7], "[]");
}

#[test]
fn two_captures_and_two_futures_lie_on_one_axis() {
    let large = fixture("foreign/curl-nginx-large.pcap");
    let both = Page::with(
        &fixture("get.pcapng"),
        &["--compare", &large.to_string_lossy()],
    );
    let rows = "document.querySelectorAll('#compare .beside tbody tr').length";
    let said = both.asked(&[
        rows,
        "document.querySelectorAll('#compare path.line').length",
        "!console",
    ]);
    // 247 packets beside 7, each in a row of its own but those of one time and label.
    assert!(said[0].parse::<u32>().unwrap() >= 247, "{said:?}");
    assert_eq!(said[2], "[]");

    let futures = Page::with(&fixture("retransmission.pcapng"), &["--what-if", "drop:7"]);
    let said = futures.asked(&[
        "document.querySelector('#intro').textContent",
        "document.querySelector('.pane.on').id",
        "document.querySelector('#compare .totals').textContent",
        "!console",
    ]);
    assert!(said[0].contains("packet #7, from this end, had been lost"));
    assert_eq!(said[1], "\"p7\"");
    assert!(said[2].contains("sent again23"), "{}", said[2]);
    assert_eq!(said[3], "[]");
}

#[test]
fn of_a_hundred_thousand_packets_all_are_plotted_and_the_document_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("long.pcap");
    fs::write(&capture, long(100_000)).unwrap();
    let page = Page::of(&capture);
    let said = page.asked(&[
        "document.querySelectorAll('*').length",
        "document.querySelector('#large option').textContent",
        // Something is drawn: not every dot is as clear as the background.
        "(() => { const c = document.querySelector('#large canvas'); return c.getContext('2d').getImageData(0, 0, c.width, \
             c.height).data.some(part => part) })()",
        "document.querySelector('[data-zoom=\"0.5\"]').click()",
        "(() => { const c = document.querySelector('#large canvas'), b = c.getBoundingClientRect(); c.dispatchEvent(new \
             PointerEvent('pointermove', {clientX: b.left + b.width / 2, clientY: b.top + 9})); return \
             document.querySelector('#large output').textContent })()",
        "!console",
    ]);
    assert!(said[0].parse::<u32>().unwrap() < 100_000, "{}", said[0]);
    assert!(
        said[1].contains("100\u{202f}000 packets") || said[1].contains("100\\u202f000 packets"),
        "{}",
        said[1]
    );
    assert_eq!(said[2], "true");
    assert!(
        said[4].contains('#') && said[4].contains(" s, to us"),
        "{}",
        said[4]
    );
    assert_eq!(said[5], "[]");
}

/// A classic pcap of raw IPv4: one side sends so many segments of a byte, a millisecond apart.
fn long(packets: u32) -> Vec<u8> {
    let mut file = 0xa1b2_c3d4u32.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0]);
    for number in 0..packets {
        for word in [1 + number / 1_000, number % 1_000 * 1_000, 41, 41] {
            file.extend(word.to_le_bytes());
        }
        file.extend([
            0x45, 0, 0, 41, 0, 0, 0, 0, 64, 6, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1,
        ]);
        file.extend([0, 80, 160, 0]);
        file.extend((1 + number).to_be_bytes());
        file.extend([0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0, b'x']);
    }
    file
}

#[test]
fn a_script_in_a_file_name_in_a_header_or_in_a_comment_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = folder
        .path()
        .join("<img src=x onerror=document.body.replaceChildren()>.pcapng");
    let mut capture = fs::read(fixture("get.pcapng")).unwrap();
    // Of the same length: a field of the request, and the reason of the SYN-ACK.
    for (plain, script) in [
        ("Host: outcrop", "A:<script>x()"),
        ("why=syn-ack", "why=<img x>"),
    ] {
        let at = capture
            .windows(plain.len())
            .position(|w| w == plain.as_bytes());
        capture[at.unwrap()..][..script.len()].copy_from_slice(script.as_bytes());
    }
    fs::write(&hostile, capture).unwrap();
    let (document, console) = Page::of(&hostile).opened("p1");
    assert!(document.contains("&lt;img src=x") && document.contains("class=\"row p1 in on\""));
    assert!(document.contains("&lt;script&gt;x()") && document.contains("&lt;img x&gt;"));
    assert!(
        !document.contains("<img") && !console.contains("CONSOLE"),
        "{console}"
    );
    assert_eq!(document.matches("<script").count(), 1, "ours only");
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
