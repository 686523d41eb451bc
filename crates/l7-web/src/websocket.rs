//! WebSocket: messages both ways, over what was an HTTP connection.
//!
//! Job: the handshake, and a conversation that is the response's body: reading it drives everything, so it runs
//! wherever the connection runs. Owns: what waits to be sent. Does not know: sockets; frames are tungstenite's.
//! Sources: RFC 6455; its section 10.2 (origin) is the caller's, by [`crate::csrf::from_elsewhere`] or [`crate::cors`].

mod pipe;

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use outcrop_http::Body;
use outcrop_http::serve::Upgrade;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

use crate::problem::Problem;
use pipe::Pipe;
pub use tungstenite::Message;

/// The largest message, and the largest frame, that is read.
pub const MESSAGE_MAX: usize = 1 << 20;
/// Messages that may wait for one peer; one who does not read is let go of.
const WAITING: usize = 256;

#[derive(Debug, Default)]
struct Outgoing {
    messages: VecDeque<Message>,
    closing: bool,
    gone: bool,
    waker: Option<Waker>,
}

/// The other side of a conversation: something to send to, from anywhere. Clones are the same peer.
#[derive(Clone, Debug, Default)]
pub struct Peer(Arc<Mutex<Outgoing>>);

impl Peer {
    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message; false if the peer is gone, or is let go of now because too much waits for it.
    pub fn send(&self, message: Message) -> bool {
        let mut outgoing = self.lock();
        if outgoing.gone || outgoing.closing {
            return false;
        }
        if outgoing.messages.len() >= WAITING {
            outgoing.gone = true;
        } else {
            outgoing.messages.push_back(message);
        }
        wake(outgoing)
    }

    /// Says good-bye, after everything sent before.
    pub fn close(&self) {
        let mut outgoing = self.lock();
        outgoing.closing = true;
        wake(outgoing);
    }

    /// Whether the conversation goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let outgoing = self.lock();
        !outgoing.gone && !outgoing.closing
    }
}

fn wake(mut outgoing: MutexGuard<'_, Outgoing>) -> bool {
    let (gone, waker) = (outgoing.gone, outgoing.waker.take());
    drop(outgoing);
    if let Some(waker) = waker {
        waker.wake();
    }
    !gone
}

/// The response that begins a conversation, and who it is with.
pub type Accepted = (Response<Body>, Peer);

/// Accepts a conversation: the response to send, and the peer. `hear` is told each message (text and binary), and dropped
/// at the end.
///
/// # Errors
/// What a request that is no handshake is answered with: 405, 400, 426.
pub fn accept<B, F>(request: &Request<B>, hear: F) -> Result<Accepted, Problem>
where
    F: FnMut(&Peer, Message) + Send + 'static,
{
    let key = check(request)?;
    let incoming = request
        .extensions()
        .get::<Upgrade>()
        .and_then(Upgrade::take);
    let incoming = incoming.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let peer = Peer::default();
    let conversation = Conversation {
        incoming,
        socket: WebSocket::from_raw_socket(Pipe::default(), Role::Server, Some(config)),
        peer: peer.clone(),
        hear: Box::new(hear),
        ended: false,
    };
    let mut response = Response::new(Body::new(conversation));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accepted) = HeaderValue::try_from(derive_accept_key(&key)) {
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    }
    Ok((response, peer))
}

/// RFC 6455 section 4.2.1; the key if all is well.
fn check<B>(request: &Request<B>) -> Result<Vec<u8>, Problem> {
    if request.method() != Method::GET {
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED));
    }
    let field = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    let upgrade = field(header::UPGRADE).unwrap_or_default();
    if !upgrade
        .split(|b| *b == b',')
        .any(|p| p.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED));
    }
    if field(header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED).detail("version 13"));
    }
    let key = field(header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    // Sixteen bytes in Base64 (section 4.1).
    let good = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key)
        .is_ok_and(|bytes| bytes.len() == 16);
    if good {
        Ok(key.to_vec())
    } else {
        Err(Problem::new(StatusCode::BAD_REQUEST))
    }
}

/// Who is told what the peer says.
type Hear = Box<dyn FnMut(&Peer, Message) + Send>;

/// A conversation, as the body of a response.
struct Conversation {
    incoming: Body,
    socket: WebSocket<Pipe>,
    peer: Peer,
    hear: Hear,
    ended: bool,
}

