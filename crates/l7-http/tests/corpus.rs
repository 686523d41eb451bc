//! The corpus of `fixtures/http`: every case has the verdict written beside it, for every cut of its bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use bytes::Bytes;
use common::play;
use http::{Method, Request};
use outcrop_base::Instant;
use outcrop_http::h1::{BodyLength, Client, ClientConfig, ClientError, ClientEvent, ServerConfig};

struct Case {
    verdict: String,
    section: String,
    name: String,
    bytes: Vec<u8>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(core::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape {other}"),
        });
    }
    bytes
}

const REQUESTS: &str = include_str!("../../../fixtures/http/requests.tsv");
const RESPONSES: &str = include_str!("../../../fixtures/http/responses.tsv");

fn cases(text: &str) -> Vec<Case> {
    text.lines()
        .map(|line| {
            let [verdict, section, name, bytes] =
                line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert!(
                section.starts_with("RFC 9") || section == "D-60",
                "{section}"
            );
            Case {
                verdict: verdict.to_owned(),
                section: section.to_owned(),
                name: name.to_owned(),
                bytes: unescape(bytes),
            }
        })
        .collect()
}

fn verdict(pieces: &[&[u8]]) -> String {
    let outcome = play(&ServerConfig::default(), pieces);
    match outcome.reject {
        None => format!("accept {}", outcome.requests.len()),
        Some(reject) => {
            assert_eq!(outcome.last_status(), Some(reject.status().as_u16()));
            format!("refuse {}", reject.status().as_u16())
        }
    }
}

#[test]
fn corpora_are_large_and_their_names_are_different() {
    for (text, least) in [(REQUESTS, 600), (RESPONSES, 390)] {
        let cases = cases(text);
        let refused = (cases.iter()).filter(|case| case.verdict.starts_with("refuse"));
        assert!(cases.len() >= least && refused.count() >= 200);
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), cases.len());
    }
}

/// Every case whose verdict is another, whole or in pieces.
fn wrong(text: &str, verdict: impl Fn(&Case, &[&[u8]]) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases(text) {
        let whole = verdict(&case, &[&case.bytes]);
        if whole != case.verdict {
            wrong.push(format!("{}: {} but {whole}", case.name, case.verdict));
            continue;
        }
        for cut in 1..case.bytes.len() {
            let (a, b) = case.bytes.split_at(cut);
            assert_eq!(
                verdict(&case, &[a, b]),
                whole,
                "{}, cut at {cut}",
                case.name
            );
        }
        let single: Vec<&[u8]> = case.bytes.chunks(1).collect();
        assert_eq!(
            verdict(&case, &single),
            whole,
            "{}, byte by byte",
            case.name
        );
    }
    wrong
}

#[test]
fn every_request_has_its_verdict_however_its_bytes_are_cut() {
    let wrong = wrong(REQUESTS, |_, pieces| verdict(pieces));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_response_has_its_verdict_however_its_bytes_are_cut() {
    let wrong = wrong(RESPONSES, |case, pieces| {
        let (_, method) = case.section.rsplit_once(' ').unwrap();
        heard(&Method::from_bytes(method.as_bytes()).unwrap(), pieces)
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a client makes of these pieces and the end of the stream after them.
fn heard(method: &Method, pieces: &[&[u8]]) -> String {
    let now = Instant::ZERO;
    let mut client = Client::new(ClientConfig::default(), now);
    let request = Request::builder().method(method).uri("http://h/").body(());
    let request = request.unwrap();
    client.request(now, &request, BodyLength::Exact(0)).unwrap();
    client.finish(None).unwrap();
    while client.poll_transmit(now).is_some() {}
    let mut answer = Heard::default();
    for piece in pieces {
        let _verdict = client.handle_bytes(now, Bytes::copy_from_slice(piece));
        answer.listen(&mut client);
    }
    let kept = client.reusable();
    client.handle_eof(now);
    answer.listen(&mut client);
    match answer.failed {
        Some(ClientError::Rejected(_)) => "refuse".to_owned(),
        Some(_) => "cut".to_owned(),
        None => {
            let word = if kept { "kept" } else { "closed" };
            format!("{word} {} {}", answer.status, answer.body)
        }
    }
}

#[derive(Default)]
struct Heard {
    status: u16,
    body: String,
    failed: Option<ClientError>,
}

impl Heard {
    fn listen(&mut self, client: &mut Client) {
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Informational(_) | ClientEvent::Trailers(_) | ClientEvent::End => {}
                ClientEvent::Response(head) => self.status = head.status().as_u16(),
                ClientEvent::Body(data) => {
                    let text = core::str::from_utf8(&data).unwrap();
                    self.body += &text.replace('\r', "\\r").replace('\n', "\\n");
                }
                ClientEvent::Failed(error) => self.failed = Some(error),
            }
        }
    }
}
