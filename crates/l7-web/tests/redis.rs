//! Sessions in Debian's redis-server, which each test starts on a Unix socket of its own.
#![cfg(feature = "redis")]
#![expect(clippy::unwrap_used, reason = "tests")]

use core::ops::ControlFlow;
use core::time::Duration;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use http::{Request, Response};
use outcrop_http::Body;
use outcrop_web::Pass as _;
use outcrop_web::chance::{self, Now};
use outcrop_web::session::{Lifetimes, Record, RedisStore, Session, Sessions, Store as _};
use tempfile::TempDir;

struct Server {
    folder: TempDir,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let child = Self::run(&folder);
        let server = Self { folder, child };
        server.wait();
        server
    }

    fn run(folder: &TempDir) -> Child {
        // No port, no file: nothing but the socket.
        let options = [
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "no",
            "--unixsocket",
        ];
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("redis-server")
            .env("PATH", format!("{path}:/usr/bin:/usr/sbin"))
            .args(options)
            .arg(folder.path().join("socket"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn url(&self) -> String {
        format!(
            "redis+unix://{}",
            self.folder.path().join("socket").display()
        )
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while RedisStore::open(&self.url(), Lifetimes::default()).is_err() {
            assert!(
                Instant::now() < until,
                "redis-server is not there after a minute"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn restart(&mut self) {
        self.end();
        let _perhaps_gone = std::fs::remove_file(self.folder.path().join("socket"));
        self.child = Self::run(&self.folder);
        self.wait();
    }

    fn end(&mut self) {
        let _ended_already = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn record(name: &str) -> Record {
    Record {
        born: 1,
        seen: 2,
        values: [("user".to_owned(), name.to_owned())].into(),
    }
}

#[test]
fn record_is_kept_shared_replaced_and_removed() {
    let server = Server::start();
    let store = RedisStore::open(&server.url(), Lifetimes::default()).unwrap();
    let other = RedisStore::open(&server.url(), Lifetimes::default()).unwrap();
    let (id, odd) = (chance::token().unwrap(), "\u{e9}\0\n\"");
    assert_eq!(store.load(&id).unwrap(), None);
    store.save(&id, &record(odd)).unwrap();
    assert_eq!(other.load(&id).unwrap(), Some(record(odd)));
    other.save(&id, &record("alan")).unwrap();
    assert_eq!(store.load(&id).unwrap(), Some(record("alan")));
    store.remove(&id).unwrap();
    store.remove(&id).unwrap();
    assert_eq!(other.load(&id).unwrap(), None);
}

#[test]
fn idle_time_over_the_server_has_forgotten() {
    let server = Server::start();
    let lives = Lifetimes {
        idle: Duration::from_secs(1),
        ..Lifetimes::default()
    };
    let store = RedisStore::open(&server.url(), lives).unwrap();
    let id = chance::token().unwrap();
    store.save(&id, &record("ada")).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while store.load(&id).unwrap().is_some() {
        assert!(Instant::now() < until, "still there after a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn server_restarted_the_connection_is_made_again_and_one_that_is_gone_is_an_error() {
    let mut server = Server::start();
    let store = RedisStore::open(&server.url(), Lifetimes::default()).unwrap();
    let id = chance::token().unwrap();
    store.save(&id, &record("ada")).unwrap();
    server.restart();
    assert_eq!(
        store.load(&id).unwrap(),
        None,
        "it kept nothing, and answers"
    );
    store.save(&id, &record("ada")).unwrap();
    server.end();
    assert!(store.load(&id).is_err());
    assert!(RedisStore::open(&server.url(), Lifetimes::default()).is_err());
    assert!(RedisStore::open("ftp://x", Lifetimes::default()).is_err());
}

/// One request to a program with its own connection to the store; the name that its answer sets.
fn visit(server: &Server, cookie: Option<&str>, with: impl FnOnce(&Session)) -> Option<String> {
    let store = RedisStore::open(&server.url(), Lifetimes::default()).unwrap();
    let sessions = Sessions::new(store, Lifetimes::default(), Now::system());
    let mut request = Request::builder();
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("__Host-session={cookie}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    let ControlFlow::Continue(memo) = sessions.enter(&mut request) else {
        unreachable!()
    };
    with(&Session::of(&request).unwrap());
    let answer = sessions.leave(memo, Response::new(Body::empty()));
    let set = answer.headers().get("set-cookie")?.to_str().unwrap();
    let value = set.strip_prefix("__Host-session=")?.split(';').next()?;
    Some(value.to_owned())
}

#[test]
fn session_begun_with_one_program_goes_on_with_another_and_its_old_name_with_none() {
    let server = Server::start();
    let before = visit(&server, None, |session| session.set("cart", "3")).unwrap();
    let after = visit(&server, Some(&before), |session| {
        assert_eq!(session.get("cart").as_deref(), Some("3"));
        session.rotate();
        session.set("user", "ada");
    })
    .unwrap();
    assert_ne!(before, after);
    visit(&server, Some(&after), |session| {
        assert_eq!(session.get("user").as_deref(), Some("ada"))
    });
    visit(&server, Some(&before), |session| {
        assert_eq!(session.get("user"), None)
    });
    visit(&server, Some(&after), Session::end);
    visit(&server, Some(&after), |session| {
        assert_eq!(session.get("user"), None)
    });
}
