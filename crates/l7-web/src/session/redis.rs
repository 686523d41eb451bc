//! Sessions kept by a Redis server.
//!
//! Job: records under `session:` and their names, gone by themselves when their time is over. Owns: one connection, made
//! again when it broke. Does not know: cookies. For several programs that serve the same people: each request may come to
//! another. A call waits for the server, a second at most; on a task of a shard everybody waits with it, so the
//! server belongs on the same machine.

use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Client, Commands as _, Connection, RedisError, RedisResult};

use super::{Lifetimes, Record, Store};

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// In a Redis server. Clones share the connection.
#[derive(Clone)]
pub struct RedisStore {
    client: Client,
    connection: Arc<Mutex<Option<Connection>>>,
    idle: Duration,
}

impl core::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RedisStore")
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// What a failure is to an operating system.
fn failed(error: RedisError) -> io::Error {
    if error.is_timeout() {
        return io::ErrorKind::TimedOut.into();
    }
    io::Error::other(error)
}

fn key(id: &str) -> String {
    format!("session:{id}")
}

impl RedisStore {
    /// In the server at `url` (`redis://HOST[:PORT]`, `redis+unix:///PATH`), where what was not used for the idle time of
    /// `lives` is forgotten.
    ///
    /// # Errors
    /// The URL is none, or the server is not there.
    pub fn open(url: &str, lives: Lifetimes) -> io::Result<Self> {
        let store = Self {
            client: Client::open(url).map_err(failed)?,
            connection: Arc::default(),
            idle: lives.idle,
        };
        store.with(|connection| redis::cmd("PING").query::<String>(connection))?;
        Ok(store)
    }

    fn connect(&self) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// Calls with the connection; once more with a new one if that broke, since all that is called may be done twice.
    fn with<T>(&self, call: impl Fn(&mut Connection) -> RedisResult<T>) -> io::Result<T> {
        let mut kept = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mut connection) = kept.take() {
            match call(&mut connection) {
                Ok(value) => {
                    *kept = Some(connection);
                    return Ok(value);
                }
                // The server restarted, say. One that does not answer would not answer again either.
                Err(error)
                    if error.is_connection_dropped()
                        || error.is_io_error() && !error.is_timeout() => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let mut connection = self.connect().map_err(failed)?;
        let value = call(&mut connection).map_err(failed)?;
        *kept = Some(connection);
        Ok(value)
    }
}

impl Store for RedisStore {
    fn load(&self, id: &str) -> io::Result<Option<Record>> {
        let text: Option<Vec<u8>> = self.with(|connection| connection.get(key(id)))?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    fn save(&self, id: &str, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec(record)?;
        // Whole seconds, one at least: no time at all is an error there.
        let seconds = self.idle.as_secs().max(1);
        self.with(|connection| connection.set_ex(key(id), text.as_slice(), seconds))
    }

    fn remove(&self, id: &str) -> io::Result<()> {
        self.with(|connection| connection.del(key(id)))
    }
}
