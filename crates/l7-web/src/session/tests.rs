use super::*;
use crate::chance::tests::clock;
use core::sync::atomic::Ordering::Relaxed;

fn request(cookie: Option<&str>) -> Request<Body> {
    let mut request = Request::builder();
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("session={cookie}"));
    }
    request.body(Body::empty()).unwrap()
}

/// One request in which the handler does `with`; the name in the answer's cookie.
fn visit<S: Store>(
    sessions: &Sessions<S>,
    cookie: Option<&str>,
    with: impl FnOnce(&Session),
) -> Option<String> {
    let mut request = request(cookie);
    let ControlFlow::Continue(memo) = sessions.enter(&mut request) else {
        unreachable!()
    };
    with(&Session::of(&request).unwrap());
    let answer = sessions.leave(memo, Response::new(Body::empty()));
    let set = answer
        .headers()
        .get("set-cookie")?
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax"),
        "{set}"
    );
    Some(
        set["session=".len()..]
            .split(';')
            .next()
            .unwrap()
            .to_owned(),
    )
}

fn sessions(now: Now) -> (Sessions<MemoryStore>, MemoryStore) {
    let store = MemoryStore::new(3);
    (
        Sessions::new(store.clone(), Lifetimes::default(), now).plain(),
        store,
    )
}

#[test]
fn visitor_who_leaves_nothing_gets_no_cookie_and_one_who_does_is_known_again() {
    let (sessions, store) = sessions(clock().0);
    assert_eq!(visit(&sessions, None, |_| {}), None);
    assert!(store.is_empty());
    let id = visit(&sessions, None, |s| s.set("cart", "3")).unwrap();
    assert!(is_name(&id));
    let again = visit(&sessions, Some(&id), |s| {
        assert_eq!(s.get("cart").as_deref(), Some("3"))
    });
    assert_eq!(again, None, "the client has its name already");
}

#[test]
fn login_changes_the_name_and_the_old_one_is_worth_nothing() {
    let (sessions, store) = sessions(clock().0);
    let before = visit(&sessions, None, |s| s.set("cart", "3")).unwrap();
    let after = visit(&sessions, Some(&before), |s| {
        s.set("user", "eve");
        s.rotate();
    });
    let after = after.unwrap();
    assert_ne!(before, after);
    visit(&sessions, Some(&before), |s| {
        assert_eq!(s.get("user"), None)
    });
    visit(&sessions, Some(&after), |s| {
        assert_eq!(s.get("cart").as_deref(), Some("3"))
    });
    assert_eq!(store.len(), 1);
}

#[test]
fn name_that_a_stranger_planted_is_not_taken_over() {
    let (sessions, _) = sessions(clock().0);
    let planted = "0123456789abcdef0123456789abcdef";
    let given = visit(&sessions, Some(planted), |s| s.set("user", "eve")).unwrap();
    assert_ne!(given, planted);
    for odd in ["../../etc/passwd", "ABC", ""] {
        assert!(visit(&sessions, Some(odd), |s| s.set("x", "y")).is_some());
    }
}

#[test]
fn session_ends_by_idleness_by_age_and_by_request() {
    let (now, hand) = clock();
    let (sessions, store) = sessions(now);
    let id = visit(&sessions, None, |s| s.set("a", "1")).unwrap();
    for _ in 0..5 {
        hand.fetch_add(3_599, Relaxed);
        visit(&sessions, Some(&id), |s| {
            assert!(s.get("a").is_some(), "used in time")
        });
    }
    hand.fetch_add(3_600, Relaxed);
    visit(&sessions, Some(&id), |s| assert_eq!(s.get("a"), None));
    assert!(store.is_empty());
    let id = visit(&sessions, None, |s| s.set("a", "1")).unwrap();
    for _ in 0..(7 * 24 * 2) {
        hand.fetch_add(1_800, Relaxed);
        visit(&sessions, Some(&id), |_| {});
    }
    visit(&sessions, Some(&id), |s| {
        assert_eq!(s.get("a"), None, "a week is over")
    });
    let id = visit(&sessions, None, |s| s.set("a", "1")).unwrap();
    assert_eq!(
        visit(&sessions, Some(&id), Session::end).as_deref(),
        Some("")
    );
    visit(&sessions, Some(&id), |s| assert_eq!(s.get("a"), None));
}

#[test]
fn memory_store_forgets_who_was_away_longest() {
    let (now, hand) = clock();
    let (sessions, store) = sessions(now);
    let ids: Vec<String> = (0..4)
        .map(|n| {
            hand.fetch_add(1, Relaxed);
            visit(&sessions, None, |s| s.set("n", n.to_string())).unwrap()
        })
        .collect();
    assert_eq!(store.len(), 3);
    visit(&sessions, Some(&ids[0]), |s| assert_eq!(s.get("n"), None));
    visit(&sessions, Some(&ids[3]), |s| {
        assert_eq!(s.get("n").as_deref(), Some("3"))
    });
}

#[test]
fn file_store_survives_its_program_and_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let (now, _) = clock();
    let open = || {
        let store = FileStore::open(folder.path()).unwrap();
        Sessions::new(store, Lifetimes::default(), now.clone()).plain()
    };
    let id = visit(&open(), None, |s| s.set("a", "1")).unwrap();
    visit(&open(), Some(&id), |s| {
        assert_eq!(s.get("a").as_deref(), Some("1"))
    });
    std::fs::write(folder.path().join("not-ours"), "kept").unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    assert!(store.load("../x").is_err());
    assert_eq!(store.sweep(Duration::from_secs(1_000_000)).unwrap(), 0);
    assert_eq!(store.sweep(Duration::from_secs(1_000_001)).unwrap(), 1);
    assert_eq!(store.load(&id).unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
