//! Captures, ours and other people's, record by record.
//!
//! Job: yield packets and events of a pcapng or pcap file in file order, with bounded memory.
//! Owns: the reading position and which block means what. Does not know: headers above the link.
//! Whatever is in the file, the answer is a record or a [`ReadError`]; never a panic.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use core::iter::FusedIterator;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{Cause, Direction, PacketId, Why};
use pcap_file::Endianness;
use pcap_file::pcap::{PcapReadError, PcapReader, PcapTsResolution};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{Block, PcapNgReadError, PcapNgReader, PcapNgState};

use crate::error::chain;
use crate::journal::Event;
use crate::{Annotations, Link, ReadError, Section, secrets};

/// The largest record accepted, and so the memory a reader holds.
const BUFFER: usize = 1 << 20;
const EPB_PACKET_ID: u16 = 5;

/// One record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A packet.
    Packet(Packet),
    /// Something that happened without a packet.
    Event(Event),
    /// TLS secrets: lines of a key log, for the handshakes that follow.
    Secrets(String),
}

/// A packet of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Time since 1970-01-01 UTC.
    pub at: Duration,
    /// Its ordinal among the file's packets, from 1.
    pub number: u64,
    /// Its number in the run, if the file says.
    pub id: Option<PacketId>,
    /// Which way it crossed the device, if the file says.
    pub direction: Option<Direction>,
    /// What the bytes begin with.
    pub link: Link,
    /// The bytes, from the link header on.
    pub bytes: Bytes,
    /// Its length on the wire: more than `bytes` if the recorder cut it.
    pub original_len: u32,
    /// State and reason; empty in a foreign file.
    pub notes: Annotations,
    /// The other comments, a line each.
    pub sentence: Option<String>,
}

impl Packet {
    /// The number to show: the run's, else the file's.
    #[must_use]
    pub fn shown_id(&self) -> u64 {
        self.id.map_or(self.number, |id| id.0)
    }

    /// The network packet and its ether type; `None` if the record ends within its link header.
    #[must_use]
    pub fn network(&self) -> Option<(u16, Bytes)> {
        let (kind, start) = self.link.network(&self.bytes)?;
        (start <= self.bytes.len()).then(|| (kind, self.bytes.slice(start..)))
    }

    /// Why it left.
    #[must_use]
    pub fn why(&self) -> Option<Why> {
        self.notes.why()
    }

    /// What made it leave.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.notes.cause()
    }
}

/// Reads one file.
///
/// ```
/// # use outcrop_capture::{Config, Reader, Writer};
/// # let file = Writer::new(Vec::new(), Config::default())?.into_inner()?;
/// for record in Reader::new(&file[..])? {
///     println!("{:?}", record?);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<R: Read> {
    format: Format<R>,
    section: Section,
    program: Option<String>,
    packets: u64,
    done: bool,
}

type Rewound<R> = io::Chain<Cursor<Vec<u8>>, R>;

enum Format<R: Read> {
    PcapNg(PcapNgReader<Rewound<R>>),
    Pcap {
        reader: PcapReader<Rewound<R>>,
        offset: u64,
    },
}

impl<R: Read> core::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reader")
            .field("section", &self.section)
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}

impl Reader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// The file cannot be read, or is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Io { offset: 0, source })?;
        Self::new(file)
    }
}

impl<R: Read> Reader<R> {
    /// Begins to read; the format is recognised by the first four bytes. No buffering is needed.
    ///
    /// # Errors
    /// It is no capture, or damaged at its very start.
    pub fn new(mut source: R) -> Result<Self, ReadError> {
        let mut first = Vec::with_capacity(4);
        let read = source.by_ref().take(4).read_to_end(&mut first);
        read.map_err(|source| ReadError::Io { offset: 0, source })?;
        let magic = recognise(&first)?;
        let rewound = Cursor::new(first).chain(source);
        let mut section = Section::new();
        let mut program = None;
        let format = match magic {
            Magic::PcapNg => {
                let reader = PcapNgReader::with_capacity(rewound, BUFFER);
                let reader = reader.map_err(|e| ng_error(e, 0))?;
                (section, program) = read_section(reader.section());
                Format::PcapNg(reader)
            }
            Magic::Pcap => {
                let reader = PcapReader::with_capacity(rewound, BUFFER);
                let reader = reader.map_err(|e| pcap_error(e, 0))?;
                Format::Pcap { reader, offset: 24 }
            }
        };
        Ok(Self {
            format,
            section,
            program,
            packets: 0,
            done: false,
        })
    }

