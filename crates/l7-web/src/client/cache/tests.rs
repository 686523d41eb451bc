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
    cache.invalidate(&Method::PUT, &uri(), StatusCode::CONFLICT);
    assert_eq!(find(&mut cache, 150, &[]), "fresh");
    cache.invalidate(&Method::PUT, &uri(), StatusCode::NO_CONTENT);
    assert_eq!(find(&mut cache, 150, &[]), "ask");
    assert_eq!(cache.bytes, 0);
}

#[test]
fn cache_keeps_within_its_bytes() {
    let mut cache = Cache::new(10_000);
    for n in 0..100 {
        let uri: Uri = format!("http://a.test/{n}").parse().unwrap();
        let fields = map(&[("cache-control", "max-age=60")]);
        cache.keep(
            &uri,
            &HeaderMap::new(),
            (StatusCode::OK, &fields, vec![0; 1000].into()),
            (at(0), at(0)),
        );
        assert!(cache.bytes <= 10_000);
    }
    assert_eq!(cache.kept.len(), 4);
    assert!(cache.kept.contains_key("http://a.test/99"));
}
