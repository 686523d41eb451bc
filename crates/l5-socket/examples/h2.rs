//! h2 alone on our stack: a stream, its data, its trailers.
//!
//! ```sh
//! cargo run -p outcrop-socket --features hyper --example h2
//! ```

mod hosts;

use bytes::Bytes;
use hosts::{AnyError, SERVER, with_hosts};
use http::{HeaderMap, HeaderValue, Request, Response};
use outcrop_socket::{TcpListener, TcpStream};

async fn serve(listener: TcpListener) -> Result<(), AnyError> {
    let mut connection = h2::server::handshake(listener.accept().await?).await?;
    while let Some(request) = connection.accept().await {
        let (_, mut respond) = request?;
        let mut send = respond.send_response(Response::new(()), false)?;
        send.send_data(Bytes::from_static(b"a layer"), false)?;
        let check = [("check".parse()?, HeaderValue::from_static("sum"))];
        send.send_trailers(HeaderMap::from_iter(check))?;
    }
    Ok(())
}

fn main() -> Result<(), AnyError> {
    with_hosts(|one, two| async move {
        tokio::spawn(serve(TcpListener::bind(&one, SERVER.into())?));
        let stream = TcpStream::connect(&two, SERVER.into()).await?;
        let (client, connection) = h2::client::handshake(stream).await?;
        tokio::spawn(connection);
        let request = Request::get("http://10.0.0.1/").body(())?;
        let (answer, _) = client.ready().await?.send_request(request, true)?;
        let mut body = answer.await?.into_body();
        while let Some(data) = body.data().await {
            println!("{}", String::from_utf8_lossy(&data?));
        }
        println!("{:?}", body.trailers().await?);
        Ok(())
    })
}
