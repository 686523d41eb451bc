//! A remark on one packet of a capture.
//!
//! Job: copy a pcapng file, with one more comment. Owns: nothing. Does not know: what the remark is about.

use std::borrow::Cow;

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};

use crate::WriteError;
use crate::error::chain;

/// The same capture with `remark` as the last comment of packet `number`, counted from 1; of a number that is not there,
/// the same capture.
///
/// # Errors
/// It is no whole pcapng file.
pub fn annotate(capture: &[u8], number: u64, remark: &str) -> Result<Vec<u8>, WriteError> {
    let refused = |error: &dyn core::error::Error| WriteError::Format(chain(error));
    let mut reader = PcapNgReader::new(capture).map_err(|e| refused(&e))?;
    let section = reader.section().clone().into_owned();
    let writer = PcapNgWriter::with_section_header(Vec::new(), section);
    let mut writer = writer.map_err(|e| refused(&e))?;
    let mut packets = 0;
    while let Some(block) = reader.next_block() {
        let (mut block, _) = block.map_err(|e| refused(&e))?;
        if let Block::EnhancedPacket(packet) = &mut block {
            packets += 1;
            if packets == number {
                let comment = CommonOption::Comment(Cow::Owned(remark.to_owned()));
                packet.options.push(EnhancedPacketOption::Common(comment));
            }
        }
        writer.write_block(&block).map_err(|e| refused(&e))?;
    }
    Ok(writer.into_inner())
}
