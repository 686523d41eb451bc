//! Where the server's time goes.
//!
//! Job: put the load of a scenario on a server that stays, have `perf` look at it a thousand times a second, and say which share is
//! the kernel's, which each crate's, and which functions have most. Owns: the sorting of what `perf` saw. Does not
//! know: what the figures mean. A function that the compiler has put into another is counted with that other, of whichever
//! crate that is.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::contender::Contender;
use crate::figures::{OURS, Table};
use crate::plan::Plan;
use crate::scenario::{self, Scenario};
use crate::{Outcome, bars, network, process};

/// How often it looks, in a second; not a round number, so as not to beat with anything.
const HERTZ: &str = "997";
/// Functions that are named.
const NAMED: usize = 10;
/// A share below this is not worth a row.
const LEAST: f64 = 0.005;
/// What `perf` may take to begin, and to say what it saw; and how often somebody looks whether it has begun.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// Where they go, from the documentation.
pub(crate) const FOLDER: &str = "bench/profiles";

/// Which, and where to.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Profile {
    /// The scenarios, by name; if none is given, those of the bars that the last run has missed.
    scenarios: Vec<String>,
    /// Whose: outcrop, or in another way, such as "outcrop, spinning".
    #[arg(long, default_value = OURS)]
    who: String,
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// The program `outcrop`; the one beside this program if none is given.
    #[arg(long)]
    outcrop: Option<PathBuf>,
    /// Where results and scratch files are.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// The documentation.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// The name of the file of one.
pub(crate) fn file(scenario: &str, who: &str) -> String {
    let way = who.split_once(", ").map_or("", |(_, way)| way);
    let mut name = String::new();
    for letter in format!("{scenario} {way}").trim().chars() {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            'A'..='Z' => name.push(letter.to_ascii_lowercase()),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    format!("{name}.md")
}

impl Profile {
    pub(crate) fn run(&self) -> Outcome<()> {
        if Command::new("perf").arg("--version").output().is_err() {
            println!("perf is not installed (Debian: linux-perf): nothing is looked into");
            return Ok(());
        }
        let wanted = self.wanted()?;
        if wanted.is_empty() {
            println!("no bar was missed: nothing to look into");
            return Ok(());
        }
        if !network::is_inside() {
            return network::enter(&[]);
        }
        network::only_inside()?;
        network::end_with_the_outside();
        let folder = self.docs.join(FOLDER);
        fs::create_dir_all(&folder)?;
        if self.scenarios.is_empty() {
            // What an earlier run has missed is no longer of interest.
            forget(&folder)?;
        }
        let root = scenario::files(&self.out)?;
        let plan = Plan::of(self.seconds, self.outcrop.clone(), self.out.clone());
        let (contenders, _) = Contender::all(&plan, &root)?;
        for (name, who) in wanted {
            let scenario =
                Scenario::named(&name).ok_or_else(|| format!("{name}: no such scenario"))?;
            let contender = contenders.iter().find(|contender| contender.name == who);
            let contender = contender.ok_or_else(|| format!("{who}: no such contender"))?;
            scenario.warm(&self.out)?;
            match self.look(contender, scenario) {
                Ok(seen) => {
                    let path = folder.join(file(&name, &who));
                    fs::write(&path, seen.table(&name, &who))?;
                    println!("written: {}", path.display());
                }
                Err(error) => eprintln!("{name}, {who}: {error}"),
            }
        }
        Ok(())
    }

    /// Scenarios, and who in them.
    fn wanted(&self) -> Outcome<Vec<(String, String)>> {
        if !self.scenarios.is_empty() {
            let all = self.scenarios.iter();
            return Ok(all.map(|name| (name.clone(), self.who.clone())).collect());
        }
        let table = Table::read(&self.out.join("results.json"))?;
        let mut wanted: Vec<(String, String)> = bars::missed(&table);
        wanted.dedup();
        Ok(wanted)
    }

    /// Has `perf` look while the load is on.
    fn look(&self, contender: &Contender, scenario: &Scenario) -> Outcome<Seen> {
        let stays = contender.stays(scenario.work, self.seconds)?;
        let (server, asked) = stays.ok_or("it cannot be looked into")?;
        let data = self.out.join("perf.data");
        let _none = fs::remove_file(&data);
        let watcher = Watcher::start(server.0.id(), &data)?;
        let loaded = asked.of(&server);
        watcher.end()?;
        loaded?;
        let mut script = Command::new("perf");
        script.args(["script", "--fields", "ip,sym,dso", "--input"]);
        let output = process::output(script.arg(&data), LIMIT)?;
        let _gone = fs::remove_file(&data);
        let seen = Seen::of(&String::from_utf8_lossy(&output.stdout));
        if seen.all == 0 {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("perf saw nothing: {}", said.trim()).into());
        }
        Ok(seen)
    }
}

/// Removes the profiles that there are.
fn forget(folder: &Path) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "md") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// `perf record`, until it is told to end.
struct Watcher(Child);

impl Watcher {
    fn start(process: u32, data: &Path) -> Outcome<Self> {
        let mut perf = Command::new("perf");
        perf.args(["record", "--quiet", "-e", "cpu-clock", "-F", HERTZ]);
        perf.args(["--pid", &process.to_string(), "--output"]);
        let child = perf
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let (watcher, began) = (Self(child), Instant::now());
        while !data.exists() && began.elapsed() < LIMIT {
            thread::sleep(LOOK);
        }
        // It has its file, and looks a moment later.
        thread::sleep(LOOK);
        Ok(watcher)
    }

