//! Files that lie beside a file, compressed before: `page.html.br` beside `page.html`.
//!
//! Job: which of them a client would rather have. Owns: their endings. Does not know: what is in them.
//! One that is older than its file is not taken: somebody forgot it. Sources: RFC 9110 sections 8.4.1, 12.5.3.

use super::open::{Found, Opened, Root};

/// Coding and ending, the one that saves most first.
const CODINGS: [(&str, &str); 3] = [("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")];

/// The weight of one coding in `Accept-Encoding`, in thousandths; `None` if it does not stand there.
fn weight(list: &str, coding: &str) -> Option<u16> {
    let mut members = list.split(',').map(|member| {
        let mut parts = member.split(';').map(str::trim);
        (parts.next().unwrap_or_default(), parts.next())
    });
    let (_, parameter) = members.find(|(name, _)| name.eq_ignore_ascii_case(coding))?;
    let Some(parameter) = parameter else {
        return Some(1000);
    };
    // What is no weight is no wish.
    let digits = parameter
        .strip_prefix("q=")
        .or_else(|| parameter.strip_prefix("Q="));
    let weight = digits.and_then(|digits| digits.parse::<f32>().ok());
    let weight = weight
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0);
    // At most three digits are allowed: whole thousandths.
    (0..=1000_u16).find(|thousandths| f32::from(*thousandths) >= weight * 1000.0 - 0.5)
}

/// The codings the client would take, best first.
fn wanted(list: &str) -> Vec<(&'static str, &'static str)> {
    let any = weight(list, "*");
    let plain = weight(list, "identity").unwrap_or(0);
    let of = |coding: &str| weight(list, coding).or(any).unwrap_or(0);
    let mut wanted: Vec<_> = (CODINGS.into_iter())
        .filter(|(coding, _)| of(coding) > 0 && of(coding) >= plain)
        .collect();
    // Stable: among equals ours decides.
    wanted.sort_by_key(|(coding, _)| core::cmp::Reverse(of(coding)));
    wanted
}

/// The best sibling of the file at `path` for a client that said `accepts`, and its coding.
pub(super) fn best(root: &Root, path: &str, accepts: &str) -> Option<(&'static str, Opened)> {
    if path.ends_with('/') {
        return best(root, &format!("{path}index.html"), accepts);
    }
    let wanted = wanted(accepts);
    if wanted.is_empty() {
        return None;
    }
    let Ok(Found::File(file)) = root.find(path) else {
        return None;
    };
    wanted.into_iter().find_map(|(coding, ending)| {
        let Ok(Found::File(mut sibling)) = root.find(&format!("{path}{ending}")) else {
            return None;
        };
        let current = sibling.modified >= file.modified;
        sibling.media_type.clone_from(&file.media_type);
        current.then_some((coding, sibling))
    })
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn codings_are_ordered_by_weight_then_by_what_they_save() {
        let rows: [(&str, &[&str]); 10] = [
            ("gzip, deflate, br, zstd", &["br", "zstd", "gzip"]),
            ("gzip;q=1.0, br;q=0.5", &["gzip", "br"]),
            ("gzip;q=0, *", &["br", "zstd"]),
            ("*;q=0.1, gzip", &["gzip", "br", "zstd"]),
            ("identity, br;q=0.5", &[]),
            ("identity;q=0.5, BR", &["br"]),
            ("gzip;q=2", &[]),
            ("gzip;x=1", &[]),
            ("br;q=0.001", &["br"]),
            ("", &[]),
        ];
        for (list, want) in rows {
            let names: Vec<_> = wanted(list).into_iter().map(|(coding, _)| coding).collect();
            assert_eq!(names, want, "{list}");
        }
    }
}
