//! Real programs against the stack, each over a real TUN in a namespace of its own.

use outcrop_tests::{Bench, alone, assert_capture_is_sound, noise, sha256, tshark};

#[test]
fn curl_gets_a_file_and_every_packet_is_explained() {
    let bench = Bench::new().file("hello.txt", "hello from a file\n");
    let got = bench.sh("curl -fsS http://$STACK/hello.txt").stdout();
    assert_eq!(got, "hello from a file\n");
    assert_capture_is_sound(&bench.capture());
    let syns = tshark(&bench.capture(), "tcp.flags.syn==1", &["tcp.flags.ack"]);
    assert_eq!(syns.len(), 2, "one handshake: {syns:?}");
    let why = tshark(
        &bench.capture(),
        "tcp && frame.comment contains \"why=syn-ack\"",
        &["tcp.flags"],
    );
    assert_eq!(why.len(), 1);
}

#[test]
fn curl_gets_a_file_over_ipv6() {
    let bench = Bench::new().file("hello.txt", "six\n");
    assert_eq!(
        bench.sh("curl -fsS http://$STACK6/hello.txt").stdout(),
        "six\n"
    );
    assert_capture_is_sound(&bench.capture());
}

#[test]
fn curl_head_shows_length_and_no_body() {
    let bench = Bench::new().file("hello.txt", "0123456789");
    let head = bench
        .sh("curl -fsSI http://$STACK/hello.txt")
        .stdout()
        .to_lowercase();
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.contains("etag: "), "{head}");
    assert!(head.contains("\r\ndate: "), "RFC 9110 6.6.1: {head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn curl_ranges_give_the_part_and_refuse_the_impossible() {
    let bench = Bench::new().file("digits", "0123456789");
    let script =
        "curl -fsS -r 2-4 http://$STACK/digits; echo; curl -fsS -r -3 http://$STACK/digits; echo;
        curl -sS -o /dev/null -w '%{http_code}' -r 100-200 http://$STACK/digits";
    assert_eq!(bench.sh(script).stdout(), "234\n789\n416");
}

#[test]
fn curl_conditional_requests_are_answered_304() {
    let bench = Bench::new().file("page", "x");
    let script =
        "etag=$(curl -fsSI http://$STACK/page | tr -d '\\r' | sed -n 's/^[Ee][Tt]ag: //p');
        curl -sS -o /dev/null -w '%{http_code} ' -H \"If-None-Match: $etag\" http://$STACK/page;
        curl -sS -o /dev/null -w '%{http_code} ' -H 'If-None-Match: \"other\"' http://$STACK/page;
        curl -fsS -R -o page.copy http://$STACK/page;
        curl -sS -o /dev/null -w '%{http_code}' -z page.copy http://$STACK/page";
    assert_eq!(bench.sh(script).stdout(), "304 200 304");
}

#[test]
fn curl_http10_is_answered_and_closed() {
    let bench = Bench::new().file("hello.txt", "ten\n");
    let got = bench
        .sh("curl -fsS --http1.0 -i http://$STACK/hello.txt")
        .stdout();
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert!(got.to_lowercase().contains("connection: close"), "{got}");
    assert!(got.ends_with("\r\n\r\nten\n"), "{got}");
}

#[test]
fn curl_sends_100_requests_over_one_connection() {
    let bench = Bench::new().file("hello.txt", "x");
    let got = bench
        .sh("curl -fsS \"http://$STACK/hello.txt?[1-100]\"")
        .stdout();
    assert_eq!(got, "x".repeat(100));
    let syns = tshark(
        &bench.capture(),
        "tcp.flags.syn==1 && tcp.flags.ack==0",
        &["tcp.stream"],
    );
    assert_eq!(syns.len(), 1, "one connection carried them all");
}

#[test]
fn curl_fetches_in_parallel() {
    let bench = Bench::new().file("hello.txt", "x");
    let script =
        "curl -fsS -Z --parallel-immediate --parallel-max 20 \"http://$STACK/hello.txt?[1-60]\"";
    assert_eq!(bench.sh(script).stdout(), "x".repeat(60));
    assert_capture_is_sound(&bench.capture());
}

