//! TLS with OpenSSL's and sslscan's: what is agreed, what is refused, and by whom.

use std::thread;

use outcrop_tests::matrix::{self, Row};
use outcrop_tests::{Bench, noise, outcrop};

const WORDS: &str = r#"
    # Asks at level 0, where OpenSSL offers even what nobody should: a refusal is then the server's.
    ask() { echo | openssl s_client -connect $STACK:443 -cipher DEFAULT:@SECLEVEL=0 "$@" > out 2>&1 || true; cat out; }
    trusted() { ask -verify_return_error "$@" | grep 'Verification: OK' >&2; }
    agreed() { what=$1; shift; trusted "$@"; grep "$what" out; }
    alert() { what=$1; shift; ask "$@" >&2; grep "alert $what" out; }
    # One more group than we have is offered first: two ServerHellos, the first of them a HelloRetryRequest.
    retried() { ask -tls1_3 -verify_return_error -msg -groups $1 >&2; test $(grep -c '<<<.*ServerHello' out) = 2; grep "Server Temp Key: $2" out; grep 'Verification: OK' out; }
    get() { printf 'GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'; }
    # Twice, the second time with what was learnt the first.
    again() { (get; till '^sealed' out1) | openssl s_client -connect $STACK:443 "$@" -ign_eof -sess_out session > out1 2>&1
        grep '^New, ' out1; echo | openssl s_client -connect $STACK:443 "$@" -sess_in session > out2 2>&1; grep '^Reused, ' out2; }
    who() { ask "$@" >&2; sed -n 's/^subject=CN *= *//p' out; }
