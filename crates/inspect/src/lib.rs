//! Captures made readable: dissection, print, ladder.
