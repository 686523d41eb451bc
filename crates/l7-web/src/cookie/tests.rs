use super::*;

#[test]
fn cookie_field_gives_its_pairs_in_order() {
    let got: Vec<_> = pairs("a=1; b = 2 ;c=x=y;;nothing; =z;d=\"q\"").collect();
    assert_eq!(got, [("a", "1"), ("b", "2"), ("c", "x=y"), ("d", "\"q\"")]);
}

#[test]
fn careful_defaults_are_rendered() {
    let mut cookie = SetCookie::new("__Host-id", "abc");
    assert_eq!(cookie.render(), Err(CookieError::Prefix));
    cookie.secure = true;
    cookie.max_age = Some(Duration::from_secs(60));
    let text = cookie.render().unwrap();
    assert_eq!(
        text,
        "__Host-id=abc; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"
    );
}

#[test]
fn what_a_browser_would_take_for_something_else_is_refused() {
    let with = |change: fn(&mut SetCookie)| {
        let mut cookie = SetCookie::new("a", "b");
        change(&mut cookie);
        cookie.render().unwrap_err()
    };
    assert_eq!(with(|c| c.name = "a b".into()), CookieError::Name);
    assert_eq!(with(|c| c.name = String::new()), CookieError::Name);
    assert_eq!(
        with(|c| c.value = "x; Domain=evil".into()),
        CookieError::Value
    );
    assert_eq!(
        with(|c| c.value = "x\r\nSet-Cookie: y".into()),
        CookieError::Value
    );
    assert_eq!(with(|c| c.value = "v".repeat(4096)), CookieError::TooLong);
    assert_eq!(
        with(|c| c.path = Some("/;x".into())),
        CookieError::Attribute
    );
    assert_eq!(
        with(|c| c.same_site = SameSite::None),
        CookieError::Insecure
    );
    assert_eq!(with(|c| c.name = "__secure-x".into()), CookieError::Prefix);
}

/// RFC 6265bis section 5.6, step by step.
#[test]
fn set_cookie_is_read_by_the_algorithm() {
    let full = receive(b" a = b c ; Path=/x; Domain=.Example.COM; Max-Age=10; Secure; httponly; SameSite=strict; odd");
    let full = full.unwrap();
    assert_eq!((full.name.as_str(), full.value.as_str()), ("a", "b c"));
    assert_eq!(
        (full.path.as_deref(), full.domain.as_deref()),
        (Some("/x"), Some("example.com"))
    );
    assert_eq!(
        (full.max_age, full.secure, full.http_only),
        (Some(10), true, true)
    );
    assert_eq!(full.same_site, Some(SameSite::Strict));
    let pair = |text: &str| receive(text.as_bytes()).map(|r| (r.name, r.value));
    let some = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
    assert_eq!(pair("value alone"), some("", "value alone"));
    assert_eq!(pair("=x"), some("", "x"));
    assert_eq!(pair("a="), some("a", ""));
    assert_eq!(pair("a=b=c"), some("a", "b=c"));
    assert_eq!(pair("=;Path=/"), None);
    assert_eq!(pair("=__Host-id=x"), None);
    assert_eq!(pair("a=b\x01"), None);
    assert_eq!(pair("a=b\tc"), some("a", "b\tc"));
    let of = |text: &str| receive(text.as_bytes()).unwrap();
    assert_eq!(of("a=b; Path=x").path, None);
    assert_eq!(of("a=b; Path=/x; Path=").path, None, "the last one counts");
    assert_eq!(of("a=b; Max-Age=-5").max_age, Some(0));
    assert_eq!(of("a=b; Max-Age=1x").max_age, None);
    assert_eq!(of("a=b; Max-Age=99999999999").max_age, Some(400 * 86_400));
}

/// `date -u -d '1994-11-06 08:49:37' +%s` and its like.
#[test]
fn dates_of_every_age_are_understood() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "06 november 94 8:49:37",
        "1994 Nov 6 8:49:37zone",
    ] {
        // `1994` cannot be a day, so it is the year wherever it stands.
        assert_eq!(parse_date(text), Some(784_111_777), "{text}");
    }
    assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
    assert_eq!(
        parse_date("Tue, 29 Feb 2000 12:00:00 GMT"),
        Some(951_825_600)
    );
    assert_eq!(
        parse_date("Fri, 31 Dec 1999 23:59:59 GMT"),
        Some(946_684_799)
    );
    for text in [
        "",
        "06 Nov 1994",
        "31 Feb 2000 00:00:00",
        "06 Nov 1600 00:00:00",
        "06 Nov 1994 24:00:00",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
}
