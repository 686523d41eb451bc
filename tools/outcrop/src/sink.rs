//! Where a fetched body goes.
//!
//! Job: write it to standard output or to a file that appears only when it is complete, and show how far it is.
//! Owns: the unfinished file, the progress bar. Does not know: where the body comes from.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::progress::bar;

/// An open destination.
pub(crate) struct Sink {
    out: Box<dyn Write>,
    /// The file to be, and its name until then.
    file: Option<(PathBuf, PathBuf)>,
    progress: ProgressBar,
    bytes: u64,
}

impl Sink {
    /// Standard output, or `path`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        // A device or a pipe is written to: a file put in its place would be its end.
        let is_special = |path: &Path| fs::metadata(path).is_ok_and(|about| !about.is_file());
        let (out, file): (Box<dyn Write>, _) = match path {
            None => (Box::new(io::stdout().lock()), None),
            Some(path) if is_special(path) => {
                let file = File::options().write(true).open(path);
                let file = file.map_err(|error| Failure::file("--output", path, &error))?;
                (Box::new(BufWriter::new(file)), None)
            }
            Some(path) => {
                let unfinished = unfinished(path);
                let file = File::create(&unfinished)
                    .map_err(|error| Failure::file("--output", path, &error))?;
                (
                    Box::new(BufWriter::new(file)),
                    Some((path.to_owned(), unfinished)),
                )
            }
        };
        Ok(Self {
            out,
            file,
            progress: ProgressBar::hidden(),
            bytes: 0,
        })
    }

    /// `path`, whose first bytes are there already: what is written follows byte `at`. It stays what it is if the rest
    /// does not come.
    pub(crate) fn resume(path: &Path, at: u64) -> Result<Self, Failure> {
        let open = || {
            let mut file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)?;
            file.set_len(at)?;
            io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
            Ok(file)
        };
        let file: File = open().map_err(|error| Failure::file("--output", path, &error))?;
        Ok(Self {
            out: Box::new(BufWriter::new(file)),
            file: None,
            progress: ProgressBar::hidden(),
            bytes: 0,
        })
    }

    /// Shows progress on standard error, if that is a terminal; `length` if it is known.
    pub(crate) fn show_progress(&mut self, length: Option<u64>) {
        self.progress = bar(length);
    }

    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        self.progress.set_position(self.bytes);
        Ok(())
    }

    /// Completes it; how many bytes it holds.
    pub(crate) fn finish(mut self) -> Result<u64, Failure> {
        self.progress.finish_and_clear();
        self.out
            .flush()
            .map_err(|error| Failure::new(format!("writing the body: {error}")))?;
        if let Some((path, unfinished)) = self.file.take() {
            fs::rename(&unfinished, &path)
                .map_err(|error| Failure::file("--output", &path, &error))?;
        }
        Ok(self.bytes)
    }
}

impl Drop for Sink {
    /// A body that did not come to its end leaves no file.
    fn drop(&mut self) {
        self.progress.finish_and_clear();
        if let Some((_, unfinished)) = self.file.take() {
            let _gone = fs::remove_file(unfinished);
        }
    }
}

/// The name of a file that is still being written.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let reading = path.clone();
        let reader = std::thread::spawn(move || fs::read(reading).unwrap());
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write(b"through").unwrap();
        assert_eq!(sink.finish().unwrap(), 7);
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_body_appears_when_it_is_complete_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("body");
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write(b"half").unwrap();
        drop(sink);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut sink = Sink::open(Some(&path)).unwrap();
        sink.write(b"whole").unwrap();
        assert_eq!(sink.finish().unwrap(), 5);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
