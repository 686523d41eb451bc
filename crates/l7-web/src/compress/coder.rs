//! The codings themselves, behind one face each way.
//!
//! Job: bytes in, coded or decoded bytes out, piece by piece. Owns: what is not yet taken.
//! Does not know: HTTP, except that its `deflate` is the zlib format (RFC 9110 section 8.4.1.2).
//! Sources: RFC 1950 to 1952, RFC 7932 (br), RFC 8878 (zstd; RFC 9659 bounds its window).

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Effort: what a server can afford for every answer.
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 20;
const ZSTD_LEVEL: i32 = 3;
const BUFFER: usize = 4096;

/// Where the coders write; two hands on one vector, since not every coder shows its own.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Coding {
    Gzip(flate2::write::GzEncoder<Sink>),
    Deflate(flate2::write::ZlibEncoder<Sink>),
    Brotli(Box<brotli::CompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Encoder<'static, Sink>),
}

/// Compresses.
pub struct Encoder {
    coding: Coding,
    sink: Sink,
}

impl Encoder {
    /// For one of [`CODINGS`](super::CODINGS).
    ///
    /// # Errors
    /// `Unsupported` for any other name.
    pub fn new(coding: &str) -> io::Result<Self> {
        let sink = Sink::default();
        let into = sink.clone();
        let level = flate2::Compression::default();
        let coding = match coding {
            "gzip" => Coding::Gzip(flate2::write::GzEncoder::new(into, level)),
            "deflate" => Coding::Deflate(flate2::write::ZlibEncoder::new(into, level)),
            "br" => Coding::Brotli(Box::new(brotli::CompressorWriter::new(
                into,
                BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            "zstd" => Coding::Zstd(zstd::stream::write::Encoder::new(into, ZSTD_LEVEL)?),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { coding, sink })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.coding {
            Coding::Gzip(coder) => coder,
            Coding::Deflate(coder) => coder,
            Coding::Brotli(coder) => coder,
            Coding::Zstd(coder) => coder,
        }
    }

    /// More to compress.
    ///
    /// # Errors
    /// The coder failed.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.writer().write_all(data)
    }

    /// Everything written so far can be decoded from what is taken next.
    ///
    /// # Errors
    /// The coder failed.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }

    /// Compressed bytes that wait.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.sink.lock().len()
    }

    /// Takes them.
    #[must_use]
    pub fn take(&mut self) -> Bytes {
        core::mem::take(&mut *self.sink.lock()).into()
    }

    /// Ends the stream, and gives its last bytes.
    ///
    /// # Errors
    /// The coder failed.
    pub fn finish(self) -> io::Result<Bytes> {
        match self.coding {
            Coding::Gzip(coder) => drop(coder.finish()?),
            Coding::Deflate(coder) => drop(coder.finish()?),
            // Its end is written when it is let go of.
            Coding::Brotli(coder) => drop(coder.into_inner()),
            Coding::Zstd(coder) => drop(coder.finish()?),
        }
        Ok(core::mem::take(&mut *self.sink.lock()).into())
    }
}

enum Reading {
    Gzip(flate2::write::MultiGzDecoder<Sink>),
    Deflate(flate2::write::ZlibDecoder<Sink>),
    Brotli(Box<brotli::DecompressorWriter<Sink>>),
    Zstd(zstd::stream::write::Decoder<'static, Sink>),
}

/// Decompresses, up to a bound: a few bytes may stand for gigabytes.
pub struct Decoder {
    reading: Reading,
    sink: Sink,
    left: u64,
}

impl Decoder {
    /// For one of [`CODINGS`](super::CODINGS) or `x-gzip`; at most `most` bytes come out.
    ///
    /// # Errors
    /// `Unsupported` for any other name.
    pub fn new(coding: &str, most: u64) -> io::Result<Self> {
        let sink = Sink::default();
        let into = sink.clone();
        let reading = match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Reading::Gzip(flate2::write::MultiGzDecoder::new(into)),
            "deflate" => Reading::Deflate(flate2::write::ZlibDecoder::new(into)),
            "br" => Reading::Brotli(Box::new(brotli::DecompressorWriter::new(into, BUFFER))),
            "zstd" => {
                let mut coder = zstd::stream::write::Decoder::new(into)?;
                // RFC 9659: 8 MiB and no more.
                coder.window_log_max(23)?;
                Reading::Zstd(coder)
            }
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self {
            reading,
            sink,
            left: most,
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.reading {
            Reading::Gzip(coder) => coder,
            Reading::Deflate(coder) => coder,
            Reading::Brotli(coder) => coder,
            Reading::Zstd(coder) => coder,
        }
    }

    /// What `data` decodes to.
    ///
    /// # Errors
    /// `InvalidData` for bytes that are none of this coding, `FileTooLarge` beyond the bound.
    pub fn write(&mut self, data: &[u8]) -> io::Result<Bytes> {
        let mut out = Vec::new();
        // In small bites, so that the bound is kept before the memory is spent.
        for bite in data.chunks(BUFFER) {
            self.writer().write_all(bite)?;
            self.collect(&mut out)?;
        }
        self.writer().flush()?;
        self.collect(&mut out)?;
        Ok(out.into())
    }

    fn collect(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut sink = self.sink.lock();
        let came = sink.len() as u64;
        self.left = self
            .left
            .checked_sub(came)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        out.append(&mut sink);
        Ok(())
    }

    /// The coded stream has ended: was it whole?
    ///
    /// # Errors
    /// `UnexpectedEof` or `InvalidData` if not.
    pub fn finish(mut self) -> io::Result<Bytes> {
        match &mut self.reading {
            Reading::Gzip(coder) => coder.try_finish()?,
            Reading::Deflate(coder) => coder.try_finish()?,
            Reading::Brotli(coder) => coder.close()?,
            Reading::Zstd(coder) => coder.flush()?,
        }
        let mut out = Vec::new();
        self.collect(&mut out)?;
        Ok(out.into())
    }
}

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder")
            .field("ready", &self.ready())
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoder")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
