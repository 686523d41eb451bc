//! Files as answers: what is served, what is not, and what is never reached.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use futures_executor::block_on;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use outcrop_base::Instant;
use outcrop_http::Body;
use outcrop_http::files::{Files, Options};
use outcrop_http::serve::{About, ConnectionInfo};
use tempfile::TempDir;
use tower_service::Service as _;

struct Site {
    folder: TempDir,
    files: Files,
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn site() -> Site {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    write(&root, "index.html", b"<p>front</p>");
    write(&root, "digits", b"0123456789");
    write(&root, "style.css", b"p{}");
    write(&root, "sub/index.html", b"<p>sub</p>");
    write(&root, "empty/x", b"");
    write(&root, "with space/\u{e9}", b"e");
    write(&root, ".git/config", b"hidden");
    write(&root, ".well-known/x", b"known");
    write(&root, "large", &vec![b'x'; 1_700_001]);
    write(folder.path(), "secret", b"secret");
    symlink("../secret", root.join("out")).unwrap();
    symlink("/etc/passwd", root.join("passwd")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("digits", root.join("in")).unwrap();
    Site {
        files: Files::open(&root).unwrap(),
        folder,
    }
}

impl Site {
    fn ask(&mut self, request: Request<()>) -> Response<Vec<u8>> {
        let response = block_on(self.files.call(request)).unwrap();
        let (head, body): (_, Body) = response.into_parts();
        let body = block_on(body.collect()).unwrap().to_bytes().to_vec();
        Response::from_parts(head, body)
    }

    fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Response<Vec<u8>> {
        let mut request = Request::get(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.ask(request.body(()).unwrap())
    }

    fn status(&mut self, path: &str, fields: &[(&str, &str)]) -> u16 {
        self.get(path, fields).status().as_u16()
    }
}

fn field<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    match response.headers().get(name) {
        Some(value) => value.to_str().unwrap(),
        None => "",
    }
}

#[test]
fn files_come_with_their_type_and_validators() {
    let mut site = site();
    let response = site.get("/", &[]);
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), b"<p>front</p>");
    assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
    assert_eq!(field(&response, "accept-ranges"), "bytes");
    assert!(
        field(&response, "etag").starts_with('"'),
        "a strong validator"
    );
    assert!(field(&response, "last-modified").ends_with(" GMT"));
    let response = site.get("/style.css?v=2", &[]);
    assert_eq!(field(&response, "content-type"), "text/css; charset=utf-8");
    assert_eq!(
        field(&site.get("/digits", &[]), "content-type"),
        "application/octet-stream"
    );
    assert_eq!(site.get("/sub/", &[]).body(), b"<p>sub</p>");
    assert_eq!(site.get("/with%20space/%C3%A9", &[]).body(), b"e");
    assert_eq!(site.get("/empty/x", &[]).body(), b"");
    assert_eq!(site.get("/.well-known/x", &[]).body(), b"known");
}

#[test]
fn large_file_comes_whole_in_chunks() {
    let mut site = site();
    assert_eq!(site.get("/large", &[]).body().len(), 1_700_001);
}

#[test]
fn folder_without_its_slash_is_redirected_to_itself_and_nowhere_else() {
    let mut site = site();
    let response = site.get("/sub?q=1", &[]);
    assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
    assert_eq!(field(&response, "location"), "/sub/?q=1");
    assert_eq!(field(&site.get("//sub", &[]), "location"), "/sub/");
    assert_eq!(site.status("/empty/", &[]), 404, "no listing");
}

// RFC 3986 section 5.2.4, and apt asks so.
#[test]
fn lone_dot_in_a_path_is_where_one_is_already() {
    let mut site = site();
    for path in ["/./digits", "/sub/./", "/%2e/digits", "/././digits"] {
        assert_eq!(site.status(path, &[]), 200, "{path}");
    }
    let folder = site.get("/sub/.", &[]);
    assert_eq!(folder.status(), StatusCode::MOVED_PERMANENTLY);
}

