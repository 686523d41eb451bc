//! Programs that fetch: what each can ask for, and whether it gets it.

use core::fmt::Write as _;
use std::thread;

use outcrop_tests::{Bench, matrix, noise};

/// The columns.
const FEATURES: [&str; 6] = [
    "1 MiB, whole",
    "its middle, by range",
    "only if changed",
    "sent and back",
    "over TLS",
    "compressed",
];

/// A program, and how it does each: a script that succeeds. Empty: the program has no way to.
type Row = (&'static str, [&'static str; 6]);

#[rustfmt::skip]
const PROGRAMS: &[Row] = &[
    ("curl", [
        "curl -sS -o got $U/data; same got data",
        "curl -sS -r 1000-1999 -o got $U/data; same got middle",
        "curl -sS -R -o got $U/data; test $(curl -sS -z got -o again -w '%{http_code}' $U/data) = 304",
        "curl -sS -X POST --data-binary @data -o got $U/_echo; same got data",
        "curl -sS -o got $S/data; same got data",
        "curl -sS --compressed -o got $U/app.js; curl -sS -o plain $U/app.js; same got plain",
    ]),
    ("curl, HTTP/1.0", [
        "curl -sS -0 -o got $U/data; same got data",
        "curl -sS -0 -r 1000-1999 -o got $U/data; same got middle",
        "curl -sS -0 -R -o got $U/data; test $(curl -sS -0 -z got -o again -w '%{http_code}' $U/data) = 304",
        "curl -sS -0 -X POST --data-binary @data -o got $U/_echo; same got data",
        "curl -sS -0 -o got $S/data; same got data",
        "curl -sS -0 --compressed -o got $U/app.js; curl -sS -o plain $U/app.js; same got plain",
    ]),
    ("wget", [
        "wget -q -O got $U/data; same got data",
        "head -c 1000 data > got; wget -q -c -O got $U/data; same got data",
        "mkdir w; cd w; wget -q -N $U/data; wget -N $U/data 2>&1 | grep -q 304",
        "wget -q --post-file=data -O got $U/_echo; same got data",
        "wget -q --ca-certificate=$SSL_CERT_FILE -O got $S/data; same got data",
        "wget -q --compression=gzip -O got $U/app.js; wget -q -O plain $U/app.js; same got plain",
    ]),
    ("aria2c", [
        "aria2c -q -x4 -s4 -o got $U/data; same got data",
        "head -c 1000 data > got; aria2c -q -c -o got $U/data; same got data",
        "", "",
        "aria2c -q -x4 --ca-certificate=$SSL_CERT_FILE -o got $S/data; same got data",
        "aria2c -q --http-accept-gzip=true -o got $U/app.js; curl -sS -o plain $U/app.js; same got plain",
    ]),
    ("HTTPie", [
        "http --ignore-stdin -b -o got -d $U/data; same got data",
        "http --ignore-stdin -b $U/data Range:bytes=1000-1999 > got; same got middle",
        "E=$(curl -sSI $U/data | tr -d '\\r' | sed -n 's/^etag: //p'); http --ignore-stdin -h $U/data \"If-None-Match:$E\" | grep -q 304",
        "http -b POST $U/_echo Content-Type:application/octet-stream < data > got; same got data",
        "http --ignore-stdin --verify=$SSL_CERT_FILE -b -o got -d $S/data; same got data",
        "http --ignore-stdin -b $U/app.js > got; curl -sS -o plain $U/app.js; same got plain",
    ]),
    ("Python urllib", [
        "py 'open(\"got\",\"wb\").write(R.urlopen(U+\"/data\").read())'; same got data",
        "py 'open(\"got\",\"wb\").write(R.urlopen(R.Request(U+\"/data\",headers={\"Range\":\"bytes=1000-1999\"})).read())'; same got middle",
        "", 
        "py 'open(\"got\",\"wb\").write(R.urlopen(U+\"/_echo\",open(\"data\",\"rb\").read()).read())'; same got data",
        "py 'open(\"got\",\"wb\").write(R.urlopen(S+\"/data\").read())'; same got data",
        "",
    ]),
    ("Node fetch", [
        "js 'W(await (await fetch(U+\"/data\")).arrayBuffer())'; same got data",
        "js 'W(await (await fetch(U+\"/data\",{headers:{range:\"bytes=1000-1999\"}})).arrayBuffer())'; same got middle",
        "js 'const e=(await fetch(U+\"/data\")).headers.get(\"etag\"); if ((await fetch(U+\"/data\",{headers:{\"if-none-match\":e}})).status!=304) process.exit(1)'",
        "js 'W(await (await fetch(U+\"/_echo\",{method:\"POST\",body:fs.readFileSync(\"data\")})).arrayBuffer())'; same got data",
        "js 'W(await (await fetch(S+\"/data\")).arrayBuffer())'; same got data",
        "js 'W(await (await fetch(U+\"/app.js\")).arrayBuffer())'; curl -sS -o plain $U/app.js; same got plain",
    ]),
    ("Perl HTTP::Tiny", [
        "perl -MHTTP::Tiny -e 'HTTP::Tiny->new->mirror(\"$ENV{U}/data\",\"got\")->{success} or die'; same got data",
        "perl -MHTTP::Tiny -e 'print HTTP::Tiny->new->get(\"$ENV{U}/data\",{headers=>{Range=>\"bytes=1000-1999\"}})->{content}' > got; same got middle",
        "perl -MHTTP::Tiny -e 'my $h=HTTP::Tiny->new; $h->mirror(\"$ENV{U}/data\",\"got\"); $h->mirror(\"$ENV{U}/data\",\"got\")->{status}==304 or die'",
        "perl -MHTTP::Tiny -e 'local $/; open F,\"data\"; print HTTP::Tiny->new->post(\"$ENV{U}/_echo\",{content=><F>})->{content}' > got; same got data",
        "", "",
    ]),
    ("Python urllib3", [
        "client urllib3 whole",
        "client urllib3 range",
        "client urllib3 changed",
        "client urllib3 echo",
        "client urllib3 sealed",
        "client urllib3 coded",
    ]),
    ("Python requests", [
        "client requests whole",
        "client requests range",
        "client requests changed",
        "client requests echo",
        "client requests sealed",
        "client requests coded",
    ]),
    ("Python httpx", [
        "client httpx whole",
        "client httpx range",
        "client httpx changed",
        "client httpx echo",
        "client httpx sealed",
        "client httpx coded",
    ]),
    ("Python aiohttp", [
        "client aiohttp whole",
        "client aiohttp range",
        "client aiohttp changed",
        "client aiohttp echo",
        "client aiohttp sealed",
        "client aiohttp coded",
    ]),
    ("Chromium", [
        // One browser answers all of CHROMIUM.
        "chromium 1 1048576", "chromium 2 1000", "chromium 3 304", "chromium 4 100000",
        "page $S/ \"fetch('/data').then(r => r.arrayBuffer()).then(b => [isSecureContext, b.byteLength].join())\" '\"true,1048576\"'",
        "page $U/ \"fetch('/app.js').then(r => r.text().then(t => r.headers.get('content-encoding') + (t.length > 1000)))\" '\"gziptrue\"'",
    ]),
];

