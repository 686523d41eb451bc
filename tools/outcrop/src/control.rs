//! The control socket of a running stack.
//!
//! Job: answer `neigh`, `route`, `addr` and `conn` on a Unix socket, one request a connection, one connection at a time.
//! Owns: the socket, its file, the thread that answers. Does not know: how an answer is drawn.
//! Whoever may use the socket may see what the stack sees, so nobody but its owner may.

pub(crate) mod place;
pub(crate) mod tables;
pub(crate) mod text;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use outcrop_base::InterfaceId;
use outcrop_stack::Shard;
use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

use crate::control::tables::Table;
use crate::failure::Failure;

/// Bytes of a request: the longest word, with room for a slip.
const MAX_REQUEST: usize = 64;
/// Bytes of an answer that a client reads: ten thousand connections are a tenth of that.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;
/// How long either side waits for the other: a client that stops holds others up no longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections that may wait for their turn.
const WAITING: i32 = 16;

/// What the interfaces are called.
pub(crate) type Names = Vec<(InterfaceId, String)>;

/// An answer under way for as long as this lives.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Answers at `asked`, or at a place of our own where clients look; failing there is no reason not to run.
    pub(crate) fn start(
        asked: Option<&Path>,
        shards: Vec<Shard>,
        names: Names,
    ) -> Result<Option<Self>, Failure> {
        let started = match asked {
            Some(path) => Self::at(path.to_owned(), shards, names),
            None => place::own().and_then(|path| Self::at(path, shards, names)),
        };
        match (started, asked) {
            (Ok(control), _) => Ok(Some(control)),
            (Err(error), Some(path)) => Err(Failure::file("--control", path, &error)),
            (Err(error), None) => {
                log::info!("no control socket: {error}");
                Ok(None)
            }
        }
    }

    fn at(path: PathBuf, shards: Vec<Shard>, names: Names) -> io::Result<Self> {
        place::clear(&path)?;
        let listener = bound(&path)?;
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let answering = move || {
            for client in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let answered = client.and_then(|client| answer(&client, &shards, &names));
                if let Err(error) = answered {
                    log::debug!("control: {error}");
                }
            }
        };
        let thread = thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(answering)?;
        log::info!("the control socket is {}", path.display());
        Ok(Self {
            path,
            over,
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the thread; if nobody can connect any more, it is left to the end of the process.
        let woken = UnixStream::connect(&self.path);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ended = thread.join();
        }
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// A socket that nobody else can open from its first moment on: Linux gives the file the mode of the socket.
fn bound(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, WAITING)?;
    Ok(socket.into())
}

/// One request: a word and the end of its line. One answer: a document.
fn answer(client: &UnixStream, shards: &[Shard], names: &Names) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut word = [0; MAX_REQUEST];
    let mut len = 0;
    while let Some(room) = word.get_mut(len..).filter(|room| !room.is_empty()) {
        let read = { client }.read(room)?;
        len += read;
        let ended = word.get(..len).is_some_and(|word| word.contains(&b'\n'));
        if read == 0 || ended {
            break;
        }
    }
    let asked = String::from_utf8_lossy(word.get(..len).unwrap_or_default());
    let reply = match Table::named(asked.trim_end()) {
        Some(table) => tables::read(table, shards, names),
        None => tables::refusal("ask for neigh, route, addr or conn"),
    };
    let reply = serde_json::to_vec(&reply)?;
    { client }.write_all(&reply)
}

/// Asks whoever answers at `path`.
pub(crate) fn ask(path: &Path, table: Table) -> Result<tables::Reply, Failure> {
    let failed = |error: &io::Error| {
        let gone = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
        if gone.contains(&error.kind()) {
            return Failure::new(format!(
                "{}: no stack answers there: start one with outcrop serve, run or router",
                path.display()
            ));
        }
        Failure::file("control socket", path, error)
    };
    let stream = UnixStream::connect(path).map_err(|error| failed(&error))?;
    let exchange = || {
        stream.set_read_timeout(Some(PATIENCE.saturating_mul(2)))?;
        { &stream }.write_all(format!("{}\n", table.name()).as_bytes())?;
        let mut said = Vec::new();
        (&stream).take(MAX_ANSWER).read_to_end(&mut said)?;
        Ok(said)
    };
    let said = exchange().map_err(|error| failed(&error))?;
    let reply: tables::Reply = serde_json::from_slice(&said)
        .map_err(|error| Failure::new(format!("{}: not an answer: {error}", path.display())))?;
    if let tables::Reply::Error(error) = reply {
        return Err(Failure::new(format!("the stack says: {error}")));
    }
    Ok(reply)
}

#[cfg(test)]
mod tests;
