//! A stream of plain bytes over a stream of records.
//!
//! Job: take records from below as they are needed, and hand records down before more is taken from above. Owns:
//! rustls' connection, and the records not yet taken by the stream below. Does not know: certificates.
//! What is read from below waits here until the program has taken what came before it, so that a peer who sends
//! without being read fills the stream below, not our memory.

use core::task::{Context, Poll};
use std::io::{self, BufRead as _, Write as _};

use bytes::Bytes;
use outcrop_base::{ByteStream, ChunkQueue};
use rustls::{Connection, HandshakeKind, ProtocolVersion};

/// The longest piece of plain text in one record (RFC 8446 5.1).
const RECORD: usize = 16 << 10;
/// Records under way below after which nothing more is taken from above.
const BACKLOG: usize = 64 << 10;

/// TLS over a stream, after the handshake.
///
/// It is a [`ByteStream`]: closing sends `close_notify`, and an end of the stream below without the peer's
/// `close_notify` is an error (`UnexpectedEof`), since anybody on the way could have cut the conversation there.
#[derive(Debug)]
pub struct TlsStream<S> {
    pub(crate) below: S,
    pub(crate) tls: Connection,
    /// Records read and not understood yet.
    incoming: Bytes,
    /// The stream below has ended.
    ended: bool,
    /// Records to be written.
    outgoing: ChunkQueue,
    closing: bool,
}

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, as the registry of IANA names it.
    pub suite: String,
    /// The name the client asked for (RFC 6066 3).
    pub name: Option<String>,
    /// The protocol chosen for what is inside (RFC 7301).
    pub protocol: Option<String>,
    /// Whether the session of an earlier connection went on.
    pub resumed: bool,
    /// Whether the client had to send a second ClientHello, for a group that the server knows (RFC 8446 4.1.4).
    pub retried: bool,
    /// The peer's certificates, its own first.
    pub peer: Vec<Bytes>,
}

impl<S: ByteStream> TlsStream<S> {
    pub(crate) fn new(below: S, tls: Connection) -> Self {
        Self {
            below,
            tls,
            incoming: Bytes::new(),
            ended: false,
            outgoing: ChunkQueue::new(),
            closing: false,
        }
    }

    /// What was agreed in the handshake.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let name = match &self.tls {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let (kind, suite) = (
            self.tls.handshake_kind(),
            self.tls.negotiated_cipher_suite(),
        );
        let peer = self.tls.peer_certificates().unwrap_or_default();
        Facts {
            version: match self.tls.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(_) | None => "unknown",
            },
            suite: suite.map_or_else(String::new, |suite| iana(suite.suite())),
            name,
            protocol: (self.tls.alpn_protocol())
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            resumed: kind == Some(HandshakeKind::Resumed),
            retried: kind == Some(HandshakeKind::FullWithHelloRetryRequest),
            peer: (peer.iter())
                .map(|certificate| Bytes::copy_from_slice(certificate))
                .collect(),
        }
    }

    /// The stream below.
    pub const fn below(&self) -> &S {
        &self.below
    }

    /// Asks for new traffic keys (TLS 1.3 key update).
    ///
    /// # Errors
    /// `Unsupported` in TLS 1.2.
    pub fn update_keys(&mut self) -> io::Result<()> {
        self.tls
            .refresh_traffic_keys()
            .map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))
    }

    /// Whether nothing more can come from below.
    pub(crate) const fn ended(&self) -> bool {
        self.ended && self.incoming.is_empty()
    }

    /// Writes what records there are; ready once the stream below has them all.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.collect()?;
        if self.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.below.poll_write(cx, &mut self.outgoing)
    }

    /// Moves records from rustls' own buffers to ours.
    fn collect(&mut self) -> io::Result<()> {
        if !self.tls.wants_write() {
            return Ok(());
        }
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records)?;
        }
        self.outgoing.push(records.into());
        Ok(())
    }

    /// Understands records that have come, or reads some. Ready when something has changed.
    ///
    /// # Errors
    /// `InvalidData` if the peer broke the protocol; it is told by an alert first.
    pub(crate) fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.incoming.is_empty() && !self.ended {
            match self.below.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => match read? {
                    Some(bytes) => self.incoming = bytes,
                    None => self.ended = true,
                },
            }
        }
        // rustls takes at most a record and a bit at a time.
        let mut piece: &[u8] = &self.incoming;
        let taken = self.tls.read_tls(&mut piece)?;
        self.incoming = self.incoming.split_off(taken);
        if let Err(error) = self.tls.process_new_packets() {
            // The alert is our last word; whether it can still be sent changes nothing.
            let _told = self.poll_flush(cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(()))
    }

    /// Plain text that is there.
    fn plain(&mut self) -> io::Result<Option<Bytes>> {
        let mut reader = self.tls.reader();
        let bytes = Bytes::copy_from_slice(reader.fill_buf()?);
        reader.consume(bytes.len());
        Ok((!bytes.is_empty()).then_some(bytes))
    }
}

impl<S: ByteStream> ByteStream for TlsStream<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            // Answers of the protocol itself, a key update for one, leave while we read.
            if let Poll::Ready(Err(error)) = self.poll_flush(cx)
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                return Poll::Ready(Err(error));
            }
            match self.plain() {
                Ok(bytes) => return Poll::Ready(Ok(bytes)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            match self.poll_records(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(done) => done?,
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut ChunkQueue) -> Poll<io::Result<()>> {
        if self.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            while self.outgoing.len() < BACKLOG
                && let Some(piece) = out.pop(RECORD)
            {
                self.tls.writer().write_all(&piece)?;
                self.collect()?;
            }
            match self.poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(done) => done?,
            }
            if out.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            self.closing = true;
            self.tls.send_close_notify();
        }
        match self.poll_flush(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(done) => done?,
        }
        self.below.poll_close(cx)
    }
}

/// rustls writes `TLS13_AES_..` where the registry has `TLS_AES_..`.
fn iana(suite: rustls::CipherSuite) -> String {
    let name = suite.as_str().unwrap_or("unknown");
    name.strip_prefix("TLS13_")
        .map_or_else(|| name.to_owned(), |rest| format!("TLS_{rest}"))
}
