//! The little site that scenarios visit.
//!
//! Job: answer every GET with a page of two lines. Owns: the page. Does not know: which scenario asks.

use std::io;

use outcrop_base::ByteStream;
use outcrop_http::h1::{Prepared, RequestHead, ServerConfig};
use outcrop_http::serve::{About, Config, ConnectionInfo, inline};
use outcrop_http::sleeper;
use outcrop_stack::Shard;

/// The last line of every page.
pub(crate) const END: &str = "That is all.\n";

/// Serves one connection until it is over. Dates are those of the shard's wall clock.
pub(crate) async fn serve(stream: impl ByteStream, shard: &Shard) -> io::Result<()> {
    let sleep = sleeper(|| shard.now(), |at| shard.sleep_until(at));
    let config = Config {
        http: ServerConfig {
            wall_clock: Some(shard.wall()),
            ..ServerConfig::default()
        },
        ..Config::default()
    };
    let page = |request: &RequestHead, _: &About| {
        let body = format!("You asked for {}.\n{END}", request.target());
        Prepared::new(http::StatusCode::OK, &http::HeaderMap::new(), body.into())
    };
    inline(stream, sleep, page, config, ConnectionInfo::default()).await?;
    Ok(())
}
