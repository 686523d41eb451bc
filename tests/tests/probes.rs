//! `outcrop ping` and `outcrop traceroute` as a person uses them on an Ethernet, and what they say to what cannot be meant.

use std::process::Command;

use outcrop_tests::{alone, outcrop};

#[test]
fn on_a_tap_both_wait_until_their_address_is_checked_and_reach_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$OUTCROP ping --tap t0 -c 3 -i 0.05 -W 60 -s 3000 10.77.0.1
        $OUTCROP traceroute --tap t0 -w 60 fd77::1
        # Nobody is there: said, and a status.
        $OUTCROP ping -c 1 -W 0.2 10.77.0.9 || echo status $?
        $OUTCROP traceroute 2001:db8::1 || echo status $?";
    let said = alone(folder.path(), script).stdout();
    for line in [
        "3000 bytes from 10.77.0.1: seq=3 ",
        "3 packets transmitted, 3 received, 0% packet loss",
        "rtt min/avg/max/mdev = ",
        " 1  fd77::1  ",
        "1 packets transmitted, 0 received, 100% packet loss",
        "  !N",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(said.matches("status 1").count(), 2, "{said}");
}

#[test]
fn what_cannot_be_meant_is_said_in_one_line() {
    for (arguments, said) in [
        (&["ping", "-c", "0", "10.0.0.1"][..], "--count: '0'"),
        (&["ping", "-s", "70000", "10.0.0.1"], "0..=65000"),
        (&["ping", "-f", "-i", "1", "10.0.0.1"], "'--interval"),
        (&["ping"], "<HOST>"),
        (&["ping", "nobody.invalid"], "nobody.invalid"),
        (&["traceroute", "-I", "-T", "10.0.0.1"], "'--tcp'"),
        (&["traceroute", "-f", "9", "-m", "3", "10.0.0.1"], "--first"),
        (&["traceroute", "-q", "11", "10.0.0.1"], "1..=10"),
        (&["route", "add"], "show"),
        (&["addr", "--control"], "--control"),
    ] {
        let output = Command::new(outcrop()).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            error.contains(said) && error.lines().count() == 1,
            "{arguments:?}: {error}"
        );
    }
}