    fn end(mut self) -> Outcome<()> {
        kill_process(Pid::from_child(&self.0), Signal::INT)?;
        self.0.wait()?;
        Ok(())
    }
}

/// What was seen: how often, in which part, and in which function.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    all: u64,
    parts: BTreeMap<String, u64>,
    functions: BTreeMap<(String, String), u64>,
}

impl Seen {
    /// Of lines such as ` 55d0c0ffee outcrop_tcp::endpoint::Endpoint::flush (/path/outcrop)`.
    fn of(script: &str) -> Self {
        let mut seen = Self::default();
        for line in script.lines() {
            let Some((_, rest)) = line.trim().split_once(' ') else {
                continue;
            };
            let Some((symbol, object)) = rest.trim().rsplit_once(" (") else {
                continue;
            };
            let object = object.trim_end_matches(')');
            let (part, symbol) = (part(symbol, object), shown(symbol));
            seen.all += 1;
            *seen.parts.entry(part.clone()).or_default() += 1;
            *seen.functions.entry((part, symbol)).or_default() += 1;
        }
        seen
    }

    /// As a page of its own.
    fn table(&self, scenario: &str, who: &str) -> String {
        let mut text = format!(
            "`{scenario}`, {who}: {} samples of the server's processor time.\n\n| share | whose |\n|---|---|\n",
            self.all
        );
        for (part, count) in most(&self.parts) {
            if self.share(count) >= LEAST {
                push(
                    &mut text,
                    format_args!("| {:.1} % | {part} |\n", self.share(count) * 100.0),
                );
            }
        }
        text.push_str("\n| share | whose | function |\n|---|---|---|\n");
        for ((part, function), count) in most(&self.functions).into_iter().take(NAMED) {
            push(
                &mut text,
                format_args!(
                    "| {:.1} % | {part} | `{function}` |\n",
                    self.share(count) * 100.0
                ),
            );
        }
        text
    }

    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    const fn share(&self, count: u64) -> f64 {
        count as f64 / self.all as f64
    }
}

/// The most frequent first; in the order of their names where they are equal.
fn most<K: Ord>(counts: &BTreeMap<K, u64>) -> Vec<(&K, u64)> {
    let mut all: Vec<_> = counts.iter().map(|(key, count)| (key, *count)).collect();
    all.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    all
}

/// Whose a function is: the kernel's, a library's, or a crate's.
fn part(symbol: &str, object: &str) -> String {
    if object.starts_with('[') {
        return "the kernel".to_owned();
    }
    let file = object.rsplit('/').next().unwrap_or(object);
    if file.contains(".so") {
        return "the C library".to_owned();
    }
    // `<outcrop_tcp::X as core::Y>::z`, `<&mut outcrop_tcp::X>::z` or `outcrop_tcp::x`: the first word is a crate, or, of a trait's
    // method on somebody else's type, the type's.
    let first = symbol.split("::").next().unwrap_or_default();
    let name = first
        .rsplit(['<', ' ', '&', '(', '*'])
        .next()
        .unwrap_or(first);
    match name {
        "core" | "alloc" | "std" => "Rust's library".to_owned(),
        _ if !symbol.contains("::") => format!("{file}: symbols of no crate"),
        _ => name.replace('_', "-"),
    }
}

/// A symbol without its hash and without what would break a table.
fn shown(symbol: &str) -> String {
    let (name, hash) = symbol.rsplit_once("::").unwrap_or((symbol, ""));
    let hashed = hash.len() == 17 && hash.starts_with('h');
    let name = if hashed { name } else { symbol };
    name.replace('|', "/")
}

fn push(text: &mut String, more: core::fmt::Arguments<'_>) {
    // A string always takes what it is given.
    let _never = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_of_its_crate() {
        let ours = "/work/target/release/outcrop";
        for (symbol, object, whose) in [
            ("outcrop_tcp::endpoint::Endpoint::poll", ours, "outcrop-tcp"),
            (
                "<outcrop_http::h1::Head as core::fmt::Debug>::fmt",
                ours,
                "outcrop-http",
            ),
            ("<&mut httparse::Bytes>::next", ours, "httparse"),
            (
                "core::ptr::drop_in_place<outcrop_tcp::X>",
                ours,
                "Rust's library",
            ),
            ("main", ours, "outcrop: symbols of no crate"),
            ("tun_chr_write_iter", "[kernel.kallsyms]", "the kernel"),
            (
                "__memmove_avx",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "the C library",
            ),
        ] {
            assert_eq!(part(symbol, object), whose, "{symbol}");
        }
    }

    #[test]
    fn what_perf_prints_becomes_shares() {
        let script = " ffffffff81 tun_get_user ([kernel.kallsyms])\n\
                      \n 55d0 outcrop_tcp::a::b::h0123456789abcdef (/x/outcrop)\n \
                      55d1 outcrop_tcp::a::b::h0123456789abcdef (/x/outcrop)\n 7f00 [unknown] ([vdso])\n";
        let seen = Seen::of(script);
        assert_eq!(seen.all, 4);
        let table = seen.table("small, 16", OURS);
        assert!(
            table.contains("| 50.0 % | outcrop-tcp |\n| 50.0 % | the kernel |"),
            "{table}"
        );
        assert!(
            table.contains("| 50.0 % | outcrop-tcp | `outcrop_tcp::a::b` |"),
            "{table}"
        );
    }

    #[test]
    fn a_file_is_named_by_what_it_is_of() {
        assert_eq!(file("small, 16", OURS), "small-16.md");
        assert_eq!(file("bulk in", "outcrop, plain"), "bulk-in-plain.md");
        assert_eq!(file("small, 10,000/s", OURS), "small-10-000-s.md");
    }
}
