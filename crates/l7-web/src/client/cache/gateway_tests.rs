//! What a cache for several users does, and what any cache owes to RFC 9111 that a single user seldom meets.

use super::*;

const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        map.append(name, value.parse().unwrap());
    }
    map
}

fn uri(text: &str) -> Uri {
    format!("http://a.test{text}").parse().unwrap()
}

/// So long after the answer's date.
fn at(seconds: u64) -> Duration {
    Duration::from_secs(784_111_777 + seconds)
}

/// One user's cache or a shared one, after this was asked for and came.
fn kept(shared: bool, status: u16, request: &[(&str, &str)], answer: &[(&str, &str)]) -> Cache {
    let mut cache = Cache::new(1 << 20);
    if shared {
        cache = cache.shared();
    }
    let status = StatusCode::from_u16(status).unwrap();
    let answer = (status, &map(answer), "body".into());
    cache.keep(&uri("/x"), &map(request), answer, (at(0), at(0)));
    cache
}

/// What there is after ten seconds: a status and bytes, or what to do.
fn found(cache: &mut Cache, request: &[(&str, &str)]) -> String {
    match cache.find(&Method::GET, &uri("/x"), &map(request), at(10)) {
        Found::Nothing => "ask".to_owned(),
        Found::Fresh(stored, _) => format!("{} {}", stored.status.as_u16(), stored.body.len()),
        Found::Stale(..) => "stale".to_owned(),
    }
}

/// RFC 9111 sections 3.5, 5.2.2.7, 5.2.2.9.
#[test]
fn what_is_one_users_is_not_kept_for_others() {
    let authorized = [("authorization", "Basic x")];
    for (request, said, for_all) in [
        (&[][..], "private, max-age=60", false),
        (&[], "private=\"x\", max-age=60", false),
        (&[], "max-age=60", true),
        (&authorized, "max-age=60", false),
        (&authorized, "max-age=60, public", true),
        (&authorized, "max-age=60, must-revalidate", true),
        (&authorized, "s-maxage=60", true),
    ] {
        let answer = [DATE, ("cache-control", said), ("etag", "\"a\"")];
        let of = |shared| found(&mut kept(shared, 200, request, &answer), request) != "ask";
        assert_eq!(of(true), for_all, "{said}");
        assert!(of(false), "{said}");
    }
}

/// Sections 5.2.2.8, 5.2.2.10.
#[test]
fn servers_say_to_gateways_how_long_and_whether_old_answers_will_do() {
    let lax = [("cache-control", "max-stale")];
    for (said, gateway, user, gateway_lax) in [
        ("max-age=5, s-maxage=60", "200 4", "stale", "200 4"),
        ("max-age=60, s-maxage=5", "stale", "200 4", "stale"),
        ("max-age=5, proxy-revalidate", "stale", "stale", "stale"),
        ("max-age=5", "stale", "stale", "200 4"),
    ] {
        let answer = [DATE, ("cache-control", said), ("etag", "\"a\"")];
        let of = |shared, request: &[_]| found(&mut kept(shared, 200, &[], &answer), request);
        assert_eq!(of(true, &[]), gateway, "{said}");
        assert_eq!(of(false, &[]), user, "{said}");
        assert_eq!(of(true, &lax), gateway_lax, "{said}");
    }
}

/// Section 4.3.2; RFC 9110 sections 13.1.2, 13.1.3, 13.2.2.
#[test]
fn whoever_has_the_answer_is_told_so_without_the_server() {
    let (same, other) = (
        ("if-none-match", "W/\"b\", \"a\""),
        ("if-none-match", "\"c\""),
    );
    let (since, before) = (
        ("if-modified-since", "Sun, 06 Nov 1994 08:00:00 GMT"),
        ("if-modified-since", "Sun, 06 Nov 1994 07:59:59 GMT"),
    );
    let answer = |life| {
        [
            DATE,
            ("cache-control", life),
            ("etag", "\"a\""),
            ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"),
        ]
    };
    for (request, want) in [
        (&[same][..], "304 0"),
        (&[("if-none-match", "*")], "304 0"),
        (&[other], "200 4"),
        (&[since], "304 0"),
        (&[before], "200 4"),
        // Tags before dates.
        (&[other, since], "200 4"),
        (&[("if-none-match", "W/\"a\""), before], "304 0"),
        (&[("if-match", "\"a\"")], "ask"),
        (&[("range", "bytes=0-1")], "ask"),
    ] {
        let mut cache = kept(true, 200, &[], &answer("max-age=60"));
        assert_eq!(found(&mut cache, request), want, "{request:?}");
        let mut cache = kept(true, 200, &[], &answer("max-age=5"));
        assert_eq!(found(&mut cache, request), "ask", "{request:?}");
        let mut cache = kept(false, 200, &[], &answer("max-age=60"));
        assert_eq!(
            found(&mut cache, request),
            "ask",
            "one user asks the server"
        );
    }
}

