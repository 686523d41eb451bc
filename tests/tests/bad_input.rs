//! What the program says to input it cannot use: one clear line, a non-zero exit, nothing left behind.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use outcrop_tests::{Bench, outcrop};

/// Runs the program and returns the single line it complained with.
fn complaint(args: &[&str]) -> String {
    judge(&run(Path::new("/"), args), args)
}

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new("timeout")
        .args(["-k", "5", "30"])
        .arg(outcrop())
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn judge(output: &Output, args: &[&str]) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(
        code.is_some_and(|code| code == 1 || code == 2),
        "{args:?} ended with {code:?}: {stderr}"
    );
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    let lines: Vec<_> = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(lines.len(), 1, "{args:?} said more than one line: {stderr}");
    assert!(lines[0].starts_with("outcrop: "), "{args:?}: {stderr}");
    lines[0].to_owned()
}

/// The names of all network devices of this namespace.
fn devices() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_address_that_is_none_is_named() {
    let line = complaint(&["serve", "--addr", "10.77.0.300/24"]);
    assert!(line.contains("10.77.0.300/24"), "{line}");
    let line = complaint(&["serve", "--addr", "10.77.0.2/33"]);
    assert!(line.contains("33"), "{line}");
}

#[test]
fn a_port_out_of_range_is_named() {
    let line = complaint(&["serve", "--port", "70000"]);
    assert!(line.contains("70000"), "{line}");
}

#[test]
fn a_missing_root_folder_is_named_and_no_device_is_made() {
    let before = devices();
    let line = complaint(&["serve", "--root", "/no/such/folder"]);
    assert!(line.contains("/no/such/folder"), "{line}");
    assert_eq!(devices(), before);
}

#[test]
fn a_device_name_too_long_is_named() {
    let line = complaint(&["serve", "--dev", "a-name-of-many-letters"]);
    assert!(line.contains("a-name-of-many-letters"), "{line}");
}

#[test]
fn a_busy_device_is_said_to_be_busy() {
    // The first stack holds the device while the second asks for it, both in a namespace of their own.
    let script = format!(
        "ip link set lo up; {0} serve --dev busy0 >first.log 2>&1 & first=$!
        for _ in $(seq 100); do [ -e /sys/class/net/busy0 ] && break; sleep 0.05; done
        {0} serve --dev busy0 --addr 10.78.0.2/24; code=$?; kill -INT $first; wait $first; exit $code",
        outcrop().display()
    );
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["-k", "5", "30", "unshare", "--net", "--mount", "sh", "-uc"])
        .arg(format!("mount -t sysfs sysfs /sys; {script}"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let line = judge(&output, &["serve", "--dev", "busy0"]);
    assert!(line.contains("busy0"), "{line}");
    assert!(
        line.to_lowercase().contains("in use") || line.contains("busy:"),
        "{line}"
    );
}

#[test]
fn a_stranger_without_permission_is_told_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    // The program must be readable by the stranger.
    let copy = dir.path().join("outcrop");
    std::fs::copy(outcrop(), &copy).unwrap();
    std::fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let output = Command::new("timeout")
        .args([
            "-k",
            "5",
            "30",
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ])
        .arg(&copy)
        .args(["serve"])
        .current_dir("/")
        .output()
        .unwrap();
    let line = judge(&output, &["serve"]);
    assert!(
        line.contains("/dev/net/tun") || line.contains("root"),
        "{line}"
    );
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let line = complaint(&["run", "--", "no-such-program-anywhere"]);
    assert!(line.contains("no-such-program-anywhere"), "{line}");
}

#[test]
fn run_returns_the_status_of_its_command() {
    assert_eq!(Bench::new().sh("exit 7").code(), Some(7));
    assert_eq!(Bench::new().sh("exit 0").code(), Some(0));
}

#[test]
fn a_missing_capture_is_named_by_every_reader() {
    for reader in ["print", "ladder", "replay"] {
        let line = complaint(&[reader, "/no/such.pcapng"]);
        assert!(line.contains("/no/such.pcapng"), "{line}");
    }
}

#[test]
fn a_file_that_is_no_capture_is_refused_by_every_reader() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("letter.txt"),
        "Dear Sir or Madam, this is no capture.\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("empty.pcapng"), "").unwrap();
    for reader in ["print", "ladder", "replay"] {
        for file in ["letter.txt", "empty.pcapng"] {
            let args = [reader, file];
            let line = judge(&run(dir.path(), &args), &args);
            assert!(line.contains(file), "{line}");
        }
    }
}

#[test]
fn a_truncated_capture_is_read_up_to_the_damage_and_then_refused() {
    let whole = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/foreign/curl-nginx-keepalive.pcap"
    ))
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cut.pcap"), &whole[..whole.len() - 20]).unwrap();
    let args = ["print", "cut.pcap"];
    let output = run(dir.path(), &args);
    let line = judge(&output, &args);
    assert!(line.contains("cut.pcap"), "{line}");
    assert!(!output.stdout.is_empty(), "what could be read was shown");
}

#[test]
fn a_url_that_cannot_be_fetched_is_named() {
    let line = complaint(&["get", "gopher://10.77.0.1/"]);
    assert!(line.contains("gopher"), "{line}");
    let line = complaint(&["get", "http://"]);
    assert!(line.contains("http://"), "{line}");
}

#[test]
fn nothing_is_left_behind_by_a_run() {
    let before = devices();
    let bench = Bench::new();
    let _ = bench.sh("true").stdout();
    assert_eq!(devices(), before);
    // The stack and its namespace's holder ended with the run: nobody has the scratch folder's capture open.
    let capture = bench.capture();
    let open = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_dir(entry.ok()?.path().join("fd")).ok())
        .flatten()
        .filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok())
        .filter(|target| *target == capture)
        .count();
    assert_eq!(open, 0);
}
