//! `outcrop export`.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use outcrop_capture::{ExportError, Reader, export_pcap};

use super::show::open;
use crate::cli;
use crate::failure::Failure;
use crate::sink::unfinished;

/// Writes a capture as classic pcap. The file appears when it is complete, or not at all.
pub(crate) fn run(options: &cli::Export) -> Result<u8, Failure> {
    let mut reader = open(&options.file)?;
    let partial = unfinished(&options.into);
    let count = write(&mut reader, &partial, options);
    if count.is_err() {
        // It may not even have been made; what matters is the error we have.
        let _gone = fs::remove_file(&partial);
    }
    let count = count?;
    fs::rename(&partial, &options.into)
        .map_err(|error| Failure::file("export", &options.into, &error))?;
    println!("{count} packets in {}", options.into.display());
    Ok(0)
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