#[test]
fn nothing_outside_the_folder_is_reached() {
    let mut site = site();
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/sub/../../secret",
        "/sub/%2e%2e/%2e%2e/secret",
        "/out",
        "/passwd",
        "/up/secret",
        "/up/",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/%2Fetc%2Fpasswd",
        "/..\\secret",
        "/....//secret",
        "/.git/config",
        "/%2egit/config",
        "/%252e%252e/secret",
        "/digits/../../secret",
    ] {
        let response = site.get(path, &[]);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert!(!text.contains("secret"), "{path}: {text}");
    }
    for path in ["/digits%00", "/%00", "/digits%", "/digits%4", "/digits%zz"] {
        assert_eq!(site.status(path, &[]), 400, "{path}");
    }
    assert_eq!(
        site.status("/in", &[]),
        200,
        "a link that stays inside is fine"
    );
    assert_eq!(site.status("/digits/", &[]), 404);
    assert_eq!(site.status("/digits/x", &[]), 404);
    assert_eq!(site.status("/%ff", &[]), 404);
    assert!(site.folder.path().join("secret").exists());
}

#[test]
fn special_files_are_not_served_and_do_not_block() {
    let mut site = site();
    let fifo = site.folder.path().join("root/fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(site.status("/fifo", &[]), 404);
}

#[test]
fn only_get_and_head_apply() {
    let mut site = site();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let response = site.ask(
            Request::builder()
                .method(method)
                .uri("/digits")
                .body(())
                .unwrap(),
        );
        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
        assert_eq!(field(&response, "allow"), "GET, HEAD, OPTIONS");
    }
    let response = site.ask(Request::builder().method("BREW").uri("/").body(()).unwrap());
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
}

/// RFC 9110 section 9.3.7.
#[test]
fn options_say_what_may_be_done_with_a_file_and_with_all_of_them() {
    let mut site = site();
    for (target, status) in [("/digits", 204), ("*", 204), ("/nothing", 404)] {
        let ask = Request::options(target).body(()).unwrap();
        let response = site.ask(ask);
        assert_eq!(response.status(), status, "{target}");
        if status == 204 {
            assert_eq!(field(&response, "allow"), "GET, HEAD, OPTIONS");
            assert_eq!(field(&response, "content-length"), "");
        }
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let mut site = site();
    for (path, length) in [("/digits", "10"), ("/large", "1700001")] {
        for _ in 0..2 {
            let response = site.ask(Request::head(path).body(()).unwrap());
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(field(&response, "content-length"), length);
            assert!(response.body().is_empty());
        }
    }
    let response = site.ask(
        Request::head("/digits")
            .header("range", "bytes=0-1")
            .body(())
            .unwrap(),
    );
    assert_eq!(
        response.status(),
        StatusCode::OK,
        "ranges are for GET alone"
    );
}

#[test]
fn unchanged_file_is_a_304_with_its_validators() {
    let mut site = site();
    let first = site.get("/digits", &[]);
    let etag = field(&first, "etag");
    let date = field(&first, "last-modified");
    let weak = format!("W/{etag}");
    let list = format!("\"x\", {etag}");
    for (name, value) in [
        ("if-none-match", etag),
        ("if-none-match", &weak),
        ("if-none-match", &list),
        ("if-none-match", "*"),
        ("if-modified-since", date),
    ] {
        let response = site.get("/digits", &[(name, value)]);
        assert_eq!(
            response.status(),
            StatusCode::NOT_MODIFIED,
            "{name}: {value}"
        );
        assert_eq!(field(&response, "etag"), etag);
        assert!(response.body().is_empty());
        assert_eq!(
            field(&response, "content-type"),
            "",
            "no news about the content"
        );
    }
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, status) in [
        (vec![("if-none-match", "\"x\"")], 200),
        // The tag decides where both are given (RFC 9110 section 13.2.2).
        (
            vec![("if-none-match", "\"x\""), ("if-modified-since", date)],
            200,
        ),
        (vec![("if-modified-since", old)], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        (vec![("if-match", etag)], 200),
        (vec![("if-match", "*")], 200),
        (vec![("if-match", "\"x\"")], 412),
        (vec![("if-match", &weak)], 412),
        (vec![("if-unmodified-since", old)], 412),
        (vec![("if-unmodified-since", date)], 200),
    ] {
        assert_eq!(site.status("/digits", &fields), status, "{fields:?}");
    }
}

#[test]
fn ranges_give_parts_and_say_which() {
    let mut site = site();
    for (range, content, which) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=0-99", "0123456789", "bytes 0-9/10"),
    ] {
        let response = site.get("/digits", &[("range", range)]);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(response.body(), content.as_bytes(), "{range}");
        assert_eq!(field(&response, "content-range"), which);
    }
    let response = site.get("/digits", &[("range", "bytes=100-200")]);
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(field(&response, "content-range"), "bytes */10");
    let response = site.get("/large", &[("range", "bytes=1-400000")]);
    assert_eq!(response.body().len(), 400_000);
}

