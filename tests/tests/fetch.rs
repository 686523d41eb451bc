//! `outcrop get` with the options of curl, against a server with habits and against our own.

use outcrop_tests::{Bench, outcrop};

/// A bench with a server of Python's at `$KERNEL:8000` (and 8001), which is a proxy as well; `get` fetches over a second TUN.
fn run(bench: &Bench, script: &str) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/odd_server.py");
    let script = format!(
        "echo 1 > /proc/sys/net/ipv4/ip_forward
        python3 {program} 8000 & server=$!; trap 'kill $server' EXIT
        for try in $(seq 600); do curl -s http://$KERNEL:8001/ >/dev/null && break; sleep 0.1; done
        O=http://$KERNEL:8000
        export OUTCROP={outcrop}
        get() {{ $OUTCROP get -q --dev second --addr 10.78.0.2/24 --addr6 fd78::2/64 \"$@\"; }}
        {script}",
        outcrop = outcrop().display()
    );
    bench.sh(&script).stdout()
}

fn site() -> Bench {
    Bench::example("todo")
}

#[test]
fn redirects_are_followed_and_secrets_stay_with_their_server() {
    let said = run(
        &site(),
        "
        get $O/hop 2>&1 || echo $?
        get -L -H 'Accept:' $O/hop
        get -L -u ada:x -b own=1 -H 'Accept:' $O/away
        get -L -u ada:x -H 'Accept:' $O/jump
        get -L $O/round 2>&1 || echo $?",
    );
    let want = "outcrop: http://10.77.0.1:8000/hop: 302 Found: points to /jump; -L follows redirects\n1\n\
        GET /echo?x [] Cookie=seen=hop\nGET /echo [] \nGET /echo?x [] Authorization=Basic YWRhOng=\n\
        outcrop: http://10.77.0.1:8000/round: too many redirects\n1\n";
    assert_eq!(said, want);
}

#[test]
fn data_fields_methods_and_files_are_sent_as_curl_sends_them() {
    let script = "printf 'from a file' > file; head -c 3000000 /dev/zero > large
        get -H 'Accept:' -d a=1 -d b=2 $O/x; curl -sS -H 'Accept:' -d a=1 -d b=2 $O/x
        get -H 'Accept:' -d @file $O/x; curl -sS -H 'Accept:' -d @file $O/x
        get -H 'Accept:' -X DELETE -H 'X-Own: v' $O/x; curl -sS -H 'Accept:' -X DELETE -H 'X-Own: v' $O/x
        get -H 'Accept:' -T file $O/x; curl -sS -H 'Accept:' -H 'Expect:' -T file $O/x
        get -T large http://$STACK/_echo | cmp - large && echo same";
    let said = run(&Bench::new(), script);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[0],
        "POST /x [a=1&b=2] Content-Type=application/x-www-form-urlencoded"
    );
    for pair in lines[..8].chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(lines[8], "same");
}

#[test]
fn download_goes_on_where_it_ended() {
    let said = run(
        &site(),
        "
        get -o whole $O/data; head -c 5000 whole > part
        get -C - -o part $O/data && cmp part whole && echo mended
        get -C - -o part $O/data || echo $?; cmp part whole && echo untouched
        cp whole other; get -C 100 -o other $O/data && cmp other whole && echo mended",
    );
    // A 416 is curl's failure too (22 with -f): nothing was left to fetch.
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, ["mended", "1", "untouched", "mended"]);
}

#[test]
fn busy_server_is_asked_again_only_if_that_harms_nothing() {
    let said = run(
        &site(),
        "
        get $O/busy >/dev/null 2>&1 || echo $?
        get --retry 2 -H 'Accept:' $O/busy
        get --retry 2 -d x $O/busy2 >/dev/null && echo asked
        get --retry 1 http://$KERNEL:9/ 2>&1 | grep -o 'cannot connect'",
    );
    assert_eq!(said, "1\nGET /busy [] \nasked\ncannot connect\n");
}

