//! HTTP Archive.
//!
//! Job: exchanges as HAR 1.2. Owns: its field names. Does not know: bodies; their lengths are told.
//! Source: HAR 1.2 (W3C web performance group, draft). Times are those of the place of capture.

use core::time::Duration;
use std::io::{Read, Write};

use jiff::Timestamp;
use outcrop_capture::{Reader, Record};
use serde_json::{Value, json};

use super::ExportError;
use crate::conversation::Conversations;
use crate::exchange::{Exchange, Exchanges, Message};

/// Writes the HTTP of a capture as HAR 1.2; returns how many exchanges.
///
/// # Errors
/// The capture is damaged or holds no HTTP, or the output refused.
pub fn har<R: Read>(reader: &mut Reader<R>, out: &mut dyn Write) -> Result<usize, ExportError> {
    let mut conversations = Conversations::new();
    let mut exchanges = Exchanges::new();
    for record in reader {
        match record? {
            Record::Packet(packet) => {
                let seen = conversations.packet(&packet);
                exchanges.packet(&packet, &seen);
            }
            Record::Secrets(lines) => exchanges.secrets(&lines),
            Record::Event(_) => {}
        }
    }
    exchanges.finish();
    let list = exchanges.list();
    if list.is_empty() {
        return Err(ExportError::Nothing("HTTP"));
    }
    let entries: Vec<Value> = list
        .iter()
        .map(|exchange| entry(exchange, &conversations))
        .collect();
    let log = json!({ "log": {
        "version": "1.2",
        "creator": { "name": "Outcrop", "version": env!("CARGO_PKG_VERSION") },
        "pages": [],
        "entries": entries,
    }});
    serde_json::to_writer_pretty(&mut *out, &log).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(list.len())
}

fn entry(exchange: &Exchange, conversations: &Conversations) -> Value {
    let Exchange {
        request, response, ..
    } = exchange;
    let conversation = conversations.get(exchange.conversation);
    let server = conversation.map(|c| if exchange.ours_asked { c.peer } else { c.ours });
    let connect = exchange.connect.map(|(syn, done)| ms(syn, done));
    let begun = exchange.connect.map_or(request.first, |(syn, _)| syn);
    let (first, last) = response
        .as_ref()
        .map_or((request.last, request.last), |r| (r.first, r.last));
    let send = ms(request.first, request.last);
    let (wait, receive) = (ms(request.last, first), ms(first, last));
    // Between the handshake and the request.
    let blocked = exchange
        .connect
        .map_or(0.0, |(_, done)| ms(done, request.first));
    json!({
        "startedDateTime": iso(begun),
        "time": blocked + connect.unwrap_or(0.0) + send + wait + receive,
        "request": asked(request, server.map(|end| end.to_string()).as_deref()),
        "response": response.as_ref().map_or_else(unanswered, answered),
        "cache": {},
        "timings": {
            "blocked": blocked, "dns": -1, "connect": connect.unwrap_or(-1.0), "ssl": -1,
            "send": send, "wait": wait, "receive": receive,
        },
        "serverIPAddress": server.map(|end| end.addr.to_string()),
        "connection": conversation.map(|c| c.peer.to_string()),
        "_packets": [request.first_packet, response.as_ref().map(|r| r.last_packet)],
        "_heldMs": response.as_ref().map(held),
    })
}

fn asked(request: &Message, server: Option<&str>) -> Value {
    let mut words = request.start_line.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let version = words.next().unwrap_or("HTTP/0.9");
    let host = request.field("host").or(server).unwrap_or_default();
    let url = if target.contains("://") {
        target.to_owned()
    } else {
        format!("http://{host}{target}")
    };
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query: Vec<Value> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "method": method, "url": url, "httpVersion": version,
        "cookies": cookies(request, "cookie"), "headers": fields(request), "queryString": query,
        "headersSize": request.head_len, "bodySize": request.body_len,
    })
}

fn answered(response: &Message) -> Value {
    let mut words = response.start_line.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    json!({
        "status": response.status().unwrap_or(0),
        "statusText": words.nth(1).unwrap_or_default(),
        "httpVersion": version,
        "cookies": cookies(response, "set-cookie"), "headers": fields(response),
        "content": {
            "size": response.body_len,
            "mimeType": response.field("content-type").unwrap_or("x-unknown"),
        },
        "redirectURL": response.field("location").unwrap_or_default(),
        "headersSize": response.head_len, "bodySize": response.body_len,
    })
}

/// As browsers write a request that was never answered.
fn unanswered() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": { "size": 0, "mimeType": "x-unknown" },
        "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}

fn fields(message: &Message) -> Vec<Value> {
    let fields = message.fields.iter();
    fields
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

/// Name and value; attributes stay in the headers.
fn cookies(message: &Message, field: &str) -> Vec<Value> {
    let lines = message
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(field));
    let pairs = lines.flat_map(|(_, line)| {
        let all = if field == "cookie" { usize::MAX } else { 1 };
        line.split(';').take(all)
    });
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

/// How long bytes of it waited behind holes, in milliseconds.
fn held(message: &Message) -> f64 {
    let spells = message.held.iter();
    spells.fold(0.0, |sum, (from, until)| sum + ms(*from, *until))
}

fn ms(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1e3
}

/// RFC 3339, in UTC.
fn iso(at: Duration) -> String {
    let nanos = i128::try_from(at.as_nanos()).unwrap_or(0);
    Timestamp::from_nanosecond(nanos).map_or_else(|_| String::new(), |at| at.to_string())
}
