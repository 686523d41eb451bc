//! Real programs against our server, as a table in the book: what was tried is what is written there.
//!
//! `UPDATE=1 cargo test -p outcrop-tests --test interop` writes the table anew.

use core::fmt::Write as _;
use std::path::Path;

use outcrop_tests::{Bench, noise};

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
    ("Chromium", [
        "page \"fetch('/data').then(r => r.arrayBuffer()).then(b => crypto.subtle ? b.byteLength : b.byteLength)\" 1048576",
        "page \"fetch('/data', {headers: {range: 'bytes=1000-1999'}}).then(r => r.arrayBuffer()).then(b => b.byteLength)\" 1000",
        "page \"fetch('/page').then(r => fetch('/page', {headers: {'if-none-match': r.headers.get('etag')}})).then(r => r.status)\" 304",
        "page \"fetch('/_echo', {method: 'POST', body: 'x'.repeat(100000)}).then(r => r.text()).then(t => t.length)\" 100000",
        "",
        "page \"fetch('/app.js').then(r => r.headers.get('content-encoding'))\" '\"zstd\"' || page \"fetch('/app.js').then(r => r.headers.get('content-encoding'))\" '\"gzip\"'",
    ]),
];

const WORDS: &str = "export U=http://$STACK S=https://$STACK
    same() { cmp \"$@\" && echo ok; }
    py() { python3 -c \"import urllib.request as R; U='$U'; S='$S'; $1\"; }
    js() { node -e \"const fs=require('fs'),U='$U',S='$S',W=b=>fs.writeFileSync('got',Buffer.from(b));(async()=>{$1})()\"; }
    head -c 1000 /proc/self/environ > one
    tail -c +1001 data | head -c 1000 > middle\n";

/// Does every script in a folder of its own; `ok` or what it said instead.
fn play(bench: &Bench, column: impl Fn(usize) -> bool) -> Vec<Vec<String>> {
    let browse = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
    let mut script = format!(
        "{WORDS}page() {{ test \"$(echo \"$1\" | timeout 60 python3 {browse} $U/ - 2>&1)\" = \"$2\" && echo ok; }}\nT=$PWD\n"
    );
    for (_, row) in PROGRAMS {
        for (at, how) in row.iter().enumerate() {
            if !how.is_empty() && column(at) {
                let _infallible = writeln!(
                    script,
                    "rm -rf try; mkdir try; cd try; cp $T/data $T/middle .; if ( {how} ) > said 2>&1; then echo ok; else head -c 200 said | tr '\\n' ' '; echo failed; fi; cd $T"
                );
            }
        }
    }
    let said = bench.sh(&script).stdout();
    let mut lines = said.lines();
    PROGRAMS
        .iter()
        .map(|(_, row)| {
            let cells = row.iter().enumerate().map(|(at, how)| match how {
                _ if !column(at) => String::new(),
                &"" => "-".to_owned(),
                _ => lines.next().unwrap_or("lost").to_owned(),
            });
            cells.collect()
        })
        .collect()
}

#[test]
fn the_table_in_the_book_is_what_the_programs_do() {
    let data = noise(1 << 20);
    let files = Bench::new()
        .options(&["--tls"])
        .file("data", &data)
        .file("page", vec![b'p'; 5000])
        .file("index.html", "<title>x</title>");
    let example = Bench::example("todo");
    for bench in [&files, &example] {
        std::fs::write(bench.path("data"), &data).expect("a file is written");
    }
    let (plain, coded) = (play(&files, |at| at < 5), play(&example, |at| at == 5));
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/book/src/interop-table.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &table).expect("the table is written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(table == written, "the book says otherwise:\n{table}");
}
