//! Colour, or not.
//!
//! Job: the few styles of the terminal views, and the rule when to use them.
//! Owns: which meaning has which colour. Does not know: the environment; the program asks it and tells us.
//! Sources: no-color.org.

use core::fmt::{Display, Write};

use anstyle::{AnsiColor, Style};

/// What a user may ask for: `--color=auto|always|never`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Colour on a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Decides, given whether the output is a terminal and the value of `NO_COLOR`
    /// (which counts if it is not empty).
    #[must_use]
    pub fn resolve(self, is_terminal: bool, no_color: Option<&str>) -> Paint {
        let colored = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && no_color.is_none_or(str::is_empty),
        };
        if colored { Paint::Color } else { Paint::Plain }
    }
}

/// Whether to write colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Text only.
    #[default]
    Plain,
    /// With ANSI colours.
    Color,
}

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// As it is.
    None,
    /// Present, but not to be looked at first.
    Faint,
    /// A heading.
    Heading,
    /// A packet towards us.
    In,
    /// A packet from us.
    Out,
    /// A packet sent again.
    Again,
    /// A reset, a drop, a loss.
    Bad,
    /// A state.
    State,
    /// A reason.
    Why,
    /// What the application says.
    Application,
}

impl Ink {
    const fn style(self) -> Style {
        const fn color(color: AnsiColor) -> Style {
            color.on_default()
        }
        match self {
            Self::None => Style::new(),
            Self::Faint => Style::new().dimmed(),
            Self::Heading => Style::new().bold(),
            Self::In => color(AnsiColor::Cyan),
            Self::Out => color(AnsiColor::Green),
            Self::Again => color(AnsiColor::Yellow).bold(),
            Self::Bad => color(AnsiColor::Red).bold(),
            Self::State => color(AnsiColor::Magenta).bold(),
            Self::Why => color(AnsiColor::Yellow),
            Self::Application => color(AnsiColor::Blue).bold(),
        }
    }
}

impl Paint {
    /// Appends text in a colour. Text out of a file cannot move the cursor or break the line.
    pub(crate) fn put(self, out: &mut String, ink: Ink, text: &dyn Display) {
        let style = ink.style();
        let colored = self == Self::Color && !style.is_plain();
        // Writing to a String cannot fail.
        if colored {
            let _infallible = write!(out, "{style}");
        }
        let _infallible = write!(Tame(out), "{text}");
        if colored {
            let _infallible = write!(out, "{style:#}");
        }
    }
}

/// Passes text through with control characters made visible.
struct Tame<'a>(&'a mut String);

impl Write for Tame<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let tame = |c: char| if c.is_control() { '·' } else { c };
        self.0.extend(text.chars().map(tame));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_counts_only_if_it_says_something_and_nobody_insists() {
        let auto = ColorChoice::Auto;
        assert_eq!(auto.resolve(true, None), Paint::Color);
        assert_eq!(auto.resolve(true, Some("")), Paint::Color);
        assert_eq!(auto.resolve(true, Some("1")), Paint::Plain);
        assert_eq!(auto.resolve(false, None), Paint::Plain);
        assert_eq!(ColorChoice::Always.resolve(false, Some("1")), Paint::Color);
        assert_eq!(ColorChoice::Never.resolve(true, None), Paint::Plain);
    }

    #[test]
    fn text_of_a_file_cannot_steer_the_terminal() {
        let mut out = String::new();
        Paint::Plain.put(&mut out, Ink::Bad, &"\x1b[2J\r\n");
        assert_eq!(out, "·[2J··");
    }
}
