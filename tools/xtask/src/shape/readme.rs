//! A crate's README.
//!
//! Job: the same seven headings everywhere, in the same order, none of them empty. Owns: the headings.

/// What every crate answers.
const HEADINGS: &[&str] = &[
    "The problem",
    "The picture",
    "Five words",
    "The API in 20 lines",
    "Run it alone",
    "Read in this order",
    "What is left out and why",
];

/// What is wrong with a README, one line each.
pub(crate) fn check(text: &str) -> Vec<String> {
    let sections = sections(text);
    let mut wrong = Vec::new();
    let mut last = 0;
    for heading in HEADINGS {
        match sections.iter().position(|(title, _)| title == heading) {
            None => wrong.push(format!("lacks the heading `## {heading}`")),
            Some(at) if at < last => wrong.push(format!("`## {heading}` stands out of order")),
            Some(at) => {
                last = at;
                if sections.get(at).is_some_and(|(_, lines)| *lines == 0) {
                    wrong.push(format!("says nothing under `## {heading}`"));
                }
            }
        }
    }
    wrong
}

/// Every heading of level two, and how many lines with text stand under it.
fn sections(text: &str) -> Vec<(String, usize)> {
    let mut sections: Vec<(String, usize)> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        match line.strip_prefix("## ") {
            Some(title) if !fenced => sections.push((title.trim().to_owned(), 0)),
            _ => {
                if let Some((_, lines)) = sections.last_mut() {
                    *lines += usize::from(!line.trim().is_empty());
                }
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headings: &[&str]) -> String {
        headings
            .iter()
            .map(|heading| format!("## {heading}\n\ntext\n\n"))
            .collect()
    }

    #[test]
    fn seven_headings_in_order_pass() {
        assert!(check(&with(HEADINGS)).is_empty());
    }

    #[test]
    fn a_missing_an_empty_and_a_misplaced_heading_are_found() {
        assert!(check(&with(&HEADINGS[1..]))[0].contains("lacks the heading `## The problem`"));
        assert!(
            check(&format!("## The problem\n{}", with(&HEADINGS[1..])))[0].contains("says nothing")
        );
        let mut swapped = HEADINGS.to_vec();
        swapped.swap(0, 1);
        assert!(check(&with(&swapped))[0].contains("out of order"));
    }
}