#[test]
fn proxy_opens_the_way_and_compression_is_undone() {
    let bench = Bench::example("todo").options(&["--tls"]);
    let said = run(&bench, "
        curl -sS -o plain http://$STACK/app.js
        get -x $O --compressed http://$STACK/app.js | cmp - plain && echo plain
        get -x $O -p --compressed http://$STACK/app.js | cmp - plain && echo tunnelled
        get -v -x $O --noproxy other,$STACK http://$STACK/app.js 2>&1 >/dev/null | grep Trying
        get -v -x $O -U ada:x http://$STACK/app.js 2>&1 >/dev/null | tr -d '\\r' | grep -E '^(> proxy|< Via|\\*   Try)'
        get -x $O https://$STACK/app.js | cmp - plain && echo sealed
        get -x http://$STACK https://$KERNEL/ 2>&1 || echo $?
        get --compressed -v http://$STACK/app.js 2>&1 >/dev/null | tr -d '\\r' | grep -E '^(>|<) (GET|content-encoding|accept-enc)'");
    let want = "plain\ntunnelled\n*   Trying 10.77.0.2:80...\n*   Trying 10.77.0.1:8000...\n> proxy-authorization: ***\n\
        < Via: 1.1 odd\nsealed\noutcrop: https://10.77.0.1/: the proxy says 501\n1\n\
        > GET /app.js HTTP/1.1\n> accept-encoding: zstd, br, gzip, deflate\n< content-encoding: zstd\n";
    assert_eq!(said, want);
}

#[test]
fn session_is_kept_over_a_redirect_and_shown_without_its_secret() {
    let said = run(
        &site(),
        "
        get -v -L $O/hop 2>&1 >/dev/null | grep -E '^(> cookie|< Set-Cookie|\\* (Issue|Re-us))'
        get -v -u ada:lovelace $O/x 2>&1 >/dev/null | grep '^> authorization'",
    );
    let going = |to: &str| {
        format!(
            "* Issue another request to this URL: 'http://10.77.0.1:8000/{to}'\n\
             * Re-using existing connection with 10.77.0.1:8000\n> cookie: ***\n"
        )
    };
    let want = format!(
        "< Set-Cookie: ***\n{}{}> authorization: ***\n",
        going("jump"),
        going("echo?x")
    );
    assert_eq!(said, want);
}

#[test]
fn what_was_kept_is_used_while_it_is_fresh_and_asked_about_after() {
    let said = run(
        &site(),
        "
        get --cache kept $O/kept-600; get --cache kept $O/kept-600; get --cache other $O/kept-600; get $O/kept-600
        get --cache kept $O/kept-0
        get -v --cache kept $O/kept-0 2>&1 | tr -d '\\r' | grep -E '^(try|> if-none|< HTTP|\\* The)'
        get -v --cache kept $O/kept-600 2>&1 | grep -v INFO | sed 's/kept [0-9]* s/kept n s/'
        get --cache kept -H 'Cache-Control: no-cache' -v $O/kept-600 2>&1 >/dev/null | tr -d '\\r' | grep '^< HTTP'
        ls kept | wc -l; touch file; get --cache file/x $O/kept-0 2>&1 || echo $?",
    );
    let want = "try 1\ntry 1\ntry 2\ntry 3\ntry 1\n> if-none-match: \"/kept-0\"\n< HTTP/1.1 304 Not Modified\n\
        * The answer kept before is good still\ntry 1\n* Using the answer kept n s ago\ntry 1\n\
        < HTTP/1.1 304 Not Modified\n2\noutcrop: --cache: file/x: is not in a folder\n1\n";
    assert_eq!(said, want);
}

#[test]
fn several_urls_share_a_connection_or_leave_in_one_write() {
    let said = run(
        &site(),
        "
        get $O/port $O/port | sort -u | wc -l
        get $O/port http://$KERNEL:8001/port | sort -u | wc -l
        get --pipeline http://$STACK/style.css http://$STACK/app.js http://$STACK/nowhere > all 2>err || echo $?
        cat err | tail -1; curl -sS http://$STACK/style.css > want; curl -sS http://$STACK/app.js >> want
        head -c $(wc -c < want) all | cmp - want && echo same
        get -o x $O/a $O/b 2>&1 || echo $?",
    );
    let want = "1\n2\n1\noutcrop: http://10.77.0.2/nowhere: 404 Not Found\nsame\n\
        outcrop: --output: one file for several URLs: fetch them one by one\n2\n";
    assert_eq!(said, want);
}

#[test]
fn answer_that_breaks_off_goes_on_where_it_did_if_patience_was_asked_for() {
    let said = run(
        &site(),
        "
        get -o whole $O/data
        get -o some $O/half 2>&1 || echo $?; test -e some || echo nothing
        get --retry 1 -o all $O/half && cmp all whole && echo mended
        get --retry 1 -v $O/half 2>&1 >/dev/null | grep 'going on'",
    );
    let want = "outcrop: http://10.77.0.1:8000/half: the answer ended early\n1\nnothing\nmended\n\
        * the answer ended early; going on at byte 50000\n";
    assert_eq!(said, want);
}

/// openssl's server, which asks for a certificate.
#[test]
fn client_shows_its_certificate_to_a_server_that_asks_for_one() {
    let said = run(
        &Bench::new(),
        "
        sign() { openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $1.ext -out $1.pem 2>/dev/null; }
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null
        for who in server client; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who -keyout $who.key -out $who.csr 2>/dev/null
            echo subjectAltName=IP:$KERNEL > $who.ext; sign $who
        done
        openssl s_server -accept 4433 -quiet -www -cert server.pem -key server.key -CAfile ca.pem -Verify 1 -verify_return_error >log 2>&1 & tls=$!
        trap 'kill $server $tls' EXIT
        for try in $(seq 100); do nc -z $KERNEL 4433 && break; sleep 0.1; done
        get --cacert ca.pem --cert client.pem --key client.key https://$KERNEL:4433/ | grep -o 'Verify return code: 0' | head -1
        get -v --cacert ca.pem --cert client.pem --key client.key https://$KERNEL:4433/ 2>&1 | grep -o 'SSL connection using TLSv1.3'
        get --cacert ca.pem https://$KERNEL:4433/ >/dev/null 2>&1 || echo $?
        get --cert client.pem https://$KERNEL:4433/ 2>&1 || echo $?
        get --cert nowhere --key client.key --cacert ca.pem https://$KERNEL:4433/ 2>&1 || echo $?",
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..3],
        ["Verify return code: 0", "SSL connection using TLSv1.3", "1"]
    );
    assert!(lines[3].contains("--key"), "{said}");
    assert!(lines[5].contains("nowhere"), "{said}");
}

