//! The keys of conversations, for whoever may read them.
//!
//! Job: hand each line of a key log to a program's own sink. Owns: nothing. Does not know: files and captures.
//! Source: the NSS key log format (draft-ietf-tls-keylogfile). Whoever has the lines can read the traffic.

use core::fmt;
use std::sync::Arc;

use rustls::KeyLog;

/// Where lines go: `LABEL client_random secret`, in hexadecimal, without an end of line.
#[derive(Clone)]
pub struct KeySink(Arc<dyn Fn(String) + Send + Sync>);

impl KeySink {
    /// Every line to `sink`, on whichever thread the handshake runs.
    pub fn new(sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }
}

impl fmt::Debug for KeySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySink(..)")
    }
}

impl KeyLog for KeySink {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        (self.0)(format!("{label} {} {}", hex(client_random), hex(secret)));
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
