//! Going on where an answer broke off.
//!
//! Job: the fields that ask for the rest, and whether what came is that rest. Owns: nothing. Does not know: files,
//! connections. Only a strong validator makes two halves one whole. Sources: RFC 9110 sections 8.8.1, 13.1.5, 14, 15.3.7.

use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What to ask with for all but the first `have` bytes of the body that came with `fields`; `None`: the halves might not
/// fit, so that it must be asked for anew.
#[must_use]
pub fn fields(fields: &HeaderMap, have: u64) -> Option<HeaderMap> {
    let units = fields.get(header::ACCEPT_RANGES);
    if units.is_some_and(|units| units == "none") || fields.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let tag = fields.get(header::ETAG)?;
    if !tag.as_bytes().starts_with(b"\"") {
        return None;
    }
    let range = HeaderValue::try_from(format!("bytes={have}-")).ok()?;
    Some(HeaderMap::from_iter([
        (header::RANGE, range),
        (header::IF_RANGE, tag.clone()),
    ]))
}

/// Whether an answer is the part from byte `have` on.
#[must_use]
pub fn continues(status: StatusCode, fields: &HeaderMap, have: u64) -> bool {
    let range = fields
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    status == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

/// Whether an answer says that there is nothing beyond byte `have`: all of it is there already.
#[must_use]
pub fn is_all(status: StatusCode, fields: &HeaderMap, have: u64) -> bool {
    let range = fields
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    status == StatusCode::RANGE_NOT_SATISFIABLE && range == Some(&format!("bytes */{have}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name: http::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        };
        HeaderMap::from_iter(fields.iter().map(pair))
    }

    #[test]
    fn rest_is_asked_for_only_where_the_halves_must_fit() {
        let asked = fields(&map(&[("etag", "\"a\"")]), 7).unwrap();
        assert_eq!(asked, map(&[("range", "bytes=7-"), ("if-range", "\"a\"")]));
        for bad in [
            map(&[("etag", "W/\"a\"")]),
            map(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]),
            map(&[("etag", "\"a\""), ("accept-ranges", "none")]),
            map(&[("etag", "\"a\""), ("content-encoding", "gzip")]),
        ] {
            assert_eq!(fields(&bad, 7), None, "{bad:?}");
        }
    }

    #[test]
    fn what_came_is_the_rest_the_whole_or_another_part() {
        let part = StatusCode::PARTIAL_CONTENT;
        assert!(continues(
            part,
            &map(&[("content-range", "bytes 7-9/10")]),
            7
        ));
        assert!(!continues(
            part,
            &map(&[("content-range", "bytes 70-99/100")]),
            7
        ));
        assert!(!continues(
            StatusCode::OK,
            &map(&[("content-range", "bytes 7-9/10")]),
            7
        ));
        let none = StatusCode::RANGE_NOT_SATISFIABLE;
        assert!(is_all(none, &map(&[("content-range", "bytes */7")]), 7));
        assert!(!is_all(none, &map(&[("content-range", "bytes */70")]), 7));
    }
}
