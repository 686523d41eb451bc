//! The recorder that writes an annotated pcapng file.
//!
//! Job: turn packets, facts and secrets into blocks, in the order they happen.
//! Owns: the order of blocks and which options they carry. Does not know: who keeps the sink, or what a header means.
//! Rules that other tools impose, each found by trying: one link type and one tap a file (tcpdump refuses
//! a second); secrets after the interface block and before the ServerHello (TLS is not decrypted otherwise);
//! never `epb_verdict`, custom blocks or local options (they do not survive `editcap`, or disturb the packet list).
//! Sources: draft-ietf-opsawg-pcapng.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use outcrop_base::{
    Checksum, Direction, Fact, Instant, InterfaceId, Level, PacketRecord, Recorder, WallClock,
};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::opt_common::{CommonOption, UnknownOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::systemd_journal_export::SystemdJournalExportBlock;
use pcap_file::pcapng::{Block, PcapNgBlock, PcapNgWriteError, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use crate::comment::{write_reason, write_state_line};
use crate::error::chain;
use crate::journal::write_fact;
use crate::secrets::{Secrets, placeholder};
use crate::sentence::write_sentence;
use crate::{Link, Section, WriteError};

/// The largest record stated in the interface block: what libpcap allows.
const SNAP_LEN: u32 = 262_144;
/// The option with our packet number.
const EPB_PACKET_ID: u16 = 5;
/// `epb_flags`: direction in the low two bits.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// What a writer has to know before the first packet.
#[derive(Clone, Debug)]
pub struct Config {
    /// How much to write. At `Events` ordinary packets carry no comment.
    pub level: Level,
    /// What the packets begin with.
    pub link: Link,
    /// Name of the device, as shown by other tools.
    pub interface: String,
    /// The one interface to record, where the stack has several: a file holds one tap. `None` takes all.
    pub tap: Option<InterfaceId>,
    /// Civil time at the run's start.
    pub clock: WallClock,
    /// Seed, configuration, scenario.
    pub section: Section,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: Level::Full,
            link: Link::Raw,
            interface: "outcrop".to_owned(),
            tap: None,
            clock: WallClock::new(core::time::Duration::ZERO),
            section: Section::new(),
        }
    }
}

/// Writes one file. After an error of the sink it stays silent until [`Writer::finish`] reports it.
#[derive(Debug)]
pub struct Writer<W: Write> {
    /// `None` once taken by `into_inner`.
    sink: Option<W>,
    encoder: Encoder,
    config: Config,
    secrets: Secrets<W>,
    last: Instant,
    packets: u64,
    scratch: Scratch,
    state: State,
}

/// Memory used again for every packet.
#[derive(Debug, Default)]
struct Scratch {
    bytes: Vec<u8>,
    comment: String,
    sentence: String,
}

#[derive(Debug)]
enum State {
    Open,
    Failed(WriteError),
    Finished,
}

/// Encodes a block at a time, so that the sink gets whole blocks.
struct Encoder(PcapNgWriter<Vec<u8>>);

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Encoder")
    }
}

impl<W: Write> Writer<W> {
    /// Begins a file on any sink. Secrets are written where they come: known before the
    /// ServerHello is recorded, they serve. Give a `BufWriter` if the sink is costly to call.
    ///
    /// # Errors
    /// The sink refuses, or the section's text exceeds 64 KiB.
    pub fn new(sink: W, config: Config) -> Result<Self, WriteError> {
        Self::begin(sink, config, Secrets::inline())
    }

    fn begin(sink: W, mut config: Config, secrets: Secrets<W>) -> Result<Self, WriteError> {
        config.section.set_clock(config.clock);
        let encoder = Encoder::begin(&config)?;
        let mut writer = Self {
            sink: Some(sink),
            encoder,
            config,
            secrets,
            last: Instant::ZERO,
            packets: 0,
            scratch: Scratch::default(),
            state: State::Open,
        };
        writer.flush_encoder()?;
        Ok(writer)
    }

    /// The first error, if there was one: nothing is written after it.
    #[must_use]
    pub const fn error(&self) -> Option<&WriteError> {
        match &self.state {
            State::Failed(error) => Some(error),
            State::Open | State::Finished => None,
        }
    }