    /// What the file says about its run: of the section read last.
    #[must_use]
    pub const fn section(&self) -> &Section {
        &self.section
    }

    /// The program that wrote it, if it says.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }

    /// Whether a stack of ours wrote it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.program().is_some_and(|p| p.starts_with("outcrop"))
    }

    fn next_record(&mut self) -> Option<Result<Record, ReadError>> {
        loop {
            let step = match &mut self.format {
                Format::PcapNg(reader) => ng_step(reader),
                Format::Pcap { reader, offset } => pcap_step(reader, offset),
            };
            return match step {
                Ok(Step::End) => None,
                Ok(Step::Skip) => continue,
                Ok(Step::Section(section, program)) => {
                    (self.section, self.program) = (section, program);
                    continue;
                }
                Ok(Step::Event(event)) => Some(Ok(Record::Event(event))),
                Ok(Step::Secrets(lines)) => Some(Ok(Record::Secrets(lines))),
                Ok(Step::Packet(mut packet)) => {
                    self.packets += 1;
                    packet.number = self.packets;
                    Some(Ok(Record::Packet(packet)))
                }
                Err(error) => Some(Err(error)),
            };
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_record();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R: Read> FusedIterator for Reader<R> {}

/// What one block of the file amounts to.
enum Step {
    Packet(Packet),
    Event(Event),
    Secrets(String),
    Section(Section, Option<String>),
    Skip,
    End,
}

enum Magic {
    PcapNg,
    Pcap,
}

/// Tells the format by its first bytes.
fn recognise(first: &[u8]) -> Result<Magic, ReadError> {
    let hint = match first {
        [] => return Err(ReadError::Empty),
        [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(Magic::PcapNg),
        [0xa1, 0xb2, 0xc3, 0xd4]
        | [0xd4, 0xc3, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0x3c, 0x4d]
        | [0x4d, 0x3c, 0xb2, 0xa1] => return Ok(Magic::Pcap),
        [0x1f, 0x8b, ..] => " (this is gzip: unpack it first)",
        [0x28, 0xb5, 0x2f, 0xfd] => " (this is zstd: unpack it first)",
        [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] => {
            " (this is a modified pcap of old Linux kernels: convert it with `editcap`)"
        }
        _ => "",
    };
    let first = first.to_vec();
    Err(ReadError::NotACapture { first, hint })
}

fn ng_step<R: Read>(reader: &mut PcapNgReader<R>) -> Result<Step, ReadError> {
    let offset = reader.bytes_parsed();
    let Some(next) = reader.next_block() else {
        return Ok(Step::End);
    };
    let (block, state) = next.map_err(|e| ng_error(e, offset))?;
    Ok(match block {
        Block::SectionHeader(section) => {
            let (section, program) = read_section(&section);
            Step::Section(section, program)
        }
        Block::EnhancedPacket(packet) => Step::Packet(ng_packet(&packet, state, offset)?),
        Block::Packet(old) => Step::Packet(Packet {
            at: old.timestamp,
            original_len: old.original_len,
            ..bare(link_of(state, old.interface_id.into(), offset)?, &old.data)
        }),
        Block::SimplePacket(simple) => Step::Packet(Packet {
            original_len: simple.original_len,
            ..bare(link_of(state, 0, offset)?, &simple.data)
        }),
        Block::SystemdJournalExport(entry) => Step::Event(Event::parse(&entry.journal_entry)),
        Block::Unknown(block) if block.type_ == secrets::BLOCK => {
            let little = matches!(state.endianness(), Endianness::Little);
            secrets::read(&block.value, little).map_or(Step::Skip, Step::Secrets)
        }
        Block::InterfaceDescription(_)
        | Block::NameResolution(_)
        | Block::InterfaceStatistics(_)
        | Block::CustomCopiable(_)
        | Block::CustomNonCopiable(_)
        | Block::Unknown(_) => Step::Skip,
    })
}

/// A packet about which nothing but its bytes is known.
fn bare(link: Link, data: &[u8]) -> Packet {
    Packet {
        at: Duration::ZERO,
        number: 0,
        id: None,
        direction: None,
        link,
        bytes: Bytes::copy_from_slice(data),
        original_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
        notes: Annotations::default(),
        sentence: None,
    }
}

fn ng_packet(
    block: &EnhancedPacketBlock<'_>,
    state: &PcapNgState,
    offset: u64,
) -> Result<Packet, ReadError> {
    let link = link_of(state, block.interface_id, offset)?;
    let mut packet = Packet {
        at: block.timestamp,
        original_len: block.original_len,
        ..bare(link, &block.data)
    };
    for option in &block.options {
        match option {
            EnhancedPacketOption::Flags(flags) => {
                packet.direction = match flags & 3 {
                    1 => Some(Direction::In),
                    2 => Some(Direction::Out),
                    _ => None,
                };
            }
            EnhancedPacketOption::Common(CommonOption::Unknown(option))
                if option.code == EPB_PACKET_ID =>
            {
                packet.id = read_id(&option.value, state.endianness());
            }
            EnhancedPacketOption::Common(CommonOption::Comment(text)) => {
                add_comment(&mut packet, text);
            }
            EnhancedPacketOption::Hash(_)
            | EnhancedPacketOption::DropCount(_)
            | EnhancedPacketOption::Common(_) => {}
        }
    }
    Ok(packet)
}

fn read_id(value: &[u8], endianness: Endianness) -> Option<PacketId> {
    let bytes = <[u8; 8]>::try_from(value).ok()?;
    Some(PacketId(match endianness {
        Endianness::Little => u64::from_le_bytes(bytes),
        Endianness::Big => u64::from_be_bytes(bytes),
    }))
}

/// The first comment of our grammar is the state; any other is a sentence.
fn add_comment(packet: &mut Packet, text: &str) {
    if packet.notes.is_empty()
        && let Some(notes) = Annotations::parse(text)
    {
        packet.notes = notes;
        return;
    }
    match &mut packet.sentence {
        Some(sentence) => {
            sentence.push('\n');
            sentence.push_str(text);
        }
        None => packet.sentence = Some(text.to_owned()),
    }
}

fn link_of(state: &PcapNgState, interface: u32, offset: u64) -> Result<Link, ReadError> {
    let index = usize::try_from(interface).unwrap_or(usize::MAX);
    let Some(interface) = state.interfaces().get(index) else {
        return Err(ReadError::Damaged {
            offset,
            what: format!("a packet of interface {interface}, which was never described"),
        });
    };
    let number = u32::from(interface.linktype);
    Link::from_number(number).ok_or(ReadError::LinkType { offset, number })
}

/// Section facts and the writing program.
fn read_section(block: &SectionHeaderBlock<'_>) -> (Section, Option<String>) {
    let mut section = Section::new();
    let mut program = None;
    for option in &block.options {
        match option {
            SectionHeaderOption::Common(CommonOption::Comment(text)) => {
                section = Section::parse(text);
            }
            SectionHeaderOption::UserApplication(name) => program = Some(name.to_string()),
            SectionHeaderOption::Hardware(_)
            | SectionHeaderOption::OS(_)
            | SectionHeaderOption::Common(_) => {}
        }
    }
    (section, program)
}

fn pcap_step<R: Read>(reader: &mut PcapReader<R>, offset: &mut u64) -> Result<Step, ReadError> {
    let at = *offset;
    let header = reader.header();
    let Some(next) = reader.next_raw_packet() else {
        return Ok(Step::End);
    };
    let raw = next.map_err(|e| pcap_error(e, at))?;
    *offset += 16 + raw.data.len() as u64;
    // The upper half of the field may hold the length of a frame check sequence.
    let number = u32::from(header.datalink) & 0xffff;
    let link = Link::from_number(number).ok_or(ReadError::LinkType { offset: at, number })?;
    let fraction = match header.ts_resolution {
        PcapTsResolution::MicroSecond => Duration::from_micros(raw.ts_frac.into()),
        PcapTsResolution::NanoSecond => Duration::from_nanos(raw.ts_frac.into()),
    };
    Ok(Step::Packet(Packet {
        at: Duration::from_secs(raw.ts_sec.into()) + fraction,
        original_len: raw.orig_len,
        ..bare(link, &raw.data)
    }))
}

fn ng_error(error: PcapNgReadError, offset: u64) -> ReadError {
    match error {
        PcapNgReadError::Io(source) => io_error(source, offset),
        PcapNgReadError::InvalidFormat(_)
        | PcapNgReadError::BlockConversion(_)
        | PcapNgReadError::StateUpdate(_) => ReadError::Damaged {
            offset,
            what: chain(&error),
        },
    }
}

fn pcap_error(error: PcapReadError, offset: u64) -> ReadError {
    match error {
        PcapReadError::Io(source) => io_error(source, offset),
        PcapReadError::Validation(_) => ReadError::Damaged {
            offset,
            what: chain(&error),
        },
    }
}

/// The format library reports an incomplete record as an unexpected end.
fn io_error(source: io::Error, offset: u64) -> ReadError {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        ReadError::Truncated { offset }
    } else {
        ReadError::Io { offset, source }
    }
}
