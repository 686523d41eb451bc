//! Suites that others wrote, too heavy for every run.
//!
//! Job: install a suite from its registry into a folder of its own, run it beside our stack in a private network, repeat
//! its verdict. Owns: the list of suites with their versions. Does not know: what a suite tests.
//! The lighter programs are in `tests/tests/interop` and run with every `make test`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::report::{Error, Finding};
use crate::workspace::Workspace;

/// Which suites to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these; all of them if none is named.
    names: Vec<String>,
    /// Print the suites and stop.
    #[arg(long)]
    list: bool,
}

/// A suite. Its script runs by `sh -euc` in its folder, with the programs of its packages first on the path, `$STACK`
/// as our address, `$OUTCROP` as our program, `$SUITES` as the folder of what reads its results, and `$BUILT` as that of
/// our examples.
struct Suite {
    name: &'static str,
    about: &'static str,
    /// Packages of PyPI.
    packages: &'static [&'static str],
    /// What `outcrop run` serves; a suite for which it serves nothing starts it itself.
    serving: &'static [&'static str],
    /// An example of a crate of ours that it runs beside: crate, name.
    example: Option<(&'static str, &'static str)>,
    /// Before, where there is a network.
    fetch: &'static str,
    script: &'static str,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "kosoku",
        about: "Autobahn's 301 cases of WebSocket without compression",
        packages: &["kosoku==0.1.0"],
        serving: &["--example", "todo"],
        example: None,
        fetch: "",
        script: "kosoku -m fuzzingclient -x '12.*' -x '13.*' -o reports ws://$STACK/api/echo | tee said; grep -qx '301 cases passed' said",
    },
    Suite {
        name: "gunicorn",
        about: "gunicorn's corpus of requests",
        packages: &[],
        serving: &["--root", "root"],
        example: None,
        fetch: "test -d gunicorn-27.0.1 || { pip download -q --no-deps --no-binary gunicorn gunicorn==27.0.1; tar xzf gunicorn-27.0.1.tar.gz; }",
        script: "python $SUITES/gunicorn.py gunicorn-27.0.1/tests/requests $STACK",
    },
    Suite {
        name: "redbot-files",
        about: "REDbot's lint of files: validators, ranges, dates, caching",
        packages: &["redbot==2.7.1"],
        serving: &["--root", "root"],
        example: None,
        fetch: "",
        script: "for page in text.txt script.js; do redbot -o har http://$STACK/$page > $page.har; done; python $SUITES/redbot.py *.har",
    },
    Suite {
        name: "redbot-app",
        about: "REDbot's lint of the example application: negotiation, Vary, security",
        packages: &["redbot==2.7.1"],
        serving: &["--example", "todo"],
        example: None,
        fetch: "",
        script: "for page in '' app.js api/todos api/todos/1 nowhere; do redbot -o har http://$STACK/$page > x$(echo $page | tr / -).har; done; python $SUITES/redbot.py x*.har",
    },
    Suite {
        name: "implementation6",
        about: "thc-ipv6's questions to an IPv6 host, with our reasons",
        packages: &[],
        serving: &[],
        example: None,
        fetch: "command -v atk6-implementation6 >/dev/null || { echo 'install thc-ipv6'; exit 1; }",
        script: "python $SUITES/thc6.py implementation6 $SUITES/implementation6.table",
    },
    Suite {
        name: "fragmentation6",
        about: "thc-ipv6's fragments, with our reasons",
        packages: &[],
        serving: &[],
        example: None,
        fetch: "command -v atk6-fragmentation6 >/dev/null || { echo 'install thc-ipv6'; exit 1; }",
        script: "python $SUITES/thc6.py fragmentation6 $SUITES/fragmentation6.table",
    },
    Suite {
        name: "sslyze",
        about: "sslyze, against Mozilla's intermediate configuration",
        packages: &["sslyze==6.3.1"],
        serving: &["--tls", "--root", "root"],
        example: None,
        fetch: "",
        script: "sslyze --mozilla_config=intermediate --certinfo_ca_file=$SSL_CERT_FILE $STACK:443 | tee said; grep -q 'OK - Compliant' said",
    },
    Suite {
        name: "cache",
        about: "http-cache-tests, 334 cases, against our cache in a gateway",
        packages: &[],
        serving: &[],
        example: Some(("outcrop-web", "relay")),
        fetch: CACHE_FETCH,
        script: CACHE,
    },
];

