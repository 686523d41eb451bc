//! Why a message is refused, and with which status.
//!
//! Job: one closed list of everything this engine refuses, each with its status, its reason and its source.
//! Owns: the list. Does not know: how a check is made, or whether the answer still reaches anybody.
//! Sources: RFC 9112 (message syntax), RFC 9110 section 15 (status codes), RFC 6585 section 5 (431).

use http::StatusCode;
use outcrop_base::{DropReason, RuleRef, Verdict};

outcrop_base::vocabulary! {
    /// Why a message was refused. The peer's bytes are to blame.
    pub enum Reject {
        /// A line feed without a carriage return before it.
        BareLf = "http:bare-lf",
        /// A carriage return inside a line.
        BareCr = "http:bare-cr",
        /// More empty lines before a request than courtesy allows.
        EmptyLines = "http:empty-lines",
        /// The method is not a token.
        BadMethod = "http:bad-method",
        /// The start line is not three parts with one space between.
        BadStartLine = "http:bad-start-line",
        /// The request target has a byte or form it must not have.
        BadTarget = "http:bad-target",
        /// The version is not `HTTP/` digit `.` digit.
        BadVersion = "http:bad-version",
        /// The status is not three digits from 100 to 599.
        BadStatus = "http:bad-status",
        /// A field name is not a token, or white space stands before the colon.
        BadFieldName = "http:bad-field-name",
        /// A field value has a control byte.
        BadFieldValue = "http:bad-field-value",
        /// A field goes on in the next line.
        ObsFold = "http:obs-fold",
        /// HTTP/1.1 without `Host`.
        HostMissing = "http:host-missing",
        /// More than one `Host`.
        HostRepeated = "http:host-repeated",
        /// `Host` is no host with an optional port.
        HostInvalid = "http:host-invalid",
        /// A request with content whose length nothing tells.
        LengthRequired = "http:length-required",
        /// `Content-Length` is not one plain number.
        LengthInvalid = "http:length-invalid",
        /// More than one `Content-Length`, equal or not.
        LengthRepeated = "http:length-repeated",
        /// `Content-Length` beside `Transfer-Encoding`.
        LengthAndCoding = "http:length-and-coding",
        /// `Transfer-Encoding` without `chunked` as its one last coding.
        CodingNotChunkedLast = "http:coding-not-chunked-last",
        /// `Transfer-Encoding` in HTTP/1.0.
        CodingInHttp10 = "http:coding-in-http10",
        /// A transfer coding other than `chunked`.
        CodingUnknown = "http:coding-unknown",
        /// A chunk size that is no hexadecimal number, or too large for one.
        ChunkSize = "http:chunk-size",
        /// A chunk extension that is none.
        ChunkExtension = "http:chunk-extension",
        /// A chunk-size line, or all extensions of a body together, beyond the limit.
        ChunkLineTooLong = "http:chunk-line-too-long",
        /// A chunk's data is not followed by a line end.
        ChunkEnd = "http:chunk-end",
        /// A trailer that would change framing or routing.
        TrailerForbidden = "http:trailer-forbidden",
        /// The connection ended inside a message.
        Incomplete = "http:incomplete",
        /// The request did not arrive in time.
        Timeout = "http:timeout",
        /// The body is longer than this server takes.
        BodyTooLarge = "http:body-too-large",
        /// The request target is longer than this server takes.
        TargetTooLong = "http:target-too-long",
        /// An expectation other than `100-continue`.
        ExpectationUnknown = "http:expectation-unknown",
        /// The fields are too long or too many.
        FieldsTooLarge = "http:fields-too-large",
        /// A method nobody here speaks: absurdly long, or `CONNECT` at an origin.
        MethodUnknown = "http:method-unknown",
        /// A version other than 1.0 and 1.1.
        VersionUnknown = "http:version-unknown",
    }
}

/// What a rejection means: the status for the peer, the reason for the counters, where it is written.
type Meaning = (StatusCode, DropReason, &'static str);

const MALFORMED: DropReason = DropReason::HttpMalformed;
const FRAMING: DropReason = DropReason::HttpFraming;
const LARGE: DropReason = DropReason::HttpTooLarge;
const UNSUPPORTED: DropReason = DropReason::HttpUnsupported;

impl Reject {
    /// The status a server answers with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.meaning().0
    }

    /// The reason under which it is counted.
    #[must_use]
    pub const fn reason(self) -> DropReason {
        self.meaning().1
    }

    /// Name and source.
    #[must_use]
    pub const fn rule(self) -> RuleRef {
        RuleRef {
            name: self.name(),
            source: self.meaning().2,
        }
    }

    pub(super) const fn verdict(self) -> Verdict {
        Verdict::dropped(self.reason(), self.rule())
    }

    #[rustfmt::skip]
    const fn meaning(self) -> Meaning {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::BareLf => (BAD, FRAMING, "RFC 9112 2.2"),
            Self::BareCr => (BAD, FRAMING, "RFC 9112 2.2"),
            Self::EmptyLines => (BAD, MALFORMED, "RFC 9112 2.2"),
            Self::BadMethod => (BAD, MALFORMED, "RFC 9112 3.1"),
            Self::BadStartLine => (BAD, MALFORMED, "RFC 9112 3"),
            Self::BadTarget => (BAD, MALFORMED, "RFC 9112 3.2"),
            Self::BadVersion => (BAD, MALFORMED, "RFC 9112 2.3"),
            Self::BadStatus => (BAD, MALFORMED, "RFC 9112 4"),
            Self::BadFieldName => (BAD, FRAMING, "RFC 9112 5.1"),
            Self::BadFieldValue => (BAD, MALFORMED, "RFC 9110 5.5"),
            Self::ObsFold => (BAD, FRAMING, "RFC 9112 5.2"),
            Self::HostMissing | Self::HostRepeated | Self::HostInvalid => (BAD, MALFORMED, "RFC 9112 3.2"),
            Self::LengthRequired => (StatusCode::LENGTH_REQUIRED, FRAMING, "RFC 9110 15.5.12, RFC 1945 8.3"),
            Self::LengthInvalid | Self::LengthRepeated => (BAD, FRAMING, "RFC 9112 6.3"),
            Self::LengthAndCoding | Self::CodingInHttp10 => (BAD, FRAMING, "RFC 9112 6.1"),
            Self::CodingNotChunkedLast => (BAD, FRAMING, "RFC 9112 6.3"),
            Self::CodingUnknown => (StatusCode::NOT_IMPLEMENTED, UNSUPPORTED, "RFC 9112 6.1"),
            Self::ChunkSize | Self::ChunkEnd => (BAD, FRAMING, "RFC 9112 7.1"),
            Self::ChunkExtension | Self::ChunkLineTooLong => (BAD, FRAMING, "RFC 9112 7.1.1"),
            Self::TrailerForbidden => (BAD, FRAMING, "RFC 9110 6.5.1"),
            Self::Incomplete => (BAD, MALFORMED, "RFC 9112 8"),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, MALFORMED, "RFC 9110 15.5.9"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, LARGE, "RFC 9110 15.5.14"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, LARGE, "RFC 9112 3"),
            Self::ExpectationUnknown => (StatusCode::EXPECTATION_FAILED, UNSUPPORTED, "RFC 9110 10.1.1"),
            Self::FieldsTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, LARGE, "RFC 6585 5"),
            Self::MethodUnknown => (StatusCode::NOT_IMPLEMENTED, UNSUPPORTED, "RFC 9110 9.1"),
            Self::VersionUnknown => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, UNSUPPORTED, "RFC 9110 15.6.6"),
        }
    }
}
