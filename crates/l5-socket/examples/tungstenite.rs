//! A conversation by tokio-tungstenite's WebSocket over our stack.
//!
//! ```sh
//! cargo run -p outcrop-socket --features hyper --example tungstenite
//! ```

mod hosts;

use futures_util::{SinkExt as _, StreamExt as _};
use hosts::{AnyError, SERVER, with_hosts};
use outcrop_socket::{TcpListener, TcpStream};
use tungstenite::Message;

/// Says again what is said to it.
async fn echo(listener: TcpListener) -> Result<(), AnyError> {
    let mut socket = tokio_tungstenite::accept_async(listener.accept().await?).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

fn main() -> Result<(), AnyError> {
    with_hosts(|one, two| async move {
        tokio::spawn(echo(TcpListener::bind(&one, SERVER.into())?));
        let stream = TcpStream::connect(&two, SERVER.into()).await?;
        let (mut socket, answer) =
            tokio_tungstenite::client_async("ws://10.0.0.1/chat", stream).await?;
        println!("{}", answer.status());
        socket.send(Message::text("is anybody there?")).await?;
        if let Some(said) = socket.next().await {
            println!("{}", said?);
        }
        socket.close(None).await?;
        Ok(())
    })
}
