//! The example application, and a folder, under real programs: curl, Chromium, nc.

use outcrop_tests::Bench;

fn example() -> Bench {
    Bench::example("todo")
}

/// Asks with curl; `status` prints the status of an answer, `field` one of its fields.
const WORDS: &str = "B=http://$STACK/api
    ask() { curl -sS --max-time 20 -H 'content-type: application/json' \"$@\"; }
    status() { ask -o /dev/null -w '%{http_code}\\n' \"$@\"; }
    field() { name=$1; shift; ask -o /dev/null -D - \"$@\" | tr -d '\\r' | sed -n \"s/^$name: //p\"; }
    value() { python3 -c \"import json,sys; print(json.load(sys.stdin)['$1'])\"; }
    T=$(ask -u ada:lovelace -X POST $B/token | value access_token)
    A=\"authorization: Bearer $T\"\n";

fn run(script: &str) -> String {
    example().sh(&format!("{WORDS}{script}")).stdout()
}

#[test]
fn curl_makes_reads_changes_and_removes_and_nobody_overwrites_what_he_has_not_seen() {
    let said = run("
        ask -H \"$A\" -d '{\"text\":\"first\"}' $B/todos; echo
        status -H \"$A\" -d '{\"text\":\"first\"}' $B/todos                        # a conflict
        E=$(field etag $B/todos/4); echo $E
        status -H \"if-none-match: $E\" $B/todos/4
        status -H \"$A\" -X PUT -d '{\"text\":\"second\"}' $B/todos/4              # of which version?
        status -H \"$A\" -H \"if-match: $E\" -X PUT -d '{\"text\":\"second\",\"done\":true}' $B/todos/4
        status -H \"$A\" -H \"if-match: $E\" -X PUT -d '{\"text\":\"third\"}' $B/todos/4   # too late
        status -H \"$A\" -H \"if-match: $E\" -X DELETE $B/todos/4
        status -H \"$A\" -H 'if-match: *' -X DELETE $B/todos/4
        status $B/todos/4");
    let todo = "{\"id\":4,\"text\":\"first\",\"done\":false,\"by\":\"ada\",\"version\":4}";
    let want = format!("{todo}\n409\n\"4-4\"\n304\n428\n200\n412\n412\n204\n404\n");
    assert_eq!(said, want);
}

#[test]
fn what_is_wrong_with_a_request_is_told_apart() {
    let said = run("
        status -d '{\"text\":\"x\"}' $B/todos                                      # who are you?
        field www-authenticate -d '{\"text\":\"x\"}' $B/todos
        status -H \"$A\" -d '{\"text\"' $B/todos
        status -H \"$A\" -d '{\"text\":7}' $B/todos
        status -H \"$A\" -d '{\"text\":\" \"}' $B/todos
        status -H \"$A\" -d '{\"text\":\"x\",\"odd\":1}' $B/todos
        status -H \"$A\" -H 'content-type: text/plain' -d x $B/todos
        head -c 70000 /dev/zero | tr '\\0' x > large; status -H \"$A\" --data-binary @large $B/todos
        status -H 'authorization: Bearer x.y.z' -d '{\"text\":\"x\"}' $B/todos
        status -X PATCH $B/todos; field allow -X PATCH $B/todos
        field content-type $B/nowhere
        ask $B/nowhere; echo");
    let want = "401\nBearer realm=\"todo\"\n400\n422\n422\n422\n415\n413\n401\n405\nGET, HEAD, POST, OPTIONS\n\
        application/problem+json\n{\"status\":404,\"title\":\"Not Found\"}\n";
    assert_eq!(said, want);
}

#[test]
fn session_changes_its_name_at_login_and_writes_only_with_the_token_of_the_page() {
    let said = run("
        ask -c jar -d '{\"user\":\"ada\",\"password\":\"wrong\"}' -o /dev/null -w '%{http_code}\\n' $B/login
        C=$(ask -c jar -d '{\"user\":\"ada\",\"password\":\"lovelace\"}' $B/login | value csrf)
        grep -c '^#HttpOnly_10.77.0.2.*session' jar
        status -b jar -d '{\"text\":\"x\"}' $B/todos
        status -b jar -H \"x-csrf-token: $C\" -H 'origin: http://evil.test' -d '{\"text\":\"x\"}' $B/todos
        status -b jar -H \"x-csrf-token: $C\" -d '{\"text\":\"x\"}' $B/todos
        cp jar before; ask -b jar -c jar -d '{\"user\":\"alan\",\"password\":\"turing\"}' -o /dev/null $B/login
        ask -b jar $B/me | value user; ask -b before $B/me | value user
        C=$(ask -b jar $B/me | value csrf)
        cp jar before; status -b jar -c jar -H \"x-csrf-token: $C\" -X POST $B/logout; ask -b before $B/me | value user");
    assert_eq!(said, "401\n1\n403\n403\n201\nalan\nNone\n204\nNone\n");
}

#[test]
fn renewal_token_is_good_once_and_its_theft_ends_the_family() {
    let said = run("
        R1=$(ask -u alan:turing -X POST $B/token | value refresh_token)
        renew() { ask -d \"{\\\"refresh_token\\\":\\\"$1\\\"}\" $B/token/refresh; }
        R2=$(renew $R1 | value refresh_token)
        renew $R1 | value detail
        renew $R2 | value detail
        # openssl signs nothing like us without the key
        H=$(printf '{\"alg\":\"none\",\"typ\":\"at+jwt\"}' | basenc -w0 --base64url | tr -d =)
        status -H \"authorization: Bearer $H.$(echo $T | cut -d. -f2).\" -d '{\"text\":\"x\"}' $B/todos");
    assert_eq!(said, "used before\nused before\n401\n");
}

#[test]
fn compression_is_what_curl_asks_for_and_undoes() {
    let said = run("
        curl -sS -o plain http://$STACK/app.js
        for coding in gzip deflate br zstd; do
            curl -sS -H \"accept-encoding: $coding\" -o $coding -w '%header{content-encoding} %header{vary}\\n' http://$STACK/app.js
            [ $(wc -c < $coding) -lt $(wc -c < plain) ] || echo $coding is no smaller
        done
        gzip -dc < gzip | cmp - plain
        python3 -c \"import zlib; assert zlib.decompress(open('deflate','rb').read()) == open('plain','rb').read()\"
        curl -sS --compressed http://$STACK/app.js | cmp - plain
        curl -sS -H 'accept-encoding: gzip;q=0' -o same -w '[%header{content-encoding}]\\n' http://$STACK/app.js; cmp same plain");
    let each = |coding: &str| format!("{coding} accept-encoding\n");
    let want: String = ["gzip", "deflate", "br", "zstd"].map(each).concat();
    assert_eq!(said, format!("{want}[]\n"));
}

#[test]
fn events_reach_who_listens_and_who_comes_back() {
    let said = run("
        ask -N --max-time 4 $B/events > news & N=$!
        sleep 1; ask -o /dev/null -H \"$A\" -d '{\"text\":\"one\"}' $B/todos; ask -o /dev/null -H \"$A\" -d '{\"text\":\"two\"}' $B/todos
        wait $N || true; grep -E '^(id|event)' news
        echo back; ask -N --max-time 1 -H 'last-event-id: 1' $B/events > late || true; grep -E '^(id|event)' late");
    assert_eq!(
        said,
        "event: added\nid: 1\nevent: added\nid: 2\nback\nevent: added\nid: 2\n"
    );
}

/// What a person does: look, log in, add, chat; then another site's script with a token of its own.
#[test]
fn chromium_logs_in_adds_chats_and_asks_across_origins() {
    let bench = example();
    let until = |what: &str, value: &str| {
        format!(
            "new Promise(r => {{ const i = setInterval(() => {{ if ({what}) {{ clearInterval(i); r({value}) }} }}, 20) }})"
        )
    };
    let rows = "document.querySelectorAll('#todos li')";
    let lines = "document.querySelectorAll('#lines li')";
    let page = [
        until(
            &format!("{rows}.length == 3 && {lines}.length"),
            "document.getElementById('status').textContent",
        ),
        format!(
            "document.querySelector('#login button').click(), {}",
            until(
                "!document.getElementById('me').hidden",
                "document.getElementById('name').textContent"
            )
        ),
        format!(
            "document.querySelector('#add input').value = '<b>by hand</b>', document.querySelector('#add button').click(), {}",
            until(
                &format!("{rows}.length == 4"),
                &format!("{rows}[3].querySelector('span').textContent")
            )
        ),
        "getComputedStyle(document.getElementById('login')).display".to_owned(),
        format!(
            "{rows}[3].querySelector('span').click(), document.querySelector('#todos form input').value = '<b>by hand</b>, twice', document.querySelector('#todos form').requestSubmit(), {}",
            until(
                &format!(
                    "{rows}[3].querySelector('span') && {rows}[3].querySelector('span').textContent.endsWith('twice')"
                ),
                &format!("{rows}[3].querySelector('span').textContent")
            )
        ),
        // Somebody else is faster: the page says so, and shows what there is now.
        format!(
            "fetch('/api/token', {{ method: 'POST', headers: {{ authorization: 'Basic ' + btoa('alan:turing') }} }}).then(r => r.json()).then(t => {{ const old = {rows}[3].querySelector('button'); \
             return fetch('/api/todos/4', {{ method: 'PUT', headers: {{ 'content-type': 'application/json', 'if-match': '*', authorization: 'Bearer ' + t.access_token }}, body: JSON.stringify({{ text: 'faster', done: false }}) }}).then(() => old.click()) }}).then(() => {})",
            // Both: whoever clicks between the message and the new list is refused once more.
            until(
                &format!(
                    "!document.getElementById('problem').hidden && {rows}[3].textContent.includes('faster')"
                ),
                "document.getElementById('problem').textContent"
            )
        ),
        format!(
            "{rows}[3].querySelector('input').click(), {}",
            until(&format!("{rows}[3].className == 'done'"), "'done'")
        ),
        format!(
            "document.querySelector('#say input').value = 'hello', document.querySelector('#say button').click(), {}",
            until(
                &format!("[...{lines}].some(l => l.textContent.endsWith('hello'))"),
                &format!("{lines}[{lines}.length - 1].textContent")
            )
        ),
        "fetch('/').then(r => r.headers.get('content-security-policy').split(';')[0])".to_owned(),
        "document.cookie".to_owned(),
    ];
    // From nowhere (origin null): the browser asks first (preflight), since If-Match and Authorization are not simple.
    let put = "(token) => fetch('http://10.77.0.2/api/todos/4', { method: 'PUT', headers: { 'content-type': 'application/json', 'if-match': '*', authorization: 'Bearer ' + token }, body: JSON.stringify({ text: 'from elsewhere', done: false }) })";
    let elsewhere = [
        format!("fetch('http://10.77.0.2/api/token', {{ method: 'POST', headers: {{ authorization: 'Basic ' + btoa('ada:lovelace') }} }}).then(r => r.json()).then(t => ({put})(t.access_token)).then(r => r.status + ' ' + r.headers.get('etag'))"),
        "fetch('http://10.77.0.2/api/todos', { credentials: 'include' }).then(r => r.status).catch(() => 'blocked')".to_owned(),
        "fetch('http://10.77.0.2/api/todos/4', { method: 'DELETE', headers: { 'x-odd': '1' } }).then(r => r.status).catch(() => 'blocked')".to_owned(),
    ];
    std::fs::write(bench.path("page"), page.join("\n")).expect("a script is written");
    std::fs::write(bench.path("elsewhere"), elsewhere.join("\n")).expect("a script is written");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
    let said = bench
        .sh(&format!(
            "timeout 60 python3 {program} http://$STACK/ page.png < page; timeout 60 python3 {program} about:blank - < elsewhere;
             test $(wc -c < page.png) -gt 5000"
        ))
        .stdout();
    let want = "\"live\"\n\"ada\"\n\"<b>by hand</b>\"\n\"none\"\n\"<b>by hand</b>, twice\"\n\"somebody was faster\"\n\"done\"\n\
        \"ada: hello\"\n\"default-src 'self'\"\n\"\"\n\"200 \\\"4-8\\\"\"\n\"blocked\"\n\"blocked\"\n";
    assert_eq!(said, want);
}

#[test]
fn folder_is_served_with_siblings_listings_and_as_many_connections_as_allowed() {
    let bench = Bench::new()
        .options(&[
            "--precompressed",
            "--listing",
            "--cache-control",
            "max-age=60",
            "--per-client",
            "2",
        ])
        .file("page.html", "plain\n")
        .file("page.html.gz", "packed\n");
    let said = bench
        .sh("curl -sS -D head -H 'accept-encoding: gzip' http://$STACK/page.html
            tr -d '\\r' < head | grep -E '^(content-(type|encoding)|vary|cache-control):'
            curl -sS http://$STACK/page.html; curl -sS http://$STACK/ | grep -c 'href=\"page.html\"'
            nc -d $STACK 80 & one=$!; nc -d $STACK 80 & two=$!
            for try in $(seq 300); do curl -sS --max-time 5 http://$STACK/page.html >/dev/null 2>err || break; sleep 0.1; done
            grep -ciE 'reset|fail|empty' err; kill $one $two
            for try in $(seq 300); do curl -sS --max-time 5 http://$STACK/page.html 2>/dev/null && break; sleep 0.1; done")
        .stdout();
    let want = "packed\ncontent-type: text/html; charset=utf-8\ncontent-encoding: gzip\nvary: accept-encoding\n\
        cache-control: max-age=60\nplain\n1\n1\nplain\n";
    assert_eq!(said, want);
}

/// Waits for a server of the kernel's on the port.
const UP: &str = "up() { for i in $(seq 600); do nc -z 127.0.0.1 $1 && break; sleep 0.1; done; }\n";

#[test]
fn curl_and_our_client_reach_through_the_tunnel_what_is_allowed_and_nothing_else() {
    let options = ["--proxy", "10.77.0.1:8443", "--proxy", "*.test:443"];
    let bench = Bench::new().options(&options).file("page", "ours\n");
    let get = format!("{} get -q -k", outcrop_tests::outcrop().display());
    let said = bench
        .sh(&format!(
            "{UP}
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=behind -addext subjectAltName=IP:10.77.0.1 -keyout key -out cert 2>/dev/null
            mkdir -p www; echo behind > www/page; cd www
            openssl s_server -accept 8443 -cert ../cert -key ../key -WWW -quiet 2>/dev/null & server=$!
            python3 -m http.server 8000 >/dev/null 2>&1 & other=$!
            trap 'kill $server $other' EXIT
            up 8443; up 8000
            curl -sS -x http://$STACK:80 --cacert ../cert -w '%{{http_connect}}\\n' https://$KERNEL:8443/page
            # Our client, a stack of its own on another link.
            echo 1 > /proc/sys/net/ipv4/ip_forward
            {get} --dev other --addr 10.78.0.2/24 --addr6 fd78::2/64 -x http://10.77.0.2 https://$KERNEL:8443/page || echo no way
            # Not on the list: another port, another host.
            for place in https://$KERNEL:8000/page https://127.0.0.1:8443/; do
                curl -sS -x http://$STACK:80 -w '%{{http_connect}}\\n' $place 2>/dev/null || true
            done
            # A tunnel with plain http in it is a tunnel all the same.
            curl -sS -p -x http://$STACK:80 -o /dev/null -w '%{{http_connect}}\\n' http://$KERNEL:8000/page 2>/dev/null || true
            # It is no proxy but for CONNECT: this is for us, by whatever name.
            curl -sS -x http://$STACK:80 http://$KERNEL:8000/page"
        ))
        .stdout();
    assert_eq!(said, "behind\n200\nbehind\n403\n403\n403\nours\n");
    let mute = Bench::new().sh("curl -sS -x http://$STACK:80 -w '%{http_connect}\\n' https://$KERNEL:8443/ 2>/dev/null || true");
    assert_eq!(mute.stdout(), "501\n", "nobody asked for a proxy");
}

#[test]
fn trace_options_and_a_request_of_1991_are_answered_where_they_are_wanted() {
    let ask = "
        options() { curl -sS -o /dev/null -D - -X OPTIONS \"$@\" | tr -d '\\r' | sed -n 's/^HTTP.1.1 \\(...\\).*/\\1/p; s/^allow: //p'; }
        options http://$STACK/page; options --request-target '*' http://$STACK/; options http://$STACK/nothing
        curl -sS -X TRACE -H 'Cookie: secret' -H 'X-Seen: yes' -A me -o body -w '%{http_code} %{content_type}\\n' http://$STACK/page; tr -d '\\r' < body
        printf 'GET /page\\r\\n' | nc $STACK 80 > body; sed -n 1p body
        curl -sS --http0.9 -X \"$(printf 'GET /page\\r\\nX')\" http://$STACK/ || true";
    let wanted = Bench::new()
        .options(&["--trace", "--http09"])
        .file("page", "the page\n");
    let said = wanted.sh(ask).stdout();
    let allow = "204\nGET, HEAD, OPTIONS, TRACE\n";
    let trace = "200 message/http\nTRACE /page HTTP/1.1\nHost: 10.77.0.2\nUser-Agent: me\nAccept: */*\nX-Seen: yes\n\n";
    assert_eq!(
        said,
        format!("{allow}{allow}404\n{trace}the page\nthe page\n")
    );
    let said = Bench::new().file("page", "the page\n").sh(ask).stdout();
    let allow = "204\nGET, HEAD, OPTIONS\n";
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("HTTP/"))
        .collect();
    assert!(
        said.starts_with(&format!("{allow}{allow}404\n405 text/html")),
        "{said}"
    );
    assert_eq!(lines, ["HTTP/1.1 400 Bad Request\r".trim_end()], "{said}");
}

#[test]
fn paths_are_redirected_rewritten_and_answered_by_a_server_behind() {
    let options = [
        ["--redirect", "/old=/new"],
        ["--rewrite", "/alias=/"],
        ["--forward", "/api=http://10.77.0.1:8000/v1"],
    ];
    let behind = r#"
import http.server
class Behind(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        said = " ".join([self.command, self.path, str(len(body)), self.headers["host"], self.headers["x-forwarded-for"], self.headers["via"]]) + "\n"
        self.send_response(200); self.send_header("content-length", str(len(said))); self.end_headers()
        if self.command != "HEAD": self.wfile.write(said.encode())
    do_GET = do_POST = do_HEAD = do_PUT = do
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", 8000), Behind).serve_forever()
"#;
    let bench = Bench::new()
        .options(&options.concat())
        .file("page", "ours\n");
    std::fs::write(bench.path("behind.py"), behind).expect("a program is written");
    let said = bench
        .sh(&format!(
            "{UP}
            curl -sS -o /dev/null -w '%{{http_code}}\\n' http://$STACK/api/x     # nobody there yet
            python3 behind.py & behind=$!; trap 'kill $behind' EXIT; up 8000
            curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}\\n' http://$STACK/old/a?b
            curl -sS http://$STACK/alias/page
            curl -sS http://$STACK/api/x?y=1 http://$STACK/api
            head -c 3000000 /dev/zero > large; curl -sS -T large http://$STACK/api/put
            curl -sS -I -o /dev/null -w '%{{http_code}} %header{{content-length}}\\n' http://$STACK/api/head
            curl -sS -o /dev/null -w '%{{http_code}}\\n' http://$STACK/apix"
        ))
        .stdout();
    let to = "10.77.0.1:8000 10.77.0.1 1.1 outcrop";
    let want = format!(
        "502\n307 http://10.77.0.2/new/a?b\nours\nGET /v1/x?y=1 0 {to}\nGET /v1 0 {to}\nPUT /v1/put 3000000 {to}\n"
    );
    let head = format!("HEAD /v1/head 0 {to}\n").len();
    assert_eq!(said, format!("{want}200 {head}\n404\n"));
}

#[test]
fn news_come_to_those_who_ask_again_and_again_and_tokens_have_a_name_in_the_chat() {
    let said = run("
        ask $B/news; echo
        ask $B/news?since=0 > held & held=$!
        until ss -tn state established | grep -q ':80'; do sleep 0.05; done
        ask -o /dev/null -H \"$A\" -d '{\"text\":\"one\"}' $B/todos; wait $held; cat held; echo
        ask -o /dev/null -H \"$A\" -d '{\"text\":\"two\"}' $B/todos
        ask $B/news?since=1 | value last; ask $B/news?since=99; echo; status $B/news?since=x
        # Into the chat by ticket (as a page must), by token (as a program can); a ticket is good once.
        status -X POST $B/chat/ticket
        K=$(ask -H \"$A\" -X POST $B/chat/ticket | value ticket)
        enter() { curl -sS --max-time 2 -N -H 'connection: upgrade' -H 'upgrade: websocket' -H 'sec-websocket-version: 13' -H 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==' \"$@\" 2>/dev/null | grep -ao '\"[a-z 0-9]* is here\"' || echo nobody; }
        enter $B/chat?ticket=$K; enter $B/chat?ticket=$K; enter -H \"$A\" $B/chat; enter $B/chat; enter -H 'authorization: Bearer x' $B/chat");
    let one = "{\"id\":4,\"text\":\"one\",\"done\":false,\"by\":\"ada\",\"version\":4}";
    let one: serde_json::Value = serde_json::from_str(one).expect("JSON");
    let held = said.lines().nth(1).expect("a line");
    let held: serde_json::Value = serde_json::from_str(held).expect("JSON");
    assert_eq!(held["news"][0]["what"], one);
    let mut rest: Vec<&str> = said.lines().collect();
    rest.remove(1);
    assert_eq!(
        rest,
        [
            "{\"last\":0,\"missed\":false,\"news\":[]}",
            "2",
            "{\"last\":2,\"missed\":true,\"news\":[]}",
            "400",
            "401",
            "\"ada is here\"",
            "nobody",
            "\"ada is here\"",
            "\"guest 3 is here\"",
            "nobody",
        ]
    );
}
