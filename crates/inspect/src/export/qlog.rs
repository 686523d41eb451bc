//! A connection as qlog.
//!
//! Job: packets, metrics, losses and states as a JSON text sequence. Owns: the mapping of TCP to qlog's words.
//! Does not know: other formats. Sources: draft-ietf-quic-qlog-main-schema (qlog 0.3), RFC 7464 (JSON-SEQ).
//! qlog has events for QUIC; TCP's stream is told as stream 0, its numbers as offsets and packets by their number here.

use core::time::Duration;
use std::io::{Read, Write};

use outcrop_capture::{Event, Packet, Reader, Record};
use serde_json::{Map, Value, json};

use super::{Chosen, ExportError};
use crate::conversation::{Conversations, Seen};
use crate::dissect::{Flags, Upper};

/// RFC 7464 2: begins a text.
const RECORD_SEPARATOR: u8 = 0x1e;
/// Our notes that are metrics, and qlog's words for them.
const METRICS: [(&str, &str); 5] = [
    ("cwnd", "congestion_window"),
    ("inflight", "bytes_in_flight"),
    ("ssthresh", "ssthresh"),
    ("srtt_ms", "smoothed_rtt"),
    ("rto_ms", "retransmission_timeout"),
];

struct Log<'a> {
    out: &'a mut dyn Write,
    start: Option<Duration>,
    metrics: Map<String, Value>,
    events: usize,
}

/// Writes a connection as qlog in JSON-SEQ; returns how many events.
///
/// # Errors
/// The capture is damaged or has no such connection, or the output refused.
pub fn qlog<R: Read>(
    reader: &mut Reader<R>,
    chosen: Chosen,
    out: &mut dyn Write,
) -> Result<usize, ExportError> {
    let mut conversations = Conversations::new();
    let mut log = Log {
        out,
        start: None,
        metrics: Map::new(),
        events: 0,
    };
    for record in reader {
        match record? {
            Record::Packet(packet) => {
                let seen = conversations.packet(&packet);
                if seen.conversation == Some(chosen.conversation) {
                    log.begin(packet.at, &conversations, chosen)?;
                    log.packet(&packet, &seen)?;
                }
            }
            Record::Event(event) => {
                if conversations.event(&event) == Some(chosen.conversation) {
                    log.begin(event.at, &conversations, chosen)?;
                    log.fact(&event)?;
                }
            }
            Record::Secrets(_) => {}
        }
    }
    if log.start.is_none() {
        return Err(ExportError::Nothing("such TCP connection"));
    }
    log.out.flush()?;
    Ok(log.events)
}

impl Log<'_> {
    fn text(&mut self, value: &Value) -> std::io::Result<()> {
        self.out.write_all(&[RECORD_SEPARATOR])?;
        serde_json::to_writer(&mut *self.out, value)?;
        self.out.write_all(b"\n")
    }

    fn begin(
        &mut self,
        at: Duration,
        conversations: &Conversations,
        chosen: Chosen,
    ) -> std::io::Result<()> {
        if self.start.is_some() {
            return Ok(());
        }
        self.start = Some(at);
        let ends = conversations.get(chosen.conversation);
        let id = ends.map_or_else(String::new, |c| format!("{} {}", c.ours, c.peer));
        self.text(&json!({
            "qlog_version": "0.3", "qlog_format": "JSON-SEQ", "title": id,
            "trace": {
                "vantage_point": { "name": "outcrop", "type": "unknown" },
                "common_fields": {
                    "protocol_type": ["TCP"], "group_id": id, "time_format": "relative",
                    "reference_time": at.as_secs_f64() * 1e3,
                },
            },
        }))
    }

    fn event(&mut self, at: Duration, name: &str, data: Value) -> std::io::Result<()> {
        self.events += 1;
        let since = at.saturating_sub(self.start.unwrap_or(at));
        let value = json!({ "time": since.as_secs_f64() * 1e3, "name": name, "data": data });
        self.text(&value)
    }

    fn packet(&mut self, packet: &Packet, seen: &Seen) -> std::io::Result<()> {
        let (Upper::Tcp(tcp), Some(relative)) = (&seen.upper, &seen.tcp) else {
            return Ok(());
        };
        let mut frames = Vec::new();
        if !tcp.payload.bytes.is_empty() || tcp.flags.has(Flags::FIN) {
            frames.push(json!({
                "frame_type": "stream", "stream_id": 0,
                "offset": (relative.seq - 1).max(0), "length": tcp.payload.wire_len,
                "fin": tcp.flags.has(Flags::FIN),
            }));
        }
        if let Some(ack) = relative.ack {
            let mut ranges = vec![[0, (ack - 1).max(0)]];
            let sack = relative.sack.iter();
            ranges.extend(sack.map(|(left, right)| [*left, right - 1]));
            frames.push(json!({ "frame_type": "ack", "acked_ranges": ranges }));
        }
        let notes: Map<String, Value> = packet
            .notes
            .pairs()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        let name = match (packet.notes.get("drop"), seen.inbound) {
            (Some(_), _) => "transport:packet_dropped",
            (None, true) => "transport:packet_received",
            (None, false) => "transport:packet_sent",
        };
        self.event(
            packet.at,
            name,
            json!({
                "header": { "packet_type": "tcp", "packet_number": packet.shown_id() },
                "raw": { "length": packet.original_len, "payload_length": tcp.payload.wire_len },
                "flags": tcp.flags.to_string(), "window": relative.window,
                "frames": frames, "outcrop": notes,
            }),
        )?;
        self.metrics(packet)
    }

    /// What changed of the sender's figures.
    fn metrics(&mut self, packet: &Packet) -> std::io::Result<()> {
        let mut changed = Map::new();
        for (key, name) in METRICS {
            let value = packet.notes.get(key).and_then(|v| v.parse::<f64>().ok());
            let Some(value) = value.map(Value::from) else {
                continue;
            };
            if self.metrics.get(name) != Some(&value) {
                self.metrics.insert(name.to_owned(), value.clone());
                changed.insert(name.to_owned(), value);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.event(
            packet.at,
            "recovery:metrics_updated",
            Value::Object(changed),
        )
    }

    fn fact(&mut self, event: &Event) -> std::io::Result<()> {
        let kind = event.get("NET_EVENT").unwrap_or_default();
        let (name, data) = match kind {
            "state" => (
                "connectivity:connection_state_updated",
                json!({ "old": event.get("NET_FROM"), "new": event.get("NET_STATE") }),
            ),
            "lost" => (
                "recovery:packet_lost",
                json!({
                    "offset": event.get("NET_START"), "length": event.get("NET_LEN"),
                    "trigger": event.get("NET_HOW"),
                }),
            ),
            "closed" => (
                "connectivity:connection_closed",
                json!({ "reason": event.get("NET_REASON") }),
            ),
            _ => ("outcrop:event", json!({ "kind": kind })),
        };
        let mut data = data;
        if let Value::Object(data) = &mut data {
            data.insert("message".to_owned(), event.message().into());
            data.insert("cause".to_owned(), event.get("NET_CAUSE").into());
        }
        self.event(event.at, name, data)
    }
}
