//! The page, by the facts it has to show. What the facts are, the fixtures' README and tshark say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::IoSlice;
use std::path::PathBuf;

use outcrop_base::{
    Cause, Direction, Instant, InterfaceId, Limit, Note, PacketId, PacketRecord, Recorder as _, Why,
};
use outcrop_capture::{Config, Reader, Writer};
use outcrop_inspect::{PageOptions, page, page_with};

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
    // Two segments are marked F in the plot: sent again by acknowledgments, not by the timer.
    assert_eq!(count(&page, ">F</text>"), 2);
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
    assert!(page.contains(&format!("<i tabindex=0 {mark} class=l-tcp>01 00 </i>")));
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
fn of_a_long_capture_every_packet_is_plotted_and_the_first_are_drawn() {
    let payloads = vec![&b"x"[..]; 5_003];
    let page = drawn(&capture(&payloads), "long");
    assert!(
        page.contains(
            "holds 5\u{202f}003 packets: all are plotted, #1 to #500 are drawn in detail"
        )
    );
    assert_eq!(count(&page, "<article class=pane"), 500);
    // The columns are differences: numbers from 1 by 1, a millisecond apart.
    let (_, columns) = page
        .split_once("<script type=application/json id=points>")
        .unwrap();
    let (columns, _) = columns.split_once("</script>").unwrap();
    let ids = columns
        .split_once("\"id\":[")
        .unwrap()
        .1
        .split(']')
        .next()
        .unwrap();
    assert_eq!(ids.split(',').count(), 5_003);
    assert!(ids.split(',').all(|id| id == "1"));
    assert!(columns.contains("\"us\":[0,1000,1000,"));
    // Of others than the first, on request.
    let file = capture(&payloads);
    let mut out = Vec::new();
    let options = PageOptions {
        skip: 4_000,
        ..PageOptions::named("long")
    };
    page_with(&mut Reader::new(&file[..]).unwrap(), &options, &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert!(page.contains("#4001 to #4500 are drawn in detail"));
}

#[test]
fn up_to_five_thousand_packets_each_has_its_place() {
    let payloads = vec![&b"x"[..]; 2_000];
    let page = drawn(&capture(&payloads), "not long");
    assert_eq!(count(&page, "<article class=pane"), 2_000);
    assert_eq!(count(&page, "<pre class=dump>"), 1_000);
    assert!(!page.contains("<canvas"));
}

#[test]
fn an_everyday_packet_is_explained_too() {
    let page = drawn(&fixture("retransmission.pcapng"), "a");
    let pane = |id: &str| {
        let start = page
            .split(&format!("<article class=pane id={id} "))
            .nth(1)
            .unwrap();
        start.split("</article>").next().unwrap().to_owned()
    };
    let fin = pane("p11");
    assert!(fin.contains("<b>fin</b> <span class=sentence>This end has no more to send"));
    assert!(fin.contains("Because the program called shutdown."));
    assert!(fin.contains("<b>FIN-WAIT-1</b> we have finished sending"));
    assert!(
        fin.contains("10\u{202f}637 bytes in flight, the congestion window allows 14\u{202f}480")
    );
    assert!(fin.contains(">ip 20</span>") && fin.contains(">tcp 32</span>"));
    let again = pane("p13");
    assert!(again.contains("Because <a href=\"#p12\">#12</a> arrived."));
    // 40 ms of the 80 went into repairing two losses: two more round trips of the link's 20.
    assert!(page.contains("a round trip more: a loss was being repaired: 40.0\u{202f}ms"));
}

#[test]
fn the_time_went_where_the_link_and_the_programs_let_it_go() {
    // Both programs sleep until 500 ms, having shaken hands by 30.
    let page = drawn(&fixture("simultaneous-close.pcapng"), "a");
    let longest = page.split("<ol class=longest").nth(1).unwrap();
    let first = longest.split("<li").nth(1).unwrap();
    assert!(
        first.contains("our program") && first.contains("470.0\u{202f}ms"),
        "{first}"
    );
}

#[test]
fn an_exchange_is_read_as_what_was_asked_beside_what_was_answered() {
    let page = drawn(&fixture("pipeline.pcapng"), "a");
    let exchanges = page.split("<section id=exchanges>").nth(1).unwrap();
    let exchanges = exchanges.split("</section>").next().unwrap();
    assert_eq!(count(exchanges, "<details"), 2);
    assert!(exchanges.contains("<b>GET /second HTTP/1.1</b>\n<i>Host:</i> outcrop\n"));
    assert!(exchanges.contains("<b>HTTP/1.1 200 OK</b>"));
    // Two lines: "You asked for /first." and "That is all.".
    assert!(exchanges.contains("a body of 35 bytes"));
}

#[test]
fn nothing_captured_is_said_in_words() {
    let page = drawn(&capture(&[]), "empty");
    assert!(
        page.contains("No packet was captured yet") && page.contains("No packet to take apart")
    );
}

/// What is drawn of a fixture, but for the packets taken apart one by one, the style and the script.
fn views(page: &str) -> String {
    let (_, body) = page.split_once("<div id=all>").unwrap();
    let (before, rest) = body.split_once("<section id=xray>").unwrap();
    let (_, after) = rest.split_once("<div id=plots>").unwrap();
    let (after, _) = after.split_once("<nav id=cursor").unwrap();
    format!("{before}<div id=plots>{after}").replace("><", ">\n<")
}

#[test]
fn every_view_of_a_fixture_looks_as_it_was_reviewed() {
    for name in ["retransmission", "pipeline"] {
        let page = drawn(&fixture(&format!("{name}.pcapng")), name);
        let views = views(&page);
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/views/{name}.html"));
        if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
            fs::write(&path, &views).unwrap();
        }
        let known = fs::read_to_string(&path).unwrap();
        for (number, (known, drawn)) in (1..).zip(known.lines().zip(views.lines())) {
            assert_eq!(
                drawn, known,
                "{name}, line {number}: BLESS=1 writes it anew; review the difference"
            );
        }
        assert_eq!(known.lines().count(), views.lines().count());
    }
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
