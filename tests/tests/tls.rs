//! TLS with those who have their own: curl, OpenSSL, Python, tshark; and both of our ends through a routed TUN.

use outcrop_tests::{Bench, outcrop, tshark};

fn bench() -> Bench {
    Bench::new().options(&["--tls"]).file("page", "sealed\n")
}

#[test]
fn curl_trusts_the_authority_of_the_run_and_nobody_else_does() {
    let script = "curl -fsS https://$STACK/page; curl -fsS https://$STACK6/page;
        curl -fsS --resolve outcrop.test:443:$STACK https://outcrop.test/page;
        if env -u CURL_CA_BUNDLE -u SSL_CERT_FILE curl -sS https://$STACK/page; then exit 9; else echo refused $?; fi
        if curl -sS --resolve other.test:443:$STACK https://other.test/page; then exit 9; else echo refused $?; fi";
    // 60: the peer's certificate cannot be verified (curl's manual, EXIT CODES).
    assert_eq!(
        bench().sh(script).stdout(),
        "sealed\nsealed\nsealed\nrefused 60\nrefused 60\n"
    );
}

#[test]
fn tshark_reads_what_curl_said_out_of_the_capture_without_any_setting() {
    let bench = bench().options(&["--keys"]);
    assert_eq!(
        bench.sh("curl -fsS https://$STACK/page").stdout(),
        "sealed\n"
    );
    let seen = tshark(
        &bench.capture(),
        "http.request or http.response",
        &["http.request.uri", "http.response.code", "tcp.port"],
    );
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].contains("/page") && seen[1].contains("200"));
}

#[test]
fn without_keys_nobody_reads_the_capture() {
    let bench = bench();
    assert_eq!(
        bench.sh("curl -fsS https://$STACK/page").stdout(),
        "sealed\n"
    );
    let seen = tshark(&bench.capture(), "http", &["http.request.uri"]);
    assert!(seen.is_empty(), "{seen:?}");
    let hello = tshark(
        &bench.capture(),
        "tls.handshake.type == 1",
        &["frame.number"],
    );
    assert_eq!(hello.len(), 1);
}

#[test]
fn openssl_agrees_on_both_versions_every_suite_and_a_second_try_for_the_group() {
    let script = "ask() { echo | openssl s_client -connect $STACK:443 -verify_return_error \"$@\" 2>&1; }
        for suite in TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256 TLS_CHACHA20_POLY1305_SHA256; do
            ask -tls1_3 -ciphersuites $suite | grep -o \"TLSv1.3, Cipher is $suite\"; done
        for suite in ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305; do
            ask -tls1_2 -cipher $suite | grep -o \"TLSv1.2, Cipher is $suite\"; done
        ask -tls1_3 -groups X448:P-384 | grep -o 'Verification: OK'
        ask -alpn http/1.1 | grep -o 'ALPN protocol: http/1.1'
        for weak in '-tls1' '-tls1_1' '-tls1_2 -cipher AES128-SHA' '-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA'; do
            ask $weak | grep -q 'Cipher is (NONE)' && echo refused; done";
    let suites = "TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\nTLSv1.3, Cipher is TLS_AES_128_GCM_SHA256\n\
                  TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256\nTLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384\n\
                  TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256\nTLSv1.2, Cipher is ECDHE-ECDSA-CHACHA20-POLY1305\n";
    let rest = "Verification: OK\nALPN protocol: http/1.1\nrefused\nrefused\nrefused\nrefused\n";
    let bench = bench().options(&["--keys"]);
    assert_eq!(bench.sh(script).stdout(), format!("{suites}{rest}"));
    // X448 was offered first and we do not have it: RFC 8446 4.1.4.
    let retry = tshark(
        &bench.capture(),
        "tls.handshake.random == cf:21:ad:74:e5:9a:61:11:be:1d:8c:02:1e:65:b8:91:c2:a2:11:16:7a:bb:8c:5e:07:9e:09:e2:c8:a8:33:9c",
        &["frame.number"],
    );
    assert_eq!(retry.len(), 1, "one HelloRetryRequest");
}

