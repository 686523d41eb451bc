//! What comes with a request.
//!
//! Job: bodies into bytes, JSON, forms and parts, each within a bound. Owns: nothing. Does not know: what they are for.
//! Wrong type 415, too long 413, no JSON or form 400, JSON of the wrong shape 422, as a [`Problem`].
//! Sources: RFC 9110 sections 15.5.14, 15.5.16, 15.5.21; RFC 8259; RFC 7578 (multipart/form-data); URL standard section 5.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use outcrop_http::Body;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The whole body.
///
/// # Errors
/// 413 if it is longer than `most`, 400 if it broke off.
pub async fn collect(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE).with("limit", most);
    if body.size_hint().lower() > most as u64 {
        return Err(too_long());
    }
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if all.len() + data.len() > most {
            return Err(too_long());
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

/// Whether `Content-Type` is this, parameters aside.
fn expect(fields: &HeaderMap, wanted: fn(&str) -> bool) -> Result<(), Problem> {
    let given = fields
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let base = given
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if wanted(&base.trim().to_ascii_lowercase()) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// A body of JSON, as a value of `T`.
///
/// # Errors
/// 415, 413, 400 with the place of the mistake, 422 with what is missing or of the wrong kind.
pub async fn json<T: DeserializeOwned>(
    fields: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<T, Problem> {
    expect(fields, |base| {
        base == "application/json" || base.ends_with("+json")
    })?;
    let text = collect(body, most).await?;
    serde_json::from_slice(&text).map_err(|error| {
        let status = match error.classify() {
            serde_json::error::Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => StatusCode::BAD_REQUEST,
        };
        // What serde says is about the client's own text.
        Problem::new(status).detail(error.to_string())
    })
}

/// A form as browsers send it by default, as a value of `T`.
///
/// # Errors
/// 415, 413, 422.
pub async fn form<T: DeserializeOwned>(
    fields: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<T, Problem> {
    expect(fields, |base| base == "application/x-www-form-urlencoded")?;
    let text = collect(body, most).await?;
    serde_urlencoded::from_bytes(&text)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(error.to_string()))
}

/// A query, as a value of `T`.
///
/// # Errors
/// 400.
pub fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Problem> {
    serde_urlencoded::from_str(query.unwrap_or_default())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string()))
}

/// Bounds on a form of several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLimits {
    /// Bytes of the whole body.
    pub whole: u64,
    /// Bytes of one part.
    pub part: u64,
    /// How many parts.
    pub parts: usize,
}

impl Default for PartLimits {
    fn default() -> Self {
        Self {
            whole: 32 << 20,
            part: 16 << 20,
            parts: 100,
        }
    }
}

/// The parts of a `multipart/form-data` body, one after the other as they arrive: nothing is kept but the piece at hand.
#[derive(Debug)]
pub struct Parts {
    parts: multer::Multipart<'static>,
    left: usize,
}

/// One part.
#[derive(Debug)]
pub struct Part(multer::Field<'static>);

impl Parts {
    /// Of a request.
    ///
    /// # Errors
    /// 415, 400 without a boundary, 413 for a body announced longer than allowed.
    pub fn new(fields: &HeaderMap, body: Body, limits: PartLimits) -> Result<Self, Problem> {
        expect(fields, |base| base == "multipart/form-data")?;
        if body.size_hint().lower() > limits.whole {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let kind = fields
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let boundary = multer::parse_boundary(kind.unwrap_or_default()).map_err(|e| refused(&e))?;
        let bounds = multer::SizeLimit::new()
            .whole_stream(limits.whole)
            .per_field(limits.part);
        let bounds = multer::Constraints::new().size_limit(bounds);
        let parts = multer::Multipart::with_constraints(Pieces(body), boundary, bounds);
        Ok(Self {
            parts,
            left: limits.parts,
        })
    }

    /// The next part; what is left of the one before is skipped.
    ///
    /// # Errors
    /// 413 beyond a limit, 400 for what is no such body.
    pub async fn next(&mut self) -> Result<Option<Part>, Problem> {
        let part = self
            .parts
            .next_field()
            .await
            .map_err(|error| refused(&error))?;
        let Some(part) = part else { return Ok(None) };
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Problem::new(StatusCode::PAYLOAD_TOO_LARGE))?;
        Ok(Some(Part(part)))
    }
}

impl Part {
    /// The name of the form's field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name().unwrap_or_default()
    }

    /// The last segment of the file name the client gave. Not to be trusted beyond that.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        let name = self.0.file_name()?.rsplit(['/', '\\']).next()?;
        Some(name).filter(|name| !matches!(*name, "" | "." | ".."))
    }

    /// The next piece of its content.
    ///
    /// # Errors
    /// As for [`Parts::next`].
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        self.0.chunk().await.map_err(|error| refused(&error))
    }
}

