//! Heads as bytes.
//!
//! Job: write start lines and fields. Owns: the static parts. Does not know: connections or bodies.
//! Sources: RFC 9112 sections 3 to 5.

use outcrop_base::ChunkQueue;

/// Writes one field line.
pub(super) fn field(name: &str, value: &[u8], out: &mut ChunkQueue) {
    out.push_slice(name.as_bytes());
    out.push_slice(b": ");
    out.push_slice(value);
    out.push_slice(b"\r\n");
}

/// Writes `content-length: n`.
pub(super) fn content_length(length: u64, out: &mut ChunkQueue) {
    let mut digits = [0u8; 20];
    field("content-length", decimal(length, &mut digits), out);
}

/// A number in decimal.
pub(super) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut from = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = *b"0123456789"
            .get(usize::try_from(number % 10).unwrap_or(0))
            .unwrap_or(&b'0');
        number /= 10;
        from = at;
        if number == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or_default()
}

/// Writes a status line.
pub(super) fn status_line(status: http::StatusCode, out: &mut ChunkQueue) {
    if status == http::StatusCode::OK {
        out.push_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.push_slice(b"HTTP/1.1 ");
    out.push_slice(status.as_str().as_bytes());
    out.push_slice(b" ");
    out.push_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.push_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_writes_them(n: u64) {
            let mut digits = [0; 20];
            let text = n.to_string();
            prop_assert_eq!(decimal(n, &mut digits), text.as_bytes());
        }
    }
}