/// Servers and proxies of others' making, on the kernel's side of `run`: lighttpd, microsocks, and haproxy before our
/// odd server, so that there is TLS to the proxy.
const PEERS: &str = r#"
    export PATH=$PATH:/usr/sbin
    hash() { printf "$2" | ${1}sum | cut -d' ' -f1; }
    till() { for try in $(seq 600); do nc -z $KERNEL $1 && return; sleep 0.1; done; return 1; }
    lighttpd() { mkdir -p www/md5 www/sha www/hashed; for d in md5 sha hashed; do echo $d > www/$d/page; done
        printf 'ada:m:%s\nada:s:%s\nada:h:%s:%s\n' $(hash md5 ada:m:lovelace) $(hash sha256 ada:s:lovelace) \
            $(hash sha256 ada:h:lovelace) $(hash sha256 ada:h) > users
        { printf 'server.document-root = "%s/www"\nserver.port = 8090\nserver.bind = "%s"\nserver.modules = ("mod_auth", "mod_authn_file")\n' $PWD $KERNEL
          printf 'auth.backend = "htdigest"\nauth.backend.htdigest.userfile = "%s/users"\nauth.require = (\n' $PWD
          for one in 'md5 m MD5 disable' 'sha s SHA-256 disable' 'hashed h SHA-256 enable'; do set -- $one
              printf '"/%s" => ("method" => "digest", "realm" => "%s", "require" => "valid-user", "algorithm" => "%s", "userhash" => "%s"),\n' "$@"; done
          echo ')'; } > conf
        command lighttpd -D -f conf 2> log & others="$others $!"; till 8090; }
    socks() { microsocks -i $KERNEL -p 1080 2> open & others="$others $!"; microsocks -i $KERNEL -p 1081 -u ada -P lovelace 2> closed & others="$others $!"
        till 1080; till 1081; }
    sealed() { made='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
        { $made -subj /CN=ca -keyout ca.key -out ca.crt
          $made -subj /CN=proxy -addext subjectAltName=IP:$KERNEL -addext basicConstraints=critical,CA:FALSE -CA ca.crt -CAkey ca.key -keyout p.key -out p.crt; } 2>/dev/null
        cat p.key p.crt > p.pem; cat ca.crt $SSL_CERT_FILE > both.pem
        printf 'defaults\n mode tcp\n timeout connect 60s\n timeout client 60s\n timeout server 60s\nlisten p\n bind %s:8443 ssl crt %s/p.pem\n server s 127.0.0.1:8000\n' $KERNEL $PWD > ha
        haproxy -db -f ha 2> halog & others="$others $!"; till 8443; }
    others=; trap 'kill $server $others' EXIT
"#;

