//! A letter through memory, what both ends know, and what somebody on the way would see.

use core::error::Error;
use core::future::poll_fn;
use std::thread;

use bytes::Bytes;
use futures_executor::block_on;
use outcrop_base::{ByteStream as _, ChunkQueue};
use outcrop_tls::{Authority, Client, KeySink, Server, accept, connect, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let authority = Authority::new("an example")?;
    let keys = KeySink::new(|line| {
        println!("key log  {:.60}..", line);
    });
    let server = Server::new(vec![authority.issue(&["outcrop.test"])?])
        .keys(keys)
        .build()?;
    let client = Client::trusting(authority.certificate())?.build()?;
    let (here, there) = pipe();
    let reader = thread::spawn(move || {
        block_on(async move {
            let mut stream = accept(there, &server).await?;
            println!("server   {:?}", stream.facts());
            let mut letter = ChunkQueue::new();
            while let Some(bytes) = poll_fn(|cx| stream.poll_read(cx)).await? {
                letter.push(bytes);
            }
            Ok::<_, std::io::Error>(letter)
        })
    });
    let letter = Bytes::from_static(b"Dear server, this is between us.");
    block_on(async {
        let mut stream = connect(here, &client, "outcrop.test").await?;
        poll_fn(|cx| stream.poll_write(cx, &mut ChunkQueue::from(letter.clone()))).await?;
        poll_fn(|cx| stream.poll_close(cx)).await
    })?;
    let mut read = reader.join().map_err(|_| "the server panicked")??;
    println!("read     {:?}", read.pop(usize::MAX).unwrap_or_default());
    Ok(())
}
