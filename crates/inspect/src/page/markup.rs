//! Text that is safe inside a page.
//!
//! Job: append markup, with whatever comes out of a file escaped. Owns: the escaping. Does not know: the views.
//! Source: WHATWG HTML 13.1 (what text and quoted attributes may hold).

use core::fmt::{self, Display, Write};

/// A page that grows.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Appends markup of our own.
    pub(super) fn put(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _infallible = self.0.write_fmt(text);
    }

    /// The whole page.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Appends markup as `format!` writes it; what a file said goes in as [`Text`].
macro_rules! put {
    ($out:expr, $($piece:tt)*) => { $out.put(format_args!($($piece)*)) };
}
pub(super) use put;

/// Text or the value of a quoted attribute, whoever wrote it.
pub(super) struct Text<T>(pub(super) T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                c if c.is_control() || turns(c) => self.0.write_char('·')?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Whether a character changes the direction of what follows, and so makes text read as what it is not.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_stays_text() {
        let hostile = "<script a='1' b=\"2\">&\u{202e}\n";
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;script a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;··"
        );
    }
}
