//! What a client would rather have.
//!
//! Job: read `Accept`, `Accept-Language` and `Accept-Encoding`, and choose among what there is. Owns: nothing.
//! Does not know: what is chosen for. Sources: RFC 9110 sections 12.4.2 (weights), 12.5.1, 12.5.3, 12.5.4; RFC 4647 3.4.

/// A weight in thousandths: 1000 is "certainly", 0 "not at all".
pub type Weight = u16;

/// The members of such a list with their parameters (without the weight) and weights, in order. A member whose weight
/// is none is left out: what it would mean is anybody's guess.
pub fn members(list: &str) -> impl Iterator<Item = (&str, Weight)> {
    list.split(',').filter_map(|member| {
        let member = member.trim_matches([' ', '\t']);
        let mut weight = Some(1000);
        let mut end = member.len();
        let mut at = 0;
        for part in member.split(';') {
            let text = part.trim_matches([' ', '\t']);
            if at > 0
                && let Some(value) = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="))
            {
                weight = self::weight(value);
                end = end.min(at - 1);
                break;
            }
            at += part.len() + 1;
        }
        let name = member.get(..end)?.trim_matches([' ', '\t']);
        (!name.is_empty()).then_some((name, weight?))
    })
}

fn weight(text: &str) -> Option<Weight> {
    let (whole, rest) = text.split_at_checked(1)?;
    let digits = match rest.strip_prefix('.') {
        Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => digits,
        None if rest.is_empty() => "",
        Some(_) | None => return None,
    };
    let fraction: u16 = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// The best of `offered` (in our order of preference) for an `Accept-Encoding`; `None` is `identity`, sent as it is.
#[must_use]
pub fn coding<'a>(header: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    // Without the field anything goes; nothing is what surely can be read (RFC 9110 section 12.5.3).
    let header = header?;
    let weigh = |name: &str| {
        let named = members(header).filter(|(member, _)| member.eq_ignore_ascii_case(name));
        named
            .map(|(_, weight)| weight)
            .last()
            .or_else(|| members(header).find(|(m, _)| *m == "*").map(|(_, w)| w))
    };
    let mut best: Option<(&str, Weight)> = None;
    for name in offered {
        let weight = weigh(name).unwrap_or(0);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((name, weight));
        }
    }
    let identity = members(header)
        .find(|(member, _)| member.eq_ignore_ascii_case("identity"))
        .map_or(0, |(_, weight)| weight);
    best.filter(|(_, weight)| *weight >= identity)
        .map(|(name, _)| name)
}

/// Which of `offered` media types (in our order of preference) an `Accept` likes best; `None`: none of them (406).
#[must_use]
pub fn media_type<'a>(header: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let Some(header) = header.filter(|header| !header.trim().is_empty()) else {
        return offered.first().copied();
    };
    let weigh = |offer: &str| {
        members(header)
            .filter_map(|(range, weight)| Some((specificity(range, offer)?, weight)))
            .max_by_key(|(specificity, _)| *specificity)
            .map_or(0, |(_, weight)| weight)
    };
    first_best(offered, weigh)
}

/// How closely a range names a type: the most specific range counts (RFC 9110 section 12.5.1).
fn specificity(range: &str, offer: &str) -> Option<u8> {
    let base = |text: &str| {
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let (wanted, given) = (base(range), base(offer));
    if wanted == "*/*" {
        return Some(0);
    }
    if let Some(kind) = wanted.strip_suffix("/*") {
        return given.split('/').next().filter(|of| *of == kind).map(|_| 1);
    }
    if wanted != given {
        return None;
    }
    let parameters = |text: &str| {
        let mut all: Vec<String> = text
            .split(';')
            .skip(1)
            .map(|p| p.trim().to_ascii_lowercase())
            .collect();
        all.sort();
        all
    };
    match parameters(range) {
        none if none.is_empty() => Some(2),
        some if some == parameters(offer) => Some(3),
        _ => None,
    }
}

/// Which of `offered` languages an `Accept-Language` likes best, by lookup (RFC 4647 section 3.4): a range is
/// shortened from its end until something fits. Without a match: the first, for any page is better than none.
#[must_use]
pub fn language<'a>(header: Option<&str>, offered: &[&'a str]) -> Option<&'a str> {
    let first = offered.first().copied();
    let Some(header) = header else { return first };
    let weigh = |offer: &str| {
        members(header)
            .filter_map(|(range, weight)| Some((fit(range, offer)?, weight)))
            .max_by_key(|(closeness, _)| *closeness)
            .map_or(0, |(_, weight)| weight)
    };
    first_best(offered, weigh).or(first)
}

