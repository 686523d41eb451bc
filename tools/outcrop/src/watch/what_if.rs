//! `/_inspect/what-if`: recorded scenarios, each packet of which may have another fate.
//!
//! Job: read what is asked for, play it, answer with the page. Owns: the address.
//! Does not know: the live conversations: of those the other half is not ours to play again.
//! A play takes milliseconds of a thread of its own: the shard's own executor is not to be entered twice.

use outcrop_inspect::{PageOptions, WhatIf};
use outcrop_testkit::scenario::{Play, Scenario};
use outcrop_testkit::what_if::{Change, read};

use crate::future::{Future, FutureError, address, recorded};

/// Where it is.
pub(super) const WHAT_IF: &str = "/_inspect/what-if";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    play: Play,
    then: Option<Change>,
}

/// The page asked for, or nothing if it makes no sense.
pub(super) fn page(query: &str) -> Option<Vec<u8>> {
    let asked = parse(query)?;
    let drawn = std::thread::Builder::new()
        .name("what-if".to_owned())
        .spawn(move || draw(&asked))
        .ok()?
        .join();
    drawn.ok()?.ok()
}

fn parse(query: &str) -> Option<Asked> {
    let mut asked = Asked {
        play: Play {
            scenario: Scenario::Retransmission,
            seed: 1,
            faults: Vec::new(),
        },
        then: None,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        // The two that our own values hold and that some clients escape.
        let value = value.replace("%3A", ":").replace("%2C", ",");
        match key {
            "scenario" => asked.play.scenario = Scenario::from_name(&value)?,
            "seed" => asked.play.seed = value.parse().ok()?,
            "faults" => asked.play.faults = read(&value).ok()?,
            "then" => asked.then = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(asked)
}

fn draw(asked: &Asked) -> Result<Vec<u8>, FutureError> {
    let play = &asked.play;
    let name = format!("What if: {}", play.scenario);
    if let Some(change) = asked.then {
        let future = Future::of(play, &[change])?;
        let again = address(WHAT_IF, &future.play);
        return future.page(&name, WhatIf::Address(&again));
    }
    let again = address(WHAT_IF, play);
    let all: Vec<_> = Scenario::ALL
        .iter()
        .map(|scenario| (format!("{WHAT_IF}?scenario={scenario}"), scenario.name()))
        .collect();
    let links: Vec<_> = all.iter().map(|(at, name)| (at.as_str(), *name)).collect();
    let options = PageOptions {
        what_if: WhatIf::Address(&again),
        links: &links,
        ..PageOptions::named(&name)
    };
    recorded(&play.run()?, &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ours_is_understood_and_others_are_not() {
        let asked = parse("scenario=get&seed=7&faults=right:2:drop&then=delay:4:200ms").unwrap();
        assert_eq!(asked.play.scenario, Scenario::Get);
        assert_eq!((asked.play.seed, asked.play.faults.len()), (7, 1));
        assert_eq!(asked.then.unwrap().to_string(), "delay:4:200ms");
        let again = address("", &asked.play);
        let again = again.strip_prefix('?').unwrap();
        let escaped = format!("{}drop:3", again.replace(':', "%3A"));
        assert_eq!(parse(&escaped).unwrap().play, asked.play);
        assert_eq!(parse("").unwrap().play.scenario, Scenario::Retransmission);
        for bad in [
            "x",
            "scenario=none",
            "seed=-1",
            "faults=1",
            "then=lose:1",
            "a=b",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_packet_that_is_not_there_has_no_future() {
        assert!(page("scenario=get&then=drop:9999").is_none());
        let text = String::from_utf8(page("scenario=get&then=drop:2").unwrap()).unwrap();
        assert!(text.contains("packet #2, from this end, had been lost on the link"));
        // The other future's packets may be changed again.
        assert!(text.contains("faults=right:1:drop&amp;then=delay:"));
    }
}