#[test]
fn curl_downloads_200_mb_intact() {
    let content = noise(200 * 1000 * 1000);
    let want = sha256(&content);
    let bench = Bench::new()
        .file("large.bin", &content)
        .options(&["--capture-level", "off"]);
    let got = bench
        .sh("curl -fsS http://$STACK/large.bin | sha256sum")
        .stdout();
    assert_eq!(got.split(' ').next().unwrap(), want);
}

#[test]
fn curl_posts_with_and_without_expect() {
    let bench = Bench::new();
    let script = "curl -fsS --data-binary 'short' http://$STACK/_echo; echo;
        curl -fsS -H 'Expect: 100-continue' --data-binary 'asked first' http://$STACK/_echo; echo;
        curl -fsSv -H 'Expect: 100-continue' --data-binary 'x' http://$STACK/_echo 2>&1 | grep -c 'HTTP/1.1 100'";
    assert_eq!(bench.sh(script).stdout(), "short\nasked first\n1\n");
}

#[test]
fn curl_uploads_50_mb_chunked_intact() {
    let content = noise(50 * 1000 * 1000);
    let want = sha256(&content);
    let bench = Bench::new().options(&["--capture-level", "off"]);
    std::fs::write(bench.path("up.bin"), &content).unwrap();
    let script = "curl -fsS -T - http://$STACK/_echo <up.bin | sha256sum";
    let got = bench.sh(script).stdout();
    assert_eq!(got.split(' ').next().unwrap(), want);
}

#[test]
fn wget_mirrors_a_page() {
    let bench = Bench::new()
        .file("index.html", "<a href=\"b.html\">b</a>")
        .file("b.html", "b");
    let got = bench
        .sh("wget -q -r -np http://$STACK/; cat 10.77.0.2/index.html 10.77.0.2/b.html")
        .stdout();
    assert_eq!(got, "<a href=\"b.html\">b</a>b");
}

#[test]
fn pipelined_requests_on_one_socket_are_answered_in_order() {
    let bench = Bench::new()
        .file("a", "first")
        .file("b", "second")
        .file("c", "third");
    std::fs::write(
        bench.path("pipeline.py"),
        r#"
import http.client, socket, sys
sock = socket.create_connection(("10.77.0.2", 80), 10)
sock.sendall(b"".join(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % name for name in (b"a", b"b", b"c")))
class Shared:
    "Lets several responses be read from one socket."
    def __init__(self, file): self.file = file
    def makefile(self, *args, **kwargs): return self.file
file = sock.makefile("rb")
file.close = lambda: None
for _ in range(3):
    response = http.client.HTTPResponse(Shared(file))
    response.begin()
    print(response.status, response.read(int(response.getheader("content-length"))).decode())
"#,
    )
    .unwrap();
    let got = bench.sh("python3 pipeline.py").stdout();
    assert_eq!(got, "200 first\n200 second\n200 third\n");
}

#[test]
fn ab_keeps_connections_alive_without_a_failure() {
    let bench = Bench::new()
        .file("hello.txt", "x")
        .options(&["--capture-level", "off"]);
    let report = bench
        .sh("ab -q -k -n 5000 -c 16 http://$STACK/hello.txt")
        .stdout();
    let line = |name: &str| {
        let line = report.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name} in {report}"))
            .split_whitespace()
            .last()
            .unwrap()
            .to_owned()
    };
    assert_eq!(line("Complete requests:"), "5000");
    assert_eq!(line("Failed requests:"), "0");
    assert_eq!(line("Keep-Alive requests:"), "5000");
}

#[test]
fn ab_opens_a_connection_per_request_without_a_failure() {
    let bench = Bench::new()
        .file("hello.txt", "x")
        .options(&["--capture-level", "off"]);
    let report = bench
        .sh("ab -q -n 1000 -c 16 http://$STACK/hello.txt")
        .stdout();
    assert!(report.contains("Failed requests:        0"), "{report}");
}

