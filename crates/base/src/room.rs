//! Where headers are written, from the inside out.
//!
//! Job: one small buffer into which TCP, then IP, then Ethernet put their headers, each before the last.
//! Owns: the buffer and how far it is filled. Does not know: any header.

/// The longest stack of headers: Ethernet with VLAN 18, IPv6 40 with extensions, TCP 60, and a margin.
pub const HEADER_ROOM: usize = 192;

/// A buffer that grows towards its front.
///
/// ```
/// use outcrop_base::HeaderRoom;
/// let mut room = HeaderRoom::new();
/// room.prepend(2).copy_from_slice(b"cd");
/// room.prepend(2).copy_from_slice(b"ab");
/// assert_eq!(room.as_slice(), b"abcd");
/// ```
#[derive(Clone, Debug)]
pub struct HeaderRoom {
    bytes: [u8; HEADER_ROOM],
    start: usize,
}

impl Default for HeaderRoom {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderRoom {
    /// An empty room.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [0; HEADER_ROOM],
            start: HEADER_ROOM,
        }
    }

    /// Empties the room for the next packet.
    pub const fn clear(&mut self) {
        self.start = HEADER_ROOM;
    }

    /// Opens `len` bytes before what is there, with unspecified content.
    ///
    /// # Panics
    /// If the headers of one packet exceed [`HEADER_ROOM`]: no sequence of our layers' headers can.
    #[expect(
        clippy::panic,
        reason = "a header longer than its layer allows is our bug"
    )]
    pub fn prepend(&mut self, len: usize) -> &mut [u8] {
        let end = self.start;
        self.start = end.saturating_sub(len);
        match self.bytes.get_mut(self.start..end) {
            Some(opened) if opened.len() == len => opened,
            _ => panic!("headers exceed {HEADER_ROOM} bytes"),
        }
    }

    /// Everything written, outermost first.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        HEADER_ROOM - self.start
    }

    /// Whether nothing is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == HEADER_ROOM
    }
}
