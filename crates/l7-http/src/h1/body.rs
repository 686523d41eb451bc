//! The body of one message, inwards and outwards, whatever its framing.
//!
//! Job: read and write a body by the framing decided for it. Owns: how much is left.
//! Does not know: heads, roles, time. Sources: RFC 9112 sections 6 and 7.

use bytes::Bytes;
use http::HeaderMap;
use outcrop_base::ChunkQueue;

use super::SendError;
use super::chunked::{self, Piece};
use super::config::Limits;
use super::framing::Framing;
use super::input::Input;
use super::reject::Reject;

/// Reads a body.
#[derive(Clone, Debug, Hash)]
pub(super) enum BodyReader {
    Length(u64),
    Chunked(chunked::Reader),
    UntilClose { total: u64 },
}

impl BodyReader {
    pub(super) const fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(chunked::Reader::new()),
            Framing::UntilClose => Self::UntilClose { total: 0 },
        }
    }

    /// The next piece; `finished`: the peer has finished its stream.
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        finished: bool,
        limits: &Limits,
    ) -> Result<Piece, Reject> {
        let piece = match self {
            Self::Length(0) => return Ok(Piece::End(None)),
            Self::Length(_) | Self::UntilClose { .. } if input.is_empty() => Piece::More,
            Self::Length(left) => {
                let data = input.take(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                Piece::Data(data)
            }
            Self::Chunked(reader) => reader.next(input, limits)?,
            Self::UntilClose { total } => {
                let data = input.take(usize::MAX);
                *total += data.len() as u64;
                if limits.body.is_some_and(|most| *total > most) {
                    return Err(Reject::BodyTooLarge);
                }
                Piece::Data(data)
            }
        };
        if matches!(piece, Piece::More) {
            input.starve();
        }
        match (piece, &self) {
            (Piece::More, Self::UntilClose { .. }) if finished => Ok(Piece::End(None)),
            (Piece::More, Self::Length(_) | Self::Chunked(_)) if finished => {
                Err(Reject::Incomplete)
            }
            (piece, _) => Ok(piece),
        }
    }

    /// Bytes still to come, if that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose { .. } => None,
        }
    }
}

/// Writes a body.
#[derive(Clone, Debug, Hash)]
pub(super) enum BodyWriter {
    /// There is none, and whatever is written goes nowhere: an answer to HEAD, a 304.
    Nothing,
    Length(u64),
    Chunked,
    UntilClose,
}

impl BodyWriter {
    pub(super) fn write(&mut self, data: Bytes, out: &mut ChunkQueue) -> Result<(), SendError> {
        match self {
            Self::Nothing => {}
            Self::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(SendError::TooLong)?;
                out.push(data);
            }
            Self::Chunked => chunked::write_chunk(data, out),
            Self::UntilClose => out.push(data),
        }
        Ok(())
    }

    pub(super) fn finish(
        &self,
        trailers: Option<&HeaderMap>,
        out: &mut ChunkQueue,
    ) -> Result<(), SendError> {
        match self {
            Self::Length(0) | Self::Nothing | Self::UntilClose => Ok(()),
            Self::Length(_) => Err(SendError::TooShort),
            Self::Chunked => {
                chunked::write_end(trailers, out);
                Ok(())
            }
        }
    }
}
