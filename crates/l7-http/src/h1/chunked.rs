//! The chunked transfer coding.
//!
//! Job: take a body apart, hand its data out uncopied; put one together. Owns: where in the coding it stands.
//! Does not know: which message it is. Sources: RFC 9112 section 7.1; RFC 9110 section 6.5.1 (trailers).

use bytes::Bytes;
use http::HeaderMap;
use outcrop_base::ChunkQueue;

use super::config::Limits;
use super::fields::Trailers;
use super::grammar::{hexadecimal, is_chunk_extensions};
use super::input::Input;
use super::parse::check_fields;
use super::reject::Reject;
use super::scan::{Found, Scan, Section};

/// What the reader found next.
#[derive(Debug)]
pub(super) enum Piece {
    /// More bytes are needed.
    More,
    /// Data.
    Data(Bytes),
    /// The end, with trailers if there were any.
    End(Option<Trailers>),
}

/// Reads a chunked body.
#[derive(Clone, Debug, Hash)]
pub(super) struct Reader {
    at: At,
    /// Data bytes so far.
    total: u64,
    /// Bytes of extensions so far.
    extensions: usize,
}

#[derive(Clone, Debug, Hash)]
enum At {
    /// In a size line of which so many bytes were looked at.
    Size(usize),
    /// In data, so many bytes to go.
    Data(u64),
    /// Before the line end after data.
    DataEnd,
    Trailers(Scan),
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Size(0),
            total: 0,
            extensions: 0,
        }
    }

    pub(super) fn next(&mut self, input: &mut Input, limits: &Limits) -> Result<Piece, Reject> {
        loop {
            let done = match &mut self.at {
                At::Size(seen) => match size_line(input.view(), seen, limits)? {
                    None => return Ok(Piece::More),
                    Some(line) => self.on_size(line, input, limits)?,
                },
                At::Data(left) => {
                    if input.is_empty() {
                        return Ok(Piece::More);
                    }
                    let data = input.take(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= data.len() as u64;
                    if *left == 0 {
                        self.at = At::DataEnd;
                    }
                    Some(Piece::Data(data))
                }
                At::DataEnd => match input.view() {
                    [b'\r', b'\n', ..] => {
                        input.take(2);
                        self.at = At::Size(0);
                        None
                    }
                    [] | [b'\r'] => return Ok(Piece::More),
                    [_, ..] => return Err(Reject::ChunkEnd),
                },
                At::Trailers(scan) => {
                    match scan.advance(input.view(), Section::Trailers, limits)? {
                        Found::More | Found::StartLine(_) => return Ok(Piece::More),
                        Found::End(len) => Some(Piece::End(trailers(&input.take(len), limits)?)),
                    }
                }
            };
            if let Some(piece) = done {
                return Ok(piece);
            }
        }
    }

    fn on_size(
        &mut self,
        line: SizeLine,
        input: &mut Input,
        limits: &Limits,
    ) -> Result<Option<Piece>, Reject> {
        input.take(line.len);
        self.extensions += line.extensions;
        if self.extensions > limits.chunk_extensions {
            return Err(Reject::ChunkLineTooLong);
        }
        self.total = self
            .total
            .checked_add(line.size)
            .ok_or(Reject::BodyTooLarge)?;
        if limits.body.is_some_and(|most| self.total > most) {
            return Err(Reject::BodyTooLarge);
        }
        self.at = if line.size == 0 {
            At::Trailers(Scan::default())
        } else {
            At::Data(line.size)
        };
        Ok(None)
    }
}

struct SizeLine {
    size: u64,
    extensions: usize,
    /// With its line end.
    len: usize,
}

/// `chunk-size [ chunk-ext ] CRLF`. `seen` remembers what was looked at.
fn size_line(view: &[u8], seen: &mut usize, limits: &Limits) -> Result<Option<SizeLine>, Reject> {
    let window = view
        .get(..limits.chunk_line.min(view.len()))
        .unwrap_or(view);
    let new = window.get(*seen..).unwrap_or_default();
    let Some(lf) = memchr::memchr(b'\n', new).map(|offset| *seen + offset) else {
        *seen = window.len();
        return if view.len() >= limits.chunk_line {
            Err(Reject::ChunkLineTooLong)
        } else {
            Ok(None)
        };
    };
    let line = window.get(..lf).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(Reject::BareLf)?;
    let digits = line
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let (size, extensions) = line.split_at_checked(digits).unwrap_or_default();
    let size = hexadecimal(size).ok_or(Reject::ChunkSize)?;
    if !is_chunk_extensions(extensions) {
        return Err(Reject::ChunkExtension);
    }
    Ok(Some(SizeLine {
        size,
        extensions: extensions.len(),
        len: lf + 1,
    }))
}

/// Fields that would change how the message is framed or routed, were they believed this late: refused.
const FORBIDDEN: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// Fields that a sender must not put there either (RFC 9110 section 6.5.1). Received ones are told as
/// trailers and never mixed with the head's fields.
const UNFIT: [&str; 5] = [
    "connection",
    "content-encoding",
    "content-type",
    "authorization",
    "trailer",
];

fn trailers(section: &Bytes, limits: &Limits) -> Result<Option<Trailers>, Reject> {
    let mut forbidden = false;
    let mut any = false;
    check_fields(section, limits, |name, _| {
        any = true;
        forbidden |= FORBIDDEN.iter().any(|f| name.eq_ignore_ascii_case(f));
    })?;
    if forbidden {
        return Err(Reject::TrailerForbidden);
    }
    Ok(any.then(|| Trailers(section.clone())))
}

/// Writes one chunk; nothing if `data` is empty, since an empty chunk would end the body.
pub(super) fn write_chunk(data: Bytes, out: &mut ChunkQueue) {
    if data.is_empty() {
        return;
    }
    let mut digits = [0u8; 16];
    out.push_slice(hex(data.len(), &mut digits));
    out.push_slice(b"\r\n");
    out.push(data);
    out.push_slice(b"\r\n");
}

/// Writes the last chunk and the trailers.
pub(super) fn write_end(trailers: Option<&HeaderMap>, out: &mut ChunkQueue) {
    out.push_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        let name = name.as_str();
        if !FORBIDDEN.contains(&name) && !UNFIT.contains(&name) {
            super::emit::field(name, value.as_bytes(), out);
        }
    }
    out.push_slice(b"\r\n");
}

fn hex(mut number: usize, digits: &mut [u8; 16]) -> &[u8] {
    let mut from = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = *b"0123456789abcdef".get(number & 15).unwrap_or(&b'0');
        number >>= 4;
        from = at;
        if number == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or_default()
}