#[test]
fn password_is_proved_to_a_server_that_asks_for_it_and_to_curl_s_likeness() {
    let script = format!(
        "{PEERS} lighttpd; L=http://$KERNEL:8090
        for kind in md5 sha hashed; do curl -fsS --digest -u ada:lovelace $L/$kind/page; get --digest -u ada:lovelace $L/$kind/page; done
        get -v --digest -u ada:lovelace $L/sha/page $L/sha/page 2>&1 | tr -d '\\r' | grep -E '^(< HTTP|\\* (Server|Re)|sha)'
        get --digest -u ada:wrong $L/sha/page 2>&1 >/dev/null || echo $?
        get -u ada:lovelace $L/sha/page 2>&1 >/dev/null || echo $?"
    );
    let asked = "< HTTP/1.1 401 Unauthorized\n* Server auth using Digest for 's'\n* Re-using existing connection with 10.77.0.1:8090\n";
    let again = "* Re-using existing connection with 10.77.0.1:8090\n";
    let given = "< HTTP/1.1 200 OK\nsha\n";
    let refused = "outcrop: http://10.77.0.1:8090/sha/page: 401 Unauthorized\n1\n";
    assert_eq!(
        run(&Bench::new(), &script),
        format!(
            "md5\nmd5\nsha\nsha\nhashed\nhashed\n{asked}{given}{again}{given}{refused}{refused}"
        )
    );
}

#[test]
fn proxies_of_socks_and_of_https_lead_where_they_are_asked_to() {
    let bench = Bench::new().options(&["--tls"]).file("page", "through\n");
    let script = format!(
        "{PEERS} socks; sealed
        for how in socks5://$KERNEL socks5h://$KERNEL socks5h://ada:lovelace@$KERNEL:1081; do
            get -x $how http://$STACK/page; get -x $how https://$STACK/page; get -x $how http://$STACK6/page; done
        get -v -x socks5://$KERNEL:1081 -U ada:lovelace http://$STACK/page 2>&1 | grep -E '^(\\*|through)'
        get -x socks5://$KERNEL:1081 http://$STACK/page 2>&1 || echo $?
        get -x socks5://$KERNEL:1081 -U ada:no http://$STACK/page 2>&1 || echo $?
        get -x socks5://$KERNEL http://$KERNEL:9/ 2>&1 || echo $?
        P=https://$KERNEL:8443
        get --cacert both.pem -x $P http://$STACK/page; get --cacert both.pem -x $P https://$STACK/page
        get --cacert both.pem -v -x $P https://$STACK/page 2>&1 | grep -cE '^\\* (SSL connection using TLSv1.3|Tunnel to)'
        get -x $P https://$STACK/page 2>&1 | grep -o 'TLS: .*UnknownIssuer'
        get -x ftp://$KERNEL http://$STACK/page 2>&1 | grep -o 'only http://.*spoken'"
    );
    let refused = |why: &str, url: &str| format!("outcrop: http://{url}: the proxy {why}\n1\n");
    let want = [
        "through\n".repeat(9),
        "*   Trying 10.77.0.1:1081...\n* Connected to 10.77.0.1:1081\n* Tunnel to 10.77.0.2:80 established\nthrough\n".to_owned(),
        refused("wants to know who we are", "10.77.0.2/page"),
        refused("does not take this user and password", "10.77.0.2/page"),
        refused("says that the connection was refused", "10.77.0.1:9/"),
        "through\nthrough\n3\n".to_owned(),
        "TLS: invalid peer certificate: UnknownIssuer\n".to_owned(),
        "only http://, https://, socks5:// and socks5h:// are spoken\n".to_owned(),
    ];
    assert_eq!(run(&bench, &script), want.concat());
}

#[test]
fn time_is_told_by_its_parts_and_on_a_terminal_how_far_it_is() {
    let bench = Bench::new()
        .options(&["--tls"])
        .file("large", vec![b'z'; 9_000_000]);
    let said = run(
        &bench,
        "
        get --timing -x $O https://$STACK/large 2>&1 >/dev/null | awk '$1 != \"before\" { print $1, $3 }'
        echo 'exec \"$OUTCROP\" get --dev second --addr 10.78.0.2/24 --addr6 fd78::2/64 -o large https://$STACK/large' > watched
        export OUTCROP STACK; script -qec 'sh watched' seen > /dev/null
        grep -ao '[0-9.]* MiB/8.58 MiB' seen | tail -1; cmp large root/large && echo whole
        sh watched 2> unseen; grep -c MiB unseen || true",
    );
    let phases: String = [
        "connect", "proxy", "tls", "send", "wait", "receive", "total",
    ]
    .iter()
    .map(|phase| format!("{phase} ms\n"))
    .collect();
    let rest = said.strip_prefix(&phases);
    let rest = rest.unwrap_or_else(|| panic!("{said}"));
    let lines: Vec<&str> = rest.lines().collect();
    assert!(lines[0].ends_with(" MiB/8.58 MiB"), "{said}");
    assert_eq!(lines[1..], ["whole", "0"], "{said}");
}