/// The suite of npm, with the one library that it needs there; the server, the gateway and the client beside each other.
const CACHE_FETCH: &str = "test -d package/node_modules || {
    npm pack --silent http-cache-tests@0.4.5; tar xzf http-cache-tests-0.4.5.tgz
    npm install --silent --no-save --no-package-lock --ignore-scripts --prefix library node-fetch@2.7.0; cp -r library/node_modules package/; }";
const CACHE: &str = "export npm_config_protocol=http npm_config_port=8000 npm_config_pidfile=$PWD/pid npm_package_config_id=
    cd package; node --no-warnings server/server.mjs > ../server & server=$!
    $BUILT/relay 127.0.0.1:8002 http://127.0.0.1:8000 > ../relay 2>&1 & relay=$!
    trap 'kill $server $relay' EXIT
    for port in 8000 8002; do until nc -z 127.0.0.1 $port; do sleep 0.1; done; done
    npm_config_base=http://127.0.0.1:8002 node --no-warnings cli.mjs > ../results
    node $SUITES/cache.mjs $PWD ../results";

/// Runs the suites chosen; a finding for each that failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Vec<Finding>, Error> {
    if options.list {
        for suite in SUITES {
            println!("{:14} {}", suite.name, suite.about);
        }
        return Ok(Vec::new());
    }
    let known = |name: &String| SUITES.iter().any(|suite| suite.name == name);
    if let Some(odd) = options.names.iter().find(|name| !known(name)) {
        let what = "is not a suite; see cargo xtask interop --list";
        return Ok(vec![Finding::new(odd.as_str(), what)]);
    }
    let mut findings = Vec::new();
    let chosen = |suite: &&Suite| {
        options.names.is_empty() || options.names.iter().any(|name| name == suite.name)
    };
    for suite in SUITES.iter().filter(chosen) {
        println!("\n== {} : {}", suite.name, suite.about);
        let started = std::time::Instant::now();
        let passed = play(workspace, suite)?;
        let word = if passed { "ok" } else { "FAILED" };
        println!(
            "{} {word}, {:.1} s",
            suite.name,
            started.elapsed().as_secs_f64()
        );
        if !passed {
            findings.push(Finding::new(suite.name, "failed"));
        }
    }
    Ok(findings)
}

/// Installs, builds, runs.
fn play(workspace: &Workspace, suite: &Suite) -> Result<bool, Error> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.root.join("target"), PathBuf::from);
    let folder = target.join("interop").join(suite.name);
    std::fs::create_dir_all(folder.join("root")).map_err(Error::io(&folder))?;
    let text: String = (1..2000).map(|n| format!("line {n}\n")).collect();
    for name in ["text.txt", "script.js"] {
        let path = folder.join("root").join(name);
        std::fs::write(&path, &text).map_err(Error::io(&path))?;
    }
    let install = format!(
        "test -d venv || python3 -m venv venv; export PATH=$PWD/venv/bin:$PATH
         if [ -n \"$*\" ]; then pip install -q --disable-pip-version-check \"$@\"; fi\n{}",
        suite.fetch
    );
    let mut made = Command::new("sh");
    made.args(["-euc", &install, "sh"])
        .args(suite.packages)
        .current_dir(&folder);
    let mut built = Command::new("cargo");
    built
        .args(["build", "--quiet", "--package", "outcrop"])
        .current_dir(&workspace.root);
    let mut beside = suite.example.map(|(package, example)| {
        let mut command = Command::new("cargo");
        command
            .args(["build", "--quiet", "--package", package])
            .args(["--example", example])
            .current_dir(&workspace.root);
        command
    });
    for command in [&mut made, &mut built].into_iter().chain(&mut beside) {
        if !done(command)? {
            return Ok(false);
        }
    }
    let mut path = OsString::from(folder.join("venv/bin"));
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let outcrop = target.join("debug/outcrop");
    let mut words: Vec<OsString> = Vec::new();
    if !suite.serving.is_empty() {
        words.extend([outcrop.clone().into(), "run".into()]);
        words.extend(suite.serving.iter().map(OsString::from));
        words.push("--".into());
    }
    words.extend(["sh", "-euc", suite.script].map(OsString::from));
    let mut suite_run = Command::new("env");
    suite_run
        .args(words)
        .env("PATH", path)
        .env("OUTCROP", outcrop)
        .env("STACK", "10.77.0.2")
        .env("BUILT", target.join("debug/examples"))
        .env("SUITES", workspace.root.join("tests/suites"))
        .current_dir(&folder);
    done(&mut suite_run)
}

fn done(command: &mut Command) -> Result<bool, Error> {
    let program = PathBuf::from(command.get_program());
    let status = command.status().map_err(Error::io(&program))?;
    Ok(status.success())
}