/// Section 3; RFC 9110 section 15.1.
#[test]
fn every_final_answer_that_says_for_how_long_is_kept() {
    let explicit = [DATE, ("cache-control", "max-age=60")];
    let careful = [DATE, ("cache-control", "max-age=60, must-understand")];
    let guessed = [DATE, ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")];
    for (status, by_itself, understood, by_guess) in [
        (200, true, true, true),
        (404, true, true, true),
        (302, true, false, false),
        (500, true, false, false),
        (599, true, false, false),
        (206, false, false, false),
        (304, false, false, false),
    ] {
        let is_kept = |answer: &[_]| found(&mut kept(false, status, &[], answer), &[]) != "ask";
        assert_eq!(is_kept(&explicit), by_itself, "{status}");
        assert_eq!(is_kept(&careful), understood, "{status}");
        assert_eq!(is_kept(&guessed), by_guess, "{status}");
    }
}

/// Sections 3.2, 4.3.4.
#[test]
fn confirmation_changes_the_fields_but_not_those_of_the_body_nor_of_another_version() {
    let answer = [
        DATE,
        ("cache-control", "max-age=5"),
        ("etag", "\"a\""),
        ("content-md5", "x"),
    ];
    let confirm = |fields: &[(&str, &str)]| {
        let mut cache = kept(false, 200, &[], &answer);
        let Found::Stale(stored, _) =
            cache.find(&Method::GET, &uri("/x"), &HeaderMap::new(), at(10))
        else {
            panic!("it is old")
        };
        let times = (at(10), at(10));
        let refreshed = cache.refresh(&uri("/x"), *stored, &map(fields), times);
        let of = |name: &str| refreshed.fields[name].to_str().unwrap().to_owned();
        (
            of("cache-control"),
            of("content-md5"),
            found(&mut cache, &[]),
        )
    };
    let told = |life: &str, found: &str| (life.to_owned(), "x".to_owned(), found.to_owned());
    let new = ("cache-control", "max-age=60");
    let date = ("date", "Sun, 06 Nov 1994 08:49:47 GMT");
    assert_eq!(
        confirm(&[date, new, ("content-md5", "y")]),
        told("max-age=60", "200 4")
    );
    assert_eq!(
        confirm(&[date, new, ("etag", "\"a\"")]),
        told("max-age=60", "200 4")
    );
    assert_eq!(
        confirm(&[date, new, ("etag", "\"b\"")]),
        told("max-age=5", "stale")
    );
}

/// Section 4.4.
#[test]
fn change_makes_old_what_it_names_on_the_same_server() {
    let answer = [DATE, ("cache-control", "max-age=60")];
    for (name, place, gone) in [
        ("location", "/x", true),
        ("content-location", "x", true),
        ("location", "http://a.test/x", true),
        ("location", "http://b.test/x", false),
        ("location", "/y", false),
        ("link", "/x", false),
    ] {
        let mut cache = kept(false, 200, &[], &answer);
        let fields = map(&[(name, place)]);
        cache.invalidate(&Method::POST, &uri("/form"), StatusCode::CREATED, &fields);
        assert_eq!(found(&mut cache, &[]) == "ask", gone, "{name}: {place}");
        let mut cache = kept(false, 200, &[], &answer);
        cache.invalidate(&Method::POST, &uri("/form"), StatusCode::CONFLICT, &fields);
        assert_eq!(found(&mut cache, &[]), "200 4", "it did not go through");
    }
}

/// Section 5.1.
#[test]
fn first_age_of_several_counts_and_none_that_is_no_number() {
    for (ages, fresh) in [
        (&["100"][..], false),
        (&["100, 0"], false),
        (&["100", "0"], false),
        (&["0, 100"], true),
        (&["soon"], true),
        (&["-100"], true),
        (&["100.5"], true),
    ] {
        let mut answer = vec![DATE, ("cache-control", "max-age=60"), ("etag", "\"a\"")];
        answer.extend(ages.iter().map(|age| ("age", *age)));
        let found = found(&mut kept(true, 200, &[], &answer), &[]);
        assert_eq!(found == "200 4", fresh, "{ages:?}");
    }
}
