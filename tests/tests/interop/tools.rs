//! Programs that do more than fetch: mirrors, loads, proxies, and those that come slowly on purpose.

use std::thread;

use outcrop_tests::matrix::{self, Row};
use outcrop_tests::{Bench, noise};

const WORDS: &str = r#"
    export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
    # A repository, and a bare copy of it under the folder served.
    repository() { git init -q -b main work; cd work; git config user.name a; git config user.email a@b
        for i in $(seq 30); do seq $i 400 > file$i; git add .; git commit -qm "number $i"; done; cd ..
        git clone -q --bare work $T/root/$1; git -C $T/root/$1 update-server-info; }
    same_commit() { git -C got fsck --full --strict; test "$(git -C got rev-parse HEAD)" = "$(git -C work rev-parse HEAD)"; }
    # Twelve packages in a flat repository of their own, and apt told to know nothing else.
    packages() { F=$T/root/$1; mkdir -p $F apt/etc apt/var/lib/apt/lists/partial apt/var/cache/apt/archives/partial; : > status
        for n in $(seq 12); do mkdir -p p$n/DEBIAN p$n/srv; head -c $((n * 9000)) $T/data > p$n/srv/p$n
            printf 'Package: leaf%s\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n' $n > p$n/DEBIAN/control
            dpkg-deb -Znone --root-owner-group --build p$n $F/leaf$n.deb >&2
            dpkg-deb -f $F/leaf$n.deb; printf 'Filename: leaf%s.deb\nSize: %s\nSHA256: %s\n\n' $n $(stat -c %s $F/leaf$n.deb) $(sha256sum $F/leaf$n.deb | cut -d' ' -f1)
        done > $F/Packages
        { printf 'Origin: here\nSuite: here\nDate: %s\nSHA256:\n' "$(date -Ru | sed 's/+0000/UTC/')"
          printf ' %s %s Packages\n' $(sha256sum $F/Packages | cut -d' ' -f1) $(stat -c %s $F/Packages); } > $F/Release
        echo "deb [trusted=yes] $2/$1/ ./" > sources.list
        # No settings but these: the system's may have hooks and proxies.
        printf 'Dir "%s/apt";\nDir::Etc::Parts "/dev/null";\nDir::Etc::SourceList "%s/sources.list";\nDir::Etc::SourceParts "/dev/null";\nDir::State::status "%s/status";\n' $PWD $PWD $PWD > conf
        printf 'APT::Sandbox::User "root";\nAcquire::http::Proxy "DIRECT";\nAcquire::https::Proxy "DIRECT";\nAcquire::Languages "none";\nAcquire::https::CAInfo "%s";\n' $SSL_CERT_FILE >> conf
        export APT_CONFIG=$PWD/conf; }
    fetch_all() { apt-get -q update; mkdir got; cd got; apt-get -q download $(for n in $(seq 12); do echo leaf$n; done)
        for n in $(seq 12); do cmp leaf${n}_1_all.deb $F/leaf$n.deb; done; cd ..; }
    # A wheel, and an index of one line.
    wheel() { F=$T/root/$1; mkdir -p $F/leaf w/leaf w/leaf-1.0.dist-info; cp $T/data w/leaf/data; : > w/leaf/__init__.py
        printf 'Metadata-Version: 2.1\nName: leaf\nVersion: 1.0\n' > w/leaf-1.0.dist-info/METADATA
        printf 'Wheel-Version: 1.0\nGenerator: a\nRoot-Is-Purelib: true\nTag: py3-none-any\n' > w/leaf-1.0.dist-info/WHEEL
        printf 'leaf/__init__.py,,\nleaf/data,,\nleaf-1.0.dist-info/METADATA,,\nleaf-1.0.dist-info/WHEEL,,\nleaf-1.0.dist-info/RECORD,,\n' > w/leaf-1.0.dist-info/RECORD
        (cd w; /usr/bin/python3 -m zipfile -c $F/leaf-1.0-py3-none-any.whl leaf leaf-1.0.dist-info)
        echo "<a href='../leaf-1.0-py3-none-any.whl#sha256=$(sha256sum $F/leaf-1.0-py3-none-any.whl | cut -d' ' -f1)'>leaf-1.0-py3-none-any.whl</a>" > $F/leaf/index.html; }
    pip() { env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CERT=$SSL_CERT_FILE PIP_CONFIG_FILE=/dev/null \
        /usr/bin/python3 -m pip --cache-dir $PWD/cache --disable-pip-version-check --no-python-version-warning "$@"; }
    front() { mkdir -p logs; "$@" & front=$!; for i in $(seq 600); do nc -z 127.0.0.1 $PORT && break; sleep 0.1; done; }
    through() { ab -q -k -n 600 -c 8 http://127.0.0.1:$PORT/page | tee report; grep -q '^Failed requests: *0$' report
        curl -sS -o got http://127.0.0.1:$PORT/data; cmp got $T/data
        curl -sS -T - -o back http://127.0.0.1:$PORT/_echo < $1; cmp back $1; kill $front; }
"#;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("wget", "a page and all it leads to",
        "mkdir $T/root/tree; echo '<a href=a.html>a</a><img src=b.png>' > $T/root/tree/index.html; echo '<a href=./>back</a>' > $T/root/tree/a.html; cp $T/data $T/root/tree/b.png
         wget -q -r -np -nH --cut-dirs=1 $U/tree/; cmp b.png $T/data; cmp a.html $T/root/tree/a.html"),
    ("git", "clone of a dumb repository, object by object", "repository loose.git; git clone -q $U/loose.git got; same_commit"),
    ("git", "the same packed and over TLS, then what was pushed since",
        "repository packed.git; git -C $T/root/packed.git gc -q; git clone -q $S/packed.git got; same_commit
         cd work; seq 999 > more; git add .; git commit -qm more; git push -q $T/root/packed.git main; cd ..; git -C $T/root/packed.git update-server-info
         git -C got pull -q; same_commit"),
    ("apt", "update, and twelve packages from a flat repository", "packages flat $U; fetch_all"),
    ("apt", "the same over TLS; a second update changes nothing",
        "packages sealed $S; fetch_all; apt-get -q update | tee second; grep -q '^Hit:' second; not grep -q '^Get:' second"),
    ("pip", "download by an index", "wheel simple; pip download -q --no-deps --index-url $U/simple/ --trusted-host $STACK leaf; cmp *.whl $F/*.whl"),
    ("pip", "the same over TLS, installed; the second time from its cache, asked again with validators",
        "wheel trusted; for i in 1 2; do rm -rf got; pip -vvv install --no-deps --target got --index-url $S/trusted/ leaf > log$i; cmp got/leaf/data $T/data; done; grep -q 'GET /trusted/leaf.* 304' log2"),
    ("ab", "2,000 requests over 16 connections kept open",
        "ab -q -k -n 2000 -c 16 $U/page | tee report; grep -q '^Complete requests: *2000$' report; grep -q '^Failed requests: *0$' report; grep -q '^Keep-Alive requests: *2000$' report"),
    ("ab", "a connection for each of 500 requests; 200 uploads; 60 connections of TLS",
        "for how in '-n 500 -c 16' \"-n 200 -c 8 -p $T/data -T x/y\" '-n 60 -c 4 -s'; do case $how in *-p*) url=$U/_echo;; *-s) url=$S/page;; *) url=$U/page;; esac
            ab -q ${how% -s} $url | tee report; grep -q '^Failed requests: *0$' report; not grep -q '^Non-2xx' report; done"),
    ("wrk", "a second over 16 connections; a second of TLS",
        "for url in $U/page $S/page; do wrk -t1 -c16 -d1s $url | tee report; grep -q 'requests in' report; not grep -q 'Socket errors\\|Non-2xx' report; done"),
    ("h2load", "2,000 requests, pipelined by four; the same over TLS",
        "for url in $U/page $S/page; do h2load --h1 -n 2000 -c 8 -m 4 $url | tee report; grep -q '2000 succeeded, 0 failed, 0 errored' report; done"),
    ("nginx", "in front of us: kept-open requests, a download, an upload of 1,000 bytes (it stops sending once an answer begins)",
        "PORT=8001; printf 'daemon off; pid nginx.pid; error_log error.log; worker_processes 1; events {} http { access_log off; client_max_body_size 0; upstream us { server %s; keepalive 8; }
            server { listen 127.0.0.1:8001; location / { proxy_pass http://us; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_request_buffering off; } } }' $STACK > conf
         for kind in client_body proxy fastcgi uwsgi scgi; do sed -i \"s|access_log off;|access_log off; ${kind}_temp_path $PWD/$kind;|\" conf; done
         front env PATH=$PATH:/usr/sbin nginx -p $PWD -c $PWD/conf -e error.log; through $T/root/page"),
    ("haproxy", "in front of us: the same, 1 MiB sent and back",
        "PORT=8002; printf 'defaults\\n mode http\\n timeout connect 60s\\n timeout client 60s\\n timeout server 60s\\nfrontend f\\n bind 127.0.0.1:8002\\n default_backend b\\nbackend b\\n http-reuse always\\n server us %s:80\\n' $STACK > conf
         front env PATH=$PATH:/usr/sbin haproxy -db -f conf; through $T/data"),
];

const SLOW_WORDS: &str = r"
    # The page must be there for others all the time, and slowhttptest must have seen that too.
    slowly() { slowhttptest -c 200 -r 100 -l 10 -p 30 $1 > said & slow=$!; sleep 2
        while kill -0 $slow 2>/dev/null; do test $(curl -sS --max-time 20 $U/page) = here; sleep 1; done
        sed 's/\x1b\[[0-9;]*m//g' said | grep 'service available' | tail -1 | grep YES; }
";

#[rustfmt::skip]
const SLOW: &[Row] = &[
    ("slowhttptest", "200 heads that never end", "slowly \"-H -i 3 -u $U/page\""),
    ("slowhttptest", "200 bodies that never end", "slowly \"-B -i 3 -u $U/page\""),
    ("slowhttptest", "200 readers of a byte at a time", "slowly \"-X -u $U/large\""),
    ("slowhttptest", "200 times all of a file's ranges", "slowly \"-R -u $U/middle\""),
];

#[test]
fn tools_that_do_more_than_fetch_have_their_way() {
    let data = noise(1 << 20);
    let bench = Bench::new()
        .options(&["--tls", "--capture-level", "off"])
        .file("data", &data)
        .file("page", vec![b'p'; 1000]);
    std::fs::write(bench.path("data"), &data).expect("a file is written");
    let slow = Bench::new()
        .options(&["--capture-level", "off"])
        .file("page", "here\n")
        .file("middle", vec![b'y'; 20_000])
        .file("large", vec![b'z'; 1 << 20]);
    let table = thread::scope(|scope| {
        let slow = scope.spawn(|| matrix::rows_at_once(&slow, SLOW_WORDS, SLOW));
        let first = matrix::rows(&bench, WORDS, ROWS);
        first + &slow.join().expect("it is played")
    });
    matrix::book(
        "interop-tools.md",
        &format!("| program | what it does | outcome |\n|---|---|---|\n{table}"),
    );
}
