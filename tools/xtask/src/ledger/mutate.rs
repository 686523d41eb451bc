//! Whether the ledgers' tests notice.
//!
//! Job: break, one at a time, the lines that rows name as carrying them out, and demand that a test the row
//! names fails. Owns: which rows, in which order, and the table at the end. Does not know: how a test is found
//! or run (`bench`), where the broken copy lives (`tree`).
//! A row whose tests pass on broken code promises what nobody holds it to.

mod bench;
mod record;
mod tree;

use core::str::FromStr;
use core::time::Duration;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Break, Ledger, Status};
use crate::report::{Error, Finding};
use crate::workspace::Workspace;
use bench::{Bench, Fate};
use record::Record;
use tree::Tree;

/// How many breaks to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Every one.
    All,
    /// Every one that was never killed in this target folder.
    New,
    /// So many, chosen by chance.
    Some(usize),
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "new" => Ok(Self::New),
            number => number
                .parse()
                .map(Self::Some)
                .map_err(|_| format!("`{number}` is neither a number nor `all` nor `new`")),
        }
    }
}

/// Which part of a long run: `2/4` is the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    part: usize,
    of: usize,
}

impl Shard {
    /// Whether the break at this place of the list belongs to it.
    const fn holds(self, index: usize) -> bool {
        index % self.of == self.part - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        });
        numbers.ok_or_else(|| format!("`{text}` is not of the kind `2/4`"))
    }
}

/// What to break.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many.
    pub(crate) count: Count,
    /// Decides which; `None` takes the time of day, and prints it.
    pub(crate) seed: Option<u64>,
    /// Only rows with these ids, or of these documents; empty means all.
    pub(crate) rows: Vec<String>,
    /// Only this part of them.
    pub(crate) shard: Option<Shard>,
    /// Leave out what was killed before on the very same sources.
    pub(crate) resume: bool,
    /// Begin no further one after this long.
    pub(crate) limit: Option<Duration>,
}

/// One break of one row.
#[derive(Clone, Copy, Hash)]
struct Mutant<'a> {
    document: &'a str,
    id: &'a str,
    tests: &'a [String],
    change: &'a Break,
}

impl Mutant<'_> {
    /// Whether `row` names it: `MUST-14`, `RFC 9293`, both, or `rfc9293`, `rfc9293:MUST-14`.
    fn is(&self, row: &str) -> bool {
        let file = self.document.to_lowercase().replace(' ', "");
        row == self.id
            || row == self.document
            || row == file
            || row == self.name()
            || row == format!("{file}:{}", self.id)
    }

    fn name(&self) -> String {
        format!("{} {}", self.document, self.id)
    }
}

/// Breaks what was chosen; a finding for each that no test noticed, or that could not be tried.
pub(crate) fn run(
    workspace: &Workspace,
    ledgers: &[(String, Ledger)],
    options: &Options,
) -> Result<Vec<Finding>, Error> {
    let begin = Instant::now();
    let place = workspace.target.join("mutate");
    let tree = Tree::refresh(&workspace.root, &place)?;
    let mut record = Record::open(&place, tree.digest)?;
    let chosen = choose(ledgers, options, &record);
    if chosen.is_empty() {
        let nothing = Finding::new("--rows", "names no row with a break");
        return Ok(if mutants(ledgers, options).is_empty() {
            vec![nothing]
        } else {
            Vec::new()
        });
    }
    let bench = Bench::new(workspace, &tree)?;
    let findings = bench.sound(chosen.iter().flat_map(|mutant| mutant.tests), &mut record)?;
    if !findings.is_empty() {
        return Ok(findings);
    }
    println!(
        "unbroken, all of their tests pass ({:.0} s)",
        begin.elapsed().as_secs_f64()
    );
    break_each(&tree, &bench, &mut record, &chosen, options.limit)
}

fn break_each(
    tree: &Tree,
    bench: &Bench<'_>,
    record: &mut Record,
    chosen: &[Mutant<'_>],
    limit: Option<Duration>,
) -> Result<Vec<Finding>, Error> {
    // What was built before is not this run's doing: only what follows has a limit.
    let begin = Instant::now();
    let (mut killed, mut tried) = (0, 0);
    let mut findings = Vec::new();
    for mutant in chosen {
        if limit.is_some_and(|limit| begin.elapsed() > limit) {
            println!("{} left out for lack of time", chosen.len() - tried);
            break;
        }
        let started = Instant::now();
        let fate = match tree.apply(mutant.change)? {
            Some(_broken) => bench.fate(mutant.tests)?,
            None => Fate::Unbuilt("the place is not there".to_owned()),
        };
        tried += 1;
        if fate.is_killed() {
            killed += 1;
            record.killed(mutant)?;
        }
        println!("{}", line(mutant, &fate, started.elapsed()));
        findings.extend(complaint(mutant, &fate));
    }
    println!(
        "{tried} breaks, {killed} killed, {} survived",
        tried - killed
    );
    Ok(findings)
}

fn choose<'a>(
    ledgers: &'a [(String, Ledger)],
    options: &Options,
    record: &Record,
) -> Vec<Mutant<'a>> {
    let mut all = mutants(ledgers, options);
    let known = all.len();
    match options.count {
        Count::All => {}
        Count::New => all.retain(|mutant| !record.was_killed(mutant)),
        Count::Some(count) => {
            let seed = options.seed.or_else(commit).unwrap_or_else(time_of_day);
            shuffle(&mut all, seed);
            all.truncate(count);
            println!("--seed {seed}");
        }
    }
    if options.resume {
        all.retain(|mutant| !record.was_killed_here(mutant));
    }
    // Neighbours share what has to be built: the place that is mended and the next that is broken.
    all.sort_by_key(|mutant| &mutant.change.file);
    if let Some(shard) = options.shard {
        let mut index = 0..;
        all.retain(|_| index.next().is_some_and(|index| shard.holds(index)));
    }
    println!("{} of {known} breaks", all.len());
    all
}

