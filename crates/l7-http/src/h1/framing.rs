//! Where a message ends.
//!
//! Job: the one decision on which everything else hangs, as two functions, one a direction.
//! Owns: the decision. Does not know: bytes of any body. Wherever two readers could disagree, the message
//! is refused: request smuggling is nothing but such a disagreement.
//! Sources: RFC 9112 sections 6.1 to 6.3 and 11.2; RFC 9110 section 8.6.

use http::{Method, StatusCode, Version};

use super::grammar::{decimal, is_token, list};
use super::parse::{RequestLine, StatusLine};
use super::reject::Reject;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// After so many bytes; zero also for "there is no body".
    Length(u64),
    /// With the chunk of size zero.
    Chunked,
    /// With the connection (responses only).
    UntilClose,
}

/// What the fields said about length, collected while walking over them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    length: Option<Result<u64, Reject>>,
    coding: Option<Coding>,
}

/// What the list of transfer codings amounts to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// `chunked` alone.
    Chunked,
    /// Others, not yet followed by `chunked`: such a body has no end.
    Other,
    /// Others, then `chunked`: well framed, not understood.
    OtherThenChunked,
    /// Something after `chunked`, or an empty member: two readers may disagree.
    Broken,
}

impl Lengths {
    /// Another `Content-Length`.
    pub(super) fn content_length(&mut self, value: &[u8]) {
        self.length = Some(match (self.length, decimal(value)) {
            (Some(_), _) => Err(Reject::LengthRepeated),
            (None, Some(length)) => Ok(length),
            (None, None) if value.contains(&b',') => Err(Reject::LengthRepeated),
            // A number beyond 64 bits is a body nobody takes.
            (None, None) if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                Err(Reject::BodyTooLarge)
            }
            (None, None) => Err(Reject::LengthInvalid),
        });
    }

    /// Another `Transfer-Encoding`.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) {
        for member in list(value) {
            let chunked = member.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match self.coding {
                None if chunked => Coding::Chunked,
                Some(Coding::Other) if chunked => Coding::OtherThenChunked,
                None | Some(Coding::Other) if is_token(member) => Coding::Other,
                None
                | Some(
                    Coding::Chunked | Coding::Other | Coding::OtherThenChunked | Coding::Broken,
                ) => Coding::Broken,
            });
        }
    }

    /// Length and coding, if each is sound and they do not contradict.
    fn agreed(&self, version: Version) -> Result<(Option<u64>, bool), Reject> {
        match (self.length, self.coding) {
            (Some(_), Some(_)) => Err(Reject::LengthAndCoding),
            (None, Some(_)) if version != Version::HTTP_11 => Err(Reject::CodingInHttp10),
            (None, Some(Coding::Chunked)) => Ok((None, true)),
            (None, Some(Coding::OtherThenChunked)) => Err(Reject::CodingUnknown),
            (None, Some(Coding::Other | Coding::Broken)) => Err(Reject::CodingNotChunkedLast),
            (Some(length), None) => Ok((Some(length?), false)),
            (None, None) => Ok((None, false)),
        }
    }
}

/// RFC 9112 section 6.3, for requests: chunked, else the length, else no body.
///
/// A 1.0 client that posts without a length (RFC 1945 section 8.3 obliges it to give one) may send a body
/// all the same, which would be read as the next request: it is asked for the length. Of 1.1 clients only
/// if `require_length` says so, because there silence means "no body".
pub(super) fn request(
    lengths: &Lengths,
    line: &RequestLine,
    require_length: bool,
) -> Result<Framing, Reject> {
    let posts = matches!(line.method, Method::POST | Method::PUT | Method::PATCH);
    Ok(match lengths.agreed(line.version)? {
        (_, true) => Framing::Chunked,
        (None, false) if posts && (require_length || line.version == Version::HTTP_10) => {
            return Err(Reject::LengthRequired);
        }
        (length, false) => Framing::Length(length.unwrap_or(0)),
    })
}

/// RFC 9112 section 6.3, for responses: none by status or method, else chunked, the length, or all there is.
pub(super) fn response(
    lengths: &Lengths,
    line: &StatusLine,
    asked: &Method,
) -> Result<Framing, Reject> {
    let (length, chunked) = lengths.agreed(line.version)?;
    if !has_body(line.status, asked) {
        return Ok(Framing::Length(0));
    }
    Ok(match (length, chunked) {
        (_, true) => Framing::Chunked,
        (Some(length), false) => Framing::Length(length),
        (None, false) => Framing::UntilClose,
    })
}

/// Whether a response of this status to this method has a body at all (RFC 9110 section 6.4.1).
pub(super) fn has_body(status: StatusCode, asked: &Method) -> bool {
    !(status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || asked == Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(version: Version, require_length: bool) -> Result<Framing, Reject> {
        let line = RequestLine {
            method: Method::POST,
            target: 5..6,
            path_end: 6,
            version,
        };
        request(&Lengths::default(), &line, require_length)
    }

    #[test]
    fn post_without_length_is_asked_for_it_where_silence_is_not_an_answer() {
        assert_eq!(post(Version::HTTP_10, false), Err(Reject::LengthRequired));
        assert_eq!(post(Version::HTTP_11, false), Ok(Framing::Length(0)));
        assert_eq!(post(Version::HTTP_11, true), Err(Reject::LengthRequired));
    }
}
