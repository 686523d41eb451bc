//! Writes a capture of two packets and an event, and reads it back.
//!
//! `cargo run -p outcrop-capture --example record -- /tmp/story.pcapng`, then open the file in Wireshark.

use std::io::IoSlice;

use core::time::Duration;
use outcrop_base::{
    Cause, Describe, Direction, DropReason, Fact, FactKind, Instant, InterfaceId, Limit, Note,
    PacketId, PacketRecord, Recorder, RuleRef, Value, Verdict, WallClock, Why,
};
use outcrop_capture::{Config, Reader, Record, Section, Writer};

/// What an engine would tell of itself.
struct Idle;

impl Describe for Idle {
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        visit("echoes", Value::Number(0));
    }
}

/// From 10.77.0.1 to 10.77.0.2: an echo request, identifier 7, sequence number 3.
const PING: [u8; 28] = [
    0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0x66, 0x40, 10, 77, 0, 1, 10, 77, 0, 2, 8, 0, 0xf7, 0xf5, 0,
    7, 0, 3,
];

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| "story.pcapng".to_owned());
    let config = Config {
        clock: WallClock::new(Duration::from_secs(1_700_000_000)),
        section: Section::new().with("scenario", "a ping with a bad checksum"),
        ..Config::default()
    };
    let mut writer = Writer::create(&path, config)?;
    record(&mut writer);
    writer.finish()?;

    for record in Reader::open(&path)? {
        match record? {
            Record::Packet(packet) => {
                println!("packet #{}: {}", packet.shown_id(), packet.notes.as_str());
                if let Some(sentence) = packet.sentence {
                    println!("           {sentence}");
                }
            }
            Record::Event(event) => println!("event:     {}", event.message()),
            Record::Secrets(lines) => println!("secrets:   {} lines", lines.lines().count()),
        }
    }
    println!("written to {path}");
    Ok(())
}

fn record(recorder: &mut dyn Recorder) {
    let mut damaged = PING;
    damaged[23] ^= 1;
    let rule = RuleRef {
        name: "icmp:checksum",
        source: "RFC 792",
    };
    let came = PacketRecord {
        at: Instant::from_millis(10),
        id: PacketId(1),
        iface: InterfaceId(0),
        direction: Direction::In,
        bytes: &[IoSlice::new(&damaged)],
        partial_checksum: None,
        gso_size: None,
        note: None,
        verdict: Some(Verdict::dropped(DropReason::IcmpBadChecksum, rule)),
        state: &Idle,
    };
    recorder.packet(&came);
    let remark = FactKind::Remark("the next one is our own");
    recorder.fact(
        Instant::from_millis(11),
        &Fact::new(None, remark, Cause::None),
    );
    recorder.packet(&PacketRecord {
        at: Instant::from_millis(12),
        id: PacketId(2),
        direction: Direction::Out,
        bytes: &[IoSlice::new(&PING)],
        note: Some(Note::new(Why::EchoRequest, Limit::None, Cause::None)),
        verdict: None,
        ..came
    });
}