    /// Packets written.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Hands everything to the sink's own `flush`: for a live pipe, after each turn.
    ///
    /// # Errors
    /// The first error of the run, once.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.take_error()?;
        if let Some(sink) = &mut self.sink {
            sink.flush()?;
        }
        Ok(())
    }

    /// Ends the file: statistics, secrets, flush. Further calls do nothing.
    ///
    /// # Errors
    /// The first error of the run, once.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        self.take_error()?;
        if matches!(self.state, State::Finished) {
            return Ok(());
        }
        self.state = State::Finished;
        self.encoder.write(&self.statistics())?;
        self.flush_encoder()?;
        if let Some(sink) = &mut self.sink {
            self.secrets.close(sink)?;
            sink.flush()?;
        }
        Ok(())
    }

    /// Ends the file and gives the sink back.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn into_inner(mut self) -> Result<W, WriteError> {
        self.finish()?;
        self.sink
            .take()
            .ok_or_else(|| WriteError::Format("the sink was taken before".to_owned()))
    }

    fn take_error(&mut self) -> Result<(), WriteError> {
        match core::mem::replace(&mut self.state, State::Finished) {
            State::Failed(error) => Err(error),
            state @ (State::Open | State::Finished) => {
                self.state = state;
                Ok(())
            }
        }
    }

    /// Does something that may fail, unless something has.
    fn attempt(&mut self, act: impl FnOnce(&mut Self) -> Result<(), WriteError>) {
        if matches!(self.state, State::Open)
            && let Err(error) = act(self)
        {
            self.state = State::Failed(error);
        }
    }

    fn flush_encoder(&mut self) -> Result<(), WriteError> {
        if let Some(sink) = &mut self.sink {
            sink.write_all(self.encoder.bytes())?;
        }
        self.encoder.clear();
        Ok(())
    }

    fn wants(&self, iface: InterfaceId) -> bool {
        self.config.level != Level::Off && self.config.tap.is_none_or(|tap| tap == iface)
    }

    fn write_packet(&mut self, record: &PacketRecord<'_>) -> Result<(), WriteError> {
        self.last = self.last.max(record.at);
        self.scratch.fill(record, self.config.level);
        let id = record.id.0.to_le_bytes();
        let mut options = Vec::with_capacity(4);
        options.push(EnhancedPacketOption::Flags(match record.direction {
            Direction::In => INBOUND,
            Direction::Out => OUTBOUND,
        }));
        let id = UnknownOption::new(EPB_PACKET_ID, &id);
        options.push(EnhancedPacketOption::Common(CommonOption::Unknown(id)));
        for text in [&self.scratch.comment, &self.scratch.sentence] {
            if !text.is_empty() {
                let comment = CommonOption::Comment(Cow::Borrowed(text.as_str()));
                options.push(EnhancedPacketOption::Common(comment));
            }
        }
        let data = Cow::Borrowed(self.scratch.bytes.as_slice());
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.config.clock.unix(record.at),
            original_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            data,
            options,
        };
        self.encoder.write(&block.into_block())?;
        self.packets += 1;
        self.flush_encoder()
    }

    fn write_event(&mut self, at: Instant, fact: &Fact) -> Result<(), WriteError> {
        self.last = self.last.max(at);
        let entry = &mut self.scratch.comment;
        entry.clear();
        write_fact(self.config.clock.unix(at), fact, entry);
        let block = SystemdJournalExportBlock {
            journal_entry: Cow::Borrowed(entry.as_bytes()),
        };
        self.encoder.write(&block.into_block())?;
        self.flush_encoder()
    }

    fn write_secret(&mut self, line: &str) -> Result<(), WriteError> {
        if let Some(block) = self.secrets.add(line) {
            self.encoder.write(&block)?;
            self.flush_encoder()?;
        }
        Ok(())
    }

    fn statistics(&self) -> Block<'static> {
        let clock = self.config.clock;
        InterfaceStatisticsBlock {
            interface_id: 0,
            timestamp: clock.unix(self.last),
            options: vec![
                InterfaceStatisticsOption::IsbStartTime(clock.unix(Instant::ZERO)),
                InterfaceStatisticsOption::IsbEndTime(clock.unix(self.last)),
                InterfaceStatisticsOption::IsbIfRecv(self.packets),
                InterfaceStatisticsOption::IsbIfDrop(0),
            ],
        }
        .into_block()
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a file that keeps 4 KiB free near its start; secrets that come later are put there on
    /// [`Writer::finish`], so that they stand before the handshake they decrypt.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn with_room_for_secrets(sink: W, config: Config) -> Result<Self, WriteError> {
        let mut writer = Self::begin(sink, config, Secrets::inline())?;
        let sink = writer.sink.as_mut();
        if let Some(sink) = sink {
            let at = sink.stream_position()?;
            writer.secrets = Secrets::reserved(at, overwrite::<W>);
        }
        writer.encoder.write(&placeholder())?;
        writer.flush_encoder()?;
        Ok(writer)
    }
}

