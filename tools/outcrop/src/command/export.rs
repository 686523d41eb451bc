//! `outcrop export`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use outcrop_capture::{ExportError, Reader, export_pcap};

use crate::cli;
use crate::failure::Failure;

/// Writes a capture as classic pcap. The file appears when it is complete, or not at all.
pub(crate) fn run(options: &cli::Export) -> Result<u8, Failure> {
    let mut reader = open(&options.file)?;
    let unfinished = beside(&options.into);
    let count = write(&mut reader, &unfinished, options);
    if count.is_err() {
        // It may not even have been made; what matters is the error we have.
        let _gone = fs::remove_file(&unfinished);
    }
    let count = count?;
    fs::rename(&unfinished, &options.into)
        .map_err(|error| Failure::file("export", &options.into, &error))?;
    println!("{count} packets in {}", options.into.display());
    Ok(0)
}

/// Opens a capture of any kind, with its name in whatever is wrong with it.
pub(crate) fn open(path: &Path) -> Result<Reader<File>, Failure> {
    let file = File::open(path).map_err(|error| Failure::file("capture", path, &error))?;
    if path.is_dir() {
        return Err(Failure::new(format!(
            "capture: {}: is a folder; name a file",
            path.display()
        )));
    }
    Reader::new(file).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn write(reader: &mut Reader<File>, into: &Path, options: &cli::Export) -> Result<u64, Failure> {
    let file =
        File::create(into).map_err(|error| Failure::file("export", &options.into, &error))?;
    export_pcap(reader, BufWriter::new(file)).map_err(|error| {
        let blamed = match &error {
            ExportError::Write(_) => &options.into,
            ExportError::Read(_) | ExportError::SecondLink { .. } => &options.file,
        };
        Failure::new(format!("{}: {error}", blamed.display()))
    })
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    name.into()
}