"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("s_client", "TLS 1.3: TLS_AES_256_GCM_SHA384", "agreed 'TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384' -tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384"),
    ("s_client", "TLS 1.3: TLS_AES_128_GCM_SHA256", "agreed 'TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256' -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256"),
    ("s_client", "TLS 1.3: TLS_CHACHA20_POLY1305_SHA256", "agreed 'TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256' -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
    ("s_client", "TLS 1.2: ECDHE-ECDSA with AES-256-GCM, AES-128-GCM, ChaCha20-Poly1305",
        "for suite in AES256-GCM-SHA384 AES128-GCM-SHA256 CHACHA20-POLY1305; do agreed \"TLSv1.2, Cipher is ECDHE-ECDSA-$suite\" -tls1_2 -cipher ECDHE-ECDSA-$suite; done"),
    ("s_client", "TLS 1.2: extended master secret, secure renegotiation", "agreed 'Extended master secret: yes' -tls1_2; grep 'Secure Renegotiation IS supported' out"),
    ("s_client", "TLS 1.0 and 1.1: refused by us (handshake failure: such a client names no signature it knows)", "alert 'handshake failure' -tls1; alert 'handshake failure' -tls1_1"),
    ("s_client", "a fallback to 1.2 that somebody forces is noticed (RFC 8446 4.1.3)", "ask -tls1_2 -fallback_scsv; grep 'inappropriate fallback' out"),
    ("s_client", "TLS 1.2 without forward secrecy, with CBC, without a certificate: refused by us (handshake failure)",
        "for weak in AES128-SHA AES256-GCM-SHA384 ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA384 aNULL eNULL; do alert 'handshake failure' -tls1_2 -cipher $weak:@SECLEVEL=0; done"),
    ("s_client", "groups X25519, P-256, P-384", "for g in X25519:X25519 P-256:ECDH,.prime256v1 P-384:ECDH,.secp384r1; do agreed \"Server Temp Key: ${g#*:}\" -tls1_3 -groups ${g%:*}; done"),
    ("s_client", "HelloRetryRequest to X25519, P-256, P-384", "retried X448:X25519 X25519; retried X448:P-256 ECDH,.prime256v1; retried X448:P-384 ECDH,.secp384r1"),
    ("s_client", "no group in common: refused by us (handshake failure)", "alert 'handshake failure' -tls1_3 -groups X448"),
    ("s_client", "ALPN: http/1.1 out of two, none asked for none given", "agreed 'ALPN protocol: http/1.1' -alpn h2,http/1.1; agreed 'No ALPN negotiated'"),
    ("s_client", "ALPN: only what we do not speak is refused (no application protocol)", "alert 'no application protocol\\|number 120' -alpn h2"),
    ("s_client", "resumption 1.2 by ticket and by session number", "again -tls1_2; again -tls1_2 -no_ticket"),
    ("s_client", "resumption 1.3 by ticket (PSK with a fresh exchange)", "again -tls1_3; grep 'Server Temp Key' out2"),
    ("s_client", "early data is not taken (0-RTT can be replayed)", "again -tls1_3; get > early; echo | openssl s_client -connect $STACK:443 -tls1_3 -sess_in session -early_data early > out3 2>&1 || true; grep 'Early data was not sent\\|Early data was rejected' out3"),
    ("s_client", "key update asked for and answered, and talk goes on",
        "mkfifo in; openssl s_client -connect $STACK:443 -tls1_3 -msg < in > out 2>&1 & client=$!; exec 3> in
         till 'Verify return code' out; echo K >&3; till '>>>.*KeyUpdate' out; get >&3; till '<<<.*KeyUpdate' out; till '^sealed' out; exec 3>&-; wait $client"),
    ("s_client", "close_notify from us at the end, and no error", "(get; till '^sealed' out) | openssl s_client -connect $STACK:443 -tls1_3 -msg -ign_eof > out 2>&1; grep -A1 '<<<.*Alert' out | grep 'close_notify'"),
    ("s_client", "1 MiB there and back, in records of 512 bytes",
        "(printf 'POST /_echo HTTP/1.0\\r\\nHost: x\\r\\nContent-Length: 1048576\\r\\n\\r\\n'; cat $T/data) | openssl s_client -connect $STACK:443 -quiet -max_send_frag 512 > out 2>/dev/null; tail -c 1048576 out | cmp - $T/data"),
    ("sslscan", "TLS 1.2 and 1.3 and nothing older; no renegotiation, no Heartbleed; every suite has forward secrecy and AEAD",
        "sslscan --no-colour --xml=scan $STACK:443 >&2; test \"$(grep -c 'protocol type=.*enabled=\"1\"' scan)\" = 2
         grep 'version=\"1.2\" enabled=\"1\"' scan; grep 'version=\"1.3\" enabled=\"1\"' scan; grep 'renegotiation supported=\"0\"' scan; not grep 'vulnerable=\"1\"' scan
         test $(grep -c '<cipher ' scan) -ge 6; grep '<cipher ' scan > suites; not grep -v 'cipher=\"\\(TLS_\\|ECDHE-\\)[^\"]*\\(GCM\\|POLY1305\\)' suites"),
];

const NAMED: &str = r#"
    served() { curl -sS --cacert $T/authority.pem "$@" https://first.test/page --resolve first.test:443:$STACK; }
"#;

#[rustfmt::skip]
const NAMES: &[Row] = &[
    ("s_client", "server name: each of three gets its certificate, no name and a stranger's the first",
        "M=\"-cert $T/client.pem -key $T/client.key\"; for name in first second third; do test $(who $M -servername $name.test) = $name.test; done
         test $(who $M -noservername) = first.test; test $(who $M -servername other.test) = first.test"),
    ("s_client, curl", "certificate of a client: asked for, shown, taken",
        "test \"$(served --cert $T/client.pem --key $T/client.key)\" = sealed; (get; till ^sealed out) | openssl s_client -connect $STACK:443 -ign_eof -cert $T/client.pem -key $T/client.key > out 2>&1
         grep 'CN *= *clients' out; for v in --tlsv1.2 '--tls-max 1.2'; do served $v --cert $T/client.pem --key $T/client.key; done"),
    ("s_client, curl", "none, or a stranger's: refused by us (certificate required, unknown CA)",
        "(get; till 'read R BLOCK\\|alert' out; sleep 0.2) | openssl s_client -connect $STACK:443 -tls1_3 -ign_eof > out 2>&1 || true; grep 'alert certificate required' out
         (get; till 'read R BLOCK\\|alert' out; sleep 0.2) | openssl s_client -connect $STACK:443 -tls1_3 -ign_eof -cert $T/stranger.pem -key $T/stranger.key > out 2>&1 || true; grep 'alert unknown ca' out
         not served; not served --cert $T/stranger.pem --key $T/stranger.key"),
];

/// Certificates by OpenSSL, so that ours is not judge of its own: an authority, three servers, a client, a stranger.
const MAKE: &str = "root() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$1 -keyout $2.key -out $2.pem; }
    leaf() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$1 -addext subjectAltName=DNS:$1,IP:10.77.0.1 \
        -addext basicConstraints=critical,CA:FALSE -CA $3.pem -CAkey $3.key -keyout $2.key -out $2.pem; }
    root clients authority; root others other
    for name in first second third; do leaf $name.test $name authority; done; leaf client client authority; leaf stranger stranger other";

fn named() -> Bench {
    let bench = Bench::new().file("page", "sealed\n");
    let made = std::process::Command::new("sh")
        .args(["-euc", MAKE])
        .current_dir(bench.path(""))
        .output()
        .expect("sh runs");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let path = |name: &str| bench.path(name).to_string_lossy().into_owned();
    let mut options = vec!["--client-ca".to_owned(), path("authority.pem")];
    for name in ["first", "second", "third"] {
        options.extend(["--cert".into(), path(&format!("{name}.pem"))]);
        options.extend(["--key".into(), path(&format!("{name}.key"))]);
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    bench.options(&options)
}

/// Our client, and OpenSSL's server on the kernel's side.
const OURS: &str = r#"
    CA=authority
    serve() { openssl s_server -accept $PORT -cert $T/first.pem -key $T/first.key -WWW -msg "$@" > server 2>&1 & server=$!
        cp $T/root/page page; till ACCEPT server; }
    get() { $OUTCROP get -q --dev sealed$PORT --addr 10.8$((PORT % 10)).0.2/24 --addr6 fd8$((PORT % 10))::2/64 --cacert $T/$CA.pem "$@" https://10.77.0.1:$PORT/page; }
    done_with() { kill $server; wait $server || true; }
"#;

#[rustfmt::skip]
const CLIENT: &[Row] = &[
    ("s_server, from `outcrop get`", "both versions", "for v in 2 3; do PORT=800$v; serve -tls1_$v; test \"$(get)\" = sealed; done_with; done"),
    ("s_server, from `outcrop get`", "HelloRetryRequest to P-384", "PORT=8004; serve -groups P-384; test \"$(get)\" = sealed; test $(grep -c '>>>.*ServerHello' server) = 2; done_with"),
    ("s_server, from `outcrop get`", "certificate asked for and shown; none is told so",
        "PORT=8005; serve -Verify 1 -verify_return_error -CAfile $T/authority.pem; test \"$(get --cert $T/client.pem --key $T/client.key)\" = sealed; not get 2> heard; grep -i 'certificate' heard; done_with"),
    ("s_server, from `outcrop get`", "a stranger's certificate is refused, and so is TLS 1.1",
        "PORT=8006; serve; CA=other; not get 2> heard; grep UnknownIssuer heard; CA=authority; done_with; PORT=8007; serve -tls1_1 -cipher DEFAULT:@SECLEVEL=0; not get; grep -i 'alert\\|version' server; done_with"),
];

#[test]
fn what_is_sealed_is_sealed_as_others_do_it() {
    let bench = Bench::new()
        .options(&["--tls", "--capture-level", "off"])
        .file("page", "sealed\n");
    std::fs::write(bench.path("data"), noise(1 << 20)).expect("a file is written");
    let named = named().options(&["--capture-level", "off"]);
    let ours = format!("{OURS}OUTCROP={}\n", outcrop().display());
    let table = thread::scope(|scope| {
        let named = scope.spawn(|| {
            let names = matrix::rows(&named, &format!("{WORDS}{NAMED}"), NAMES);
            names + &matrix::rows(&named, &ours, CLIENT)
        });
        matrix::rows(&bench, WORDS, ROWS) + &named.join().expect("it is played")
    });
    matrix::book(
        "interop-tls.md",
        &format!("| program | what is tried | outcome |\n|---|---|---|\n{table}"),
    );
}
