//! `outcrop get` with the options of curl, against a server with habits and against our own.

use outcrop_tests::{Bench, outcrop};

/// A bench with a server of Python's at `$KERNEL:8000` (and 8001), which is a proxy as well; `get` fetches over a second TUN.
fn run(bench: &Bench, script: &str) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/odd_server.py");
    let script = format!(
        "echo 1 > /proc/sys/net/ipv4/ip_forward
        python3 {program} 8000 & server=$!; trap 'kill $server' EXIT
        for try in $(seq 50); do curl -s http://$KERNEL:8001/ >/dev/null && break; sleep 0.1; done
        O=http://$KERNEL:8000
        get() {{ {} get -q --dev second --addr 10.78.0.2/24 --addr6 fd78::2/64 \"$@\"; }}
        {script}",
        outcrop().display()
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
        get -x $O https://$STACK/app.js | cmp - plain && echo sealed
        get -x http://$STACK https://$KERNEL/ 2>&1 || echo $?
        get --compressed -v http://$STACK/app.js 2>&1 >/dev/null | tr -d '\\r' | grep -E '^(>|<) (GET|content-encoding|accept-enc)'");
    let want = "plain\nsealed\noutcrop: https://10.77.0.1/: the proxy says 501\n1\n\
        > GET /app.js HTTP/1.1\n> accept-encoding: zstd, br, gzip, deflate\n< content-encoding: zstd\n";
    assert_eq!(said, want);
}

#[test]
fn session_is_kept_over_a_redirect_and_shown_without_its_secret() {
    let said = run(
        &site(),
        "
        get -v -L $O/hop 2>&1 >/dev/null | grep -E '^(> cookie|\\* goes on)'
        get -v -u ada:lovelace $O/x 2>&1 >/dev/null | grep '^> authorization'",
    );
    let want = "* goes on at http://10.77.0.1:8000/jump\n> cookie: ***\n\
        * goes on at http://10.77.0.1:8000/echo?x\n> cookie: ***\n> authorization: ***\n";
    assert_eq!(said, want);
}
