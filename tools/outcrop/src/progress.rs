//! How far a long job has got, on standard error.
//!
//! Job: one look for all bars, and a file that moves one while it is read. Owns: the look. Does not know: what is done
//! with the bytes. Where standard error is no terminal, nothing is shown.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};

use indicatif::{ProgressBar, ProgressStyle};

/// A file shorter than this is read before a bar is seen.
const SHOWN_FROM: u64 = 16 << 20;

/// A bar for bytes; `length` if it is known.
pub(crate) fn bar(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {bytes} {bytes_per_sec}",
        ),
    };
    // A template that does not parse would only cost the bar its looks.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

/// A file, or standard input, that shows how much of it has been read.
pub(crate) struct Tracked {
    source: Box<dyn Read>,
    bar: ProgressBar,
}

impl Tracked {
    /// Shows a bar if the file is long, unless what is made of it scrolls over the same terminal.
    pub(crate) fn new(file: File) -> Self {
        let length = file.metadata().map_or(0, |about| about.len());
        let shown = length >= SHOWN_FROM && !io::stdout().is_terminal();
        let bar = if shown {
            bar(Some(length))
        } else {
            ProgressBar::hidden()
        };
        Self {
            source: Box::new(file),
            bar,
        }
    }

    /// Standard input, which is no file and has no length.
    pub(crate) fn standard_input() -> Self {
        Self {
            source: Box::new(io::stdin()),
            bar: ProgressBar::hidden(),
        }
    }
}

impl Read for Tracked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.bar.inc(u64::try_from(count).unwrap_or(0));
        if count == 0 {
            self.bar.finish_and_clear();
        }
        Ok(count)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
