use super::*;
use crate::pass::tests::through;
use http_body_util::BodyExt as _;

fn asked(codings: &str) -> Request<Body> {
    Request::builder()
        .header("accept-encoding", codings)
        .body(Body::empty())
        .unwrap()
}

fn page(len: usize) -> Response<Body> {
    Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .header("etag", "\"v1\"")
        .header("accept-ranges", "bytes")
        .body(Body::from("outcrop ".repeat(len / 8)))
        .unwrap()
}

fn bytes(response: Response<Body>) -> Bytes {
    futures_executor::block_on(response.into_body().collect())
        .unwrap()
        .to_bytes()
}

#[test]
fn every_coding_is_undone_by_its_decoder_in_pieces_of_any_size() {
    for coding in CODINGS {
        let answer = through(&Compress, asked(coding), page(40_000));
        assert_eq!(answer.headers()["content-encoding"], coding);
        assert_eq!(answer.headers()["vary"], "accept-encoding");
        assert_eq!(answer.headers()["etag"], "W/\"v1\"");
        assert!(!answer.headers().contains_key("accept-ranges"));
        let coded = bytes(answer);
        assert!(coded.len() < 4_000, "{coding}: {}", coded.len());
        for cut in [1, 7, 100, coded.len()] {
            let mut decoder = Decoder::new(coding, 1 << 20).unwrap();
            let mut plain = Vec::new();
            for piece in coded.chunks(cut) {
                plain.extend_from_slice(&decoder.write(piece).unwrap());
            }
            plain.extend_from_slice(&decoder.finish().unwrap());
            assert!(
                plain == "outcrop ".repeat(5_000).as_bytes(),
                "{coding} {cut}"
            );
        }
    }
}

#[test]
fn decoder_stops_at_its_bound() {
    for coding in CODINGS {
        let mut encoder = Encoder::new(coding).unwrap();
        encoder.write(&vec![0; 10_000_000]).unwrap();
        let bomb = encoder.finish().unwrap();
        let mut decoder = Decoder::new(coding, 100_000).unwrap();
        let error = decoder.write(&bomb).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{coding}");
    }
}

#[test]
fn what_should_not_be_compressed_is_left_alone() {
    let left_alone: [fn(&mut Response<Body>); 6] = [
        |r| {
            drop(
                r.headers_mut()
                    .insert("content-encoding", HeaderValue::from_static("gzip")),
            )
        },
        |r| {
            drop(
                r.headers_mut()
                    .insert("content-type", HeaderValue::from_static("image/png")),
            )
        },
        |r| {
            drop(
                r.headers_mut()
                    .insert("cache-control", HeaderValue::from_static("no-transform")),
            )
        },
        |r| *r.status_mut() = StatusCode::PARTIAL_CONTENT,
        |r| *r.body_mut() = Body::from("short"),
        |r| drop(r.headers_mut().remove("content-type")),
    ];
    for change in left_alone {
        let mut response = page(4_000);
        change(&mut response);
        let before = response.headers().clone();
        let after = through(&Compress, asked("gzip"), response);
        assert_eq!(after.headers(), &before);
    }
}

#[test]
fn who_does_not_want_it_gets_the_plain_bytes_and_caches_are_told() {
    let answer = through(&Compress, asked("gzip;q=0"), page(4_000));
    assert_eq!(answer.headers()["vary"], "accept-encoding");
    assert_eq!(answer.headers()["etag"], "\"v1\"");
    assert_eq!(bytes(answer).len(), 4_000);
}

#[test]
fn head_and_304_tell_of_the_bytes_that_a_get_would_bring() {
    let mut head = asked("br");
    *head.method_mut() = Method::HEAD;
    let mut response = page(0);
    response
        .headers_mut()
        .insert("content-length", 4_000.into());
    let answer = through(&Compress, head, response);
    assert_eq!(answer.headers()["content-encoding"], "br");
    assert!(!answer.headers().contains_key("content-length"));
    let mut unchanged = page(0);
    *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
    let answer = through(&Compress, asked("br"), unchanged);
    assert_eq!(answer.headers()["etag"], "W/\"v1\"");
    assert!(!answer.headers().contains_key("content-encoding"));
}