impl Conversation {
    /// Bytes that came, into messages that are heard; false if nothing came.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            return false;
        };
        match frame {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.socket.get_mut().came(data);
                }
            }
            Some(Err(_)) | None => self.socket.get_mut().ended(),
        }
        loop {
            match self.socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    (self.hear)(&self.peer, message);
                    // At once: after the peer's good-bye nothing more may be said.
                    self.send(cx);
                }
                // Pings are answered and closes are echoed by the socket itself.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return true;
                }
                Err(_) => {
                    self.ended = true;
                    return true;
                }
            }
        }
    }

    /// Messages that wait, into bytes.
    fn send(&mut self, cx: &Context<'_>) {
        let mut outgoing = self.peer.lock();
        let messages = core::mem::take(&mut outgoing.messages);
        let (closing, gone) = (outgoing.closing, outgoing.gone);
        outgoing.waker = Some(cx.waker().clone());
        drop(outgoing);
        self.ended |= gone;
        for message in messages {
            if self.socket.write(message).is_err() {
                break;
            }
        }
        if closing && self.socket.can_write() {
            let _closed_already = self.socket.close(None);
        }
        let _kept_for_later = self.socket.flush();
    }
}

impl http_body::Body for Conversation {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            let came = !this.ended && this.receive(cx);
            this.send(cx);
            let out = this.socket.get_mut().take();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if !came {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.peer.lock().gone = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> http::request::Builder {
        Request::get("/chat")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// RFC 6455 section 1.3: the sample nonce.
    #[test]
    fn key_of_the_standard_is_accepted_as_it_says() {
        let key = check(&handshake().body(()).unwrap()).unwrap();
        assert_eq!(derive_accept_key(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_handshake_is_told_why() {
        let status = |request: Request<()>| check(&request).unwrap_err().status().as_u16();
        let with = |name: &str, value: &str| {
            let mut request = handshake().body(()).unwrap();
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
            request
        };
        assert_eq!(status(with("upgrade", "h2c")), 426);
        assert_eq!(status(with("sec-websocket-version", "8")), 426);
        assert_eq!(status(with("sec-websocket-key", "short")), 400);
        let mut post = handshake().body(()).unwrap();
        *post.method_mut() = Method::POST;
        assert_eq!(status(post), 405);
    }

    fn conversation(
        incoming: Vec<Bytes>,
        hear: impl FnMut(&Peer, Message) + Send + 'static,
    ) -> (Conversation, Peer) {
        let peer = Peer::default();
        let conversation = Conversation {
            incoming: Body::from_pieces(incoming.into_iter()),
            socket: WebSocket::from_raw_socket(Pipe::default(), Role::Server, None),
            peer: peer.clone(),
            hear: Box::new(hear),
            ended: false,
        };
        (conversation, peer)
    }

    /// What a client of tungstenite's own writes, and what it reads.
    fn client(write: &[Message]) -> Bytes {
        let mut socket = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        for message in write {
            socket.send(message.clone()).unwrap();
        }
        socket.get_mut().take()
    }

    fn heard(sent: &[u8]) -> Vec<Message> {
        let mut socket = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        socket.get_mut().came(Bytes::copy_from_slice(sent));
        core::iter::from_fn(|| socket.read().ok()).collect()
    }

    fn play(body: Conversation) -> Vec<u8> {
        let read = http_body_util::BodyExt::collect(body);
        futures_executor::block_on(read)
            .unwrap()
            .to_bytes()
            .to_vec()
    }

    #[test]
    fn messages_are_heard_and_answered_however_the_bytes_are_cut() {
        let said = [
            Message::text("hello"),
            Message::Ping(Bytes::from_static(b"p")),
            Message::binary(vec![7; 70_000]),
            Message::Close(None),
        ];
        let bytes = client(&said);
        for cut in [1_000_000, 7, 1] {
            let pieces = bytes.chunks(cut).map(Bytes::copy_from_slice).collect();
            let (body, _) = conversation(pieces, |peer, message| assert!(peer.send(message)));
            let mut answers = heard(&play(body));
            answers.sort_by_key(|message| message.len());
            let want = [
                said[3].clone(),
                Message::Pong(Bytes::from_static(b"p")),
                said[0].clone(),
                said[2].clone(),
            ];
            assert_eq!(answers, want, "{cut}");
        }
    }

    #[test]
    fn frame_without_a_mask_ends_the_conversation() {
        let (body, peer) = conversation(
            vec![Bytes::from_static(b"\x81\x01x")],
            |_, _| unreachable!(),
        );
        play(body);
        assert!(!peer.send(Message::text("late")));
    }

    #[test]
    fn peer_who_does_not_read_is_let_go_of() {
        let (body, peer) = conversation(Vec::new(), |_, _| {});
        let taken = (0..1000)
            .take_while(|n| peer.send(Message::text(n.to_string())))
            .count();
        assert_eq!(taken, WAITING);
        drop(body);
        assert!(!peer.is_open());
    }
}
