//! How much memory a stack uses while it is attacked.
//!
//! Job: ask for it inside a script, and judge what was said. Owns: how much may be left behind. Does not know: attacks.

/// How much memory an attack may leave behind, kilobytes. Reassembly may hold 4 MiB, a queue of embryos 1 MiB.
const GROWTH_KB: u64 = 16 * 1024;

/// A shell function for scripts of `outcrop run`: prints the memory of the stack, whose command the shell is.
pub const MEMORY: &str = r#"memory() { sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/memory \1/p" /proc/$PPID/status; }
"#;

/// The numbers behind `word` on lines of their own.
///
/// # Panics
/// If it is not a number.
#[must_use]
pub fn numbers(text: &str, word: &str) -> Vec<u64> {
    let behind = text.lines().filter_map(|line| line.strip_prefix(word));
    behind
        .map(|number| number.trim().parse().unwrap())
        .collect()
}

/// Asserts that memory did not grow much from the first time it was asked for to any later one.
///
/// # Panics
/// If it did.
pub fn assert_bounded(text: &str) {
    let memory = numbers(text, "memory ");
    let first = *memory.first().unwrap();
    let most = memory.iter().max().unwrap();
    assert!(
        memory.len() > 1 && most - first < GROWTH_KB,
        "kB: {memory:?}\n{text}"
    );
    println!("memory: {first} kB before, {most} kB at most");
}
