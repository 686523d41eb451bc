//! Pictures of a run.
//!
//! Job: bars with their extremes, and lines over a logarithmic axis, as SVG. Owns: the drawing. Does not know: what the
//! figures mean. The same figures give the same bytes; colours follow what the reader prefers, light or dark.

use core::fmt::Write as _;

use crate::statistics::Spread;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 150.0;
const LENGTH: f64 = 470.0;
const ROW: f64 = 20.0;
const HEADING: f64 = 30.0;
/// The field of a line plot.
const TOP: f64 = 46.0;
const FIELD: f64 = 230.0;
const MARGIN: f64 = 64.0;
const ACROSS: f64 = 520.0;

/// One colour a series, ours first; the dark ones are lighter.
const STYLE: &str = "<style>text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2933}.t{font-weight:600;font-size:15px}\
.s{fill:#5b6773;font-size:12px}.a{stroke:#9aa5b1;stroke-width:1}.g{stroke:#d5dbe1;stroke-width:1}.w{stroke:#1f2933;stroke-width:1.5}\
.l{fill:none;stroke-width:2}.c0{fill:#b4531a;stroke:#b4531a}.c1{fill:#8595a6;stroke:#8595a6}.c2{fill:#2f6f9f;stroke:#2f6f9f}\
.c3{fill:#4d8a57;stroke:#4d8a57}.c4{fill:#7d5ba6;stroke:#7d5ba6}text.c0,text.c1,text.c2,text.c3,text.c4{stroke:none}.l.c0,.l.c1,.l.c2,.l.c3,.l.c4{fill:none}\
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.s{fill:#a9b4c0}.a{stroke:#6b7885}.g{stroke:#39434d}.w{stroke:#e4e7eb}\
.c0{fill:#e88a4f;stroke:#e88a4f}.c2{fill:#6cabd9;stroke:#6cabd9}.c3{fill:#86c28f;stroke:#86c28f}.c4{fill:#b79bdc;stroke:#b79bdc}}</style>\n";

/// One group of bars: a heading, and who reached what.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) heading: String,
    /// A name, its figures, how they are said, and whether it is ours.
    pub(crate) bars: Vec<(String, Spread, String, bool)>,
}

/// Groups of bars, each with a scale of its own; the thin line is from the least to the most.
pub(crate) fn bars(title: &str, note: &str, groups: &[Group]) -> String {
    let rows: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = TOP + count(groups.len()) * (HEADING + 6.0) + count(rows) * ROW + 12.0;
    let mut svg = begin(title, note, height);
    let mut y = TOP;
    for group in groups {
        y += HEADING;
        push(
            &mut svg,
            format_args!(
                "<text x=\"16\" y=\"{:.1}\" class=\"t\">{}</text>\n",
                y - 8.0,
                escape(&group.heading)
            ),
        );
        let most = group
            .bars
            .iter()
            .map(|(_, spread, ..)| spread.most)
            .fold(0.0, f64::max)
            .max(1e-9);
        for (name, spread, said, ours) in &group.bars {
            bar(
                &mut svg,
                y,
                (name, said, *ours),
                [spread.least, spread.median, spread.most].map(|figure| figure / most),
            );
            y += ROW;
        }
        y += 6.0;
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(
    svg: &mut String,
    y: f64,
    (name, said, ours): (&str, &str, bool),
    [least, median, most]: [f64; 3],
) {
    let class = if ours { "c0" } else { "c1" };
    let middle = y + 7.0;
    let at = |share: f64| LEFT + share * LENGTH;
    push(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"14\" rx=\"2\" class=\"{class}\"/>\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" class=\"w\"/><text x=\"{:.1}\" y=\"{:.1}\" class=\"s\">{}</text>\n",
            LEFT - 8.0,
            y + 11.5,
            escape(name),
            median * LENGTH,
            at(least),
            at(most),
            at(most) + 8.0,
            y + 11.5,
            escape(said),
        ),
    );
}

/// One line of a line plot.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Where on the axis, and what.
    pub(crate) points: Vec<(f64, Spread)>,
}

/// Lines over a logarithmic axis, from zero up; `ticks` are places on the axis and their names.
pub(crate) fn lines(title: &str, note: &str, ticks: &[(f64, &str)], series: &[Series]) -> String {
    let mut svg = begin(title, note, TOP + FIELD + 48.0);
    let places = || ticks.iter().map(|(place, _)| place.max(1.0).ln());
    let (first, last) = (
        places().fold(f64::MAX, f64::min),
        places().fold(f64::MIN, f64::max),
    );
    let x = |place: f64| MARGIN + ACROSS * (place.max(1.0).ln() - first) / (last - first).max(1e-9);
    let figures = series
        .iter()
        .flat_map(|line| &line.points)
        .map(|(_, spread)| spread.most);
    let (step, steps) = scale(figures.fold(0.0, f64::max));
    let y = |figure: f64| TOP + FIELD * (1.0 - figure / (step * f64::from(steps)));
    for number in 0..=steps {
        let figure = step * f64::from(number);
        let (class, at) = (if number == 0 { "a" } else { "g" }, y(figure));
        push(
            &mut svg,
            format_args!(
                "<path d=\"M{MARGIN:.1} {at:.1}h{ACROSS:.1}\" class=\"{class}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" class=\"s\">{}</text>\n",
                MARGIN - 8.0,
                at + 4.0,
                plain(figure),
            ),
        );
    }
    for (place, name) in ticks {
        let below = TOP + FIELD + 18.0;
        push(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{below:.1}\" text-anchor=\"middle\" class=\"s\">{}</text>\n",
                x(*place),
                escape(name)
            ),
        );
    }
    for (number, line) in series.iter().enumerate() {
        draw(&mut svg, number, line, (&x, &y));
    }
    svg.push_str("</svg>\n");
    svg
}

