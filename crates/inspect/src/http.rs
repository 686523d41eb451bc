//! HTTP start lines, as far as a viewer needs them.
//!
//! Job: recognise the first line of a request or response in a payload.
//! Owns: a guess by form. Does not know: message framing; bodies that look like messages fool it.
//! Sources: RFC 9112 3 and 4 (request line, status line).

/// The start lines in a payload: a pipelined packet may hold several.
pub fn start_lines(payload: &[u8]) -> impl Iterator<Item = &str> {
    payload
        .split_inclusive(|b| *b == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
        .filter_map(|line| core::str::from_utf8(line).ok())
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| is_start_line(line))
}

fn is_start_line(line: &str) -> bool {
    is_status_line(line) || is_request_line(line)
}

/// `HTTP/1.1 200 OK`.
fn is_status_line(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("HTTP/") else {
        return false;
    };
    let mut words = rest.split(' ');
    let version = words.next().is_some_and(is_version);
    let status = words.next().unwrap_or_default();
    version && status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit())
}

/// `GET /index.html HTTP/1.1`.
fn is_request_line(line: &str) -> bool {
    let mut words = line.split(' ');
    let (Some(method), Some(_target), Some(protocol), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let version = protocol.strip_prefix("HTTP/").is_some_and(is_version);
    !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') && version
}

fn is_version(text: &str) -> bool {
    matches!(text, "1.0" | "1.1" | "0.9" | "2" | "2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelined_requests_give_a_line_each() {
        let payload = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n";
        let lines: Vec<_> = start_lines(payload).collect();
        assert_eq!(lines, ["GET / HTTP/1.1", "POST /x?y=1 HTTP/1.1"]);
    }

    #[test]
    fn only_complete_lines_of_the_right_form_count() {
        assert_eq!(start_lines(b"HTTP/1.1 404 Not Found\r\n").count(), 1);
        for other in [
            &b"HTTP/1.1 2000 OK\r\n"[..],
            b"GET / HTTP/1.1",
            b"get / HTTP/1.1\n",
            b"\xff / HTTP/1.1\n",
            b"A sentence about HTTP/1.1\n",
        ] {
            assert_eq!(start_lines(other).count(), 0, "{other:?}");
        }
    }
}
