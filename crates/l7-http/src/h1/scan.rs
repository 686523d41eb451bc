//! Where a head, or a trailer section, ends.
//!
//! Job: find the empty line, refuse what must not come before it. Owns: how far it looked, so that no
//! byte is looked at twice however the bytes arrive. Does not know: methods, names, values.
//! Every refusal depends on a prefix of the stream alone, in stream order: that, and nothing else,
//! makes the outcome independent of how the bytes were cut.
//! Sources: RFC 9112 sections 2.1, 2.2, 5.2.

use super::config::Limits;
use super::grammar::find;
use super::reject::Reject;

/// What ends up being scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// A start line, then fields.
    Head,
    /// Fields only.
    Trailers,
}

/// What the scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// More bytes are needed.
    More,
    /// The start line is complete: so many bytes without its line end. Look at it, then scan on.
    StartLine(usize),
    /// The section is complete: so many bytes with the empty line.
    End(usize),
}

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Scan {
    /// Bytes looked at.
    at: usize,
    /// Where the current line began.
    line: usize,
    /// Lines complete.
    lines: usize,
}

impl Scan {
    /// Whether nothing was looked at yet.
    pub(super) const fn is_new(&self) -> bool {
        self.at == 0
    }

    /// Looks at the bytes of `view` not seen before.
    pub(super) fn advance(
        &mut self,
        view: &[u8],
        section: Section,
        limits: &Limits,
    ) -> Result<Found, Reject> {
        loop {
            let in_start_line = section == Section::Head && self.lines == 0;
            let (bound, too_long) = if in_start_line {
                (limits.start_line, Reject::TargetTooLong)
            } else {
                (limits.head, Reject::FieldsTooLarge)
            };
            if !in_start_line && matches!(view.get(self.line), Some(b' ' | b'\t')) {
                return Err(Reject::ObsFold);
            }
            let seen = view.get(..bound.min(view.len())).unwrap_or(view);
            let new = seen.get(self.at..).unwrap_or_default();
            let Some(lf) = find(b'\n', new).map(|offset| self.at + offset) else {
                self.at = self.at.max(seen.len());
                return if view.len() >= bound {
                    Err(too_long)
                } else {
                    Ok(Found::More)
                };
            };
            let line = seen.get(self.line..lf).unwrap_or_default();
            let Some((b'\r', text)) = line.split_last() else {
                return Err(Reject::BareLf);
            };
            self.at = lf + 1;
            self.line = lf + 1;
            self.lines += 1;
            if in_start_line {
                return Ok(Found::StartLine(text.len()));
            }
            if text.is_empty() {
                return Ok(Found::End(lf + 1));
            }
            let fields = self.lines - usize::from(section == Section::Head);
            if fields > limits.fields {
                return Err(Reject::FieldsTooLarge);
            }
        }
    }
}
