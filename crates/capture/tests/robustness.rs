//! No file makes the reader panic, hang or grow.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use outcrop_capture::{Reader, Writer, export_pcap};
use proptest::prelude::*;

fn ng() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), common::config()).unwrap();
    common::play(&mut writer);
    writer.into_inner().unwrap()
}

fn pcap() -> Vec<u8> {
    let mut out = Vec::new();
    export_pcap(&mut Reader::new(&ng()[..]).unwrap(), &mut out).unwrap();
    out
}

/// Reads to the end, through everything a record offers. Returns how many items came.
fn exhaust(file: &[u8]) -> usize {
    let Ok(reader) = Reader::new(file) else {
        return 0;
    };
    let items: Vec<_> = reader.take(file.len() + 2).collect();
    for item in &items {
        match item {
            Ok(outcrop_capture::Record::Packet(packet)) => {
                let _ = (
                    packet.network(),
                    packet.why(),
                    packet.cause(),
                    packet.shown_id(),
                );
            }
            Ok(outcrop_capture::Record::Event(event)) => {
                assert!(event.message().len() <= file.len())
            }
            Ok(outcrop_capture::Record::Secrets(lines)) => assert!(lines.len() <= 3 * file.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    items.len()
}

#[test]
fn every_truncation_of_a_good_file_is_read_or_refused() {
    for file in [ng(), pcap()] {
        for len in 0..file.len() {
            assert!(exhaust(&file[..len]) <= 10);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        classic in any::<bool>(),
    ) {
        let mut file = if classic { pcap() } else { ng() };
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        prop_assert!(exhaust(&file) <= file.len() + 1);
    }

    #[test]
    fn random_bytes_behind_a_good_magic_are_read_or_refused(
        magic in prop::sample::select(vec![
            [0x0a, 0x0d, 0x0d, 0x0a], [0xa1, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1],
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut file = magic.to_vec();
        file.extend(rest);
        prop_assert!(exhaust(&file) <= file.len() + 1);
    }
}