/// What Chromium is asked, one line each.
const CHROMIUM: &str = "fetch('/data').then(r => r.arrayBuffer()).then(b => b.byteLength)
fetch('/data', {headers: {range: 'bytes=1000-1999'}}).then(r => r.arrayBuffer()).then(b => b.byteLength)
fetch('/page').then(r => fetch('/page', {headers: {'if-none-match': r.headers.get('etag')}})).then(r => r.status)
fetch('/_echo', {method: 'POST', body: 'x'.repeat(100000)}).then(r => r.text()).then(t => t.length)
";

const WORDS: &str = "
    same() { cmp \"$@\"; }
    py() { python3 -c \"import urllib.request as R; U='$U'; S='$S'; $1\"; }
    js() { node -e \"const fs=require('fs'),U='$U',S='$S',W=b=>fs.writeFileSync('got',Buffer.from(b));(async()=>{$1})()\"; }
    cp $T/data .; tail -c +1001 data | head -c 1000 > middle\n";

/// Does every script; a row of cells for each program.
fn play(bench: &Bench, column: impl Fn(usize) -> bool) -> Vec<Vec<String>> {
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");
    // The browser takes the one key for the server's, and no other.
    let words = format!(
        "{WORDS}client() {{ /usr/bin/python3 {programs}/clients.py \"$@\"; }}
         page() {{ case $1 in https*) export KEY=$(echo | openssl s_client -connect $STACK:443 2>/dev/null | openssl x509 -pubkey -noout |
            openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64);; esac
            said=$(echo \"$2\" | timeout 250 python3 {programs}/browse.py $1 - 2>&1); echo \"$said\"; test \"$said\" = \"$3\"; }}
         chromium() {{ if mkdir $T/asked 2>/dev/null; then timeout 250 python3 {programs}/browse.py $U/ - <$T/chromium >$T/answers; touch $T/asked/done; fi
            for i in $(seq 2400); do test -e $T/asked/done && break; sleep 0.1; done; cat $T/answers; test \"$(sed -n $1p $T/answers)\" = $2; }}\n"
    );
    let scripts = || {
        let rows = PROGRAMS.iter().map(|(_, row)| row);
        rows.flat_map(|row| row.iter().enumerate())
    };
    let wanted = |(at, how): &(usize, &&'static str)| column(*at) && !how.is_empty();
    let chosen: Vec<&str> = scripts().filter(wanted).map(|(_, how)| *how).collect();
    let mut became = matrix::play(bench, &words, &chosen).into_iter();
    let cell = |(at, how): (usize, &&'static str)| match (column(at), *how) {
        (false, _) => String::new(),
        (true, "") => "-".to_owned(),
        (true, _) => became.next().unwrap_or_default(),
    };
    let cells: Vec<String> = scripts().map(cell).collect();
    cells.chunks(FEATURES.len()).map(<[_]>::to_vec).collect()
}

#[test]
fn the_table_in_the_book_is_what_the_programs_do() {
    let data = noise(1 << 20);
    let files = Bench::new()
        .options(&["--tls", "--capture-level", "off"])
        .file("data", &data)
        .file("page", vec![b'p'; 5000])
        .file("index.html", "<title>x</title>");
    let example = Bench::example("todo").options(&["--capture-level", "off"]);
    for bench in [&files, &example] {
        std::fs::write(bench.path("data"), &data).expect("a file is written");
        std::fs::write(bench.path("chromium"), CHROMIUM).expect("a file is written");
    }
    let (plain, coded) = thread::scope(|scope| {
        let coded = scope.spawn(|| play(&example, |at| at == 5));
        (
            play(&files, |at| at < 5),
            coded.join().expect("it is played"),
        )
    });
    let mut table = format!(
        "| program | {} |\n|---|{}\n",
        FEATURES.join(" | "),
        "---|".repeat(FEATURES.len())
    );
    for (((name, _), plain), coded) in PROGRAMS.iter().zip(plain).zip(coded) {
        let cells: Vec<String> = plain
            .into_iter()
            .zip(coded)
            .map(|(a, b)| format!("{a}{b}"))
            .collect();
        let _infallible = writeln!(table, "| {name} | {} |", cells.join(" | "));
    }
    let bad = |cell: &&str| !matches!(cell.trim(), "ok" | "-");
    let rows = table.lines().skip(2);
    let cells: Vec<&str> = rows
        .flat_map(|row| row.trim_matches('|').split('|').skip(1))
        .collect();
    assert_eq!(cells.iter().find(|cell| bad(cell)), None, "{table}");
    matrix::book("interop-table.md", &table);
}
