use super::*;

fn fields(values: &[&str]) -> HeaderMap {
    let values = values
        .iter()
        .map(|v| (header::WWW_AUTHENTICATE, v.parse().unwrap()));
    let mut fields = HeaderMap::new();
    for (name, value) in values {
        fields.append(name, value);
    }
    fields
}

fn demand(text: &str) -> Option<Demand> {
    Demand::of(&fields(&[text]))
}

/// Parameters of an answer.
fn said(value: &HeaderValue) -> std::collections::BTreeMap<String, String> {
    parameters(value.to_str().unwrap().strip_prefix("Digest ").unwrap())
}

const MUFASA: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

/// RFC 7616 section 3.9.1.
#[test]
fn circle_of_life_is_proved_by_either_algorithm() {
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (
            "SHA-256",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
    ] {
        let demand = demand(&format!("Digest {MUFASA}, algorithm={algorithm}")).unwrap();
        let login = Login::new("Mufasa", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let mut agreed = Agreed::new(demand, &login, cnonce.to_owned());
        let answer = agreed
            .next("Mufasa", &Method::GET, "/dir/index.html")
            .unwrap();
        assert!(answer.is_sensitive());
        let answer = said(&answer);
        assert_eq!(answer["response"], response);
        for (name, value) in [
            ("username", "Mufasa"),
            ("realm", "http-auth@example.org"),
            ("uri", "/dir/index.html"),
            ("algorithm", algorithm),
            ("nonce", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
            ("nc", "00000001"),
            ("cnonce", cnonce),
            ("qop", "auth"),
            ("opaque", "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"),
        ] {
            assert_eq!(answer[name], value);
        }
    }
}

/// Section 3.9.2 with the numbers of erratum 4897 (those in the text are of another function).
#[test]
fn name_that_no_field_can_hold_is_hashed_or_coded() {
    let text = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, charset=UTF-8, \
        nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\"";
    let login = Login::new("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
    let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v";
    let answer = |text: &str| {
        let mut agreed = Agreed::new(demand(text).unwrap(), &login, cnonce.to_owned());
        agreed.next(&login.user, &Method::GET, "/doe.json").unwrap()
    };
    let hashed = said(&answer(&format!("{text}, userhash=true")));
    assert_eq!(
        hashed["username"],
        "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    );
    assert_eq!(hashed["userhash"], "true");
    let coded = answer(text);
    assert!(
        coded
            .to_str()
            .unwrap()
            .starts_with("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, ")
    );
    for answer in [hashed, said(&coded)] {
        assert_eq!(
            answer["response"],
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        );
    }
}

/// RFC 2069 section 2.4 as its erratum 749 has it: no `qop`, and so nothing counted.
#[test]
fn server_of_1997_is_answered_in_its_manner() {
    let demand = demand(
        "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    let login = Login::new("Mufasa", "CircleOfLife");
    let mut agreed = Agreed::new(demand.unwrap(), &login, "x".to_owned());
    let answer = said(
        &agreed
            .next("Mufasa", &Method::GET, "/dir/index.html")
            .unwrap(),
    );
    assert_eq!(answer["response"], "1949323746fe6a43ef61f9606e7febea");
    for absent in ["qop", "nc", "cnonce", "algorithm"] {
        assert!(!answer.contains_key(absent), "{absent}");
    }
}

#[test]
fn first_challenge_that_can_be_met_is_taken() {
    let of = |values: &[&str]| Demand::of(&fields(values)).map(|d| (d.algorithm, d.session));
    let (sha, md5) = (
        "Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256-sess",
        "Digest realm=\"a\", nonce=\"n\", qop=\"auth\"",
    );
    assert_eq!(of(&[sha, md5]), Some((Algorithm::Sha256, true)));
    assert_eq!(of(&[md5, sha]), Some((Algorithm::Md5, false)));
    assert_eq!(
        of(&[&format!("Basic realm=\"a\", {sha}")]),
        Some((Algorithm::Sha256, true))
    );
    let unknown = "Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=SHA-1";
    assert_eq!(of(&[unknown, md5]), Some((Algorithm::Md5, false)));
    for none in [
        "Basic realm=\"a\"",
        "Digest realm=\"a\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"a\", nonce=\"n\", qop=\"auth-int\"",
    ] {
        assert_eq!(of(&[none]), None, "{none}");
    }
}

#[test]
fn requests_are_counted_until_the_server_names_another_nonce() {
    let uri: Uri = "http://a.test/x?y".parse().unwrap();
    let (login, mut logins) = (Login::new("ada", "l"), Logins::default());
    assert_eq!(logins.prove(&login, &Method::GET, &uri), None);
    let first = demand("Digest realm=\"a\", nonce=\"n1\", qop=auth").unwrap();
    logins.agree(Place::of(&uri).unwrap(), &login, first, "c".to_owned());
    let next = |logins: &mut Logins| {
        let answer = said(&logins.prove(&login, &Method::GET, &uri).unwrap());
        (
            answer["nonce"].clone(),
            answer["nc"].clone(),
            answer["uri"].clone(),
        )
    };
    let of = |nonce: &str, nc: &str| (nonce.to_owned(), nc.to_owned(), "/x?y".to_owned());
    assert_eq!(next(&mut logins), of("n1", "00000001"));
    assert_eq!(next(&mut logins), of("n1", "00000002"));
    let mut info = HeaderMap::new();
    info.insert("authentication-info", "nextnonce=\"n2\"".parse().unwrap());
    logins.hear(&login, &uri, &info);
    assert_eq!(next(&mut logins), of("n2", "00000001"));
    // The same again is no news.
    logins.hear(&login, &uri, &info);
    assert_eq!(next(&mut logins), of("n2", "00000002"));
    // Another place, another login: nothing is known of them.
    let elsewhere: Uri = "https://a.test/x".parse().unwrap();
    assert_eq!(logins.prove(&login, &Method::GET, &elsewhere), None);
    let other = Login::new("ada", "m");
    assert_eq!(logins.prove(&other, &Method::GET, &uri), None);
}

#[test]
fn places_beyond_the_bound_are_forgotten_oldest_first() {
    let (login, mut logins) = (Login::new("ada", "l"), Logins::default());
    let uri = |n: usize| -> Uri { format!("http://h{n}/").parse().unwrap() };
    for n in 0..=PLACES {
        let demand = demand("Digest realm=\"a\", nonce=\"n\", qop=auth").unwrap();
        logins.agree(Place::of(&uri(n)).unwrap(), &login, demand, "c".to_owned());
    }
    assert_eq!(logins.prove(&login, &Method::GET, &uri(0)), None);
    assert!(logins.prove(&login, &Method::GET, &uri(1)).is_some());
    assert_eq!(logins.0.len(), PLACES);
}

#[test]
fn quotes_in_names_are_escaped_and_counted_as_they_are() {
    let text = "Digest realm=\"a \\\"b\\\"\", nonce=\"n\", qop=auth";
    let login = Login::new("a\"da", "l");
    let mut agreed = Agreed::new(demand(text).unwrap(), &login, "c".to_owned());
    let answer = agreed.next(&login.user, &Method::GET, "/").unwrap();
    let text = answer.to_str().unwrap();
    assert!(
        text.starts_with("Digest username=\"a\\\"da\", realm=\"a \\\"b\\\"\", "),
        "{text}"
    );
    assert_eq!(format!("{login:?}"), "Login(a\"da, ..)");
}
