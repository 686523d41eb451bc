//! What a running stack says of itself on its control socket, beside what the kernel says of the same link.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use outcrop_tests::{Bench, alone, outcrop};
use serde_json::Value;

/// `$OUTCROP` is the program; the run itself says where the stack can be asked.
fn script(text: &str) -> String {
    format!("OUTCROP={}; {text}", outcrop().display())
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn neighbours_routes_and_addresses_agree_with_the_kernels_at_the_other_end() {
    let bench = Bench::new().options(&["--tap", "--mac", "02:00:00:00:77:02"]);
    let got = bench
        .sh(&script(
            "ping -c1 -q $STACK >/dev/null; ping -6 -c1 -q fd77::2 >/dev/null
            $OUTCROP neigh show --json; ip -json link show dev outcrop0 | tr -d '\\n'; echo
            $OUTCROP route show --json; $OUTCROP addr --json
            $OUTCROP neigh; $OUTCROP route; $OUTCROP addr show",
        ))
        .stdout();
    let lines: Vec<_> = got.lines().collect();
    let (ours, kernel) = (json(lines[0]), json(lines[1]));
    let theirs = &kernel[0]["address"];
    for (at, dst) in [(0, "10.77.0.1"), (1, "fd77::1")] {
        assert_eq!(ours[at]["dst"], dst, "{got}");
        assert_eq!(&ours[at]["lladdr"], theirs, "{got}");
        assert_eq!(ours[at]["dev"], "outcrop0", "{got}");
        // RFC 4861 7.3.2, by its names; which one is a matter of moments.
        let state = ours[at]["state"][0].as_str().unwrap();
        assert!(["REACHABLE", "STALE", "DELAY"].contains(&state), "{got}");
    }
    let routes = json(lines[2]);
    let default = serde_json::json!({"dst": "default", "gateway": "10.77.0.1", "dev": "outcrop0"});
    assert!(routes.as_array().unwrap().contains(&default), "{got}");
    let link = &json(lines[3])[0];
    assert_eq!(link["address"], "02:00:00:00:77:02", "{got}");
    let known: Vec<_> = link["addr_info"].as_array().unwrap().iter().collect();
    assert!(
        known
            .iter()
            .any(|a| a["local"] == "10.77.0.2" && a["prefixlen"] == 24)
    );
    assert!(
        known
            .iter()
            .any(|a| a["scope"] == "link" && a["origin"] == "link")
    );
    for text in [
        "10.77.0.1 dev outcrop0 lladdr ",
        "default via fd77::1 dev outcrop0\n",
        "    inet 10.77.0.2/24 scope global\n       valid_lft forever preferred_lft forever\n",
    ] {
        assert!(got.contains(text), "{text}: {got}");
    }
}

#[test]
fn a_connection_is_shown_with_its_figures_while_it_lives() {
    // The kernel's `ss` shows the same two ends from its side.
    let bench = Bench::new();
    let got = bench
        .sh(&script(
            "python3 -c '
import os, socket, subprocess
s = socket.create_connection((\"10.77.0.2\", 80)); s.send(b\"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"); s.recv(99)
print(*s.getsockname())
print(subprocess.run([os.environ[\"OUTCROP\"], \"conn\", \"--json\"], capture_output=True, text=True).stdout.strip())
print(subprocess.run([os.environ[\"OUTCROP\"], \"conn\", \"-i\"], capture_output=True, text=True).stdout)
'",
        )
        .replacen("OUTCROP=", "export OUTCROP=", 1))
        .stdout();
    let mut lines = got.lines();
    let ours = lines.next().unwrap().replace(' ', ":");
    let rows = json(lines.next().unwrap());
    assert_eq!(rows.as_array().unwrap().len(), 1, "{got}");
    let row = &rows[0];
    assert_eq!(row["peer"], ours.as_str(), "{got}");
    assert_eq!(
        (&row["local"], &row["state"]),
        (&"10.77.0.2:80".into(), &"ESTABLISHED".into())
    );
    // The request, to the byte.
    assert_eq!(row["received"], 27, "{got}");
    assert!(got.contains("bytes_received:27 "), "{got}");
}

#[test]
fn a_serving_stack_shows_the_times_of_what_a_router_gave_it() {
    const RADVD: &str = "interface br0 {
        AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 60;
        prefix 2001:db8:7::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 1800; };
    };";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("radvd.conf"), RADVD).unwrap();
    let inside = "ip link set lo up; ip link add br0 type bridge; ip link set br0 up; ip addr add 2001:db8:7::1/64 dev br0 nodad
        ip tuntap add tap1 mode tap; ip link set tap1 master br0 up
        radvd -n -C radvd.conf -p $PWD/pid -m none & radvd=$!
        $OUTCROP serve --tap tap1 --addr 10.77.0.7/24 --slaac --control $PWD/socket >served 2>&1 & serve=$!
        for n in $(seq 300); do $OUTCROP addr --control socket 2>/dev/null | grep -q 'global dynamic$' && break; sleep 0.2; done
        stat -c %a socket
        $OUTCROP addr show --control socket --json; $OUTCROP route show --control socket
        $OUTCROP neigh show --control socket
        kill -INT $serve; wait $serve || true; kill $radvd; wait $radvd || true
        test -e socket && echo left behind
        $OUTCROP route --control socket 2>&1 || echo status $?";
    let outcome = alone(folder.path(), inside);
    let (got, context) = (outcome.stdout(), outcome.report());
    let mut lines = got.lines();
    assert_eq!(lines.next(), Some("600"), "{context}");
    let link = &json(lines.next().unwrap())[0];
    let addresses = link["addr_info"].as_array().unwrap();
    let given = addresses
        .iter()
        .find(|address| address["origin"] == "router")
        .unwrap();
    let (valid, preferred) = (
        given["valid_life_time"].as_u64(),
        given["preferred_life_time"].as_u64(),
    );
    assert!((3500..=3600).contains(&valid.unwrap()), "{context}");
    assert!((1700..=1800).contains(&preferred.unwrap()), "{context}");
    assert!(got.contains("default via fe80::"), "{context}");
    assert!(got.contains(" router "), "{context}");
    assert!(!got.contains("left behind"), "{context}");
    assert!(
        got.contains("no stack answers there") && got.ends_with("status 1\n"),
        "{context}"
    );
}

#[test]
fn without_a_stack_the_error_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["neigh", "show"][..], "no stack of yours runs"),
        (
            &["route", "--control", "nothing-here"],
            "no stack answers there",
        ),
        (&["addr", "flush"], "flush"),
    ] {
        let mut command = Command::new(outcrop());
        let output = command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("OUTCROP_CONTROL")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains(said) && error.lines().count() == 1,
            "{error}"
        );
    }
}