#[test]
fn several_ranges_come_as_parts_of_one_body() {
    let mut site = site();
    let response = site.get("/digits", &[("range", "bytes=0-1,-2")]);
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    let kind = field(&response, "content-type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, data: &str| {
        format!(
            "\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\ncontent-range: bytes {range}/10\r\n\r\n{data}"
        )
    };
    let want = format!(
        "{}{}\r\n--{boundary}--\r\n",
        part("0-1", "01"),
        part("8-9", "89")
    );
    assert_eq!(String::from_utf8(response.into_body()).unwrap(), want);
}

#[test]
fn if_range_guards_the_part_with_the_exact_state() {
    let mut site = site();
    let first = site.get("/digits", &[]);
    let etag = field(&first, "etag");
    let date = field(&first, "last-modified");
    let weak = format!("W/{etag}");
    for (guard, status) in [
        (etag, 206),
        (date, 206),
        (&weak[..], 200),
        ("\"x\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ] {
        let fields = [("range", "bytes=0-1"), ("if-range", guard)];
        assert_eq!(site.status("/digits", &fields), status, "{guard}");
    }
}

fn asked_at(path: &str, millis: u64) -> Request<()> {
    let mut request = Request::get(path).body(()).unwrap();
    request.extensions_mut().insert(About {
        connection: ConnectionInfo::default(),
        request: 1,
        at: Instant::from_millis(millis),
    });
    request
}

#[test]
fn changed_file_shows_to_everybody_who_asks_later_however_little() {
    let mut site = site();
    let root = site.folder.path().join("root");
    assert_eq!(site.get("/digits", &[]).body(), b"0123456789");
    write(&root, "digits", b"changed");
    assert_eq!(site.get("/digits", &[]).body(), b"changed");
    assert_eq!(site.ask(asked_at("/digits", 0)).body(), b"changed");
    write(&root, "digits", b"again and longer");
    // One look for all who ask in one turn: whoever came with them came before the change.
    assert_eq!(site.ask(asked_at("/digits", 0)).body(), b"changed");
    assert_eq!(site.ask(asked_at("/digits", 1)).body(), b"again and longer");
    // Another file in its place, of the same length; then none.
    write(&root, "new", b"again AND longer");
    fs::rename(root.join("new"), root.join("digits")).unwrap();
    assert_eq!(site.ask(asked_at("/digits", 2)).body(), b"again AND longer");
    fs::remove_file(root.join("digits")).unwrap();
    assert_eq!(
        site.ask(asked_at("/digits", 3)).status(),
        StatusCode::NOT_FOUND
    );
}

#[test]
fn file_cut_off_while_it_is_sent_breaks_the_body_off() {
    let mut site = site();
    let response = block_on(site.files.call(Request::get("/large").body(()).unwrap())).unwrap();
    write(&site.folder.path().join("root"), "large", b"short");
    let error = block_on(response.into_body().collect()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn folder_that_is_none_is_refused_when_opened() {
    let site = site();
    for path in ["root/digits", "root/nothing"] {
        if Files::open(site.folder.path().join(path)).is_ok() {
            panic!("{path} was opened as a folder");
        }
    }
}

fn with(options: Options) -> Site {
    let site = site();
    let root = site.folder.path().join("root");
    write(&root, "digits.gz", b"gz digits");
    write(&root, "digits.br", b"br digits");
    write(&root, "index.html.zst", b"zst front");
    let old = fs::File::create(root.join("style.css.br")).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    Site {
        files: Files::with(&root, options).unwrap(),
        ..site
    }
}

#[test]
fn compressed_sibling_is_given_to_who_takes_it_as_the_same_kind_of_thing() {
    let mut site = with(Options {
        precompressed: true,
        ..Options::default()
    });
    let rows: [(&str, &str, Option<&str>, &[u8]); 9] = [
        ("/digits", "gzip, br", Some("br"), b"br digits"),
        ("/digits", "gzip;q=1, br;q=0.5", Some("gzip"), b"gz digits"),
        ("/digits", "br;q=0, gzip", Some("gzip"), b"gz digits"),
        ("/digits", "identity", None, b"0123456789"),
        ("/digits", "deflate", None, b"0123456789"),
        ("/", "zstd", Some("zstd"), b"zst front"),
        ("/sub/", "zstd", None, b"<p>sub</p>"),
        // Older than its file: somebody forgot it.
        ("/style.css", "br", None, b"p{}"),
        ("/digits.gz", "gzip", None, b"gz digits"),
    ];
    // Twice: the second time from memory.
    for (path, accepts, coding, body) in rows.iter().chain(&rows) {
        let answer = site.get(path, &[("accept-encoding", accepts)]);
        let found = answer
            .headers()
            .get("content-encoding")
            .map(|v| v.to_str().unwrap());
        assert_eq!(
            (found, answer.body().as_slice()),
            (*coding, *body),
            "{path} {accepts}"
        );
        assert_eq!(
            answer.headers()["vary"],
            "accept-encoding",
            "{path} {accepts}"
        );
    }
    let front = site.get("/", &[("accept-encoding", "zstd")]);
    assert_eq!(front.headers()["content-type"], "text/html; charset=utf-8");
}

#[test]
fn each_coding_has_its_own_tag_and_ranges_and_conditions_are_about_it() {
    let mut site = with(Options {
        precompressed: true,
        ..Options::default()
    });
    let tag = |site: &mut Site, accepts: &str| {
        site.get("/digits", &[("accept-encoding", accepts)])
            .headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let (br, gzip, plain) = (
        tag(&mut site, "br"),
        tag(&mut site, "gzip"),
        tag(&mut site, ""),
    );
    assert!(br != gzip && gzip != plain && br != plain);
    let mut status = |accepts: &str, known: &str| {
        site.status(
            "/digits",
            &[("accept-encoding", accepts), ("if-none-match", known)],
        )
    };
    assert_eq!(
        (status("br", &br), status("gzip", &br), status("", &plain)),
        (304, 200, 304)
    );
    let part = site.get(
        "/digits",
        &[
            ("accept-encoding", "br"),
            ("range", "bytes=3-8"),
            ("if-range", &br),
        ],
    );
    assert_eq!(
        (part.status().as_u16(), part.body().as_slice()),
        (206, &b"digits"[..])
    );
    assert_eq!(part.headers()["content-encoding"], "br");
    let other = site.get(
        "/digits",
        &[
            ("accept-encoding", "br"),
            ("range", "bytes=3-8"),
            ("if-range", &plain),
        ],
    );
    assert_eq!(
        other.status(),
        StatusCode::OK,
        "a part of another coding would not fit"
    );
}

#[test]
fn changed_sibling_shows_and_a_removed_one_is_no_more() {
    let mut site = with(Options {
        precompressed: true,
        ..Options::default()
    });
    let root = site.folder.path().join("root");
    let body = |site: &mut Site| {
        site.get("/digits", &[("accept-encoding", "br")])
            .into_body()
    };
    assert_eq!(body(&mut site), b"br digits");
    write(&root, "digits.br", b"other digits");
    assert_eq!(body(&mut site), b"other digits");
    fs::remove_file(root.join("digits.br")).unwrap();
    assert_eq!(body(&mut site), b"0123456789");
    // Without leave nobody looks.
    let mut site = with(Options::default());
    let answer = site.get("/digits", &[("accept-encoding", "br")]);
    assert!(answer.headers().get("vary").is_none() && answer.body() == b"0123456789");
}

#[test]
fn folder_without_an_index_is_listed_if_that_was_asked_for() {
    let mut site = with(Options {
        listing: true,
        cache_control: Some("max-age=60".parse().unwrap()),
        ..Options::default()
    });
    let root = site.folder.path().join("root");
    write(&root, "odd/<b>&\"' 100%:x", b"");
    write(&root, "odd/.hidden", b"");
    write(&root, "odd/deep/x", b"");
    symlink("../digits", root.join("odd/within")).unwrap();
    symlink("../../secret", root.join("odd/beyond")).unwrap();
    let answer = site.get("/odd/", &[]);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = String::from_utf8(answer.into_body()).unwrap();
    assert!(
        page.contains("<a href=\"%3Cb%3E&\"") || page.contains("%3Cb%3E&%22'%20100%25%3Ax"),
        "{page}"
    );
    assert!(
        page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"),
        "{page}"
    );
    assert!(
        page.contains("<a href=\"deep/\">deep/</a>") && page.contains("href=\"within\""),
        "{page}"
    );
    assert!(
        !page.contains("hidden") && !page.contains("beyond"),
        "{page}"
    );
    assert_eq!(site.status("/odd/deep/", &[]), 200);
    assert_eq!(site.status("/nowhere/", &[]), 404);
    assert_eq!(site.status("/odd/../../", &[]), 404);
    assert_eq!(site.status("/.git/", &[]), 404);
    let index = site.get("/sub/", &[]);
    assert_eq!(index.body(), b"<p>sub</p>");
    assert_eq!(index.headers()["cache-control"], "max-age=60");
}
