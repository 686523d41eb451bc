//! A browser at the example application: what a person does there, what a page's script may, and what another site's may not.

use core::fmt::Write as _;

use outcrop_tests::{Bench, matrix, tshark};

/// What it is, the expression, the JSON it gives. A row without JSON opens a page.
type Line = (&'static str, &'static str, &'static str);

/// Defined in every page: waits until something is so.
const UNTIL: &str = "window.until = (so, what) => new Promise(r => { const i = setInterval(() => { if (so()) { clearInterval(i); r(what()) } }, 20) }), \
    window.all = (s) => [...document.querySelectorAll(s)], window.one = (s) => document.querySelector(s), \
    window.socket = (url, say) => new Promise(r => { const w = new WebSocket(url); w.binaryType = 'arraybuffer'; w.onopen = () => w.send(say); \
        w.onmessage = e => { w.close(1000); w.onclose = c => r([typeof e.data, e.data.length ?? e.data.byteLength, c.code, c.wasClean].join()) }; w.onerror = () => r('refused') }), \
    window.cross = (path, how) => fetch('http://10.77.0.2/api/' + path, how).catch(() => ({ status: 'blocked' })), true";

#[rustfmt::skip]
const LINES: &[Line] = &[
    ("http://10.77.0.2/", "", ""),
    ("page with script, style and picture; server-sent events say that it is live",
        "until(() => all('#todos li').length == 3 && all('#lines li').length, () => one('#status').textContent)", "\"live\""),
    ("login by a form", "one('#login button').click(), until(() => !one('#me').hidden, () => one('#name').textContent)", "\"ada\""),
    ("session cookie: hidden from scripts, sent by the page", "fetch('/api/me').then(r => r.json()).then(me => [me.user, document.cookie].join())", "\"ada,\""),
    ("session cookie: left out on request", "fetch('/api/me', { credentials: 'omit' }).then(r => r.json()).then(me => me.user)", "null"),
    ("an entry typed in; markup in it stays text",
        "one('#add input').value = '<b>by hand</b>', one('#add button').click(), until(() => all('#todos li').length == 4, () => all('#todos li')[3].querySelector('span').textContent)", "\"<b>by hand</b>\""),
    ("an entry ticked (PUT with If-Match)", "all('#todos li')[3].querySelector('input').click(), until(() => all('#todos li')[3].className == 'done', () => 'done')", "\"done\""),
    ("server-sent event of somebody's change, with its number",
        "new Promise(r => { const e = new EventSource('/api/events'); e.addEventListener('added', m => { e.close(); r(m.lastEventId > 0 && JSON.parse(m.data).text) }); \
          e.onopen = () => fetch('/api/me').then(a => a.json()).then(me => fetch('/api/todos', { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': me.csrf }, body: '{\"text\":\"heard\"}' })) })", "\"heard\""),
    ("chat by WebSocket", "one('#say input').value = 'hello', one('#say button').click(), until(() => all('#lines li').some(l => l.textContent.endsWith('hello')), () => all('#lines li').at(-1).textContent)", "\"ada: hello\""),
    ("WebSocket: a short text and a clean close", "socket('ws://10.77.0.2/api/echo', 'x')", "\"string,1,1000,true\""),
    ("WebSocket: 100,000 characters", "socket('ws://10.77.0.2/api/echo', 'y'.repeat(100000))", "\"string,100000,1000,true\""),
    ("WebSocket: 1 MiB of bytes", "socket('ws://10.77.0.2/api/echo', new Uint8Array(1 << 20))", "\"object,1048576,1000,true\""),
    ("policy of the page (Content-Security-Policy)", "fetch('/').then(r => r.headers.get('content-security-policy').split(';')[0])", "\"default-src 'self'\""),
    ("https://10.77.0.2/", "", ""),
    ("the page over TLS; the session's cookie goes with it", "fetch('/api/me').then(r => r.json()).then(me => [isSecureContext, me.user].join())", "\"true,ada\""),
    ("WebSocket over TLS", "socket('wss://10.77.0.2/api/echo', 'x')", "\"string,1,1000,true\""),
    ("http://10.77.0.1:8000/", "", ""),
    ("across origins: a simple request is readable", "cross('todos').then(r => [r.type, r.status].join())", "\"cors,200\""),
    ("across origins: the fields that are exposed and no others", "cross('todos/1').then(r => [!!r.headers.get('etag'), r.headers.get('vary')].join())", "\"true,\""),
    ("across origins: credentials beside `*` are blocked", "cross('todos', { credentials: 'include' }).then(r => r.status)", "\"blocked\""),
    ("across origins: a preflight lets PUT with Authorization and If-Match through",
        "cross('token', { method: 'POST', headers: { authorization: 'Basic ' + btoa('ada:lovelace') } }).then(r => r.json()).then(t => cross('todos/4', { method: 'PUT', headers: \
          { 'content-type': 'application/json', 'if-match': '*', authorization: 'Bearer ' + t.access_token }, body: JSON.stringify({ text: 'elsewhere', done: false }) })).then(r => r.status)", "200"),
    ("across origins: the preflight is remembered", "cross('token', { method: 'POST', headers: { authorization: 'Basic ' + btoa('ada:lovelace') } }).then(r => r.status)", "200"),
    ("across origins: a field not allowed is blocked", "cross('todos', { headers: { 'x-odd': '1' } }).then(r => r.status)", "\"blocked\""),
    ("across origins: a method not allowed is blocked", "cross('todos/4', { method: 'PATCH' }).then(r => r.status)", "\"blocked\""),
    ("across origins: events without credentials", "new Promise(r => { const e = new EventSource('http://10.77.0.2/api/events'); e.onopen = () => { e.close(); r('open') }; e.onerror = () => r('blocked') })", "\"open\""),
    ("across origins: the chat is refused", "socket('ws://10.77.0.2/api/chat', 'x')", "\"refused\""),
];

#[test]
fn chromium_is_at_home_and_other_sites_are_guests() {
    let bench = Bench::example("todo").options(&["--tls"]);
    let mut asked = String::new();
    for (what, expression, _) in LINES {
        let _infallible = match *expression {
            "" => writeln!(asked, "open {what}\n{UNTIL}"),
            expression => writeln!(asked, "{expression}"),
        };
    }
    std::fs::write(bench.path("asked"), asked).expect("a script is written");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
    let script = format!(
        "mkdir elsewhere; echo '<title>elsewhere</title>' > elsewhere/index.html
         python3 -m http.server -d elsewhere 8000 >server.log 2>&1 & server=$!
         for i in $(seq 600); do nc -z $KERNEL 8000 && break; sleep 0.1; done
         export KEY=$(echo | openssl s_client -connect $STACK:443 2>/dev/null | openssl x509 -pubkey -noout |
            openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
         timeout 250 python3 {program} about:blank - < asked; kill $server"
    );
    let said = bench.sh(&script).stdout();
    let mut said = said.lines();
    let mut table = String::from("| in Chromium | outcome |\n|---|---|\n");
    for (what, expression, want) in LINES {
        // A page that opened says `true`, once what every page needs is defined.
        let got = said.next().unwrap_or("nothing");
        match *expression {
            "" => assert_eq!(got, "true", "{what}"),
            _ => {
                let cell = if got == *want { "ok" } else { got };
                let _infallible = writeln!(table, "| {what} | {cell} |");
            }
        }
    }
    assert_eq!(
        table.lines().skip(2).find(|line| !line.ends_with("| ok |")),
        None,
        "{table}"
    );
    // Not asked with If-Match, which makes a browser pass over what it remembers (the Fetch standard: no-store).
    let asked_first = tshark(
        &bench.capture(),
        "http.request.method == OPTIONS && http.request.uri == \"/api/token\"",
        &["frame.number"],
    );
    assert_eq!(asked_first.len(), 1, "one preflight for two requests");
    matrix::book("interop-browser.md", &table);
}
