//! The page, by the facts it has to show. What the facts are, the fixtures' README and tshark say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::IoSlice;
use std::path::PathBuf;

use outcrop_base::{
    Cause, Direction, Instant, InterfaceId, Limit, Note, PacketId, PacketRecord, Recorder as _, Why,
};
use outcrop_capture::{Config, Reader, Writer};
use outcrop_inspect::page;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fs::read(path.join(name)).unwrap()
}

fn drawn(capture: &[u8], name: &str) -> String {
    let mut out = Vec::new();
    page(&mut Reader::new(capture).unwrap(), name, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A capture of ours with these IPv4 packets of TCP payloads.
fn capture(payloads: &[&[u8]]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Config::default()).unwrap();
    for (number, payload) in (1u64..).zip(payloads) {
        let len = u16::try_from(40 + payload.len()).unwrap();
        let mut bytes = vec![0x45, 0];
        bytes.extend(len.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1]);
        bytes.extend([
            0, 80, 160, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0,
        ]);
        bytes.extend(*payload);
        writer.packet(&PacketRecord {
            at: Instant::from_millis(number),
            id: PacketId(number),
            iface: InterfaceId(0),
            direction: Direction::Out,
            bytes: &[IoSlice::new(&bytes)],
            partial_checksum: None,
            gso_size: None,
            note: Some(Note::new(Why::Data, Limit::None, Cause::None)),
            verdict: None,
            state: &(),
        });
    }
    writer.into_inner().unwrap()
}

fn count(page: &str, what: &str) -> usize {
    page.matches(what).count()
}

#[test]
fn a_retransmission_is_seen_with_its_reason_cause_and_loss_in_every_view() {
    let page = drawn(&fixture("retransmission.pcapng"), "retransmission.pcapng");
    // Seventeen packets: an arrow, a pane and a row each.
    assert_eq!(count(&page, "<a href=\"#p13\" class=\"row p13 again\""), 1);
    assert_eq!(count(&page, "<article class=pane id=p"), 17);
    assert_eq!(count(&page, "<tr class=p"), 17);
    assert!(page.contains("fast-retransmit ← #12"));
    // The second segment and the last were lost once each: two arrows end in an x.
    assert_eq!(count(&page, "<path class=cross"), 2);
    assert!(page.contains("class=\"row p5 bad\"") && page.contains("class=\"row p11 bad\""));
    // Two segments are marked R in the plot.
    assert_eq!(count(&page, ">R</text>"), 2);
}

#[test]
fn the_way_of_a_server_that_closes_first_is_lit_and_numbered() {
    let page = drawn(&fixture("retransmission.pcapng"), "a");
    let way = [
        ("LISTEN", "SYN-RECEIVED"),
        ("SYN-RECEIVED", "ESTABLISHED"),
        ("ESTABLISHED", "FIN-WAIT-1"),
        ("FIN-WAIT-1", "FIN-WAIT-2"),
        ("FIN-WAIT-2", "TIME-WAIT"),
        ("TIME-WAIT", "CLOSED"),
    ];
    let mut rest = page.split("<ol class=way>").nth(1).unwrap();
    for (from, to) in way {
        let step = format!("{from} → {to}");
        rest = rest.split_once(&step).expect(&step).1;
    }
    assert_eq!(count(&page, "class=\"edge lit "), way.len());
    for dark in ["SYN-SENT", "CLOSING", "LAST-ACK", "CLOSE-WAIT"] {
        assert!(
            page.contains(&format!("<g class=\"node\" data-s={dark}>")),
            "{dark}"
        );
    }
}

#[test]
fn both_fins_under_way_at_once_light_closing() {
    let page = drawn(&fixture("simultaneous-close.pcapng"), "a");
    assert!(page.contains("<g class=\"node lit\" data-s=CLOSING>"));
}

#[test]
fn a_field_and_its_bytes_share_a_mark() {
    let page = drawn(&capture(&[b"hello"]), "a");
    // RFC 9293 3.1: the window is at 14 of the header, behind 20 bytes of IPv4; here 0x0100.
    let row = page
        .split("<tr tabindex=0 ")
        .find(|row| row.contains("<td>window<"))
        .unwrap();
    assert!(
        row.contains("34–35") && row.contains("256, unscaled"),
        "{row}"
    );
    let mark = row.split_once('>').unwrap().0;
    assert!(page.contains(&format!("<i {mark} class=l-tcp>01 00 </i>")));
    assert!(page.contains("5 bytes: hello"));
}

#[test]
fn hostile_text_stays_text_wherever_it_comes_from() {
    let hostile =
        "GET /<script>alert(1)</script>\"'onload=x HTTP/1.1\r\nX: <img src=x onerror=a()>\r\n\r\n";
    let mut file = capture(&[hostile.as_bytes()]);
    // A comment of the same length as ours.
    let comment = file.windows(8).position(|w| w == b"why=data").unwrap();
    file[comment..comment + 8].copy_from_slice(b"why=<b/>");
    let page = drawn(&file, "<script src=\"//evil\">\u{202e}.pcap");
    assert_eq!(count(&page, "<script"), 1, "ours only");
    assert!(!page.contains("<img") && !page.contains("<b/>") && !page.contains('\u{202e}'));
    assert!(
        page.contains("GET /&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;onload=x HTTP/1.1")
    );
    assert!(page.contains("&lt;b/&gt;"));
}

#[test]
fn a_page_asks_nobody_for_anything() {
    for name in ["get.pcapng", "reset.pcapng", "foreign/curl-nginx-ipv6.pcap"] {
        let page = drawn(&fixture(name), name);
        for outside in [
            "http://",
            "https://",
            " src=",
            "url(",
            "@import",
            "<link rel=stylesheet",
        ] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn of_a_long_capture_the_first_part_is_drawn_and_the_page_says_so() {
    let payloads = vec![&b"x"[..]; 5_003];
    let page = drawn(&capture(&payloads), "long");
    assert!(page.contains("holds 5003 packets; the first 5000 are drawn"));
    assert_eq!(count(&page, "<article class=pane"), 5_000);
    assert_eq!(count(&page, "<pre class=dump>"), 1_000);
}

#[test]
fn a_damaged_capture_is_shown_up_to_the_damage_which_is_named() {
    let file = fixture("get.pcapng");
    let mut out = Vec::new();
    let cut = &file[..file.len() / 2];
    let error = page(&mut Reader::new(cut).unwrap(), "cut", &mut out).unwrap_err();
    let page = String::from_utf8(out).unwrap();
    assert!(
        page.contains("The capture is damaged after packet"),
        "{error}"
    );
    assert!(page.contains("class=\"row p1 in\"") && page.ends_with("</html>\n"));
}
