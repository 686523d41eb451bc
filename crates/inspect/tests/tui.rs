//! The terminal view, on a terminal in memory. What it has to show, the fixture's README and tshark say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use outcrop_capture::Reader;
use outcrop_inspect::{Tui, TuiKey};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fs::read(path.join(name)).unwrap()
}

fn tui(name: &str) -> Tui {
    let (tui, outcome) = Tui::read(&mut Reader::new(&fixture(name)[..]).unwrap(), name);
    outcome.unwrap();
    tui
}

/// The screen as lines, and the text that is reversed but for the title: what is chosen.
fn drawn(tui: &Tui) -> (Vec<String>, String) {
    let mut terminal = Terminal::new(TestBackend::new(140, 48)).unwrap();
    terminal.draw(|frame| tui.draw(frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = (0..48).map(|y| (0..140).map(|x| buffer[(x, y)].symbol()).collect());
    let mut chosen = String::new();
    for y in 1..48 {
        for x in 0..140 {
            if buffer[(x, y)].modifier.contains(Modifier::REVERSED) {
                chosen.push_str(buffer[(x, y)].symbol());
            }
        }
    }
    (lines.collect(), chosen)
}

#[test]
fn the_next_notable_packet_is_the_lost_one_then_its_repair_and_its_cause_is_an_acknowledgment() {
    let mut tui = tui("retransmission.pcapng");
    let (lines, chosen) = drawn(&tui);
    assert!(
        lines[0].contains("retransmission.pcapng · 17 packets · 1 conversations"),
        "{}",
        lines[0]
    );
    assert!(chosen.starts_with("1 "), "{chosen}");
    // Lost: the second data segment (#5) and the last (#11); repaired by #13 and #15.
    for id in ["5", "11", "13", "15", "5"] {
        tui.key(TuiKey::Notable);
        let (_, chosen) = drawn(&tui);
        assert!(chosen.starts_with(&format!("{id} ")), "{id}: {chosen}");
    }
    for _ in 0..2 {
        tui.key(TuiKey::Notable);
    }
    let (lines, chosen) = drawn(&tui);
    assert!(chosen.contains("fast-retransmit ← #12"), "{chosen}");
    assert!(lines.iter().any(|line| line.contains("Fields of #13")));
    tui.key(TuiKey::Cause);
    assert!(drawn(&tui).1.starts_with("12 "));
}

#[test]
fn a_chosen_field_and_its_bytes_are_marked_together() {
    let mut tui = tui("retransmission.pcapng");
    tui.key(TuiKey::Pane);
    // RFC 791 3.1: version, type of service, total length: the third field, bytes 2 and 3; 60 bytes of SYN.
    tui.key(TuiKey::Down);
    tui.key(TuiKey::Down);
    let (_, chosen) = drawn(&tui);
    assert!(chosen.contains("total length: 60 bytes"), "{chosen}");
    assert!(chosen.contains("00 3c "), "{chosen}");
    tui.key(TuiKey::Home);
    assert!(drawn(&tui).1.contains("version, header length"));
}

#[test]
fn one_conversation_at_a_time_and_then_all_again() {
    let mut tui = tui("pipeline.pcapng");
    let all = drawn(&tui).0[0].clone();
    tui.key(TuiKey::Conversation);
    let one = drawn(&tui).0[0].clone();
    assert!(one.contains("A: ") && one.contains(" ↔ "), "{one}");
    let mut title = one;
    for _ in 0..100 {
        if title == all {
            return;
        }
        tui.key(TuiKey::Conversation);
        title = drawn(&tui).0[0].clone();
    }
    panic!("all are not shown again: {title}");
}

#[test]
fn keys_at_the_ends_stay_and_small_screens_are_drawn() {
    let mut tui = tui("get.pcapng");
    for key in [TuiKey::Up, TuiKey::PageUp, TuiKey::Home] {
        tui.key(key);
        assert!(drawn(&tui).1.starts_with("1 "));
    }
    tui.key(TuiKey::End);
    let last = drawn(&tui).1;
    tui.key(TuiKey::PageDown);
    assert_eq!(drawn(&tui).1, last);
    for (width, height) in [(1, 1), (20, 5), (80, 24)] {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| tui.draw(frame)).unwrap();
    }
}

#[test]
fn a_capture_that_grows_keeps_its_place_or_its_end() {
    let file = fixture("get.pcapng");
    let whole = tui("get.pcapng");
    // Cut inside a block: what came before is shown, and the damage named.
    let (mut short, outcome) = Tui::read(&mut Reader::new(&file[..file.len() / 2]).unwrap(), "cut");
    assert!(outcome.is_err());
    assert!(drawn(&short).0[0].contains("damaged"));
    let (stays, _) = Tui::read(&mut Reader::new(&file[..]).unwrap(), "get");
    assert!(drawn(&short.grown(stays)).1.starts_with("1 "));
    short.key(TuiKey::End);
    let mut end = whole;
    let (next, _) = Tui::read(&mut Reader::new(&file[..]).unwrap(), "get.pcapng");
    let grown = short.grown(next);
    end.key(TuiKey::End);
    assert_eq!(drawn(&grown).1, drawn(&end).1);
}

/// What is on the screen, held against the file of that name; `BLESS=1` writes it, for a person to look at.
fn snapshot(name: &str, tui: &Tui) {
    let (lines, _) = drawn(tui);
    let text: String = lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/screens/{name}.txt"));
    let is =
        |name| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    if is("BLESS") && !is("CI") {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept, text, "{}", path.display());
}

#[test]
fn screens_are_as_they_were_looked_at() {
    let mut loss = tui("retransmission.pcapng");
    for _ in 0..3 {
        loss.key(TuiKey::Notable);
    }
    snapshot("retransmission", &loss);
    let mut inside = tui("foreign/tls13-aes128.pcapng");
    for _ in 0..8 {
        inside.key(TuiKey::Down);
    }
    inside.key(TuiKey::Pane);
    for _ in 0..28 {
        inside.key(TuiKey::Down);
    }
    snapshot("inside-tls", &inside);
}
