use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::from_iter(fields.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    }))
}

fn uri() -> Uri {
    "http://a.test/x".parse().unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(784_111_777 + seconds)
}

/// A cache that was told this answer, asked for and come at zero.
fn with(fields: &[(&str, &str)]) -> Cache {
    let mut cache = Cache::new(1 << 20);
    cache.keep(
        &uri(),
        &HeaderMap::new(),
        (StatusCode::OK, &map(fields), "body".into()),
        (at(0), at(0)),
    );
    cache
}

fn find(cache: &mut Cache, after: u64, request: &[(&str, &str)]) -> &'static str {
    match cache.find(&Method::GET, &uri(), &map(request), at(after)) {
        Found::Nothing => "ask",
        Found::Fresh(..) => "fresh",
        Found::Stale(..) => "stale",
    }
}

#[test]
fn lifetime_comes_from_max_age_then_expires_then_a_guess() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let rows: [(&[(&str, &str)], u64); 5] = [
        (
            &[
                date,
                ("cache-control", "max-age=60"),
                ("expires", "Sun, 06 Nov 1994 08:49:38 GMT"),
                ("etag", "\"a\""),
            ],
            60,
        ),
        (
            &[
                date,
                ("expires", "Sun, 06 Nov 1994 08:50:07 GMT"),
                ("etag", "\"a\""),
            ],
            30,
        ),
        (&[date, ("expires", "0"), ("etag", "\"a\"")], 0),
        (
            &[date, ("last-modified", "Sun, 06 Nov 1994 08:32:57 GMT")],
            100,
        ),
        (&[date, ("etag", "\"a\"")], 0),
    ];
    for (fields, life) in rows {
        let mut cache = with(fields);
        if life > 0 {
            assert_eq!(find(&mut cache, life - 1, &[]), "fresh", "{fields:?}");
        }
        assert_eq!(find(&mut cache, life, &[]), "stale", "{fields:?}");
    }
}

#[test]
fn age_counts_what_others_kept_it_and_what_the_way_took() {
    let mut cache = Cache::new(1 << 20);
    let fields = map(&[
        ("cache-control", "max-age=60"),
        ("age", "20"),
        ("etag", "\"a\""),
    ]);
    cache.keep(
        &uri(),
        &HeaderMap::new(),
        (StatusCode::OK, &fields, "body".into()),
        (at(0), at(10)),
    );
    assert_eq!(find(&mut cache, 39, &[]), "fresh");
    assert_eq!(find(&mut cache, 40, &[]), "stale");
}