#[test]
fn openssl_resumes_a_session() {
    let script = "for version in -tls1_2 -tls1_3; do
            (printf 'GET /page HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1) |
                openssl s_client -connect $STACK:443 $version -ign_eof -sess_out session 2>&1 | grep -o '^New, TLSv1..';
            echo | openssl s_client -connect $STACK:443 $version -sess_in session 2>&1 | grep -o '^Reused, TLSv1..';
        done";
    assert_eq!(
        bench().sh(script).stdout(),
        "New, TLSv1.2\nReused, TLSv1.2\nNew, TLSv1.3\nReused, TLSv1.3\n"
    );
}

#[test]
fn certificates_from_files_are_used_and_taken_again_when_renewed() {
    let bench = Bench::new().file("page", "sealed\n");
    let folder = bench.path("");
    let make = |name: &str| {
        let script = format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={name} \
             -addext subjectAltName=DNS:{name} -keyout new.key -out new.pem 2>/dev/null && mv new.key key.pem && mv new.pem cert.pem"
        );
        let status = std::process::Command::new("sh")
            .args(["-euc", &script])
            .current_dir(&folder)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    make("first.test");
    let (cert, key) = (bench.path("cert.pem"), bench.path("key.pem"));
    let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
    let bench = bench.options(&["--cert", &cert, "--key", &key]);
    let script = "name() { echo | openssl s_client -connect $STACK:443 2>/dev/null | sed -n 's/^subject=CN *= *//p'; }
        name
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=second.test \\
            -keyout new.key -out new.pem 2>/dev/null; mv new.key key.pem; mv new.pem cert.pem
        for try in $(seq 40); do [ \"$(name)\" = second.test ] && break; sleep 0.5; done
        name";
    assert_eq!(bench.sh(script).stdout(), "first.test\nsecond.test\n");
}

#[test]
fn plain_text_on_the_tls_port_and_tls_on_the_plain_port_end_at_once() {
    let script = "curl -sS -m 5 http://$STACK:443/page || echo $?; curl -sS -m 5 https://$STACK:80/page || echo $?;
        curl -fsS https://$STACK/page";
    let outcome = bench().sh(script);
    let text = outcome.stdout();
    let lines: Vec<&str> = text.lines().collect();
    // 52 or 56: nothing or a reset came; 35: no TLS could be agreed. Not 28: the time limit.
    assert!(matches!(lines[0], "1" | "52" | "56"), "{text}");
    assert_eq!(lines[1..], ["35", "sealed"], "{text}");
}

#[test]
fn our_client_fetches_from_our_server_through_a_routed_tun_and_checks_who_it_is() {
    let bench = bench().file("large", vec![b'z'; 3_000_000]);
    let get = format!(
        "{} get -q --dev second --addr 10.78.0.2/24 --addr6 fd78::2/64",
        outcrop().display()
    );
    let script = format!(
        "echo 1 > /proc/sys/net/ipv4/ip_forward
        {get} https://$STACK/page
        {get} https://$STACK/large | wc -c
        {get} --cacert /dev/null https://$STACK/page 2>&1 || echo $?
        SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt {get} https://$STACK/page 2>&1 || echo $?
        {get} -k https://$STACK/page"
    );
    let text = bench.sh(&script).stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["sealed", "3000000"], "{text}");
    assert!(lines[2].contains("/dev/null: not an authority"), "{text}");
    assert!(lines[4].contains("UnknownIssuer"), "{text}");
    assert_eq!(*lines.last().unwrap_or(&""), "sealed", "{text}");
}

#[test]
fn our_client_checks_openssl_s_server_in_both_versions() {
    let get = format!(
        "{} get -q --dev second --addr 10.78.0.2/24 --addr6 fd78::2/64",
        outcrop().display()
    );
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=kernel \\
            -addext subjectAltName=IP:10.78.0.1 -addext basicConstraints=critical,CA:FALSE \\
            -keyout key.pem -out cert.pem 2>/dev/null
        for version in -tls1_2 -tls1_3; do
            openssl s_server -accept 4433 -cert cert.pem -key key.pem $version -WWW -quiet 2>/dev/null & server=$!
            echo hello > hello
            for try in $(seq 50); do ss -ltn | grep -q :4433 && break; sleep 0.1; done
            {get} -k https://10.78.0.1:4433/hello 2>/dev/null
            {get} --cacert key.pem https://10.78.0.1:4433/hello 2>&1 || echo $?
            kill $server; wait $server || true
        done"
    );
    let text = Bench::new().sh(&script).stdout();
    assert_eq!(text.matches("hello\n").count(), 2, "{text}");
    assert_eq!(text.matches("not an authority").count(), 2, "{text}");
}