/// How much of `range` is left when it fits `offer`.
fn fit(range: &str, offer: &str) -> Option<usize> {
    if range == "*" {
        return Some(0);
    }
    let mut range = range;
    loop {
        if range.eq_ignore_ascii_case(offer) {
            return Some(range.len());
        }
        let (shorter, _) = range.rsplit_once('-')?;
        // A single letter introduces what follows it, and goes with it.
        range = shorter
            .rsplit_once('-')
            .filter(|(_, last)| last.len() == 1)
            .map_or(shorter, |(rest, _)| rest);
    }
}

fn first_best<'a>(offered: &[&'a str], weigh: impl Fn(&str) -> Weight) -> Option<&'a str> {
    let mut best: Option<(&str, Weight)> = None;
    for offer in offered {
        let weight = weigh(offer);
        if weight > best.map_or(0, |(_, weight)| weight) {
            best = Some((offer, weight));
        }
    }
    best.map(|(offer, _)| offer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_grammar_and_no_others() {
        let ok = [
            ("1", 1000),
            ("1.", 1000),
            ("1.000", 1000),
            ("0", 0),
            ("0.5", 500),
            ("0.123", 123),
        ];
        for (text, want) in ok {
            assert_eq!(weight(text), Some(want), "{text}");
        }
        for text in [
            "", "2", "1.001", "0.1234", "-0.5", "0,5", ".5", "0.5x", "00",
        ] {
            assert_eq!(weight(text), None, "{text}");
        }
    }

    #[test]
    fn codings_are_chosen_by_weight_then_by_our_order() {
        let ours = ["zstd", "br", "gzip"];
        let rows = [
            (None, None),
            (Some(""), None),
            (Some("gzip"), Some("gzip")),
            (Some("GZIP"), Some("gzip")),
            (Some("gzip, br"), Some("br")),
            (Some("gzip;q=0.8, br;q=0.2"), Some("gzip")),
            (Some("*"), Some("zstd")),
            (Some("zstd;q=0, *;q=0.1"), Some("br")),
            (Some("gzip;q=0"), None),
            (Some("identity, gzip;q=0.5"), None),
            (Some("identity;q=0, gzip;q=0.001"), Some("gzip")),
            (Some("gzip;q=high"), None),
            (Some("compress, snappy"), None),
        ];
        for (header, want) in rows {
            assert_eq!(coding(header, &ours), want, "{header:?}");
        }
    }

    /// The example of RFC 9110 section 12.5.1, and its table.
    #[test]
    fn most_specific_range_gives_a_type_its_weight() {
        let header = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5";
        let best = |offered: &[&'static str]| media_type(Some(header), offered);
        assert_eq!(
            best(&["text/plain", "text/plain;format=flowed"]),
            Some("text/plain;format=flowed")
        );
        assert_eq!(best(&["text/html", "image/jpeg"]), Some("image/jpeg"));
        assert_eq!(
            best(&["text/plain;format=fixed", "text/plain"]),
            Some("text/plain")
        );
        assert_eq!(media_type(Some("text/html"), &["image/png"]), None);
        assert_eq!(media_type(None, &["a/b", "c/d"]), Some("a/b"));
    }

    #[test]
    fn language_ranges_are_shortened_until_they_fit() {
        let ours = ["en", "de", "zh-Hant"];
        let rows = [
            ("de-CH, en;q=0.5", "de"),
            ("zh-Hant-CN-x-private1", "zh-Hant"),
            ("fr, *;q=0.1", "en"),
            ("fr", "en"),
            ("en;q=0.1, de;q=0.2", "de"),
        ];
        for (header, want) in rows {
            assert_eq!(language(Some(header), &ours), Some(want), "{header}");
        }
    }
}
