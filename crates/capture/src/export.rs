//! Down to classic pcap, for tools that read nothing newer.
//!
//! Job: copy packets, leave everything else behind. Owns: nothing. Does not know: headers.

use std::io::{Read, Write};

use pcap_file::pcap::{PcapHeader, PcapTsResolution, PcapWriter, RawPcapPacket};
use pcap_file::{DataLink, Endianness};

use crate::error::chain;
use crate::{ExportError, Link, Packet, Reader, Record, WriteError};

/// What libpcap accepts as the largest record.
const SNAP_LEN: u32 = 262_144;

/// Copies the packets of `source` to `sink` as pcap with nanoseconds; returns how many.
/// Comments, directions and events have no place there. Buffer the sink.
///
/// # Errors
/// The source is damaged, the sink refuses, or the packets have two link types. What was written
/// before is a valid file.
pub fn export_pcap<R: Read, W: Write>(
    source: &mut Reader<R>,
    mut sink: W,
) -> Result<u64, ExportError> {
    // The file header names the link type, so the first packet is needed before it.
    let mut next = next_packet(source)?;
    let link = next.as_ref().map_or(Link::Raw, |packet| packet.link);
    let mut writer = open(&mut sink, link)?;
    let mut count = 0;
    while let Some(packet) = next {
        if packet.link != link {
            let number = packet.number;
            return Err(ExportError::SecondLink { number });
        }
        let written = writer.write_raw_packet(&raw(&packet));
        written.map_err(|e| WriteError::Format(chain(&e)))?;
        count += 1;
        next = next_packet(source)?;
    }
    sink.flush().map_err(WriteError::from)?;
    Ok(count)
}

fn next_packet<R: Read>(source: &mut Reader<R>) -> Result<Option<Packet>, ExportError> {
    for record in source {
        match record? {
            Record::Packet(packet) => return Ok(Some(packet)),
            Record::Event(_) | Record::Secrets(_) => {}
        }
    }
    Ok(None)
}

fn open<W: Write>(sink: W, link: Link) -> Result<PcapWriter<W>, WriteError> {
    let header = PcapHeader {
        endianness: Endianness::Little,
        snaplen: SNAP_LEN,
        datalink: DataLink::from(link.number()),
        ts_resolution: PcapTsResolution::NanoSecond,
        ..PcapHeader::default()
    };
    PcapWriter::with_header(sink, header).map_err(|e| WriteError::Format(chain(&e)))
}

/// Seconds beyond 32 bits (the year 2106) are shown as the last that fits.
fn raw(packet: &Packet) -> RawPcapPacket<'_> {
    RawPcapPacket {
        ts_sec: u32::try_from(packet.at.as_secs()).unwrap_or(u32::MAX),
        ts_frac: packet.at.subsec_nanos(),
        incl_len: u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX),
        orig_len: packet.original_len,
        data: packet.bytes.as_ref().into(),
    }
}
