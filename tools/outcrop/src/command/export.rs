//! `outcrop export`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use outcrop_capture::export_pcap;
use outcrop_inspect::{choose, conversation_index, har, qlog, xplot};

use super::show::open;
use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::sink::unfinished;

/// Writes a capture in another format. The file appears when it is complete, or not at all.
pub(crate) fn run(options: &cli::Export) -> Result<u8, Failure> {
    let format = match options.to {
        Some(format) => format,
        None => by_name(&options.into)?,
    };
    let partial = unfinished(&options.into);
    let told = write(options, format, &partial);
    if told.is_err() {
        // It may not even have been made; what matters is the error we have.
        let _gone = fs::remove_file(&partial);
    }
    let told = told?;
    fs::rename(&partial, &options.into)
        .map_err(|error| Failure::file("export", &options.into, &error))?;
    println!("{told} in {}", options.into.display());
    Ok(0)
}

fn by_name(into: &Path) -> Result<Format, Failure> {
    let name = into.extension().unwrap_or_default().to_string_lossy();
    match &*name.to_ascii_lowercase() {
        "pcap" | "cap" => Ok(Format::Pcap),
        "har" => Ok(Format::Har),
        "xpl" => Ok(Format::Xplot),
        "sqlog" | "qlog" => Ok(Format::Qlog),
        _ => Err(Failure::new(format!(
            "export: {}: cannot tell the format by the name; end it in .pcap, .har, .xpl or .sqlog, or say --to FORMAT",
            into.display()
        ))),
    }
}

/// Writes `into`; what it holds, in words.
fn write(options: &cli::Export, format: Format, into: &Path) -> Result<String, Failure> {
    let mut reader = open(&options.file)?;
    let failed = |error: &dyn core::fmt::Display| {
        Failure::new(format!("{}: {error}", options.file.display()))
    };
    let chosen = match format {
        Format::Pcap | Format::Har => None,
        Format::Xplot | Format::Qlog => {
            let wanted = options.conversation.as_deref().map(|name| {
                conversation_index(name).ok_or_else(|| {
                    Failure::new(format!(
                        "--conversation {name}: is none; `outcrop ladder` shows their letters"
                    ))
                })
            });
            let chosen = choose(&mut open(&options.file)?, wanted.transpose()?);
            Some(chosen.map_err(|error| failed(&error))?)
        }
    };
    let file =
        File::create(into).map_err(|error| Failure::file("export", &options.into, &error))?;
    let mut file = BufWriter::new(file);
    let told = match (format, chosen) {
        (Format::Har, _) => har(&mut reader, &mut file).map(|count| format!("{count} exchanges")),
        (Format::Xplot, Some(chosen)) => {
            xplot(&mut reader, chosen, &mut file).map(|count| format!("{count} segments"))
        }
        (Format::Qlog, Some(chosen)) => {
            qlog(&mut reader, chosen, &mut file).map(|count| format!("{count} events"))
        }
        (Format::Pcap | Format::Xplot | Format::Qlog, _) => {
            let count = export_pcap(&mut reader, &mut file).map_err(|error| failed(&error))?;
            return flushed(file, options, format!("{count} packets"));
        }
    };
    flushed(file, options, told.map_err(|error| failed(&error))?)
}

fn flushed(
    mut file: BufWriter<File>,
    options: &cli::Export,
    told: String,
) -> Result<String, Failure> {
    file.flush()
        .map_err(|error| Failure::file("export", &options.into, &error))?;
    Ok(told)
}