impl Writer<BufWriter<File>> {
    /// Begins a file with room for secrets.
    ///
    /// # Errors
    /// The file cannot be created or written.
    pub fn create(path: impl AsRef<Path>, config: Config) -> Result<Self, WriteError> {
        Self::with_room_for_secrets(BufWriter::new(File::create(path)?), config)
    }
}

/// Writes over what was written, and returns to the end.
fn overwrite<W: Write + Seek>(sink: &mut W, at: u64, bytes: &[u8]) -> io::Result<()> {
    sink.seek(SeekFrom::Start(at))?;
    sink.write_all(bytes)?;
    sink.seek(SeekFrom::End(0))?;
    Ok(())
}

impl<W: Write + Send> Recorder for Writer<W> {
    fn level(&self) -> Level {
        self.config.level
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        if self.wants(record.iface) {
            self.attempt(|writer| writer.write_packet(record));
        }
    }

    fn fact(&mut self, at: Instant, fact: &Fact) {
        if self.config.level != Level::Off {
            self.attempt(|writer| writer.write_event(at, fact));
        }
    }

    fn secret(&mut self, line: &str) {
        if self.config.level != Level::Off {
            self.attempt(|writer| writer.write_secret(line));
        }
    }
}

impl<W: Write> Drop for Writer<W> {
    /// Ends the file as well as it can; call [`Writer::finish`] to learn of errors.
    fn drop(&mut self) {
        if matches!(self.state, State::Open) && self.sink.is_some() {
            let _unreported = self.finish();
        }
    }
}

impl Scratch {
    fn fill(&mut self, record: &PacketRecord<'_>, level: Level) {
        self.bytes.clear();
        self.comment.clear();
        self.sentence.clear();
        for piece in record.bytes {
            self.bytes.extend_from_slice(piece);
        }
        if let Some((start, offset)) = record.partial_checksum {
            complete_checksum(&mut self.bytes, start.into(), offset.into());
        }
        write_sentence(record, &mut self.sentence);
        match level {
            Level::Full => write_state_line(record, &mut self.comment),
            Level::Events if !self.sentence.is_empty() => write_reason(record, &mut self.comment),
            Level::Events | Level::Off => {}
        }
    }
}

/// Does what the device was asked to do: sums from `start` and puts the checksum `offset` behind.
/// The field holds the pseudo-header's sum, so it takes part.
fn complete_checksum(packet: &mut [u8], start: usize, offset: usize) {
    let Some(covered) = packet.get_mut(start..) else {
        return;
    };
    let mut sum = Checksum::new();
    sum.add(covered);
    // Zero means "none" to UDP and equals all ones to everybody (RFC 768).
    let value = match sum.finish() {
        0 => 0xffff,
        value => value,
    };
    if let Some(field) = covered.get_mut(offset..offset.saturating_add(2)) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

impl Encoder {
    /// Section header and interface.
    fn begin(config: &Config) -> Result<Self, WriteError> {
        let comment = config.section.to_comment();
        let program = format!("outcrop {}", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![
                SectionHeaderOption::Common(CommonOption::Comment(Cow::Borrowed(&comment))),
                SectionHeaderOption::UserApplication(Cow::Borrowed(&program)),
            ],
            ..SectionHeaderBlock::default()
        };
        let writer =
            PcapNgWriter::with_section_header(Vec::new(), section).map_err(|e| refused(&e))?;
        let mut encoder = Self(writer);
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::from(config.link.number()),
            snaplen: SNAP_LEN,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Borrowed(&config.interface)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        encoder.write(&interface.into_block())?;
        Ok(encoder)
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), WriteError> {
        let result = self.0.write_block(block);
        result.map(|_len| ()).map_err(|e| refused(&e))
    }

    fn bytes(&self) -> &[u8] {
        self.0.get_ref()
    }

    fn clear(&mut self) {
        self.0.get_mut().clear();
    }
}

fn refused(error: &PcapNgWriteError) -> WriteError {
    WriteError::Format(chain(error))
}
