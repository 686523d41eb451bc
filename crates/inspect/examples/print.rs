//! Prints a capture: `cargo run -p outcrop-inspect --example print -- FILE`.
use outcrop_capture::Reader;
use outcrop_inspect::{PrintOptions, Printer};
fn main() {
    let mut p = Printer::new(PrintOptions {
        annotate: false,
        ..Default::default()
    });
    let mut out = String::new();
    for r in Reader::open(std::env::args().nth(1).unwrap()).unwrap() {
        p.record(&r.unwrap(), &mut out);
    }
    print!("{out}");
}
