use clap::CommandFactory as _;

use super::*;
use crate::failure::Failure;

fn parse(line: &str) -> Result<Cli, String> {
    Cli::try_parse_from(line.split_whitespace()).map_err(|error| Failure::usage(&error).to_string())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_the_addresses_the_help_names() {
    let cli = parse("outcrop serve").unwrap();
    let Command::Serve(serve) = cli.command else {
        panic!("{cli:?}")
    };
    assert_eq!(serve.net.addr.to_string(), "10.77.0.2/24");
    assert_eq!(serve.net.addr6.to_string(), "fd77::2/64");
    assert_eq!((serve.serving.port, serve.net.mtu), (80, 1500));
}

#[test]
fn the_command_to_run_keeps_its_own_options() {
    let cli = parse("outcrop run --port 8080 -- curl -v --port 9 http://10.77.0.2/").unwrap();
    let Command::Run(run) = cli.command else {
        panic!("{cli:?}")
    };
    assert_eq!(run.serving.port, 8080);
    assert_eq!(
        run.command,
        ["curl", "-v", "--port", "9", "http://10.77.0.2/"]
    );
}

#[test]
fn each_slip_is_one_line_that_says_what_to_do() {
    for (line, said) in [
        ("outcrop serve --addr nonsense", "--addr: 'nonsense'"),
        (
            "outcrop serve --addr 10.77.0.2/40",
            "--addr: '10.77.0.2/40'",
        ),
        ("outcrop serve --addr 224.0.0.1/24", "no host may have"),
        ("outcrop serve --addr 10.77.0.0/24", "names the network"),
        (
            "outcrop serve --addr6 10.0.0.1/24",
            "must be an IPv6 address",
        ),
        ("outcrop serve --port 70000", "--port: '70000'"),
        ("outcrop serve --port 0", "--port: '0'"),
        ("outcrop serve --port", "--port"),
        ("outcrop serve --mtu 100", "1280..=65535"),
        ("outcrop serve --dev name-that-is-too-long", "at most 15"),
        ("outcrop serve --dve x", "--dve"),
        ("outcrop get ftp://10.77.0.1/", "only http:// and https://"),
        ("outcrop get http://10.77.0.1:99999/", "port"),
        ("outcrop run", "COMMAND"),
        ("outcrop fetch x", "fetch"),
        ("outcrop ping --interval -1 10.77.0.1", "--interval"),
    ] {
        let text = parse(line).expect_err(line);
        assert!(text.starts_with("outcrop: "), "{line}: {text}");
        assert!(text.contains(said), "{line}: {text}");
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
    }
}