#[test]
fn request_may_ask_for_fresher_or_be_content_with_staler() {
    let mut cache = with(&[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    assert_eq!(
        find(&mut cache, 30, &[("cache-control", "max-age=29")]),
        "stale"
    );
    assert_eq!(
        find(&mut cache, 30, &[("cache-control", "min-fresh=31")]),
        "stale"
    );
    assert_eq!(
        find(&mut cache, 30, &[("cache-control", "no-cache")]),
        "stale"
    );
    assert_eq!(
        find(&mut cache, 30, &[("cache-control", "no-store")]),
        "ask"
    );
    assert_eq!(
        find(&mut cache, 70, &[("cache-control", "max-stale=20")]),
        "fresh"
    );
    assert_eq!(
        find(&mut cache, 90, &[("cache-control", "max-stale=20")]),
        "stale"
    );
    assert_eq!(find(&mut cache, 30, &[("range", "bytes=0-1")]), "ask");
}

#[test]
fn what_must_not_or_need_not_be_kept_is_not() {
    for fields in [
        &[("cache-control", "no-store, max-age=60")][..],
        &[("cache-control", "max-age=60"), ("vary", "accept, *")],
        &[("content-type", "text/plain")],
    ] {
        assert_eq!(find(&mut with(fields), 1, &[]), "ask", "{fields:?}");
    }
    let mut cache = with(&[("cache-control", "no-cache, max-age=60"), ("etag", "\"a\"")]);
    assert_eq!(find(&mut cache, 1, &[]), "stale");
}

#[test]
fn answers_that_vary_are_kept_apart() {
    let mut cache = Cache::new(1 << 20);
    let fields = map(&[("cache-control", "max-age=60"), ("vary", "Accept-Encoding")]);
    for (coding, body) in [("gzip", "g"), ("br", "b")] {
        let request = map(&[("accept-encoding", coding)]);
        cache.keep(
            &uri(),
            &request,
            (StatusCode::OK, &fields, body.into()),
            (at(0), at(0)),
        );
    }
    let body = |cache: &mut Cache, coding: &str| match cache.find(
        &Method::GET,
        &uri(),
        &map(&[("accept-encoding", coding)]),
        at(1),
    ) {
        Found::Fresh(stored, age) => (stored.body, age),
        Found::Nothing | Found::Stale(..) => panic!("not fresh"),
    };
    assert_eq!(body(&mut cache, "gzip"), ("g".into(), 1));
    assert_eq!(body(&mut cache, "br"), ("b".into(), 1));
    assert_eq!(find(&mut cache, 1, &[]), "ask");
}

#[test]
fn confirmed_answer_is_fresh_again_and_a_change_forgets_it() {
    let mut cache = with(&[
        ("cache-control", "max-age=60"),
        ("etag", "\"a\""),
        ("x", "old"),
    ]);
    let Found::Stale(stored, conditions) =
        cache.find(&Method::GET, &uri(), &HeaderMap::new(), at(100))
    else {
        unreachable!()
    };
    assert_eq!(conditions["if-none-match"], "\"a\"");
    let news = map(&[
        ("cache-control", "max-age=60"),
        ("etag", "\"a\""),
        ("x", "new"),
        ("content-length", "0"),
    ]);
    let stored = cache.refresh(&uri(), *stored, &news, (at(100), at(100)));
    assert_eq!(
        (stored.body, &stored.fields["x"]),
        ("body".into(), &HeaderValue::from_static("new"))
    );
    assert_eq!(find(&mut cache, 150, &[]), "fresh");
    cache.invalidate(
        &Method::PUT,
        &uri(),
        StatusCode::CONFLICT,
        &HeaderMap::new(),
    );
    assert_eq!(find(&mut cache, 150, &[]), "fresh");
    cache.invalidate(
        &Method::PUT,
        &uri(),
        StatusCode::NO_CONTENT,
        &HeaderMap::new(),
    );
    assert_eq!(find(&mut cache, 150, &[]), "ask");
}

fn page(n: u32) -> Uri {
    format!("http://a.test/{n}").parse().unwrap()
}

fn keep(cache: &mut Cache, n: u32, body: Vec<u8>) {
    let fields = map(&[("cache-control", "max-age=60")]);
    let answer = (StatusCode::OK, &fields, body.into());
    cache.keep(&page(n), &HeaderMap::new(), answer, (at(0), at(0)));
}

fn kept(cache: &mut Cache, n: u32) -> Option<Bytes> {
    match cache.find(&Method::GET, &page(n), &HeaderMap::new(), at(1)) {
        Found::Fresh(stored, _) => Some(stored.body),
        Found::Nothing | Found::Stale(..) => None,
    }
}

#[test]
fn cache_keeps_within_its_bytes_what_was_used_last() {
    let mut cache = Cache::new(10_000);
    for n in 0..100 {
        keep(&mut cache, n, vec![0; 1000]);
        assert!(kept(&mut cache, 0).is_some(), "used all the time");
    }
    let left: Vec<u32> = (0..100)
        .filter(|n| kept(&mut cache, *n).is_some())
        .collect();
    assert_eq!(left, [0, 97, 98, 99]);
    keep(&mut cache, 5, vec![0; 10_000]);
    assert_eq!(kept(&mut cache, 5), None, "larger than all there is");
}

#[test]
fn fields_about_a_connection_are_not_kept() {
    let mut cache = with(&[
        ("cache-control", "max-age=60"),
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("x-end", "2"),
    ]);
    let Found::Fresh(stored, _) = cache.find(&Method::GET, &uri(), &HeaderMap::new(), at(1)) else {
        unreachable!()
    };
    let names: Vec<&str> = stored.fields.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["cache-control", "x-end"]);
}

#[test]
fn request_with_conditions_of_its_own_is_the_servers_to_judge() {
    let mut cache = with(&[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    for name in [
        "if-none-match",
        "if-modified-since",
        "if-match",
        "if-unmodified-since",
        "if-range",
    ] {
        assert_eq!(find(&mut cache, 1, &[(name, "\"b\"")]), "ask", "{name}");
    }
}

#[test]
fn one_address_keeps_no_more_than_sixteen_kinds() {
    let mut cache = Cache::new(1 << 20);
    let fields = map(&[("cache-control", "max-age=60"), ("vary", "accept")]);
    for n in 0..20 {
        let request = map(&[("accept", &format!("x/{n}"))]);
        cache.keep(
            &uri(),
            &request,
            (StatusCode::OK, &fields, "b".into()),
            (at(0), at(0)),
        );
    }
    let fresh =
        (0..20).filter(|n| find(&mut cache, 1, &[("accept", &format!("x/{n}"))]) == "fresh");
    assert_eq!(fresh.collect::<Vec<_>>(), (4..20).collect::<Vec<_>>());
}

#[test]
fn cache_in_a_folder_outlives_its_program_and_keeps_within_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = Cache::in_folder(folder.path(), 10_000).unwrap();
    let odd: Vec<u8> = (0..=255).collect();
    keep(&mut cache, 1, odd.clone());
    let value = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let fields = HeaderMap::from_iter([
        (header::CACHE_CONTROL, "max-age=60".parse().unwrap()),
        (header::VARY, "accept".parse().unwrap()),
        (header::SERVER, value.clone()),
    ]);
    for kind in ["a/b", "c/d"] {
        let request = map(&[("accept", kind)]);
        cache.keep(
            &page(2),
            &request,
            (StatusCode::OK, &fields, kind.into()),
            (at(0), at(0)),
        );
    }
    let mut again = Cache::in_folder(folder.path(), 10_000).unwrap();
    assert_eq!(kept(&mut again, 1).unwrap(), odd);
    let found = again.find(&Method::GET, &page(2), &map(&[("accept", "c/d")]), at(1));
    let Found::Fresh(stored, 1) = found else {
        unreachable!()
    };
    assert_eq!(
        (stored.body, &stored.fields["server"]),
        ("c/d".into(), &value)
    );
    again.invalidate(&Method::PUT, &page(1), StatusCode::OK, &HeaderMap::new());
    assert_eq!(kept(&mut cache, 1), None, "both see one folder");
    for n in 10..40 {
        keep(&mut cache, n, vec![0; 1000]);
    }
    let size = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    assert!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .map(size)
            .sum::<u64>()
            <= 10_000
    );
    assert!(kept(&mut cache, 39).is_some());
}

#[test]
fn what_is_no_file_of_ours_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut cache = Cache::in_folder(folder.path(), 10_000).unwrap();
    keep(&mut cache, 1, b"body".to_vec());
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let whole = std::fs::read(&file).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&file, &whole[..cut]).unwrap();
        assert_eq!(kept(&mut cache, 1), None, "{cut}");
    }
    let other = String::from_utf8(whole.clone())
        .unwrap()
        .replace("a.test/1", "b.test/1");
    std::fs::write(&file, other).unwrap();
    assert_eq!(kept(&mut cache, 1), None, "about another address");
    std::fs::write(&file, whole).unwrap();
    assert_eq!(kept(&mut cache, 1).unwrap(), "body");
}