fn refused(error: &multer::Error) -> Problem {
    let long = matches!(
        error,
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. }
    );
    let status = if long {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    Problem::new(status)
}

/// A body as the stream of pieces that `multer` reads.
struct Pieces(Body);

impl futures_core::Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Todo {
        text: String,
        done: bool,
    }

    fn typed(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())])
    }

    fn status(kind: &str, body: &'static str) -> u16 {
        match block_on(json::<Todo>(&typed(kind), body.into(), 40)) {
            Ok(_) => 200,
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[test]
    fn json_is_judged_by_type_length_syntax_and_shape_in_this_order() {
        let rows = [
            (
                "application/json; charset=utf-8",
                "{\"text\":\"x\",\"done\":true}",
                200,
            ),
            (
                "application/vnd.x+json",
                "{\"text\":\"x\",\"done\":true}",
                200,
            ),
            ("text/plain", "{}", 415),
            (
                "application/json",
                "{\"text\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"",
                413,
            ),
            ("application/json", "{\"text\"", 400),
            ("application/json", "not", 400),
            ("application/json", "{\"text\":1,\"done\":true}", 422),
            ("application/json", "{\"text\":\"x\"}", 422),
        ];
        for (kind, body, want) in rows {
            assert_eq!(status(kind, body), want, "{kind} {body}");
        }
    }

    #[test]
    fn form_and_query_are_decoded() {
        let kind = typed("application/x-www-form-urlencoded");
        let todo = block_on(form::<Todo>(&kind, "text=a+b%26&done=true".into(), 100)).unwrap();
        assert_eq!(
            todo,
            Todo {
                text: "a b&".into(),
                done: true
            }
        );
        assert_eq!(query::<Todo>(Some("done=false&text=")).unwrap().text, "");
        assert_eq!(query::<Todo>(None).unwrap_err().status(), 400);
    }

    #[test]
    fn body_without_a_length_is_cut_at_the_bound() {
        let endless = Body::from_pieces(core::iter::repeat(Bytes::from_static(b"more")));
        assert_eq!(block_on(collect(endless, 1000)).unwrap_err().status(), 413);
    }

    const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"../../x.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        line\r\n--not the end\r\n--B--\r\n";

    /// Name, file name and content of a part.
    type Read = (String, Option<String>, Vec<u8>);

    fn parts(limits: PartLimits) -> Result<Vec<Read>, Problem> {
        block_on(async {
            // One byte at a time: seams are nowhere and everywhere.
            let body = Body::from_pieces(FORM.bytes().map(|b| Bytes::from(vec![b])));
            let mut parts = Parts::new(&typed("multipart/form-data; boundary=B"), body, limits)?;
            let mut all = Vec::new();
            while let Some(mut part) = parts.next().await? {
                let mut content = Vec::new();
                while let Some(piece) = part.piece().await? {
                    content.extend_from_slice(&piece);
                }
                all.push((
                    part.name().to_owned(),
                    part.file_name().map(str::to_owned),
                    content,
                ));
            }
            Ok(all)
        })
    }

    #[test]
    fn parts_come_one_after_the_other_and_file_names_lead_nowhere() {
        let all = parts(PartLimits::default()).unwrap();
        assert_eq!(all[0], ("a".into(), None, b"1".to_vec()));
        assert_eq!(
            all[1],
            (
                "f".into(),
                Some("x.txt".into()),
                b"line\r\n--not the end".to_vec()
            )
        );
    }

    #[test]
    fn parts_beyond_any_limit_are_refused() {
        let small = PartLimits {
            part: 10,
            ..PartLimits::default()
        };
        let few = PartLimits {
            parts: 1,
            ..PartLimits::default()
        };
        let whole = PartLimits {
            whole: 100,
            ..PartLimits::default()
        };
        for limits in [small, few, whole] {
            assert_eq!(parts(limits).unwrap_err().status(), 413, "{limits:?}");
        }
        let none = Parts::new(
            &typed("multipart/form-data"),
            Body::empty(),
            PartLimits::default(),
        );
        assert_eq!(none.unwrap_err().status(), 400);
    }
}