type Axis<'a> = &'a dyn Fn(f64) -> f64;

fn draw(svg: &mut String, number: usize, line: &Series, (x, y): (Axis<'_>, Axis<'_>)) {
    let class = format!("c{}", number.min(4));
    let mut path = String::new();
    for (place, spread) in &line.points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        push(
            &mut path,
            format_args!("{command}{:.1} {:.1}", x(*place), y(spread.median)),
        );
        push(
            svg,
            format_args!(
                "<path d=\"M{0:.1} {1:.1}V{2:.1}\" class=\"l {class}\"/><circle cx=\"{0:.1}\" cy=\"{3:.1}\" r=\"3.5\" class=\"{class}\"/>\n",
                x(*place),
                y(spread.least),
                y(spread.most),
                y(spread.median),
            ),
        );
    }
    let name = escape(&line.name);
    let at = TOP + 14.0 + 20.0 * count(number);
    push(
        svg,
        format_args!(
            "<path d=\"{path}\" class=\"l {class}\"/><text x=\"{:.1}\" y=\"{at:.1}\" class=\"{class}\">{name}</text>\n",
            MARGIN + ACROSS + 16.0,
        ),
    );
}

fn begin(title: &str, note: &str, height: f64) -> String {
    let (title, note) = (escape(title), escape(note));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n{STYLE}\
         <text x=\"16\" y=\"20\" class=\"t\">{title}</text><text x=\"16\" y=\"37\" class=\"s\">{note}</text>\n"
    )
}

/// A step of 1, 2 or 5 times a power of ten, and how many of them hold `most`: at most six.
fn scale(most: f64) -> (f64, u32) {
    let mut power = 1e-6;
    loop {
        for step in [1.0, 2.0, 5.0].map(|digit| digit * power) {
            if let Some(steps) = (1..=6).find(|&steps| f64::from(steps) * step >= most) {
                return (step, steps);
            }
        }
        power *= 10.0;
        if power > 1e18 {
            return (power, 1);
        }
    }
}

/// As many digits as it takes.
fn plain(figure: f64) -> String {
    let text = format!("{figure:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn push(text: &mut String, more: core::fmt::Arguments<'_>) {
    // A string always takes what it is given.
    let _never = text.write_fmt(more);
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
const fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(least: f64, median: f64, most: f64) -> Spread {
        Spread {
            least,
            median,
            most,
        }
    }

    #[test]
    fn a_scale_has_round_steps() {
        assert_eq!(scale(5.5), (1.0, 6));
        assert_eq!(scale(6.1), (2.0, 4));
        assert_eq!(scale(29.0), (5.0, 6));
        assert_eq!(plain(0.5), "0.5");
        assert_eq!(plain(20.0), "20");
    }

    #[test]
    fn the_longest_bar_is_the_one_that_reached_most() {
        let bars_of = [
            ("a", spread(50.0, 75.0, 100.0), true),
            ("b", spread(25.0, 25.0, 25.0), false),
        ];
        let group = Group {
            heading: "one < two".to_owned(),
            bars: bars_of
                .map(|(name, spread, ours)| (name.to_owned(), spread, String::new(), ours))
                .into(),
        };
        let svg = bars("title", "note", &[group]);
        // 470 is the whole length: 75 of 100 are 352.5, and the extremes are at 150 + 235 and 150 + 470.
        assert!(svg.contains("width=\"352.5\" height=\"14\" rx=\"2\" class=\"c0\""));
        assert!(svg.contains("M385.0 83.0H620.0"));
        assert!(svg.contains("width=\"117.5\" height=\"14\" rx=\"2\" class=\"c1\""));
        assert!(svg.contains("one &lt; two") && svg.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn ten_is_halfway_between_one_and_a_hundred() {
        let series = Series {
            name: "ours".to_owned(),
            points: vec![(10.0, spread(2.0, 2.0, 4.0))],
        };
        let svg = lines("title", "note", &[(1.0, "1"), (100.0, "100")], &[series]);
        // 64 + 520 / 2; 2 of 4 is half of 230 below 46.
        assert!(svg.contains("<circle cx=\"324.0\" cy=\"161.0\""));
        assert!(svg.contains("M324.0 161.0V46.0"));
    }
}
