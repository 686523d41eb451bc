//! How the program says that it cannot.
//!
//! Job: one line on standard error, `outcrop: what: where: what to do`, and an exit status. Owns: that shape.
//! Does not know: what was tried.

use core::fmt;
use std::io;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What to say of an error with a file; anything else is said as the system says it.
const ADVICE: &[(io::ErrorKind, &str)] = &[
    (io::ErrorKind::NotFound, "does not exist"),
    (io::ErrorKind::PermissionDenied, "no permission"),
    (io::ErrorKind::IsADirectory, "is a folder; name a file"),
    (io::ErrorKind::NotADirectory, "is not in a folder"),
    (io::ErrorKind::StorageFull, "the disk is full"),
    (io::ErrorKind::AlreadyExists, "exists already"),
];

/// Why the program ends without having done what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something went wrong while working: exit status 1. `what: where: what to do`, or as much of it as helps.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: one_line(&text.into()),
            code: 1,
        }
    }

    /// What was asked cannot be meant: exit status 2, as clap has it.
    pub(crate) fn asked(text: impl Into<String>) -> Self {
        Self {
            text: one_line(&text.into()),
            code: 2,
        }
    }

    /// A file that could not be used, with the advice that fits the error.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        let known = ADVICE.iter().find(|(kind, _)| *kind == error.kind());
        let advice = known.map_or_else(|| error.to_string(), |(_, advice)| (*advice).to_owned());
        Self::new(format!("{what}: {}: {advice}", path.display()))
    }

    /// A program that could not be started.
    pub(crate) fn program(name: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::new(format!("{name}: no such program: is it installed?"));
        }
        Self::new(format!("{name}: cannot be run: {error}"))
    }

    /// What clap objects to, in one line.
    pub(crate) fn usage(error: &clap::Error) -> Self {
        let context = |kind| error.get(kind).map(text_of);
        let argument = context(ContextKind::InvalidArg)
            .map(|arg| arg.split(' ').next().unwrap_or_default().to_owned());
        let value = context(ContextKind::InvalidValue);
        let source = core::error::Error::source(error).map(ToString::to_string);
        let text = match (error.kind(), argument, value, source) {
            (ErrorKind::ValueValidation, Some(argument), Some(value), Some(source)) => {
                format!("{argument}: '{value}': {source}")
            }
            (
                ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                ..,
            ) => "no command: see outcrop --help".to_owned(),
            _ => {
                let rendered = error.render().to_string();
                let first = rendered.split("\n\n").next().unwrap_or_default();
                let hint = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand]
                    .into_iter()
                    .find_map(context)
                    .map_or_else(
                        || "see outcrop --help".to_owned(),
                        |hint| format!("did you mean {hint}?"),
                    );
                format!(
                    "{}: {hint}",
                    first.trim_start_matches("error: ").trim_end_matches(':')
                )
            }
        };
        Self::asked(text)
    }

    /// The exit status.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

fn text_of(value: &ContextValue) -> String {
    value.to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "outcrop: {}", self.text)
    }
}
