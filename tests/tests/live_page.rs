//! Pages about the stack, served by the stack: `/_inspect` and `/_self`, in a browser and beside a capture of the same run.

use std::fs;

use outcrop_tests::{Bench, tshark};

/// Opens an address in a browser that is given so many seconds; `$BROWSER ADDRESS` prints the document.
const BROWSER: &str = "browse() { timeout 60 chromium --headless --no-sandbox --disable-gpu \
     --user-data-dir=\"$PWD/profile\" --enable-logging=stderr --dump-dom \"$@\" 2>> console; }\n";

#[test]
fn a_page_shows_every_packet_that_brought_it() {
    let bench = Bench::new().options(&["--inspect", "--no-offload"]);
    let script = format!(
        "{BROWSER} browse --virtual-time-budget=6000 http://$STACK/_self > page.html; ! grep CONSOLE console"
    );
    assert_eq!(bench.sh(&script).stdout(), "");
    let page = fs::read_to_string(bench.path("page.html")).unwrap();
    // The connection is named on the page; the capture says which packets it had.
    let port = page
        .split("GET /_self")
        .count()
        .checked_sub(1)
        .filter(|found| *found > 0)
        .and_then(|_| page.split("<td class=\"m\">10.77.0.1:").nth(1))
        .and_then(|rest| rest.split('<').next())
        .unwrap();
    let ids = tshark(
        &bench.capture(),
        &format!("tcp.port == {port}"),
        &["frame.packet_id"],
    );
    assert!(ids.len() > 10, "{ids:?}");
    let last = ids.last().unwrap();
    for id in &ids {
        assert!(
            page.contains(&format!("<article class=\"pane\" id=\"p{id}\""))
                || page.contains(&format!("<article class=\"pane on\" id=\"p{id}\"")),
            "packet {id} of {last} is missing"
        );
    }
    assert_eq!(page.matches("<article class=\"pane").count(), ids.len());
    assert!(page.contains("FIN-WAIT-2 → TIME-WAIT"));
}

#[test]
fn a_live_page_grows_and_does_not_show_who_looks() {
    let lines = "window.seen = () => document.body.textContent.split('GET /tick-').length
window.first = seen()
new Promise(done => { const look = () => seen() > first ? done('grown') : setTimeout(look, 50); look(); })
document.body.textContent.includes('GET /before')
document.body.textContent.includes('GET /_inspect')
document.querySelector('.live').textContent
!console
";
    let bench = Bench::new()
        .options(&["--inspect", "--no-offload"])
        .file("lines", lines);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
    // Something happens all the time while the browser looks; it looks until the page has grown by itself.
    let script = format!(
        "curl -so seen http://$STACK/before
         timeout 100 python3 {program} http://$STACK/_inspect - < root/lines > said & page=$!
         n=0; while kill -0 $page 2> kill; do n=$((n+1)); curl -so seen http://$STACK/tick-$n; sleep 0.2; done
         wait $page; tail -n 5 said"
    );
    let said = bench.sh(&script).stdout();
    assert_eq!(said, "\"grown\"\ntrue\nfalse\n\"live\"\n[]\n");
}

#[test]
fn over_https_the_story_is_told_as_well() {
    let bench = Bench::new().options(&["--inspect", "--tls", "--no-offload"]);
    let script = "
         curl -s --local-port 50001 https://$STACK/_self > first
         curl -s \"https://$STACK/_self?of=$KERNEL:50001\" > whole
         curl -s -o /dev/null -w '%{http_code}' \"http://$STACK/_self?of=nobody\"";
    let said = bench.sh(script).stdout();
    assert_eq!(said, "400");
    let [first, whole] =
        ["first", "whole"].map(|name| fs::read_to_string(bench.path(name)).unwrap());
    assert!(first.contains("data-once=\"/_self?of=10.77.0.1:50001\""));
    let ids = tshark(&bench.capture(), "tcp.port == 50001", &["frame.packet_id"]);
    assert_eq!(whole.matches("<article class=pane id=p").count(), ids.len());
    assert!(whole.contains("10.77.0.2:443") && whole.contains("FIN"));
}

#[test]
fn nobody_is_shown_anything_unless_it_was_asked_for() {
    let bench = Bench::new().file("index.html", "hello");
    let script = "for page in _self _inspect _inspect/events _inspect/capture.pcapng; do
         curl -s -o /dev/null -w '%{http_code} ' http://$STACK/$page; done";
    assert_eq!(bench.sh(script).stdout(), "404 404 404 404 ");
}

#[test]
fn a_click_on_another_fate_shows_both_futures() {
    let lines = "document.querySelectorAll('nav.also a').length
document.querySelector('#p7 .whatif a').textContent
!console
";
    let bench = Bench::new()
        .options(&["--inspect", "--no-offload"])
        .file("lines", lines);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/programs/browse.py");
    // The address behind the first fate of #7, then both pages in one browser.
    let script = format!(
        "page=http://$STACK/_inspect/what-if
         href=$(curl -s $page | grep -o '[^\"]*then=drop:7\"' | head -1 | tr -d '\"' | sed 's/&amp;/\\&/g')
         {{ cat root/lines; echo \"open http://$STACK$href\"
            echo \"document.querySelector('#intro').textContent\"
            echo \"document.querySelectorAll('#compare .beside tbody tr').length > 5\"
            echo '!console'; echo '!requests'; }} > all
         timeout 100 python3 {program} $page - < all
         for wrong in scenario=none then=drop:9999 then=drop faults=right:x:drop; do
           curl -s -o /dev/null -w '%{{http_code}} ' \"http://$STACK/_inspect/what-if?$wrong\"; done"
    );
    let said = bench.sh(&script).stdout();
    let lines: Vec<_> = said.lines().collect();
    let [
        links,
        fate,
        console,
        told,
        rows,
        console_then,
        requests,
        refused,
    ] = lines[..]
    else {
        panic!("{said}");
    };
    // The six plays there are.
    assert_eq!((links, fate, console), ("6", "\"been lost\"", "[]"));
    assert!(
        told.contains("packet #7, from this end, had been lost"),
        "{told}"
    );
    assert_eq!((rows, console_then), ("true", "[]"));
    // The two pages, and nothing else.
    assert_eq!(requests.matches("http://").count(), 2, "{requests}");
    assert_eq!(refused, "400 400 400 400 ");
}