#[test]
fn ping_is_answered_at_every_size_up_to_the_mtu() {
    let bench = Bench::new();
    // One request a call: of several, ping waits for the last only twice the round trip of the others.
    let script = "for size in 0 1 55 56 1000 1471 1472; do
        ping -q -c 1 -W 10 -s $size $STACK | grep -c '1 received'; done;
        for size in 0 1 1452; do ping -6 -q -c 1 -W 10 -s $size fd77::2 | grep -c '1 received'; done";
    assert_eq!(bench.sh(script).stdout(), "1\n".repeat(10));
    assert_capture_is_sound(&bench.capture());
}

#[test]
fn netcat_gets_its_datagrams_back_from_the_echo_port() {
    let bench = Bench::new();
    let got = bench.sh("echo over udp | nc -u -w 1 $STACK 7").stdout();
    assert_eq!(got, "over udp\n");
    assert_capture_is_sound(&bench.capture());
}

#[test]
fn closed_ports_are_refused_at_once() {
    let bench = Bench::new();
    let script = "curl -sS -m 5 http://$STACK:81/ || echo tcp refused $?;
        echo x | nc -u -w 2 $STACK 4 || echo udp refused";
    let outcome = bench.sh(script);
    assert!(
        outcome.stdout().contains("tcp refused 7"),
        "{}",
        outcome.report()
    );
    let unreachable = tshark(
        &bench.capture(),
        "icmp.type==3 && icmp.code==3",
        &["frame.comment"],
    );
    assert_eq!(unreachable.len(), 1);
    assert!(unreachable[0].contains("why=port-unreachable"));
}

#[test]
fn half_closed_connection_still_gets_its_answer() {
    let bench = Bench::new().file("hello.txt", "after the fin");
    let script = "printf 'GET /hello.txt HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | nc -N -w 5 $STACK 80";
    assert!(bench.sh(script).stdout().ends_with("after the fin"));
}

#[test]
fn the_kernel_as_server_answers_our_active_open() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("page.txt"), "from the kernel's side\n").unwrap();
    std::fs::write(dir.path().join("large.bin"), noise(5_000_000)).unwrap();
    let script = "ip link set lo up; python3 -m http.server 8000 >server.log 2>&1 & server=$!
        for _ in $(seq 50); do nc -z 127.0.0.1 8000 && break; sleep 0.1; done
        $OUTCROP get http://10.77.0.1:8000/page.txt; $OUTCROP get http://10.77.0.1:8000/large.bin | sha256sum; kill $server";
    let want = format!("from the kernel's side\n{}  -\n", sha256(&noise(5_000_000)));
    assert_eq!(alone(dir.path(), script).stdout(), want);
}

// Several readers of one TUN reorder what it brings (a bug of others). Thirty megabytes from the kernel: tshark finds
// nothing out of order, and we never ask for anything twice.
#[test]
fn kernel_uploads_much_the_tun_is_read_in_order() {
    let bench = Bench::new()
        .file("sink", "")
        .options(&["--tcp-echo", "--stats"]);
    let got = bench.sh("head -c 30000000 /dev/zero | nc -q 0 $STACK 9 && echo sent");
    assert_eq!(got.stdout(), "sent\n");
    let odd =
        "tcp.analysis.out_of_order || tcp.analysis.duplicate_ack || tcp.analysis.retransmission";
    let odd = tshark(
        &bench.capture(),
        odd,
        &["frame.number", "ip.src", "_ws.col.Info"],
    );
    assert!(odd.is_empty(), "{odd:?}");
    let bytes = tshark(&bench.capture(), "tcp.dstport==9", &["tcp.len"]);
    let sum: u64 = bytes
        .iter()
        .map(|len| len.parse::<u64>().unwrap_or(0))
        .sum();
    assert_eq!(sum, 30_000_000);
}
