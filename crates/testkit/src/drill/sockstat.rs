//! What `sockstat` would show, and what a pipe of filters makes of it.
//!
//! Job: answer the shell lines by which FreeBSD's scripts look at the state of a socket. Owns: the filters. Does not
//! know: connections. A filter it does not know skips the script.
//! Source: the manuals of sockstat, grep and wc.

/// Whether the pipe succeeds; `None` if the line does not begin with `sockstat`.
pub(super) fn check(line: &str, table: &[String]) -> Option<Result<bool, String>> {
    let stages = stages(line);
    let mut stages = stages.iter().map(|stage| stage.trim());
    let first = stages.next()?;
    if first.split_whitespace().next()?.rsplit('/').next()? != "sockstat" {
        return None;
    }
    let mut lines =
        vec!["USER COMMAND PID FD PROTO LOCAL-ADDRESS FOREIGN-ADDRESS STATE".to_owned()];
    lines.extend(table.iter().cloned());
    let mut succeeds = true;
    for stage in stages {
        match filter(stage, &lines) {
            Ok((out, fine)) => (lines, succeeds) = (out, fine),
            Err(what) => return Some(Err(what)),
        }
    }
    Some(Ok(succeeds))
}

/// The commands between bars; a bar in quotes parts nothing.
fn stages(line: &str) -> Vec<String> {
    let mut stages = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter == '|' => {
                stages.push(String::new());
                continue;
            }
            Some(_) | None => {}
        }
        if let Some(stage) = stages.last_mut() {
            stage.push(letter);
        }
    }
    stages
}

fn filter(stage: &str, lines: &[String]) -> Result<(Vec<String>, bool), String> {
    let words = words(stage);
    let unknown = || format!("the filter `{stage}` is not there");
    match words.first().map(String::as_str) {
        Some("grep" | "egrep" | "fgrep") => grep(&words, lines).ok_or_else(unknown),
        Some("wc") if words.iter().any(|word| word == "-l") => {
            Ok((vec![lines.len().to_string()], true))
        }
        _ => Err(unknown()),
    }
}

/// The words of a command without its redirections; quotes hold one together.
fn words(stage: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for letter in stage.chars().chain([' ']) {
        match quote {
            Some(mark) if letter == mark => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(core::mem::take(&mut word));
                }
            }
            Some(_) | None => word.push(letter),
        }
    }
    let redirected = words.iter().position(|word| word.contains('>'));
    words.truncate(redirected.unwrap_or(words.len()));
    words
}

fn grep(words: &[String], lines: &[String]) -> Option<(Vec<String>, bool)> {
    let (flags, rest): (Vec<_>, Vec<_>) = words
        .iter()
        .skip(1)
        .partition(|word| word.starts_with('-') && word.len() > 1);
    let flags: String = flags
        .iter()
        .map(|word| word.trim_start_matches('-'))
        .collect();
    if !flags.chars().all(|flag| "cqvEFiwxes".contains(flag)) {
        return None;
    }
    let [pattern] = rest.as_slice() else {
        return None;
    };
    let has = |flag| flags.contains(flag);
    let fold = |text: &str| {
        if has('i') {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    };
    let pattern = fold(&pattern.replace("\\|", "|"));
    // Anything that would have to be understood as an expression is not.
    if pattern.contains(['*', '[', '(', '\\', '+', '?', '{']) {
        return None;
    }
    let one = |line: &str, part: &str| {
        let (head, tail) = (part.starts_with('^'), part.ends_with('$'));
        let part = part.trim_start_matches('^').trim_end_matches('$');
        let word = |line: &str| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .any(|w| w == part)
        };
        match (head || has('x'), tail || has('x')) {
            (true, true) => line == part,
            (true, false) => line.starts_with(part),
            (false, true) => line.ends_with(part),
            (false, false) if has('w') => word(line),
            (false, false) => line.contains(part),
        }
    };
    let hit = |line: &&String| {
        let line = fold(line);
        pattern.split('|').any(|part| one(&line, part)) != has('v')
    };
    let found: Vec<String> = lines.iter().filter(hit).cloned().collect();
    let succeeds = !found.is_empty();
    Some(if has('q') {
        (Vec::new(), succeeds)
    } else if has('c') {
        (vec![found.len().to_string()], succeeds)
    } else {
        (found, succeeds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_of_filters_succeeds_as_in_a_shell() {
        let table = [
            "root a 1 3 tcp4 10.0.0.1:8080 *:* LISTEN",
            "? ? ? ? tcp4 1:1 2:2 SYN_RCVD",
        ];
        let table = table.map(str::to_owned);
        let fine = |line| check(line, &table);
        assert_eq!(
            fine("sockstat -sP tcp | grep -c SYN_RCVD | grep 1"),
            Some(Ok(true))
        );
        assert_eq!(
            fine("sockstat -sP tcp | grep -c SYN_RCVD | grep -q '^0$'"),
            Some(Ok(false))
        );
        assert_eq!(
            fine("sockstat | grep -v LISTEN | wc -l | grep 2"),
            Some(Ok(true))
        );
        assert_eq!(
            fine("sockstat -4 | grep 'CLOSED\\|LISTEN' > /dev/null"),
            Some(Ok(true))
        );
        assert_eq!(fine("sockstat"), Some(Ok(true)));
        assert_eq!(fine("sysctl a=1"), None);
        assert!(matches!(fine("sockstat | awk x"), Some(Err(_))));
        assert!(matches!(fine("sockstat | grep 'a.*b'"), Some(Err(_))));
    }
}
