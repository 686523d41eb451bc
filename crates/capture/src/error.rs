//! What can be wrong with a file, and what to do about it.

use std::io;

/// Why a capture could not be read to its end. Each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read the capture at byte {offset}: {source}")]
    Io {
        /// Bytes understood before.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error(
        "the capture is empty: no packet was recorded, or the recorder never wrote its first block"
    )]
    Empty,
    /// It is neither pcapng nor pcap.
    #[error(
        "not a capture: it begins with {first:02x?}, but pcapng begins with 0a 0d 0d 0a and pcap with a1 b2 c3 d4 \
         in some order{hint}"
    )]
    NotACapture {
        /// Its first bytes.
        first: Vec<u8>,
        /// What it might be.
        hint: &'static str,
    },
    /// It ends in the middle of a record.
    #[error(
        "the capture is cut short: the record at byte {offset} is incomplete; everything before it is good. \
         Was the recorder stopped, or is it still writing?"
    )]
    Truncated {
        /// Where the incomplete record begins.
        offset: u64,
    },
    /// A record contradicts itself.
    #[error(
        "the capture is damaged at byte {offset}: {what}; everything before it is good. `editcap` may save the rest"
    )]
    Damaged {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Its link type is not one we read.
    #[error(
        "link type {number} at byte {offset} is not one of those read here (raw IP 101, IPv4 228, IPv6 229, \
         Ethernet 1, Linux cooked 113 and 276, loopback 0 and 108); capture on another interface"
    )]
    LinkType {
        /// Where the packet or header begins.
        offset: u64,
        /// The number in the file.
        number: u32,
    },
}

/// Why a capture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The sink refused.
    #[error("cannot write the capture: {0}")]
    Io(#[from] io::Error),
    /// A value does not fit the format.
    #[error("cannot write the capture: {0}")]
    Format(String),
}

/// Why a capture could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The source is bad.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The destination is bad.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Classic pcap has one link type a file.
    #[error(
        "packet {number} has another link type than the first, and classic pcap holds only one a file"
    )]
    SecondLink {
        /// The packet's ordinal in the source, from 1.
        number: u64,
    },
}

/// The whole story of an error of the format library, in one line.
pub(crate) fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
