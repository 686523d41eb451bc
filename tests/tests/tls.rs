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
fn curl_verifies_us_aloud_and_tshark_reads_the_capture_without_any_setting() {
    let bench = bench().options(&["--keys"]);
    let said = bench.sh("curl -v https://$STACK/page 2>&1").stdout();
    for line in [
        "SSL certificate verify ok.",
        "SSL connection using TLSv1.3",
        "ALPN: server accepted http/1.1",
        "< HTTP/1.1 200 OK",
        "sealed",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    // A tshark that has never been told anything: no folder of settings, no option but the file.
    let clean = tempfile::tempdir().expect("a folder");
    let read = std::process::Command::new("tshark")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", clean.path())
        .args(["-r".as_ref(), bench.capture().as_os_str()])
        .args([
            "-Y",
            "http",
            "-T",
            "fields",
            "-e",
            "http.request.uri",
            "-e",
            "http.response.code",
            "-e",
            "http.file_data",
        ])
        .output()
        .expect("tshark runs");
    let read = String::from_utf8_lossy(&read.stdout).into_owned();
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines.len(), 2, "{read}");
    assert!(lines[0].contains("/page"), "{read}");
    assert!(
        lines[1].contains("200") && lines[1].contains("sealed"),
        "{read}"
    );
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