/// Every break of every row that claims anything and was asked for.
fn mutants<'a>(ledgers: &'a [(String, Ledger)], options: &Options) -> Vec<Mutant<'a>> {
    let mut found = Vec::new();
    for (_, ledger) in ledgers {
        for row in &ledger.requirements {
            if !matches!(row.status, Status::Done | Status::Partial) {
                continue;
            }
            found.extend(row.breaks.iter().map(|change| Mutant {
                document: &ledger.document,
                id: &row.id,
                tests: &row.tests,
                change,
            }));
        }
    }
    let rows = &options.rows;
    found.retain(|mutant| rows.is_empty() || rows.iter().any(|row| mutant.is(row)));
    found
}

fn line(mutant: &Mutant<'_>, fate: &Fate, took: Duration) -> String {
    let (word, rest) = match fate {
        Fate::Killed(by) => ("killed", format!("by {by}")),
        Fate::Survived => ("SURVIVED", mutant.change.to_string()),
        Fate::Unbuilt(why) => ("UNBUILT", format!("{}: {why}", mutant.change)),
    };
    let seconds = took.as_secs_f64();
    format!("{word:8} {seconds:>6.1} s  {:18} {rest}", mutant.name())
}

fn complaint(mutant: &Mutant<'_>, fate: &Fate) -> Option<Finding> {
    let what = match fate {
        Fate::Killed(_) => return None,
        Fate::Survived => "no test it names notices",
        Fate::Unbuilt(_) => "cannot be broken like this",
    };
    Some(Finding::new(
        mutant.name(),
        format!("{what}: {}", mutant.change),
    ))
}

/// The commit's own: whoever judges it breaks the same rows, and the next one others.
fn commit() -> Option<u64> {
    let said = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .output()
        .ok()?;
    let hash = String::from_utf8(said.stdout).ok()?;
    u64::from_str_radix(hash.get(..16)?, 16).ok()
}

fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Fisher and Yates, over SplitMix64: which rows are broken depends on the seed alone.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let bound = u64::try_from(last + 1).unwrap_or(u64::MAX);
        let pick = usize::try_from(word % bound).unwrap_or(last);
        items.swap(last, pick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"
document = "RFC 1"
[expect]
MUST = 2
[[requirement]]
id = "MUST-1"
level = "MUST"
section = "1"
text = "t"
status = "done"
tests = ["a::b"]
breaks = [{ file = "f.rs", find = "x", replace = "y" }, { file = "f.rs", find = "z", replace = "y" }]
[[requirement]]
id = "MUST-2"
level = "MUST"
section = "1"
text = "t"
status = "open"
breaks = [{ file = "f.rs", find = "x", replace = "y" }]
"#;

    fn ledgers() -> Vec<(String, Ledger)> {
        vec![("l.toml".to_owned(), toml::from_str(ROWS).unwrap())]
    }

    fn options(count: Count, rows: &[&str]) -> Options {
        Options {
            count,
            seed: Some(1),
            rows: rows.iter().map(|id| (*id).to_owned()).collect(),
            shard: None,
            resume: false,
            limit: None,
        }
    }

    fn chosen(options: &Options) -> usize {
        choose(&ledgers(), options, &Record::default()).len()
    }

    #[test]
    fn rows_that_claim_something_are_broken_once_for_each_break() {
        assert_eq!(chosen(&options(Count::All, &[])), 2);
        assert_eq!(chosen(&options(Count::Some(1), &[])), 1);
        let none = chosen(&options(Count::All, &["MUST-2"]));
        assert_eq!(none, 0, "an open row claims nothing");
        for row in ["MUST-1", "RFC 1", "RFC 1 MUST-1", "rfc1", "rfc1:MUST-1"] {
            assert_eq!(chosen(&options(Count::All, &[row])), 2);
        }
    }

    #[test]
    fn killed_once_it_is_not_new_and_on_the_same_sources_not_tried_again() {
        let (ledgers, dir) = (ledgers(), tempfile::tempdir().unwrap());
        let every = mutants(&ledgers, &options(Count::All, &[]));
        let mut record = Record::open(dir.path(), 1).unwrap();
        record.killed(&every[0]).unwrap();
        let left = |digest, options: &Options| {
            let record = Record::open(dir.path(), digest).unwrap();
            choose(&ledgers, options, &record).len()
        };
        assert_eq!(left(2, &options(Count::New, &[])), 1);
        assert_eq!(left(2, &options(Count::All, &[])), 2);
        let resume = Options {
            resume: true,
            ..options(Count::All, &[])
        };
        assert_eq!((left(1, &resume), left(2, &resume)), (1, 2));
    }

    #[test]
    fn shards_make_up_the_whole() {
        let part = |text: &str| Options {
            shard: Some(text.parse().unwrap()),
            ..options(Count::All, &[])
        };
        assert_eq!((chosen(&part("1/2")), chosen(&part("2/2"))), (1, 1));
        assert_eq!((chosen(&part("1/3")), chosen(&part("3/3"))), (1, 0));
        for wrong in ["0/2", "3/2", "1", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
    }

    #[test]
    fn a_count_is_a_number_or_all() {
        assert_eq!("12".parse(), Ok(Count::Some(12)));
        assert_eq!("all".parse(), Ok(Count::All));
        assert_eq!("new".parse(), Ok(Count::New));
        assert!("few".parse::<Count>().is_err());
    }
}
