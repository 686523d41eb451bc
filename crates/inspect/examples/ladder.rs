//! A made-up connection with everything that can go wrong in it, recorded and drawn as a ladder.
//!
//! `cargo run -p outcrop-inspect --example ladder` draws the story below;
//! with a file as argument it draws that, and with `print` before the file it prints it.
#![expect(clippy::unwrap_used, reason = "an example")]

#[path = "../tests/story/mod.rs"]
mod story;

use std::io::{IsTerminal, stdout};

use outcrop_capture::Reader;
use outcrop_inspect::{ColorChoice, LadderOptions, PrintOptions, ladder, print};

fn main() {
    let no_color = std::env::var("NO_COLOR").ok();
    let paint = ColorChoice::Auto.resolve(stdout().is_terminal(), no_color.as_deref());
    let options = LadderOptions {
        paint,
        ..LadderOptions::default()
    };
    let mut arguments = std::env::args().skip(1);
    let result = match (arguments.next(), arguments.next()) {
        (None, _) => ladder(
            &mut Reader::new(&story::told()[..]).unwrap(),
            options,
            &mut stdout(),
        ),
        (Some(word), Some(path)) if word == "print" => {
            let annotate = true;
            let options = PrintOptions { annotate, paint };
            print(&mut Reader::open(path).unwrap(), options, &mut stdout())
        }
        (Some(path), _) => ladder(&mut Reader::open(path).unwrap(), options, &mut stdout()),
    };
    if let Err(error) = result {
        eprintln!("{error}");
    }
}
