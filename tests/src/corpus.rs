//! The requests of `fixtures/http`, for readers other than ours.
//!
//! Job: read the file. Owns: nothing. Does not know: who is asked.

/// A request, and what the RFC makes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `accept N` or `refuse STATUS`.
    pub verdict: String,
    /// Where that is written.
    pub section: String,
    /// What it is about.
    pub name: String,
    /// What is sent.
    pub bytes: Vec<u8>,
}

/// All of them.
///
/// # Panics
/// If the file is not as its writer writes it.
#[must_use]
pub fn requests() -> Vec<Case> {
    let text = include_str!("../../fixtures/http/requests.tsv");
    let case = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        let mut part = || {
            parts
                .next()
                .unwrap_or_else(|| panic!("four columns: {line}"))
        };
        Case {
            verdict: part(),
            section: part(),
            name: part(),
            bytes: unescape(&part()),
        }
    };
    text.lines().map(case).collect()
}

/// Undoes the backslashes of a line.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let next = |rest: &mut core::str::Bytes<'_>| rest.next().unwrap_or(b'?');
        bytes.push(match byte {
            b'\\' => match next(&mut rest) {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let digits = [next(&mut rest), next(&mut rest)];
                    let digits = core::str::from_utf8(&digits).unwrap_or("?");
                    u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{text}"))
                }
                other => other,
            },
            plain => plain,
        });
    }
    bytes
}
